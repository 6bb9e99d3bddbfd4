//! The connected peers of a torrent, as the torrent needs to know them: for the choker, for the address book, for
//! counting copies.

use core::net::SocketAddr;
use std::collections::BTreeMap;
use std::sync::Arc;

use tide_base::{Bits, Instant, PeerId, SlotKey, Slots};

use super::choker::Candidate;
use crate::id::PeerKey;
use crate::mail::{Joined, MemberRates};

/// A connected peer.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Where it is.
    pub key: PeerKey,
    /// Its address.
    pub addr: SocketAddr,
    /// What it calls itself.
    pub peer_id: PeerId,
    /// Whether we dialled.
    pub outgoing: bool,
    /// The address of the book that it is connected under, if any.
    pub listed: Option<SocketAddr>,
    /// What it has.
    pub has: Arc<Bits>,
    /// Whether it wants something of us.
    pub interested: bool,
    /// Whether we serve it.
    pub unchoked: bool,
    /// When that last changed, or it connected.
    pub since: Instant,
    /// When it connected.
    pub joined: Instant,
    /// What it had been sent when we last began to serve it.
    pub sent_before: u64,
    /// The last report of its rates.
    pub rates: Option<MemberRates>,
}

impl Peer {
    /// Whether it has everything, as far as it is known what that is.
    pub fn is_seed(&self) -> bool {
        !self.has.is_empty() && self.has.all()
    }
}

/// The connected peers.
#[derive(Debug, Default)]
pub struct Swarm {
    peers: Slots<Peer>,
    by_key: BTreeMap<PeerKey, SlotKey>,
    seeds: u32,
    interested: u32,
}

impl Swarm {
    /// Nobody.
    pub fn new() -> Swarm {
        Swarm::default()
    }

    /// A peer has joined.
    pub fn join(&mut self, now: Instant, joined: &Joined, pieces: u32) -> SlotKey {
        let slot = self.peers.insert(Peer {
            key: joined.peer,
            addr: joined.addr,
            peer_id: joined.peer_id,
            outgoing: joined.outgoing,
            listed: joined.outgoing.then_some(joined.addr),
            has: Arc::new(Bits::new(pieces)),
            interested: false,
            unchoked: false,
            since: now,
            joined: now,
            sent_before: 0,
            rates: None,
        });
        let old = self.by_key.insert(joined.peer, slot);
        assert!(old.is_none(), "a connection joins once");
        slot
    }

    /// A peer has left.
    pub fn leave(&mut self, key: PeerKey) -> Option<(SlotKey, Peer)> {
        let slot = self.by_key.remove(&key)?;
        let peer = self.peers.remove(slot).expect("both tables hold the same peers");
        self.seeds -= u32::from(peer.is_seed());
        self.interested -= u32::from(peer.interested);
        Some((slot, peer))
    }

    /// The slot of a peer.
    pub fn find(&self, key: PeerKey) -> Option<SlotKey> {
        self.by_key.get(&key).copied()
    }

    /// A peer.
    pub fn get(&self, slot: SlotKey) -> Option<&Peer> {
        self.peers.get(slot)
    }

    /// A peer; what it has must be changed by [`set_has`](Self::set_has).
    pub fn get_mut(&mut self, slot: SlotKey) -> Option<&mut Peer> {
        self.peers.get_mut(slot)
    }

    /// A peer has something else than it had.
    pub fn set_has(&mut self, slot: SlotKey, change: impl FnOnce(&mut Bits)) {
        let Some(peer) = self.peers.get_mut(slot) else { return };
        let was_seed = peer.is_seed();
        change(Arc::make_mut(&mut peer.has));
        self.seeds = self.seeds + u32::from(peer.is_seed()) - u32::from(was_seed);
    }

    /// It is known from now on how many pieces there are; nobody has any, as far as we know.
    pub fn learn(&mut self, pieces: u32) {
        for (_, peer) in self.peers.iter_mut() {
            peer.has = Arc::new(Bits::new(pieces));
        }
        self.seeds = 0;
    }

    /// All peers, in a stable order.
    pub fn iter(&self) -> impl Iterator<Item = (SlotKey, &Peer)> {
        self.peers.iter()
    }

    /// How many there are.
    pub fn len(&self) -> u32 {
        self.peers.len() as u32
    }

    /// Whether there is nobody.
    pub fn is_empty(&self) -> bool {
        self.peers.is_empty()
    }

    /// How many have everything.
    pub fn seeds(&self) -> u32 {
        self.seeds
    }

    /// A peer began or ceased to want something of us.
    pub fn set_interested(&mut self, slot: SlotKey, interested: bool) {
        if let Some(peer) = self.peers.get_mut(slot) {
            self.interested = self.interested + u32::from(interested) - u32::from(peer.interested);
            peer.interested = interested;
        }
    }

    /// Whether somebody wants something of us.
    pub fn wants_something(&self) -> bool {
        self.interested > 0
    }

    /// How many we serve.
    pub fn unchoked(&self) -> u32 {
        self.peers.iter().filter(|(_, peer)| peer.unchoked).count() as u32
    }

    /// What the choker needs to know of a peer.
    pub fn candidate(&self, slot: SlotKey) -> Option<Candidate> {
        let peer = self.peers.get(slot)?;
        let rates = peer.rates.as_ref();
        let uploaded = rates.map_or(0, |rates| rates.uploaded);
        Some(Candidate {
            peer: slot,
            interested: peer.interested,
            unchoked: peer.unchoked,
            snubbed: rates.is_some_and(|rates| rates.snubbed),
            upload_only: rates.is_some_and(|rates| rates.upload_only),
            down_rate: rates.map_or(0, |rates| rates.down_rate),
            served: uploaded.saturating_sub(peer.sent_before),
            since: peer.since,
            connected_since: peer.joined,
        })
    }

    /// What the choker needs to know, in a stable order.
    pub fn candidates(&self) -> Vec<Candidate> {
        self.peers.keys().filter_map(|slot| self.candidate(slot)).collect()
    }

    /// Whether we serve a peer has changed.
    pub fn set_unchoked(&mut self, now: Instant, slot: SlotKey, unchoked: bool) {
        if let Some(peer) = self.peers.get_mut(slot) {
            peer.unchoked = unchoked;
            peer.since = now;
            peer.sent_before = peer.rates.as_ref().map_or(0, |rates| rates.uploaded);
        }
    }
}
