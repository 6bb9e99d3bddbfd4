//! Changes of an input, for a quick look in tests; whoever looks in earnest takes libFuzzer.

use tide_base::Prng;

/// Longest input that changes make longer.
const LONGEST: usize = 4096;

/// Bytes at which readers often go wrong.
const EDGES: [&[u8]; 12] = [
    b"\0",
    b"\xff",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"-1",
    b"0",
    b"4294967296",
    b"9223372036854775807",
    b"e",
    b"i0e",
    b"0:",
    super::script::MARK,
];

/// Some changes of `input`, some of them with parts of `other`.
pub fn mutate(input: &[u8], other: &[u8], prng: &mut Prng) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..=prng.index(4) {
        let at = prng.index(bytes.len() + 1);
        let end = at + prng.index((bytes.len() - at).min(32) + 1);
        match prng.index(7) {
            0 if at < bytes.len() => bytes[at] ^= 1 << prng.index(8),
            1 if at < bytes.len() => bytes[at] = prng.next_u32() as u8,
            2 => drop(bytes.drain(at..end)),
            3 => drop(bytes.splice(at..end, EDGES[prng.index(EDGES.len())].iter().copied())),
            4 => {
                let part = bytes[at..end].to_vec();
                bytes.splice(at..at, part);
            }
            5 => {
                let from = prng.index(other.len() + 1);
                let till = from + prng.index((other.len() - from).min(256) + 1);
                bytes.splice(at..end, other[from..till].iter().copied());
            }
            _ => bytes.truncate(at.max(bytes.len() / 2)),
        }
    }
    bytes.truncate(LONGEST.max(input.len()));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_follow_from_the_seed_and_are_not_the_input() {
        let made = |seed| {
            let mut prng = Prng::new(seed);
            (0..100).map(|_| mutate(b"d1:ai1ee", b"l4:spame", &mut prng)).collect::<Vec<_>>()
        };
        assert_eq!(made(1), made(1));
        assert_ne!(made(1), made(2));
        assert!(made(1).iter().filter(|bytes| bytes.as_slice() != b"d1:ai1ee").count() > 60);
    }
}
