//! What a torrent is doing: opening, checking, transferring, waiting, leaving.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;

use tide_base::{Bits, Instant, ShardId, WallClock};
use tide_disk::{Retry, Trouble, TroubleKind};
use tide_peer::Offers;
use tide_tracker::{Family, Policy, Schedule, TrackerUrl};

use super::Torrent;
use super::announcing::Announces;
use super::availability::Availability;
use super::book::{Book, BookLimits, Sources};
use super::checkpoint::{Checkpoint, CheckpointLimits};
use super::choker::{Choker, ChokerLimits, Mode};
use super::picker::{Picker, PickerLimits, Rarest, Sequential};
use super::priorities::{FileRange, Priorities};
use super::progress::{Progress, Totals};
use super::quest::Quest;
use super::serving::Holding;
use super::stock::Stock;
use super::swarm::Swarm;
use super::trust::{Trust, TrustLimits};
use super::words::Priority;
use crate::command::{AddTorrent, Answer, CommandError, CommandId, Content, Metadata, Reply};
use crate::desk::Desk;
use crate::desk::gates::TorrentErrand;
use crate::event::Happening;
use crate::id::TorrentKey;
use crate::mail::{Muster, ToCrew, ToSession};

/// What a torrent is doing.
#[derive(Clone, Debug)]
pub(super) enum Phase {
    /// Opening its storage, reading resume data.
    Opening,
    /// Hashing what is there.
    Checking,
    /// Transferring.
    Active,
    /// Told to wait.
    Paused,
    /// Stopped by trouble, until then.
    Stopped(Instant),
    /// Moving its content.
    Moving,
    /// On its way out.
    Leaving(Leave),
    /// Nothing of it is left.
    Gone,
}

/// Why a torrent leaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Leave {
    /// The session ends.
    Shutdown,
    /// Somebody removed it.
    Removed,
}

/// How a removal is answered when nothing is left.
#[derive(Debug, Default)]
pub(super) struct Removal {
    /// The command, once somebody wants it.
    pub(super) command: Option<CommandId>,
    /// Why the content could not be deleted.
    pub(super) trouble: Option<Trouble>,
}

impl Torrent {
    /// Takes a torrent in; its storage is opened at once.
    ///
    /// # Errors
    /// If files, pieces, hashes and priorities do not fit together.
    pub fn new(
        desk: &mut Desk,
        now: Instant,
        key: TorrentKey,
        spec: AddTorrent,
    ) -> Result<Torrent, CommandError> {
        let quest = Quest::of(&spec.metadata, desk);
        check(&spec, quest.is_some())?;
        let pieces = spec.layout.pieces();
        let priorities = priorities_of(&spec)?;
        let prng = desk.prng.split(&format!("{key:?}"));
        let stock = Stock::new(pieces, picker(desk, spec.is_sequential(), pieces), &priorities);
        let mut torrent = Torrent {
            key,
            phase: Phase::Opening,
            chores: VecDeque::from([TorrentErrand::Open]),
            chore: None,
            crew: None,
            unlearnt: false,
            keeps_metadata: quest.is_some(),
            quest,
            block_len: desk.limits.block_len,
            stock,
            availability: Availability::new(pieces),
            swarm: Swarm::new(),
            dialling: 0,
            next_turnover: now + desk.limits.turnover,
            book: Book::new(desk.setup.peer_id, BookLimits::DEFAULT),
            trust: Trust::new(TrustLimits::DEFAULT),
            choker: Choker::new(Mode::Leeching, choker_limits(desk)),
            holding: Holding::default(),
            reporting: false,
            checker: None,
            checkpoint: Checkpoint::new(Bits::new(pieces), checkpoint_limits(desk)),
            progress: Progress::new(Totals::default()),
            schedule: schedule(&spec, desk, prng),
            announces: Announces::default(),
            sought: None,
            files: Vec::new(),
            selected: Bits::default(),
            resume: None,
            filed: None,
            trouble: None,
            retried: false,
            added: now,
            completed: false,
            answers: BTreeMap::new(),
            next_answer: 0,
            pending: Vec::new(),
            told_checked: 0,
            moving_from: PathBuf::new(),
            moving_to: tide_disk::VolumeId::default(),
            judging: 0,
            near: false,
            removal: Removal::default(),
            resuming: false,
            known: false,
            settled: false,
            opened: false,
            recalled: false,
            synced: false,
            looked: false,
            dates: (None, None),
            priorities,
            spec,
        };
        torrent.see(desk);
        torrent.introduce(desk, now);
        Ok(torrent)
    }

