//! Bytes and dials a second.
//!
//! In any span of time at most `rate × span + burst` may go by. The largest excess over all spans at once is a level
//! that rises by what goes by and falls at the rate, never below zero: no history is kept.
//!
//! What the engine promises, and why the burst is what it is:
//!
//! * The session's limit is kept by the treasury: a bucket that saves up a tenth of a second, at least 32 KiB. Shares
//!   of it lie in the purse of each shard for at most 250 ms, or longer while new ones keep coming: then up to 1 MiB and
//!   the portion granted last. One more portion may be on its way by mail.
//! * A torrent's own limit is a bucket of its crew that saves up a second, at least two blocks; a new crew (after a
//!   pause, a check, trouble) begins with an empty one.
//! * What goes up is allowed when the read is made, and seen when it leaves the engine. In between it may have waited for
//!   other jobs, and the buckets filled up meanwhile; no more waits than there is memory for uploads.
//! * A handshake and what comes with it (1 KiB and 68 bytes) is read before anybody asks for an allowance.

use std::collections::BTreeMap;

use tide_base::{Duration, InfoHash, Instant};

use super::oracle::{Compared, ensure};
use super::view::{View, Way};

/// Bytes that a connection may read before its peer is a member.
const HANDSHAKE: u64 = 1024 + 68;

/// As the treasury: the least that a burst of bytes holds.
const BURST_MIN: u64 = 32 * 1024;

/// As crews: what is asked for at a time.
const FLOW: u64 = 1 << 20;

/// How long after a change of limits what was granted before may still be used.
const GRACE: Duration = Duration::from_secs(1);

/// How much more went by than a rate allows, over the worst span that ends now.
#[derive(Clone, Debug, Default)]
struct Level {
    rate: u64,
    /// In billionths.
    nano: u128,
    at: Instant,
    /// Nothing is judged before.
    from: Instant,
    judged: bool,
    /// Whether somebody has ordered another rate, and nothing went by since: the order may be on its way.
    changed: bool,
    /// Connections whose handshakes are accounted for, and how many bytes of them may still be pardoned.
    met: u64,
    free: u64,
    /// The most that may have been allowed before the span in which it went by: what waits longest counts for all spans
    /// that begin when it goes out.
    late: u64,
}

impl Level {
    /// Of what goes by, so much may have been allowed earlier.
    fn delay(&mut self, late: u64) -> u64 {
        self.late = self.late.max(late);
        self.late
    }

    /// `len` more went by; the level now, if it is to be judged.
    fn rise(&mut self, now: Instant, rate: Option<u64>, len: u64) -> Option<u64> {
        let Some(rate) = rate else {
            *self = Level { met: self.met, changed: true, ..Level::default() };
            return None;
        };
        if !self.judged || self.changed || self.rate != rate {
            let from = if self.judged || self.changed { now + GRACE } else { now };
            *self = Level { rate, nano: 0, at: now, from, judged: true, changed: false, late: 0, ..*self };
        }
        let fallen = now.since(self.at).as_nanos() * u128::from(rate);
        self.nano = self.nano.saturating_sub(fallen);
        self.at = now;
        if now < self.from {
            return None;
        }
        self.nano += u128::from(len) * 1_000_000_000;
        Some((self.nano / 1_000_000_000) as u64)
    }

    /// A level above `most` is pardoned as far as `met` connections' handshakes may account for it, each once and no
    /// more. It does not show which bytes were theirs.
    fn pardon(&mut self, level: u64, most: u64, met: u64) -> u64 {
        self.free += (met - self.met) * HANDSHAKE;
        self.met = met;
        let pardoned = level.saturating_sub(most).min(self.free);
        self.free -= pardoned;
        self.nano -= u128::from(pardoned) * 1_000_000_000;
        level - pardoned
    }
}

/// Bytes that go by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Passing {
    /// Whose, if that is known.
    pub(super) torrent: Option<InfoHash>,
    pub(super) way: Way,
    pub(super) len: u64,
    /// How long ago they may have been allowed.
    pub(super) waited: Duration,
}

