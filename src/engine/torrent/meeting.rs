//! Whom to dial, and who came and went.

use core::net::SocketAddr;
use std::sync::Arc;

use tide_base::{Bits, Instant, PeerId, PieceIndex};
use tide_peer::Fault;

use super::Torrent;
use super::book::{Identity, Sources, Use};
use super::words::Has;
use crate::desk::Desk;
use crate::id::PeerKey;
use crate::mail::{Copies, End, Joined, ToCrew, ToSession, Whom};

/// Dials under way a torrent: enough to fill a crew soon, few enough that one torrent does not hold all half-open
/// connections of a session.
const DIALS: u32 = 16;

impl Torrent {
    /// Dials the next addresses, if there is room for more peers.
    pub(super) fn dial(&mut self, desk: &mut Desk, now: Instant) {
        if !self.is_active() {
            return;
        }
        while self.may_dial(desk.limits.peers_per_torrent) {
            let Some(addr) = self.book.next(now) else { return };
            self.dialling += 1;
            self.tell_crew(desk, ToCrew::Dial(addr));
        }
    }

    /// When an address may be dialled.
    pub(super) fn dial_deadline(&self, most: u32) -> Instant {
        match self.may_dial(most) {
            true => self.book.deadline(),
            false => Instant::NEVER,
        }
    }

    fn may_dial(&self, most: u32) -> bool {
        self.dialling < DIALS && self.swarm.len() + self.dialling < most
    }

    /// A peer has shaken hands.
    pub(super) fn joined(&mut self, desk: &mut Desk, now: Instant, joined: &Joined) {
        let pieces = self.spec.layout.pieces();
        self.swarm.join(now, joined, pieces);
        self.availability.join(Has::These(&Bits::new(pieces)));
        if joined.outgoing {
            self.dialling = self.dialling.saturating_sub(1);
            // A stranger who shook hands in the turn in which the torrent turned out to be private.
            if self.spec.private && !self.book.knows(joined.addr) {
                self.tell_crew(desk, ToCrew::Drop(Whom::Peer(joined.peer)));
            }
            self.book.connected(now, joined.addr);
            if self.book.handshaken(joined.addr, joined.peer_id) == Identity::Ours {
                self.tell_crew(desk, ToCrew::Drop(Whom::Peer(joined.peer)));
            }
        }
        log::debug!("{:?}: {} joined as {:?}", self.key, joined.addr, joined.peer_id);
    }

    /// Says whether peers are looked for on the local network, if that has changed: for public torrents, while they
    /// transfer.
    pub(super) fn look_near(&mut self, desk: &mut Desk) {
        let near = self.is_active() && !self.spec.private && desk.setup.local.is_some();
        let Some(hash) = self.spec.info_hashes.v1.filter(|_| near != self.near) else { return };
        self.near = near;
        let key = self.key;
        desk.tell_session(if near { ToSession::Near(hash, key) } else { ToSession::Far(hash, key) });
    }

    /// A peer that dialled us says where it listens. It may be dialled in return, unless the torrent is private: then only
    /// those of whom its trackers or its user told are (BEP 27).
    pub(super) fn listens(&mut self, desk: &mut Desk, now: Instant, key: PeerKey, at: SocketAddr) {
        let Some(slot) = self.swarm.find(key) else { return };
        if !self.spec.private {
            self.book.add(now, at, Sources::INCOMING, &mut desk.prng);
        }
        let Some(peer) = self.swarm.get_mut(slot).filter(|peer| peer.listed.is_none()) else { return };
        peer.listed = Some(at);
        self.book.connected(now, at);
    }

    /// Somebody told of peers. Of private torrents only trackers may (BEP 27).
    pub(super) fn found_peers(
        &mut self,
        desk: &mut Desk,
        now: Instant,
        source: Sources,
        peers: Vec<SocketAddr>,
    ) {
        if self.spec.private {
            return;
        }
        for addr in peers {
            self.book.add(now, addr, source, &mut desk.prng);
        }
    }

