//! What an application asks of the engine, and the answers.

use core::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tide_base::{Duration, InfoHashes, Instant, Layout, PeerId, WallClock};
use tide_disk::{Allocation, Backing, FileTable, StoreKey, Trouble, VolumeId};
use tide_metainfo::HostPort;

use crate::facts::Facts;
use crate::id::TorrentKey;
use crate::session::dht::words::{DhtAnswer, DhtCommand, DhtSetup};
use crate::stats::{FileInfo, PeerInfo, PieceInfo, SessionStats, TorrentStats, TrackerInfo};
use crate::torrent::picker::Factory;

/// Names a command until its reply.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CommandId(pub u64);

/// What an application wants.
#[derive(Debug)]
pub enum Command {
    /// Take a torrent in. Goes to the shard that shall be its home. Answer: [`Answer::Added`].
    Add(Box<AddTorrent>),
    /// Something about one torrent. Goes to its home shard.
    Torrent(TorrentKey, TorrentCommand),
    /// New limits for the whole session. Goes to shard 0.
    SetLimits(RateLimits),
    /// Figures of the whole session, as far as this shard knows them; the asker adds the shards up. Answer: [`Answer::Session`].
    SessionStats,
    /// Something of the DHT. Goes to shard 0. Answer: [`Answer::Dht`], within a minute.
    Dht(DhtCommand),
    /// End: announce `stopped`, write resume data, close everything, within the budget; then
    /// [`Output::Finished`](crate::Output::Finished). Goes to every shard.
    Shutdown(Duration),
}

/// What an application wants of one torrent.
#[derive(Debug)]
pub enum TorrentCommand {
    /// Forget it; the answer comes when nothing of it is outstanding.
    Remove(Content),
    /// Stop transferring; stay known.
    Pause,
    /// Go on, also after trouble.
    Resume,
    /// Hash everything that is there.
    Recheck,
    /// Move the content below another folder. Answered when it lies there, or is where it was.
    Move {
        /// The folder.
        to: PathBuf,
        /// Its volume.
        volume: VolumeId,
    },
    /// Announce to all trackers as soon as their minimum intervals allow.
    Reannounce,
    /// Ask the trackers for the swarm's numbers (BEP 48); they are in [`TorrentCommand::Trackers`] when they come.
    Scrape,
    /// Add a tracker as a new tier at the end.
    AddTracker(String),
    /// Remove a tracker from all tiers.
    RemoveTracker(String),
    /// Meet these peers.
    AddPeers(Vec<SocketAddr>),
    /// New limits for this torrent.
    SetLimits(RateLimits),
    /// New priorities, one a file: 0 is unwanted, 1 … 7 ascending. Missing ones stay.
    SetPriorities(Vec<u8>),
    /// Pieces in order, or rarest first.
    SetSequential(bool),
    /// What is sought of it has been found elsewhere, in a .torrent file for one: peers are not asked any more. Nothing to
    /// do if the metadata is known. That it has the torrent's info-hash, whoever says this has seen to.
    Learn {
        /// What the info dictionary says.
        facts: Box<Facts>,
        /// Where the content is on the web (BEP 19), if the torrent knows of no such place.
        web_seeds: Vec<String>,
    },
    /// Answer: [`Answer::Stats`].
    Stats,
    /// Answer: [`Answer::Peers`].
    Peers,
    /// Answer: [`Answer::Pieces`].
    Pieces,
    /// Answer: [`Answer::Files`].
    Files,
    /// Answer: [`Answer::Trackers`].
    Trackers,
    /// Answer: [`Answer::Metainfo`].
    Metainfo,
}

/// What becomes of a removed torrent's content.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Content {
    /// It stays, and so does nothing else: resume data go.
    Keep,
    /// It is deleted. What cannot be is left where it is, and the removal is answered with the trouble.
    Delete,
}

/// Bytes a second, `None` without limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RateLimits {
    /// What may come in.
    pub down: Option<u64>,
    /// What may go out.
    pub up: Option<u64>,
}