/// The rates of one node.
#[derive(Debug, Default)]
pub(super) struct Rates {
    session: BTreeMap<Way, Level>,
    torrents: BTreeMap<(InfoHash, Way), Level>,
    dials: Level,
    /// Connections so far.
    met: u64,
}

impl Rates {
    pub(super) fn met(&mut self) {
        self.met += 1;
    }

    /// Other rates are ordered: of the session, or of a torrent.
    pub(super) fn ordered(&mut self, torrent: Option<InfoHash>) {
        for way in [Way::Up, Way::Down] {
            let level = match torrent {
                None => self.session.entry(way).or_default(),
                Some(torrent) => self.torrents.entry((torrent, way)).or_default(),
            };
            level.changed = true;
        }
    }

    pub(super) fn bytes(&mut self, now: Instant, node: usize, bytes: Passing, view: &dyn View) -> Compared {
        let Passing { torrent, way, len, waited } = bytes;
        let late = |rate: Option<u64>| {
            let filled = u128::from(rate.unwrap_or(0)) * waited.as_nanos() / 1_000_000_000;
            u64::try_from(filled).unwrap_or(u64::MAX).min(view.limits(node).upload_memory)
        };
        let pick = |limits: tide_engine::RateLimits| match way {
            Way::Down => limits.down,
            Way::Up => limits.up,
        };
        let met = if way == Way::Down { self.met } else { 0 };
        let (rate, shards) = (pick(view.rates(node)), u64::from(view.shards(node)));
        let mut compared = 0;
        let level = self.session.entry(way).or_default();
        if let Some(risen) = level.rise(now, rate, len) {
            let most = session_burst(rate.unwrap_or(0), shards) + level.delay(late(rate));
            let level = level.pardon(risen, most, met);
            ensure(level <= most, || too_much(&format!("{way:?} of the session"), rate, level, most))?;
            compared += 1;
        }
        let Some(torrent) = torrent else { return Ok(compared) };
        let rate = pick(view.rates_of(node, torrent));
        let level = self.torrents.entry((torrent, way)).or_default();
        if let Some(risen) = level.rise(now, rate, len) {
            let block = u64::from(view.limits(node).block_len);
            let most = torrent_burst(rate.unwrap_or(0), block) + level.delay(late(rate));
            let level = level.pardon(risen, most, met);
            ensure(level <= most, || too_much(&format!("{way:?} of {torrent:?}"), rate, level, most))?;
            compared += 1;
        }
        Ok(compared)
    }

    pub(super) fn dialled(&mut self, now: Instant, node: usize, view: &dyn View) -> Compared {
        let rate = u64::from(view.limits(node).dials_per_second);
        let most = (rate / 10).max(1) + 2 * u64::from(view.shards(node));
        match self.dials.rise(now, Some(rate), 1) {
            Some(level) => {
                ensure(level <= most, || too_much("dials", Some(rate), level, most))?;
                Ok(1)
            }
            None => Ok(0),
        }
    }
}

fn too_much(what: &str, rate: Option<u64>, level: u64, most: u64) -> String {
    let rate = rate.unwrap_or(0);
    format!("{what}: {level} more than {rate} a second since some moment, and {most} are let pass at once")
}

/// What the session's limit lets through at once.
pub(super) fn session_burst(rate: u64, shards: u64) -> u64 {
    if rate == 0 {
        // What was granted before the limit became zero has expired; nothing is granted.
        return 0;
    }
    let burst = (rate / 10).max(BURST_MIN);
    let portion = (rate / 50 / shards.max(1)).max(BURST_MIN);
    let slow = u128::from(rate) * 250 / 1000 <= u128::from(portion);
    let saved = if slow { portion } else { FLOW + portion };
    burst + shards * (saved + portion)
}

/// What a torrent's own limit lets through at once.
pub(super) fn torrent_burst(rate: u64, block_len: u64) -> u64 {
    if rate == 0 { 0 } else { rate.max(2 * block_len) }
}
