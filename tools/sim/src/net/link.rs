//! A link: a rate and a queue whose tail is dropped. Nothing is simulated of a packet that waits; when it will have
//! left is known when it comes.

use tide_base::{Duration, Instant};

const NANOS: u128 = 1_000_000_000;

/// One direction of a host's line.
#[derive(Clone, Debug)]
pub(super) struct Link {
    rate: u64,
    queue: u64,
    free_at: Instant,
}

impl Link {
    /// A link of `rate` bytes a second at which `queue` bytes can wait.
    pub(super) fn new(rate: u64, queue: u32) -> Link {
        Link { rate: rate.max(1), queue: u64::from(queue), free_at: Instant::ZERO }
    }

    /// When a packet of `size` bytes that comes `now` has passed; `None` if there is no room for it. A link at which
    /// nothing waits takes any packet, and one that `must` pass does.
    pub(super) fn pass(&mut self, now: Instant, size: u32, must: bool) -> Option<Instant> {
        let waits = u128::from(now.until(self.free_at).as_nanos() as u64) * u128::from(self.rate) / NANOS;
        if waits > 0 && waits + u128::from(size) > u128::from(self.queue) && !must {
            return None;
        }
        let nanos = (u128::from(size) * NANOS / u128::from(self.rate)).clamp(1, u128::from(u64::MAX));
        self.free_at = self.free_at.max(now) + Duration::from_nanos(nanos as u64);
        Some(self.free_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_queue_up_and_the_tail_is_dropped() {
        let mut link = Link::new(1000, 250);
        let now = Instant::from_secs(1);
        assert_eq!(
            link.pass(now, 500, false),
            Some(Instant::from_millis(1500)),
            "an empty link takes anything"
        );
        assert_eq!(link.pass(now, 1, false), None);
        let later = Instant::from_millis(1400);
        assert_eq!(link.pass(later, 150, false), Some(Instant::from_millis(1650)));
        assert_eq!(link.pass(later, 1, false), None, "250 bytes wait");
        assert_eq!(link.pass(later, 100, true), Some(Instant::from_millis(1750)));
        assert_eq!(link.pass(Instant::from_secs(9), 1000, false), Some(Instant::from_secs(10)));
    }

    #[test]
    fn no_rate_and_no_queue_are_slow_and_small() {
        let mut link = Link::new(0, 0);
        assert_eq!(link.pass(Instant::ZERO, 2, false), Some(Instant::from_secs(2)));
        assert_eq!(link.pass(Instant::ZERO, 2, false), None);
    }
}
