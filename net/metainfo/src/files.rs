//! The files of a torrent, as BEP 3 and BEP 47 list them.

use crate::error::Error;
use crate::limits::Limits;
use crate::names::mend;
use crate::path::SafePath;
use crate::text::preferred;
use crate::{links, unique};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use tide_bencode::Value;

/// One file of a torrent. Files follow each other without a gap in the torrent's bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct File {
    /// Where it goes, under the download folder. The first component is the torrent's name. Unique among the files
    /// that are not padding, whether or not the file system tells case apart.
    pub path: SafePath,
    /// Bytes; zero for a symbolic link.
    pub length: u64,
    /// Offset of its first byte in the torrent.
    pub offset: u64,
    /// What it is.
    pub kind: FileKind,
    /// What else is said of it.
    pub attributes: Attributes,
}

/// What an entry in the list of files is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FileKind {
    /// Content.
    Regular,
    /// Zeros that make the next file begin with a piece (BEP 47). Not created, not asked for, served as zeros.
    Padding,
    /// A symbolic link to the path, which is that of a file or a directory of this torrent and of no link.
    Link(SafePath),
    /// A symbolic link that leads nowhere within the torrent: out of it, in a circle, or to what is not there.
    /// Nothing is created for it.
    DeadLink,
}

/// The attributes of BEP 47 that a file system may or may not keep.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Attributes {
    /// `x`: may be executed.
    pub executable: bool,
    /// `h`: hidden.
    pub hidden: bool,
}

/// The characters of `attr`, before they are a kind.
#[derive(Clone, Copy, Default)]
struct Marks {
    padding: bool,
    link: bool,
    attributes: Attributes,
}

impl Marks {
    fn read(entry: Value<'_, '_>) -> Marks {
        let text = entry.get(b"attr").and_then(Value::as_bytes).unwrap_or_default();
        let has = |mark| text.contains(&mark);
        Marks {
            padding: has(b'p'),
            link: has(b'l'),
            attributes: Attributes { executable: has(b'x'), hidden: has(b'h') },
        }
    }
}

/// Reads `length` or `files` of an info dictionary whose name is mended to `root`. Returns the files and whether
/// there is a list of them, that is, a folder.
pub(crate) fn read(info: Value<'_, '_>, root: &str, limits: &Limits) -> Result<(Vec<File>, bool), Error> {
    let Some(list) = info.get(b"files").and_then(Value::as_list) else {
        return Ok((alloc::vec![single(info, root, limits)?], false));
    };
    let mut files = Vec::new();
    let mut offset = 0;
    for (at, entry) in list.enumerate() {
        if at >= limits.files as usize {
            return Err(Error::TooManyFiles(limits.files));
        }
        let file = one(entry, at, root, offset, limits)?;
        offset = add(offset, file.length, limits)?;
        files.push(file);
    }
    if files.is_empty() {
        return Err(Error::NoFiles);
    }
    unique::rename_collisions(&mut files, limits)?;
    links::resolve(&mut files, limits);
    Ok((files, true))
}

fn single(info: Value<'_, '_>, root: &str, limits: &Limits) -> Result<File, Error> {
    let length = info.get(b"length").ok_or(Error::NoFiles)?.as_u64().ok_or(Error::Length)?;
    add(0, length, limits)?;
    let attributes = Marks::read(info).attributes;
    Ok(File { path: SafePath::root(root), length, offset: 0, kind: FileKind::Regular, attributes })
}

fn add(offset: u64, length: u64, limits: &Limits) -> Result<u64, Error> {
    let end = offset.checked_add(length).filter(|&end| end <= limits.total);
    end.ok_or(Error::TooLarge(limits.total))
}

fn one(entry: Value<'_, '_>, at: usize, root: &str, offset: u64, limits: &Limits) -> Result<File, Error> {
    if entry.as_dict().is_none() {
        return Err(Error::File(at));
    }
    let marks = Marks::read(entry);
    let length = if marks.link {
        0 // whatever is written there: a link has no content (BEP 47)
    } else {
        entry.get(b"length").and_then(Value::as_u64).ok_or(Error::FileLength(at))?
    };
    let raw = preferred(entry, b"path");
    if raw.is_none() && marks.padding {
        // BEP 47: padding need not have a path.
        let mut path = SafePath::root(root);
        path.push(".pad");
        path.push(&format!("{length}"));
        return Ok(File { path, length, offset, kind: FileKind::Padding, attributes: marks.attributes });
    }
    let parts = components(raw, limits).ok_or(Error::FilePath(at))?.ok_or(Error::FileDepth(at))?;
    if parts.is_empty() {
        return Err(Error::FilePath(at));
    }
    let mut path = SafePath::root(root);
    parts.iter().for_each(|part| path.push(part));
    let kind = if marks.padding || is_padding_path(&parts, length) {
        FileKind::Padding
    } else if marks.link {
        link(entry, at, root, limits)?
    } else {
        FileKind::Regular
    };
    Ok(File { path, length, offset, kind, attributes: marks.attributes })
}

/// The mended components of a list of strings; inner `None` if there are too many, outer if it is none.
fn components(list: Option<Value<'_, '_>>, limits: &Limits) -> Option<Option<Vec<String>>> {
    let mut parts = Vec::new();
    for part in list?.as_list()? {
        if parts.len() >= limits.path_depth as usize {
            return Some(None);
        }
        parts.push(mend(part.as_bytes()?, limits.names));
    }
    Some(Some(parts))
}

/// Whether this is padding by its name alone, as writers older than BEP 47 have it: `.pad/N` of N bytes.
fn is_padding_path(parts: &[String], length: u64) -> bool {
    matches!(parts, [folder, name] if folder == ".pad" && length > 0 && *name == format!("{length}"))
}

/// A link as it is written; whether it leads anywhere is found out when all files are known.
fn link(entry: Value<'_, '_>, at: usize, root: &str, limits: &Limits) -> Result<FileKind, Error> {
    let Some(target) = entry.get(b"symlink path") else {
        return Ok(FileKind::DeadLink);
    };
    let parts = components(Some(target), limits).ok_or(Error::FileLink(at))?.unwrap_or_default();
    if parts.is_empty() {
        return Ok(FileKind::DeadLink);
    }
    let mut path = SafePath::root(root);
    parts.iter().for_each(|part| path.push(part));
    Ok(FileKind::Link(path))
}
