//! The pieces in order, for those who watch while it downloads.

use crate::torrent::picker::{Closed, Has, Opened, Picker, Priority};
use tide_base::{Bits, PieceIndex, Prng};

/// Picks, of the highest priority, the first open piece that the asker has.
///
/// There is no window beyond which it stops: a peer that has only later pieces would idle, and what it could give
/// would be wanted later anyway. Whoever wants a part soon gives it a higher priority.
#[derive(Clone, Debug)]
pub struct Sequential {
    priorities: Vec<Priority>,
    open: Bits,
    /// The open pieces of each priority.
    levels: [Level; Priority::COUNT],
    steps: u64,
}

#[derive(Clone, Debug)]
struct Level {
    pieces: Bits,
    /// Every word before this one is empty.
    first_word: usize,
}

impl Sequential {
    /// The picker of a torrent with this many pieces, all closed.
    pub fn new(pieces: u32) -> Sequential {
        let level = Level { pieces: Bits::new(pieces), first_word: 0 };
        Sequential {
            priorities: vec![Priority::NORMAL; pieces as usize],
            open: Bits::new(pieces),
            levels: core::array::from_fn(|_| level.clone()),
            steps: 0,
        }
    }

    fn level(&mut self, piece: PieceIndex) -> &mut Level {
        &mut self.levels[usize::from(self.priorities[piece.at()].get())]
    }
}

impl Level {
    fn insert(&mut self, piece: PieceIndex) {
        self.pieces.set(piece.0);
        self.first_word = self.first_word.min(piece.at() / 64);
    }

    fn first(&mut self, has: Has<'_>, steps: &mut u64) -> Option<PieceIndex> {
        *steps += 1;
        if self.pieces.none() {
            return None;
        }
        let words = self.pieces.words();
        while words[self.first_word] == 0 {
            self.first_word += 1;
            *steps += 1;
        }
        for (at, word) in words.iter().enumerate().skip(self.first_word) {
            *steps += 1;
            let both = word & has.word(at);
            if both != 0 {
                return Some(PieceIndex(at as u32 * 64 + both.trailing_zeros()));
            }
        }
        None
    }
}

impl Picker for Sequential {
    fn open(&mut self, piece: PieceIndex, _as_it_is: Opened) {
        self.open.set(piece.0);
        self.level(piece).insert(piece);
    }

    fn close(&mut self, piece: PieceIndex, _why: Closed) {
        if self.open.clear(piece.0) {
            self.level(piece).pieces.clear(piece.0);
        }
    }

    fn prioritise(&mut self, piece: PieceIndex, priority: Priority) {
        if self.open.has(piece.0) {
            self.level(piece).pieces.clear(piece.0);
            self.levels[usize::from(priority.get())].insert(piece);
        }
        self.priorities[piece.at()] = priority;
    }

    fn pick(&mut self, has: Has<'_>, _prng: &mut Prng) -> Option<PieceIndex> {
        let steps = &mut self.steps;
        self.levels[1..].iter_mut().rev().find_map(|level| level.first(has, steps))
    }

    fn steps(&self) -> u64 {
        self.steps
    }

    fn check_invariants(&self) {
        let mut open = Bits::new(self.open.len());
        for (priority, level) in self.levels.iter().enumerate() {
            assert!(level.pieces.words().iter().take(level.first_word).all(|&word| word == 0));
            assert!(!level.pieces.intersects(&open), "a piece has one priority");
            open.union_with(&level.pieces);
            for piece in level.pieces.iter() {
                assert_eq!(usize::from(self.priorities[piece as usize].get()), priority);
            }
        }
        assert!(open == self.open, "every open piece has its place");
    }
}
