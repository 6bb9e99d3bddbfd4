//! Paces slower than one a second, which a count of whole tokens a second cannot tell.

use tide_base::{Duration, Instant};

/// An allowance of one step each so often, of which some may be saved up. Eight bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pace {
    /// When all steps that were taken would have been due.
    paid_until: Instant,
}

impl Pace {
    /// Everything that can be saved up is.
    pub fn new() -> Pace {
        Pace { paid_until: Instant::ZERO }
    }

    /// Takes a step, if one is left of `burst` and of one more `every` so often.
    pub fn step(&mut self, now: Instant, every: Duration, burst: u32) -> bool {
        if self.ready_at(every, burst) > now {
            return false;
        }
        self.paid_until = self.paid_until.max(now) + every;
        true
    }

    /// When the next step is allowed.
    pub fn ready_at(&self, every: Duration, burst: u32) -> Instant {
        self.paid_until - every.saturating_mul(burst.saturating_sub(1))
    }
}

impl Default for Pace {
    fn default() -> Pace {
        Pace::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_and_then_one_at_a_time() {
        let (mut pace, every) = (Pace::new(), Duration::from_secs(60));
        let mut taken = |at| {
            core::iter::repeat_with(|| pace.step(Instant::from_secs(at), every, 3))
                .take_while(|&was| was)
                .count()
        };
        assert_eq!((taken(1000), taken(1000), taken(1059), taken(1060)), (3, 0, 0, 1));
        assert_eq!((taken(1180), taken(100_000)), (2, 3));
        let mut pace = Pace::new();
        assert!(pace.step(Instant::ZERO, every, 1) && !pace.step(Instant::from_secs(59), every, 1));
        assert_eq!(pace.ready_at(every, 1), Instant::from_secs(60));
    }
}
