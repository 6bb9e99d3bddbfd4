//! A torrent's tables.

use core::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use tide_base::{Bits, InfoHash, Instant, Layout, PeerId, PieceIndex, ShardId};
use tide_disk::{StoreKey, Trouble};

use super::{LeaseRef, TorrentErrand};
use crate::command::RateLimits;
use crate::id::{PeerKey, TorrentKey};
use crate::stats::State;
use crate::torrent::book::Sources;
use crate::torrent::choker::Mode;

/// A torrent's tables.
#[derive(Clone, Debug)]
pub struct TorrentSurvey {
    /// Where it is.
    pub key: TorrentKey,
    /// Which it is.
    pub info_hash: InfoHash,
    /// Its storage.
    pub store: StoreKey,
    /// Where its content lies.
    pub root: PathBuf,
    /// Whether peers may be learnt from trackers only.
    pub private: bool,
    /// Its pieces.
    pub layout: Layout,
    /// What it is doing.
    pub state: State,
    /// Its own limits.
    pub limits: RateLimits,
    /// What stopped it.
    pub trouble: Option<Trouble>,
    /// When it tries again after trouble by itself; never if only a person can help.
    pub retry_at: Option<Instant>,
    /// What is done with its files right now, and what is to be done next.
    pub chores: (Option<TorrentErrand>, Vec<TorrentErrand>),
    /// The shard of its crew, if it has one.
    pub crew: Option<ShardId>,
    /// The pieces that are here.
    pub have: Bits,
    /// The pieces that somebody wants.
    pub wanted: Bits,
    /// The pieces that are open to be leased.
    pub open: Bits,
    /// The pieces under lease, to which crew.
    pub leased: Vec<(LeaseRef, ShardId)>,
    /// The pieces being hashed by a check right now.
    pub checking: Vec<PieceIndex>,
    /// The pieces that a check has still to look at.
    pub unchecked: Bits,
    /// For each piece how many peers have it, as the torrent counts.
    pub copies: Vec<u32>,
    /// For each piece how many peers that are no seeds have it, as the picker counts; `None` if it does not count.
    pub picker_copies: Option<Vec<u32>>,
    /// Connected peers, as the availability counts: all, and seeds.
    pub counted: (u32, u32),
    /// Connected peers, as the torrent sees them.
    pub peers: Vec<PeerSurvey>,
    /// Who has a slot.
    pub choker: ChokerSurvey,
    /// Dials under way.
    pub dialling: u32,
    /// Known addresses.
    pub book: Vec<AddressSurvey>,
    /// Addresses that the torrent meets no more.
    pub banned: Vec<IpAddr>,
    /// Announces under way.
    pub announces: u32,
    /// The way of pieces into resume data.
    pub checkpoint: CheckpointSurvey,
}

/// How a piece stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PieceState {
    /// It is here.
    Had,
    /// A crew fetches it, or writes it.
    Leased(LeaseRef, ShardId),
    /// It is being hashed, or is to be.
    Checking,
    /// It is wanted, and nobody has been told to fetch it.
    Missing,
    /// Nobody wants it.
    Unwanted,
}

impl TorrentSurvey {
    /// How a piece stands.
    pub fn piece(&self, piece: PieceIndex) -> PieceState {
        if self.have.has(piece.0) {
            PieceState::Had
        } else if let Some(&(lease, crew)) = self.leased.iter().find(|(lease, _)| lease.piece == piece) {
            PieceState::Leased(lease, crew)
        } else if self.unchecked.has(piece.0) || self.checking.contains(&piece) {
            PieceState::Checking
        } else if self.wanted.has(piece.0) {
            PieceState::Missing
        } else {
            PieceState::Unwanted
        }
    }

    /// The pieces that are wanted and not here.
    pub fn lacking(&self) -> Vec<PieceIndex> {
        self.wanted.iter().filter(|&piece| !self.have.has(piece)).map(PieceIndex).collect()
    }

    /// Whether it transfers.
    pub fn is_active(&self) -> bool {
        matches!(self.state, State::Downloading | State::Seeding)
    }
}

/// A connected peer, as the torrent sees it.
#[derive(Clone, Debug)]
pub struct PeerSurvey {
    /// Its connection.
    pub key: PeerKey,
    /// Its address.
    pub addr: SocketAddr,
    /// What it calls itself.
    pub peer_id: PeerId,
    /// Whether we dialled.
    pub outgoing: bool,
    /// The address of the book that it stands for, if any.
    pub listed: Option<SocketAddr>,
    /// What it has.
    pub has: Bits,
    /// Whether it wants something of us.
    pub interested: bool,
    /// Whether it gives and does not take, as far as was reported.
    pub upload_only: bool,
    /// Whether we serve it.
    pub unchoked: bool,
    /// When that changed last, or it connected.
    pub since: Instant,
    /// When it connected.
    pub joined: Instant,
}

/// Who has a slot.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChokerSurvey {
    /// Who deserves one.
    pub mode: Mode,
    /// Slots at present.
    pub slots: u32,
    /// Who has one.
    pub taken: Vec<PeerKey>,
    /// Who has one on trust.
    pub optimistic: Option<PeerKey>,
    /// When they are dealt out anew.
    pub next_round: Instant,
}

/// A known address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AddressSurvey {
    /// Where.
    pub addr: SocketAddr,
    /// Who told of it.
    pub sources: Sources,
    /// Attempts that failed since the last that did not.
    pub failures: u8,
    /// What it is to us.
    pub state: AddressState,
}

/// What an address is to us.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AddressState {
    /// It may be dialled from then on.
    Idle(Instant),
    /// We are connecting to it.
    Dialling,
    /// We are connected with it, so many times.
    Connected(u16),
    /// It is ourselves.
    Ours,
}

/// The way of pieces into resume data.
#[derive(Clone, Debug)]
pub struct CheckpointSurvey {
    /// Written, and waiting for a sync.
    pub written: Bits,
    /// Captured by a sync under way.
    pub syncing: Option<Bits>,
    /// What resume data may claim.
    pub claimed: Bits,
    /// To be written again before it can be claimed, since a sync failed.
    pub unsure: Bits,
    /// Whether resume data are being saved.
    pub saving: bool,
}
