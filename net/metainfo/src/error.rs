//! Why a torrent or a link is refused: each error names the rule that is broken.

use alloc::string::String;
use core::fmt;

/// Why bytes are no torrent that can be used.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Error {
    /// The file is not bencoded, or is too large.
    Encoding(tide_bencode::Error),
    /// The file is no dictionary.
    NotADict,
    /// `info` is missing or no dictionary.
    Info,
    /// The torrent is for v2 swarms alone (BEP 52).
    V2Only,
    /// `meta version` is newer than BEP 52.
    MetaVersion(i64),
    /// A hybrid's info dictionary is not canonical (BEP 52).
    NotCanonical(tide_bencode::Oddity),
    /// A hybrid's `file tree` does not describe the files of its v1 part (BEP 52).
    HybridMismatch,
    /// `name` is missing or no string.
    Name,
    /// `piece length` is missing or no number.
    PieceLengthMissing,
    /// `piece length` is not between one and the limit.
    PieceLength {
        /// What stands there.
        found: i64,
        /// [`Limits::piece_len`](crate::Limits::piece_len).
        max: u32,
    },
    /// A hybrid's `piece length` is no power of two of at least 16 KiB (BEP 52).
    PieceLengthV2(u32),
    /// `pieces` is missing or no string.
    PiecesMissing,
    /// `pieces` is not made of whole hashes of 20 bytes; its length is told.
    PiecesUnaligned(usize),
    /// `pieces` has another number of hashes than the content has pieces.
    PiecesCount {
        /// Hashes in `pieces`.
        found: u64,
        /// Pieces of the content.
        expected: u64,
    },
    /// There are more pieces than [`Limits::pieces`](crate::Limits::pieces), which is told.
    TooManyPieces(u32),
    /// Neither `length` nor `files` is there, or both are of the wrong type.
    NoFiles,
    /// `length` is negative or no number.
    Length,
    /// There are more files than [`Limits::files`](crate::Limits::files), which is told.
    TooManyFiles(u32),
    /// The entry of `files` with this number, from zero, is no dictionary.
    File(usize),
    /// The `length` of this file is missing, negative or no number.
    FileLength(usize),
    /// The `path` of this file is missing, empty, or no list of strings.
    FilePath(usize),
    /// The `path` of this file has more components than [`Limits::path_depth`](crate::Limits::path_depth).
    FileDepth(usize),
    /// The `symlink path` of this file is no list of strings (BEP 47).
    FileLink(usize),
    /// The content is more than [`Limits::total`](crate::Limits::total), which is told.
    TooLarge(u64),
    /// The content is no byte at all: there is nothing to share, and no piece.
    Empty,
    /// More names collide than [`Limits::renames`](crate::Limits::renames), which is told.
    TooManyCollisions(u32),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Encoding(error) => return error.fmt(f),
            Error::NotADict => "a .torrent file must be a dictionary",
            Error::Info => "`info` is missing or is no dictionary",
            Error::V2Only => "this is a v2-only torrent (BEP 52); only v1 and hybrid torrents can be used",
            Error::MetaVersion(found) => return write!(f, "`meta version` {found} is newer than 2 (BEP 52)"),
            Error::NotCanonical(oddity) => return write!(f, "a hybrid torrent must be canonical: {oddity}"),
            Error::HybridMismatch => {
                "`file tree` and the v1 file list of a hybrid torrent must agree (BEP 52)"
            }
            Error::Name => "`name` is missing or is no string",
            Error::PieceLengthMissing => "`piece length` is missing or is no number",
            Error::PieceLength { found, max } => {
                return write!(f, "`piece length` must be from 1 to {max}, and is {found}");
            }
            Error::PieceLengthV2(found) => {
                let rule = "`piece length` of a hybrid torrent must be a power of two from 16384";
                return write!(f, "{rule}, and is {found}");
            }
            Error::PiecesMissing => "`pieces` is missing or is no string",
            Error::PiecesUnaligned(len) => {
                return write!(f, "`pieces` must be hashes of 20 bytes, and has {len} bytes");
            }
            Error::PiecesCount { found, expected } => {
                return write!(f, "`pieces` must have {expected} hashes for this content, and has {found}");
            }
            Error::TooManyPieces(max) => return write!(f, "there are more than {max} pieces"),
            Error::NoFiles => "`length` or `files` must be there",
            Error::Length => "`length` must be a number and not negative",
            Error::TooManyFiles(max) => return write!(f, "there are more than {max} files"),
            Error::File(at) => return write!(f, "entry {at} of `files` is no dictionary"),
            Error::FileLength(at) => {
                return write!(f, "`length` of file {at} must be a number and not negative");
            }
            Error::FilePath(at) => {
                return write!(f, "`path` of file {at} must be a list of strings, not empty");
            }
            Error::FileDepth(at) => return write!(f, "`path` of file {at} has too many directories"),
            Error::FileLink(at) => return write!(f, "`symlink path` of file {at} must be a list of strings"),
            Error::TooLarge(max) => return write!(f, "the content is more than {max} bytes"),
            Error::Empty => "the content is zero bytes: there is nothing to share",
            Error::TooManyCollisions(max) => return write!(f, "more than {max} files have colliding names"),
        }
        .fmt(f)
    }
}

