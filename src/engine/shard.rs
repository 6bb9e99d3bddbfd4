//! A set of torrents and peers that one thread drives.

use core::net::SocketAddr;

use tide_base::{Instant, ShardId};

use crate::border::{Arrival, Input, Output, Want};
use crate::command::Setup;
use crate::id::ConnKey;

/// The most slices that one gathering names: eight blocks with their headers, and room for small messages.
pub const SLICES: usize = 64;

/// Bytes to be sent in one vectored write, in order.
#[derive(Debug)]
pub struct Slices<'a> {
    parts: [&'a [u8]; SLICES],
    len: usize,
}

impl<'a> Slices<'a> {
    /// No bytes.
    pub fn new() -> Slices<'a> {
        Slices { parts: [&[]; SLICES], len: 0 }
    }

    /// Adds `part` behind the others; false, and nothing added, if there is no room.
    pub fn push(&mut self, part: &'a [u8]) -> bool {
        if self.len == SLICES {
            return false;
        }
        self.parts[self.len] = part;
        self.len += 1;
        true
    }

    /// The slices.
    pub fn parts(&self) -> &[&'a [u8]] {
        &self.parts[..self.len]
    }
}

impl Default for Slices<'_> {
    fn default() -> Self {
        Slices::new()
    }
}

/// A set of torrents and peers that one thread drives. See [`border`](crate::border) for the law of the turn.
#[derive(Debug)]
pub struct Shard {
    id: ShardId,
}

impl Shard {
    /// The shard number `id` of an engine that is set up like that.
    pub fn new(id: ShardId, setup: &Setup) -> Shard {
        assert!(id.0 < setup.shards);
        Shard { id }
    }

    /// Which shard this is.
    pub fn id(&self) -> ShardId {
        self.id
    }

    /// Takes one input in.
    pub fn handle(&mut self, _now: Instant, _input: Input<'_>) {}

    /// Somebody connected: the key of the connection, or `None` if it shall be closed at once.
    pub fn accept(&mut self, _now: Instant, _from: SocketAddr, _local: SocketAddr) -> Option<ConnKey> {
        None
    }

    /// A connection came over from another shard ([`Output::HandOver`]): its key here, or `None` to close it.
    pub fn adopt(&mut self, _now: Instant, _arrival: Box<Arrival>) -> Option<ConnKey> {
        None
    }

    /// Where the next bytes of `conn` belong.
    pub fn want(&mut self, _now: Instant, _conn: ConnKey) -> Want<'_> {
        Want::Nothing
    }

    /// `placed` bytes were read into the place that [`want`](Self::want) named last, and behind them `scratch`.
    pub fn filled(&mut self, _now: Instant, _conn: ConnKey, _placed: usize, _scratch: &[u8]) {}

    /// Names the next bytes to be written to `conn`, as many as may go now; none if none may.
    pub fn gather<'a>(&'a mut self, _now: Instant, _conn: ConnKey, _out: &mut Slices<'a>) {}

    /// `len` of the bytes gathered for `conn` were written.
    pub fn sent(&mut self, _now: Instant, _conn: ConnKey, _len: usize) {}

    /// Decides: to be called once a turn, after its inputs.
    pub fn settle(&mut self, _now: Instant) {}

    /// What is to be done, one thing at a time, until `None`.
    pub fn poll(&mut self) -> Option<Output> {
        None
    }

    /// When the next turn must come even without an input, and why.
    pub fn wake_at(&self) -> Option<(Instant, &'static str)> {
        None
    }
}
