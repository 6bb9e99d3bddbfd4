//! What is asked of a tracker and what it answers, whatever carries it.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use tide_base::{Duration, InfoHash, PeerId};

/// Why a torrent announces itself (BEP 3).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub enum Event {
    /// Because the interval has passed.
    #[default]
    None,
    /// The first time.
    Started,
    /// The last time.
    Stopped,
    /// The download has become complete while running.
    Completed,
}

impl Event {
    /// HTTP's word; `None` has none and the parameter is left out.
    pub const fn word(self) -> Option<&'static str> {
        match self {
            Event::None => None,
            Event::Started => Some("started"),
            Event::Stopped => Some("stopped"),
            Event::Completed => Some("completed"),
        }
    }

    /// BEP 15's number.
    pub const fn code(self) -> u32 {
        match self {
            Event::None => 0,
            Event::Completed => 1,
            Event::Started => 2,
            Event::Stopped => 3,
        }
    }
}

/// One announce: what a torrent tells a tracker about itself (BEP 3, 7, 23).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Announce {
    /// Which torrent.
    pub info_hash: InfoHash,
    /// What we call ourselves.
    pub peer_id: PeerId,
    /// Where we accept peers; 0 if nowhere.
    pub port: u16,
    /// Payload bytes sent to peers since `started`.
    pub uploaded: u64,
    /// Payload bytes received from peers since `started`.
    pub downloaded: u64,
    /// Bytes that are missing, wanted or not. 0 makes us a seed; before the metadata is known, any other number will do.
    pub left: u64,
    /// Bytes of downloaded that failed their hash check.
    pub corrupt: u64,
    /// Why now.
    pub event: Event,
    /// A random number, the same in all announces of a torrent's session, by which a tracker knows us again when our
    /// address has changed, and IPv4 and IPv6 as one (BEP 7).
    pub key: u32,
    /// How many peers we want at most; 0 for none. [`Event::Stopped`] always asks for none.
    pub want: u32,
    /// What the tracker called us in its last reply, to be handed back (BEP 3, `trackerid`).
    pub tracker_id: Option<Box<[u8]>>,
    /// An IPv4 address to be listed under instead of the one the tracker sees. Discouraged; most trackers ignore it.
    pub ipv4: Option<Ipv4Addr>,
    /// An IPv6 address to be listed under besides. Discouraged; HTTP only.
    pub ipv6: Option<Ipv6Addr>,
}

impl Announce {
    /// How many peers to ask for: none when leaving.
    pub(crate) fn wanted(&self) -> u32 {
        if self.event == Event::Stopped { 0 } else { self.want }
    }
}

/// A tracker's answer to an announce. What it did not say is `None`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Reply {
    /// How long until it wants to hear of us again, as it said; the schedule brings it within bounds.
    pub interval: Option<Duration>,
    /// How long until it will hear of us again without taking offence.
    pub min_interval: Option<Duration>,
    /// Peers that have everything.
    pub seeds: Option<u32>,
    /// Peers that do not.
    pub leechers: Option<u32>,
    /// How often the torrent has been downloaded.
    pub downloads: Option<u32>,
    /// Addresses of peers, at most [`PEERS_MAX`](crate::limits::PEERS_MAX); unreachable ones (port 0, multicast) are
    /// left out, and we ourselves may be among them.
    pub peers: Vec<SocketAddr>,
    /// The address from which it heard us (BEP 24).
    pub external_ip: Option<IpAddr>,
    /// Something to tell the user although the announce succeeded.
    pub warning: Option<String>,
    /// To be handed back in later announces to it.
    pub tracker_id: Option<Box<[u8]>>,
}

/// What a tracker knows of one swarm (BEP 48).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Scraped {
    /// Which torrent.
    pub info_hash: InfoHash,
    /// Peers that have everything.
    pub seeds: u32,
    /// Peers that do not.
    pub leechers: u32,
    /// How often the torrent has been downloaded.
    pub downloads: u32,
}

/// What a request brought.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// To an announce.
    Announced(Reply),
    /// To a scrape: of those asked for, the ones that the tracker knows.
    Scraped(Vec<Scraped>),
}