impl core::error::Error for Error {}

impl From<tide_bencode::Error> for Error {
    fn from(error: tide_bencode::Error) -> Error {
        Error::Encoding(error)
    }
}

/// Why a [`Recipe`](crate::Recipe) makes no torrent.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum CreateError {
    /// The name is empty, `.`, `..`, or has a slash.
    Name,
    /// The path of the file with this number has an empty component, `.` or `..`.
    Path(usize),
    /// A file would not be found again where it is: whoever reads the torrent gives it another name, because its own is too
    /// long, is not UTF-8, has characters that names must not have, or differs from another one in case alone.
    Misread {
        /// Its path, the torrent's name first; what is not UTF-8 is replaced.
        found: String,
        /// The path that readers make of that; none if they take the file for padding (BEP 47).
        read: Option<String>,
    },
    /// There are no files, or they are empty.
    Empty,
    /// Lengths add up to more than 2⁶³ - 1, the highest number a reader must understand.
    TooLarge,
    /// The piece length is zero.
    PieceLength,
    /// It makes more pieces than readers take, [`Limits::pieces`](crate::Limits::pieces), which is told.
    TooManyPieces(u32),
    /// The hashes are not exactly one for each piece.
    Hashes {
        /// Bytes of hashes given.
        found: usize,
        /// Pieces of the content.
        pieces: u64,
    },
}

impl fmt::Display for CreateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CreateError::Name => "a torrent's name must be one component of a path".fmt(f),
            CreateError::Path(at) => write!(f, "the path of file {at} must be relative, without `.` or `..`"),
            CreateError::Misread { found, read: Some(read) } => {
                write!(f, "{found:?} would be called {read:?} by who reads the torrent: give it another name")
            }
            CreateError::Misread { found, read: None } => {
                write!(
                    f,
                    "{found:?} would be taken for padding by who reads the torrent: give it another name"
                )
            }
            CreateError::Empty => "the content is zero bytes: there is nothing to share".fmt(f),
            CreateError::TooLarge => "the content is too large".fmt(f),
            CreateError::PieceLength => "the piece length must not be zero".fmt(f),
            CreateError::TooManyPieces(max) => {
                write!(f, "there would be more than {max} pieces: longer ones are needed")
            }
            CreateError::Hashes { found, pieces } => {
                write!(f, "{pieces} pieces need 20 bytes of hash each, and {found} bytes are given")
            }
        }
    }
}

impl core::error::Error for CreateError {}

/// Why text is no magnet link that can be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum MagnetError {
    /// It does not begin with `magnet:?`.
    Scheme,
    /// It is longer than 64 KiB.
    TooLong,
    /// It has no `xt=urn:btih:` and no `xt=urn:btmh:`.
    NoHash,
    /// Its info-hash is neither 40 hexadecimal digits nor 32 of base32.
    HashV1,
    /// Its v2 info-hash is not `1220` and 64 hexadecimal digits.
    HashV2,
    /// It names two torrents.
    TwoHashes,
    /// Its `so` is not a list of file numbers up to 10,000 (BEP 53).
    Select,
}

impl fmt::Display for MagnetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            MagnetError::Scheme => "a magnet link must begin with `magnet:?`",
            MagnetError::TooLong => "the magnet link is longer than 64 KiB",
            MagnetError::NoHash => "the magnet link has no `xt=urn:btih:` or `xt=urn:btmh:`",
            MagnetError::HashV1 => "`urn:btih:` must be followed by 40 hexadecimal digits or 32 of base32",
            MagnetError::HashV2 => "`urn:btmh:` must be followed by 1220 and 64 hexadecimal digits",
            MagnetError::TwoHashes => "the magnet link names two torrents",
            MagnetError::Select => "`so` must be file numbers up to 10000, as in 0,2,6-8",
        })
    }
}

impl core::error::Error for MagnetError {}
