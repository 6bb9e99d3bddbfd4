//! What an application should know without asking.

use tide_base::{Duration, InfoHashes};
use tide_disk::Trouble;

use crate::id::TorrentKey;

/// Something happened to a torrent. Whoever keeps events for the application keeps at most the newest of each
/// `(torrent, kind)`: each is a snapshot that makes an older one of its kind pointless.
#[derive(Clone, Debug)]
pub struct Event {
    /// To which torrent.
    pub torrent: TorrentKey,
    /// Its identity, for readers that do not keep keys.
    pub info_hashes: InfoHashes,
    /// What.
    pub what: Happening,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Happening {
    /// The torrent is known; checking begins.
    Added {
        /// For people.
        name: String,
        /// Bytes in all files; 0 if the metadata is sought.
        size: u64,
        /// Pieces in all; 0 if the metadata is sought.
        pieces: u32,
    },
    /// The metadata has come (BEP 9): files can be chosen.
    Metadata {
        /// For people.
        name: String,
        /// Bytes in all files.
        size: u64,
        /// Pieces in all.
        pieces: u32,
        /// Files in all, padding included.
        files: u32,
    },
    /// What is there is being hashed.
    Checking {
        /// Pieces looked at.
        done: u32,
        /// Pieces to look at.
        total: u32,
    },
    /// Checking is over; transfer begins.
    Started {
        /// Bytes of wanted pieces that are here.
        done: u64,
        /// Bytes of wanted pieces.
        total: u64,
    },
    /// Everything wanted is verified and written. It is told again if something was lost or more was wanted meanwhile.
    Complete {
        /// Bytes of wanted pieces.
        bytes: u64,
        /// Content bytes that came in for it, ever.
        downloaded: u64,
        /// Since the torrent was added to this session.
        took: Duration,
    },
    /// The torrent has all it wants and serves it.
    Seeding,
    /// The torrent waits for a person.
    Paused,
    /// The files made trouble; the torrent waits as [`TroubleKind::retry`](tide_disk::TroubleKind::retry) says. If the
    /// same trouble comes again when it tries again by itself, that is not told again.
    Stopped(Trouble),
    /// The trouble is over: the torrent starts.
    Recovered,
    /// Content lies at another place now.
    Moved,
    /// A tracker has something to say to people, or failed.
    Tracker {
        /// Which, without secrets.
        url: String,
        /// What it says, or what went wrong.
        message: String,
        /// Whether the announce failed.
        failed: bool,
    },
    /// A peer was banned for bad data.
    Banned(core::net::IpAddr),
    /// The torrent is gone; nothing of it is outstanding.
    Removed,
}

/// A kind of event: at most one of each is kept a torrent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[expect(missing_docs, reason = "the kinds of `Happening`, name for name")]
pub enum Kind {
    Added,
    Checking,
    Started,
    Complete,
    Seeding,
    Paused,
    Stopped,
    Recovered,
    Moved,
    Tracker,
    Banned,
    Removed,
    Metadata,
}

impl Happening {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Happening::Added { .. } => Kind::Added,
            Happening::Metadata { .. } => Kind::Metadata,
            Happening::Checking { .. } => Kind::Checking,
            Happening::Started { .. } => Kind::Started,
            Happening::Complete { .. } => Kind::Complete,
            Happening::Seeding => Kind::Seeding,
            Happening::Paused => Kind::Paused,
            Happening::Stopped(_) => Kind::Stopped,
            Happening::Recovered => Kind::Recovered,
            Happening::Moved => Kind::Moved,
            Happening::Tracker { .. } => Kind::Tracker,
            Happening::Banned(_) => Kind::Banned,
            Happening::Removed => Kind::Removed,
        }
    }
}
