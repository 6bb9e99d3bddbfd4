//! Resume data: what they say, when they are written, and what is taken from them.
//!
//! A piece is claimed only after a finished sync of its bytes. While the session runs the file carries an open-marker:
//! whoever finds it knows that more may be there than is claimed, and nothing less.

use tide_base::Instant;
use tide_disk::resume::{Checkpoint, Ending, MAX_PEERS, Totals};
use tide_disk::{Outcome, Trouble};

use super::Torrent;
use super::book::Sources;
use super::checkpoint::Step;
use super::life::{Leave, Phase, schedule, wall_clock};
use super::progress;
use super::quest::Quest;
use super::words::Priority;
use crate::command::RateLimits;
use crate::desk::Desk;
use crate::desk::gates::TorrentErrand;

impl Torrent {
    /// Whether a sync or a save could begin now.
    fn may_save(&self) -> bool {
        self.spec.resume.is_some()
            && self.chore.is_none()
            && matches!(self.phase, Phase::Active | Phase::Paused)
    }

    /// When to sync or save.
    pub(super) fn checkpoint_deadline(&self) -> Instant {
        if self.may_save() { self.checkpoint.deadline() } else { Instant::NEVER }
    }

    /// Syncs or saves, if it is time.
    pub(super) fn save(&mut self, desk: &mut Desk, now: Instant) {
        if !self.may_save() {
            return;
        }
        match self.checkpoint.next(now) {
            Some(Step::Sync) => {
                self.checkpoint.sync_begun();
                self.begin_chore(desk, now, TorrentErrand::Sync);
            }
            Some(Step::Save) => {
                self.checkpoint.save_begun();
                self.begin_chore(desk, now, TorrentErrand::Save);
            }
            None => {}
        }
    }

    /// A sync is done, or failed.
    pub(super) fn sync_done(&mut self, desk: &mut Desk, now: Instant, result: Result<Outcome, Trouble>) {
        if matches!(self.phase, Phase::Leaving(_)) {
            self.synced = result.is_ok();
            if !self.synced {
                self.checkpoint.sync_failed();
            }
            return;
        }
        match result {
            Ok(_) => self.checkpoint.sync_finished(now),
            Err(trouble) => {
                self.checkpoint.sync_failed();
                // A store that is opened anew is looked at again, and whatever is wrong with it shows then.
                if !self.must_reopen() {
                    self.troubled(desk, now, trouble);
                }
            }
        }
    }

    /// Resume data are saved, or not.
    pub(super) fn save_done(&mut self, now: Instant, result: &Result<Outcome, Trouble>) {
        // What is saved when the metadata is here is not the checkpoint's, whatever has become of the torrent meanwhile.
        if matches!(self.phase, Phase::Leaving(_)) || !self.checkpoint.is_saving() {
            return;
        }
        match result {
            Ok(_) => self.checkpoint.saved(),
            Err(trouble) => {
                log::warn!("{:?}: resume data: {trouble}", self.key);
                self.checkpoint.save_failed(now);
            }
        }
    }

    /// The resume file's bytes as of now.
    pub(super) fn resume_bytes(&self, desk: &Desk, now: Instant) -> Vec<u8> {
        let leaving = matches!(self.phase, Phase::Leaving(Leave::Shutdown));
        // After trouble nobody knows what the device kept, whatever a later sync says.
        let clean = leaving
            && !self.is_sought()
            && self.known
            && self.synced
            && self.looked
            && self.trouble.is_none();
        let have = if clean { self.stock.have() } else { self.checkpoint.claimed() };
        let totals = self.progress.totals();
        let date = wall_clock(desk, now);
        Checkpoint {
            info_hashes: self.spec.info_hashes,
            ending: if clean { Ending::Clean } else { Ending::Open },
            have: Some(have.clone()).filter(|_| !self.is_sought()),
            unsure: Some(self.checkpoint.unsure().clone()).filter(|unsure| !unsure.none()),
            files: if clean { self.files.clone() } else { Vec::new() },
            priorities: match self.is_sought() {
                true => self.spec.priorities.clone().unwrap_or_default(),
                false => self.file_priorities(),
            },
            sequential: self.spec.is_sequential(),
            paused: self.spec.is_paused(),
            totals: Totals {
                uploaded: totals.uploaded,
                downloaded: totals.downloaded,
                corrupt: totals.corrupt,
            },
            limit_down: self.spec.rate_limits().down,
            limit_up: self.spec.rate_limits().up,
            added: Some(self.dates.0.unwrap_or(date)),
            completed: self.dates.1,
            trackers: self.spec.tiers().to_vec(),
            peers: self.book.export().into_iter().map(|peer| peer.addr).take(MAX_PEERS).collect(),
            root: self.spec.root.clone(),
            torrent: if self.keeps_metadata { self.metainfo() } else { None },
        }
        .encode()
    }

