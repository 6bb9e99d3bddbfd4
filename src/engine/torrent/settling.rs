//! What comes between the check and the transfer: claims that are taken back, and files that no write will bring.

use tide_disk::{Trouble, TroubleKind};

use super::Torrent;
use super::life::Phase;
use crate::desk::gates::TorrentErrand;

impl Torrent {
    /// Whether the resume file claims pieces that are not here. They will be fetched again, and what is written until the
    /// next sync may be torn; whoever found files and claims then would believe them.
    pub(super) fn overclaims(&mut self) -> bool {
        let have = self.stock.have();
        self.filed.take().is_some_and(|filed| filed.iter().any(|piece| !have.has(piece)))
    }

    /// Whether files are missing that no write will bring, since nothing is: empty ones, and those whose content has
    /// been kept aside until they were wanted.
    pub(super) fn must_settle(&self) -> bool {
        !self.settled && !self.spec.is_paused() && self.is_complete() && self.lacks_files(|_| true)
    }

    /// Whether a wanted file that meets `which` is not there.
    fn lacks_files(&self, which: impl Fn(&tide_disk::FileEntry) -> bool) -> bool {
        let wanted = self.wanted_files();
        let files = self.spec.files.files().iter().zip(&self.files).zip(0..);
        files.into_iter().any(|((entry, state), at)| {
            state.len.is_none() && !entry.padding && wanted.has(at) && which(entry)
        })
    }

    /// Has the disk make them, once.
    pub(super) fn settle_files(&mut self) {
        self.settled = true;
        self.phase = Phase::Checking;
        self.chores.push_back(TorrentErrand::Select);
    }

    /// Whether it can do without the files that could not be made: who has read-only content without its empty files
    /// can still serve it.
    pub(super) fn can_do_without(&self, trouble: &Trouble) -> bool {
        self.is_settling() && trouble.kind == TroubleKind::Denied && !self.lacks_files(|entry| entry.len > 0)
    }

    /// Whether everything was checked, and the disk makes the files that are missing.
    pub(super) fn is_settling(&self) -> bool {
        self.settled && self.checker.is_none() && matches!(self.phase, Phase::Checking)
    }
}
