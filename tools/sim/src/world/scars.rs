//! Damage that nobody can know of: what a move carried along (a medium knows what it did to a file, and not that the copy
//! of it is no better), and what a failed sync lost, when those who were told so are gone.

use std::collections::BTreeSet;

use tide_base::{InfoHash, PieceIndex};
use tide_disk::resume::Checkpoint;

use super::node::Node;
use crate::disk::{Cause, PieceTruth};

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

    /// Those who knew which syncs had failed are gone, and what was lost can be read still. Who comes next knows of it what
    /// resume data say.
    pub(super) fn forget_failed_syncs(&mut self, number: usize) {
        let known = &self.torrents[number];
        let bytes = known.spec.resume.as_ref().and_then(|path| self.medium.read_file(path));
        let resume = bytes.and_then(|bytes| Checkpoint::decode(&bytes, Some(&known.spec.info_hashes)).ok());
        let unsure = resume.and_then(|resume| resume.unsure);
        let lost = |piece| {
            let truth = self.medium.durable_state_of(&known.made, &known.spec.root, piece);
            truth == PieceTruth::Damaged(Cause::FailedSync)
        };
        let mut pieces = (0..known.made.layout().pieces()).map(PieceIndex);
        let content = pieces.any(|piece| !unsure.as_ref().is_some_and(|set| set.has(piece.0)) && lost(piece));
        let aside = known.spec.aside.as_ref().is_some_and(|aside| self.medium.lost_by_sync(aside));
        self.torrents[number].forgotten |= content || aside;
    }

    /// A torrent was removed, perhaps with its content. Where its resume data could not be, or may come back after a crash,
    /// they claim what is not there.
    pub(super) fn doubt_what_is_left(&mut self, number: usize) {
        let Some(path) = &self.torrents[number].spec.resume else { return };
        let left = self.medium.read_file(path).is_some() || self.medium.durable().read_file(path).is_some();
        self.torrents[number].resume_spoilt |= left;
    }

    /// Files were harmed: what is on its way to another place may have been copied before or after.
    pub(super) fn scar_moving(&mut self) {
        for known in self.torrents.iter().filter(|known| known.is_moving()) {
            let pieces = (0..known.made.layout().pieces()).map(PieceIndex);
            self.scars.0.extend(pieces.map(|piece| (known.info_hash(), piece)));
        }
    }
}
