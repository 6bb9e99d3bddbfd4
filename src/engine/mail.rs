//! What torrents, crews and the session's shared parts say to one another: plain data, first in first out between any
//! two shards, and in no other order.
//!
//! A torrent lives on its home shard; its crew on a shard holds the peers that this shard's sockets reach. They are
//! neighbours at first and write the same letters all the same, so that a crew elsewhere is only another address.

use core::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tide_base::{Bits, BlockIndex, InfoHash, Instant, Layout, PieceIndex, ShardId};
use tide_disk::{StoreKey, Trouble, VolumeId};
use tide_peer::{Fault, Offers};
use tide_tracker::{Announce, Error as AnnounceError, Family, TrackerUrl};

use crate::border::NetError;
use crate::command::RateLimits;
use crate::desk::gates::LeaseRef;
use crate::desk::purse::{Need, Resource, Stock};
use crate::id::{PeerKey, TorrentKey};
use crate::session::dht::words::ToDht;
use crate::stats::PeerInfo;
use crate::torrent::book::Sources;

/// Mail from one shard to another, or within one.
#[derive(Debug)]
pub enum Mail {
    /// A crew tells its torrent.
    ToTorrent {
        /// The torrent.
        torrent: TorrentKey,
        /// The crew's shard.
        crew: ShardId,
        /// What.
        what: ToTorrent,
    },
    /// A torrent tells one of its crews.
    ToCrew {
        /// The torrent.
        torrent: TorrentKey,
        /// What.
        what: ToCrew,
    },
    /// A shard tells the session's parts on shard 0.
    ToSession {
        /// The shard.
        from: ShardId,
        /// What.
        what: ToSession,
    },
    /// The session's parts tell a shard.
    FromSession(FromSession),
}

/// What a crew tells its torrent.
#[derive(Debug)]
pub enum ToTorrent {
    /// A peer has shaken hands.
    Joined(Box<Joined>),
    /// A peer is gone, or a dial came to nothing.
    Left {
        /// The peer.
        peer: PeerKey,
        /// The address that the torrent gave, or that the peer came from.
        addr: SocketAddr,
        /// How it ended.
        end: End,
        /// Content bytes that it gave.
        gave: u64,
    },
    /// A peer has more, or less, than it had.
    Copies {
        /// The peer.
        peer: PeerKey,
        /// What changed.
        change: Copies,
    },
    /// A peer's client told where it listens.
    Listens {
        /// The peer's connection.
        peer: PeerKey,
        /// Where others can reach it.
        at: SocketAddr,
    },
    /// A peer began or ceased to want something of us.
    Interested {
        /// The peer.
        peer: PeerKey,
        /// Whether it does now.
        interested: bool,
    },
    /// A peer has room for more requests than the leased pieces have blocks.
    Demand {
        /// The peer.
        peer: PeerKey,
        /// What may be asked of it: all it has, or while it chokes us what it allows.
        has: Arc<Bits>,
        /// Whether that is less than what it has.
        choked: bool,
        /// How many pieces would fill it.
        pieces: u32,
    },
    /// A piece is whole and hashed.
    Judge {
        /// Which lease.
        lease: LeaseRef,
        /// Its SHA-1.
        digest: [u8; 20],
        /// Who sent what of it.
        senders: Vec<Sender>,
    },
    /// The blocks of a judged piece are hashed.
    Blocks {
        /// Which lease.
        lease: LeaseRef,
        /// Whether the piece is good.
        good: bool,
        /// SHA-1 of each block.
        digests: Vec<[u8; 20]>,
        /// Who sent what of it.
        senders: Vec<Sender>,
    },
    /// A verified piece is written.
    Stored(LeaseRef),
    /// The crew gives a lease back without the piece.
    Returned(LeaseRef),
    /// Rates of the members, as asked for by [`ToCrew::Report`].
    Rates(Vec<MemberRates>),
    /// Bytes that went by since the last time.
    Traffic(Traffic),
    /// The files made trouble.
    Trouble(Trouble),
    /// Nothing of the crew is left.
    Disbanded,
    /// The answer to [`ToCrew::Inspect`].
    Members {
        /// The asker's number.
        id: u64,
        /// The members.
        peers: Vec<PeerInfo>,
    },
    /// A peer says something of the metadata that is sought (BEP 9).
    Metadata {
        /// The peer.
        peer: PeerKey,
        /// What.
        said: Said,
    },
    /// Somebody told of peers. Sent by the crew, or by the session's parts in its place.
    Found {
        /// Who told of them.
        source: Sources,
        /// Where they listen, as they say.
        peers: Vec<SocketAddr>,
    },
    /// What a tracker said. Sent by the session's announcer in place of a crew.
    Announced(Box<Announced>),
}

