//! The search for a torrent's metadata (BEP 9): peers are asked, what they send is judged, and what is right is taken
//! over.
//!
//! While a quest stands the torrent is one of no files and no pieces: it opens its storage, recalls resume data, meets
//! peers and asks trackers like any other. When the metadata is here it becomes the torrent that it is, and its storage
//! is opened anew. The crew and its members stay meanwhile: whoever dialled us from behind a NAT could not be dialled
//! again.

use std::any::Any;
use std::sync::Arc;

use tide_base::{Bits, InfoHashes, Instant};
use tide_disk::{Answer, Hashed, Study, Trouble, TroubleKind};
use tide_metainfo::{Info, Limits};
use tide_peer::Fault;
use tide_peer::metadata::{Fetch, Order, Ticket, Verdict};
use tide_tracker::Policy;

use super::Torrent;
use super::availability::Availability;
use super::book::Sources;
use super::checkpoint::Checkpoint;
use super::life::{Phase, check, checkpoint_limits, picker, priorities_of};
use super::stock::Stock;
use super::words::{Has, Priority};
use crate::command::{AddTorrent, Answer as Told, CommandError, Metadata, Reply, Then};
use crate::desk::gates::{Errand, TorrentErrand};
use crate::desk::{self, Desk};
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

/// Says whether bytes are the metadata that is sought, and what they say. Up to 32 MiB in hundreds of thousands of names take
/// seconds, so the hash pool does both.
#[derive(Debug)]
struct Judge {
    asked: InfoHashes,
    block_len: u32,
}

/// What a judge came to.
#[derive(Debug)]
enum Judgement {
    /// They are something else.
    Wrong,
    /// They are, and this is what they say.
    Right(Facts),
    /// They are, and no torrent all the same; why.
    Useless(String),
}

impl Judge {
    fn judge(&self, bytes: &[u8]) -> Judgement {
        if self.asked.v1.is_none_or(|hash| hash.0 != tide_hash::sha1(&[bytes])) {
            return Judgement::Wrong;
        }
        let info = Info::parse(bytes, &Limits::default()).map_err(|error| error.to_string());
        match info.and_then(|info| self.fits(&info)) {
            Ok(facts) => Judgement::Right(facts),
            Err(why) => Judgement::Useless(why),
        }
    }

    /// What `info` says, if it is the torrent that was asked for.
    fn fits(&self, info: &Info) -> Result<Facts, String> {
        if !are_of_one(self.asked, info.info_hashes()) {
            return Err("its info-hashes are not those of one torrent".to_owned());
        }
        Ok(Facts::of(info, self.block_len))
    }
}

/// Whether what was `found` is the torrent that was `asked` for.
fn are_of_one(asked: InfoHashes, found: InfoHashes) -> bool {
    asked.v1 == found.v1 && asked.v2.is_none_or(|v2| found.v2 == Some(v2))
}

impl Study for Judge {
    fn study(self: Box<Self>, bytes: &[&[u8]]) -> Box<dyn Any + Send> {
        let &[bytes] = bytes else { unreachable!("metadata goes out in one") };
        Box::new(self.judge(bytes))
    }
}

/// The same for the .torrent file that resume data hold.
#[derive(Debug)]
struct Recalled(Judge);

impl Study for Recalled {
    fn study(self: Box<Self>, bytes: &[&[u8]]) -> Box<dyn Any + Send> {
        let &[bytes] = bytes else { unreachable!("a file goes out in one") };
        let torrent = tide_metainfo::Torrent::parse(bytes, &Limits::default());
        let fits = |torrent: tide_metainfo::Torrent| Ok((self.0.fits(&torrent.info)?, torrent.web_seeds));
        let judged: Result<(Facts, Vec<String>), String> =
            torrent.map_err(|error| error.to_string()).and_then(fits);
        Box::new(judged)
    }
}

/// The search for a torrent's metadata.
#[derive(Debug)]
pub(super) struct Quest {
    fetch: Fetch<PeerKey>,
    /// The files that are wanted, by number, if nobody says anything else; all if there is none.
    named: Vec<u32>,
    /// The files that are wanted, by number, if whoever added it has said so.
    select: Option<Vec<u32>>,
    then: Then,
    /// What is right, until it can be taken over.
    found: Option<Facts>,
    /// Why what is right is of no use: there will be nothing else.
    invalid: Option<Trouble>,
}

