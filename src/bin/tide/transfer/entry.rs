//! One torrent that is watched, and what it shall come to.

use std::time::Duration;

use tide::metainfo::{Info, Torrent as Metainfo};
use tide::{Add, Retry, State, Torrent, TorrentStats};

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
    /// Whether all is done when the files are known: nothing is fetched but metadata.
    pub(crate) learn: bool,
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

/// What was learnt of a torrent that a link named.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Learnt {
    /// Its .torrent file.
    pub(crate) bytes: Vec<u8>,
    /// What that says.
    pub(crate) torrent: Metainfo,
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
    /// How many pieces; nothing while the metadata is sought.
    pub(crate) pieces: Option<u32>,
    /// The files that its link names, from zero; all if there is none.
    pub(crate) select: Vec<u32>,
    /// What was learnt of it.
    pub(crate) learnt: Option<Learnt>,
    pub(crate) phase: Phase,
    /// The newest figures.
    pub(crate) stats: Option<TorrentStats>,
    /// Since when it has been waited for.
    pub(crate) since: Duration,
    /// The last moment when something had come.
    pub(crate) moved: Duration,
}

impl Entry {
    /// What was added as `add`.
    pub(crate) fn new(torrent: Torrent, add: &Add, now: Duration) -> Entry {
        let info = add.torrent().map(|metainfo| &metainfo.info);
        let hash = info_hash(torrent.info_hashes());
        Entry {
            torrent,
            name: add.name().map_or_else(|| hash.clone(), str::to_owned),
            hash,
            size: info.map_or(0, Info::total),
            piece_len: info.map_or(0, |info| info.piece_len().into()),
            pieces: info.map(Info::pieces),
            select: Vec::new(),
            learnt: None,
            phase: Phase::Under,
            stats: None,
            since: now,
            moved: now,
        }
    }

    /// Its metadata has come.
    pub(crate) fn learn(&mut self, learnt: Learnt) {
        let info = &learnt.torrent.info;
        self.name = info.name().to_owned();
        (self.size, self.piece_len) = (info.total(), info.piece_len().into());
        self.pieces = Some(info.pieces());
        self.learnt = Some(learnt);
    }

    /// Takes new figures in.
    pub(crate) fn update(&mut self, stats: TorrentStats, now: Duration) {
        let mark = |stats: &TorrentStats| {
            let metadata = stats.metadata.map(|metadata| metadata.got);
            (stats.done, stats.downloaded, stats.checked, stats.state, metadata)
        };
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

    /// Whether the metadata has come, and nobody has looked at it.
    pub(crate) fn is_news(&self) -> bool {
        self.pieces.is_none() && self.stats.as_ref().is_some_and(|stats| stats.pieces > 0)
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
