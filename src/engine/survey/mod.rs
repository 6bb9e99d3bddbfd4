//! How the tables of a shard stand, as plain data: for tests, simulations and debugging. Nobody changes anything by it,
//! and nobody but who asks pays for it. Each part describes its own tables; here are the words.

mod crew;
mod desk;
mod torrent;

pub use crew::{BlockState, ChunkPlace, CrewSurvey, LeaseStage, LeaseSurvey, MemberSurvey, Paused};
pub use desk::{
    ConnSurvey, DeskSurvey, FlowSurvey, JobSurvey, RoleSurvey, StockSurvey, TreasurySurvey, VolumeSurvey,
};
pub use torrent::{
    AddressState, AddressSurvey, CheckpointSurvey, ChokerSurvey, PeerSurvey, PieceState, TorrentSurvey,
};

pub use crate::desk::gates::{CrewErrand, Errand, LeaseRef, SessionErrand, TorrentErrand};
pub use crate::desk::purse::{Flow, STOCKS, Stock};
pub use crate::desk::{Owner, Reason};
pub use crate::session::dht::words::DhtSurvey;

use core::net::IpAddr;

use tide_base::{Instant, ShardId};

/// All tables of one shard, between two turns.
#[derive(Clone, Debug)]
pub struct Survey {
    /// Which shard.
    pub shard: ShardId,
    /// Turns taken.
    pub turns: u64,
    /// Until when it has to end, if it is ending.
    pub ending: Option<Instant>,
    /// Whether it has ended.
    pub finished: bool,
    /// The torrents that are at home here.
    pub torrents: Vec<TorrentSurvey>,
    /// The crews here.
    pub crews: Vec<CrewSurvey>,
    /// What they share.
    pub desk: DeskSurvey,
    /// Addresses that are not talked to, until when.
    pub bans: Vec<(IpAddr, Instant)>,
    /// What the session has only one of; on shard 0.
    pub treasury: Option<TreasurySurvey>,
    /// The part in the DHT, if it is taken; on shard 0.
    pub dht: Option<DhtSurvey>,
}

impl Survey {
    /// The crew of a torrent, if it has one here.
    pub fn crew_of(&self, torrent: &TorrentSurvey) -> Option<&CrewSurvey> {
        self.crews.iter().find(|crew| crew.torrent == torrent.key)
    }
}

/// What of a shard can be told at next to no cost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Glance {
    /// Which shard.
    pub shard: ShardId,
    /// Turns taken.
    pub turns: u64,
    /// Bytes of memory for blocks that are out.
    pub memory: u64,
    /// Jobs handed in and not answered.
    pub jobs: u32,
    /// Connections of all kinds.
    pub conns: u32,
    /// What is granted and what is used of each stock.
    pub stocks: [StockSurvey; STOCKS.len()],
    /// Things to be done that nobody has taken yet.
    pub outbox: u32,
    /// Mail within the shard that nobody has read yet.
    pub mail: u32,
    /// When the next turn must come, and why.
    pub wake: Option<(Instant, Reason)>,
}