impl Quest {
    /// The quest that `metadata` asks for, if it does.
    pub(super) fn of(metadata: &Metadata, desk: &Desk) -> Option<Quest> {
        let Metadata::Sought { named, select, then } = metadata else { return None };
        let fetch = Fetch::new(&desk.limits.peer);
        let (named, select) = (named.clone(), select.clone());
        Some(Quest { fetch, named, select, then: *then, found: None, invalid: None })
    }

    /// Whether somebody has said which files are wanted: what resume data say does not count then.
    pub(super) fn selects(&self) -> bool {
        self.select.is_some()
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
        while let Some(order) = self.next_order(desk, now) {
            match order {
                Order::Ask { peer, piece } => self.tell_crew(desk, ToCrew::AskMetadata { peer, piece }),
                Order::Blame(peer) => {
                    self.tell_crew(desk, ToCrew::Drop(Whom::Culprit(peer, Fault::MetadataWrong)));
                }
                Order::Judge { ticket, metadata } => {
                    let errand = Errand::Torrent(self.slot(), TorrentErrand::JudgeMetadata(ticket));
                    let judge = Judge { asked: self.spec.info_hashes, block_len: self.block_len };
                    self.judging += 1;
                    desk.gates.study(metadata, Box::new(judge), errand);
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

    /// The next thing to do, with as much room as that needs of the session's, if there is some.
    fn next_order(&mut self, desk: &mut Desk, now: Instant) -> Option<Order<PeerKey>> {
        let (active, slot) = (self.is_active(), self.slot());
        let quest = self.quest.as_mut()?;
        // Who waits asks nobody, and holds nothing. Once it is here only those remain that are to blame.
        if !active && !quest.is_over() {
            quest.fetch.rest();
            self.give_metadata_room(desk);
            return None;
        }
        loop {
            if let Some(order) = quest.fetch.next(now) {
                return Some(order);
            }
            let (lacking, has) = (quest.fetch.lacking(), quest.fetch.room() > 0);
            if lacking == 0 {
                self.give_metadata_room(desk);
                return None;
            }
            if !desk.take_metadata_room(slot, lacking, has) {
                return None;
            }
            quest.fetch.grant(lacking);
        }
    }

    /// Room that is not needed is for others.
    fn give_metadata_room(&mut self, desk: &mut Desk) {
        desk.seekers.leave(self.slot());
        if let Some(quest) = &mut self.quest {
            desk.purses.give(desk::Stock::Metadata, quest.fetch.give_back());
        }
    }

    /// The torrent is given up, or seeks no more: all of its room is for others.
    pub(super) fn abandon_metadata_room(&mut self, desk: &mut Desk) {
        desk.seekers.leave(self.slot());
        if let Some(quest) = self.quest.take() {
            desk.purses.give(desk::Stock::Metadata, quest.fetch.room());
        }
    }

    /// Room that it holds.
    pub fn metadata_room(&self) -> u64 {
        self.quest.as_ref().map_or(0, |quest| quest.fetch.room())
    }

    /// Room that it waits for.
    pub fn metadata_lacking(&self) -> u64 {
        self.quest.as_ref().map_or(0, |quest| quest.fetch.lacking())
    }

    /// Room came that it stood in line for.
    pub fn metadata_room_came(&mut self, bytes: u64) {
        if let Some(quest) = &mut self.quest {
            quest.fetch.grant(bytes);
        }
    }

    /// Gives room back because others wait, if something has had its turn; whether that was so.
    pub fn make_way_for_metadata(&mut self, desk: &mut Desk, now: Instant) -> bool {
        let Some(quest) = &mut self.quest else { return false };
        if !quest.fetch.make_way(now) {
            return false;
        }
        desk.purses.give(desk::Stock::Metadata, quest.fetch.give_back());
        true
    }

    /// What may be the metadata is judged.
    pub(super) fn metadata_judged(&mut self, ticket: Ticket, hashed: Hashed) {
        self.judging -= 1;
        let Some(quest) = &mut self.quest else { return };
        let Answer::Studied(verdict) = hashed.answer else { unreachable!("metadata is studied") };
        match *verdict.downcast().expect("a judge of metadata comes to a judgement") {
            Judgement::Wrong => quest.fetch.judged(ticket, Verdict::Wrong),
            Judgement::Right(facts) => {
                quest.fetch.judged(ticket, Verdict::Right);
                quest.found = Some(facts);
            }
            Judgement::Useless(why) => {
                quest.fetch.judged(ticket, Verdict::Right);
                log::warn!("{:?}: the metadata is no valid torrent: {why}", self.key);
                quest.invalid = Some(Trouble { kind: TroubleKind::Metadata, path: None, errno: None });
            }
        }
    }

    /// Whoever uses the torrent has found its metadata elsewhere: nobody is asked any more, and it is taken over like any
    /// other.
    pub(super) fn metadata_given(&mut self, facts: Facts, web_seeds: Vec<String>) -> Reply {
        if !are_of_one(self.spec.info_hashes, facts.info_hashes) {
            return Err(CommandError::Invalid("the metadata is that of another torrent"));
        }
        let mut learnt = AddTorrent { priorities: None, ..self.spec.clone() };
        learnt.learn(facts.clone());
        check(&learnt, false)?;
        priorities_of(&learnt)?;
        let Some(quest) = &mut self.quest else { return Ok(Told::Ok) };
        quest.fetch.finish();
        (quest.found, quest.invalid) = (Some(facts), None);
        if self.spec.web_seeds.is_empty() {
            self.spec.web_seeds = web_seeds;
        }
        Ok(Told::Ok)
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

    /// Has the metadata that resume data hold judged. Nothing else is done with the files meanwhile.
    pub(super) fn judge_recalled(&mut self, desk: &mut Desk, torrent: Vec<u8>) {
        let judge = Recalled(Judge { asked: self.spec.info_hashes, block_len: self.block_len });
        self.chore = Some(TorrentErrand::RecallMetadata);
        let errand = Errand::Torrent(self.slot(), TorrentErrand::RecallMetadata);
        desk.gates.study(torrent, Box::new(judge), errand);
    }

    /// It is judged: it is taken over, or peers are asked. If the torrent has stopped or leaves, nobody has looked at its
    /// resume data.
    pub(super) fn metadata_recalled(&mut self, desk: &mut Desk, now: Instant, hashed: Hashed) {
        self.chore = None;
        let Some(resume) = self.resume.take() else { return };
        if !matches!(self.phase, Phase::Opening) || self.must_reopen() {
            return;
        }
        let opened_for = self.wanted_files();
        self.take_resume(desk, now, resume);
        let Answer::Studied(verdict) = hashed.answer else { unreachable!("metadata is studied") };
        let verdict: Box<Result<(Facts, Vec<String>), String>> =
            verdict.downcast().expect("a judge of resume data comes to this");
        match *verdict {
            Ok((facts, web_seeds)) => {
                if self.spec.web_seeds.is_empty() {
                    self.spec.web_seeds = web_seeds;
                }
                self.learn(desk, now, facts);
            }
            Err(why) => log::warn!("{:?}: the metadata in resume data: {why}: peers are asked", self.key),
        }
        self.loaded(desk, now, &opened_for);
    }

    /// Becomes the torrent that the metadata describes. Nothing is known of its files before they are opened.
    fn learn(&mut self, desk: &mut Desk, now: Instant, facts: Facts) {
        let Some(Quest { named, select, then, .. }) = &mut self.quest else { return };
        let named = Some(core::mem::take(named)).filter(|named| !named.is_empty());
        let (wanted, then) = (select.take().or(named), *then);
        self.abandon_metadata_room(desk);
        if facts.private {
            self.become_private(desk, STRANGERS);
        }
        self.spec.learn(facts);
        let (pieces, files) = (self.spec.layout.pieces(), self.spec.files.files().len());
        if then == Then::Wait {
            self.spec.paused = Some(true);
        }
        match &mut self.spec.priorities {
            Some(given) => given.truncate(files),
            none => *none = wanted.map(|wanted| selection(&wanted, files)),
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
        // Who came by himself may stay, and is not dialled.
        self.book.forget(strangers | Sources::INCOMING);
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