    /// The priority of each file, as numbers.
    pub(super) fn file_priorities(&self) -> Vec<u8> {
        (0..self.priorities.files()).map(|i| self.priorities.file(i).map_or(0, |p| p.get())).collect()
    }

    /// What resume data say beside pieces: once, since later they know less than we do. Of what can be changed, that
    /// which nobody has said anything else about.
    fn recall(&mut self, desk: &mut Desk, now: Instant, resume: &Checkpoint) {
        let Totals { uploaded, downloaded, corrupt } = resume.totals;
        let totals = progress::Totals { uploaded, downloaded, corrupt, wasted: 0 };
        self.progress = progress::Progress::new(totals);
        self.dates = (resume.added, resume.completed);
        let limits = RateLimits { down: resume.limit_down, up: resume.limit_up };
        self.spec.limits.get_or_insert(limits);
        self.spec.paused.get_or_insert(resume.paused);
        if self.spec.sequential.is_none() {
            self.set_sequential(desk, now, resume.sequential);
        }
        if self.spec.trackers.is_none() {
            self.spec.trackers = Some(resume.trackers.clone());
            self.schedule = schedule(&self.spec, desk, desk.prng.split(&format!("{:?} again", self.key)));
        }
        if self.spec.priorities.is_none() && !self.quest.as_ref().is_some_and(Quest::selects) {
            self.recall_priorities(&resume.priorities);
        }
        for &addr in &resume.peers {
            self.book.add(now, addr, Sources::RESUME, &mut desk.prng);
        }
    }

    fn recall_priorities(&mut self, saved: &[u8]) {
        if self.is_sought() {
            self.spec.priorities = Some(saved.to_vec()).filter(|saved| !saved.is_empty());
            return;
        }
        let parsed: Option<Vec<(usize, Priority)>> =
            saved.iter().enumerate().map(|(i, &saved)| Some((i, Priority::new(saved)?))).collect();
        let changed = parsed.and_then(|changes| self.priorities.set_files(&changes).ok());
        let Some(changed) = changed else {
            return log::warn!("{:?}: the priorities in resume data are of other files", self.key);
        };
        for (piece, priority) in changed {
            let lease = self.stock.prioritise(piece, priority);
            assert!(lease.is_none(), "nothing is leased before it is known what is here");
        }
        self.spec.priorities = Some(self.file_priorities());
    }

    /// What the resume file says is taken over, as far as it is this torrent's; what it says of metadata that is sought,
    /// when that has been judged.
    pub(super) fn resume_loaded(&mut self, desk: &mut Desk, now: Instant, bytes: Option<Vec<u8>>) {
        let opened_for = self.wanted_files();
        let pieces = self.spec.layout.pieces();
        let fits = |resume: &Checkpoint| {
            let sets = [&resume.have, &resume.unsure];
            self.is_sought() || sets.into_iter().flatten().all(|set| set.len() == pieces)
        };
        match bytes.map(|bytes| Checkpoint::decode(&bytes, Some(&self.spec.info_hashes))) {
            Some(Ok(mut resume)) if fits(&resume) => {
                self.keeps_metadata |= resume.torrent.is_some();
                let metadata = resume.torrent.take().filter(|_| self.is_sought());
                if let Some(metadata) = metadata {
                    self.resume = Some(resume);
                    return self.judge_recalled(desk, metadata);
                }
                self.take_resume(desk, now, resume);
            }
            Some(Ok(_)) => log::warn!("{:?}: resume data are of another number of pieces", self.key),
            Some(Err(refusal)) => {
                log::warn!("{:?}: {refusal}: what is there is checked instead", self.key);
            }
            None => {}
        }
        self.loaded(desk, now, &opened_for);
    }

    /// Takes over what is said beside the metadata.
    pub(super) fn take_resume(&mut self, desk: &mut Desk, now: Instant, resume: Checkpoint) {
        if !self.recalled {
            self.recall(desk, now, &resume);
        }
        self.resume = Some(resume);
    }
}
