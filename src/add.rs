//! A torrent to be taken in, and how.

use std::fs::File;
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tide_disk::{FileEntry, FileTable};
use tide_engine::{Check, RateLimits};
use tide_metainfo::{FileKind, Torrent as Metainfo};

use crate::error::Error;

/// The priority of a file that nobody has said anything about.
const NORMAL: u8 = 4;

/// A torrent to be taken in by [`Session::add`](crate::Session::add), and how.
///
/// What can be changed while a torrent runs (priorities, order, trackers, limits, whether it is paused) is in its resume
/// data, and is the same again when it is added next. What is said here counts for more.
///
/// ```no_run
/// # fn main() -> Result<(), tide::Error> {
/// let add = tide::Add::file("debian.torrent")?.dir("downloads").select([0, 2]).sequential(true);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Add {
    pub(crate) metainfo: Metainfo,
    pub(crate) dir: PathBuf,
    pub(crate) priorities: Option<Vec<u8>>,
    pub(crate) trackers: Option<Vec<Vec<String>>>,
    pub(crate) peers: Vec<SocketAddr>,
    pub(crate) paused: Option<bool>,
    pub(crate) check: Check,
    pub(crate) sequential: Option<bool>,
    pub(crate) limits: Option<RateLimits>,
}

impl Add {
    /// The torrent in a .torrent file.
    ///
    /// # Errors
    /// [`Error::File`], [`Error::Torrent`].
    pub fn file(path: impl AsRef<Path>) -> Result<Add, Error> {
        let path = path.as_ref();
        let bytes = read_bounded(path, tide_metainfo::Limits::default().bytes);
        Add::bytes(&bytes.map_err(|source| Error::File { path: path.to_owned(), source })?)
    }

    /// The torrent in the bytes of a .torrent file.
    ///
    /// # Errors
    /// [`Error::Torrent`].
    pub fn bytes(bytes: &[u8]) -> Result<Add, Error> {
        Ok(Add::metainfo(Metainfo::parse(bytes, &tide_metainfo::Limits::default())?))
    }

    /// A torrent that has been read already.
    pub fn metainfo(metainfo: Metainfo) -> Add {
        Add {
            trackers: None,
            metainfo,
            dir: PathBuf::from("."),
            priorities: None,
            peers: Vec::new(),
            paused: None,
            check: Check::Resume,
            sequential: None,
            limits: None,
        }
    }

    /// What the torrent says of itself.
    pub fn torrent(&self) -> &Metainfo {
        &self.metainfo
    }

    /// The folder that holds, or will hold, the content. Default: the current one.
    #[must_use]
    pub fn dir(mut self, dir: impl Into<PathBuf>) -> Add {
        self.dir = dir.into();
        self
    }

    /// Only these files, by their numbers from zero; numbers that no file has are ignored.
    #[must_use]
    pub fn select(mut self, files: impl IntoIterator<Item = usize>) -> Add {
        let mut priorities = vec![0; self.metainfo.info.files().len()];
        for file in files {
            if let Some(priority) = priorities.get_mut(file) {
                *priority = NORMAL;
            }
        }
        self.priorities = Some(priorities);
        self
    }

    /// A priority for each file, from the first: 0 is unwanted, 1 … 7 ascending. Missing ones are 4. Default: as resume
    /// data say, or 4 for all.
    #[must_use]
    pub fn priorities(mut self, priorities: impl Into<Vec<u8>>) -> Add {
        self.priorities = Some(priorities.into());
        self
    }

    /// These trackers, in tiers (BEP 12). Default: as resume data say, or else the torrent's own.
    #[must_use]
    pub fn trackers(mut self, tiers: impl Into<Vec<Vec<String>>>) -> Add {
        self.trackers = Some(tiers.into());
        self
    }

    /// One more tracker, in a tier of its own behind the torrent's or those given before. What resume data say of
    /// trackers does not count then.
    #[must_use]
    pub fn tracker(mut self, url: impl Into<String>) -> Add {
        let own = &self.metainfo.trackers;
        self.trackers.get_or_insert_with(|| own.clone()).push(vec![url.into()]);
        self
    }

    /// A peer to be met at once.
    #[must_use]
    pub fn peer(mut self, addr: SocketAddr) -> Add {
        self.peers.push(addr);
        self
    }

    /// Whether to check what is there and then wait for [`Torrent::resume`](crate::Torrent::resume). Default: as resume
    /// data say, or no.
    #[must_use]
    pub fn paused(mut self, paused: bool) -> Add {
        self.paused = Some(paused);
        self
    }

    /// Hash everything that is there, whatever resume data vouch for.
    #[must_use]
    pub fn check(mut self) -> Add {
        self.check = Check::Full;
        self
    }

    /// Take every file of the right size for right: for whoever has just made the torrent.
    #[must_use]
    pub fn skip_check(mut self) -> Add {
        self.check = Check::Skip;
        self
    }

    /// Whether pieces are fetched in order instead of rarest first. Default: as resume data say, or no.
    #[must_use]
    pub fn sequential(mut self, sequential: bool) -> Add {
        self.sequential = Some(sequential);
        self
    }

    /// Limits of this torrent's rates. Default: as resume data say, or none.
    #[must_use]
    pub fn limits(mut self, limits: RateLimits) -> Add {
        self.limits = Some(limits);
        self
    }
}

/// A file's bytes; one more than `most`, at the most, so that whoever reads them sees that there are too many.
pub(crate) fn read_bounded(path: &Path, most: u32) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(u64::from(most) + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The files of a torrent as the disk knows them, number for number. Symbolic links are in it as padding, of no bytes:
/// nothing is made for them.
pub(crate) fn file_table(metainfo: &Metainfo) -> Arc<FileTable> {
    let entry = |file: &tide_metainfo::File| FileEntry {
        path: file.path.components().collect(),
        offset: file.offset,
        len: file.length,
        padding: !matches!(file.kind, FileKind::Regular),
        executable: file.attributes.executable,
    };
    Arc::new(FileTable::new(metainfo.info.files().iter().map(entry).collect()))
}
