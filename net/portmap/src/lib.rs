//! Port mapping: how the world gets in, and under which address it knows us.
//!
//! Bytes and time in, bytes and events out. Nothing here opens a socket, reads a clock or draws entropy: the owner
//! carries datagrams and streams, hands in the time, and splits a seeded generator off.
//!
//! * [`Mapper`]: keeps wanted ports open by PCP (RFC 6887), NAT-PMP (RFC 6886) or UPnP IGD (versions 1 and 2).
//! * [`pcp`], [`natpmp`], [`ssdp`], [`description`], [`soap`]: the messages.
//! * [`gateway`]: a gateway in memory that speaks all of it.
//! * [`vote`]: the external address, from all who claim to know it.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod description;
pub mod gateway;
mod http;
pub mod limits;
mod mapper;
pub mod natpmp;
pub mod pcp;
mod place;
pub mod soap;
pub mod ssdp;
mod types;
pub mod vote;
mod xml;

pub use mapper::{Event, Mapped, Mapper, Network, Output, Reason, StreamId};
pub use place::Place;
pub use types::{Failure, Fault, Protocol, Want, Way};
pub use vote::{Source, Votes};
