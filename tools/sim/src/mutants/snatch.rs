//! One who downloads everything and is gone.

use tide_base::{Bits, BlockIndex, BlockRef, Layout, PieceIndex, Span};

/// Blocks asked for at a time, on one connection.
const PIPELINE: usize = 16;
/// Blocks that are downloaded at most: a table of eight mebibytes.
const MOST: u32 = 1 << 26;
/// Pieces looked at for more blocks at a time.
const LOOK: u32 = 256;

/// What is still missing. Blocks are numbered through.
#[derive(Clone, Debug)]
pub(super) struct Snatch {
    /// Blocks that did not come and were not asked for.
    free: Bits,
    /// Blocks that did not come.
    missing: u32,
    blocks_a_piece: u32,
    /// The piece that is looked at next.
    at: u32,
}

impl Snatch {
    /// Everything is missing.
    pub(super) fn new(layout: &Layout) -> Snatch {
        let blocks_a_piece = layout.blocks_in(PieceIndex(0)).max(1);
        let last = PieceIndex(layout.pieces().saturating_sub(1));
        let blocks = last.0.saturating_mul(blocks_a_piece).saturating_add(layout.blocks_in(last)).min(MOST);
        Snatch { free: Bits::full(blocks), missing: blocks, blocks_a_piece, at: 0 }
    }

    pub(super) fn is_done(&self) -> bool {
        self.missing == 0
    }

    /// Blocks that will not come from whom they were asked of.
    pub(super) fn give_up(&mut self, asked: &[u32]) {
        for &block in asked {
            self.free.set(block);
        }
    }

    /// A block came, or was refused.
    pub(super) fn answered(&mut self, layout: &Layout, asked: &mut Vec<u32>, span: Span, came: bool) {
        let Some(block) = layout.block(span) else { return };
        let number = block.piece.0.saturating_mul(self.blocks_a_piece).saturating_add(block.block.0);
        let Some(at) = asked.iter().position(|&other| other == number) else { return };
        asked.swap_remove(at);
        if came {
            self.missing -= 1;
        } else {
            self.free.set(number);
        }
    }

    /// What is to be asked next of somebody who has these pieces.
    pub(super) fn more(&mut self, layout: &Layout, has: &Bits, asked: &mut Vec<u32>) -> Vec<Span> {
        let mut spans = Vec::new();
        for _ in 0..LOOK.min(layout.pieces()) {
            if asked.len() >= PIPELINE {
                break;
            }
            let piece = PieceIndex(self.at);
            for block in 0..if has.has(piece.0) { layout.blocks_in(piece) } else { 0 } {
                let number = piece.0.saturating_mul(self.blocks_a_piece).saturating_add(block);
                if asked.len() < PIPELINE && number < self.free.len() && self.free.clear(number) {
                    asked.push(number);
                    spans.push(layout.span(BlockRef { piece, block: BlockIndex(block) }));
                }
            }
            if asked.len() < PIPELINE {
                self.at = (self.at + 1) % layout.pieces();
            }
        }
        spans
    }
}
