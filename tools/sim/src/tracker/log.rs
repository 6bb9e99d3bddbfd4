//! What a tracker saw of those who asked it: what the judges hold against the engine's schedule.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use tide_base::{Duration, InfoHash, Instant, PeerId};
use tide_tracker::Event;

/// Announces of one line that are kept one by one.
pub const VISITS_KEPT: usize = 256;

/// Lines that are kept. A flipped bit of a datagram may make a new one, so there is a bound.
pub const LINES_KEPT: usize = 1 << 16;

/// What carried an announce.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Carrier {
    /// A stream.
    Http,
    /// A datagram.
    Udp,
}

/// Whose announces belong together: the engine keeps an interval for each of these.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Line {
    /// Which torrent.
    pub info_hash: InfoHash,
    /// Who.
    pub peer_id: PeerId,
    /// Over what.
    pub carrier: Carrier,
    /// Which of the tracker's addresses was asked.
    pub at: SocketAddr,
}

/// What became of an announce.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Told {
    /// Nothing that an interval could be taken from: an error, garbage, a redirect, or no answer yet.
    Nothing,
    /// An answer with these. They may be lies: out of range, negative.
    Interval {
        /// Seconds until the next announce.
        interval: i128,
        /// The least that must lie between two, in seconds.
        least: Option<u64>,
    },
}

/// One announce.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Visit {
    /// When it arrived; with a jammed network long after it was made.
    pub at: Instant,
    /// Why it was made.
    pub event: Event,
    /// What it was told.
    pub told: Told,
}

/// All that was seen of one line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seen {
    /// Announces in all.
    pub announces: u64,
    /// Of these, with `started`.
    pub started: u64,
    /// Of these, with `completed`.
    pub completed: u64,
    /// Of these, with `stopped`.
    pub stopped: u64,
    /// Datagrams that said again what had been said (same transaction); not among the announces.
    pub repeated: u64,
    /// What the last announce named as uploaded.
    pub uploaded: u64,
    /// What the last announce named as downloaded.
    pub downloaded: u64,
    /// What the last announce named as left.
    pub left: u64,
    /// How often a number of the same session was smaller than before: uploaded or downloaded, without `started`.
    pub shrunk: u64,
    /// Where the peer listens, by the last announce.
    pub peer: SocketAddr,
    /// When the first announce came.
    pub first: Instant,
    /// When the last announce came.
    pub last: Instant,
    /// The last announces, at most [`VISITS_KEPT`], oldest first.
    pub visits: VecDeque<Visit>,
    /// The transaction of the last announce over UDP, and its sender.
    transaction: Option<(SocketAddr, u32)>,
}

impl Seen {
    /// The most announces without an event that came within any `span`, of those that are kept. With a floor of `f`
    /// between two announces there are at most `span / f + 1`, plus what a jammed network delivers late.
    pub fn most_within(&self, span: Duration) -> usize {
        let times: Vec<Instant> =
            self.visits.iter().filter(|visit| visit.event == Event::None).map(|visit| visit.at).collect();
        let mut first = 0;
        let mut most = 0;
        for (last, &at) in times.iter().enumerate() {
            while times[first] + span < at {
                first += 1;
            }
            most = most.max(last + 1 - first);
        }
        most
    }

    /// Between each two announces that are kept, the first of which was told an interval and the second of which has no
    /// event: the time, and what was told. It may not have arrived, and the second may be a new try.
    pub fn gaps(&self) -> impl Iterator<Item = (Duration, Told)> + '_ {
        let pairs = self.visits.iter().zip(self.visits.iter().skip(1));
        pairs.filter(|(_, next)| next.event == Event::None).filter_map(|(before, next)| match before.told {
            Told::Nothing => None,
            told @ Told::Interval { .. } => Some((next.at - before.at, told)),
        })
    }
}

/// One announce on its way into the log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entered {
    pub(super) line: Line,
    pub(super) at: Instant,
    pub(super) event: Event,
    pub(super) uploaded: u64,
    pub(super) downloaded: u64,
    pub(super) left: u64,
    pub(super) peer: SocketAddr,
    /// Over UDP: the sender and the transaction.
    pub(super) transaction: Option<(SocketAddr, u32)>,
}

/// What a tracker saw.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Log {
    lines: BTreeMap<Line, Seen>,
    /// Scrapes, over both carriers.
    pub scrapes: u64,
    /// HTTP requests that were redirected; they are not among the announces.
    pub redirected: u64,
    /// Datagrams with a connection id that was not given to their sender, or too long ago.
    pub strange: u64,
    /// Requests that were neither announce nor scrape nor connect.
    pub senseless: u64,
    /// Announces of lines for which there was no place.
    pub unkept: u64,
}

impl Log {
    /// Every line, in order.
    pub fn lines(&self) -> impl Iterator<Item = (&Line, &Seen)> {
        self.lines.iter()
    }

    /// What was seen of a line.
    pub fn of(&self, line: &Line) -> Option<&Seen> {
        self.lines.get(line)
    }

    /// An announce came.
    pub(super) fn enter(&mut self, announce: &Entered) {
        let full = self.lines.len() >= LINES_KEPT;
        let seen = match self.lines.entry(announce.line) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(_) if full => {
                self.unkept += 1;
                return;
            }
            Entry::Vacant(entry) => entry.insert(Seen::new(announce)),
        };
        seen.enter(announce);
    }

    /// The last announce of a line was answered.
    pub(super) fn told(&mut self, line: &Line, told: Told) {
        if let Some(visit) = self.lines.get_mut(line).and_then(|seen| seen.visits.back_mut()) {
            visit.told = told;
        }
    }
}

impl Seen {
    fn new(announce: &Entered) -> Seen {
        Seen {
            announces: 0,
            started: 0,
            completed: 0,
            stopped: 0,
            repeated: 0,
            uploaded: 0,
            downloaded: 0,
            left: announce.left,
            shrunk: 0,
            peer: announce.peer,
            first: announce.at,
            last: announce.at,
            visits: VecDeque::new(),
            transaction: None,
        }
    }

    fn enter(&mut self, announce: &Entered) {
        if announce.transaction.is_some() && announce.transaction == self.transaction {
            self.repeated += 1;
            return;
        }
        self.transaction = announce.transaction;
        self.announces += 1;
        match announce.event {
            Event::None => {}
            Event::Started => self.started += 1,
            Event::Stopped => self.stopped += 1,
            Event::Completed => self.completed += 1,
        }
        let less = announce.uploaded < self.uploaded || announce.downloaded < self.downloaded;
        self.shrunk += u64::from(less && announce.event != Event::Started);
        self.uploaded = announce.uploaded;
        self.downloaded = announce.downloaded;
        self.left = announce.left;
        self.peer = announce.peer;
        self.last = announce.at;
        if self.visits.len() == VISITS_KEPT {
            self.visits.pop_front();
        }
        self.visits.push_back(Visit { at: announce.at, event: announce.event, told: Told::Nothing });
    }
}
