//! `lt_donthave` (BEP 54): a peer takes back that it has a piece.

use tide_base::PieceIndex;

/// The extension's name.
pub const NAME: &[u8] = b"lt_donthave";
/// The number by which we receive it.
pub const ID: u8 = 1;

/// The body of the message.
pub fn to_bytes(piece: PieceIndex) -> [u8; 4] {
    piece.0.to_be_bytes()
}

/// The piece that a message's body names; `None` if it is not one number.
pub fn from_bytes(body: &[u8]) -> Option<PieceIndex> {
    body.try_into().ok().map(|bytes| PieceIndex(u32::from_be_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_literal_goes_both_ways() {
        assert_eq!(to_bytes(PieceIndex(258)), *b"\0\0\x01\x02");
        assert_eq!(from_bytes(b"\0\0\x01\x02"), Some(PieceIndex(258)));
        assert_eq!(from_bytes(b"\0\0\x01"), None);
    }
}
