//! The only door to the clock.

use std::time::{Instant as Monotonic, SystemTime, UNIX_EPOCH};

use tide_base::{Instant, WallClock};

/// A session's time line: all its threads share one beginning.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: Monotonic,
    epoch: WallClock,
}

impl Clock {
    /// A time line that begins now.
    #[expect(clippy::disallowed_methods, reason = "this file is where the clocks are read")]
    pub(crate) fn start() -> Clock {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let epoch = WallClock(i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX));
        Clock { origin: Monotonic::now(), epoch }
    }

    /// The present moment on the time line.
    #[expect(clippy::disallowed_methods, reason = "this file is where the clocks are read")]
    pub(crate) fn now(&self) -> Instant {
        let nanos = Monotonic::now().duration_since(self.origin).as_nanos();
        Instant::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// The date when the time line began.
    pub(crate) fn epoch(&self) -> WallClock {
        self.epoch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_never_goes_back() {
        let clock = Clock::start();
        let first = clock.now();
        assert!(clock.now() >= first);
        assert!(clock.epoch() > WallClock(1_700_000_000));
    }
}
