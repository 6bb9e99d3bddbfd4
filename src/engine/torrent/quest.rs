//! The search for a torrent's metadata (BEP 9): peers are asked, what they send is judged, and what is right is taken
//! over.
//!
//! While a quest stands the torrent is one of no files and no pieces: it opens its storage, recalls resume data, meets
//! peers and asks trackers like any other. When the metadata is here it becomes the torrent that it is, and its storage
//! is opened anew. The crew and its members stay meanwhile: whoever dialled us from behind a NAT could not be dialled
//! again.

use std::sync::Arc;

use tide_base::{Bits, Instant};
use tide_disk::{Answer, Hashed, Trouble, TroubleKind, resume};
use tide_metainfo::{Info, Limits};
use tide_peer::Fault;
use tide_peer::metadata::{Fetch, Order, Ticket, Verdict};
use tide_tracker::Policy;

use super::Torrent;
use super::availability::Availability;
use super::book::Sources;
use super::checkpoint::Checkpoint;
use super::life::{Phase, checkpoint_limits, picker, priorities_of};
use super::stock::Stock;
use super::words::{Has, Priority};
use crate::command::{Metadata, Then};
use crate::desk::Desk;
use crate::desk::gates::{Errand, TorrentErrand};
use crate::event::Happening;
use crate::facts::Facts;
use crate::id::PeerKey;
use crate::mail::{Said, ToCrew, Whom};
use crate::stats::MetadataInfo;

/// Who tells of peers of torrents that are not private only.
const STRANGERS: Sources =
    Sources::from_bits(Sources::DHT.bits() | Sources::PEX.bits() | Sources::LSD.bits());
/// Whom an earlier life of the search had found: nobody knows any more who told of them. (Once the metadata is known, resume
/// data name only whom a private torrent may know.)
const PAST: Sources = Sources::RESUME;

/// The search for a torrent's metadata.
#[derive(Debug)]
pub(super) struct Quest {
    fetch: Fetch<PeerKey>,
    /// The files that are wanted, by number; all if there is none.
    select: Vec<u32>,
    then: Then,
    /// What is right, until it can be taken over.
    found: Option<Facts>,
    /// Why what is right is of no use: there will be nothing else.
    invalid: Option<Trouble>,
}

impl Quest {
    /// The quest that `metadata` asks for, if it does.
    pub(super) fn of(metadata: &Metadata, desk: &Desk) -> Option<Quest> {
        let Metadata::Sought { select, then } = metadata else { return None };
        let fetch = Fetch::new(&desk.limits.peer);
        Some(Quest { fetch, select: select.clone(), then: *then, found: None, invalid: None })
    }

    /// Why there is no use in searching.
    pub(super) fn invalid(&self) -> Option<&Trouble> {
        self.invalid.as_ref()
    }

    fn is_over(&self) -> bool {
        self.found.is_some() || self.invalid.is_some()
    }

    /// A peer is gone.
    pub(super) fn gone(&mut self, peer: PeerKey) {
        self.fetch.gone(peer);
    }

    /// How far it is.
    pub(super) fn progress(&self) -> MetadataInfo {
        let progress = self.fetch.progress();
        MetadataInfo { peers: progress.peers, got: progress.got, pieces: progress.pieces }
    }
}

impl Torrent {
    /// The info dictionary, if it is here.
    pub(super) fn metadata(&self) -> Option<&Arc<[u8]>> {
        match &self.spec.metadata {
            Metadata::Known(bytes) => Some(bytes),
            Metadata::Withheld | Metadata::Sought { .. } => None,
        }
    }

    /// The bytes of a .torrent file: the info dictionary, and what is known around it.
    pub(super) fn metainfo(&self) -> Option<Vec<u8>> {
        let info = self.metadata()?;
        let tiers = self.spec.tiers();
        Some(tide_bencode::encode(|one| {
            one.dict(|dict| {
                if let Some(first) = tiers.iter().flatten().next() {
                    dict.bytes(b"announce", first.as_bytes());
                    dict.list(b"announce-list", |list| {
                        for tier in tiers {
                            list.list(|urls| tier.iter().for_each(|url| urls.bytes(url.as_bytes())));
                        }
                    });
                }
                dict.entry(b"info").raw(info);
                if !self.spec.web_seeds.is_empty() {
                    let urls = &self.spec.web_seeds;
                    dict.list(b"url-list", |list| urls.iter().for_each(|url| list.bytes(url.as_bytes())));
                }
            });
        }))
    }

