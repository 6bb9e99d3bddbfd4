//! Figures for people and programs: snapshots, by value.

use core::net::{IpAddr, SocketAddr};

use tide_base::{Bits, Duration, InfoHashes, PeerId};
use tide_disk::Trouble;
use tide_portmap::{Protocol, Way};

use crate::faults::Faults;

/// What a torrent is doing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum State {
    /// Opening its storage and reading resume data.
    Opening,
    /// Asking peers for the metadata (BEP 9).
    Metadata,
    /// Hashing what is there.
    Checking,
    /// Wanting pieces.
    Downloading,
    /// Having all that is wanted.
    Seeding,
    /// Told to wait.
    Paused,
    /// Stopped by trouble with its files.
    Stopped,
    /// Moving its content.
    Moving,
    /// On its way out.
    Leaving,
}

impl State {
    /// A word for programs.
    pub fn name(self) -> &'static str {
        match self {
            State::Opening => "opening",
            State::Metadata => "metadata",
            State::Checking => "checking",
            State::Downloading => "downloading",
            State::Seeding => "seeding",
            State::Paused => "paused",
            State::Stopped => "stopped",
            State::Moving => "moving",
            State::Leaving => "leaving",
        }
    }
}

/// Figures of one torrent.
#[derive(Clone, Debug)]
pub struct TorrentStats {
    /// Which torrent.
    pub info_hashes: InfoHashes,
    /// For people.
    pub name: String,
    /// What it is doing.
    pub state: State,
    /// While the metadata is sought: how far that is.
    pub metadata: Option<MetadataInfo>,
    /// Bytes in all files.
    pub size: u64,
    /// Bytes in the wanted pieces.
    pub wanted: u64,
    /// Bytes of wanted pieces that are here, verified and written.
    pub done: u64,
    /// Pieces in all.
    pub pieces: u32,
    /// Pieces here.
    pub pieces_done: u32,
    /// While checking: pieces looked at.
    pub checked: u32,
    /// While checking: pieces to look at.
    pub to_check: u32,
    /// Content bytes that came in, ever.
    pub downloaded: u64,
    /// Content bytes that went out, ever.
    pub uploaded: u64,
    /// Content bytes that came in and were wrong, ever.
    pub corrupt: u64,
    /// Content bytes that came in and were not needed, since it was added: resume data do not tell.
    pub wasted: u64,
    /// Content bytes a second in.
    pub down_rate: u64,
    /// Content bytes a second out.
    pub up_rate: u64,
    /// Connected peers.
    pub peers: u32,
    /// Connected peers that have everything.
    pub seeds: u32,
    /// Connections being made.
    pub connecting: u32,
    /// Peers known by address.
    pub known: u32,
    /// Peers that we serve at the moment.
    pub unchoked: u32,
    /// Copies of the rarest piece among the connected peers, and the part of pieces with more, in thousandths.
    pub copies: (u32, u32),
    /// How long until everything wanted is here at this rate; `None` if that is never, or not known, as while the
    /// metadata is sought.
    pub eta: Option<Duration>,
    /// What stopped it, until it starts again or somebody has it go on.
    pub trouble: Option<Trouble>,
}

/// How far the search for metadata is (BEP 9).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MetadataInfo {
    /// Connected peers that say they have it.
    pub peers: u32,
    /// Pieces of it that are here, of the attempt that has most.
    pub got: u32,
    /// Pieces of it in all, as that attempt's peers say; 0 before anybody says anything.
    pub pieces: u32,
}

