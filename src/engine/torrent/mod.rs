//! One torrent, at home on one shard: what it has, what it wants, whom it meets and whom it serves.
//!
//! ```text
//! life.rs      opening, running, pausing, trouble, leaving      chores.rs    disk work on the way, one thing at a time
//! stock.rs     had, open, leased pieces; the picker             judging.rs   verdicts on pieces, blame, bans
//! swarm.rs     the connected peers                              serving.rs   rounds of the choker
//! meeting.rs   whom to dial; who came and went (turnover.rs)    announcing.rs  when to ask which tracker
//! checking.rs  hashing what is there (plan: check.rs)           saving.rs    resume data
//! settling.rs  what comes before anything is fetched            quest.rs     the search for metadata
//! commands.rs  what the application wants                       inspect.rs   figures
//! seeking.rs   whether the DHT is to know of it                 moving.rs    content that goes to another folder
//! survey.rs    how its tables stand
//! ```
//! The parts that own a table do not know each other: `availability`, `picker`, `priorities`, `choker`, `book`,
//! `trust`, `checkpoint`, `progress`. This file holds them together and routes.

mod announcing;
pub mod availability;
pub mod bep40;
pub mod book;
pub mod check;
mod checking;
pub mod checkpoint;
pub mod choker;
mod chores;
mod commands;
mod inspect;
mod judging;
mod life;
mod meeting;
mod moving;
pub mod picker;
pub mod priorities;
pub mod progress;
mod quest;
mod saving;
mod seeking;
mod serving;
mod settling;
pub mod stock;
mod survey;
pub mod swarm;
pub mod trust;
mod turnover;
pub mod words;

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;

use tide_base::{Bits, Instant, ShardId, SlotKey, WallClock};
use tide_disk::resume;
use tide_disk::{Done, FileState, Hashed, Trouble, VolumeId};
use tide_tracker::Schedule;

use crate::command::{AddTorrent, CommandError, CommandId, Reply};
use crate::desk::gates::TorrentErrand;
use crate::desk::{Desk, Owner, Reason};
use crate::event::{Event, Happening};
use crate::id::TorrentKey;
use crate::mail::{ToCrew, ToTorrent};
use crate::session::dht::words::Wish;

use announcing::Announces;
use availability::Availability;
use book::Book;
use check::Checker;
use checkpoint::Checkpoint;
use choker::Choker;
use life::{Phase, Removal};
use priorities::Priorities;
use progress::Progress;
use quest::Quest;
use serving::Holding;
use stock::Stock;
use swarm::Swarm;
use trust::Trust;

/// One torrent.
#[derive(Debug)]
pub struct Torrent {
    key: TorrentKey,
    spec: AddTorrent,
    phase: Phase,
    /// What to do with the files, one thing at a time, while nobody transfers.
    chores: VecDeque<TorrentErrand>,
    chore: Option<TorrentErrand>,
    /// Whether a crew is mustered, or has not said that it is gone.
    crew: Option<ShardId>,
    /// Whether that crew knows nothing of files and pieces, so that it may stay while these are opened anew.
    unlearnt: bool,
    /// While the metadata is sought.
    quest: Option<Quest>,
    /// Whether resume data hold the metadata, since nobody else may be there to give it.
    keeps_metadata: bool,
    /// Bytes of a block.
    block_len: u32,
    priorities: Priorities,
    stock: Stock,
    availability: Availability,
    swarm: Swarm,
    dialling: u32,
    next_turnover: Instant,
    book: Book,
    trust: Trust,
    choker: Choker,
    holding: Holding,
    reporting: bool,
    checker: Option<Checker>,
    checkpoint: Checkpoint,
    progress: Progress,
    schedule: Schedule,
    announces: Announces,
    /// In which way the DHT was last told to announce it.
    sought: Option<Wish>,
    files: Vec<FileState>,
    /// The files that the store was last told are wanted.
    selected: Bits,
    resume: Option<resume::Checkpoint>,
    /// What the resume file claims, until it is known what is here.
    filed: Option<Bits>,
    trouble: Option<Trouble>,
    /// Whether somebody has had it go on since that stopped it: if it comes again, it is told again.
    retried: bool,
    added: Instant,
    /// Whether it was said that everything wanted is here, and is true still.
    completed: bool,
    answers: BTreeMap<u64, CommandId>,
    next_answer: u64,
    /// Commands that are answered when the chores are done, with the chore that each is about.
    pending: Vec<(CommandId, TorrentErrand, Reply)>,
    told_checked: u32,
    /// Where the content lay before a move under way.
    moving_from: PathBuf,
    moving_to: VolumeId,
    /// How often what may be its metadata is being judged: it does not leave before.
    judging: u32,
    /// Whether it was said that peers are looked for on the local network.
    near: bool,
    removal: Removal,
    /// Whether to start as soon as what was stopped has come to rest.
    resuming: bool,
    /// Whether it is known which pieces are here.
    known: bool,
    /// Whether the disk was asked to make the files that no write will bring.
    settled: bool,
    /// Whether the store is open, or was when it made trouble.
    opened: bool,
    /// Whether resume data were taken over: what they say beside pieces is news only once.
    recalled: bool,
    /// Whether everything written is durable, and the files were looked at since: the way of a clean end.
    synced: bool,
    looked: bool,
    /// When it was added, and when completed, as resume data tell.
    dates: (Option<WallClock>, Option<WallClock>),
}

impl Torrent {
    /// The torrent's key.
    pub fn key(&self) -> TorrentKey {
        self.key
    }

    /// What it was added with.
    pub fn spec(&self) -> &AddTorrent {
        &self.spec
    }

