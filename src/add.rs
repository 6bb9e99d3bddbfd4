//! A torrent to be taken in, and how.

use std::fs::File;
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tide_base::{InfoHash, InfoHashes};
use tide_engine::{Check, RateLimits};
use tide_metainfo::{Magnet, Torrent as Metainfo};

use crate::error::{Error, V2_ONLY};

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
    pub(crate) subject: Subject,
    pub(crate) dir: PathBuf,
    pub(crate) priorities: Option<Vec<u8>>,
    pub(crate) select: Option<Vec<usize>>,
    pub(crate) choose: bool,
    pub(crate) trackers: Option<Vec<Vec<String>>>,
    pub(crate) peers: Vec<SocketAddr>,
    pub(crate) paused: Option<bool>,
    pub(crate) check: Check,
    pub(crate) sequential: Option<bool>,
    pub(crate) limits: Option<RateLimits>,
}

/// What is known of it.
#[derive(Clone, Debug)]
pub(crate) enum Subject {
    /// Everything.
    Torrent(Box<Metainfo>),
    /// What a link says.
    Link(Magnet),
}

impl Subject {
    pub(crate) fn hashes(&self) -> InfoHashes {
        match self {
            Subject::Torrent(metainfo) => metainfo.info.info_hashes(),
            Subject::Link(link) => link.hashes,
        }
    }
}

impl Add {
    /// The torrent in a .torrent file.
    ///
    /// # Errors
    /// [`Error::File`], [`Error::Torrent`]; [`Error::Unsupported`] if it is of version 2 alone.
    pub fn file(path: impl AsRef<Path>) -> Result<Add, Error> {
        let path = path.as_ref();
        let bytes = read_bounded(path, tide_metainfo::Limits::default().bytes);
        Add::bytes(&bytes.map_err(|source| Error::File { path: path.to_owned(), source })?)
    }

    /// The torrent in the bytes of a .torrent file.
    ///
    /// # Errors
    /// [`Error::Torrent`]; [`Error::Unsupported`] if it is of version 2 alone.
    ///
    /// ```
    /// let v2 = b"d4:infod9:file treede12:meta versioni2e4:name1:x12:piece lengthi16384eee";
    /// assert!(matches!(tide::Add::bytes(v2), Err(tide::Error::Unsupported(_))));
    /// assert!(matches!(tide::Add::bytes(b"no torrent"), Err(tide::Error::Torrent(_))));
    /// ```
    pub fn bytes(bytes: &[u8]) -> Result<Add, Error> {
        Ok(Add::metainfo(Metainfo::parse(bytes, &tide_metainfo::Limits::default())?))
    }

    /// A torrent that has been read already.
    pub fn metainfo(metainfo: Metainfo) -> Add {
        Add::of(Subject::Torrent(Box::new(metainfo)))
    }

    /// The torrent that a magnet link names. It is there at once; what it contains comes from peers, who are found by
    /// the link's trackers and peers and by [`peer`](Self::peer): until then its state is
    /// [`State::Metadata`](crate::State::Metadata), and [`Happening::Metadata`](crate::Happening::Metadata) says when
    /// it has come.
    ///
    /// ```
    /// let link = "magnet:?xt=urn:btih:0123456789abcdef0123456789abcdef01234567&dn=example";
    /// assert_eq!(tide::Add::magnet(link)?.dir("downloads").name(), Some("example"));
    /// # Ok::<(), tide::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Magnet`]; [`Error::Unsupported`] if it has a v2 info-hash and no other.
    pub fn magnet(link: &str) -> Result<Add, Error> {
        Add::link(link.parse()?)
    }

    /// The same for a link that has been read already.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if it has a v2 info-hash and no other.
    pub fn link(link: Magnet) -> Result<Add, Error> {
        match link.hashes.v1 {
            Some(_) => Ok(Add::of(Subject::Link(link))),
            None => Err(Error::Unsupported(V2_ONLY)),
        }
    }

    /// The torrent with this info-hash, of which nothing else is known.
    pub fn hash(hash: InfoHash) -> Add {
        Add::of(Subject::Link(Magnet { hashes: InfoHashes::v1(hash), ..Magnet::default() }))
    }

    fn of(subject: Subject) -> Add {
        Add {
            trackers: None,
            subject,
            dir: PathBuf::from("."),
            select: None,
            choose: false,
            priorities: None,
            peers: Vec::new(),
            paused: None,
            check: Check::Resume,
            sequential: None,
            limits: None,
        }
    }

    /// What the torrent says of itself; nothing if it is named by a link.
    pub fn torrent(&self) -> Option<&Metainfo> {
        match &self.subject {
            Subject::Torrent(metainfo) => Some(metainfo),
            Subject::Link(_) => None,
        }
    }

    /// Its identities, as far as they are known.
    pub fn info_hashes(&self) -> InfoHashes {
        self.subject.hashes()
    }

    /// Its name, if that is known.
    pub fn name(&self) -> Option<&str> {
        match &self.subject {
            Subject::Torrent(metainfo) => Some(metainfo.info.name()),
            Subject::Link(link) => link.name.as_deref(),
        }
    }

    /// The trackers that the torrent or the link names, in tiers; each of a link's is a tier of its own.
    pub fn own_trackers(&self) -> Vec<Vec<String>> {
        match &self.subject {
            Subject::Torrent(metainfo) => metainfo.trackers.clone(),
            Subject::Link(link) => link.trackers.iter().map(|url| vec![url.clone()]).collect(),
        }
    }

    /// The folder that holds, or will hold, the content. Default: the current one.
    #[must_use]
    pub fn dir(mut self, dir: impl Into<PathBuf>) -> Add {
        self.dir = dir.into();
        self
    }

    /// Only these files, by their numbers from zero; numbers that no file has are ignored. Default: as resume data say, or
    /// else all, or those that a link names (BEP 53). What [`priorities`](Self::priorities) says counts for more.
    #[must_use]
    pub fn select(mut self, files: impl IntoIterator<Item = usize>) -> Add {
        self.select = Some(files.into_iter().collect());
        self
    }

    /// Wait for [`Torrent::resume`](crate::Torrent::resume) as soon as the files are known, so that
    /// [`Torrent::set_priorities`](crate::Torrent::set_priorities) can choose some before any is fetched. Connections
    /// stay meanwhile. What is known already is added [paused](Self::paused).
    #[must_use]
    pub fn choose_files(mut self) -> Add {
        self.choose = true;
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
        let own = self.own_trackers();
        self.trackers.get_or_insert(own).push(vec![url.into()]);
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

/// The priorities of `files` files of which only these are wanted.
pub(crate) fn selection(select: &[usize], files: usize) -> Vec<u8> {
    let mut priorities = vec![0; files];
    for &file in select {
        if let Some(priority) = priorities.get_mut(file) {
            *priority = NORMAL;
        }
    }
    priorities
}
