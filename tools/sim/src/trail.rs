//! A running hash of everything that happens: two runs with the same trail were the same run.

use std::fmt;

/// 128 bits that depend on all that was absorbed, and on its order. Not for secrets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Trail {
    a: u64,
    b: u64,
}

impl Default for Trail {
    fn default() -> Trail {
        Trail { a: 0x243f_6a88_85a3_08d3, b: 0x1319_8a2e_0370_7344 }
    }
}

impl Trail {
    /// A number happened.
    pub fn number(&mut self, number: u64) {
        let mixed = (self.a ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.a = mixed.rotate_left(29) ^ self.b;
        self.b = (self.b ^ mixed).wrapping_mul(0xd6e8_feb8_6659_fd93).rotate_left(31).wrapping_add(number);
    }

    /// All that has left another trail happened.
    pub fn all_of(&mut self, other: Trail) {
        self.number(other.a);
        self.number(other.b);
    }

    /// Bytes happened.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        let mut words = bytes.chunks_exact(8);
        for word in &mut words {
            self.number(u64::from_le_bytes(word.try_into().expect("chunks of eight")));
        }
        let mut last = [0; 8];
        let rest = words.remainder();
        last[..rest.len()].copy_from_slice(rest);
        self.number(u64::from_le_bytes(last));
    }
}

impl fmt::Display for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:016x}", self.a, self.b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(parts: &[&[u8]]) -> Trail {
        let mut trail = Trail::default();
        parts.iter().for_each(|part| trail.bytes(part));
        trail
    }

    #[test]
    fn order_lengths_and_zeros_leave_a_trace() {
        let trails = [&[b"ab".as_slice(), b"c"][..], &[b"c", b"ab"], &[b"a", b"bc"], &[b"abc"], &[b"abc\0"]];
        for (i, one) in trails.iter().enumerate() {
            for (j, other) in trails.iter().enumerate() {
                assert_eq!(of(one) == of(other), i == j, "{one:?} {other:?}");
            }
        }
    }
}
