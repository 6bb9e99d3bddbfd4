//! The connections of one shard: whose each is.

use core::net::{IpAddr, SocketAddr};
use std::collections::BTreeMap;

use tide_base::{Instant, SlotKey, Slots};
use tide_peer::opening::{Greeting, Listening};
use tide_portmap::StreamId;

use crate::id::ConnKey;

/// One connection.
#[derive(Debug)]
pub struct Conn {
    /// The other end.
    pub addr: SocketAddr,
    /// When we dialled or accepted.
    pub since: Instant,
    /// What it is for.
    pub role: Role,
}

/// What a connection is for.
#[derive(Debug)]
pub enum Role {
    /// We dial a peer for a crew.
    Dialling(SlotKey),
    /// Somebody dialled us; whom he wants is not known yet.
    Incoming(Listening, Vec<u8>),
    /// Hands are being shaken with a peer of a crew; whether we dialled.
    Greeting(SlotKey, Greeting, bool),
    /// A member of a crew.
    Member(SlotKey, SlotKey),
    /// A request to a tracker.
    Tracker(SlotKey),
    /// A request to a gateway.
    Gateway(StreamId),
}

impl Role {
    /// Whether the other end is, or may become, a peer.
    fn is_peers(&self) -> bool {
        !matches!(self, Role::Tracker(_) | Role::Gateway(_))
    }
}

/// The connections of one shard.
#[derive(Debug, Default)]
pub struct Conns {
    slots: Slots<Conn>,
    per_ip: BTreeMap<IpAddr, u32>,
}

impl Conns {
    /// No connections.
    pub fn new() -> Conns {
        Conns::default()
    }

    /// A new connection.
    pub fn insert(&mut self, addr: SocketAddr, since: Instant, role: Role) -> ConnKey {
        if role.is_peers() {
            *self.per_ip.entry(addr.ip()).or_default() += 1;
        }
        ConnKey(self.slots.insert(Conn { addr, since, role }))
    }

    /// A connection.
    pub fn get(&self, key: ConnKey) -> Option<&Conn> {
        self.slots.get(key.0)
    }

    /// A connection.
    pub fn get_mut(&mut self, key: ConnKey) -> Option<&mut Conn> {
        self.slots.get_mut(key.0)
    }

    /// Forgets a connection.
    pub fn remove(&mut self, key: ConnKey) -> Option<Conn> {
        let conn = self.slots.remove(key.0)?;
        if conn.role.is_peers() {
            let count = self.per_ip.get_mut(&conn.addr.ip()).expect("each connection is counted");
            *count -= 1;
            if *count == 0 {
                self.per_ip.remove(&conn.addr.ip());
            }
        }
        Some(conn)
    }

    /// How many connections there are with this address, trackers and gateways aside.
    pub fn with_ip(&self, ip: IpAddr) -> u32 {
        self.per_ip.get(&ip).copied().unwrap_or(0)
    }

    /// Whether a connection is known.
    pub fn contains(&self, key: ConnKey) -> bool {
        self.slots.contains(key.0)
    }

    /// The connections that a crew dials or shakes hands on: which, with whom, and whether we dialled.
    pub fn greeting_for(&self, crew: SlotKey) -> Vec<(ConnKey, SocketAddr, bool)> {
        let outgoing = |role: &Role| match role {
            Role::Dialling(of) if *of == crew => Some(true),
            Role::Greeting(of, _, outgoing) if *of == crew => Some(*outgoing),
            _ => None,
        };
        self.iter().filter_map(|(key, conn)| Some((key, conn.addr, outgoing(&conn.role)?))).collect()
    }

    /// All connections.
    pub fn iter(&self) -> impl Iterator<Item = (ConnKey, &Conn)> {
        self.slots.iter().map(|(key, conn)| (ConnKey(key), conn))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }
}