    /// Takes note of the peers that it was added with, and says that it is there.
    fn introduce(&mut self, desk: &mut Desk, now: Instant) {
        for &addr in &self.spec.peers {
            self.book.add(now, addr, Sources::MANUAL, &mut desk.prng);
        }
        let AddTorrent { name, layout, .. } = &self.spec;
        let what = Happening::Added { name: name.clone(), size: layout.total(), pieces: layout.pieces() };
        self.event(desk, what);
    }

    /// Whether it transfers.
    pub(super) fn is_active(&self) -> bool {
        matches!(self.phase, Phase::Active)
    }

    /// Whether everything wanted is here.
    pub(super) fn is_complete(&self) -> bool {
        self.quest.is_none() && self.stock.is_complete()
    }

    /// Checking is over: transfer, or wait if told to.
    pub(super) fn start(&mut self, desk: &mut Desk, now: Instant) {
        self.checker = None;
        if self.overclaims() {
            self.phase = Phase::Checking;
            return self.chores.push_back(TorrentErrand::Withdraw);
        }
        if self.must_settle() {
            return self.settle_files();
        }
        if let Some(trouble) = self.quest.as_ref().and_then(Quest::invalid).cloned() {
            return self.troubled(desk, now, trouble);
        }
        self.known = true;
        // What was complete, and lacks something now, says so again when it has it.
        self.completed &= self.is_complete();
        self.choker.set_mode(if self.is_complete() { Mode::Seeding } else { Mode::Leeching });
        self.book.set_seeding(self.is_complete());
        let total = self.priorities.wanted_bytes();
        let done = total - self.priorities.left(self.stock.have());
        self.retried = false;
        if self.trouble.take().is_some() {
            self.event(desk, Happening::Recovered);
        }
        if self.quest.is_none() {
            self.event(desk, Happening::Started { done, total });
        }
        if self.spec.is_paused() {
            self.phase = Phase::Paused;
            return self.event(desk, Happening::Paused);
        }
        self.phase = Phase::Active;
        self.muster(desk);
        self.listen(desk);
        self.start_announcing(now);
        if self.is_complete() {
            self.complete(desk, now);
        }
    }

    fn muster(&mut self, desk: &mut Desk) {
        let muster = self.briefing(desk);
        if self.crew.is_some() {
            assert!(self.unlearnt, "a crew is mustered once");
            self.unlearnt = self.is_sought();
            return self.tell_crew(desk, ToCrew::Learn(Box::new(muster)));
        }
        // What the last crew was asked and had not answered died with it.
        self.reporting = false;
        self.dialling = 0;
        self.unlearnt = self.is_sought();
        self.crew = Some(desk.shard);
        self.tell_crew(desk, ToCrew::Muster(Box::new(muster)));
    }

    /// What a crew must know.
    fn briefing(&self, desk: &Desk) -> Muster {
        let public = !self.spec.private;
        let served = !matches!(self.spec.metadata, Metadata::Withheld);
        Muster {
            info_hash: self.spec.info_hashes.v1.expect("every torrent has a v1 info-hash until v2 comes"),
            layout: self.spec.layout,
            metadata: self.metadata().filter(|_| public).cloned(),
            offers: Offers { metadata: public && served, pex: public && desk.setup.pex },
            have: self.stock.have().clone(),
            missing: self.stock.missing(&self.priorities),
            store: self.spec.store,
            volume: self.spec.volume,
            limits: self.spec.rate_limits(),
            private: self.spec.private,
        }
    }

    /// Everything wanted is here.
    pub(super) fn complete(&mut self, desk: &mut Desk, now: Instant) {
        if !self.completed {
            self.completed = true;
            let bytes = self.priorities.wanted_bytes();
            let downloaded = self.progress.totals().downloaded;
            self.event(desk, Happening::Complete { bytes, downloaded, took: now.since(self.added) });
            self.dates.1 = self.dates.1.or(Some(wall_clock(desk, now)));
        }
        self.choker.set_mode(Mode::Seeding);
        self.book.set_seeding(true);
        self.checkpoint.hurry(now);
        self.event(desk, Happening::Seeding);
        self.tell_crew(desk, ToCrew::Drop(crate::mail::Whom::Seeds));
    }

    /// Stops transferring; what follows happens when nothing is under way any more.
    pub(super) fn halt(&mut self, desk: &mut Desk, now: Instant) {
        if let Some(checker) = &mut self.checker {
            checker.give_up();
        }
        self.tell_crew(desk, ToCrew::Disband);
        self.unlearnt = false;
        self.want_no_slots(desk);
        self.stop_announcing(now);
    }

