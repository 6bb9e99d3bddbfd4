//! One connection of the BitTorrent peer protocol, without I/O: bytes and time in, bytes and events out.
//!
//! A connection is first an opening ([`opening`]: the handshakes, as values that are consumed), then a [`Session`].
//! The caller reads bytes where [`Session::want`] says (the rest of an asked block straight into its place, everything
//! else into a chunk of its own), hands the chunk to [`Session::receive`] until it is used up, and writes what
//! [`Session::slices`] shows. Content never passes through this crate: what comes in is named by span and length, what
//! goes out is a [`Payload`](tide_base::Payload) handle.
//!
//! Nothing here reads a clock, draws a random number, opens a socket or keeps a queue of events; nothing is allocated
//! a block.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod asks;
pub mod choking;
pub mod client;
pub mod depth;
pub mod early;
pub mod event;
pub mod extension;
pub mod fast;
pub mod fault;
pub mod limits;
pub mod liveness;
pub mod metadata;
pub mod opening;
pub mod out;
pub mod pace;
pub mod pex;
pub mod pieces;
pub mod serves;
pub mod session;
pub mod temper;
pub mod wire;

pub use choking::{Choke, Choking, Interest};
pub use event::{Due, Event, ExtensionKind, Sent, Timer, Want};
pub use extension::Offers;
pub use fault::Fault;
pub use limits::Limits;
pub use session::{Session, SessionConfig};
pub use wire::extended::Hello;
pub use wire::handshake::{Handshake, Reserved};
