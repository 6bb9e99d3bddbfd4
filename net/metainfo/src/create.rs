//! Making a .torrent file from what is known of its content. Walking the disk and hashing happen elsewhere.
//!
//! The info dictionary is byte for byte that of `mktorrent` 1.1 for the same name, files, piece length, private flag
//! and source: keys `files` or `length`, `name`, `piece length`, `pieces`, `private` (only if set), `source` (only if
//! given); files in the order of their whole paths' bytes.

use crate::edit;
use crate::error::CreateError;
use crate::limits::{HASH_LEN, Limits};
use alloc::string::String;
use alloc::vec::Vec;
use tide_base::WallClock;
use tide_bencode::{Dict, encode};

/// Pieces that an automatic piece length aims to stay below: with at least half as many, a piece is never more than a
/// thousandth of the content, and the hashes never more than 40 KiB.
const PIECES_AIM: u64 = 2048;
/// The shortest automatic piece: one block, below which nothing is requested.
const PIECE_MIN: u32 = 16 << 10;
/// The longest automatic piece: some older clients refuse longer ones, and a piece must be whole to be shared.
const PIECE_MAX: u32 = 16 << 20;

/// The automatic piece length for `total` bytes of content: the power of two that gives 1,025 to 2,048 pieces, but
/// from 16 KiB to 16 MiB.
///
/// | content up to | piece | content up to | piece |
/// | --- | --- | --- | --- |
/// | 32 MiB | 16 KiB | 2 GiB | 1 MiB |
/// | 64 MiB | 32 KiB | 4 GiB | 2 MiB |
/// | 128 MiB | 64 KiB | 8 GiB | 4 MiB |
/// | 256 MiB | 128 KiB | 16 GiB | 8 MiB |
/// | 512 MiB | 256 KiB | more | 16 MiB |
/// | 1 GiB | 512 KiB | | |
pub fn piece_length_for(total: u64) -> u32 {
    let mut len = PIECE_MIN;
    while len < PIECE_MAX && total > u64::from(len) * PIECES_AIM {
        len *= 2;
    }
    len
}

/// A file to put into a torrent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewFile {
    /// Its path under the torrent's folder, components divided by `/`. Bytes, because a file system's names need not be
    /// UTF-8; a reader will mend those that are not.
    pub path: Vec<u8>,
    /// Bytes.
    pub length: u64,
}

/// What a torrent is made of: pieces run over it in this order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Contents {
    /// One file, called as the torrent is.
    File(u64),
    /// Files in a folder, called as the torrent is, in this order.
    Folder(Vec<NewFile>),
}

impl Contents {
    /// A folder's files in `mktorrent`'s order: by the bytes of the whole path.
    pub fn folder(mut files: Vec<NewFile>) -> Contents {
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Contents::Folder(files)
    }

    /// Bytes in all.
    ///
    /// # Errors
    /// [`CreateError::TooLarge`].
    pub fn total(&self) -> Result<u64, CreateError> {
        let sum = match self {
            Contents::File(length) => Some(*length),
            Contents::Folder(files) => files.iter().try_fold(0u64, |sum, file| sum.checked_add(file.length)),
        };
        sum.filter(|&sum| i64::try_from(sum).is_ok()).ok_or(CreateError::TooLarge)
    }
}

/// All that goes into a .torrent file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recipe<'a> {
    /// The name of the file or folder: one component of a path.
    pub name: &'a [u8],
    /// The files.
    pub contents: &'a Contents,
    /// Bytes in every piece but perhaps the last.
    pub piece_len: u32,
    /// The SHA-1 of every piece, 20 bytes each, one behind the other.
    pub pieces: &'a [u8],
    /// Whether peers may come from trackers alone (BEP 27).
    pub private: bool,
    /// Where the torrent is at home; changes the info-hash.
    pub source: Option<&'a str>,
    /// Trackers in tiers (BEP 12).
    pub trackers: &'a [Vec<String>],
    /// Web seeds (BEP 19).
    pub web_seeds: &'a [String],
    /// A word to whoever reads it.
    pub comment: Option<&'a str>,
    /// The program.
    pub created_by: Option<&'a str>,
    /// When.
    pub date: Option<WallClock>,
}

/// The bytes of the .torrent file.
///
/// # Errors
/// The rule that `recipe` breaks.
pub fn create(recipe: &Recipe<'_>) -> Result<Vec<u8>, CreateError> {
    let pieces = u64::from(recipe.check()?);
    if pieces * HASH_LEN as u64 != recipe.pieces.len() as u64 {
        return Err(CreateError::Hashes { found: recipe.pieces.len(), pieces });
    }
    Ok(encode(|v| {
        v.dict(|d| {
            if let Some(url) = edit::announce(recipe.trackers) {
                d.bytes(b"announce", url.as_bytes());
            }
            if let Some(list) = edit::announce_list(recipe.trackers) {
                d.entry(b"announce-list").raw(&list);
            }
            if let Some(comment) = recipe.comment {
                d.bytes(b"comment", comment.as_bytes());
            }
            if let Some(program) = recipe.created_by {
                d.bytes(b"created by", program.as_bytes());
            }
            if let Some(WallClock(seconds)) = recipe.date {
                d.int(b"creation date", seconds);
            }
            d.dict(b"info", |d| info(recipe, d));
            if let Some(list) = edit::url_list(recipe.web_seeds) {
                d.entry(b"url-list").raw(&list);
            }
        });
    }))
}

fn info(recipe: &Recipe<'_>, d: &mut Dict<'_>) {
    match recipe.contents {
        Contents::File(length) => d.int(b"length", *length as i64),
        Contents::Folder(files) => d.list(b"files", |list| {
            for file in files {
                list.dict(|d| {
                    d.int(b"length", file.length as i64);
                    d.list(b"path", |list| components(&file.path).for_each(|part| list.bytes(part)));
                });
            }
        }),
    }
    d.bytes(b"name", recipe.name);
    d.int(b"piece length", i64::from(recipe.piece_len));
    d.bytes(b"pieces", recipe.pieces);
    if recipe.private {
        d.int(b"private", 1);
    }
    if let Some(source) = recipe.source {
        d.bytes(b"source", source.as_bytes());
    }
}

fn components(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|&byte| byte == b'/')
}

/// Whether `name` can be a torrent's: one component of a path.
pub fn is_name(name: &[u8]) -> bool {
    is_component(name) && !name.contains(&b'/')
}

fn is_component(part: &[u8]) -> bool {
    !matches!(part, b"" | b"." | b"..")
}

impl Recipe<'_> {
    /// How many pieces it makes: all of its rules but that there is a hash for each, so that what breaks one is known
    /// before anything is hashed.
    ///
    /// # Errors
    /// The rule that is broken.
    pub fn check(&self) -> Result<u32, CreateError> {
        if !is_name(self.name) {
            return Err(CreateError::Name);
        }
        if let Contents::Folder(files) = self.contents
            && let Some(at) = files.iter().position(|file| !components(&file.path).all(is_component))
        {
            return Err(CreateError::Path(at));
        }
        let total = self.contents.total()?;
        if total == 0 {
            return Err(CreateError::Empty);
        }
        if self.piece_len == 0 {
            return Err(CreateError::PieceLength);
        }
        let most = Limits::default().pieces;
        let pieces = u32::try_from(total.div_ceil(u64::from(self.piece_len))).ok();
        pieces.filter(|&pieces| pieces <= most).ok_or(CreateError::TooManyPieces(most))
    }
}
