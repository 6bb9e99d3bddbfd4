//! The state of a medium in somebody's hands. Whoever changes it is noticed, so that what judges ask again and again need
//! be looked at again only then.

use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::sync::MutexGuard;

use tide_base::{InfoHash, PieceIndex};
use tide_disk::StoreSpec;

use super::ledger::PieceTruth;
use super::medium::State;

/// A medium's state, locked. Whoever takes it to change it, changes it as far as judges know.
pub(crate) struct Held<'a>(pub(super) MutexGuard<'a, State>);

impl Deref for Held<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        &self.0
    }
}

impl DerefMut for Held<'_> {
    fn deref_mut(&mut self) -> &mut State {
        self.0.told.forget();
        &mut self.0
    }
}

impl Held<'_> {
    /// The state, of which nothing is changed that any file holds or is called: clocks and dice.
    pub(super) fn aside(&mut self) -> &mut State {
        &mut self.0
    }
}

/// What judges were told since something was changed last.
#[derive(Debug, Default)]
pub(crate) struct Told {
    stores: Vec<Store>,
}

/// The pieces of one store.
#[derive(Debug)]
struct Store {
    info_hash: InfoHash,
    root: PathBuf,
    aside: Option<PathBuf>,
    pieces: Vec<Option<PieceTruth>>,
}

impl Store {
    fn is(&self, info_hash: InfoHash, root: &Path, aside: Option<&PathBuf>) -> bool {
        self.info_hash == info_hash && self.root == root && self.aside.as_ref() == aside
    }
}

impl Told {
    fn forget(&mut self) {
        self.stores.clear();
    }

    /// What a piece is, if that was told before.
    pub(super) fn of(&self, info_hash: InfoHash, spec: &StoreSpec, piece: PieceIndex) -> Option<PieceTruth> {
        let same = |store: &&Store| store.is(info_hash, &spec.root, spec.aside.as_ref());
        self.stores.iter().find(same)?.pieces[piece.0 as usize]
    }

    /// That is what it is.
    pub(super) fn tell(
        &mut self,
        info_hash: InfoHash,
        spec: &StoreSpec,
        piece: PieceIndex,
        truth: PieceTruth,
    ) {
        let same = |store: &Store| store.is(info_hash, &spec.root, spec.aside.as_ref());
        let at = self.stores.iter().position(same).unwrap_or_else(|| {
            let pieces = vec![None; spec.layout.pieces() as usize];
            self.stores.push(Store { info_hash, root: spec.root.clone(), aside: spec.aside.clone(), pieces });
            self.stores.len() - 1
        });
        self.stores[at].pieces[piece.0 as usize] = Some(truth);
    }
}
