//! One torrent that is watched, and what it shall come to.

use std::time::Duration;

use tide::metainfo::Torrent as Metainfo;
use tide::{Retry, State, Torrent, TorrentStats};

use crate::exit::{Exit, passes};
use crate::show::info_hash;

/// What torrents shall come to.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Plan {
    /// Whether to go on once complete.
    pub(crate) seed: bool,
    /// Until that many times its size has gone out.
    pub(crate) ratio: Option<f64>,
    /// Until it has been complete for so long.
    pub(crate) time: Option<Duration>,
    /// Whether content that is not complete is an error: then the torrents were added paused.
    pub(crate) whole: bool,
    /// Give up after so long without progress.
    pub(crate) timeout: Option<Duration>,
    /// What to run for each that is complete.
    pub(crate) on_complete: Option<String>,
}

/// Where a torrent stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    /// On the way to be complete.
    Under,
    /// Complete, since that moment.
    Complete(Duration),
    /// Complete, and what was to follow is done too.
    Over,
    /// It will not come to what it should.
    Failed(Exit),
}

/// A torrent that is watched.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) torrent: Torrent,
    /// In hexadecimal.
    pub(crate) hash: String,
    pub(crate) name: String,
    pub(crate) size: u64,
    pub(crate) piece_len: u64,
    pub(crate) phase: Phase,
    /// The newest figures.
    pub(crate) stats: Option<TorrentStats>,
    /// Since when it has been waited for.
    pub(crate) since: Duration,
    /// The last moment when something had come.
    pub(crate) moved: Duration,
}

impl Entry {
    pub(crate) fn new(torrent: Torrent, metainfo: &Metainfo, now: Duration) -> Entry {
        let info = &metainfo.info;
        Entry {
            hash: info_hash(torrent.info_hashes()),
            torrent,
            name: info.name().to_owned(),
            size: info.total(),
            piece_len: info.piece_len().into(),
            phase: Phase::Under,
            stats: None,
            since: now,
            moved: now,
        }
    }

    /// Takes new figures in.
    pub(crate) fn update(&mut self, stats: TorrentStats, now: Duration) {
        let mark = |stats: &TorrentStats| (stats.done, stats.downloaded, stats.checked, stats.state);
        if self.stats.as_ref().is_none_or(|old| mark(old) != mark(&stats)) {
            self.moved = now;
        }
        self.stats = Some(stats);
    }

    /// Whether it is on the way.
    pub(crate) fn is_under(&self) -> bool {
        self.phase == Phase::Under
    }

    /// Whether it need not be waited for, whatever becomes of the others.
    pub(crate) fn is_settled(&self, plan: &Plan) -> bool {
        match self.phase {
            Phase::Under => false,
            Phase::Complete(_) => !plan.seed,
            Phase::Over | Phase::Failed(_) => true,
        }
    }

    /// Whether the figures say that all that is wanted is there.
    pub(crate) fn has_all(&self) -> bool {
        self.stats.as_ref().is_some_and(|stats| {
            let ready = matches!(stats.state, State::Seeding | State::Paused);
            ready && stats.done == stats.wanted && (stats.wanted > 0 || stats.state == State::Seeding)
        })
    }

    /// Whether it was checked, is paused for that, and is not complete.
    pub(crate) fn is_lacking(&self) -> bool {
        let paused = self.stats.as_ref().filter(|stats| stats.state == State::Paused);
        paused.is_some_and(|stats| stats.done < stats.wanted)
    }

    /// Whether its files make trouble that somebody must do something about.
    pub(crate) fn is_stuck(&self) -> bool {
        let trouble = self.stats.as_ref().and_then(|stats| stats.trouble.as_ref());
        trouble.is_some_and(|trouble| match self.phase {
            // A service waits longer than a download, as long as it can hope.
            Phase::Complete(_) => trouble.kind.retry() == Retry::OnDemand,
            _ => !passes(trouble),
        })
    }

    /// Whether it has given enough.
    pub(crate) fn has_given(&self, plan: &Plan, now: Duration) -> bool {
        let Phase::Complete(since) = self.phase else { return false };
        let uploaded = self.stats.as_ref().map_or(0, |stats| stats.uploaded);
        let enough = |ratio: f64| uploaded as f64 >= ratio * self.size as f64;
        plan.ratio.is_some_and(enough) || plan.time.is_some_and(|time| now.saturating_sub(since) >= time)
    }
}
