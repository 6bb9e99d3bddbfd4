//! Connections before hands are shaken: dialled, accepted, handed over; and who is not welcome at all.

use core::net::{IpAddr, SocketAddr};

use tide_base::addr::canonical;
use tide_base::{Instant, SlotKey};
use tide_peer::opening::{Greeted, Greeting, Heard, Introduced, Listening, Met};
use tide_peer::{Handshake, Reserved};

use super::Shard;
use crate::border::{Arrival, NetError, Output};
use crate::desk::{Owner, Reason, Role};
use crate::id::ConnKey;
use crate::mail::{End, ToCrew, Whom};

/// Scratch for a handshake: 68 bytes and the first messages that follow it.
pub(super) const HANDSHAKE: usize = 1024;

impl Shard {
    /// Somebody connected: the key of the connection, or `None` if it shall be closed at once.
    pub fn accept(&mut self, now: Instant, from: SocketAddr, local: SocketAddr) -> Option<ConnKey> {
        let from = canonical(from);
        if !self.may_come_in(now, from) {
            log::trace!("{from} is turned away at {local}");
            return None;
        }
        log::trace!("{from} connects to {local}");
        let conn = self.desk.conns.insert(from, now, Role::Incoming(Listening::new(), Vec::new()));
        self.desk.wake_conn(conn, now + self.desk.limits.handshake_timeout, Reason::Handshake);
        Some(conn)
    }

    /// Whether somebody from there is let in; if so, a place is taken for him.
    fn may_come_in(&mut self, now: Instant, from: SocketAddr) -> bool {
        let crowded = self.desk.conns.with_ip(from.ip()) >= self.desk.limits.peers_per_ip;
        let welcome = self.ending.is_none() && !crowded && !self.desk.bans.is_banned(now, from.ip());
        welcome && self.desk.meet_stranger()
    }

    /// A connection came over from another shard ([`Output::HandOver`]): its key here, or `None` to close it.
    pub fn adopt(&mut self, now: Instant, arrival: &Arrival) -> Option<ConnKey> {
        self.desk.take_strangers_place();
        if !self.may_come_in(now, arrival.from) {
            return None;
        }
        let conn = self.desk.conns.insert(
            arrival.from,
            arrival.accepted,
            Role::Incoming(Listening::new(), Vec::new()),
        );
        self.desk.wake_conn(conn, arrival.accepted + self.desk.limits.handshake_timeout, Reason::Handshake);
        self.shake(now, conn, &arrival.received);
        self.desk.conns.contains(conn).then_some(conn)
    }

    /// A connection was gone before it could be handed over.
    pub fn stranded(&mut self) {
        self.desk.take_strangers_place();
    }

    /// A dialled connection stands.
    pub(super) fn connected(&mut self, now: Instant, conn: ConnKey) {
        let Some(known) = self.desk.conns.get_mut(conn) else { return };
        match known.role {
            Role::Dialling(crew) => {
                let Some(ours) = self.our_handshake(crew) else { return self.desk.close(conn) };
                let known = self.desk.conns.get_mut(conn).expect("it was there");
                known.role = Role::Greeting(crew, Greeting::dial(ours), true);
                let until = now + self.desk.limits.handshake_timeout;
                self.desk.timers.disarm(Owner::Conn(conn));
                self.desk.wake_conn(conn, until, Reason::Handshake);
                self.desk.put(Output::Send(conn));
            }
            Role::Tracker(request) => {
                if let Some(central) = &mut self.central {
                    central.connected(&mut self.desk, now, request);
                }
            }
            Role::Gateway(stream) => {
                if let Some(mapping) = self.central.as_mut().and_then(|central| central.mapping_mut()) {
                    mapping.connected(now, stream);
                }
            }
            _ => {}
        }
    }

    fn our_handshake(&self, crew: SlotKey) -> Option<Handshake> {
        let crew = self.crews.get(crew)?;
        let facts = crew.facts();
        // The bit asks for a port message, which a private torrent's peers have no use for (BEP 5, 27).
        let is_node = self.desk.setup.dht.is_some() && !facts.private;
        let reserved = if is_node { Reserved::OURS.with_dht() } else { Reserved::OURS };
        Some(Handshake { reserved, info_hash: facts.info_hash, peer_id: self.desk.setup.peer_id })
    }

    /// Bytes of a handshake came.
    pub(super) fn shake(&mut self, now: Instant, conn: ConnKey, mut bytes: &[u8]) {
        let Some(known) = self.desk.conns.get_mut(conn) else { return };
        let placeholder = Role::Incoming(Listening::new(), Vec::new());
        match core::mem::replace(&mut known.role, placeholder) {
            Role::Incoming(listening, mut received) => {
                received.extend_from_slice(bytes);
                match listening.receive(&mut bytes) {
                    Ok(Heard::More(listening)) => known.role = Role::Incoming(listening, received),
                    Ok(Heard::Introduced(introduced)) => {
                        self.introduced(now, conn, introduced, received, bytes)
                    }
                    Err(fault) => {
                        self.desk.faults.count(fault);
                        self.desk.close(conn);
                    }
                }
            }
            Role::Greeting(crew, greeting, outgoing) => {
                if outgoing {
                    // If it ends now, it must be known whose place it had.
                    known.role = Role::Dialling(crew);
                }
                self.greeted(now, conn, crew, greeting, outgoing, bytes)
            }
            other => known.role = other,
        }
    }

