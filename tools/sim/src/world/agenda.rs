//! What happens next: one entry an owner, and among those of one moment an order that comes from the seed.

use std::collections::{BTreeMap, BTreeSet};

use tide_base::{Instant, Prng};

/// When everybody wants to be called.
#[derive(Debug)]
pub(crate) struct Agenda<K> {
    prng: Prng,
    entries: BTreeSet<(Instant, u64, K)>,
    of: BTreeMap<K, (Instant, u64)>,
}

impl<K: Ord + Copy> Agenda<K> {
    /// An empty one, whose ties follow from `prng`.
    pub(crate) fn new(prng: Prng) -> Agenda<K> {
        Agenda { prng, entries: BTreeSet::new(), of: BTreeMap::new() }
    }

    /// `owner` is called at `at`, and at no other time; [`Instant::NEVER`]: not at all.
    pub(crate) fn set(&mut self, owner: K, at: Instant) {
        if self.at(owner) == at {
            return;
        }
        if let Some((old, tie)) = self.of.remove(&owner) {
            self.entries.remove(&(old, tie, owner));
        }
        if at != Instant::NEVER {
            let tie = self.prng.next_u64();
            self.entries.insert((at, tie, owner));
            self.of.insert(owner, (at, tie));
        }
    }

    /// `owner` is called at `at` or earlier.
    pub(crate) fn hasten(&mut self, owner: K, at: Instant) {
        if at < self.at(owner) {
            self.set(owner, at);
        }
    }

    /// When `owner` is called.
    pub(crate) fn at(&self, owner: K) -> Instant {
        self.of.get(&owner).map_or(Instant::NEVER, |(at, _)| *at)
    }

    /// Takes the next one out, if its time is not after `end`.
    pub(crate) fn pop(&mut self, end: Instant) -> Option<(Instant, K)> {
        let &(at, tie, owner) = self.entries.first()?;
        if at > end {
            return None;
        }
        self.entries.remove(&(at, tie, owner));
        self.of.remove(&owner);
        Some((at, owner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_has_one_entry_and_ties_follow_the_seed() {
        let order = |seed| {
            let mut agenda = Agenda::new(Prng::new(seed));
            (0..6).for_each(|owner| agenda.set(owner, Instant::from_secs(1)));
            agenda.hasten(5, Instant::ZERO);
            agenda.hasten(4, Instant::from_secs(9));
            agenda.set(0, Instant::NEVER);
            let mut order = Vec::new();
            while let Some((_, owner)) = agenda.pop(Instant::from_secs(1)) {
                order.push(owner);
            }
            order
        };
        assert_eq!(order(1), order(1));
        assert_eq!(order(1)[0], 5);
        assert_eq!(order(1).len(), 5);
        assert!((0..20).any(|seed| order(seed) != order(1)));
    }
}
