//! Silence: theirs, ours, and the time in which we did not listen.
//!
//! While the caller does not read (it is out of memory, or over its rate), the peer cannot be blamed for anything that
//! has to come from it. So there are two time lines: real time for what we send, and *listening* time, which stands
//! still while the connection is on hold, for what we wait for.

use crate::limits::Limits;
use tide_base::{Duration, Instant};

/// When something last came and went.
#[derive(Clone, Debug)]
pub struct Liveness {
    /// Listening time.
    heard_at: Instant,
    spoke_at: Instant,
    /// When bytes last left, or when they began to wait.
    drained_at: Instant,
    held: Duration,
    held_since: Option<Instant>,
}

impl Liveness {
    /// A connection that has just begun.
    pub fn new(now: Instant) -> Liveness {
        Liveness { heard_at: now, spoke_at: now, drained_at: now, held: Duration::ZERO, held_since: None }
    }

    /// The listening time at `now`.
    pub fn listening(&self, now: Instant) -> Instant {
        let since = self.held_since.map_or(Duration::ZERO, |since| now.since(since));
        now - self.held - since
    }

    /// The real time at which listening time will be `at`; never while on hold.
    pub fn real(&self, at: Instant) -> Instant {
        if self.held_since.is_some() { Instant::NEVER } else { at + self.held }
    }

    /// The caller stops reading.
    pub fn hold(&mut self, now: Instant) {
        self.held_since.get_or_insert(now);
    }

    /// The caller reads again; for how long it did not.
    pub fn release(&mut self, now: Instant) -> Duration {
        let held = self.held_since.take().map_or(Duration::ZERO, |since| now.since(since));
        self.held += held;
        held
    }

    /// Something came.
    pub fn heard(&mut self, now: Instant) {
        self.heard_at = self.listening(now);
    }

    /// A message was queued, when nothing (`first`) or something was queued before it.
    pub fn spoke(&mut self, now: Instant, first: bool) {
        self.spoke_at = now;
        if first {
            self.drained_at = now;
        }
    }

    /// Bytes left.
    pub fn drained(&mut self, now: Instant) {
        self.drained_at = now;
        self.spoke_at = now;
    }

    /// When the peer has been silent for too long, in real time.
    pub fn idle_at(&self, limits: &Limits) -> Instant {
        self.real(self.heard_at + limits.idle)
    }

    /// When we have been silent for too long.
    pub fn keep_alive_at(&self, limits: &Limits) -> Instant {
        self.spoke_at + limits.keep_alive
    }

    /// When the peer has not read for too long, if `waiting` bytes wait.
    pub fn stall_at(&self, limits: &Limits, waiting: usize) -> Instant {
        if waiting == 0 { Instant::NEVER } else { self.drained_at + limits.stall }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peers_clock_stands_still_while_nobody_listens() {
        let limits = Limits::default();
        let mut live = Liveness::new(Instant::ZERO);
        assert_eq!(live.idle_at(&limits), Instant::from_secs(150));
        live.hold(Instant::from_secs(100));
        live.hold(Instant::from_secs(200));
        assert_eq!(live.idle_at(&limits), Instant::NEVER);
        assert_eq!(live.listening(Instant::from_secs(400)), Instant::from_secs(100));
        assert_eq!(live.release(Instant::from_secs(400)), Duration::from_secs(300));
        assert_eq!(live.release(Instant::from_secs(405)), Duration::ZERO);
        assert_eq!(live.idle_at(&limits), Instant::from_secs(450));
        live.heard(Instant::from_secs(410));
        assert_eq!(live.idle_at(&limits), Instant::from_secs(560));
        assert_eq!(live.keep_alive_at(&limits), Instant::from_secs(100));
    }

    #[test]
    fn a_stall_is_counted_from_when_bytes_began_to_wait_or_last_left() {
        let limits = Limits::default();
        let mut live = Liveness::new(Instant::ZERO);
        assert_eq!(live.stall_at(&limits, 0), Instant::NEVER);
        live.spoke(Instant::from_secs(50), true);
        live.spoke(Instant::from_secs(60), false);
        assert_eq!(live.stall_at(&limits, 5), Instant::from_secs(170));
        live.drained(Instant::from_secs(70));
        assert_eq!(live.stall_at(&limits, 1), Instant::from_secs(190));
        assert_eq!(live.keep_alive_at(&limits), Instant::from_secs(170));
    }
}