/// A torrent to be taken in. What is `None` of what can be changed later is not said: it is as resume data tell, which
/// is as it was when they were written; and without them as it is by default.
#[derive(Clone, Debug)]
pub struct AddTorrent {
    /// Which torrent.
    pub info_hashes: InfoHashes,
    /// What is known of it. Of one whose metadata is sought, the files are none, the layout is [`Layout::UNKNOWN`], and
    /// there are no hashes.
    pub metadata: Metadata,
    /// For people.
    pub name: String,
    /// The files.
    pub files: Arc<FileTable>,
    /// The pieces, in blocks of the session's block length.
    pub layout: Layout,
    /// SHA-1 of each piece, 20 bytes each, in order.
    pub piece_hashes: Arc<[u8]>,
    /// Whether peers may be learnt from trackers only (BEP 27).
    pub private: bool,
    /// The URLs of the torrent's own trackers, in tiers (BEP 12).
    pub own_trackers: Vec<Vec<String>>,
    /// The URLs of the trackers to be used, in tiers. Default: the torrent's own.
    pub trackers: Option<Vec<Vec<String>>>,
    /// Where the content is on the web (BEP 19): kept for the .torrent file, and not asked.
    pub web_seeds: Vec<String>,
    /// The storage's name, unique in the session.
    pub store: StoreKey,
    /// The device of `root`.
    pub volume: VolumeId,
    /// The folder of the content.
    pub root: PathBuf,
    /// The resume file; `None` for none.
    pub resume: Option<PathBuf>,
    /// The file for what falls on unwanted files; `None` keeps it in memory.
    pub aside: Option<PathBuf>,
    /// Which medium.
    pub backing: Backing,
    /// How space comes to be.
    pub allocation: Allocation,
    /// One a file: 0 is unwanted, 1 … 7 ascending. Missing ones are 4. Default: all are. If the metadata is sought, those
    /// beyond the last file count for nothing.
    pub priorities: Option<Vec<u8>>,
    /// Pieces in order, or rarest first. Default: rarest first.
    pub sequential: Option<bool>,
    /// Whether to wait for [`TorrentCommand::Resume`] after checking. Default: no.
    pub paused: Option<bool>,
    /// How far to believe what is there.
    pub check: Check,
    /// Peers to meet at once.
    pub peers: Vec<SocketAddr>,
    /// Nodes of the DHT that the torrent names (BEP 5).
    pub nodes: Vec<HostPort>,
    /// Limits of this torrent. Default: none.
    pub limits: Option<RateLimits>,
}

impl AddTorrent {
    /// A torrent of which nothing is known but its info-hash: public, found by whoever is met, in files below `root` on
    /// the first volume, storage 0, no resume data. What else is to be so, whoever adds it changes.
    pub fn plain(info_hashes: InfoHashes, root: PathBuf) -> AddTorrent {
        AddTorrent {
            info_hashes,
            metadata: Metadata::Sought { named: Vec::new(), select: None, then: Then::Transfer },
            name: String::new(),
            files: Arc::new(FileTable::new(Vec::new())),
            layout: Layout::UNKNOWN,
            piece_hashes: Arc::from([]),
            private: false,
            own_trackers: Vec::new(),
            trackers: None,
            web_seeds: Vec::new(),
            store: StoreKey(0),
            volume: VolumeId(0),
            root,
            resume: None,
            aside: None,
            backing: Backing::File,
            allocation: Allocation::Sparse,
            priorities: None,
            sequential: None,
            paused: None,
            check: Check::Resume,
            peers: Vec::new(),
            nodes: Vec::new(),
            limits: None,
        }
    }

    /// Takes over what the info dictionary says: from now on everything is known.
    pub fn learn(&mut self, facts: Facts) {
        self.info_hashes = facts.info_hashes;
        self.metadata = Metadata::Known(facts.metadata);
        self.name = facts.name;
        self.files = facts.files;
        self.layout = facts.layout;
        self.piece_hashes = facts.piece_hashes;
        self.private = facts.private;
    }

    /// The trackers to be used, as far as is known.
    pub fn tiers(&self) -> &[Vec<String>] {
        self.trackers.as_ref().unwrap_or(&self.own_trackers)
    }

    /// The trackers to be used, to be changed; from now on they are said.
    pub fn tiers_mut(&mut self) -> &mut Vec<Vec<String>> {
        self.trackers.get_or_insert_with(|| self.own_trackers.clone())
    }

    /// Whether pieces are fetched in order.
    pub fn is_sequential(&self) -> bool {
        self.sequential.unwrap_or(false)
    }

    /// Whether to wait.
    pub fn is_paused(&self) -> bool {
        self.paused.unwrap_or(false)
    }

    /// The torrent's own limits.
    pub fn rate_limits(&self) -> RateLimits {
        self.limits.unwrap_or_default()
    }
}

/// What is known of a torrent (BEP 9).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Metadata {
    /// Its info dictionary, which peers are served unless it is private.
    Known(Arc<[u8]>),
    /// What the info dictionary says, and not the dictionary: nobody can be served it.
    Withheld,
    /// Nothing but the info-hash, as a magnet link has it: the rest is fetched from peers.
    Sought {
        /// The files that the link names, by number (BEP 53): these are wanted if neither whoever adds it nor resume data
        /// say anything else; all if there is none.
        named: Vec<u32>,
        /// The files that are wanted, by number, whatever the link and resume data say. Explicit priorities count for more.
        select: Option<Vec<u32>>,
        /// What to do once it is here.
        then: Then,
    },
}

