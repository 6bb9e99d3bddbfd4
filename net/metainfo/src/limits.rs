//! Every bound on a .torrent file, with its reason.

use crate::names::NameRules;

/// What one torrent may cost and contain. [`Limits::default`] takes every torrent that is shared in earnest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Bytes of the whole file. 64 MiB: the most pieces are 40 MiB of hashes, and the rest is names.
    pub bytes: u32,
    /// Lists and dictionaries within each other. 100, as libtorrent: a v2 file tree nests twice a directory.
    pub depth: u32,
    /// Values and keys. 3 million, as libtorrent: 48 MiB of table while reading, some 400,000 files.
    pub tokens: u32,
    /// Bytes a piece. 512 MiB: a piece is hashed as one job; libtorrent's bound is 512 MiB - 16 KiB.
    pub piece_len: u32,
    /// Pieces. 2²¹, as libtorrent: 32 TiB in pieces of 16 MiB; a bitfield of 256 KiB.
    pub pieces: u32,
    /// Bytes of content. 2⁴⁸ - 1, as libtorrent: no file system holds more in one file.
    pub total: u64,
    /// Entries in `files`, padding included. 500,000: more than fit into the tokens, so that counts stay small.
    pub files: u32,
    /// Components of a path within the torrent, its own folder not counted. 100, as libtorrent.
    pub path_depth: u32,
    /// Files that may be renamed because their names collide, and the highest number that a name gets. 500, as
    /// libtorrent: trying names costs the square of it.
    pub renames: u32,
    /// Symbolic links that are followed; those behind the last one lead nowhere. 4,096: following costs a look-up a
    /// directory a hop.
    pub links: u32,
    /// Links that one link may lead through, as in `Current → A → …`. 16: frameworks need two.
    pub link_hops: u32,
    /// Tracker URLs; those behind the last one are left out. 500: the longest lists in use have some 200.
    pub trackers: u32,
    /// Web seeds; those behind the last one are left out. 100: mirrors of distributions are a few dozen.
    pub web_seeds: u32,
    /// DHT nodes (BEP 5); those behind the last one are left out. 100: a bucket or two start a search.
    pub nodes: u32,
    /// Bytes of one URL; longer ones are left out. 2,048, the practical bound of web servers.
    pub url_len: u32,
    /// What the file system forbids in a name.
    pub names: NameRules,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            bytes: 64 << 20,
            depth: 100,
            tokens: 3_000_000,
            piece_len: 512 << 20,
            pieces: 1 << 21,
            total: (1 << 48) - 1,
            files: 500_000,
            path_depth: 100,
            renames: 500,
            links: 4096,
            link_hops: 16,
            trackers: 500,
            web_seeds: 100,
            nodes: 100,
            url_len: 2048,
            names: NameRules::native(),
        }
    }
}

impl Limits {
    pub(crate) fn bencode(&self) -> tide_bencode::Limits {
        tide_bencode::Limits { depth: self.depth, tokens: self.tokens, bytes: self.bytes }
    }
}

/// Bytes of one component of a path. 240: file systems take 255, and a collision's number must still fit.
pub(crate) const NAME_LEN: usize = 240;
/// Bytes of an extension, its dot included, that is kept when a name is cut. 10, as libtorrent. Files are
/// opened by their extension, and a longer one is more likely the tail of a sentence.
pub(crate) const EXTENSION_LEN: usize = 10;
/// Bytes of a host name (RFC 1035).
pub(crate) const HOST_LEN: usize = 255;
/// Bytes of a magnet link. 64 KiB: the longest in use, with a hundred trackers, have some 10 KiB.
pub(crate) const MAGNET_LEN: usize = 64 << 10;
/// The highest file index in a magnet link's `so` (BEP 53), as libtorrent: `so=0-4294967295` must cost nothing.
pub(crate) const SELECT_MAX: u32 = 10_000;
/// Bytes of a SHA-1 hash.
pub(crate) const HASH_LEN: usize = 20;
/// The shortest piece of a v2 torrent (BEP 52).
pub(crate) const V2_PIECE_MIN: u32 = 16 << 10;
