//! Bytes between the net and whoever holds the ends of its streams.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use tide_base::{InfoHash, ShardId};
use tide_engine::{ConnKey, Input, NetError, Slices, Want};

use super::node::{Owned, Seat};
use super::{Holder, NodeId, Resident, World};
use crate::actor::{EndId, Heard};
use crate::net::HostId;

impl Seat {
    /// Forgets a connection: its end.
    pub(super) fn forget(&mut self, conn: ConnKey) -> Option<EndId> {
        self.reads.remove(&conn);
        self.writes.remove(&conn);
        self.conns.remove(&conn)
    }
}

/// Why reading a connection stopped.
enum Stop {
    /// Nothing is there, or nothing is wanted.
    Rest,
    /// There may be more.
    Again,
    /// The other side has ended the stream.
    Ended,
}

impl World {
    pub(super) fn accepted(&mut self, host: HostId, end: EndId, from: SocketAddr, at: SocketAddr) {
        match self.residents.get(&host) {
            Some(&Resident::Node(node)) => {
                self.holders.insert(end, Holder::Moving(node));
                self.put(node, ShardId::FIRST, Owned::Accepted { end, from, at });
            }
            Some(&Resident::Actor(actor)) => {
                self.holders.insert(end, Holder::Actor(actor));
                self.tell_actor(actor, Heard::Accepted { end, from, at });
            }
            None => self.net.reset(self.now, end),
        }
    }

    pub(super) fn connected(&mut self, end: EndId, local: SocketAddr) {
        match self.holders.get(&end) {
            Some(&Holder::Conn(node, shard, conn)) => self.put(node, shard, Owned::Connected { conn, local }),
            Some(&Holder::Actor(actor)) => self.tell_actor(actor, Heard::Connected { end }),
            Some(Holder::Moving(_)) | None => {}
        }
    }

    pub(super) fn readable(&mut self, end: EndId) {
        match self.holders.get(&end) {
            Some(&Holder::Conn(node, shard, conn)) => {
                self.seat(node, shard).reads.insert(conn);
                self.soon(node, shard);
            }
            Some(&Holder::Actor(actor)) => self.actor_reads(actor, end),
            Some(Holder::Moving(_)) | None => {}
        }
    }

    pub(super) fn writable(&mut self, end: EndId) {
        match self.holders.get(&end) {
            Some(&Holder::Conn(node, shard, conn)) => {
                self.seat(node, shard).writes.insert(conn);
                self.soon(node, shard);
            }
            Some(&Holder::Actor(actor)) => self.actor_writes(actor, end),
            Some(Holder::Moving(_)) | None => {}
        }
    }

    pub(super) fn closed(&mut self, end: EndId, why: NetError) {
        match self.holders.get(&end) {
            // What came before the end is read first.
            Some(&Holder::Conn(..)) if why == NetError::Ended => self.readable(end),
            Some(&Holder::Conn(node, shard, conn)) => {
                self.holders.remove(&end);
                self.seat(node, shard).forget(conn);
                self.put(node, shard, Owned::Closed { conn, why });
            }
            Some(&Holder::Actor(actor)) => self.actor_closed(actor, end, why),
            Some(Holder::Moving(_)) if why != NetError::Ended => drop(self.holders.remove(&end)),
            Some(Holder::Moving(_)) | None => {}
        }
    }

    /// A shard has taken an end in as `conn`, or not.
    pub(super) fn settle_end(&mut self, node: NodeId, shard: ShardId, end: EndId, conn: Option<ConnKey>) {
        let known = self.holders.contains_key(&end);
        match conn {
            Some(conn) if known => {
                self.holders.insert(end, Holder::Conn(node, shard, conn));
                let seat = self.seat(node, shard);
                seat.conns.insert(conn, end);
                seat.reads.insert(conn);
                seat.writes.insert(conn);
            }
            // It broke on its way.
            Some(conn) => self.put(node, shard, Owned::Closed { conn, why: NetError::Reset }),
            None if known => {
                self.holders.remove(&end);
                self.net.close(self.now, end);
            }
            None => {}
        }
    }