/// What follows when a torrent's metadata has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Then {
    /// Checking and transfer.
    #[default]
    Transfer,
    /// Checking; then it waits for [`TorrentCommand::Resume`], so that files can be chosen before any is fetched.
    Wait,
}

/// How far to believe what is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Check {
    /// Trust resume data as far as they go; hash the rest of what is there.
    #[default]
    Resume,
    /// Hash everything, whatever resume data say.
    Full,
    /// Take everything of the right size for right (to seed at once).
    Skip,
}

/// The answer to a command.
pub type Reply = Result<Answer, CommandError>;

/// What came of a command that did not fail.
#[derive(Debug)]
pub enum Answer {
    /// The torrent is known.
    Added(TorrentKey),
    /// It is so.
    Ok,
    /// The torrent's figures.
    Stats(Box<TorrentStats>),
    /// The connected peers.
    Peers(Vec<PeerInfo>),
    /// The pieces.
    Pieces(PieceInfo),
    /// The files.
    Files(Vec<FileInfo>),
    /// The trackers.
    Trackers(Vec<TrackerInfo>),
    /// The bytes of a .torrent file, if the metadata is here.
    Metainfo(Option<Vec<u8>>),
    /// This shard's part of the session's figures.
    Session(SessionStats),
    /// What the DHT says.
    Dht(DhtAnswer),
}

/// Why a command was not carried out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CommandError {
    /// No such torrent, or not any more.
    Gone,
    /// The torrent is known already.
    Duplicate(TorrentKey),
    /// The value given breaks a rule; which one.
    Invalid(&'static str),
    /// A bound of the session is reached; which one.
    Full(&'static str),
    /// The disk said no.
    Trouble(Trouble),
    /// The session is ending.
    Ending,
    /// The session takes no part in the DHT, or has no socket for it.
    NoDht,
    /// No node of the DHT answered.
    NoNodes,
}

impl core::fmt::Display for CommandError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            CommandError::Gone => f.write_str("no such torrent"),
            CommandError::Duplicate(_) => f.write_str("the torrent has been added already"),
            CommandError::Invalid(rule) => write!(f, "not valid: {rule}"),
            CommandError::Full(bound) => write!(f, "limit reached: {bound}"),
            CommandError::Trouble(trouble) => trouble.fmt(f),
            CommandError::Ending => f.write_str("the session is ending"),
            CommandError::NoDht => f.write_str("the session takes no part in the DHT"),
            CommandError::NoNodes => f.write_str("no node of the DHT answered"),
        }
    }
}

/// How an engine is set up; a value, so that a simulation can draw one from a seed.
#[derive(Clone, Debug)]
pub struct Setup {
    /// How many shards there are.
    pub shards: u16,
    /// Seed of all randomness, the same for every shard.
    pub seed: u64,
    /// By which we call ourselves.
    pub peer_id: PeerId,
    /// For trackers, to know us again when our address changes (BEP 7).
    pub tracker_key: u32,
    /// What we call ourselves in extension handshakes and HTTP requests.
    pub client: String,
    /// The session's limits on rates.
    pub rates: RateLimits,
    /// Every other bound.
    pub limits: crate::limits::Limits,
    /// When the time line began, for dates in files.
    pub epoch: WallClock,
    /// The port to tell trackers if it is not the one listened on.
    pub announce_port: Option<u16>,
    /// Whether trackers are asked at all.
    pub trackers: bool,
    /// How peers are looked for on the local network (BEP 14); `None` for not at all.
    pub local: Option<tide_local::limits::Limits>,
    /// How gateways are asked to open our ports; `None` for not at all.
    pub mapping: Option<tide_portmap::limits::Limits>,
    /// How the session takes part in the DHT; `None`: not at all.
    pub dht: Option<DhtSetup>,
    /// Whether peers are told of each other (BEP 11); never those of private torrents.
    pub pex: bool,
    /// Makes the pickers of torrents that are not fetched in order; `None` is the rarest piece first.
    pub picker: Option<Factory>,
    /// The first moment.
    pub now: Instant,
}

impl Setup {
    /// An engine of `shards` shards that nobody has set up in any other way.
    pub fn plain(shards: u16) -> Setup {
        Setup {
            shards,
            seed: 0,
            peer_id: tide_peer::client::our_id([0; 12]),
            tracker_key: 0,
            client: "tide".to_owned(),
            rates: RateLimits::default(),
            limits: crate::limits::Limits::default(),
            epoch: WallClock(0),
            announce_port: None,
            trackers: true,
            local: None,
            mapping: None,
            dht: None,
            pex: true,
            picker: None,
            now: Instant::ZERO,
        }
    }
}
