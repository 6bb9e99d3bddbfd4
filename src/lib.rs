//! A BitTorrent engine that a program embeds: no runtime, no callbacks, no global state.
//!
//! ```no_run
//! fn main() -> Result<(), tide::Error> {
//!     let session = tide::Session::start(tide::Config::default())?;
//!     let torrent = session.add(tide::Add::file("debian.torrent")?.dir("downloads"))?;
//!     torrent.wait_complete(None)?;
//!     println!("{} is complete", torrent.name()?);
//!     session.shutdown(std::time::Duration::from_secs(5));
//!     Ok(())
//! }
//! ```
//!
//! A [`Session`] runs threads of its own: one a core that owns sockets and torrents, a few that hash, two a volume that
//! touch files. Calls on [`Session`] and [`Torrent`] wait for a reply, which takes microseconds; what takes longer is told
//! by [`Session::events`]. Errors are of three sorts: a call's ([`Error`]), a torrent's ([`Trouble`], which sticks to it
//! and leaves the others alone), and a bug, which ends the session, never the program ([`Error::Broken`]).
//!
//! [`make`](make::make) creates torrents and [`verify`](verify::verify) checks content, both without a session;
//! [`tracker`] is a small tracker for a LAN and for tests.
#![deny(unsafe_code)]

mod add;
mod config;
pub mod dht;
mod error;
mod hashing;
pub mod make;
mod session;
mod shell;
mod torrent;
pub mod tracker;
pub mod verify;

pub use add::Add;
pub use config::{Config, DEFAULT_PORT, Listen, When};
pub use dht::{Dht, DhtConfig};
pub use error::Error;
pub use session::{Event, Events, Session, What};
pub use shell::keeper::Medium;
pub use shell::transport;
pub use torrent::Torrent;

pub use tide_base::{Bits, InfoHash, InfoHashV2, InfoHashes, PeerId, WallClock};
pub use tide_disk::{Allocation, Backing, Retry, Trouble, TroubleKind};
pub use tide_engine::{
    Content, Fault, Faults, FileInfo, Happening, Kind, Limits, Listening, MappedPort, MetadataInfo, PeerInfo,
    PieceInfo, RateLimits, Reachable, SessionStats, State, TorrentStats, TrackerInfo,
};
pub use tide_portmap::{Protocol, Way};

pub mod picker {
    //! The order in which pieces are fetched: [`Config::picker`](crate::Config::picker) takes an embedder's own.
    pub use tide_base::{Bits, PieceIndex, Prng};
    pub use tide_engine::picker::{
        Closed, Copies, Factory, Has, Opened, Picker, PickerLimits, Priority, Rarest, Sequential,
    };
}

/// Keeping content elsewhere than in files: what to implement for [`Medium::new`].
pub mod storage {
    pub use tide_disk::{Access, Backing, FileState, Memory, Place, Storage, StorageFile};
}

/// .torrent files and magnet links.
pub use tide_metainfo as metainfo;

/// The README's program, compiled with the documentation's tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
