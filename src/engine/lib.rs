//! The engine decides; the shell does. No socket, thread, file, clock or entropy is in here.
#![forbid(unsafe_code)]

pub mod border;
pub mod command;
pub mod crew;
pub mod desk;
pub mod event;
pub mod id;
pub mod limits;
pub mod mail;
pub mod session;
pub mod shard;
pub mod stats;
pub mod torrent;

pub use border::{Arrival, Input, Listening, NetError, Output, ResolveId, Want};
pub use command::{
    AddTorrent, Answer, Check, Command, CommandError, CommandId, Content, RateLimits, Reply, Setup,
    TorrentCommand,
};
pub use event::{Event, Happening, Kind};
pub use id::{ConnKey, PeerKey, TorrentKey};
pub use limits::Limits;
pub use mail::Mail;
pub use shard::{Shard, Slices};
pub use stats::{FileInfo, PeerInfo, PieceInfo, SessionStats, State, TorrentStats, TrackerInfo};
