//! The words that several parts of a torrent share, so that the parts need not know each other.

use tide_base::{Bits, PieceIndex};

/// How much a file or a piece is wanted: 0 not at all, 1 least … 7 most.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Priority(u8);

impl Priority {
    /// Not wanted: never asked for, though it may come along with a neighbour's piece.
    pub const SKIP: Priority = Priority(0);
    /// Wanted after everything else.
    pub const LOW: Priority = Priority(1);
    /// What everything has unless somebody said otherwise.
    pub const NORMAL: Priority = Priority(4);
    /// Wanted before everything else.
    pub const HIGH: Priority = Priority(7);
    /// How many priorities there are, [`SKIP`](Self::SKIP) included.
    pub const COUNT: usize = 8;

    /// The priority of this number; `None` above 7.
    pub const fn new(number: u8) -> Option<Priority> {
        if number <= Priority::HIGH.0 { Some(Priority(number)) } else { None }
    }

    /// The number, `0 ..= 7`.
    pub const fn get(self) -> u8 {
        self.0
    }

    /// Whether it is wanted at all.
    pub const fn is_wanted(self) -> bool {
        self.0 > 0
    }
}

impl Default for Priority {
    fn default() -> Priority {
        Priority::NORMAL
    }
}

/// The pieces that a peer, or several peers together, can give.
#[derive(Clone, Copy, Debug)]
pub enum Has<'a> {
    /// All of them: a seed.
    Everything,
    /// These, over exactly the torrent's pieces.
    These(&'a Bits),
}

impl Has<'_> {
    /// Whether `piece` is among them.
    pub fn has(&self, piece: PieceIndex) -> bool {
        match self {
            Has::Everything => true,
            Has::These(bits) => bits.has(piece.0),
        }
    }

    /// The membership of pieces `64 * at ..`, a bit each; bits beyond the last piece may be set.
    pub fn word(&self, at: usize) -> u64 {
        match self {
            Has::Everything => u64::MAX,
            Has::These(bits) => bits.words().get(at).copied().unwrap_or(0),
        }
    }
}

/// A change in how many connected peers have a piece. Seeds are not counted: they add the same to every piece, so
/// they change no order.
#[derive(Clone, Copy, Debug)]
pub enum Copies<'a> {
    /// One more has this piece.
    More(PieceIndex),
    /// One fewer has this piece.
    Fewer(PieceIndex),
    /// Somebody with these pieces joined.
    Joined(&'a Bits),
    /// Somebody with these pieces left.
    Left(&'a Bits),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_priority_is_at_most_seven_and_zero_is_not_wanted() {
        assert_eq!(Priority::new(8), None);
        assert_eq!(Priority::new(7), Some(Priority::HIGH));
        assert!(!Priority::SKIP.is_wanted() && Priority::LOW.is_wanted());
        assert!(Priority::LOW < Priority::default() && Priority::default() < Priority::HIGH);
    }

    #[test]
    fn a_seed_has_every_piece_and_others_what_their_bits_say() {
        let mut bits = Bits::new(70);
        bits.set(65);
        assert!(Has::Everything.has(PieceIndex(3)));
        assert!(Has::These(&bits).has(PieceIndex(65)) && !Has::These(&bits).has(PieceIndex(3)));
        assert_eq!((Has::These(&bits).word(1), Has::These(&bits).word(2)), (2, 0));
    }
}