/// One connected peer.
#[derive(Clone, Debug)]
pub struct PeerInfo {
    /// Its address.
    pub addr: SocketAddr,
    /// What it calls itself.
    pub peer_id: PeerId,
    /// Its program, as far as it says.
    pub client: String,
    /// Whether we made the connection.
    pub outgoing: bool,
    /// We do not serve it.
    pub choked: bool,
    /// It wants something we have.
    pub interested: bool,
    /// It does not serve us.
    pub choking: bool,
    /// We want something it has.
    pub interesting: bool,
    /// It served nothing though we asked and it may.
    pub snubbed: bool,
    /// It has been unchoked to get to know it.
    pub optimistic: bool,
    /// It has everything, or wants nothing.
    pub seed: bool,
    /// Thousandths of the torrent it has.
    pub progress: u16,
    /// Content bytes a second from it.
    pub down_rate: u64,
    /// Content bytes a second to it.
    pub up_rate: u64,
    /// Content bytes from it.
    pub downloaded: u64,
    /// Content bytes to it.
    pub uploaded: u64,
    /// Blocks we wait for.
    pub asked: u32,
    /// Blocks it waits for.
    pub wanted: u32,
}

/// The pieces of a torrent.
#[derive(Clone, Debug)]
pub struct PieceInfo {
    /// The pieces that are here.
    pub have: Bits,
    /// The pieces that are wanted.
    pub wanted: Bits,
    /// The pieces under way.
    pub active: Bits,
    /// For each piece, how many connected peers have it.
    pub copies: Vec<u32>,
}

/// One file of a torrent.
#[derive(Clone, Debug)]
pub struct FileInfo {
    /// Its path below the folder of the content.
    pub path: std::path::PathBuf,
    /// Its length.
    pub size: u64,
    /// Bytes of it that are here, verified and written.
    pub done: u64,
    /// 0 is unwanted.
    pub priority: u8,
    /// Whether it is padding (BEP 47).
    pub padding: bool,
}

/// One tracker of a torrent.
#[derive(Clone, Debug)]
pub struct TrackerInfo {
    /// Its URL, without secrets.
    pub url: String,
    /// Its tier, from 0.
    pub tier: u32,
    /// Whether its last announce was answered.
    pub working: bool,
    /// Whether an announce is under way.
    pub announcing: bool,
    /// Failures since the last success.
    pub fails: u32,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// What it wants people to know.
    pub warning: Option<String>,
    /// How long until the next announce.
    pub next_announce: Option<Duration>,
    /// Seeds it knows.
    pub seeds: Option<u32>,
    /// Leechers it knows.
    pub leechers: Option<u32>,
    /// Downloads it has counted.
    pub downloads: Option<u32>,
}

/// How the world sees and reaches a session, as far as that is known.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Reachable {
    /// Our IPv4 address, as most of those say who can know.
    pub external_v4: Option<IpAddr>,
    /// Our IPv6 address, likewise.
    pub external_v6: Option<IpAddr>,
    /// The ports that gateways have opened.
    pub mapped: Vec<MappedPort>,
    /// Why a port that is wanted is not open: the last reason that a gateway gave. Nothing while all are.
    pub trouble: Option<String>,
}

/// A port that a gateway has opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MappedPort {
    /// What it is a port of.
    pub protocol: Protocol,
    /// Our end.
    pub internal: SocketAddr,
    /// The gateway's outer address, if it tells one. A local one means that there is another gateway behind.
    pub external_ip: Option<IpAddr>,
    /// The gateway's outer port.
    pub external_port: u16,
    /// Which gateway.
    pub gateway: IpAddr,
    /// How it was asked.
    pub way: Way,
}

/// Figures of a shard, or added up, of a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SessionStats {
    /// Torrents.
    pub torrents: u32,
    /// Connections to peers that have shaken hands.
    pub peers: u32,
    /// Connections being made or shaking hands.
    pub half_open: u32,
    /// Content bytes in, since the start.
    pub downloaded: u64,
    /// Content bytes out, since the start.
    pub uploaded: u64,
    /// Bytes of memory held for blocks under way.
    pub memory: u64,
    /// Turns taken.
    pub turns: u64,
    /// Which rules peers broke, and how often.
    pub faults: Faults,
    /// Nodes of the DHT that answered lately; none if the session takes no part in it.
    pub dht_nodes: u32,
}
