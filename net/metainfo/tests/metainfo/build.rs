//! Torrents put together entry by entry, right or wrong.

use std::collections::BTreeMap;
use tide_bencode::{One, encode};
use tide_metainfo::{Error, Limits, NameRules, Torrent};

/// The same rules on every system that runs these tests.
pub(crate) fn limits() -> Limits {
    Limits { names: NameRules::Posix, ..Limits::default() }
}

/// A .torrent file whose entries may be replaced by any bytes.
#[derive(Clone)]
pub(crate) struct Build {
    outer: BTreeMap<Vec<u8>, Vec<u8>>,
    info: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Build {
    /// `temp`, a single file of 5 bytes in pieces of 16 KiB.
    pub(crate) fn single() -> Build {
        let build = Build { outer: BTreeMap::new(), info: BTreeMap::new() };
        build.info("length", "i5e").info("name", "4:temp").info("piece length", "i16384e").hashes(1)
    }

    /// `temp`, a folder of these files' bencoded dictionaries; one piece.
    pub(crate) fn folder(files: &[&str]) -> Build {
        Build::single().without("length").info("files", format!("l{}e", files.concat()))
    }

    /// `temp`, a folder of files of 5 bytes with these paths; one piece.
    pub(crate) fn paths(paths: &[&[&[u8]]]) -> Build {
        let files = encode(|v| {
            v.list(|list| {
                for path in paths {
                    list.dict(|d| {
                        d.int(b"length", 5);
                        d.list(b"path", |list| path.iter().for_each(|part| list.bytes(part)));
                    });
                }
            });
        });
        Build::single().without("length").info("files", files)
    }

    /// Sets an entry of the info dictionary to bencoded bytes.
    pub(crate) fn info(mut self, key: &str, raw: impl AsRef<[u8]>) -> Build {
        self.info.insert(key.into(), raw.as_ref().to_vec());
        self
    }

    /// Takes an entry out of the info dictionary.
    pub(crate) fn without(mut self, key: &str) -> Build {
        self.info.remove(key.as_bytes());
        self
    }

    /// Sets an entry beside the info dictionary.
    pub(crate) fn outer(mut self, key: &str, raw: impl AsRef<[u8]>) -> Build {
        self.outer.insert(key.into(), raw.as_ref().to_vec());
        self
    }

    /// Sets `pieces` to this many hashes.
    pub(crate) fn hashes(self, count: usize) -> Build {
        let hashes: Vec<u8> = (0..count * 20).map(|at| (at / 20) as u8).collect();
        self.info("pieces", encode(|v| v.bytes(&hashes)))
    }

    pub(crate) fn info_bytes(&self) -> Vec<u8> {
        encode(|v| dict(v, &self.info))
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut outer = self.outer.clone();
        outer.entry(b"info".to_vec()).or_insert_with(|| self.info_bytes());
        encode(|v| dict(v, &outer))
    }

    pub(crate) fn parse(&self) -> Result<Torrent, Error> {
        Torrent::parse(&self.bytes(), &limits())
    }

    pub(crate) fn ok(&self) -> Torrent {
        self.parse().expect("a torrent that can be used")
    }

    /// The paths after parsing.
    pub(crate) fn mended(&self) -> Vec<String> {
        self.ok().info.files().iter().map(|file| file.path.to_string()).collect()
    }
}

fn dict(place: One<'_>, entries: &BTreeMap<Vec<u8>, Vec<u8>>) {
    place.dict(|d| entries.iter().for_each(|(key, raw)| d.entry(key).raw(raw)));
}