    /// Whether its metadata is sought.
    pub fn is_sought(&self) -> bool {
        self.quest.is_some()
    }

    /// A peer says something of the metadata.
    pub(super) fn metadata_said(&mut self, now: Instant, peer: PeerKey, said: Said) {
        let Some(quest) = self.quest.as_mut().filter(|_| self.swarm.find(peer).is_some()) else { return };
        match said {
            Said::Size(size) => quest.fetch.claims(peer, size),
            Said::Piece { piece, total, bytes } => quest.fetch.data(now, peer, piece, total, &bytes),
            Said::Refused(piece) => quest.fetch.rejected(now, peer, piece),
        }
    }

    /// When the search has something to do although nothing happened.
    pub(super) fn quest_deadline(&self, now: Instant) -> Instant {
        let searching = self.quest.as_ref().filter(|quest| !quest.is_over() && self.is_active());
        searching.map_or(Instant::NEVER, |quest| quest.fetch.due(now))
    }

    /// Asks for more, has judged what is whole, lets go of liars, and takes over what is right.
    pub(super) fn pursue(&mut self, desk: &mut Desk, now: Instant) {
        while let Some(order) = self.next_order(now) {
            match order {
                Order::Ask { peer, piece } => self.tell_crew(desk, ToCrew::AskMetadata { peer, piece }),
                Order::Blame(peer) => {
                    self.tell_crew(desk, ToCrew::Drop(Whom::Culprit(peer, Fault::MetadataWrong)));
                }
                Order::Judge { ticket, metadata } => {
                    let errand = Errand::Torrent(self.slot(), TorrentErrand::HashMetadata(ticket));
                    desk.gates.hash_bytes(metadata, errand);
                }
            }
        }
        self.invalid_metadata(desk, now);
        // This cannot wait until the metadata can be taken over.
        if self.quest.as_ref().and_then(|quest| quest.found.as_ref()).is_some_and(|found| found.private) {
            self.become_private(desk, STRANGERS | PAST);
        }
        self.take_over(desk, now);
    }

    fn next_order(&mut self, now: Instant) -> Option<Order<PeerKey>> {
        let active = self.is_active();
        let quest = self.quest.as_mut()?;
        // Who waits asks nobody. Once it is here only those remain that are to blame.
        if active || quest.is_over() { quest.fetch.next(now) } else { None }
    }

    /// What may be the metadata is hashed.
    pub(super) fn metadata_hashed(&mut self, ticket: Ticket, hashed: Hashed) {
        let Some(quest) = &mut self.quest else { return };
        let Answer::Sha1(digest) = hashed.answer else { unreachable!("metadata is hashed as one") };
        if self.spec.info_hashes.v1.is_none_or(|hash| hash.0 != digest) {
            return quest.fetch.judged(ticket, Verdict::Wrong);
        }
        quest.fetch.judged(ticket, Verdict::Right);
        let bytes = hashed.chunks.into_iter().next().expect("a job's chunks come back").into_bytes();
        self.found(&bytes);
    }

    /// These bytes have the info-hash.
    fn found(&mut self, bytes: &[u8]) {
        let facts = Info::parse(bytes, &Limits::default())
            .map_err(|error| error.to_string())
            .and_then(|info| self.fits(&info));
        let Some(quest) = &mut self.quest else { return };
        match facts {
            Ok(facts) => quest.found = Some(facts),
            Err(why) => {
                log::warn!("{:?}: the metadata is no valid torrent: {why}", self.key);
                quest.invalid = Some(Trouble { kind: TroubleKind::Metadata, path: None, errno: None });
            }
        }
    }

    /// What `info` says, if it is the torrent that was asked for.
    fn fits(&self, info: &Info) -> Result<Facts, String> {
        let (asked, found) = (self.spec.info_hashes, info.info_hashes());
        if asked.v1 != found.v1 || asked.v2.is_some_and(|v2| found.v2 != Some(v2)) {
            return Err("its info-hashes are not those of one torrent".to_owned());
        }
        Ok(Facts::of(info, self.block_len))
    }

    /// Stops if the metadata is of no use.
    fn invalid_metadata(&mut self, desk: &mut Desk, now: Instant) {
        if let Some(trouble) = self.quest.as_ref().and_then(Quest::invalid).cloned()
            && self.is_active()
        {
            self.troubled(desk, now, trouble);
        }
    }

