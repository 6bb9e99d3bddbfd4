//! The v2 half of a hybrid torrent (BEP 52): it must describe the same files as the v1 half, or two swarms under one
//! name would share different content.

use crate::error::Error;
use crate::limits::V2_PIECE_MIN;
use crate::text::preferred;
use alloc::vec;
use alloc::vec::Vec;
use tide_bencode::{DictIter, Value};

/// Checks what a hybrid's info dictionary must keep beyond a v1 torrent's. Its v1 half has been read without an
/// error.
pub(crate) fn check(info: Value<'_, '_>, piece_len: u32) -> Result<(), Error> {
    if let Some(oddity) = info.oddity() {
        return Err(Error::NotCanonical(oddity));
    }
    if !piece_len.is_power_of_two() || piece_len < V2_PIECE_MIN {
        return Err(Error::PieceLengthV2(piece_len));
    }
    if agree(info, piece_len).unwrap_or(false) { Ok(()) } else { Err(Error::HybridMismatch) }
}

/// Whether both halves list the same files in the same order. `None` if the v2 half is broken.
fn agree(info: Value<'_, '_>, piece_len: u32) -> Option<bool> {
    let mut tree = Tree::new(info.get(b"file tree")?)?;
    match info.get(b"files").and_then(Value::as_list) {
        None => {
            let name = [info.get(b"name")?.as_bytes()?];
            if !tree.next_is(&name, info.get(b"length")?.as_u64()?)? {
                return Some(false);
            }
        }
        Some(files) => {
            let mut offset = 0u64;
            for file in files {
                let length = file.get(b"length").map_or(Some(0), Value::as_u64)?;
                let marks = file.get(b"attr").and_then(Value::as_bytes).unwrap_or_default();
                if !marks.contains(&b'p') {
                    let path: Option<Vec<&[u8]>> =
                        preferred(file, b"path")?.as_list()?.map(Value::as_bytes).collect();
                    let aligned = length == 0 || offset.is_multiple_of(u64::from(piece_len));
                    if !aligned || !tree.next_is(&path?, length)? {
                        return Some(false);
                    }
                }
                offset = offset.checked_add(length)?;
            }
        }
    }
    Some(tree.next()?.is_none())
}

/// The files of a `file tree`, in order, without recursion.
struct Tree<'t, 'b> {
    open: Vec<DictIter<'t, 'b>>,
    path: Vec<&'b [u8]>,
}

impl<'t, 'b> Tree<'t, 'b> {
    fn new(root: Value<'t, 'b>) -> Option<Tree<'t, 'b>> {
        Some(Tree { open: vec![root.as_dict()?], path: Vec::new() })
    }

    /// The next file's length, its path being `self.path`; inner `None` at the end, outer if the tree is broken.
    fn next(&mut self) -> Option<Option<u64>> {
        loop {
            let Some(innermost) = self.open.last_mut() else {
                return Some(None);
            };
            match innermost.next() {
                None => {
                    self.open.pop();
                    self.path.pop();
                }
                Some((b"", file)) => {
                    let length = file.get(b"length").map_or(Some(0), Value::as_u64)?;
                    let root = file.get(b"pieces root").and_then(Value::as_bytes);
                    let rooted = root.is_some_and(|root| root.len() == 32 && root.iter().any(|&b| b != 0));
                    // A file has nothing beside it in its own dictionary.
                    if self.path.is_empty() || innermost.next().is_some() || length > 0 && !rooted {
                        return None;
                    }
                    return Some(Some(length));
                }
                Some((name, inner)) => {
                    self.open.push(inner.as_dict()?);
                    self.path.push(name);
                }
            }
        }
    }

    fn next_is(&mut self, path: &[&[u8]], length: u64) -> Option<bool> {
        let found = self.next()?;
        Some(found == Some(length) && self.path == path)
    }
}
