//! A slab whose keys carry a generation: a key of something that is gone is a harmless miss, never somebody else.

use core::fmt;
use slab::Slab;

/// The address of one element of a [`Slots`]: unique among 2³² insertions into the same table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotKey {
    index: u32,
    generation: u32,
}

impl SlotKey {
    /// The slot's number: small, dense, reused after removal. For tables kept beside a [`Slots`].
    pub const fn index(self) -> usize {
        self.index as usize
    }

    /// Both numbers in one word, for tokens of a poller or a trace.
    pub const fn to_bits(self) -> u64 {
        (self.generation as u64) << 32 | self.index as u64
    }

    /// The key whose [`to_bits`](Self::to_bits) gave `bits`.
    pub const fn from_bits(bits: u64) -> SlotKey {
        SlotKey { index: bits as u32, generation: (bits >> 32) as u32 }
    }
}

impl fmt::Debug for SlotKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.index, self.generation)
    }
}

/// Elements with stable keys. Iteration is in slot order: deterministic.
#[derive(Debug)]
pub struct Slots<T> {
    slab: Slab<(u32, T)>,
    next_generation: u32,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Slots { slab: Slab::new(), next_generation: 1 }
    }
}

impl<T> Slots<T> {
    /// An empty table.
    pub fn new() -> Slots<T> {
        Slots::default()
    }

    /// How many elements there are.
    pub fn len(&self) -> usize {
        self.slab.len()
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.slab.is_empty()
    }

    /// Puts `value` in and returns its key.
    pub fn insert(&mut self, value: T) -> SlotKey {
        self.insert_with(|_| value)
    }

    /// Puts in what `make` returns when told the key it will have.
    pub fn insert_with(&mut self, make: impl FnOnce(SlotKey) -> T) -> SlotKey {
        self.try_insert_with(|key| Some(make(key))).expect("something is always made")
    }

    /// Puts in what `make`, told the key it will have, returns, if it returns something.
    pub fn try_insert_with(&mut self, make: impl FnOnce(SlotKey) -> Option<T>) -> Option<SlotKey> {
        let entry = self.slab.vacant_entry();
        let index = u32::try_from(entry.key()).expect("fewer than 2^32 slots fit in memory");
        let key = SlotKey { index, generation: self.next_generation };
        let value = make(key)?;
        self.next_generation = self.next_generation.wrapping_add(1);
        entry.insert((key.generation, value));
        Some(key)
    }

    /// The element with this key, unless it is gone.
    pub fn get(&self, key: SlotKey) -> Option<&T> {
        self.slab.get(key.index()).filter(|slot| slot.0 == key.generation).map(|slot| &slot.1)
    }

    /// The element with this key, unless it is gone.
    pub fn get_mut(&mut self, key: SlotKey) -> Option<&mut T> {
        self.slab.get_mut(key.index()).filter(|slot| slot.0 == key.generation).map(|slot| &mut slot.1)
    }

    /// Takes the element with this key out, unless it is gone.
    pub fn remove(&mut self, key: SlotKey) -> Option<T> {
        self.get(key)?;
        Some(self.slab.remove(key.index()).1)
    }

    /// Whether the element with this key is still here.
    pub fn contains(&self, key: SlotKey) -> bool {
        self.get(key).is_some()
    }

    /// All elements with their keys, in slot order.
    pub fn iter(&self) -> impl Iterator<Item = (SlotKey, &T)> {
        self.slab.iter().map(|(index, (generation, value))| {
            (SlotKey { index: index as u32, generation: *generation }, value)
        })
    }

    /// All elements with their keys, in slot order.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (SlotKey, &mut T)> {
        self.slab.iter_mut().map(|(index, (generation, value))| {
            (SlotKey { index: index as u32, generation: *generation }, value)
        })
    }

    /// All keys, in slot order.
    pub fn keys(&self) -> impl Iterator<Item = SlotKey> {
        self.iter().map(|(key, _)| key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_key_misses_even_when_its_slot_is_taken_again() {
        let mut slots = Slots::new();
        let a = slots.insert('a');
        assert_eq!(slots.remove(a), Some('a'));
        let b = slots.insert('b');
        assert_eq!(a.index(), b.index());
        assert_eq!(slots.get(a), None);
        assert_eq!(slots.remove(a), None);
        assert_eq!(slots.get(b), Some(&'b'));
        assert_eq!(SlotKey::from_bits(b.to_bits()), b);
    }
}