    /// Takes over what is right, as soon as nobody is at the files.
    fn take_over(&mut self, desk: &mut Desk, now: Instant) {
        if self.chore.is_some() || !matches!(self.phase, Phase::Active | Phase::Paused) {
            return;
        }
        if let Some(facts) = self.quest.as_mut().and_then(|quest| quest.found.take()) {
            self.learn(desk, now, facts);
            self.reopen();
            self.chores.push_front(TorrentErrand::Save);
        }
    }

    /// Takes over the metadata that resume data hold, if they do and it is the torrent's.
    pub(super) fn recall_metadata(&mut self, desk: &mut Desk, now: Instant, resume: &resume::Checkpoint) {
        let Some(bytes) = resume.torrent.as_deref().filter(|_| self.is_sought()) else { return };
        let torrent = tide_metainfo::Torrent::parse(bytes, &Limits::default());
        let fits = |torrent: tide_metainfo::Torrent| Ok((self.fits(&torrent.info)?, torrent.web_seeds));
        match torrent.map_err(|error| error.to_string()).and_then(fits) {
            Ok((facts, web_seeds)) => {
                if self.spec.web_seeds.is_empty() {
                    self.spec.web_seeds = web_seeds;
                }
                self.learn(desk, now, facts);
            }
            Err(why) => log::warn!("{:?}: the metadata in resume data: {why}: peers are asked", self.key),
        }
    }

    /// Becomes the torrent that the metadata describes. Nothing is known of its files before they are opened.
    fn learn(&mut self, desk: &mut Desk, now: Instant, facts: Facts) {
        let Some(quest) = self.quest.take() else { return };
        if facts.private {
            self.become_private(desk, STRANGERS);
        }
        self.spec.learn(facts);
        let (pieces, files) = (self.spec.layout.pieces(), self.spec.files.files().len());
        if quest.then == Then::Wait {
            self.spec.paused = Some(true);
        }
        match &mut self.spec.priorities {
            Some(given) => given.truncate(files),
            none if !quest.select.is_empty() => *none = Some(selection(&quest.select, files)),
            None => {}
        }
        self.priorities = priorities_of(&self.spec).unwrap_or_else(|_| {
            self.spec.priorities = None;
            priorities_of(&self.spec).expect("the metadata fits together, and nobody said anything else")
        });
        self.stock = Stock::new(pieces, picker(desk, self.spec.is_sequential(), pieces), &self.priorities);
        self.checkpoint = Checkpoint::new(Bits::new(pieces), checkpoint_limits(desk));
        self.availability = Availability::new(pieces);
        self.swarm.learn(pieces);
        for _ in 0..self.swarm.len() {
            self.availability.join(Has::These(&Bits::new(pieces)));
        }
        let (name, size) = (self.spec.name.clone(), self.spec.layout.total());
        log::debug!("{:?}: the metadata is here: {name}", self.key);
        self.event(desk, Happening::Metadata { name, size, pieces, files: files as u32 });
        self.checkpoint.touched(now);
    }

    /// It turns out that peers may be learnt from trackers only (BEP 27): whom only `strangers` told of is parted with
    /// and forgotten, once.
    fn become_private(&mut self, desk: &mut Desk, strangers: Sources) {
        if core::mem::replace(&mut self.spec.private, true) {
            return;
        }
        self.schedule.set_policy(Policy::FirstThatAnswers);
        let forgotten = self.book.forget(strangers);
        let of_them = |addr: Option<_>| addr.is_some_and(|addr| forgotten.contains(&addr));
        let peers: Vec<PeerKey> =
            self.swarm.iter().filter(|(_, peer)| of_them(peer.listed)).map(|(_, peer)| peer.key).collect();
        for peer in peers {
            self.tell_crew(desk, ToCrew::Drop(Whom::Peer(peer)));
        }
        self.tell_crew(desk, ToCrew::Hush);
    }
}

/// The priorities of `files` files of which those are wanted.
fn selection(select: &[u32], files: usize) -> Vec<u8> {
    let mut priorities = vec![Priority::SKIP.get(); files];
    for &file in select {
        if let Some(priority) = priorities.get_mut(file as usize) {
            *priority = Priority::NORMAL.get();
        }
    }
    priorities
}