    /// A peer is gone, or a dial came to nothing.
    pub(super) fn left(
        &mut self,
        desk: &mut Desk,
        now: Instant,
        key: PeerKey,
        addr: SocketAddr,
        end: &End,
        gave: u64,
    ) {
        // An address that was never met had no member's connection: its key names nobody.
        let was_here = if matches!(end, End::Spared | End::Barred) { None } else { self.swarm.leave(key) };
        let Some((slot, peer)) = was_here else {
            return self.dial_failed(desk, now, addr, end);
        };
        self.free_slot(desk, slot);
        self.stock.forget(slot);
        let has = Arc::clone(&peer.has);
        let has = if peer.is_seed() { Has::Everything } else { Has::These(&has) };
        if let Some(change) = self.availability.leave(has) {
            self.stock.copies(change);
        }
        if let Some(quest) = &mut self.quest {
            quest.gone(key);
        }
        if let Some(listed) = peer.listed {
            let use_of_it = match end {
                End::Idle => Use::Idle,
                End::Parted => Use::Useful,
                _ if gave > 0 => Use::Useful,
                _ => Use::Useless,
            };
            self.book.set_seed(listed, peer.is_seed());
            self.book.disconnected(now, listed, use_of_it, &mut desk.prng);
        }
    }

    fn dial_failed(&mut self, desk: &mut Desk, now: Instant, addr: SocketAddr, end: &End) {
        self.dialling = self.dialling.saturating_sub(1);
        match end {
            End::Fault(Fault::SelfConnection) => {
                self.book.handshaken(addr, our_id(desk));
            }
            End::Spared | End::Parted | End::Idle => self.book.spared(now, addr),
            End::Failed(_) | End::Lost(_) | End::Banned | End::Barred | End::Fault(_) => {
                self.book.failed(now, addr, &mut desk.prng)
            }
        }
    }

    /// A peer has more, or less, than it had.
    pub(super) fn copies(&mut self, key: PeerKey, change: Copies) {
        let Some(slot) = self.swarm.find(key) else { return };
        self.stock.forget(slot);
        match change {
            Copies::Have(piece) => {
                let change = self.availability.have(piece);
                self.stock.copies(change);
                self.swarm.set_has(slot, |has| {
                    has.set(piece.0);
                });
                self.maybe_seed(slot);
            }
            Copies::Less(piece) => self.copies_less(slot, piece),
            Copies::More(bits) => {
                let Some(peer) = self.swarm.get(slot) else { return };
                let before = Arc::clone(&peer.has);
                self.swarm.set_has(slot, |has| has.union_with(&bits));
                let after = Arc::clone(&self.swarm.get(slot).expect("it was there").has);
                self.recount(&before, &after);
            }
        }
    }

    fn copies_less(&mut self, slot: tide_base::SlotKey, piece: PieceIndex) {
        let Some(peer) = self.swarm.get(slot) else { return };
        let before = Arc::clone(&peer.has);
        self.swarm.set_has(slot, |has| {
            has.clear(piece.0);
        });
        let after = Arc::clone(&self.swarm.get(slot).expect("it was there").has);
        self.recount(&before, &after);
    }

    fn maybe_seed(&mut self, slot: tide_base::SlotKey) {
        let Some(peer) = self.swarm.get(slot).filter(|peer| peer.has.all()) else { return };
        let has = Arc::clone(&peer.has);
        if let Some(change) = self.availability.became_seed(&has) {
            self.stock.copies(change);
        }
    }

    /// Somebody's pieces are counted anew.
    fn recount(&mut self, before: &Bits, after: &Bits) {
        let kind = |bits| if Bits::all(bits) { Has::Everything } else { Has::These(bits) };
        if let Some(change) = self.availability.leave(kind(before)) {
            self.stock.copies(change);
        }
        if let Some(change) = self.availability.join(kind(after)) {
            self.stock.copies(change);
        }
    }
}

fn our_id(desk: &Desk) -> PeerId {
    desk.setup.peer_id
}
