//! What applications are told: in an order that makes sense.

use std::collections::BTreeMap;

use tide_disk::Trouble;
use tide_engine::{Event, Happening, TorrentKey};

use super::oracle::Compared;

/// What is known of a torrent from what was told of it.
#[derive(Debug, Default)]
struct Told {
    stopped: Option<Trouble>,
    started: bool,
    complete: bool,
    /// How often other files were wanted; the orders may still be on their way.
    wishes: u32,
    /// How often somebody had it go on, or be checked: the same trouble may be told again.
    tries: u32,
    removed: bool,
}

/// What an engine has told its application.
#[derive(Debug, Default)]
pub(super) struct Events {
    torrents: BTreeMap<TorrentKey, Told>,
}

impl Events {
    /// Other files are wanted of a torrent: they may be complete, too.
    pub(super) fn wants_else(&mut self, key: TorrentKey) {
        if let Some(told) = self.torrents.get_mut(&key) {
            told.wishes += 1;
        }
    }

    /// Somebody has a torrent go on or be checked: what stops it again is news.
    pub(super) fn tries(&mut self, key: TorrentKey) {
        if let Some(told) = self.torrents.get_mut(&key) {
            told.tries += 1;
        }
    }

    pub(super) fn event(&mut self, event: &Event) -> Compared {
        let (key, kind) = (event.torrent, event.what.kind());
        if matches!(event.what, Happening::Added { .. }) {
            return match self.torrents.insert(key, Told::default()) {
                None => Ok(1),
                Some(_) => Err(format!("{key:?} is added a second time")),
            };
        }
        let Some(told) = self.torrents.get_mut(&key) else {
            return Err(format!("{kind:?} of {key:?}, which was never added"));
        };
        if told.removed {
            return Err(format!("{kind:?} of {key:?}, which was removed"));
        }
        match &event.what {
            Happening::Removed => told.removed = true,
            Happening::Started { done, total } => {
                if done > total {
                    return Err(format!("{key:?} starts with {done} of {total} bytes"));
                }
                told.started = true;
                if told.stopped.is_some() {
                    return Err(format!("{key:?} starts, and does not say that the trouble is over"));
                }
                // What was complete may be looked at anew and lack something.
                told.complete &= done == total;
            }
            Happening::Checking { done, total } if done > total => {
                return Err(format!("{key:?} has looked at {done} of {total} pieces"));
            }
            Happening::Complete { .. } if !told.started => {
                return Err(format!("{key:?} is complete and never started"));
            }
            Happening::Complete { .. } if told.complete && told.wishes > 0 => told.wishes -= 1,
            Happening::Complete { .. } if told.complete => {
                return Err(format!("{key:?} is complete, and has said so before"));
            }
            Happening::Complete { .. } => told.complete = true,
            // Another trouble may come when it tries again.
            Happening::Stopped(trouble) if told.stopped.as_ref() == Some(trouble) && told.tries > 0 => {
                told.tries -= 1;
            }
            Happening::Stopped(trouble) if told.stopped.as_ref() == Some(trouble) => {
                return Err(format!("{key:?} stops ({trouble}), and has said so before"));
            }
            Happening::Stopped(trouble) => told.stopped = Some(trouble.clone()),
            Happening::Recovered if told.stopped.is_none() => {
                return Err(format!("{key:?} recovers from nothing"));
            }
            Happening::Recovered => told.stopped = None,
            Happening::Seeding if !told.started => return Err(format!("{key:?} seeds and never started")),
            _ => {}
        }
        Ok(1)
    }
}
