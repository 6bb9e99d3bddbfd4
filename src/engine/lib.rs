//! The engine decides; the shell does. No socket, thread, file, clock or entropy is in here.
#![forbid(unsafe_code)]
#![expect(
    unreachable_pub,
    reason = "`pub` says what a module offers to the others; what leaves the crate is named below"
)]

pub mod border;
mod command;
mod crew;
mod desk;
mod event;
mod facts;
mod faults;
mod id;
mod limits;
mod mail;
mod session;
mod shard;
mod stats;
pub mod survey;
pub mod torrent;
mod turn;

pub use border::{
    Arrival, Gateway, Input, Listening, Membership, NetError, Networks, Output, OwnAddress, ResolveId, Via,
    Want,
};
pub use command::{
    AddTorrent, Answer, Check, Command, CommandError, CommandId, Content, Metadata, RateLimits, Reply, Setup,
    Then, TorrentCommand,
};
pub use desk::Reason;
pub use event::{Event, Happening, Kind};
pub use facts::{Facts, file_table};
pub use faults::Faults;
pub use id::{ConnKey, PeerKey, TorrentKey};
pub use limits::Limits;
pub use mail::Mail;
pub use session::dht::words::{DhtAnswer, DhtCommand, DhtSetup, DhtStats, StateFile};
pub use shard::{SLICES, Shard, Slices};
pub use stats::{
    FileInfo, MappedPort, MetadataInfo, PeerInfo, PieceInfo, Reachable, SessionStats, State, TorrentStats,
    TrackerInfo,
};
pub use survey::{Glance, Survey};
pub use tide_peer::Fault;
pub use torrent::picker;
pub use turn::{Driver, turn};
