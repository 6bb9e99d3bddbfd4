//! Who asked for a piece in vain and need not ask again yet.

use crate::torrent::words::Has;
use std::collections::VecDeque;
use tide_base::{PieceIndex, SlotKey};

/// Remembers, for each asker, that its last pick came to nothing, until a piece opens that it has. So a peer whose
/// pieces are all there or leased costs one bit test a newly opened piece, not a search a message.
#[derive(Clone, Debug, Default)]
pub struct Fruitless {
    /// By slot index: who asked in vain, and how many pieces had opened by then.
    since: Vec<Option<(SlotKey, u64)>>,
    /// The pieces that opened last, the newest at the back.
    opened: VecDeque<PieceIndex>,
    /// How many pieces ever opened.
    count: u64,
}

/// How many of the pieces opened last are remembered one by one. An asker further behind asks again, which is about
/// as dear as testing this many bits.
const OPENED_REMEMBERED: usize = 64;

impl Fruitless {
    /// Nobody has asked in vain.
    pub fn new() -> Fruitless {
        Fruitless::default()
    }

    /// `piece` opened, or began to be wanted while it was open.
    pub fn opened(&mut self, piece: PieceIndex) {
        if self.opened.len() == OPENED_REMEMBERED {
            self.opened.pop_front();
        }
        self.opened.push_back(piece);
        self.count += 1;
    }

    /// `asker` asked and got nothing.
    pub fn in_vain(&mut self, asker: SlotKey) {
        if self.since.len() <= asker.index() {
            self.since.resize(asker.index() + 1, None);
        }
        self.since[asker.index()] = Some((asker, self.count));
    }

    /// `asker` got a piece that is open, or is gone: what it asked before says nothing any more.
    pub fn forget(&mut self, asker: SlotKey) {
        if let Some(entry) = self.since.get_mut(asker.index()) {
            *entry = None;
        }
    }

    /// Whether a pick for `asker`, which has these pieces, may come to something.
    pub fn worth_asking(&mut self, asker: SlotKey, has: Has<'_>) -> bool {
        let Some(Some((key, count))) = self.since.get_mut(asker.index()) else { return true };
        let news = self.count - *count;
        let known = self.opened.len();
        let hopeless = *key == asker
            && news <= known as u64
            && !self.opened.range(known - news as usize..).any(|&piece| has.has(piece));
        if hopeless {
            *count = self.count;
        } else {
            self.since[asker.index()] = None;
        }
        !hopeless
    }

    /// Panics if the table contradicts itself.
    pub fn check_invariants(&self) {
        assert!(self.opened.len() <= OPENED_REMEMBERED && self.opened.len() as u64 <= self.count);
        for (index, entry) in self.since.iter().enumerate() {
            assert!(entry.is_none_or(|(key, count)| key.index() == index && count <= self.count));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tide_base::{Bits, Slots};

    #[test]
    fn only_a_piece_that_the_asker_has_makes_it_worth_asking_again() {
        let (mut fruitless, mut slots) = (Fruitless::new(), Slots::new());
        let (a, b) = (slots.insert(()), slots.insert(()));
        let mut bits = Bits::new(100);
        bits.set(7);
        let has = Has::These(&bits);
        assert!(fruitless.worth_asking(a, has));
        fruitless.in_vain(a);
        assert!(!fruitless.worth_asking(a, has));
        fruitless.opened(PieceIndex(8));
        assert!(!fruitless.worth_asking(a, has) && fruitless.worth_asking(b, has));
        fruitless.opened(PieceIndex(7));
        assert!(fruitless.worth_asking(a, has) && fruitless.worth_asking(a, has));
        fruitless.in_vain(a);
        fruitless.forget(a);
        assert!(fruitless.worth_asking(a, has));
        fruitless.check_invariants();
    }

    #[test]
    fn a_new_peer_in_an_old_slot_and_one_that_missed_too_much_ask() {
        let (mut fruitless, mut slots) = (Fruitless::new(), Slots::new());
        let a = slots.insert(());
        fruitless.in_vain(a);
        slots.remove(a);
        let b = slots.insert(());
        let bits = Bits::new(1000);
        assert!(fruitless.worth_asking(b, Has::These(&bits)));
        fruitless.in_vain(b);
        for piece in 0..=OPENED_REMEMBERED as u32 {
            fruitless.opened(PieceIndex(piece));
        }
        assert!(fruitless.worth_asking(b, Has::These(&bits)));
        fruitless.check_invariants();
    }
}
