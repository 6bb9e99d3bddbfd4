//! The words every part of tide uses.
//!
//! This crate knows nothing of BitTorrent messages, sockets, threads, files or clocks. It holds what the protocol
//! crates, the disk and the engine must share without knowing each other: numbers with a meaning ([`PieceIndex`],
//! [`InfoHash`], [`Instant`]), and a few small containers with a stated bound.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod addr;
pub mod bits;
pub mod buffer;
pub mod geometry;
pub mod id;
pub mod meter;
pub mod prng;
pub mod slots;
pub mod time;
pub mod timers;

pub use bits::Bits;
pub use buffer::{Chunk, Payload};
pub use geometry::{BlockIndex, BlockRef, Layout, PieceIndex, Span};
pub use id::{InfoHash, InfoHashV2, InfoHashes, PeerId, ShardId};
pub use prng::Prng;
pub use slots::{SlotKey, Slots};
pub use time::{Duration, Instant, WallClock};
