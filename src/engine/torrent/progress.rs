//! How much went by, how fast, and when it will be done.

use tide_base::meter::Meter;
use tide_base::{Duration, Instant};

/// Bytes of payload since the torrent was first added, over all sessions: what resume data keeps.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Totals {
    /// Sent to peers.
    pub uploaded: u64,
    /// Received from peers, with what turned out useless.
    pub downloaded: u64,
    /// Received though it was there already or nobody had asked for it.
    pub wasted: u64,
    /// Received in pieces that failed their hash.
    pub corrupt: u64,
}

impl Totals {
    /// Uploaded bytes a downloaded byte, in thousandths; `None` if nothing was downloaded.
    pub fn ratio_thousandths(self) -> Option<u64> {
        let thousandths = u128::from(self.uploaded) * 1000 / u128::from(self.downloaded).max(1);
        (self.downloaded > 0).then(|| u64::try_from(thousandths).unwrap_or(u64::MAX))
    }
}

/// The totals and rates of one torrent.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    totals: Totals,
    up: Meter,
    down: Meter,
}

impl Progress {
    /// Goes on from earlier totals.
    pub fn new(totals: Totals) -> Progress {
        Progress { totals, up: Meter::new(), down: Meter::new() }
    }

    /// `bytes` of payload were sent.
    pub fn uploaded(&mut self, now: Instant, bytes: u64) {
        self.totals.uploaded = self.totals.uploaded.saturating_add(bytes);
        self.up.add(now, bytes);
    }

    /// `bytes` of payload were received, whatever becomes of them.
    pub fn downloaded(&mut self, now: Instant, bytes: u64) {
        self.totals.downloaded = self.totals.downloaded.saturating_add(bytes);
        self.down.add(now, bytes);
    }

    /// `bytes` of those received were there already or not asked for.
    pub fn wasted(&mut self, bytes: u64) {
        self.totals.wasted = self.totals.wasted.saturating_add(bytes);
    }

    /// `bytes` of those received were in a piece that failed its hash.
    pub fn corrupt(&mut self, bytes: u64) {
        self.totals.corrupt = self.totals.corrupt.saturating_add(bytes);
    }

    /// The totals.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// Bytes sent a second.
    pub fn up_rate(&mut self, now: Instant) -> u64 {
        self.up.rate(now)
    }

    /// Bytes received a second.
    pub fn down_rate(&mut self, now: Instant) -> u64 {
        self.down.rate(now)
    }

    /// How long `left` bytes take at the present rate, in whole seconds, rounded up; `None` while nothing comes.
    pub fn eta(&mut self, now: Instant, left: u64) -> Option<Duration> {
        let rate = self.down_rate(now);
        match (left, rate) {
            (0, _) => Some(Duration::ZERO),
            (_, 0) => None,
            _ => Some(Duration::from_secs(left.div_ceil(rate))),
        }
    }

    /// Panics if the totals contradict each other.
    pub fn check_invariants(&self) {
        let Totals { downloaded, wasted, corrupt, .. } = self.totals;
        assert!(wasted.max(corrupt) <= downloaded, "what was useless was received");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_go_on_from_where_they_were_and_rates_begin_anew() {
        let mut progress = Progress::new(Totals { uploaded: 500, downloaded: 1000, wasted: 1, corrupt: 2 });
        let now = Instant::from_secs(10);
        assert_eq!((progress.up_rate(now), progress.eta(now, 0)), (0, Some(Duration::ZERO)));
        assert_eq!(progress.eta(now, 1), None);
        progress.uploaded(now, 100);
        progress.downloaded(now, 1000);
        progress.wasted(10);
        progress.corrupt(20);
        progress.check_invariants();
        let totals = Totals { uploaded: 600, downloaded: 2000, wasted: 11, corrupt: 22 };
        assert_eq!((progress.totals(), totals.ratio_thousandths()), (totals, Some(300)));
        assert_eq!((progress.up_rate(now), progress.down_rate(now)), (100, 1000));
        assert_eq!(progress.eta(now, 2001), Some(Duration::from_secs(3)));
        assert_eq!(Totals::default().ratio_thousandths(), None);
    }
}
