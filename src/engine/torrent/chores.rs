//! Disk work that a torrent does one thing at a time: opening, resume data, moving, deleting, closing.

use tide_base::{Bits, Instant};
use tide_disk::{Outcome, StoreSpec, Task, Trouble, TroubleKind};

use super::Torrent;
use super::check::{Checker, plan};
use super::life::Phase;
use crate::command::{Check, CommandError};
use crate::desk::Desk;
use crate::desk::gates::{Errand, TorrentErrand};

impl Torrent {
    /// Begins the next chore, if none is under way and nobody else is at the files.
    pub(super) fn do_chores(&mut self, desk: &mut Desk, now: Instant) {
        while self.chore.is_none() {
            let Some(&errand) = self.chores.front() else { return };
            // Another selection may come while others transfer; all else wants the files for itself.
            if errand != TorrentErrand::Select && !self.is_quiet() {
                return;
            }
            self.chores.pop_front();
            self.begin_chore(desk, now, errand);
        }
    }

    /// Begins a chore at once.
    pub(super) fn begin_chore(&mut self, desk: &mut Desk, now: Instant, errand: TorrentErrand) {
        if matches!(errand, TorrentErrand::Open | TorrentErrand::Select) {
            self.selected = self.wanted_files();
        }
        let task = match errand {
            TorrentErrand::Open => Task::Open(Box::new(self.store_spec())),
            TorrentErrand::LoadResume => Task::LoadResume,
            TorrentErrand::Sync => Task::Sync,
            TorrentErrand::Save | TorrentErrand::Withdraw => Task::SaveResume(self.resume_bytes(desk, now)),
            TorrentErrand::Stat => Task::Stat,
            TorrentErrand::Select => Task::Select(self.selected.clone()),
            TorrentErrand::Move => Task::Move(self.spec.root.clone()),
            TorrentErrand::Delete => Task::Delete,
            TorrentErrand::DropResume => Task::DropResume,
            TorrentErrand::Close => Task::Close,
            TorrentErrand::CheckLoad(_)
            | TorrentErrand::CheckRewrite(_)
            | TorrentErrand::CheckHash(_)
            | TorrentErrand::JudgeMetadata(_)
            | TorrentErrand::RecallMetadata => {
                unreachable!("checks and judgements are no chores")
            }
        };
        let skipped = self.spec.resume.is_none()
            && matches!(errand, TorrentErrand::LoadResume | TorrentErrand::Save | TorrentErrand::DropResume);
        if skipped {
            return;
        }
        self.chore = Some(errand);
        desk.gates.disk(self.spec.volume, self.spec.store, task, Errand::Torrent(self.slot(), errand));
    }

    fn store_spec(&self) -> StoreSpec {
        StoreSpec {
            root: self.spec.root.clone(),
            files: std::sync::Arc::clone(&self.spec.files),
            layout: self.spec.layout,
            wanted: self.selected.clone(),
            aside: self.spec.aside.clone(),
            resume: self.spec.resume.clone(),
            backing: self.spec.backing,
            allocation: self.spec.allocation,
        }
    }

    /// Which files are wanted.
    pub(super) fn wanted_files(&self) -> Bits {
        let mut wanted = Bits::new(self.priorities.files() as u32);
        for i in 0..self.priorities.files() {
            if self.priorities.file(i).is_some_and(super::words::Priority::is_wanted) {
                wanted.set(i as u32);
            }
        }
        wanted
    }

