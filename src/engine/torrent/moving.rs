//! Content that goes to another folder.

use std::path::PathBuf;

use tide_base::Instant;
use tide_disk::{Trouble, VolumeId};

use super::Torrent;
use super::life::Phase;
use crate::command::{CommandError, CommandId, Reply};
use crate::desk::Desk;
use crate::desk::gates::TorrentErrand;
use crate::event::Happening;

impl Torrent {
    /// The content is to lie below another folder as soon as nobody is at the files.
    pub(super) fn begin_move(
        &mut self,
        desk: &mut Desk,
        now: Instant,
        id: CommandId,
        to: PathBuf,
        volume: VolumeId,
    ) -> Option<Reply> {
        if !matches!(self.phase, Phase::Active | Phase::Paused) {
            return Some(Err(CommandError::Invalid("only a torrent that runs or waits can be moved")));
        }
        // What cannot be opened cannot be moved.
        if let Some(trouble) = self.trouble.as_ref().filter(|_| !self.has_store()) {
            return Some(Err(CommandError::Trouble(trouble.clone())));
        }
        self.halt(desk, now);
        self.moving_from = core::mem::replace(&mut self.spec.root, to);
        self.moving_to = volume;
        self.phase = Phase::Moving;
        self.chores = [TorrentErrand::Move, TorrentErrand::Close].into();
        self.answer_later(id, TorrentErrand::Move);
        None
    }

    /// A move that has not begun does not any more; whether there was one.
    pub(super) fn call_off_move(&mut self) -> bool {
        let waits = self.chores.contains(&TorrentErrand::Move);
        if waits {
            self.spec.root.clone_from(&self.moving_from);
        }
        waits
    }

    /// The content lies elsewhere, and the store is closed: it is opened anew there, as after trouble if there was some.
    pub(super) fn moved_on(&mut self, desk: &mut Desk, now: Instant) {
        self.event(desk, Happening::Moved);
        self.spec.volume = self.moving_to;
        self.recover(now);
        self.do_chores(desk, now);
    }

    /// A move failed. Everything is where it was, and goes on as it did; what was stopped before has not recovered.
    pub(super) fn not_moved(&mut self, desk: &mut Desk, now: Instant, trouble: Trouble) {
        self.refuse(TorrentErrand::Move, &CommandError::Trouble(trouble));
        self.chores.clear();
        if self.trouble.is_some() {
            self.phase = if self.spec.is_paused() { Phase::Paused } else { Phase::Stopped(now) };
            return;
        }
        // What was chosen meanwhile was left to the store that would have been opened.
        if self.selected != self.wanted_files() {
            self.chores.push_back(TorrentErrand::Select);
        }
        self.phase = Phase::Opening;
        self.start(desk, now);
    }
}
