//! What is said between an application and the session's part in the DHT.

use core::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use tide_base::InfoHash;
use tide_dht::{Contact, Item, Locals, NodeId, Reach, Samples, Stats, Swarm, Wanted};
use tide_disk::{Backing, VolumeId};
use tide_metainfo::HostPort;

use crate::id::TorrentKey;

/// How a session takes part in the DHT.
#[derive(Clone, Debug, Default)]
pub struct DhtSetup {
    /// Whom to ask while nobody else is known; 32 of them count.
    pub routers: Vec<HostPort>,
    /// Whether others can reach us (BEP 43).
    pub reach: Reach,
    /// What becomes of addresses of private networks.
    pub locals: Locals,
    /// Entropy for write tokens; without it they follow from the session's seed.
    pub secret: Option<[u8; 16]>,
    /// Where ids and nodes are remembered from one run to the next.
    pub state: Option<StateFile>,
    /// The node's bounds and habits.
    pub limits: tide_dht::Limits,
}

/// A file of the session's own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StateFile {
    /// Its path.
    pub path: PathBuf,
    /// The device that it is on.
    pub volume: VolumeId,
    /// On which medium.
    pub backing: Backing,
}

/// What an application wants of the DHT.
#[derive(Clone, Debug)]
pub enum DhtCommand {
    /// Who shares a torrent? Answer: [`DhtAnswer::Peers`].
    GetPeers(InfoHash),
    /// Tells the nodes closest to it that we share something, once. Answer: [`DhtAnswer::Peers`].
    Announce {
        /// What.
        info_hash: InfoHash,
        /// The port that peers reach us at; `None`: the one that the session's torrents are announced with.
        port: Option<u16>,
    },
    /// An item (BEP 44). Answer: [`DhtAnswer::Item`].
    Get(Wanted),
    /// Stores an item with the nodes closest to it, for two hours (BEP 44). Answer: [`DhtAnswer::Stored`].
    Put {
        /// The item.
        item: Box<Item>,
        /// Only over this version.
        cas: Option<i64>,
    },
    /// How many share a torrent (BEP 33)? Answer: [`DhtAnswer::Swarm`].
    Scrape(InfoHash),
    /// Which torrents does a node know (BEP 51)? Answer: [`DhtAnswer::Sampled`].
    Sample {
        /// The node.
        node: SocketAddr,
        /// Near which id it shall name further nodes.
        target: NodeId,
    },
    /// Answer: [`DhtAnswer::Stats`].
    Stats,
}

/// What came of a [`DhtCommand`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DhtAnswer {
    /// Who shares a torrent, as strangers say.
    Peers {
        /// Where they listen: at most [`peers_found`](tide_dht::Limits::peers_found), each once.
        peers: Vec<SocketAddr>,
        /// Nodes that took our announce.
        announced: usize,
    },
    /// The newest version of an item that was found, valid; `None` if nobody has it.
    Item(Option<Box<Item>>),
    /// An item was handed out.
    Stored {
        /// Nodes that took it.
        nodes: usize,
        /// The last refusal's code (BEP 44: 301 and 302 say that there is another or a newer version).
        refused: Option<i64>,
    },
    /// How many share a torrent; `None` if nobody who answered keeps count.
    Swarm(Option<Swarm>),
    /// What a node knows.
    Sampled {
        /// Some of its info-hashes; `None` if it does not know the question.
        samples: Option<Samples>,
        /// Nodes near the target, to go on with.
        nodes: Vec<Contact>,
    },
    /// Figures.
    Stats(Box<DhtStats>),
}

/// How the session takes part in the DHT.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DhtStats {
    /// Nodes that answered lately, of both families.
    pub nodes: u32,
    /// Whether the node has found its place in a network.
    pub joined: bool,
    /// Torrents that are announced.
    pub torrents: u32,
    /// Our addresses as other nodes see them: of IPv4 and of IPv6.
    pub external: [Option<IpAddr>; 2],
    /// The node's own figures.
    pub node: Stats,
}

/// How the tables of the session's part in the DHT stand.
#[derive(Clone, Debug)]
pub struct DhtSurvey {
    /// Figures.
    pub stats: DhtStats,
    /// The torrents that are announced.
    pub torrents: Vec<(TorrentKey, InfoHash)>,
    /// Lookups for torrents under way.
    pub under_way: usize,
    /// Queries of the application that are not answered.
    pub queries: usize,
    /// Bytes of memory that the node takes, about.
    pub memory: usize,
}

/// What others tell the session's part in the DHT.
#[derive(Debug)]
pub enum ToDht {
    /// This torrent is to be announced and its peers are to be looked for, from now on in this way.
    Seek {
        /// Which.
        torrent: TorrentKey,
        /// Its name on the wire.
        info_hash: InfoHash,
        /// In which way.
        wish: Wish,
    },
    /// This torrent is not announced any more.
    Cease(TorrentKey),
    /// A torrent that is no secret names these ways in.
    Nodes(Vec<HostPort>),
    /// A peer says that it is a node, too.
    Node(SocketAddr),
}

/// In which way a torrent is to be announced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wish {
    /// Whether we have all of it (BEP 33).
    pub is_seed: bool,
    /// Whether it misses peers, so that looking for them cannot wait until the next announce.
    pub is_hungry: bool,
}
