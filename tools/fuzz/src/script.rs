//! Inputs that say what happens one after the other: steps with a mark between them, so that a fuzzer that moves pieces
//! about moves steps, and people can read and write them.

use tide_base::Duration;

/// Stands between two steps.
pub const MARK: &[u8] = b"\n--\n";

/// The steps of a script: what stands between its marks.
pub fn steps(script: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(script);
    std::iter::from_fn(move || {
        let now = rest?;
        let mark = now.windows(MARK.len()).position(|window| window == MARK);
        rest = mark.map(|at| &now[at + MARK.len()..]);
        Some(mark.map_or(now, |at| &now[..at]))
    })
}

/// Numbers from the front of some bytes; zeros when they are used up.
#[derive(Clone, Copy, Debug)]
pub struct Bytes<'a>(pub &'a [u8]);

impl<'a> Bytes<'a> {
    /// One byte.
    pub fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().map_or((0, &[][..]), |(first, rest)| (*first, rest));
        self.0 = rest;
        first
    }

    /// Two bytes, the higher first.
    pub fn two(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    /// Four bytes, the highest first.
    pub fn four(&mut self) -> u32 {
        u32::from(self.two()) << 16 | u32::from(self.two())
    }

    /// At most `most` bytes.
    pub fn take(&mut self, most: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(most.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// A time between a millisecond and nine minutes, twice as long for every sixteen numbers, so that one byte can
    /// mean both a round trip and a day's rest in a few steps. As text: `0` is 8 ms, `@` 16 ms, `P` 32 ms, `p` 128 ms.
    pub fn time(&mut self) -> Duration {
        let number = u64::from(self.byte());
        Duration::from_millis((1 + number % 16) << (number / 16))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_stand_between_marks() {
        let found = |script: &'static [u8]| steps(script).collect::<Vec<_>>();
        assert_eq!(found(b""), [b""]);
        assert_eq!(found(b"a\n--\nbc\n--\n\n--\nd\n--"), [&b"a"[..], b"bc", b"", b"d\n--"]);
    }

    #[test]
    fn numbers_come_from_the_front_and_then_are_zero() {
        let mut bytes = Bytes(&[1, 2, 3, 4]);
        assert_eq!((bytes.byte(), bytes.two(), bytes.two(), bytes.byte()), (1, 0x203, 0x400, 0));
        assert_eq!(Bytes(&[0]).time(), Duration::from_millis(1));
        assert_eq!(Bytes(&[255]).time(), Duration::from_millis(16 << 15));
    }
}
