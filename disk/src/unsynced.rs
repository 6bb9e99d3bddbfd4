//! What is there and perhaps not durable yet.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use tide_base::Bits;

use crate::beside::{Kind, ToSync};
use crate::desk::Desk;
use crate::handles::{ASIDE, HandleKey};
use crate::storage::Storage;
use crate::store::Store;
use crate::trouble::Trouble;

/// Files and folders of a store in which there is something that a power cut could take.
#[derive(Debug)]
pub(crate) struct Unsynced {
    /// Files written, or found to have content, since they were last handed out.
    written: Set,
    /// What is handed out at this moment.
    handed_out: Set,
    /// Why a sync failed. What was written before may be lost, and the system says so only once: pages that could not
    /// be written count as clean afterwards. So the failure stays until the store is opened again.
    failed: Option<Trouble>,
}

#[derive(Debug)]
struct Set {
    files: Bits,
    /// The file for content of unwanted files.
    aside: bool,
    /// Folders, below the root, in which there are new names.
    folders: BTreeSet<PathBuf>,
}

impl Set {
    fn new(files: u32) -> Set {
        Set { files: Bits::new(files), aside: false, folders: BTreeSet::new() }
    }
}

/// How a sync ended.
#[derive(Clone, Debug)]
pub(crate) enum Synced {
    /// All is durable.
    All,
    /// It was not begun for all that was handed out, but nothing is lost: a file could not be opened.
    NotBegun,
    /// Something may be lost.
    Failed(Trouble),
}

impl Unsynced {
    pub(crate) fn new(files: u32) -> Unsynced {
        Unsynced { written: Set::new(files), handed_out: Set::new(files), failed: None }
    }

    /// A file was written.
    pub(crate) fn file(&mut self, file: usize) {
        self.written.files.set(file as u32);
    }

    /// A file at `path` below the root was read by somebody who may call durable what was there. Who wrote it, and
    /// whether that was ever synced, nobody knows: its writer may have been killed before.
    pub(crate) fn found(&mut self, file: usize, path: &Path) {
        self.file(file);
        self.name(path);
    }

    /// Something was put aside, or found there.
    pub(crate) fn aside(&mut self) {
        self.written.aside = true;
    }

    /// A file at `path` below the root has come to be.
    pub(crate) fn name(&mut self, path: &Path) {
        self.written.folders.extend(path.ancestors().skip(1).map(Path::to_path_buf));
    }

    /// Why nothing can be called durable any more.
    pub(crate) fn failed(&self) -> Option<&Trouble> {
        self.failed.as_ref()
    }

    /// What was handed out is back.
    pub(crate) fn came_back(&mut self, synced: Synced) {
        let out = std::mem::replace(&mut self.handed_out, Set::new(self.written.files.len()));
        match synced {
            Synced::All => {}
            Synced::NotBegun => {
                self.written.files.union_with(&out.files);
                self.written.aside |= out.aside;
                self.written.folders.extend(out.folders);
            }
            Synced::Failed(trouble) => self.failed = Some(trouble),
        }
    }
}

impl<S: Storage> Store<S> {
    /// Hands out all that is to be made durable.
    pub(crate) fn take_unsynced(&mut self, desk: &mut Desk<S>) -> Vec<ToSync<S::File>> {
        let empty = Set::new(self.unsynced.written.files.len());
        let set = std::mem::replace(&mut self.unsynced.written, empty);
        let (backing, root) = (self.spec.backing, &self.spec.root);
        let mut items = Vec::new();
        for file in set.files.iter() {
            let handle = desk.handles.get(HandleKey { store: self.key, file }, true);
            let below = self.spec.files.files()[file as usize].path.clone();
            items.push(ToSync { kind: Kind::File, backing, root: root.clone(), below, handle });
        }
        if let Some(place) = self.aside.place().filter(|_| set.aside) {
            let handle = desk.handles.get(HandleKey { store: self.key, file: ASIDE }, true);
            for (kind, place) in [(Kind::Aside, place), (Kind::Folder, place.folder())] {
                let (root, below) = (place.root.to_path_buf(), place.below.to_path_buf());
                items.push(ToSync { kind, backing, root, below, handle: handle.clone() });
            }
        }
        // Files first: a name is worth nothing before its content.
        for below in set.folders.iter().cloned() {
            items.push(ToSync { kind: Kind::Folder, backing, root: root.clone(), below, handle: None });
        }
        self.unsynced.handed_out = set;
        items
    }
}
