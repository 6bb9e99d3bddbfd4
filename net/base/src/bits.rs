//! A set of small numbers of a known bound: which pieces somebody has.

use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

/// A set of indices in `0 .. len`, one bit each, with its size counted.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Bits {
    words: Vec<u64>,
    len: u32,
    ones: u32,
}

impl Bits {
    /// The empty set over `0 .. len`.
    pub fn new(len: u32) -> Bits {
        Bits { words: vec![0; len.div_ceil(64) as usize], len, ones: 0 }
    }

    /// The full set over `0 .. len`.
    pub fn full(len: u32) -> Bits {
        let mut bits = Bits::new(len);
        bits.fill();
        bits
    }

    /// Reads the wire's form (BEP 3: the high bit of the first byte is index 0). `None` if the number of bytes is
    /// wrong or a spare bit is set.
    pub fn from_wire(bytes: &[u8], len: u32) -> Option<Bits> {
        if bytes.len() != len.div_ceil(8) as usize {
            return None;
        }
        let spare = bytes.len() as u32 * 8 - len;
        if spare > 0 && bytes.last().is_some_and(|last| last & ((1 << spare) - 1) != 0) {
            return None;
        }
        let mut bits = Bits::new(len);
        for (word, part) in bits.words.iter_mut().zip(bytes.chunks(8)) {
            let mut whole = [0; 8];
            whole[..part.len()].copy_from_slice(part);
            *word = u64::from_be_bytes(whole).reverse_bits();
            bits.ones += word.count_ones();
        }
        Some(bits)
    }

    /// Appends the wire's form to `out`.
    pub fn to_wire(&self, out: &mut Vec<u8>) {
        let bytes = self.len.div_ceil(8) as usize;
        let end = out.len() + bytes;
        for word in &self.words {
            out.extend_from_slice(&word.reverse_bits().to_be_bytes());
        }
        out.truncate(end);
    }

    /// The bound: every element is below it.
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Whether the bound is zero, so that nothing can be an element.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many elements there are.
    pub fn count(&self) -> u32 {
        self.ones
    }

    /// Whether every index is an element.
    pub fn all(&self) -> bool {
        self.ones == self.len
    }

    /// Whether no index is an element.
    pub fn none(&self) -> bool {
        self.ones == 0
    }

    /// Whether `index` is an element; false for anything out of range.
    pub fn has(&self, index: u32) -> bool {
        index < self.len && self.words[(index / 64) as usize] >> (index % 64) & 1 == 1
    }

    /// Adds `index`, which must be in range; returns whether it is new.
    pub fn set(&mut self, index: u32) -> bool {
        assert!(index < self.len, "index {index} is out of range {}", self.len);
        let new = !self.has(index);
        self.words[(index / 64) as usize] |= 1 << (index % 64);
        self.ones += u32::from(new);
        new
    }

    /// Takes `index`, which must be in range, out; returns whether it was in.
    pub fn clear(&mut self, index: u32) -> bool {
        assert!(index < self.len, "index {index} is out of range {}", self.len);
        let old = self.has(index);
        self.words[(index / 64) as usize] &= !(1 << (index % 64));
        self.ones -= u32::from(old);
        old
    }

    /// Makes every index an element.
    pub fn fill(&mut self) {
        self.words.fill(u64::MAX);
        if !self.len.is_multiple_of(64)
            && let Some(last) = self.words.last_mut()
        {
            *last = (1 << (self.len % 64)) - 1;
        }
        self.ones = self.len;
    }

    /// Whether the two sets, of one bound, share an element.
    pub fn intersects(&self, other: &Bits) -> bool {
        assert_eq!(self.len, other.len, "sets over different ranges");
        self.words.iter().zip(&other.words).any(|(a, b)| a & b != 0)
    }

    /// Whether there is an element that `other`, of the same bound, lacks.
    pub fn has_beyond(&self, other: &Bits) -> bool {
        assert_eq!(self.len, other.len, "sets over different ranges");
        self.words.iter().zip(&other.words).any(|(a, b)| a & !b != 0)
    }

    /// Adds every element of `other`, of the same bound.
    pub fn union_with(&mut self, other: &Bits) {
        assert_eq!(self.len, other.len, "sets over different ranges");
        self.ones = 0;
        for (a, b) in self.words.iter_mut().zip(&other.words) {
            *a |= b;
            self.ones += a.count_ones();
        }
    }

    /// The elements in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.words.iter().enumerate().flat_map(|(i, &word)| Ones(word).map(move |bit| i as u32 * 64 + bit))
    }

    /// The words of 64 indices each; bit `i % 64` of word `i / 64` is index `i`.
    pub fn words(&self) -> &[u64] {
        &self.words
    }
}

struct Ones(u64);

impl Iterator for Ones {
    type Item = u32;
    fn next(&mut self) -> Option<u32> {
        if self.0 == 0 {
            return None;
        }
        let bit = self.0.trailing_zeros();
        self.0 &= self.0 - 1;
        Some(bit)
    }
}

impl fmt::Debug for Bits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.ones, self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wire_form_goes_both_ways_for_every_length() {
        for len in 0..200u32 {
            let mut bits = Bits::new(len);
            for i in (0..len).step_by(3) {
                assert!(bits.set(i));
                assert!(!bits.set(i));
            }
            let mut wire = Vec::new();
            bits.to_wire(&mut wire);
            assert_eq!(wire.len(), len.div_ceil(8) as usize);
            assert_eq!(Bits::from_wire(&wire, len), Some(bits.clone()));
            assert_eq!(bits.iter().collect::<Vec<_>>(), (0..len).step_by(3).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_spare_bit_or_a_wrong_length_is_refused() {
        assert_eq!(Bits::from_wire(&[0b1000_0001], 7), None);
        assert_eq!(Bits::from_wire(&[0, 0], 7), None);
        assert_eq!(Bits::from_wire(&[], 7), None);
        assert!(Bits::from_wire(&[0b1000_0000], 7).is_some_and(|bits| bits.has(0) && bits.count() == 1));
    }

    #[test]
    fn sets_meet_and_part() {
        let mut a = Bits::new(130);
        let mut b = Bits::full(130);
        assert!(b.all() && a.none());
        assert!(!a.intersects(&b) && b.has_beyond(&a));
        a.set(129);
        assert!(a.intersects(&b) && !a.has_beyond(&b));
        assert!(b.clear(129) && !b.clear(129));
        assert!(a.has_beyond(&b));
        b.union_with(&a);
        assert!(b.all());
        assert!(!b.has(130));
    }
}
