//! Names of files and folders: those that are there, those that are durable, and what was done in between.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::inode::{Fate, Fates};
use crate::dice::Dice;
use crate::mishap::Mishap;

/// Which file.
pub(crate) type InodeId = u64;

/// What a name stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Entry {
    Folder,
    File(InodeId),
}

/// Something done to names that is not durable yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Change {
    Create(PathBuf, InodeId),
    Remove(PathBuf, InodeId),
    /// Atomic: after a crash the file has the one name or the other.
    Rename(PathBuf, PathBuf, InodeId),
    MakeFolder(PathBuf),
    RemoveFolder(PathBuf),
}

type Map = BTreeMap<PathBuf, Entry>;

/// All names of a machine.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    pub(crate) there: Map,
    durable: Map,
    pending: Vec<Change>,
}

impl Change {
    /// The names that it is about.
    fn paths(&self) -> [&Path; 2] {
        match self {
            Change::Rename(from, to, _) => [from, to],
            Change::Create(path, _)
            | Change::Remove(path, _)
            | Change::MakeFolder(path)
            | Change::RemoveFolder(path) => [path, path],
        }
    }

    fn apply(&self, map: &mut Map) {
        match self {
            Change::Create(path, id) => {
                map.insert(path.clone(), Entry::File(*id));
            }
            Change::Remove(path, id) => {
                if map.get(path) == Some(&Entry::File(*id)) {
                    map.remove(path);
                }
            }
            Change::Rename(from, to, id) => {
                if map.get(from) == Some(&Entry::File(*id)) {
                    map.remove(from);
                }
                map.insert(to.clone(), Entry::File(*id));
            }
            Change::MakeFolder(path) => {
                map.insert(path.clone(), Entry::Folder);
            }
            Change::RemoveFolder(path) => {
                if map.get(path) == Some(&Entry::Folder) && !has_children(map, path) {
                    map.remove(path);
                }
            }
        }
    }
}

fn has_children(map: &Map, folder: &Path) -> bool {
    let behind = (std::ops::Bound::Excluded(folder), std::ops::Bound::Unbounded);
    map.range::<Path, _>(behind).next().is_some_and(|(path, _)| path.starts_with(folder))
}

impl Names {
    /// The file of this name, if there is one.
    pub(crate) fn file(&self, path: &Path) -> Option<InodeId> {
        match self.there.get(path) {
            Some(Entry::File(id)) => Some(*id),
            _ => None,
        }
    }

    pub(crate) fn is_folder(&self, path: &Path) -> bool {
        self.there.get(path) == Some(&Entry::Folder)
    }

