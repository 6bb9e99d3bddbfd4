//! Pieces and blocks: where a byte of a torrent is.

use core::fmt;

/// The number of a piece, `0 .. pieces`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct PieceIndex(pub u32);

impl PieceIndex {
    /// The number as an index into a table over all pieces.
    pub const fn at(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Debug for PieceIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

impl fmt::Display for PieceIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The number of a block within its piece.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct BlockIndex(pub u32);

/// One block: a piece and a number within it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct BlockRef {
    /// The piece.
    pub piece: PieceIndex,
    /// The block within the piece.
    pub block: BlockIndex,
}

/// A run of bytes within one piece, as requests and piece messages name it (BEP 3).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Span {
    /// The piece.
    pub piece: PieceIndex,
    /// Offset of the first byte within the piece.
    pub offset: u32,
    /// Number of bytes.
    pub len: u32,
}

impl Span {
    /// The offset just behind the last byte, without overflow.
    pub const fn end(self) -> u64 {
        self.offset as u64 + self.len as u64
    }
}

/// How a torrent's bytes are cut into pieces and blocks. Always of at least one byte and one piece, but for
/// [`Layout::UNKNOWN`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Layout {
    total: u64,
    piece_len: u32,
    block_len: u32,
}

impl Layout {
    /// The layout of a torrent of which nothing is known but its info-hash (BEP 9): no bytes and no pieces.
    pub const UNKNOWN: Layout = Layout { total: 0, piece_len: 1, block_len: 1 };

    /// A torrent of `total` bytes in pieces of `piece_len`, asked for in blocks of `block_len` bytes. `None` if a
    /// number is zero or there would be more than 2³² - 1 pieces.
    pub fn new(total: u64, piece_len: u32, block_len: u32) -> Option<Layout> {
        if total == 0 || piece_len == 0 || block_len == 0 {
            return None;
        }
        u32::try_from(total.div_ceil(u64::from(piece_len))).ok()?;
        Some(Layout { total, piece_len, block_len })
    }

    /// Whether it is known how the torrent is cut.
    pub const fn is_known(&self) -> bool {
        self.total > 0
    }

    /// Bytes in the whole torrent.
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// Bytes in every piece but perhaps the last.
    pub const fn piece_len(&self) -> u32 {
        self.piece_len
    }

    /// Bytes in every block but perhaps the last of a piece.
    pub const fn block_len(&self) -> u32 {
        self.block_len
    }

    /// How many pieces there are.
    pub const fn pieces(&self) -> u32 {
        self.total.div_ceil(self.piece_len as u64) as u32
    }

    /// Whether the torrent has this piece.
    pub const fn contains(&self, piece: PieceIndex) -> bool {
        piece.0 < self.pieces()
    }

    /// Where the piece begins in the torrent.
    pub const fn start(&self, piece: PieceIndex) -> u64 {
        piece.0 as u64 * self.piece_len as u64
    }

    /// Bytes in this piece, which must exist.
    pub fn len_of(&self, piece: PieceIndex) -> u32 {
        assert!(self.contains(piece), "piece {piece} of {}", self.pieces());
        (self.total - self.start(piece)).min(u64::from(self.piece_len)) as u32
    }

    /// How many blocks this piece, which must exist, has.
    pub fn blocks_in(&self, piece: PieceIndex) -> u32 {
        self.len_of(piece).div_ceil(self.block_len)
    }

    /// The bytes of a block, which must exist.
    pub fn span(&self, at: BlockRef) -> Span {
        let len = self.len_of(at.piece);
        let offset = at.block.0.checked_mul(self.block_len).filter(|&offset| offset < len);
        let offset = offset.expect("the block is one of its piece");
        Span { piece: at.piece, offset, len: self.block_len.min(len - offset) }
    }

    /// The block that is exactly these bytes, if there is one.
    pub fn block(&self, span: Span) -> Option<BlockRef> {
        if !self.contains(span.piece) || !span.offset.is_multiple_of(self.block_len) {
            return None;
        }
        let at = BlockRef { piece: span.piece, block: BlockIndex(span.offset / self.block_len) };
        (span.offset < self.len_of(span.piece) && self.span(at) == span).then_some(at)
    }

    /// Whether these bytes, at least one, lie within one existing piece.
    pub fn holds(&self, span: Span) -> bool {
        self.contains(span.piece) && span.len > 0 && span.end() <= u64::from(self.len_of(span.piece))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_piece_and_the_last_block_are_short() {
        let layout = Layout::new(100, 40, 16).expect("a legal layout");
        assert_eq!(layout.pieces(), 3);
        assert_eq!(layout.len_of(PieceIndex(1)), 40);
        assert_eq!(layout.len_of(PieceIndex(2)), 20);
        assert_eq!(layout.blocks_in(PieceIndex(1)), 3);
        assert_eq!(layout.blocks_in(PieceIndex(2)), 2);
        let last = BlockRef { piece: PieceIndex(2), block: BlockIndex(1) };
        let span = Span { piece: PieceIndex(2), offset: 16, len: 4 };
        assert_eq!(layout.span(last), span);
        assert_eq!(layout.block(span), Some(last));
        assert!(layout.holds(span));
    }

    #[test]
    fn what_is_no_block_is_refused() {
        let layout = Layout::new(100, 40, 16).expect("a legal layout");
        for (piece, offset, len) in
            [(2, 16, 5), (2, 15, 4), (3, 0, 16), (0, 48, 16), (0, 0, 0), (0, u32::MAX, 16)]
        {
            let span = Span { piece: PieceIndex(piece), offset, len };
            assert_eq!(layout.block(span), None, "{span:?}");
        }
        assert!(!layout.holds(Span { piece: PieceIndex(0), offset: u32::MAX, len: u32::MAX }));
        assert_eq!(Layout::new(0, 40, 16), None);
        assert!(layout.is_known() && !Layout::UNKNOWN.is_known());
        assert_eq!((Layout::UNKNOWN.pieces(), Layout::UNKNOWN.contains(PieceIndex(0))), (0, false));
        assert_eq!(Layout::new(u64::MAX, 1, 16), None);
    }
}
