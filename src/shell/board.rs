//! What waits for the application to read: at most one event a (torrent, kind), the newest, so that an application
//! that reads slowly, or never, costs the engine neither time nor memory. And what follows from what was posted: which
//! torrents there are, and how those stand that somebody waits for.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tide_base::{InfoHash, InfoHashes, Instant};
use tide_engine::{Event, Happening, Kind, Listening, Reachable, TorrentKey};

use crate::shell::clock::Clock;

/// The most events that wait. Only an application that adds and removes without end and never reads comes near: then
/// the oldest are dropped, those first that another of their kind may follow.
const PENDING: usize = 65_536;

/// Something for the application.
#[derive(Clone, Debug)]
pub(crate) enum Notice {
    /// A torrent's.
    Torrent(Event),
    /// The session listens there now.
    Listening(Listening),
    /// The world sees and reaches the session like that now.
    Reachable(Box<Reachable>),
    /// The session has failed and is over: a bug, in these words.
    Broken(String),
}

/// A torrent that is there, and what is known of its identities.
pub(crate) type Entry = (TorrentKey, InfoHashes);

/// What two notices must share for the newer to replace the older.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Slot {
    Torrent(TorrentKey, Kind),
    Listening,
    Reachable,
    Broken,
}

/// How a torrent stands, as somebody sees it who waits for it.
#[derive(Clone, Debug, Default)]
pub(crate) enum Standing {
    /// Nothing to tell.
    #[default]
    Under,
    /// All that is wanted is here.
    Complete,
    /// It waits for a person; what for, its figures say.
    Paused,
    /// Its files make trouble.
    Stopped(tide_disk::Trouble),
    /// It is gone.
    Removed,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    slots: BTreeMap<Slot, u64>,
    /// By sequence number: first those that may be dropped, then those that stick.
    soft: BTreeMap<u64, (Slot, Notice)>,
    firm: BTreeMap<u64, (Slot, Notice)>,
    /// By torrent and watch: what somebody who waits has not been told yet. What was before he came is not his.
    watched: BTreeMap<(TorrentKey, u64), Standing>,
    watches: u64,
    /// The torrents that are there, by what was said of them.
    torrents: BTreeMap<InfoHash, Entry>,
    /// What was said last of how the session is reached.
    reachable: Reachable,
    over: bool,
    failure: Option<String>,
}

/// The board. Posting never waits for a reader.
#[derive(Debug)]
pub(crate) struct Board {
    state: Mutex<State>,
    changed: Condvar,
    clock: Clock,
}

/// What a reader gets.
#[derive(Debug)]
pub(crate) enum Next {
    /// The next notice, and its number.
    Notice(u64, Notice),
    /// None came in time.
    TimedOut,
    /// None will come any more.
    Over,
}

/// Whether the notice tells of something final, that nothing but a read may take away.
fn sticks(notice: &Notice) -> bool {
    match notice {
        Notice::Torrent(event) => {
            matches!(event.what.kind(), Kind::Complete | Kind::Removed | Kind::Stopped)
        }
        Notice::Broken(_) => true,
        Notice::Listening(_) | Notice::Reachable(_) => false,
    }
}

impl State {
    fn put(&mut self, slot: Slot, notice: Notice) {
        self.next += 1;
        if let Some(older) = self.slots.insert(slot, self.next) {
            self.soft.remove(&older);
            self.firm.remove(&older);
        }
        let side = if sticks(&notice) { &mut self.firm } else { &mut self.soft };
        side.insert(self.next, (slot, notice));
        if self.slots.len() > PENDING {
            let oldest = self.soft.pop_first().or_else(|| self.firm.pop_first());
            let (_, (slot, _)) = oldest.expect("there is a notice for every slot");
            self.slots.remove(&slot);
        }
    }

    fn take(&mut self) -> Option<(u64, Notice)> {
        let soft = self.soft.first_key_value().map(|(&at, _)| at);
        let firm = self.firm.first_key_value().map(|(&at, _)| at);
        let soft_first = match (soft, firm) {
            (Some(soft), Some(firm)) => soft < firm,
            (soft, _) => soft.is_some(),
        };
        let side = if soft_first { &mut self.soft } else { &mut self.firm };
        let (at, (slot, notice)) = side.pop_first()?;
        self.slots.remove(&slot);
        Some((at, notice))
    }

    /// What is said of one torrent comes from one shard, in order; so the list is right whoever is faster, the one who gets
    /// the reply or the one who reads the event.
    fn list(&mut self, event: &Event) {
        let Some(hash) = event.info_hashes.v1 else { return };
        match &event.what {
            Happening::Added { .. } | Happening::Metadata { .. } => {
                self.torrents.insert(hash, (event.torrent, event.info_hashes));
            }
            Happening::Removed => {
                self.torrents.remove(&hash);
            }
            _ => {}
        }
    }

    fn stand(&mut self, event: &Event) {
        let standing = match &event.what {
            Happening::Complete { .. } | Happening::Seeding => Standing::Complete,
            Happening::Paused => Standing::Paused,
            Happening::Stopped(trouble) => Standing::Stopped(trouble.clone()),
            Happening::Removed => Standing::Removed,
            Happening::Recovered | Happening::Started { .. } => Standing::Under,
            _ => return,
        };
        for (_, seen) in self.watched.range_mut((event.torrent, 0)..=(event.torrent, u64::MAX)) {
            seen.clone_from(&standing);
        }
    }
}