    /// Whether nothing of it is left, and it may be forgotten.
    pub fn is_gone(&self) -> bool {
        matches!(self.phase, Phase::Gone)
    }

    /// A crew, or the session's announcer, says something.
    pub fn told(&mut self, desk: &mut Desk, now: Instant, crew: ShardId, what: ToTorrent) {
        match what {
            ToTorrent::Joined(joined) => self.joined(desk, now, &joined),
            ToTorrent::Left { peer, addr, end, gave } => self.left(desk, now, peer, addr, &end, gave),
            ToTorrent::Copies { peer, change } => self.copies(peer, change),
            ToTorrent::Listens { peer, at } => self.listens(desk, now, peer, at),
            ToTorrent::Interested { peer, interested } => self.interested(desk, now, peer, interested),
            ToTorrent::Demand { peer, has, choked, pieces } => {
                self.demand(desk, crew, peer, (&has, choked), pieces)
            }
            ToTorrent::Judge { lease, digest, senders } => self.judge(desk, crew, lease, digest, &senders),
            ToTorrent::Blocks { lease, good, digests, senders } => {
                self.blocks(desk, lease, good, &digests, &senders)
            }
            ToTorrent::Stored(lease) => self.stored(desk, now, lease),
            ToTorrent::Returned(lease) => self.returned(desk, now, lease),
            ToTorrent::Rates(rates) => self.rates(desk, now, rates),
            ToTorrent::Traffic(traffic) => self.traffic(now, traffic),
            ToTorrent::Trouble(trouble) => self.troubled(desk, now, trouble),
            ToTorrent::Disbanded => self.disbanded(desk, now, crew),
            ToTorrent::Members { id, peers } => self.members(desk, id, peers),
            ToTorrent::Metadata { peer, said } => self.metadata_said(now, peer, said),
            ToTorrent::Found { source, peers } => self.found_peers(desk, now, source, peers),
            ToTorrent::Announced(announced) => self.announced(desk, now, *announced),
        }
    }

    /// A disk job is done.
    pub fn disk_done(&mut self, desk: &mut Desk, now: Instant, errand: TorrentErrand, done: Done) {
        match errand {
            TorrentErrand::CheckLoad(piece) | TorrentErrand::CheckRewrite(piece) => {
                self.check_loaded(desk, now, piece, done);
            }
            TorrentErrand::CheckHash(_) | TorrentErrand::JudgeMetadata(_) | TorrentErrand::RecallMetadata => {
                unreachable!("the disk does not hash")
            }
            _ => self.chore_done(desk, now, errand, done.result),
        }
    }

    /// A hash job is done.
    pub fn hash_done(&mut self, desk: &mut Desk, now: Instant, errand: TorrentErrand, hashed: Hashed) {
        match errand {
            TorrentErrand::CheckHash(piece) => self.check_hashed(desk, now, piece, hashed),
            TorrentErrand::JudgeMetadata(ticket) => self.metadata_judged(ticket, hashed),
            TorrentErrand::RecallMetadata => self.metadata_recalled(desk, now, hashed),
            _ => unreachable!("only checks and metadata are hashed for a torrent"),
        }
    }

    /// Decides what became possible in this turn, and says when to be looked at again.
    pub fn settle(&mut self, desk: &mut Desk, now: Instant) {
        self.retry(now);
        self.check_more(desk, now);
        self.pursue(desk, now);
        self.do_chores(desk, now);
        self.turn_over(desk, now);
        self.dial(desk, now);
        self.announce(desk, now);
        self.seek(desk);
        self.rechoke(desk, now);
        self.save(desk, now);
        self.finish(desk, now);
        self.look_near(desk);
        self.arm(desk, now);
    }

    /// Nothing is armed that cannot be acted on when its time comes: that would wake the shard again and again.
    fn arm(&self, desk: &mut Desk, now: Instant) {
        let slot = self.slot();
        let most = desk.limits.peers_per_torrent;
        let mut arm = |at, why| desk.timers.arm(Owner::Torrent(slot), at, why);
        let need = self.need();
        arm(self.schedule_deadline(need), Reason::Announce);
        if self.is_active() {
            arm(self.choker_deadline(), Reason::Choke);
            arm(self.dial_deadline(most), Reason::Dial);
            arm(self.turnover_deadline(most), Reason::Dial);
        }
        arm(self.checkpoint_deadline(), Reason::Checkpoint);
        arm(self.retry_deadline(), Reason::Retry);
        arm(self.quest_deadline(now), Reason::Metadata);
    }

    fn tell_crew(&self, desk: &mut Desk, what: ToCrew) {
        if let Some(crew) = self.crew {
            desk.tell_crew(crew, self.key, what);
        }
    }

    fn event(&self, desk: &mut Desk, what: Happening) {
        desk.event(Event { torrent: self.key, info_hashes: self.spec.info_hashes, what });
    }

    fn slot(&self) -> SlotKey {
        self.key.slot
    }

    /// Panics if the parts disagree.
    pub fn check_invariants(&self) {
        self.stock.check_invariants(&self.priorities);
        self.availability.check_invariants();
        self.priorities.check_invariants();
        self.book.check_invariants();
        self.choker.check_invariants();
        self.checkpoint.check_invariants();
        self.trust.check_invariants();
        assert_eq!(self.availability.peers(), self.swarm.len(), "each peer's copies are counted once");
        assert!(self.choker.taken() <= self.holding.slots, "nobody is served without a slot of the session");
        assert_eq!(self.choker.taken(), self.swarm.unchoked() as usize, "who has a slot is served");
    }
}

/// The answer to a command that came too late.
fn gone() -> Reply {
    Err(CommandError::Gone)
}
