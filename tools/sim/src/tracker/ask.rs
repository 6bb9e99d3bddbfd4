//! What a tracker can be asked, whatever carries it.

use std::net::SocketAddr;

use tide_base::{InfoHash, PeerId};
use tide_tracker::Event;

use super::log::Carrier;

/// From where to where a request went, and over what.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Way {
    pub(super) from: SocketAddr,
    pub(super) at: SocketAddr,
    pub(super) carrier: Carrier,
    /// The transaction, over UDP.
    pub(super) transaction: Option<u32>,
}

/// One announce.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Announce {
    pub(super) info_hash: InfoHash,
    pub(super) peer_id: PeerId,
    pub(super) port: u16,
    pub(super) uploaded: u64,
    pub(super) downloaded: u64,
    pub(super) left: u64,
    pub(super) event: Event,
    /// How many peers it wants; as many as is usual if it does not say.
    pub(super) want: Option<usize>,
    /// Whether peers come as six bytes each; HTTP only.
    pub(super) compact: bool,
}

/// A request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Asked {
    Announce(Announce),
    Scrape(Vec<InfoHash>),
}
