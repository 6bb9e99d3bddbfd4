//! The engine's addresses. Each carries a generation: mail for something that is gone is a harmless miss.

use core::fmt;

use tide_base::{ShardId, SlotKey};

/// A torrent: its home shard, and its slot there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TorrentKey {
    /// The home shard.
    pub shard: ShardId,
    /// The slot in the home shard's table.
    pub slot: SlotKey,
}

/// One connection of a shard: to a peer, to a tracker, or to somebody who has not said who he is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnKey(pub SlotKey);

/// A peer: the shard that owns its connection, and the connection.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerKey {
    /// The shard that owns the connection.
    pub shard: ShardId,
    /// The connection.
    pub conn: ConnKey,
}

impl fmt::Debug for TorrentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "t{}:{:?}", self.shard.0, self.slot)
    }
}

impl fmt::Debug for ConnKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "c{:?}", self.0)
    }
}

impl fmt::Debug for PeerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p{}:{:?}", self.shard.0, self.conn.0)
    }
}
