//! The info dictionary: what the info-hash is over.

use crate::error::Error;
use crate::files::{self, File};
use crate::hybrid;
use crate::limits::{HASH_LEN, Limits};
use crate::names;
use crate::text;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;
use sha1::{Digest, Sha1};
use sha2::Sha256;
use tide_base::id::hex;
use tide_base::{InfoHash, InfoHashV2, InfoHashes, Layout, Payload, PieceIndex};
use tide_bencode::{Value, decode};

/// What a torrent shares: names, lengths, hashes. Everything in it fits together: the files' lengths add up to the
/// total, which is at least one byte, and there is one hash a piece.
#[derive(Clone, PartialEq, Eq)]
pub struct Info {
    raw: Payload,
    hashes: InfoHashes,
    v1: InfoHash,
    name: String,
    piece_len: u32,
    total: u64,
    /// Where the hashes stand in `raw`.
    pieces: Range<usize>,
    files: Vec<File>,
    folder: bool,
    private: bool,
    source: Option<String>,
}

impl Info {
    /// Reads an info dictionary that stands alone, as peers send it (BEP 9).
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Info, Error> {
        let document = decode(bytes, limits.bencode())?;
        Info::read(document.root(), limits)
    }

    pub(crate) fn read(info: Value<'_, '_>, limits: &Limits) -> Result<Info, Error> {
        if info.as_dict().is_none() {
            return Err(Error::Info);
        }
        let hybrid = is_hybrid(info)?;
        let piece_len = piece_len(info, limits)?;
        let raw_name = text::preferred(info, b"name").and_then(Value::as_bytes).ok_or(Error::Name)?;
        let v1 = InfoHash(Sha1::digest(info.raw()).into());
        let name = if names::is_lost(raw_name, limits.names) {
            hex(&v1.0)
        } else {
            names::mend(raw_name, limits.names)
        };
        let (files, folder) = files::read(info, &name, limits)?;
        let total = files.last().map_or(0, |file| file.offset + file.length);
        let pieces = pieces(info, total, piece_len, limits)?;
        if hybrid {
            hybrid::check(info, piece_len)?;
        }
        let v2 = hybrid.then(|| InfoHashV2(Sha256::digest(info.raw()).into()));
        Ok(Info {
            raw: Payload::copy_from_slice(info.raw()),
            hashes: InfoHashes { v1: Some(v1), v2 },
            v1,
            name,
            piece_len,
            total,
            pieces,
            files,
            folder,
            private: info.get(b"private").and_then(Value::as_int) == Some(1),
            source: text::field(info, b"source"),
        })
    }

    /// The v1 info-hash.
    pub fn info_hash(&self) -> InfoHash {
        self.v1
    }

    /// Both identities: v1 always, v2 for hybrids.
    pub fn info_hashes(&self) -> InfoHashes {
        self.hashes
    }

    /// The dictionary as it was read, byte for byte: what the info-hashes are over and what peers are sent (BEP 9).
    pub fn raw(&self) -> &Payload {
        &self.raw
    }

    /// The torrent's name, mended: one harmless component of a path. The hexadecimal info-hash if none was left.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Bytes in every piece but perhaps the last.
    pub fn piece_len(&self) -> u32 {
        self.piece_len
    }

    /// Bytes of content, padding included; at least one.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// How many pieces there are; at least one.
    pub fn pieces(&self) -> u32 {
        (self.pieces.len() / HASH_LEN) as u32
    }

    /// The SHA-1 of a piece, which must exist.
    pub fn hash(&self, piece: PieceIndex) -> [u8; 20] {
        let hash = self.hash_bytes().chunks_exact(HASH_LEN).nth(piece.at());
        hash.expect("the piece is one of the torrent").try_into().expect("a hash has twenty bytes")
    }

    /// The SHA-1 of all pieces, one behind the other, 20 bytes each.
    pub fn hash_bytes(&self) -> &[u8] {
        &self.raw[self.pieces.clone()]
    }

    /// How the content is cut into pieces, and into blocks of `block_len` bytes, which must not be zero.
    pub fn layout(&self, block_len: u32) -> Layout {
        Layout::new(self.total, self.piece_len, block_len)
            .expect("lengths are checked, and blocks are not empty")
    }

    /// The files in the order of their bytes, padding included; at least one.
    pub fn files(&self) -> &[File] {
        &self.files
    }

    /// Whether the files stand in a folder of the torrent's name; otherwise it is a single file of that name.
    pub fn is_folder(&self) -> bool {
        self.folder
    }

    /// Whether peers may come from trackers alone (BEP 27).
    pub fn is_private(&self) -> bool {
        self.private
    }

    /// Where the torrent is at home; trackers put it there so that the info-hash differs.
    pub fn source(&self) -> Option<&str> {
        self.source.as_deref()
    }
}

impl core::fmt::Debug for Info {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Info({} {:?} {} pieces of {})", self.v1, self.name, self.pieces(), self.piece_len)
    }
}

/// Whether the dictionary has a v2 half too. One that has nothing else is refused by name, before anything that is
/// missing in it (BEP 52).
fn is_hybrid(info: Value<'_, '_>) -> Result<bool, Error> {
    match info.get(b"meta version").and_then(Value::as_int) {
        None | Some(..=1) => Ok(false),
        Some(2) if info.get(b"pieces").is_none() => Err(Error::V2Only),
        Some(2) => Ok(true),
        Some(newer) => Err(Error::MetaVersion(newer)),
    }
}

fn piece_len(info: Value<'_, '_>, limits: &Limits) -> Result<u32, Error> {
    let value = info.get(b"piece length").filter(|value| value.kind() == tide_bencode::Kind::Int);
    // What does not fit into 64 bits is too large in any case.
    let found = value.ok_or(Error::PieceLengthMissing)?.as_int().unwrap_or(i64::MAX);
    let legal = u32::try_from(found).ok().filter(|len| (1..=limits.piece_len).contains(len));
    legal.ok_or(Error::PieceLength { found, max: limits.piece_len })
}

/// Where the hashes stand in the dictionary's bytes.
fn pieces(info: Value<'_, '_>, total: u64, piece_len: u32, limits: &Limits) -> Result<Range<usize>, Error> {
    let value = info.get(b"pieces").ok_or(Error::PiecesMissing)?;
    let hashes = value.as_bytes().ok_or(Error::PiecesMissing)?;
    if total == 0 {
        return Err(Error::Empty);
    }
    if !hashes.len().is_multiple_of(HASH_LEN) {
        return Err(Error::PiecesUnaligned(hashes.len()));
    }
    let found = (hashes.len() / HASH_LEN) as u64;
    let expected = total.div_ceil(u64::from(piece_len));
    if expected > u64::from(limits.pieces) {
        return Err(Error::TooManyPieces(limits.pieces));
    }
    if found != expected {
        return Err(Error::PiecesCount { found, expected });
    }
    let end = value.offset() + value.raw().len() - info.offset();
    Ok(end - hashes.len()..end)
}