/// A peer has shaken hands.
#[derive(Debug)]
pub struct Joined {
    /// The peer.
    pub peer: PeerKey,
    /// Where it is connected from, or where it was dialled.
    pub addr: SocketAddr,
    /// What it calls itself.
    pub peer_id: tide_base::PeerId,
    /// Whether we dialled.
    pub outgoing: bool,
}

/// What changed in what a peer has.
#[derive(Clone, Debug)]
pub enum Copies {
    /// It has these pieces in addition.
    More(Arc<Bits>),
    /// It has one piece more.
    Have(PieceIndex),
    /// It has one piece less (BEP 54).
    Less(PieceIndex),
}

/// What a peer says of metadata (BEP 9).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Said {
    /// So many bytes it is.
    Size(u32),
    /// This is a piece that it was asked for.
    Piece {
        /// Which.
        piece: u32,
        /// Bytes of the whole, if it says.
        total: Option<u32>,
        /// The piece.
        bytes: Vec<u8>,
    },
    /// It does not send this piece.
    Refused(u32),
}

/// How a connection ended.
#[derive(Clone, Debug)]
pub enum End {
    /// It never stood.
    Failed(NetError),
    /// It was never dialled: no room, or we have met already.
    Spared,
    /// It stood, and broke or was closed by the peer.
    Lost(NetError),
    /// We closed it for our own reasons.
    Parted,
    /// We closed it because neither has anything that the other wants.
    Idle,
    /// We closed it because its address is banned.
    Banned,
    /// Hands were not shaken, or it was not even dialled, because its address is banned.
    Barred,
    /// The peer broke a rule.
    Fault(Fault),
}

/// Who sent which blocks of a piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    /// The peer's address.
    pub addr: SocketAddr,
    /// The blocks, ascending.
    pub blocks: Vec<BlockIndex>,
}

/// What the choker needs to know of a member.
#[derive(Clone, Debug)]
pub struct MemberRates {
    /// The peer.
    pub peer: PeerKey,
    /// Content bytes a second from it.
    pub down_rate: u64,
    /// Content bytes a second to it.
    pub up_rate: u64,
    /// Content bytes from it, ever.
    pub downloaded: u64,
    /// Content bytes to it, ever.
    pub uploaded: u64,
    /// Whether it left our requests unanswered.
    pub snubbed: bool,
    /// Whether it wants no content.
    pub upload_only: bool,
}

/// Content bytes that went by.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Traffic {
    /// In, asked for and needed.
    pub downloaded: u64,
    /// Out.
    pub uploaded: u64,
    /// In, and not needed.
    pub wasted: u64,
}

/// What a torrent tells a crew.
#[derive(Debug)]
pub enum ToCrew {
    /// Begin, or begin anew: what to know.
    Muster(Box<Muster>),
    /// What was not known when the crew was mustered: the torrent's pieces (BEP 9).
    Learn(Box<Muster>),
    /// The torrent turns out to be private (BEP 27); the rest follows.
    Hush,
    /// Ask a peer for a piece of metadata (BEP 9).
    AskMetadata {
        /// Whom.
        peer: PeerKey,
        /// For which.
        piece: u32,
    },
    /// Connect to a peer.
    Dial(SocketAddr),
    /// A piece to fetch.
    Lease {
        /// Which.
        lease: LeaseRef,
        /// The only peer that shall be asked for it, if any.
        alone: Option<PeerKey>,
        /// For whom it was demanded.
        peer: PeerKey,
        /// Whether no more come for this demand.
        last: bool,
    },
    /// There is no piece for this peer now.
    Barren {
        /// The peer.
        peer: PeerKey,
        /// Whether nothing at all is left to lease, so that what is under way may be asked for twice.
        endgame: bool,
    },
    /// Pieces may be had again: ask again for whom there was none.
    Fertile,
    /// The piece's hash is right or wrong.
    Verdict {
        /// Which lease.
        lease: LeaseRef,
        /// Whether it is right.
        good: bool,
        /// Whether the hash of each block is wanted, to find who is to blame.
        blocks: bool,
    },
    /// A lease is no longer wanted.
    Revoke(LeaseRef),
    /// These pieces are here: tell everybody.
    Have(Vec<PieceIndex>),
    /// Other pieces are missing now.
    Missing(Arc<Bits>),
    /// Serve these, and do not serve those.
    Serve {
        /// To be unchoked.
        unchoke: Vec<PeerKey>,
        /// To be choked.
        choke: Vec<PeerKey>,
        /// Unchoked to get to know it.
        optimistic: Option<PeerKey>,
    },
    /// Tell the members' rates.
    Report,
    /// Close the connections to this address, or this one connection.
    Drop(Whom),
    /// New limits.
    Limits(RateLimits),
    /// Tell about the members.
    Inspect(u64),
    /// Close everything, give everything back.
    Disband,
}

