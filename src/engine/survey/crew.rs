//! A crew's tables.

use core::net::SocketAddr;

use tide_base::{Bits, BlockIndex, BlockRef, InfoHash, Instant, Layout, PeerId, PieceIndex, SlotKey, Span};
use tide_peer::Choking;

use super::LeaseRef;
use crate::command::RateLimits;
use crate::id::{PeerKey, TorrentKey};

/// A crew's tables.
#[derive(Clone, Debug)]
pub struct CrewSurvey {
    /// Its slot.
    pub key: SlotKey,
    /// Whose crew it is.
    pub torrent: TorrentKey,
    /// The torrent's name on the wire.
    pub info_hash: InfoHash,
    /// The torrent's pieces.
    pub layout: Layout,
    /// Whether peers may be learnt from trackers only.
    pub private: bool,
    /// The torrent's limits.
    pub limits: RateLimits,
    /// The pieces that its members were told of.
    pub have: Bits,
    /// The pieces that it wants.
    pub missing: Bits,
    /// The pieces under lease, ascending.
    pub leases: Vec<LeaseSurvey>,
    /// The members.
    pub members: Vec<MemberSurvey>,
    /// Whether what is under way may be asked for twice.
    pub endgame: bool,
    /// Reads for members under way.
    pub reads: u32,
    /// Chunks on their way to the disk to free their memory.
    pub leaving: u32,
    /// Chunks that wait for memory to come back into.
    pub waiting_in: u32,
    /// Addresses to be dialled.
    pub to_dial: Vec<SocketAddr>,
    /// Members whose requests wait for an allowance.
    pub unserved: u32,
    /// Whether somebody is not read for want of memory.
    pub starved: bool,
    /// Whether somebody is not read because a rate is used up.
    pub throttled: bool,
    /// Whether it is on its way out.
    pub disbanding: bool,
}

impl CrewSurvey {
    /// Who is asked for a block.
    pub fn asked_for(&self, block: BlockRef) -> impl Iterator<Item = PeerKey> + '_ {
        let span = self.layout.span(block);
        self.members.iter().filter(move |member| member.asks.contains(&span)).map(|member| member.peer)
    }

    /// The lease of a piece.
    pub fn lease(&self, piece: PieceIndex) -> Option<&LeaseSurvey> {
        self.leases.iter().find(|lease| lease.id.piece == piece)
    }
}

/// One leased piece.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LeaseSurvey {
    /// Which lease of which piece.
    pub id: LeaseRef,
    /// The only member that shall be asked, if any.
    pub alone: Option<SlotKey>,
    /// What the piece is going through.
    pub stage: LeaseStage,
    /// Jobs under way that hold its memory.
    pub jobs: u32,
    /// Whether it ends as soon as no job is under way.
    pub doomed: bool,
    /// Whether it stands in the list of those with blocks to hand out.
    pub listed: bool,
    /// Its blocks.
    pub blocks: Vec<BlockState>,
    /// Where its bytes are, chunk by chunk, how many bytes of memory each takes, and whether the disk has it too.
    pub chunks: Vec<(ChunkPlace, u32, bool)>,
    /// Who is writing which block right now.
    pub writers: Vec<(BlockIndex, SlotKey)>,
}

impl LeaseSurvey {
    /// Bytes of memory for it, lent to jobs or not.
    pub fn memory(&self) -> u64 {
        self.chunks.iter().filter(|(place, ..)| place.takes_memory()).map(|chunk| u64::from(chunk.1)).sum()
    }

    /// Bytes of memory that it holds itself.
    pub fn held(&self) -> u64 {
        let held = self.chunks.iter().filter(|(place, ..)| *place == ChunkPlace::Held);
        held.map(|chunk| u64::from(chunk.1)).sum()
    }
}

/// What a leased piece is going through.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LeaseStage {
    /// Blocks are coming.
    Filling,
    /// It is being hashed; whether chunk by chunk.
    Hashing(bool),
    /// The torrent compares.
    Judging,
    /// Its blocks are hashed one by one, to learn who sent a bad one.
    Blaming,
    /// It is being written.
    Writing,
}

/// How a block stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BlockState {
    /// Nobody is asked.
    Free,
    /// So many are asked.
    Asked(u8),
    /// It is here.
    Here,
}

/// Where the bytes of a chunk are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ChunkPlace {
    /// Nothing of it has come.
    Empty,
    /// In memory.
    Held,
    /// In memory that a job has.
    Lent,
    /// On its way to the disk, to free its memory.
    Leaving,
    /// On disk.
    Away,
    /// On its way back from the disk.
    Coming,
}

impl ChunkPlace {
    /// Whether there is memory for it.
    pub fn takes_memory(self) -> bool {
        !matches!(self, ChunkPlace::Empty | ChunkPlace::Away)
    }
}

/// Why a member is not read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Paused {
    /// There is no memory for its block.
    Memory,
    /// The memory of its block is on its way from or to the disk.
    Paging(PieceIndex),
    /// The rate is used up.
    Rate,
}

/// One member.
#[derive(Clone, Debug)]
pub struct MemberSurvey {
    /// Its slot.
    pub key: SlotKey,
    /// Its connection.
    pub peer: PeerKey,
    /// Where it is connected from, or where we dialled it.
    pub addr: SocketAddr,
    /// What it calls itself.
    pub peer_id: PeerId,
    /// Whether we dialled.
    pub outgoing: bool,
    /// What it has.
    pub has: Bits,
    /// Who chokes whom, who is interested in whom.
    pub choking: Choking,
    /// What it was asked for and has not sent, oldest first.
    pub asks: Vec<Span>,
    /// How many of its requests are not answered.
    pub serves: u32,
    /// How many of these wait to be read.
    pub queued: u32,
    /// Bytes that wait to be sent to it.
    pub outgoing_bytes: u64,
    /// Bytes lent, or being read, for it and not yet sent.
    pub lent: u64,
    /// Of these, bytes being read.
    pub reading: u64,
    /// How many of the missing pieces it has.
    pub interesting: u32,
    /// The block it is writing into memory.
    pub writing: Option<BlockRef>,
    /// Why its socket is not read.
    pub paused: Option<Paused>,
    /// Whether it left our requests unanswered.
    pub snubbed: bool,
    /// Whether it was unchoked on trust.
    pub optimistic: bool,
    /// Whether there was no piece for it, and nothing has changed since.
    pub barren: bool,
    /// Whether a piece is being asked for on its behalf.
    pub demanding: bool,
    /// Whether it wants no content.
    pub upload_only: bool,
    /// When its own next deadline is.
    pub deadline: Instant,
}
