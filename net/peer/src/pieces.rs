//! What the peer has.
//!
//! The rule for availability, chosen for the clients that are about: a statement of everything (bitfield, have-all,
//! have-none) is taken at any time and as often as it comes, and only ever *adds*; BEP 3 and 6 want it once and
//! first, but clients send it late (after an extension handshake, after some HAVEs) or again. Nothing but
//! `lt_donthave` takes a piece back. What adds nothing costs patience, and so does taking back what was claimed anew:
//! a disk loses a piece once, not every second.

use crate::fault::Fault;
use alloc::boxed::Box;
use tide_base::{Bits, PieceIndex};

/// The set of pieces that the peer has said to have.
#[derive(Clone, Debug)]
pub struct Pieces {
    has: Bits,
    stated: bool,
    /// The pieces that were taken back before; none while no peer does such a thing.
    taken_back: Option<Box<Bits>>,
}

impl Pieces {
    /// Nothing of `count` pieces, and nothing said.
    pub fn new(count: u32) -> Pieces {
        Pieces { has: Bits::new(count), stated: false, taken_back: None }
    }

    /// The set.
    pub fn has(&self) -> &Bits {
        &self.has
    }

    /// Records one piece; returns whether it is new.
    pub fn have(&mut self, piece: PieceIndex) -> Result<bool, Fault> {
        if piece.0 >= self.has.len() {
            return Err(Fault::PieceOutOfRange);
        }
        Ok(self.has.set(piece.0))
    }

    /// Records that a piece is gone.
    pub fn dont_have(&mut self, piece: PieceIndex) -> Result<TakenBack, Fault> {
        if piece.0 >= self.has.len() {
            return Err(Fault::PieceOutOfRange);
        }
        if !self.has.clear(piece.0) {
            return Ok(TakenBack::Nothing);
        }
        let before = self.taken_back.get_or_insert_with(|| Box::new(Bits::new(self.has.len())));
        Ok(if before.set(piece.0) { TakenBack::First } else { TakenBack::Again })
    }

    /// Records a bitfield in the wire's form; what of it is new.
    pub fn bitfield(&mut self, bytes: &[u8]) -> Result<Stated, Fault> {
        let bits = Bits::from_wire(bytes, self.has.len()).ok_or(Fault::BitfieldLength)?;
        Ok(self.state(bits))
    }

    /// Records that it has everything; what of it is new.
    pub fn have_all(&mut self) -> Stated {
        self.state(Bits::full(self.has.len()))
    }

    /// Records that it has nothing.
    pub fn have_none(&mut self) -> Stated {
        self.state(Bits::new(self.has.len()))
    }

    fn state(&mut self, mut bits: Bits) -> Stated {
        let repeated = core::mem::replace(&mut self.stated, true);
        if self.has.none() {
            self.has = bits.clone();
        } else {
            for piece in self.has.iter() {
                bits.clear(piece);
            }
            self.has.union_with(&bits);
        }
        Stated { gained: bits, repeated }
    }
}

/// What taking a piece back came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TakenBack {
    /// It was not there.
    Nothing,
    /// It is gone, for the first time.
    First,
    /// It is gone, had been gone before, and was claimed again since.
    Again,
}

/// What a statement of everything came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stated {
    /// The pieces that were not known.
    pub gained: Bits,
    /// Whether it was not the first statement.
    pub repeated: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;

    #[test]
    fn statements_add_and_tell_what_is_new() {
        let mut pieces = Pieces::new(10);
        assert_eq!(pieces.have(PieceIndex(1)), Ok(true));
        assert_eq!(pieces.have(PieceIndex(1)), Ok(false));
        let stated = pieces.bitfield(&[0b0110_0000, 0]).expect("ten bits");
        assert_eq!((stated.gained.iter().collect::<Vec<_>>(), stated.repeated), (vec![2], false));
        let stated = pieces.have_all();
        assert_eq!((stated.gained.count(), stated.repeated), (8, true));
        assert!(pieces.have_none().gained.none() && pieces.has().all());
        assert_eq!(pieces.dont_have(PieceIndex(9)), Ok(TakenBack::First));
        assert_eq!(pieces.dont_have(PieceIndex(9)), Ok(TakenBack::Nothing));
        assert_eq!(pieces.have(PieceIndex(9)), Ok(true));
        assert_eq!(pieces.dont_have(PieceIndex(9)), Ok(TakenBack::Again));
        assert_eq!(pieces.have(PieceIndex(10)), Err(Fault::PieceOutOfRange));
        assert_eq!(pieces.dont_have(PieceIndex(10)), Err(Fault::PieceOutOfRange));
        assert_eq!(pieces.bitfield(&[0, 1]), Err(Fault::BitfieldLength));
    }
}
