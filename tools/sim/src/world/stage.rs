//! Actors: who is no engine has a host all the same, and hands and ears.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use tide_base::Instant;
use tide_engine::NetError;

use super::{ActorId, Due, Holder, Resident, World};
use crate::actor::{Actor, Deed, EndId, Hands, Heard};
use crate::net::{HostId, HostSpec};

/// What waits to be sent on a stream of an actor's.
#[derive(Debug, Default)]
struct Outgoing {
    bytes: VecDeque<u8>,
    closing: bool,
}

/// An actor and what belongs to it.
#[derive(Debug)]
pub(super) struct Player {
    pub(super) actor: Box<dyn Actor>,
    pub(super) host: HostId,
    out: BTreeMap<EndId, Outgoing>,
    /// What it does not read.
    deaf: BTreeSet<EndId>,
    /// Whether it belongs to the core of the second act, as an honest tracker.
    pub(super) helps: bool,
}

/// Bytes read at once for an actor.
const GULP: usize = 16 << 10;

impl World {
    /// Somebody who is no engine, and where he listens.
    pub fn add_actor(&mut self, spec: HostSpec, ports: &[u16], actor: Box<dyn Actor>) -> ActorId {
        let id = ActorId(self.players.len() as u32);
        let host = self.host(spec, Resident::Actor(id));
        ports.iter().for_each(|&port| self.net.listen(host, port));
        self.players.push(Player { actor, host, out: BTreeMap::new(), deaf: BTreeSet::new(), helps: false });
        self.agenda.set(Due::Actor(id), self.now);
        id
    }

    /// An actor.
    pub fn actor(&self, id: ActorId) -> &dyn Actor {
        self.players[id.0 as usize].actor.as_ref()
    }

    /// An actor, if it is of this type.
    pub fn actor_as<A: Actor>(&self, id: ActorId) -> Option<&A> {
        let actor: &dyn std::any::Any = self.actor(id);
        actor.downcast_ref()
    }

    /// An actor does something now because its user wants it to; `None` if it is not of this type.
    pub fn with_actor<A: Actor, T>(
        &mut self,
        id: ActorId,
        act: impl FnOnce(&mut A, Instant, &mut Hands<'_>) -> T,
    ) -> Option<T> {
        let now = self.now;
        let mut hands = Hands::new(&mut self.next_stream);
        let actor: &mut dyn std::any::Any = self.players[id.0 as usize].actor.as_mut();
        let result = act(actor.downcast_mut()?, now, &mut hands);
        let deeds = hands.take();
        self.act(id, deeds);
        Some(result)
    }

    /// An actor is a tracker: no peer, and part of the core of the second act.
    pub fn set_tracker(&mut self, id: ActorId, ips: Vec<std::net::IpAddr>) {
        self.tracker_ips.extend(ips);
        let player = &mut self.players[id.0 as usize];
        player.helps = true;
    }

    /// An actor is a gateway: no peer, and it hears these groups.
    pub fn set_gateway(
        &mut self,
        id: ActorId,
        inside: std::net::IpAddr,
        groups: BTreeSet<std::net::SocketAddr>,
    ) {
        self.tracker_ips.insert(inside);
        let player = &mut self.players[id.0 as usize];
        player.helps = true;
        self.net.set_groups(player.host, groups);
    }

    /// An actor's host.
    pub fn host_of(&self, id: ActorId) -> HostId {
        self.players[id.0 as usize].host
    }

    pub(super) fn wake_actor(&mut self, id: ActorId) {
        let now = self.now;
        let mut hands = Hands::new(&mut self.next_stream);
        self.players[id.0 as usize].actor.wake(now, &mut hands);
        let deeds = hands.take();
        self.act(id, deeds);
    }

    pub(super) fn tell_actor(&mut self, id: ActorId, what: Heard<'_>) {
        let now = self.now;
        let mut hands = Hands::new(&mut self.next_stream);
        self.players[id.0 as usize].actor.hear(now, what, &mut hands);
        let deeds = hands.take();
        self.act(id, deeds);
    }

    fn act(&mut self, id: ActorId, deeds: Vec<Deed>) {
        let now = self.now;
        for deed in deeds {
            match deed {
                Deed::Dial { end, to } => {
                    let host = self.players[id.0 as usize].host;
                    self.dial(host, end, to, Holder::Actor(id));
                }
                Deed::Send { end, data } => {
                    let out = self.players[id.0 as usize].out.entry(end).or_default();
                    out.bytes.extend(data);
                    self.actor_writes(id, end);
                }
                Deed::Listen { end, reads: true } => {
                    self.players[id.0 as usize].deaf.remove(&end);
                    self.actor_reads(id, end);
                }
                Deed::Listen { end, reads: false } => drop(self.players[id.0 as usize].deaf.insert(end)),
                Deed::Close { end } => {
                    self.players[id.0 as usize].out.entry(end).or_default().closing = true;
                    self.actor_writes(id, end);
                }
                Deed::Reset { end } => {
                    self.forget_end(id, end);
                    self.net.reset(now, end);
                }
                Deed::Datagram { from, to, data } => {
                    let host = self.players[id.0 as usize].host;
                    self.net.send(now, host, from, to, data);
                }
            }
        }
        self.judge_tracker(id);
        self.forward_ports(id);
        let at = self.players[id.0 as usize].actor.wake_at();
        let at = if at == Instant::NEVER { at } else { at.max(now + MOMENT) };
        self.agenda.set(Due::Actor(id), at);
    }

    fn forget_end(&mut self, id: ActorId, end: EndId) {
        let player = &mut self.players[id.0 as usize];
        player.out.remove(&end);
        player.deaf.remove(&end);
        self.holders.remove(&end);
    }

    /// Reads all that is there, unless the actor does not listen.
    pub(super) fn actor_reads(&mut self, id: ActorId, end: EndId) {
        let mut buffer = [0; GULP];
        while self.net.readable(end) > 0
            && self.holders.contains_key(&end)
            && !self.players[id.0 as usize].deaf.contains(&end)
        {
            let read = self.net.read(self.now, end, &mut buffer);
            if read == 0 {
                return;
            }
            self.tell_actor(id, Heard::Bytes { end, data: &buffer[..read] });
        }
    }

    /// Sends what waits, as far as the net takes it.
    pub(super) fn actor_writes(&mut self, id: ActorId, end: EndId) {
        let now = self.now;
        let World { players, net, .. } = self;
        let Some(out) = players[id.0 as usize].out.get_mut(&end) else { return };
        while !out.bytes.is_empty() {
            let (head, _) = out.bytes.as_slices();
            let wrote = net.write(now, end, head);
            if wrote == 0 {
                return;
            }
            out.bytes.drain(..wrote);
        }
        if out.closing {
            self.forget_end(id, end);
            self.net.close(now, end);
        }
    }

    pub(super) fn actor_closed(&mut self, id: ActorId, end: EndId, why: NetError) {
        if why == NetError::Ended {
            self.actor_reads(id, end);
        } else {
            self.forget_end(id, end);
        }
        self.tell_actor(id, Heard::Closed { end, why });
    }
}

/// The shortest time between two calls.
const MOMENT: tide_base::Duration = tide_base::Duration::from_nanos(1000);
