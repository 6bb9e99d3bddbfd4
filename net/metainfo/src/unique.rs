//! No two files of a torrent may end up as one on disk, and none may stand where another needs a directory.
//!
//! Directories keep their names; of files that collide, the first keeps its name and the others get a number in
//! front of the extension: `bar.txt`, `bar.1.txt`. Case is not told apart, because file systems may not.

use crate::error::Error;
use crate::files::{File, FileKind};
use crate::limits::Limits;
use crate::path::SafePath;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;

pub(crate) fn rename_collisions(files: &mut [File], limits: &Limits) -> Result<(), Error> {
    let mut taken = directories(files);
    let mut renames = 0;
    // Padding is not created, so it is in nobody's way.
    for file in files.iter_mut().filter(|file| file.kind != FileKind::Padding) {
        if taken.insert(folded(file.path.as_str())) {
            continue;
        }
        renames += 1;
        if renames > limits.renames {
            return Err(Error::TooManyCollisions(limits.renames));
        }
        let mut candidates = (1..=limits.renames).map(|number| numbered(&file.path, number));
        let free = candidates.find(|path| taken.insert(folded(path.as_str())));
        file.path = free.ok_or(Error::TooManyCollisions(limits.renames))?;
    }
    Ok(())
}

/// Every directory that a file needs.
fn directories(files: &[File]) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    let mut last = "";
    for file in files.iter().filter(|file| file.kind != FileKind::Padding) {
        let mut parent = file.path.parent().unwrap_or_default();
        if parent == last {
            continue;
        }
        last = parent;
        while !parent.is_empty() && all.insert(folded(parent)) {
            parent = parent.rsplit_once('/').map_or("", |(outer, _)| outer);
        }
    }
    all
}

fn folded(path: &str) -> String {
    if path.is_ascii() { path.to_ascii_lowercase() } else { path.to_lowercase() }
}

/// `path` with `number` in front of the extension of its last component.
fn numbered(path: &SafePath, number: u32) -> SafePath {
    let name = path.file_name();
    let dot = name.rfind('.').filter(|&dot| dot > 0).unwrap_or(name.len());
    let (stem, extension) = name.split_at(dot);
    let name = format!("{stem}.{number}{extension}");
    let path = path.parent().map_or(name.clone(), |parent| format!("{parent}/{name}"));
    SafePath::new(&path).expect("a number makes no name unsafe")
}