    /// Whether nobody transfers or checks, so that files may be touched.
    pub(super) fn is_quiet(&self) -> bool {
        (self.crew.is_none() || self.unlearnt)
            && self.checker.as_ref().is_none_or(super::check::Checker::is_idle)
    }

    /// A crew is gone.
    pub(super) fn disbanded(&mut self, _desk: &mut Desk, _now: Instant, crew: ShardId) {
        if self.crew == Some(crew) {
            self.crew = None;
            self.reporting = false;
        }
    }

    /// The files made trouble: stop, and say so.
    pub fn troubled(&mut self, desk: &mut Desk, now: Instant, trouble: Trouble) {
        let until = match trouble.kind.retry() {
            Retry::After(span) => now + span,
            Retry::OnDemand => Instant::NEVER,
        };
        if matches!(self.phase, Phase::Leaving(_) | Phase::Gone | Phase::Stopped(_)) {
            return;
        }
        log::warn!("{:?}: {trouble}", self.key);
        self.phase = Phase::Stopped(until);
        self.give_up_chores(&trouble);
        self.halt(desk, now);
        // What was tried again and failed as before is no news, except for whoever wanted it to be tried.
        if core::mem::take(&mut self.retried) || self.trouble.as_ref() != Some(&trouble) {
            self.event(desk, Happening::Stopped(trouble.clone()));
        }
        self.trouble = Some(trouble);
    }

    /// Somebody has it go on after trouble, or try what made it.
    pub(super) fn retry_for_somebody(&mut self) {
        self.retried = self.trouble.is_some();
    }

    /// What stopped it, unless somebody has had it go on since.
    pub(super) fn standing_trouble(&self) -> Option<&Trouble> {
        self.trouble.as_ref().filter(|_| !self.retried)
    }

    /// When trouble may be over.
    pub(super) fn retry_deadline(&self) -> Instant {
        match self.phase {
            // Until nothing is under way any more nothing can be tried, and whatever ends then leads here.
            Phase::Stopped(until) if self.may_retry() => until,
            _ => Instant::NEVER,
        }
    }

    /// Goes on after trouble, if it is time.
    pub(super) fn retry(&mut self, now: Instant) {
        if let Phase::Stopped(until) = self.phase
            && until <= now
            && self.may_retry()
        {
            self.recover(now);
        }
    }

    fn may_retry(&self) -> bool {
        self.is_quiet() && self.chore.is_none()
    }

    /// Goes on after trouble. The store is opened anew, since a failed sync leaves it unknown what the device kept; what
    /// resume data do not vouch for is hashed again, and written again where that sync may have lost it; everything is
    /// hashed if files changed beneath us.
    /// Whether the trouble is over shows when the torrent [starts](Self::start).
    pub(super) fn recover(&mut self, now: Instant) {
        let kind = self.trouble.as_ref().map(|trouble| trouble.kind);
        let changed = matches!(kind, Some(TroubleKind::Missing | TroubleKind::Shrunk));
        if changed {
            self.doubt(now);
        }
        self.reopen();
    }

    /// Nothing is believed any more until it has been hashed; resume data claim nothing meanwhile.
    pub(super) fn doubt(&mut self, now: Instant) {
        self.spec.check = crate::command::Check::Full;
        self.checkpoint.rechecked(now, &Bits::new(self.spec.layout.pieces()), 0);
    }

    /// Closes the store and opens it anew.
    pub(super) fn reopen(&mut self) {
        self.phase = Phase::Opening;
        self.known = false;
        self.settled = false;
        self.resume = None;
        self.chores = self
            .will_be_open()
            .then_some(TorrentErrand::Close)
            .into_iter()
            .chain([TorrentErrand::Open])
            .collect();
    }

    /// Whether the store is open once the chore under way is done.
    fn will_be_open(&self) -> bool {
        match self.chore {
            Some(TorrentErrand::Open) => true,
            Some(TorrentErrand::Close) => false,
            _ => self.opened,
        }
    }

    /// Whether the store is, or will be, open for the files that are known now: one that was opened before the metadata
    /// was known has none of them, and will be opened anew.
    pub(super) fn has_store(&self) -> bool {
        self.will_be_open() && self.selected.len() as usize == self.priorities.files()
    }

