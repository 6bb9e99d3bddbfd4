//! The node's state in a file: read at the start, written every hour and at the end, by the disk threads.
//!
//! The file is the resume file of a store that has nothing else. So the medium, locks against a second session and the
//! rules of replacing a file are those of torrents.

use std::sync::Arc;

use tide_base::{Bits, Instant, Layout};
use tide_dht::Saved;
use tide_disk::{Allocation, FileEntry, FileTable, Outcome, StoreKey, StoreSpec, Task, Trouble, TroubleKind};

use super::limits::{FIRST_SAVE, LOAD, SAVE};
use super::words::StateFile;
use crate::desk::Desk;
use crate::desk::gates::{Errand, SessionErrand};

/// The store's name. Those of torrents are counted from one.
const STORE: StoreKey = StoreKey(u64::MAX);

/// How far it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// There is no file, or not any more.
    Off,
    /// The store is to be opened.
    New,
    /// It is open, or on its way to be.
    On,
}

/// The file, and what is done with it.
#[derive(Debug)]
pub(super) struct Keeping {
    file: Option<StateFile>,
    stage: Stage,
    /// The job under way.
    errand: Option<SessionErrand>,
    /// What was saved, once it is known that there was or was not anything.
    loaded: Option<Saved>,
    /// Until when to wait for it.
    patience: Instant,
    /// When to save next.
    save_at: Instant,
    /// What is to be written before it is closed, once.
    last: Option<Vec<u8>>,
    ending: bool,
}

impl Keeping {
    pub(super) fn new(file: Option<StateFile>, now: Instant) -> Keeping {
        Keeping {
            stage: if file.is_some() { Stage::New } else { Stage::Off },
            loaded: file.is_none().then(Saved::default),
            file,
            errand: None,
            patience: now + LOAD,
            save_at: Instant::NEVER,
            last: None,
            ending: false,
        }
    }

    /// Begins what is to be done next; whether it must be asked again at [`deadline`](Self::deadline).
    pub(super) fn settle(&mut self, desk: &mut Desk, now: Instant) {
        if self.errand.is_some() {
            return;
        }
        if self.ending {
            return self.close(desk);
        }
        if let (Stage::New, Some(file)) = (self.stage, &self.file) {
            self.stage = Stage::On;
            self.patience = now + LOAD;
            let spec = store(file);
            self.begin(desk, SessionErrand::OpenState, Task::Open(Box::new(spec)));
        }
    }

    /// What an earlier run left, once, as soon as that is known or has taken too long.
    pub(super) fn take_loaded(&mut self, now: Instant) -> Option<Saved> {
        if self.loaded.is_none() && self.patience <= now {
            log::warn!("the DHT begins without its saved state: the disk does not answer");
            self.loaded = Some(Saved::default());
        }
        let loaded = self.loaded.take();
        if loaded.is_some() {
            // From now on nothing is waited for.
            self.patience = Instant::NEVER;
            self.save_at = now + FIRST_SAVE;
        }
        loaded
    }

    /// Whether it is time to [`save`](Self::save).
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.deadline() <= now && self.save_at <= now
    }

    /// Writes the file.
    pub(super) fn save(&mut self, desk: &mut Desk, now: Instant, bytes: Vec<u8>) {
        self.save_at = now + SAVE;
        self.begin(desk, SessionErrand::SaveState, Task::SaveResume(bytes));
    }

    /// The session ends: this is written, if there is anything to be remembered, and nothing after it.
    pub(super) fn end(&mut self, last: Option<Vec<u8>>) {
        if !self.ending {
            (self.ending, self.last) = (true, last);
        }
    }

    fn close(&mut self, desk: &mut Desk) {
        if self.stage != Stage::On {
            self.stage = Stage::Off;
        } else if let Some(bytes) = self.last.take() {
            self.begin(desk, SessionErrand::SaveState, Task::SaveResume(bytes));
        } else {
            self.begin(desk, SessionErrand::CloseState, Task::Close);
        }
    }

    /// Whether nothing is under way, and after its end nothing is to be done any more.
    pub(super) fn is_done(&self) -> bool {
        self.errand.is_none() && self.stage == Stage::Off
    }

    /// When it must be looked at, at the latest.
    pub(super) fn deadline(&self) -> Instant {
        let save_at =
            if self.stage == Stage::On && self.errand.is_none() { self.save_at } else { Instant::NEVER };
        save_at.min(self.patience)
    }

    fn begin(&mut self, desk: &mut Desk, errand: SessionErrand, task: Task) {
        let Some(file) = &self.file else { return };
        self.errand = Some(errand);
        desk.gates.disk(file.volume, STORE, task, Errand::Session(errand));
    }

    /// A job is done, or failed. What cannot be read or written is no reason to do without the DHT.
    pub(super) fn done(&mut self, desk: &mut Desk, errand: SessionErrand, result: Result<Outcome, Trouble>) {
        self.errand = None;
        match (errand, result) {
            (SessionErrand::OpenState, Ok(_)) if !self.ending => {
                self.begin(desk, SessionErrand::LoadState, Task::LoadResume);
            }
            (SessionErrand::LoadState, Ok(Outcome::Resume(Some(bytes)))) => {
                let saved = Saved::decode(&bytes).map_err(|error| log::warn!("{error}"));
                self.know(saved.unwrap_or_default());
            }
            (SessionErrand::OpenState, Err(trouble)) => {
                // Another session has it, and keeps it: nothing is lost.
                let level = match trouble.kind {
                    TroubleKind::InUse => log::Level::Debug,
                    _ => log::Level::Warn,
                };
                log::log!(level, "the DHT's state is neither read nor kept: {trouble}");
                self.stage = Stage::Off;
                self.know(Saved::default());
            }
            (SessionErrand::LoadState, result) => {
                if let Err(trouble) = result {
                    log::warn!("the DHT's state: {trouble}");
                }
                self.know(Saved::default());
            }
            (SessionErrand::CloseState, _) => self.stage = Stage::Off,
            (_, Err(trouble)) => log::warn!("the DHT's state is not saved: {trouble}"),
            (_, Ok(_)) => {}
        }
    }

    fn know(&mut self, saved: Saved) {
        // Who waits for nothing any more has begun without.
        if self.patience != Instant::NEVER {
            self.loaded = Some(saved);
        }
    }
}

/// A store of one byte of padding, which no medium keeps; what counts is its resume file.
fn store(file: &StateFile) -> StoreSpec {
    let nothing = FileEntry { path: "padding".into(), offset: 0, len: 1, padding: true, executable: false };
    StoreSpec {
        root: file.path.parent().unwrap_or(&file.path).to_path_buf(),
        files: Arc::new(FileTable::new(vec![nothing])),
        layout: Layout::new(1, 1, 1).expect("one byte is a layout"),
        wanted: Bits::new(1),
        aside: None,
        resume: Some(file.path.clone()),
        backing: file.backing,
        allocation: Allocation::Sparse,
    }
}