    pub(crate) fn must_have_folder_of(&self, path: &Path) -> io::Result<()> {
        match path.parent() {
            Some(folder) if self.file(folder).is_some() => Err(Errno::NOTDIR.into()),
            Some(folder) if !folder.as_os_str().is_empty() && !self.is_folder(folder) => {
                Err(Errno::NOENT.into())
            }
            _ => Ok(()),
        }
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.there);
        self.pending.push(change);
    }

    pub(crate) fn create(&mut self, path: PathBuf, id: InodeId) {
        self.change(Change::Create(path, id));
    }

    pub(crate) fn remove(&mut self, path: PathBuf, id: InodeId) {
        self.change(Change::Remove(path, id));
    }

    pub(crate) fn rename(&mut self, from: PathBuf, to: PathBuf, id: InodeId) {
        if from != to {
            self.change(Change::Rename(from, to, id));
        }
    }

    /// Makes a folder and all above it.
    pub(crate) fn make_folders(&mut self, path: &Path) -> io::Result<()> {
        let above: Vec<&Path> = path.ancestors().filter(|folder| !folder.as_os_str().is_empty()).collect();
        if above.iter().any(|folder| self.file(folder).is_some()) {
            return Err(Errno::NOTDIR.into());
        }
        for folder in above.into_iter().rev() {
            if !self.is_folder(folder) {
                self.change(Change::MakeFolder(folder.to_path_buf()));
            }
        }
        Ok(())
    }

    pub(crate) fn remove_folder(&mut self, path: &Path) -> io::Result<()> {
        if has_children(&self.there, path) {
            return Err(Errno::NOTEMPTY.into());
        }
        if !self.is_folder(path) {
            return Err(Errno::NOENT.into());
        }
        self.change(Change::RemoveFolder(path.to_path_buf()));
        Ok(())
    }

    /// Makes durable what is in a folder; unless `strict`, that the folder itself is there, too.
    pub(crate) fn sync_folder(&mut self, folder: &Path, strict: bool) {
        let mut touched: std::collections::BTreeSet<PathBuf> = std::collections::BTreeSet::new();
        let mut chosen = vec![false; self.pending.len()];
        // From the last on, so that what an earlier change did to the same name is durable before it.
        for (change, chosen) in self.pending.iter().zip(&mut chosen).rev() {
            let paths = change.paths();
            let inside = paths.iter().any(|path| path.parent() == Some(folder));
            let itself = !strict && matches!(change, Change::MakeFolder(path) if folder.starts_with(path));
            if inside || itself || paths.iter().any(|path| touched.contains(*path)) {
                *chosen = true;
                touched.extend(paths.iter().map(|path| path.to_path_buf()));
            }
        }
        let mut chosen = chosen.into_iter();
        let durable = &mut self.durable;
        self.pending.retain(|change| {
            let chosen = chosen.next().unwrap_or(false);
            if chosen {
                change.apply(durable);
            }
            !chosen
        });
    }

    /// Makes everything durable.
    pub(crate) fn sync(&mut self) {
        self.pending.clear();
        self.durable.clone_from(&self.there);
    }

    /// The machine stops: each change is kept or lost. Returns the names that are gone by it.
    pub(crate) fn crash(&mut self, dice: &mut Dice, fates: Fates) -> Vec<PathBuf> {
        let before = std::mem::take(&mut self.there);
        for change in std::mem::take(&mut self.pending) {
            // A name is there or is not: there is nothing to tear.
            let kept = fates.draw(dice.prng()) == Fate::Kept;
            if kept {
                change.apply(&mut self.durable);
            }
            dice.hit(if kept { Mishap::CrashKept } else { Mishap::CrashLost });
        }
        self.settle(before)
    }

    /// Every change that is not durable is undone. Returns the names that are gone by it.
    pub(crate) fn lose_all(&mut self) -> Vec<PathBuf> {
        let before = std::mem::take(&mut self.there);
        self.pending.clear();
        self.settle(before)
    }

    /// What is durable is what is there, as far as it can be reached.
    fn settle(&mut self, before: Map) -> Vec<PathBuf> {
        let mut there = Map::new();
        for (path, entry) in std::mem::take(&mut self.durable) {
            // Parents come before their children.
            let reached = path.parent().is_none_or(|folder| {
                folder.as_os_str().is_empty() || there.get(folder) == Some(&Entry::Folder)
            });
            if reached {
                there.insert(path, entry);
            }
        }
        self.durable.clone_from(&there);
        let gone = before.into_keys().filter(|path| !there.contains_key(path)).collect();
        self.there = there;
        gone
    }

    /// The file that surely has this name after a crash.
    pub(crate) fn surely(&self, path: &Path) -> Option<InodeId> {
        let open = |path: &Path| self.pending.iter().any(|change| change.paths().contains(&path));
        let mut above = path.ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty());
        let reached = above.all(|folder| self.durable.get(folder) == Some(&Entry::Folder) && !open(folder));
        match self.durable.get(path) {
            Some(Entry::File(id)) if reached && !open(path) => Some(*id),
            _ => None,
        }
    }

    /// All files that any image has, or may yet get.
    pub(crate) fn all_files(&self) -> std::collections::BTreeSet<InodeId> {
        let of = |entry: &Entry| if let Entry::File(id) = entry { Some(*id) } else { None };
        let pending = self.pending.iter().filter_map(|change| match change {
            Change::Create(_, id) | Change::Remove(_, id) | Change::Rename(_, _, id) => Some(*id),
            Change::MakeFolder(_) | Change::RemoveFolder(_) => None,
        });
        self.there.values().chain(self.durable.values()).filter_map(of).chain(pending).collect()
    }
}
