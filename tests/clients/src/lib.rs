//! Drivers for the programs that tide must get on with: other clients, a tracker, troubled mounts, and `tide` itself.
//!
//! A test says what it needs with [`have`], makes a [`Payload`] and a torrent of it, starts clients, and waits for
//! states that can be observed ([`wait`]). Every process and mount ends when its driver is dropped. This crate is
//! independent of the engine: whatever it says about tide, another program has seen.
//!
//! ```no_run
//! use tide_test_clients::{Client, LibTorrent, Mktorrent, Payload, TempDir, Tool, Transmission, compare, have};
//!
//! if !have(&[Tool::LibTorrent, Tool::Transmission, Tool::Mktorrent]) {
//!     return;
//! }
//! let dir = TempDir::new("example");
//! let payload = Payload::many_files(&dir.folder("seed"), 1);
//! let torrent = Mktorrent::new().create(&payload, &dir.join("t.torrent"));
//! let (mut seed, mut leech) = (LibTorrent::start(), Transmission::start());
//! seed.add(&torrent, payload.parent());
//! seed.wait_seeding(&torrent.info_hash);
//! leech.add(&torrent, &dir.folder("leech"));
//! seed.connect(&torrent.info_hash, leech.address());
//! leech.wait_seeding(&torrent.info_hash);
//! compare::same(payload.root(), &dir.join("leech").join(payload.name()));
//! ```
#![forbid(unsafe_code)]

mod aria2;
mod client;
pub mod compare;
mod fake;
mod http;
mod lab;
mod libtorrent;
mod mktorrent;
mod mount;
pub mod net;
mod opentracker;
mod payload;
mod process;
mod tempdir;
mod tide;
mod tool;
mod torrent;
mod transmission;
pub mod wait;

pub use aria2::Aria2;
pub use client::{Client, PeerSeen, State};
pub use fake::{FakePeer, Manners};
pub use lab::{Cable, Home};
pub use libtorrent::LibTorrent;
pub use mktorrent::Mktorrent;
pub use mount::{Call, HangingMount, SmallTmpfs};
pub use opentracker::{OpenTracker, Scrape};
pub use payload::{PIECE_LENGTH_LOG2, Payload};
pub use process::{Guard, Signal};
pub use tempdir::TempDir;
pub use tide::{Event, Exit, Tide, TideCommand};
pub use tool::{Tool, have};
pub use torrent::{InfoHash, Torrent};
pub use transmission::Transmission;