    /// A chore is done, or failed.
    pub(super) fn chore_done(
        &mut self,
        desk: &mut Desk,
        now: Instant,
        errand: TorrentErrand,
        result: Result<Outcome, Trouble>,
    ) {
        self.chore = None;
        match (errand, result) {
            (TorrentErrand::Open, Ok(Outcome::Opened(files))) => {
                self.files = files;
                self.opened = true;
                match (&self.phase, &self.spec.resume) {
                    // It is opened anew at once: somebody wanted a check meanwhile.
                    (Phase::Opening, _) if self.must_reopen() => {}
                    (Phase::Opening, Some(_)) => self.chores.push_front(TorrentErrand::LoadResume),
                    _ => self.planned(desk, now),
                }
            }
            (TorrentErrand::LoadResume, _) if self.must_reopen() => {}
            (TorrentErrand::LoadResume, Ok(Outcome::Resume(bytes))) => {
                self.resume_loaded(desk, now, bytes);
            }
            (TorrentErrand::LoadResume, _) => {
                self.planned(desk, now);
            }
            (TorrentErrand::Sync, result) => self.sync_done(desk, now, result),
            (TorrentErrand::Save, result) => self.save_done(now, &result),
            (TorrentErrand::Withdraw, Ok(_)) => {
                if matches!(self.phase, Phase::Checking) && !self.must_reopen() {
                    self.start(desk, now);
                }
            }
            (
                TorrentErrand::Stat | TorrentErrand::Select,
                Ok(Outcome::Files(files) | Outcome::Selected(files)),
            ) => {
                self.files = files;
                self.looked = errand == TorrentErrand::Stat;
                if self.is_settling() {
                    self.start(desk, now);
                }
            }
            (TorrentErrand::Select, Err(trouble)) if self.can_do_without(&trouble) => {
                log::warn!("{:?}: {trouble}", self.key());
                self.start(desk, now);
            }
            (TorrentErrand::Close, Ok(_)) => {
                self.opened = false;
                self.files.clear();
            }
            (errand, Err(trouble)) => self.chore_failed(desk, now, errand, trouble),
            (_, Ok(_)) => {}
        }
    }

    /// Resume data, if there are any, are taken over, and all that is known of the torrent is.
    pub(super) fn loaded(&mut self, desk: &mut Desk, now: Instant, opened_for: &Bits) {
        self.recalled = true;
        match self.wanted_files() == *opened_for {
            true => self.planned(desk, now),
            // The store has to know which files are wanted before anything is read or written.
            false => self.reopen(),
        }
    }

    /// Whether the store is to be opened anew before anything else.
    pub(super) fn must_reopen(&self) -> bool {
        self.chores.contains(&TorrentErrand::Open)
    }

    fn chore_failed(&mut self, desk: &mut Desk, now: Instant, errand: TorrentErrand, trouble: Trouble) {
        if errand == TorrentErrand::Move {
            self.spec.root.clone_from(&self.moving_from);
        }
        match (&self.phase, errand) {
            // What follows waits for the device, too; and what resume data still claim is not deleted.
            (Phase::Leaving(_), TorrentErrand::DropResume) if trouble.kind == TroubleKind::Hung => {
                self.chores.push_front(errand);
            }
            (Phase::Leaving(_), _) => {
                log::warn!("{:?}: {errand:?}: {trouble}", self.key());
                self.refuse(errand, &CommandError::Trouble(trouble.clone()));
                // What cannot be opened cannot be deleted either, and the first trouble says why.
                let opens = errand == TorrentErrand::Open && self.chores.contains(&TorrentErrand::Delete);
                if opens || errand == TorrentErrand::Delete {
                    self.removal.trouble.get_or_insert(trouble);
                }
            }
            (Phase::Moving, TorrentErrand::Move) => self.not_moved(desk, now, trouble),
            _ => {
                self.give_up_chores(&trouble);
                self.troubled(desk, now, trouble);
            }
        }
    }

    /// It is known what is there: believe it, or hash it.
    fn planned(&mut self, desk: &mut Desk, now: Instant) {
        if !matches!(self.phase, Phase::Opening) {
            return;
        }
        let resume = self.resume.take();
        self.filed = resume.as_ref().and_then(|resume| resume.have.clone());
        let pieces = self.spec.layout.pieces();
        let unsure = resume.as_ref().and_then(|resume| resume.unsure.as_ref());
        // While the metadata is sought there are no pieces yet.
        if let Some(unsure) = unsure.filter(|unsure| unsure.len() == pieces) {
            self.checkpoint.recall_unsure(unsure);
        }
        let mut plan =
            plan(self.spec.check, &self.spec.files, &self.files, &self.spec.layout, resume.as_ref());
        plan.doubt(self.checkpoint.unsure());
        self.take_stock(&plan.trusted);
        // What was claimed and is believed stays claimed while the rest is hashed.
        let claimed = match self.spec.check {
            Check::Resume => plan.trusted,
            Check::Full | Check::Skip => Bits::new(self.spec.layout.pieces()),
        };
        self.checkpoint.reopened(claimed);
        self.spec.check = Check::Resume;
        self.told_checked = 0;
        self.checker = Some(Checker::new(plan.doubtful));
        self.phase = Phase::Checking;
        self.check_more(desk, now);
    }
}
