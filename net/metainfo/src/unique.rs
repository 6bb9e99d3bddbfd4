//! No two files of a torrent may end up as one on disk, and none may stand where another needs a directory.
//!
//! Directories keep their names; of files that collide, the first keeps its name and the others get a number in
//! front of the extension: `bar.txt`, `bar.1.txt`. Case is not told apart, because file systems may not.

use crate::error::Error;
use crate::files::{File, FileKind};
use crate::limits::Limits;
use crate::path::SafePath;
use alloc::collections::BTreeMap;
use alloc::collections::btree_map::Entry;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

pub(crate) fn rename_collisions(files: &mut [File], limits: &Limits) -> Result<(), Error> {
    let mut names = Names::default();
    let folders = names.add_folders(files);
    let mut renames = 0;
    for (file, folder) in files.iter_mut().filter(|file| is_created(file)).zip(folders) {
        if names.take(folder, file.path.file_name()) {
            continue;
        }
        renames += 1;
        if renames > limits.renames {
            return Err(Error::TooManyCollisions(limits.renames));
        }
        let mut candidates = (1..=limits.renames).map(|number| numbered(file.path.file_name(), number));
        let free = candidates.find(|name| names.take(folder, name));
        let name = free.ok_or(Error::TooManyCollisions(limits.renames))?;
        let path = file.path.parent().map_or(name.clone(), |parent| format!("{parent}/{name}"));
        file.path = SafePath::new(&path).expect("a number makes no name unsafe");
    }
    Ok(())
}

/// Padding is not created, so it is in nobody's way.
fn is_created(file: &File) -> bool {
    file.kind != FileKind::Padding
}

/// Which names are taken: a tree, so that its size is that of the names and not that of all paths' beginnings.
#[derive(Default)]
struct Names {
    /// From a folder's number and a folded name in it to that name's own number. The number 0 is the download folder.
    taken: BTreeMap<(u32, String), u32>,
}

impl Names {
    /// Adds every folder that a file needs, and tells each created file's folder.
    fn add_folders(&mut self, files: &[File]) -> Vec<u32> {
        let mut folders = Vec::new();
        let mut last = (None, 0);
        for file in files.iter().filter(|file| is_created(file)) {
            let parent = file.path.parent();
            if parent != last.0 {
                last = (parent, self.add_folder(parent.unwrap_or_default()));
            }
            folders.push(last.1);
        }
        folders
    }

    fn add_folder(&mut self, path: &str) -> u32 {
        path.split('/').fold(0, |folder, name| {
            let next = self.taken.len() as u32 + 1;
            *self.taken.entry((folder, folded(name))).or_insert(next)
        })
    }

    /// Takes `name` in `folder`; false if it is taken.
    fn take(&mut self, folder: u32, name: &str) -> bool {
        let next = self.taken.len() as u32 + 1;
        match self.taken.entry((folder, folded(name))) {
            Entry::Vacant(entry) => {
                entry.insert(next);
                true
            }
            Entry::Occupied(_) => false,
        }
    }
}

/// `name` without the differences that file systems may not see. By way of upper case, because that joins letters
/// that have several lower cases.
fn folded(name: &str) -> String {
    if name.is_ascii() {
        return name.to_ascii_lowercase();
    }
    name.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

/// `name` with `number` in front of its extension.
fn numbered(name: &str, number: u32) -> String {
    let dot = name.rfind('.').filter(|&dot| dot > 0).unwrap_or(name.len());
    let (stem, extension) = name.split_at(dot);
    format!("{stem}.{number}{extension}")
}
