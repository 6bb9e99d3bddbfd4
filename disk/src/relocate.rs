//! Content moves to another folder, or goes.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use crate::job::StoreSpec;
use crate::save;
use crate::settle::gathering;
use crate::storage::{Access, Place, Storage, StorageFile};
use crate::store::place;
use crate::transfer::copy;
use crate::trouble::{Trouble, TroubleKind, blame};

/// How a file came to its new place.
enum Step {
    /// By a new name.
    Renamed(usize),
    /// By a copy; the old one is still there.
    Copied(usize),
}

/// Moves all files of a store below `to`. Nothing is ever overwritten: a file that is in the way is an error. On an
/// error everything is where it was. Files are renamed where that is possible; where it is not, all are copied and
/// made durable before the first old one is removed.
pub(crate) fn move_content<S: Storage>(storage: &S, spec: &StoreSpec, to: &Path) -> Result<(), Trouble> {
    let target = StoreSpec { root: to.to_path_buf(), ..spec.clone() };
    let mut present = Vec::new();
    for (file, entry) in spec.files.files().iter().enumerate() {
        if entry.padding {
            continue;
        }
        let (old, new) = (place(spec, file), place(&target, file));
        if storage.stat(old).map_err(blame(old.path()))?.len.is_none() {
            continue;
        }
        if storage.stat(new).map_err(blame(new.path()))?.len.is_some() {
            return Err(Trouble::with(TroubleKind::Obstructed, new.path()));
        }
        present.push(file);
    }
    let mut steps = Vec::new();
    let moved = move_files(storage, spec, &target, &present, &mut steps);
    if moved.is_err() {
        undo(storage, spec, &target, steps);
        remove_folders(storage, &target);
        return moved;
    }
    for step in steps {
        if let Step::Copied(file) = step {
            // The content is durable at its new place; an old copy that cannot be removed is only litter.
            let _ = storage.remove(place(spec, file));
        }
    }
    remove_folders(storage, spec);
    Ok(())
}

fn move_files<S: Storage>(
    storage: &S,
    spec: &StoreSpec,
    target: &StoreSpec,
    present: &[usize],
    steps: &mut Vec<Step>,
) -> Result<(), Trouble> {
    let root = Place { backing: target.backing, root: &target.root, below: Path::new("") };
    storage.make_folders(root).map_err(blame(&target.root))?;
    for &file in present {
        let (old, new) = (place(spec, file), place(target, file));
        storage.make_folders(new.folder()).map_err(blame(new.path()))?;
        match storage.rename(old, new) {
            Ok(()) => steps.push(Step::Renamed(file)),
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
                steps.push(Step::Copied(file));
                let executable = spec.files.files()[file].executable;
                copy_file(storage, old, new, executable).map_err(blame(new.path()))?;
            }
            Err(error) => return Err(Trouble::from_io(&error, Some(new.path()))),
        }
    }
    for folder in folders(target, present.iter().copied()) {
        let at = Place { below: &folder, ..root };
        storage.sync_folder(at).map_err(blame(at.path()))?;
    }
    Ok(())
}

fn copy_file<S: Storage>(storage: &S, from: Place<'_>, to: Place<'_>, executable: bool) -> io::Result<()> {
    let from = storage.open(from, Access::Read)?;
    let to = storage.open(to, Access::Create { executable })?;
    copy(&from, &to)?;
    to.sync()
}

/// Goes back, as far as the system lets us.
fn undo<S: Storage>(storage: &S, spec: &StoreSpec, target: &StoreSpec, steps: Vec<Step>) {
    for step in steps.into_iter().rev() {
        // The error that led here is the one to report.
        let _ = match step {
            Step::Renamed(file) => storage.rename(place(target, file), place(spec, file)),
            Step::Copied(file) => storage.remove(place(target, file)),
        };
    }
}

/// Deletes a store's files, the folders that become empty, and what is aside. Only what has the name of one of the
/// torrent's files, and is a file, is deleted; the root is left even if it is empty, since somebody chose it. All that
/// can go goes; the first error is reported.
pub(crate) fn delete_content<S: Storage>(storage: &S, spec: &StoreSpec) -> Result<(), Trouble> {
    let mut result = Ok(());
    for (file, entry) in spec.files.files().iter().enumerate().filter(|(_, entry)| !entry.padding) {
        let at = place(spec, file);
        let gathered = gathering(&entry.path);
        // Remains of a gathering that was cut off.
        let _ = save::remove(storage, Place { below: &gathered, ..at });
        let removed = match storage.stat(at) {
            Ok(state) if state.len.is_none() => Ok(()),
            Ok(_) => save::remove(storage, at),
            Err(error) => Err(error),
        };
        result = result.and(removed.map_err(blame(at.path())));
    }
    remove_folders(storage, spec);
    if let Some(path) = &spec.aside {
        result = result.and(save::remove(storage, Place::of(spec.backing, path)).map_err(blame(path)));
    }
    result
}

/// The folders below the root that hold the given files, parents first, the root (an empty path) included.
fn folders(spec: &StoreSpec, files: impl Iterator<Item = usize>) -> BTreeSet<PathBuf> {
    let above = |file: usize| spec.files.files()[file].path.ancestors().skip(1).map(Path::to_path_buf);
    files.flat_map(above).collect()
}

/// Removes the folders of a store that are empty, the deepest first, never the root.
fn remove_folders<S: Storage>(storage: &S, spec: &StoreSpec) {
    let all = folders(spec, 0..spec.files.files().len());
    for folder in all.iter().rev().filter(|folder| !folder.as_os_str().is_empty()) {
        // One that is not empty, or not there, is as it should be.
        let _ = storage.remove_folder(Place { backing: spec.backing, root: &spec.root, below: folder });
    }
}