    /// Reads what is there and wanted, from everybody once.
    pub(super) fn pump_in(&mut self, node: NodeId, shard: ShardId) {
        let mut bytes = BTreeMap::new();
        let conns = std::mem::take(&mut self.seat(node, shard).reads);
        for conn in conns {
            match self.read(node, shard, conn, &mut bytes) {
                Stop::Rest => {}
                Stop::Again => drop(self.seat(node, shard).reads.insert(conn)),
                Stop::Ended => {
                    if let Some(end) = self.seat(node, shard).forget(conn) {
                        self.holders.remove(&end);
                        self.net.close(self.now, end);
                    }
                    let now = self.now;
                    let closed = Input::Closed { conn, why: NetError::Ended };
                    self.seat(node, shard).shard.handle(now, closed);
                }
            }
        }
        self.judge_bytes_in(node, bytes);
    }

    /// Reads a connection; `bytes` grows by what came from a peer.
    fn read(
        &mut self,
        node: NodeId,
        shard: ShardId,
        conn: ConnKey,
        bytes: &mut BTreeMap<Option<InfoHash>, u64>,
    ) -> Stop {
        let now = self.now;
        let World { nodes, net, scratch, trail, trackers, .. } = self;
        let node = &mut nodes[node.0 as usize];
        let mut left = node.spec.turns.bytes as usize;
        let life = node.life.as_mut().expect("a process that reads lives");
        let seat = &mut life.seats[usize::from(shard.0)];
        let Some(&end) = seat.conns.get(&conn) else { return Stop::Rest };
        let torrent = life.docket.ears.torrent(end);
        while net.readable(end) > 0 {
            if left == 0 {
                return Stop::Again;
            }
            let (placed, rest) = match seat.shard.want(now, conn) {
                Want::Nothing => return Stop::Rest,
                Want::Scratch(most) => {
                    let most = most.min(scratch.len()).min(left);
                    (0, net.read(now, end, &mut scratch[..most]))
                }
                Want::Place { place, scratch: most } => {
                    let placed = net.read(now, end, place);
                    let more = if placed == place.len() { most.min(scratch.len()) } else { 0 };
                    trail.bytes(&place[..placed]);
                    (placed, net.read(now, end, &mut scratch[..more]))
                }
            };
            if placed + rest == 0 {
                return Stop::Again;
            }
            trail.bytes(&scratch[..rest]);
            seat.shard.filled(now, conn, placed, &scratch[..rest]);
            left = left.saturating_sub(placed + rest);
            if !trackers.contains(&end) {
                *bytes.entry(torrent).or_default() += (placed + rest) as u64;
            }
        }
        if net.ended(end) { Stop::Ended } else { Stop::Rest }
    }

    /// Writes what is there to be written. True if the engine was told of some that went.
    pub(super) fn pump_out(&mut self, node: NodeId, shard: ShardId) -> bool {
        let now = self.now;
        let World { nodes, net, .. } = self;
        let life = nodes[node.0 as usize].life.as_mut().expect("a process that writes lives");
        let seat = &mut life.seats[usize::from(shard.0)];
        let (mut told, mut said) = (false, Vec::new());
        for conn in std::mem::take(&mut seat.writes) {
            let Some(&end) = seat.conns.get(&conn) else { continue };
            loop {
                let mut slices = Slices::new();
                seat.shard.gather(conn, &mut slices);
                let mut bytes = slices.parts().concat();
                let wrote = if bytes.is_empty() { 0 } else { net.write(now, end, &bytes) };
                if wrote == 0 {
                    break;
                }
                seat.shard.sent(now, conn, wrote);
                told = true;
                bytes.truncate(wrote);
                said.push((end, bytes));
            }
        }
        said.into_iter().for_each(|(end, bytes)| self.overhear(node, end, &bytes));
        told
    }
}
