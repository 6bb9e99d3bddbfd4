//! Rates measured and rates kept, both told the time.

use crate::time::{Duration, Instant};

const SLOTS: u64 = 8;
const SLOT: Duration = Duration::from_millis(500);

/// How many bytes a second went by, averaged over the last four seconds. Costs nothing while nothing happens.
#[derive(Clone, Debug, Default)]
pub struct Meter {
    slots: [u64; SLOTS as usize],
    sum: u64,
    total: u64,
    current: u64,
    began: Option<u64>,
}

impl Meter {
    /// A meter that has seen nothing.
    pub fn new() -> Meter {
        Meter::default()
    }

    /// Counts `bytes` that went by at `now`.
    pub fn add(&mut self, now: Instant, bytes: u64) {
        self.advance(now);
        self.slots[(self.current % SLOTS) as usize] += bytes;
        self.sum += bytes;
        self.total += bytes;
    }

    /// Bytes a second, over the last four seconds or over the meter's life if that is shorter (but at least a second).
    pub fn rate(&mut self, now: Instant) -> u64 {
        self.advance(now);
        let lived = self.began.map_or(0, |began| self.current - began + 1);
        let slots = lived.clamp(2, SLOTS);
        self.sum * 1000 / (slots * SLOT.as_millis() as u64)
    }

    /// All bytes ever counted.
    pub fn total(&self) -> u64 {
        self.total
    }

    fn advance(&mut self, now: Instant) {
        let slot = now.as_nanos() / SLOT.as_nanos() as u64;
        let began = *self.began.get_or_insert(slot);
        if slot <= self.current && slot >= began {
            return;
        }
        let behind = slot.saturating_sub(self.current).min(SLOTS);
        for i in 0..behind {
            let old = &mut self.slots[((slot - i) % SLOTS) as usize];
            self.sum -= *old;
            *old = 0;
        }
        self.current = slot.max(self.current);
    }
}

/// An allowance that refills at a rate and saves up at most a burst.
#[derive(Clone, Debug)]
pub struct Bucket {
    rate: Option<u64>,
    burst: u64,
    /// Tokens in billionths, so that no rate is too slow for the clock.
    nano_tokens: u128,
    at: Instant,
}

impl Bucket {
    /// A full bucket of `rate` tokens a second (`None`: without limit) that holds at most `burst`.
    pub fn new(now: Instant, rate: Option<u64>, burst: u64) -> Bucket {
        Bucket { rate, burst, nano_tokens: u128::from(burst) * 1_000_000_000, at: now }
    }

    /// The same without a token in it yet.
    pub fn empty(now: Instant, rate: Option<u64>, burst: u64) -> Bucket {
        Bucket { nano_tokens: 0, ..Bucket::new(now, rate, burst) }
    }

    /// Tokens a second, `None` without limit.
    pub fn rate(&self) -> Option<u64> {
        self.rate
    }

    /// Changes the rate and the burst from `now` on.
    pub fn set_rate(&mut self, now: Instant, rate: Option<u64>, burst: u64) {
        self.refill(now);
        self.rate = rate;
        self.burst = burst;
        self.nano_tokens = self.nano_tokens.min(u128::from(burst) * 1_000_000_000);
    }

    /// Whole tokens there are at `now`.
    pub fn available(&mut self, now: Instant) -> u64 {
        if self.rate.is_none() {
            return u64::MAX;
        }
        self.refill(now);
        (self.nano_tokens / 1_000_000_000) as u64
    }

    /// Takes up to `want` tokens and returns how many it took.
    pub fn take(&mut self, now: Instant, want: u64) -> u64 {
        let taken = want.min(self.available(now));
        if self.rate.is_some() {
            self.nano_tokens -= u128::from(taken) * 1_000_000_000;
        }
        taken
    }

    /// Puts back tokens that were taken and not used.
    pub fn give_back(&mut self, tokens: u64) {
        let full = u128::from(self.burst) * 1_000_000_000;
        self.nano_tokens = (self.nano_tokens + u128::from(tokens) * 1_000_000_000).min(full);
    }

    /// When there will be `want` tokens (at most the burst); `now` if there are, never if the rate is zero.
    pub fn ready_at(&mut self, now: Instant, want: u64) -> Instant {
        let Some(rate) = self.rate else { return now };
        self.refill(now);
        if rate == 0 {
            // Nor will there be what a burst of nothing holds.
            let there = u128::from(want) * 1_000_000_000 <= self.nano_tokens;
            return if there { now } else { Instant::NEVER };
        }
        let missing = (u128::from(want.min(self.burst)) * 1_000_000_000).saturating_sub(self.nano_tokens);
        if missing == 0 {
            return now;
        }
        now + Duration::from_nanos(u64::try_from(missing.div_ceil(u128::from(rate))).unwrap_or(u64::MAX))
    }

    fn refill(&mut self, now: Instant) {
        let span = now.since(self.at).as_nanos();
        self.at = self.at.max(now);
        if let Some(rate) = self.rate {
            let full = u128::from(self.burst) * 1_000_000_000;
            self.nano_tokens = (self.nano_tokens + span * u128::from(rate)).min(full);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_rate_zero_nothing_is_ever_ready() {
        let now = Instant::from_secs(9);
        for mut bucket in [Bucket::new(now, Some(0), 0), Bucket::empty(now, Some(0), 50)] {
            assert_eq!((bucket.ready_at(now, 1), bucket.ready_at(now, 0)), (Instant::NEVER, now));
        }
        let mut full = Bucket::new(now, Some(0), 50);
        assert_eq!((full.ready_at(now, 50), full.ready_at(now, 51)), (now, Instant::NEVER));
    }

    #[test]
    fn a_steady_stream_reads_as_its_rate_and_fades_when_it_ends() {
        let mut meter = Meter::new();
        for tick in 0..100 {
            meter.add(Instant::from_millis(1_000_000 + tick * 100), 100);
        }
        let end = Instant::from_millis(1_000_000 + 9_999);
        assert!((950..=1000).contains(&meter.rate(end)), "{}", meter.rate(end));
        assert_eq!(meter.rate(end + Duration::from_secs(10)), 0);
        assert_eq!(meter.total(), 10_000);
    }

    #[test]
    fn a_young_meter_does_not_divide_by_time_it_has_not_lived() {
        let mut meter = Meter::new();
        meter.add(Instant::from_secs(50), 1000);
        assert_eq!(meter.rate(Instant::from_secs(50)), 1000);
    }

    #[test]
    fn over_any_span_a_bucket_gives_its_rate_and_one_burst_at_most() {
        let mut bucket = Bucket::new(Instant::ZERO, Some(1000), 100);
        let mut taken = 0;
        for ms in 0..5000 {
            taken += bucket.take(Instant::from_millis(ms), 7);
        }
        assert!((5000..=5100).contains(&taken), "{taken}");
        let mut empty = Bucket::empty(Instant::ZERO, Some(1000), 100);
        assert_eq!((empty.available(Instant::ZERO), empty.available(Instant::from_millis(70))), (0, 70));
        let now = Instant::from_secs(5);
        bucket.take(now, u64::MAX);
        assert_eq!(bucket.ready_at(now, 50), now + Duration::from_millis(50));
        bucket.set_rate(now, Some(0), 100);
        assert_eq!(bucket.ready_at(now, 50), Instant::NEVER);
        bucket.set_rate(now, None, 100);
        assert_eq!(bucket.take(now, 1 << 40), 1 << 40);
    }
}
