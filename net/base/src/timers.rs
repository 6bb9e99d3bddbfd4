//! Many deadlines, the next one cheap, each with its reason.
//!
//! An owner has at most one entry. Arming it later than it stands leaves the entry alone: it fires early once and the
//! owner, asked for its true deadline, arms it again. So a deadline that is pushed back at every block costs nothing.

use crate::time::Instant;
use alloc::collections::{BTreeMap, BTreeSet};

/// The deadlines of owners of type `O`, each with a reason of type `R`.
#[derive(Debug)]
pub struct Timers<O, R> {
    by_owner: BTreeMap<O, (Instant, R)>,
    by_time: BTreeSet<(Instant, O)>,
}

impl<O: Ord + Copy, R: Copy> Default for Timers<O, R> {
    fn default() -> Self {
        Timers { by_owner: BTreeMap::new(), by_time: BTreeSet::new() }
    }
}

impl<O: Ord + Copy, R: Copy> Timers<O, R> {
    /// No deadlines.
    pub fn new() -> Timers<O, R> {
        Timers::default()
    }

    /// Makes sure that `owner` is woken at `at` or before, for the reason `why`.
    pub fn arm(&mut self, owner: O, at: Instant, why: R) {
        if at == Instant::NEVER {
            return;
        }
        if let Some(&(standing, _)) = self.by_owner.get(&owner) {
            if standing <= at {
                return;
            }
            self.by_time.remove(&(standing, owner));
        }
        self.by_owner.insert(owner, (at, why));
        self.by_time.insert((at, owner));
    }

    /// Forgets `owner`'s entry.
    pub fn disarm(&mut self, owner: O) {
        if let Some((at, _)) = self.by_owner.remove(&owner) {
            self.by_time.remove(&(at, owner));
        }
    }

    /// The next deadline and its reason.
    pub fn next(&self) -> Option<(Instant, R)> {
        let (at, owner) = self.by_time.first()?;
        Some((*at, self.by_owner[owner].1))
    }

    /// All deadlines, the earliest first.
    pub fn iter(&self) -> impl Iterator<Item = (Instant, O, R)> + '_ {
        self.by_time.iter().map(|&(at, owner)| (at, owner, self.by_owner[&owner].1))
    }

    /// Takes one entry out that is due at `now`. Ties come in the owners' order.
    pub fn pop_due(&mut self, now: Instant) -> Option<(O, R)> {
        let &(at, owner) = self.by_time.first()?;
        if at > now {
            return None;
        }
        self.by_time.pop_first();
        let (_, why) = self.by_owner.remove(&owner).expect("both tables hold the same owners");
        Some((owner, why))
    }

    /// How many owners have an entry.
    pub fn len(&self) -> usize {
        debug_assert_eq!(self.by_owner.len(), self.by_time.len());
        self.by_owner.len()
    }

    /// Whether no owner has an entry.
    pub fn is_empty(&self) -> bool {
        self.by_owner.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_is_first_and_pushing_back_is_lazy() {
        let mut timers = Timers::new();
        timers.arm(1, Instant::from_secs(5), "idle");
        timers.arm(2, Instant::from_secs(3), "choke");
        timers.arm(1, Instant::from_secs(9), "idle");
        timers.arm(3, Instant::NEVER, "never");
        assert_eq!(timers.next(), Some((Instant::from_secs(3), "choke")));
        timers.arm(1, Instant::from_secs(1), "snub");
        assert_eq!(timers.pop_due(Instant::from_secs(3)), Some((1, "snub")));
        assert_eq!(timers.pop_due(Instant::from_secs(3)), Some((2, "choke")));
        assert_eq!(timers.pop_due(Instant::from_secs(3)), None);
        timers.arm(4, Instant::ZERO, "x");
        timers.disarm(4);
        assert!(timers.is_empty());
    }
}
