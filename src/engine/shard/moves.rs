//! Announcing again when peers reach us at another port. A gateway may change its mind all the time, or two of them
//! disagree: then trackers and the DHT are not to hear of all torrents each time.

use tide_base::{Duration, Instant};

/// How long after a change the next one is told: ports for the other family, or of a second gateway, come some seconds
/// after the first.
const FIRST: Duration = Duration::from_secs(15);

/// What that wait is doubled up to, and how long must be quiet until it begins anew: announces are as far apart anyway.
const MOST: Duration = Duration::from_secs(15 * 60);

/// Which changes of our port are still to be told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moves {
    /// Whether there is one that was not told yet. That it is back where it was makes no difference: some may have been
    /// told otherwise meanwhile.
    moved: bool,
    /// When the next change may be told.
    next: Instant,
    wait: Duration,
}

impl Moves {
    /// Nothing has changed.
    pub(super) fn new() -> Moves {
        Moves { moved: false, next: Instant::ZERO, wait: FIRST }
    }

    /// We are reached at another port.
    pub(super) fn moved(&mut self) {
        self.moved = true;
    }

    /// Whether all is to be announced again now.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        if self.deadline() > now {
            return false;
        }
        self.wait = if self.next + MOST <= now { FIRST } else { (self.wait * 2).min(MOST) };
        self.next = now + self.wait;
        self.moved = false;
        true
    }

    /// When all is to be announced again.
    pub(super) fn deadline(&self) -> Instant {
        if self.moved { self.next } else { Instant::NEVER }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_at_once_and_many_are_told_seldom() {
        let mut moves = Moves::new();
        let mut told = Vec::new();
        for secs in 1000..1000 + 7200 {
            if secs % 30 == 10 {
                moves.moved();
            }
            if moves.take(Instant::from_secs(secs)) {
                told.push(secs - 1000);
            }
        }
        assert_eq!(told, [0, 30, 60, 120, 240, 480, 960, 1860, 2760, 3660, 4560, 5460, 6360]);
    }

    #[test]
    fn changes_in_quick_succession_are_told_as_one() {
        let mut moves = Moves::new();
        moves.moved();
        assert!(moves.take(Instant::from_secs(1000)) && !moves.take(Instant::from_secs(1000)));
        moves.moved();
        moves.moved();
        assert_eq!(moves.deadline(), Instant::from_secs(1015));
        moves.moved();
        assert!(!moves.take(Instant::from_secs(1014)) && moves.take(Instant::from_secs(1015)));
        // After a long rest the next one is told at once, and the one after it soon.
        moves.moved();
        assert!(moves.take(Instant::from_secs(5000)));
        moves.moved();
        assert_eq!(moves.deadline(), Instant::from_secs(5015));
    }
}
