//! What the torrents and crews of a shard share.

use core::net::SocketAddr;

use tide_base::{Instant, SlotKey};
use tide_disk::{JobId, VolumeId};

use super::{Errand, Flow, Owner, Reason, STOCKS, Stock};
use crate::id::ConnKey;

/// What the torrents and crews of a shard share.
#[derive(Clone, Debug)]
pub struct DeskSurvey {
    /// Bytes of memory for blocks that are out.
    pub memory: u64,
    /// Jobs handed in and not answered.
    pub jobs: Vec<JobSurvey>,
    /// Devices, and the jobs at their gates.
    pub volumes: Vec<VolumeSurvey>,
    /// Hash jobs under way.
    pub hashing: u32,
    /// Hash jobs that wait to go.
    pub hash_waiting: u32,
    /// What is granted and what is used of each stock.
    pub stocks: [StockSurvey; STOCKS.len()],
    /// What is left of each flow.
    pub flows: [FlowSurvey; 3],
    /// Connections.
    pub conns: Vec<ConnSurvey>,
    /// Deadlines, the earliest first.
    pub timers: Vec<(Instant, Owner, Reason)>,
    /// Who waits for a share.
    pub waiting: Vec<Owner>,
    /// Mail within the shard that nobody has read yet.
    pub mail: u32,
    /// Things to be done that nobody has taken yet.
    pub outbox: u32,
}

impl DeskSurvey {
    /// A stock.
    pub fn stock(&self, which: Stock) -> StockSurvey {
        *self.stocks.iter().find(|stock| stock.stock == which).expect("each stock is surveyed")
    }
}

/// A job handed in and not answered.
#[derive(Clone, Debug)]
pub struct JobSurvey {
    /// Its number.
    pub id: JobId,
    /// What it is for.
    pub errand: Errand,
    /// Bytes of memory for blocks that went with it.
    pub memory: u64,
    /// Whether it has left the shard; else it waits at its gate.
    pub sent: bool,
}

/// A device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VolumeSurvey {
    /// Which.
    pub volume: VolumeId,
    /// Jobs under way.
    pub under_way: u32,
    /// Bytes of memory that they hold.
    pub bytes: u64,
    /// Jobs that wait to go.
    pub waiting: u32,
    /// Whether it was given up.
    pub hung: bool,
}

/// Something held and given back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StockSurvey {
    /// Which.
    pub stock: Stock,
    /// The share.
    pub granted: u64,
    /// What of it is in use.
    pub used: u64,
}

/// Something used up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FlowSurvey {
    /// Which.
    pub flow: Flow,
    /// Whether it has no limit.
    pub unlimited: bool,
    /// What is left of the share.
    pub left: u64,
    /// When that expires.
    pub expires: Instant,
}

/// A connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ConnSurvey {
    /// Which.
    pub conn: ConnKey,
    /// The other end.
    pub addr: SocketAddr,
    /// When we dialled or accepted.
    pub since: Instant,
    /// What it is for.
    pub role: RoleSurvey,
}

/// What a connection is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RoleSurvey {
    /// We dial a peer for a crew.
    Dialling(SlotKey),
    /// Somebody dialled us; whom he wants is not known yet.
    Incoming,
    /// Hands are being shaken with a peer of a crew; whether we dialled.
    Greeting(SlotKey, bool),
    /// A member, of that slot, of a crew.
    Member(SlotKey, SlotKey),
    /// A request to a tracker.
    Tracker,
    /// A request to a gateway.
    Gateway,
}

impl RoleSurvey {
    /// Whether the other end is, or may become, a peer.
    pub fn is_peers(self) -> bool {
        !matches!(self, RoleSurvey::Tracker | RoleSurvey::Gateway)
    }

    /// Whether we made the connection, and hands are still to be shaken.
    pub fn is_half_open(self) -> bool {
        matches!(self, RoleSurvey::Dialling(_) | RoleSurvey::Greeting(_, true))
    }

    /// Whether somebody else made the connection, and hands are still to be shaken.
    pub fn is_strangers(self) -> bool {
        matches!(self, RoleSurvey::Incoming | RoleSurvey::Greeting(_, false))
    }
}

/// What the session has only one of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TreasurySurvey {
    /// All there is of each stock, and what of it is not granted to anybody.
    pub stocks: [(Stock, u64, u64); STOCKS.len()],
}
