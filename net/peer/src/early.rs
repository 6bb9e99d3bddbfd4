//! What a peer says about pieces before we know how many there are (BEP 9: the info dictionary is still being
//! fetched). It is kept as it came and judged, by the ordinary rules, when the torrent is known.

use crate::fault::Fault;
use crate::limits::Limits;
use crate::wire::message::Message;
use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::vec::Vec;
use tide_base::PieceIndex;

/// Bitfields that are kept: one that came first, and one that a client sends again after its extension handshake.
const FIELDS: usize = 2;

/// Something about pieces.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Said {
    Have(PieceIndex),
    Gone(PieceIndex),
    Suggest(PieceIndex),
    AllowedFast(PieceIndex),
    All,
    None,
    Field(u8),
}

/// What is judged later.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Kept<'a> {
    /// A message.
    Message(Message<'a>),
    /// The peer no longer has a piece (BEP 54).
    Gone(PieceIndex),
}

/// What a peer has said about pieces that nobody knows, in order.
#[derive(Clone, Debug, Default)]
pub struct Early {
    said: Vec<Said>,
    fields: Vec<Box<[u8]>>,
}

impl Early {
    /// Nothing said.
    pub fn new() -> Early {
        Early::default()
    }

    /// Whether something is about pieces.
    pub fn concerns(kept: &Kept<'_>) -> bool {
        use Message::{AllowedFast, Bitfield, Have, HaveAll, HaveNone, Suggest};
        let Kept::Message(message) = kept else { return true };
        matches!(message, Have(_) | Bitfield(_) | HaveAll | HaveNone | Suggest(_) | AllowedFast(_))
    }

    /// Keeps something, if it [is about pieces](Early::concerns).
    ///
    /// # Errors
    /// If there is no room for it.
    pub fn keep(&mut self, kept: &Kept<'_>, limits: &Limits) -> Result<(), Fault> {
        let said = match kept {
            Kept::Gone(piece) => Said::Gone(*piece),
            Kept::Message(Message::Have(piece)) => Said::Have(*piece),
            Kept::Message(Message::Suggest(piece)) => Said::Suggest(*piece),
            Kept::Message(Message::AllowedFast(piece)) => Said::AllowedFast(*piece),
            Kept::Message(Message::HaveAll) => Said::All,
            Kept::Message(Message::HaveNone) => Said::None,
            Kept::Message(Message::Bitfield(bytes)) => self.field(bytes)?,
            Kept::Message(_) => return Ok(()),
        };
        if self.said.len() >= limits.early_said as usize {
            return Err(Fault::EarlyFlood);
        }
        self.said.push(said);
        Ok(())
    }

    fn field(&mut self, bytes: &[u8]) -> Result<Said, Fault> {
        if self.fields.len() >= FIELDS {
            return Err(Fault::EarlyFlood);
        }
        self.fields.push(Box::from(bytes));
        Ok(Said::Field(self.fields.len() as u8 - 1))
    }

    /// All that was kept, in the order in which it came.
    pub fn iter(&self) -> impl Iterator<Item = Kept<'_>> {
        self.said.iter().map(|said| match *said {
            Said::Have(piece) => Kept::Message(Message::Have(piece)),
            Said::Gone(piece) => Kept::Gone(piece),
            Said::Suggest(piece) => Kept::Message(Message::Suggest(piece)),
            Said::AllowedFast(piece) => Kept::Message(Message::AllowedFast(piece)),
            Said::All => Kept::Message(Message::HaveAll),
            Said::None => Kept::Message(Message::HaveNone),
            Said::Field(at) => Kept::Message(Message::Bitfield(Cow::Borrowed(&self.fields[usize::from(at)]))),
        })
    }

    /// Bytes of memory held.
    pub fn memory(&self) -> usize {
        self.said.capacity() * size_of::<Said>() + self.fields.iter().map(|field| field.len()).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn what_was_said_comes_back_in_order_and_has_a_bound() {
        let limits = Limits { early_said: 4, ..Limits::default() };
        let mut early = Early::new();
        let all = vec![
            Kept::Message(Message::Bitfield(Cow::Borrowed(b"\xff\x80"))),
            Kept::Gone(PieceIndex(3)),
            Kept::Message(Message::AllowedFast(PieceIndex(u32::MAX))),
            Kept::Message(Message::Bitfield(Cow::Borrowed(b"\x01"))),
        ];
        for kept in &all {
            assert_eq!(early.keep(kept, &limits), Ok(()));
        }
        assert_eq!(early.iter().collect::<Vec<_>>(), all);
        assert_eq!(early.keep(&Kept::Message(Message::Choke), &limits), Ok(()));
        for message in [Message::Have(PieceIndex(1)), Message::Bitfield(Cow::Borrowed(b"\x01"))] {
            assert_eq!(early.keep(&Kept::Message(message), &limits), Err(Fault::EarlyFlood));
        }
        assert_eq!(size_of::<Said>(), 8);
        assert!(early.memory() < 100);
    }
}