impl Board {
    /// An empty board.
    pub(crate) fn new(clock: Clock) -> Board {
        Board { state: Mutex::default(), changed: Condvar::new(), clock }
    }

    /// The state. A reader that panicked while it held it has broken nothing: every change is whole.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an event of the engine. Nothing follows the end.
    pub(crate) fn post(&self, event: Event) {
        let mut state = self.state();
        if state.over {
            return;
        }
        state.list(&event);
        state.stand(&event);
        state.put(Slot::Torrent(event.torrent, event.what.kind()), Notice::Torrent(event));
        self.changed.notify_all();
    }

    /// Says where the session can be reached, unless it is over.
    pub(crate) fn listening(&self, listening: Listening) {
        let mut state = self.state();
        if state.over {
            return;
        }
        state.put(Slot::Listening, Notice::Listening(listening));
        self.changed.notify_all();
    }

    /// Says how the world sees and reaches the session, unless it is over.
    pub(crate) fn reachable(&self, reachable: Reachable) {
        let mut state = self.state();
        if state.over {
            return;
        }
        state.reachable.clone_from(&reachable);
        state.put(Slot::Reachable, Notice::Reachable(Box::new(reachable)));
        self.changed.notify_all();
    }

    /// The torrents that are there, by info-hash.
    pub(crate) fn torrents(&self) -> Vec<Entry> {
        self.state().torrents.values().copied().collect()
    }

    /// The torrent with this v1 info-hash.
    pub(crate) fn torrent(&self, hash: &InfoHash) -> Option<Entry> {
        self.state().torrents.get(hash).copied()
    }

    /// What was said last of how the world sees and reaches the session.
    pub(crate) fn last_reachable(&self) -> Reachable {
        self.state().reachable.clone()
    }

    /// Says that the session has failed. The first failure is the one that is told.
    pub(crate) fn broken(&self, why: String) {
        let mut state = self.state();
        if !state.over {
            state.failure = Some(why.clone());
            state.put(Slot::Broken, Notice::Broken(why));
            state.over = true;
        }
        self.changed.notify_all();
    }

    /// Whether nothing more will happen.
    pub(crate) fn is_over(&self) -> bool {
        self.state().over
    }

    /// How the session failed, if it did.
    pub(crate) fn failure(&self) -> Option<String> {
        self.state().failure.clone()
    }

    /// Says that nothing more will happen.
    pub(crate) fn end(&self) {
        self.state().over = true;
        self.changed.notify_all();
    }

    /// Waits for the next notice, at most `timeout`.
    pub(crate) fn next(&self, timeout: Option<Duration>) -> Next {
        let until = self.until(timeout);
        let mut state = self.state();
        loop {
            if let Some((at, notice)) = state.take() {
                return Next::Notice(at, notice);
            }
            if state.over {
                return Next::Over;
            }
            state = match self.wait(state, until) {
                Some(state) => state,
                None => return Next::TimedOut,
            };
        }
    }

    /// Watches a torrent from now on.
    pub(crate) fn watch(&self, torrent: TorrentKey) -> Watch<'_> {
        let mut state = self.state();
        state.watches += 1;
        let place = (torrent, state.watches);
        state.watched.insert(place, Standing::Under);
        Watch { board: self, place }
    }

    /// The moment at which `timeout` has passed; none if it never does.
    pub(crate) fn until(&self, timeout: Option<Duration>) -> Option<Instant> {
        timeout.map(|span| self.clock.now() + span)
    }

    /// Waits for a change until that moment; `None` once it has come.
    fn wait<'a>(
        &self,
        state: MutexGuard<'a, State>,
        until: Option<Instant>,
    ) -> Option<MutexGuard<'a, State>> {
        let Some(until) = until else {
            return Some(self.changed.wait(state).unwrap_or_else(PoisonError::into_inner));
        };
        let left = self.clock.now().until(until);
        if left.is_zero() {
            return None;
        }
        Some(self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0)
    }
}

/// Somebody waits for a torrent.
#[derive(Debug)]
pub(crate) struct Watch<'a> {
    board: &'a Board,
    place: (TorrentKey, u64),
}

impl Watch<'_> {
    /// Waits until there is something to tell of the torrent, at most until that moment (then [`Standing::Under`]). It is
    /// told once. `None` if the session is over.
    pub(crate) fn wait(&self, until: Option<Instant>) -> Option<Standing> {
        let mut state = self.board.state();
        loop {
            let seen = state.watched.get_mut(&self.place).map(std::mem::take).unwrap_or_default();
            if !matches!(seen, Standing::Under) {
                return Some(seen);
            }
            if state.over {
                return None;
            }
            state = match self.board.wait(state, until) {
                Some(state) => state,
                None => return Some(Standing::Under),
            };
        }
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.board.state().watched.remove(&self.place);
    }
}

#[cfg(test)]
mod tests;