/// Whose connections.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Whom {
    /// All of this address.
    Ip(IpAddr),
    /// One.
    Peer(PeerKey),
    /// One that broke a rule which only the torrent could see.
    Culprit(PeerKey, Fault),
    /// All that have everything.
    Seeds,
}

/// What a crew must know to begin.
#[derive(Clone, Debug)]
pub struct Muster {
    /// The torrent's name on the wire.
    pub info_hash: InfoHash,
    /// The pieces; [`Layout::UNKNOWN`] while the metadata is sought.
    pub layout: Layout,
    /// The info dictionary, to be served (BEP 9).
    pub metadata: Option<Arc<[u8]>>,
    /// Which exchanges the members are offered.
    pub offers: Offers,
    /// Which are here.
    pub have: Bits,
    /// Which are missing and wanted.
    pub missing: Arc<Bits>,
    /// The storage.
    pub store: StoreKey,
    /// Its device.
    pub volume: VolumeId,
    /// The torrent's limits.
    pub limits: RateLimits,
    /// Whether its peers may come from trackers only (BEP 27), so that not even ways into the DHT are told.
    pub private: bool,
}

/// What shards tell the session's parts.
#[derive(Debug)]
pub enum ToSession {
    /// A torrent is at home here from now on.
    Listed(InfoHash, TorrentKey),
    /// A torrent is gone.
    Unlisted(InfoHash, TorrentKey),
    /// A share is too small.
    Ask(Need),
    /// A share will be too small soon: this much, if it is there.
    Hint(Stock, u64),
    /// A part of a share is not needed.
    Return(Resource, u64),
    /// The session's rates from now on.
    SetRates(RateLimits),
    /// An address did harm.
    Ban(IpAddr),
    /// A tracker is to be asked.
    Announce(Box<AnnounceJob>),
    /// A torrent has ended: its announces are not waited for.
    Forget(TorrentKey),
    /// A torrent looks for peers on the local network from now on.
    Near(InfoHash, TorrentKey),
    /// It does not any more.
    Far(InfoHash, TorrentKey),
    /// Somebody says what our address is.
    Seen {
        /// In which capacity.
        by: tide_portmap::Source,
        /// Who.
        voter: IpAddr,
        /// What it is.
        ip: IpAddr,
    },
    /// Something for the part in the DHT.
    Dht(ToDht),
}

/// What the session's parts tell shards.
#[derive(Debug)]
pub enum FromSession {
    /// A torrent is at home there.
    Listed(InfoHash, TorrentKey),
    /// A torrent is gone.
    Unlisted(InfoHash, TorrentKey),
    /// A share.
    Grant(Resource, u64),
    /// Others are short of this: give back what is not in use.
    Recall(Stock),
    /// The session's rates from now on.
    Rates(RateLimits),
    /// Do not talk to this address until then.
    Ban(IpAddr, Instant),
    /// How the world sees and reaches us.
    Outside(Outside),
}

/// How the world sees and reaches us, as far as a torrent needs to know.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Outside {
    /// Our IPv4 address.
    pub v4: Option<IpAddr>,
    /// Our IPv6 address.
    pub v6: Option<IpAddr>,
    /// The ports that gateways have opened for peers, over IPv4 and over IPv6.
    pub ports: [Option<u16>; 2],
    /// The ports that gateways have opened for datagrams.
    pub udp_ports: [Option<u16>; 2],
}

/// A tracker is to be asked.
#[derive(Debug)]
pub struct AnnounceJob {
    /// On whose behalf.
    pub torrent: TorrentKey,
    /// The torrent's own number of what it asks; comes back.
    pub number: u64,
    /// The torrent's own number of the tracker.
    pub tracker: tide_tracker::TrackerKey,
    /// Where it is.
    pub url: TrackerUrl,
    /// Over which family of addresses.
    pub family: Family,
    /// What to ask.
    pub question: Question,
}

/// What a tracker is asked.
#[derive(Debug)]
pub enum Question {
    /// For peers, and told about us.
    Announce(Box<Announce>),
    /// For the swarm's numbers alone (BEP 48).
    Scrape(InfoHash),
}

impl Question {
    /// What an announce tells; nothing for a scrape.
    pub fn event(&self) -> Option<tide_tracker::Event> {
        match self {
            Question::Announce(announce) => Some(announce.event),
            Question::Scrape(_) => None,
        }
    }
}

/// What a tracker said.
#[derive(Debug)]
pub struct Announced {
    /// The torrent's own number of what it asked.
    pub number: u64,
    /// The torrent's own number of the tracker.
    pub tracker: tide_tracker::TrackerKey,
    /// Over which family of addresses it was asked.
    pub family: Family,
    /// What it was told; nothing if it was scraped.
    pub event: Option<tide_tracker::Event>,
    /// The answer.
    pub result: Result<tide_tracker::Answer, AnnounceError>,
}
