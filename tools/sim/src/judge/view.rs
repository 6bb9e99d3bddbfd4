//! What the judges ask of the world, and the words for what it tells them.

use tide_base::{InfoHash, PieceIndex};
use tide_engine::{Limits, RateLimits};

/// What the bytes of a piece on a medium are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Truth {
    /// They hash to what the torrent file says.
    Right,
    /// They do not, and nobody but the engine can have done it.
    Wrong,
    /// They do not, but the world has damaged them, or taken the file away.
    Damaged,
    /// Nobody can tell right now: a write to it, a move or a crash is under way.
    Unknown,
}

/// What the judges ask of the world.
pub trait View {
    /// What the bytes of a piece are, as a read would find them now: where `node` keeps this torrent's content.
    fn truth(&self, node: usize, torrent: InfoHash, piece: PieceIndex) -> Truth;

    /// The same of what resume data claim when a process starts. That a crash or a failed sync took it is no excuse then:
    /// it is what must not be claimed. (Unless somebody who was told of that sync is gone, and the next could not know.)
    fn truth_of_claim(&self, node: usize, torrent: InfoHash, piece: PieceIndex) -> Truth;

    /// The bounds of a node's engine.
    fn limits(&self, node: usize) -> &Limits;

    /// The limits on rates of a node's whole session, as set last.
    fn rates(&self, node: usize) -> RateLimits;

    /// The limits on rates of one torrent, as set last.
    fn rates_of(&self, node: usize, torrent: InfoHash) -> RateLimits;

    /// How many shards a node has.
    fn shards(&self, node: usize) -> u16;
}

/// Which way bytes go.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Way {
    /// Bytes of any kind from peers, counted when they are handed to [`Shard::filled`](tide_engine::Shard::filled).
    /// Trackers' bytes are not counted.
    Down,
    /// Content for peers, counted when its read leaves the engine as a disk job
    /// ([`Task::Read`](tide_disk::Task::Read)). The engine keeps its limit when it makes that job, which may have to wait
    /// for others then; what was read is sent as soon as sockets take it.
    Up,
}

/// What an announce tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Said {
    /// That we are still there.
    Nothing,
    /// A change of state: `started`, `completed` or `stopped`.
    Event,
    /// A person asked for it by hand, or we are reached at another port.
    ByHand,
}
