//! Metadata (BEP 9): what members say of the one that is sought, what they are served of ours, and what changes for
//! them when a torrent becomes known.

use std::sync::Arc;

use tide_base::{Instant, SlotKey};
use tide_peer::metadata::{Message, Taken};
use tide_peer::{Fault, Offers};

use super::Crew;
use crate::desk::Desk;
use crate::id::{ConnKey, PeerKey};
use crate::mail::{End, Muster, Said, ToTorrent};

/// Pieces that a member is told of one by one. Whoever came before the metadata cannot be told by a bitfield any more;
/// with more than these it costs less to meet him again.
const HAVES: u32 = 4096;

impl Crew {
    /// Whether it is known how the torrent is cut.
    pub(super) fn is_learnt(&self) -> bool {
        self.facts.layout.is_known()
    }

    /// The torrent is known now. What members said before is looked at by its rules.
    pub(super) fn learn(&mut self, desk: &mut Desk, now: Instant, facts: Muster) {
        if self.disbanding {
            return;
        }
        self.have = facts.have.clone();
        self.missing = Arc::clone(&facts.missing);
        let limits = facts.limits;
        self.facts = facts;
        self.set_limits(now, limits);
        for key in self.roster.keys() {
            match self.have.count() > HAVES {
                true => self.leave(desk, key, End::Parted),
                false => self.introduce_torrent(desk, now, key),
            }
        }
        self.everybody_is_news(desk);
    }

    /// The torrent is private, as its metadata says. What it is else may take a while to be known, if a disk is slow; from
    /// now on nobody is told of anybody, nor heard, and nobody is dialled of whom perhaps a stranger told.
    pub(super) fn hush(&mut self, desk: &mut Desk) {
        self.facts.private = true;
        self.facts.offers = Offers::NONE;
        for (_, member) in self.roster.iter_mut() {
            member.session.set_offers(self.facts.offers);
            member.news = false;
        }
        self.give_up(desk, &End::Spared, |_, outgoing| outgoing);
    }

    /// Brings a member that came before the metadata to where it would be if it came now.
    fn introduce_torrent(&mut self, desk: &mut Desk, now: Instant, key: SlotKey) {
        let Some(member) = self.roster.get_mut(key) else { return };
        let addr = member.addr;
        let events = match member.session.learn(now, self.facts.layout) {
            Ok(events) => events,
            Err(fault) => return self.fault(desk, key, fault),
        };
        member.session.set_offers(self.facts.offers);
        let hello = self.hello(desk, addr);
        let Some(member) = self.roster.get_mut(key) else { return };
        member.session.hello(now, &hello);
        for piece in self.have.iter() {
            member.session.have(now, tide_base::PieceIndex(piece));
        }
        self.allow_fast(desk, now, key);
        for event in events {
            self.happened(desk, now, key, event);
        }
        self.roster.hungry(key);
        self.roster.busy(key);
        self.rearm(desk, key);
        self.part_seeds(desk, key);
    }

    /// The torrent wants a piece of metadata of a member.
    pub(super) fn ask_metadata(&mut self, now: Instant, conn: ConnKey, piece: u32) {
        let Some(key) = self.member_of(conn) else { return };
        let Some(member) = self.roster.get_mut(key) else { return };
        // If it takes none any more, the torrent gives the ask up by itself.
        let _asked = member.session.ask_metadata(now, piece);
        self.roster.busy(key);
    }

    /// A member says how large the metadata is, perhaps not for the first time.
    pub(super) fn metadata_claimed(&self, desk: &mut Desk, key: SlotKey, size: Option<u32>) {
        let Some(member) = self.roster.get(key).filter(|_| !self.is_learnt()) else { return };
        if let Some(size) = size.filter(|_| member.session.takes_metadata()) {
            let peer = PeerKey { shard: desk.shard, conn: member.conn };
            desk.tell_torrent(self.torrent, ToTorrent::Metadata { peer, said: Said::Size(size) });
        }
    }

    /// A message about metadata came.
    pub(super) fn metadata_came(
        &mut self,
        desk: &mut Desk,
        now: Instant,
        key: SlotKey,
        message: Message<'_>,
    ) {
        let said = match message {
            Message::Request(piece) => return self.metadata_wanted(now, key, piece),
            Message::Data { piece, total, bytes } => Said::Piece { piece, total, bytes: bytes.into_owned() },
            Message::Reject(piece) => Said::Refused(piece),
            Message::Unknown => return,
        };
        let Some(member) = self.roster.get(key).filter(|_| !self.is_learnt()) else { return };
        let peer = PeerKey { shard: desk.shard, conn: member.conn };
        desk.tell_torrent(self.torrent, ToTorrent::Metadata { peer, said });
    }

    fn metadata_wanted(&mut self, now: Instant, key: SlotKey, piece: u32) {
        let Some(member) = self.roster.get_mut(key) else { return };
        let size = self.facts.metadata.as_ref().map(|metadata| metadata.len() as u32);
        match member.metadata.request(now, piece, size, &self.config.limits) {
            Taken::Waiting => {}
            Taken::Refused => drop(member.session.answer_metadata(now, &Message::Reject(piece))),
        }
        self.roster.busy(key);
    }

    /// A member broke a rule.
    pub(super) fn fault(&mut self, desk: &mut Desk, key: SlotKey, fault: Fault) {
        if self.roster.get(key).is_some() {
            desk.faults.count(fault);
            self.leave(desk, key, End::Fault(fault));
        }
    }
}
