//! Verdicts on pieces: leased, judged, stored or given back; who sent bad data.

use tide_base::{Bits, Instant, ShardId};

use super::Torrent;
use super::trust::{Judgement, Sent};
use crate::desk::Desk;
use crate::desk::gates::LeaseRef;
use crate::event::Happening;
use crate::id::PeerKey;
use crate::mail::{Sender, ToCrew, ToSession, Traffic, Whom};

impl Torrent {
    /// A crew wants pieces for a peer.
    pub(super) fn demand(
        &mut self,
        desk: &mut Desk,
        crew: ShardId,
        peer: PeerKey,
        (has, choked): (&Bits, bool),
        pieces: u32,
    ) {
        let Some(slot) = self.swarm.find(peer) else { return };
        let alone = self.swarm.get(slot).is_some_and(|peer| self.trust.on_parole(peer.addr.ip()));
        // What was in vain for the little that a choking peer allows says nothing of the rest it has.
        let asker = (!choked).then_some(slot);
        let alone = alone.then_some(peer);
        let mut leases = Vec::new();
        while leases.len() < pieces.max(1) as usize {
            let Some(lease) = self.stock.lease(asker, has, crew, &mut desk.prng) else { break };
            leases.push(lease);
        }
        let last = leases.last().copied();
        for &lease in &leases {
            let last = last == Some(lease);
            desk.tell_crew(crew, self.key, ToCrew::Lease { lease, alone, peer, last });
        }
        if leases.is_empty() {
            let endgame = self.stock.all_leased();
            desk.tell_crew(crew, self.key, ToCrew::Barren { peer, endgame });
        }
    }

    /// A piece is whole and hashed.
    pub(super) fn judge(
        &mut self,
        desk: &mut Desk,
        crew: ShardId,
        lease: LeaseRef,
        digest: [u8; 20],
        senders: &[Sender],
    ) {
        if !self.stock.is_leased(lease) {
            return desk.tell_crew(crew, self.key, ToCrew::Revoke(lease));
        }
        let good = digest == self.expected(lease.piece);
        if !good {
            log::info!("{:?}: piece {} is bad", self.key, lease.piece);
            self.progress.corrupt(u64::from(self.spec.layout.len_of(lease.piece)));
        } else if !self.trust.needs_digests(lease.piece) {
            let ips: Vec<_> = senders.iter().map(|sender| sender.addr.ip()).collect();
            let judged = self.trust.passed(lease.piece, &ips, &[]);
            self.punish(desk, judged);
        }
        let blocks = !good || self.trust.needs_digests(lease.piece);
        desk.tell_crew(crew, self.key, ToCrew::Verdict { lease, good, blocks });
    }

    /// The blocks of a judged piece are hashed: who sent bad ones?
    pub(super) fn blocks(
        &mut self,
        desk: &mut Desk,
        lease: LeaseRef,
        good: bool,
        digests: &[[u8; 20]],
        senders: &[Sender],
    ) {
        let mut sent: Vec<Sent> = digests.iter().map(|&digest| Sent { from: None, digest }).collect();
        for sender in senders {
            for block in &sender.blocks {
                if let Some(slot) = sent.get_mut(block.0 as usize) {
                    slot.from = Some(sender.addr.ip());
                }
            }
        }
        let ips: Vec<_> = senders.iter().map(|sender| sender.addr.ip()).collect();
        let judged = match good {
            true => self.trust.passed(lease.piece, &ips, digests),
            false => self.trust.failed(lease.piece, &sent),
        };
        self.punish(desk, judged);
    }

    fn punish(&mut self, desk: &mut Desk, judged: Vec<Judgement>) {
        for judgement in judged {
            match judgement {
                Judgement::Ban(ip) => {
                    log::info!("{:?}: {ip} sends bad data and is banned", self.key);
                    let new = self.book.ban(ip);
                    self.tell_crew(desk, ToCrew::Drop(Whom::Ip(ip)));
                    desk.tell_session(ToSession::Ban(ip));
                    // What it sent before may still be judged afterwards.
                    if new {
                        self.event(desk, Happening::Banned(ip));
                    }
                }
                Judgement::Parole(_) | Judgement::Cleared(_) => {}
            }
        }
    }

    /// A verified piece is written.
    pub(super) fn stored(&mut self, desk: &mut Desk, now: Instant, lease: LeaseRef) {
        if !self.stock.stored(lease) {
            return;
        }
        let bytes = u64::from(self.spec.layout.len_of(lease.piece));
        self.checkpoint.written(now, lease.piece, bytes);
        self.tell_crew(desk, ToCrew::Have(vec![lease.piece]));
        if self.is_complete() && self.is_active() {
            // Trackers are told of a download that ended, not of content that was found (BEP 3), and of a part neither.
            if self.stock.have().all() {
                self.schedule.completed();
            }
            self.complete(desk, now);
        }
    }

    /// A crew gives a lease back without the piece.
    pub(super) fn returned(&mut self, desk: &mut Desk, now: Instant, lease: LeaseRef) {
        let priority = self.priorities.piece(lease.piece);
        if self.stock.returned(lease, priority) {
            self.tell_crew(desk, ToCrew::Fertile);
        } else if self.is_complete() && self.is_active() {
            self.complete(desk, now);
        }
    }

    /// Content went by.
    pub(super) fn traffic(&mut self, now: Instant, traffic: Traffic) {
        self.progress.downloaded(now, traffic.downloaded);
        self.progress.uploaded(now, traffic.uploaded);
        self.progress.wasted(traffic.wasted);
        self.checkpoint.touched(now);
    }
}