    /// Leaves: what is to be done with the files first.
    pub(super) fn leave(&mut self, desk: &mut Desk, now: Instant, why: Leave, content: Content) {
        if matches!(self.phase, Phase::Leaving(_) | Phase::Gone) {
            return;
        }
        self.halt(desk, now);
        let opened = self.will_be_open();
        if self.call_off_move() {
            self.refuse(TorrentErrand::Move, &CommandError::Gone);
        }
        self.chores = match (why, content) {
            (Leave::Shutdown, _) if !self.recalled && !opened => VecDeque::new(),
            (Leave::Shutdown, _) if !self.recalled => [TorrentErrand::Close].into(),
            // What is there is not known yet, or not any more: what is claimed stands.
            (Leave::Shutdown, _) if !self.known => [TorrentErrand::Save, TorrentErrand::Close].into(),
            (Leave::Shutdown, _) => {
                [TorrentErrand::Sync, TorrentErrand::Stat, TorrentErrand::Save, TorrentErrand::Close].into()
            }
            (Leave::Removed, Content::Keep) => [TorrentErrand::DropResume, TorrentErrand::Close].into(),
            (Leave::Removed, Content::Delete) => {
                [TorrentErrand::DropResume, TorrentErrand::Delete, TorrentErrand::Close].into()
            }
        };
        if !opened && !self.chores.is_empty() {
            self.chores.push_front(TorrentErrand::Open);
        }
        self.phase = Phase::Leaving(why);
    }

    /// What is there to be done once the chores are done.
    pub(super) fn finish(&mut self, desk: &mut Desk, now: Instant) {
        if !self.chores.is_empty() || self.chore.is_some() {
            return;
        }
        for (id, _, reply) in core::mem::take(&mut self.pending) {
            desk.reply(id, reply);
        }
        if !self.is_quiet() {
            return;
        }
        match self.phase {
            Phase::Moving => self.moved_on(desk, now),
            Phase::Paused if self.resuming => {
                self.resuming = false;
                self.start(desk, now);
            }
            Phase::Leaving(why) if self.judging == 0 && self.schedule.is_stopped(now) => {
                self.abandon_metadata_room(desk);
                let hash = self.spec.info_hashes.v1;
                if let Some(hash) = hash {
                    desk.tell_session(ToSession::Unlisted(hash, self.key));
                }
                desk.tell_session(ToSession::Forget(self.key));
                if why == Leave::Removed {
                    self.event(desk, Happening::Removed);
                }
                self.phase = Phase::Gone;
            }
            _ => {}
        }
        if self.is_gone() {
            let removed =
                self.removal.trouble.take().map_or(Ok(Answer::Ok), |why| Err(CommandError::Trouble(why)));
            self.answer_everybody(desk, removed);
        }
    }

    fn answer_everybody(&mut self, desk: &mut Desk, removed: Reply) {
        if let Some(id) = self.removal.command.take() {
            desk.reply(id, removed);
        }
        let ids: Vec<CommandId> = core::mem::take(&mut self.answers).into_values().collect();
        for id in ids {
            desk.reply(id, super::gone());
        }
    }

    /// Answers a command that is about this chore when the chores are done.
    pub(super) fn answer_later(&mut self, id: CommandId, errand: TorrentErrand) {
        self.pending.push((id, errand, Ok(Answer::Ok)));
    }

    /// Commands about this chore cannot be answered as hoped.
    pub(super) fn refuse(&mut self, errand: TorrentErrand, why: &CommandError) {
        for (_, _, reply) in self.pending.iter_mut().filter(|(_, of, _)| *of == errand) {
            *reply = Err(why.clone());
        }
    }

    /// Whatever else was to be done with the files is not done now.
    pub(super) fn give_up_chores(&mut self, trouble: &Trouble) {
        self.call_off_move();
        self.chores.clear();
        for (_, _, reply) in &mut self.pending {
            *reply = Err(CommandError::Trouble(trouble.clone()));
        }
    }

    /// Which families are announced: those that are listened on.
    pub(super) fn listen(&mut self, desk: &Desk) {
        self.schedule.listen(&desk.families());
    }

    /// The session listens elsewhere.
    pub fn listening_changed(&mut self, desk: &Desk) {
        self.listen(desk);
    }

    /// The world sees or reaches the session otherwise than before.
    pub fn outside_changed(&mut self, desk: &Desk) {
        self.see(desk);
    }

    /// Peers reach the session at another port than before.
    pub fn moved(&mut self, desk: &Desk) {
        self.schedule.moved(desk.announce_ports());
    }