    /// Somebody who dialled us has said whom he wants.
    fn introduced(
        &mut self,
        now: Instant,
        conn: ConnKey,
        introduced: Introduced,
        received: Vec<u8>,
        rest: &[u8],
    ) {
        let Some(&torrent) = self.directory.get(&introduced.info_hash()) else {
            return self.desk.close(conn);
        };
        if torrent.shard != self.desk.shard {
            let known = self.desk.conns.get(conn).expect("it has just said something");
            let (from, accepted) = (known.addr, known.since);
            self.desk.send_stranger_on(conn);
            let arrival = Box::new(Arrival { from, received, accepted });
            return self.desk.put(Output::HandOver { conn, to: torrent.shard, arrival });
        }
        let crew = self.crew_of.get(&torrent).copied();
        let Some((crew, ours)) = crew.and_then(|crew| Some((crew, self.our_handshake(crew)?))) else {
            return self.desk.close(conn);
        };
        self.desk.put(Output::Send(conn));
        self.greeted(now, conn, crew, introduced.answer(ours), false, rest);
    }

    fn greeted(
        &mut self,
        now: Instant,
        conn: ConnKey,
        crew: SlotKey,
        greeting: Greeting,
        outgoing: bool,
        mut bytes: &[u8],
    ) {
        match greeting.receive(&mut bytes) {
            Ok(Greeted::More(greeting)) => {
                let known = self.desk.conns.get_mut(conn).expect("it has just said something");
                known.role = Role::Greeting(crew, greeting, outgoing);
            }
            Ok(Greeted::Met(met)) => self.met(now, conn, crew, &met, outgoing, bytes),
            Err(fault) => {
                self.desk.faults.count(fault);
                self.refuse(conn, crew, outgoing, End::Fault(fault));
            }
        }
    }

    /// Hands are shaken: the connection becomes a member's.
    fn met(
        &mut self,
        now: Instant,
        conn: ConnKey,
        crew_slot: SlotKey,
        met: &Met,
        outgoing: bool,
        rest: &[u8],
    ) {
        let addr = self.desk.conns.get(conn).expect("it has just said something").addr;
        self.touched.insert(Owner::Crew(crew_slot));
        let Some(crew) = self.crews.get_mut(crew_slot) else { return self.desk.close(conn) };
        match crew.join(&mut self.desk, now, conn, addr, met, outgoing) {
            Ok(member) => {
                self.desk.end_greeting(outgoing);
                let known = self.desk.conns.get_mut(conn).expect("it has just said something");
                known.role = Role::Member(crew_slot, member);
                crew.filled(&mut self.desk, now, member, 0, rest);
            }
            Err(end) => self.refuse(conn, crew_slot, outgoing, end),
        }
    }

    /// A connection ends before it became a member's.
    fn refuse(&mut self, conn: ConnKey, crew: SlotKey, outgoing: bool, end: End) {
        let Some(known) = self.desk.conns.get_mut(conn) else { return };
        let addr = known.addr;
        if outgoing && let Some(crew_of) = self.crews.get_mut(crew) {
            crew_of.dial_failed(&mut self.desk, conn, addr, end);
            self.touched.insert(Owner::Crew(crew));
        }
        self.desk.close(conn);
    }

    /// An address is banned: whatever this shard has to do with it ends, and nothing begins until then.
    pub(super) fn ban(&mut self, now: Instant, ip: IpAddr, until: Instant) {
        self.desk.bans.ban(ip, until);
        for torrent in self.crew_of.keys().copied().collect::<Vec<_>>() {
            self.tell_crew(now, torrent, ToCrew::Drop(Whom::Ip(ip)));
        }
        let strange = |role: &Role| matches!(role, Role::Incoming(..));
        let conns = self.desk.conns.iter().filter(|(_, conn)| conn.addr.ip() == ip && strange(&conn.role));
        for conn in conns.map(|(key, _)| key).collect::<Vec<_>>() {
            self.desk.close(conn);
        }
    }

    /// A connection is gone, or took too long, before hands were shaken.
    pub(super) fn unmet(&mut self, conn: ConnKey, why: NetError) {
        let Some(known) = self.desk.conns.get(conn) else { return };
        match known.role {
            Role::Dialling(crew) => self.refuse(conn, crew, true, End::Failed(why)),
            Role::Greeting(crew, _, outgoing) => self.refuse(conn, crew, outgoing, End::Lost(why)),
            _ => self.desk.close(conn),
        }
    }
}
