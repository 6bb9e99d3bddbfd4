//! Damage that a move carried along: a medium knows what it did to a file, and not that the copy of it is no better.

use std::collections::BTreeSet;

use tide_base::{InfoHash, PieceIndex};

use super::node::Node;
use crate::disk::PieceTruth;

/// Pieces that were damaged where they lay before. A piece that was fetched anew is right, and its scar means nothing;
/// until then it excuses what is wrong with it.
#[derive(Debug, Default)]
pub(super) struct Scars(BTreeSet<(InfoHash, PieceIndex)>);

impl Scars {
    /// Whether a piece came damaged from where it lay before.
    pub(super) fn has(&self, torrent: InfoHash, piece: PieceIndex) -> bool {
        self.0.contains(&(torrent, piece))
    }
}

impl Node {
    /// A torrent is about to be moved: what is damaged will be so there, too.
    pub(super) fn scar_damaged(&mut self, number: usize) {
        let known = &self.torrents[number];
        let pieces = (0..known.made.layout().pieces()).map(PieceIndex);
        let state = |piece| self.medium.state_of(&known.made, &known.spec.root, piece);
        let damaged = pieces.filter(|&piece| matches!(state(piece), PieceTruth::Damaged(_)));
        self.scars.0.extend(damaged.map(|piece| (known.info_hash(), piece)));
    }

    /// Files were harmed: what is on its way to another place may have been copied before or after.
    pub(super) fn scar_moving(&mut self) {
        for known in self.torrents.iter().filter(|known| known.is_moving()) {
            let pieces = (0..known.made.layout().pieces()).map(PieceIndex);
            self.scars.0.extend(pieces.map(|piece| (known.info_hash(), piece)));
        }
    }
}