    /// Peers are ranked by how they see us (BEP 40).
    fn see(&mut self, desk: &Desk) {
        let [v4, v6] = desk.announce_ports();
        let at = |ip: Option<core::net::IpAddr>, port| ip.map(|ip| core::net::SocketAddr::new(ip, port));
        self.book.set_external(at(desk.outside.v4, v4), at(desk.outside.v6, v6));
    }

    /// The session ends.
    pub fn shut_down(&mut self, desk: &mut Desk, now: Instant) {
        self.leave(desk, now, Leave::Shutdown, Content::Keep);
    }

    /// The session's time for ending is over: whatever is under way is abandoned.
    pub fn abandon(&mut self, desk: &mut Desk) {
        self.abandon_slots(desk);
        self.abandon_metadata_room(desk);
        self.phase = Phase::Gone;
        for (id, ..) in core::mem::take(&mut self.pending) {
            desk.reply(id, Err(CommandError::Ending));
        }
        self.answer_everybody(desk, Err(CommandError::Ending));
    }
}

/// The date, for files.
pub(super) fn wall_clock(desk: &Desk, now: Instant) -> WallClock {
    WallClock(desk.setup.epoch.0 + (now.as_nanos() / 1_000_000_000) as i64)
}

/// The picker of a torrent: in order if that is wanted, else the embedder's, else the rarest first.
pub(super) fn picker(desk: &Desk, sequential: bool, pieces: u32) -> Box<dyn Picker> {
    match &desk.setup.picker {
        _ if sequential => Box::new(Sequential::new(pieces)),
        Some(factory) => factory.make(pieces),
        None => Box::new(Rarest::new(pieces, PickerLimits::DEFAULT)),
    }
}

fn choker_limits(desk: &Desk) -> ChokerLimits {
    let usual = ChokerLimits::DEFAULT;
    // Slots are given away before the first round, too.
    ChokerLimits {
        round: desk.limits.choke_round,
        max_slots: usual.max_slots.min(desk.limits.upload_slots),
        ..usual
    }
}

pub(super) fn checkpoint_limits(desk: &Desk) -> CheckpointLimits {
    CheckpointLimits { interval: desk.limits.checkpoint_after, ..CheckpointLimits::DEFAULT }
}

/// Whether what is known of a torrent fits together.
pub(super) fn check(spec: &AddTorrent, sought: bool) -> Result<(), CommandError> {
    if sought == spec.layout.is_known() {
        return Err(CommandError::Invalid("the metadata is sought, or the pieces are known"));
    }
    if spec.piece_hashes.len() != spec.layout.pieces() as usize * 20 {
        return Err(CommandError::Invalid("there is one hash a piece"));
    }
    Ok(())
}

pub(super) fn priorities_of(spec: &AddTorrent) -> Result<Priorities, CommandError> {
    let range =
        |file: &tide_disk::FileEntry| FileRange { offset: file.offset, len: file.len, padding: file.padding };
    let ranges: Vec<FileRange> = spec.files.files().iter().map(range).collect();
    let mut priorities = Priorities::new(spec.layout, &ranges)
        .map_err(|_| CommandError::Invalid("the files cover the pieces"))?;
    let given = spec.priorities.iter().flatten().map(|&given| Priority::new(given)).enumerate();
    let changes: Option<Vec<(usize, Priority)>> = given.map(|(i, given)| Some((i, given?))).collect();
    let changes = changes.ok_or(CommandError::Invalid("a priority is 0 to 7"))?;
    // How many files there are is looked at when that is known.
    if spec.layout.is_known() {
        priorities.set_files(&changes).map_err(|_| CommandError::Invalid("there is one priority a file"))?;
    }
    Ok(priorities)
}

/// The schedule of announces to the torrent's trackers; none if the session asks none.
pub(super) fn schedule(spec: &AddTorrent, desk: &Desk, prng: tide_base::Prng) -> Schedule {
    let parse =
        |url: &String| TrackerUrl::parse(url).map_err(|error| log::warn!("tracker {url}: {error}")).ok();
    let tiers: Vec<Vec<TrackerUrl>> = match desk.setup.trackers {
        true => spec.tiers().iter().map(|tier| tier.iter().filter_map(parse).collect()).collect(),
        false => Vec::new(),
    };
    let policy = if spec.private { Policy::FirstThatAnswers } else { Policy::EachTier };
    let mut schedule = Schedule::new(tide_tracker::limits::ScheduleLimits::default(), policy, &tiers, prng);
    schedule.listen(&[Family::V4]);
    schedule
}
