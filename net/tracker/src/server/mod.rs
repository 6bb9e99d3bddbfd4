//! A small tracker in memory, for a LAN and for tests.
//!
//! [`Registry`] knows who is in which swarm; [`http`] and [`UdpServer`] are two ways to ask it. A peer is known by the
//! address that its packets come from and the port that it names: `ip` parameters are ignored, so nobody can be signed
//! up by somebody else. Peers of both address families are kept apart (BEP 7).

pub mod http;
mod registry;
mod siphash;
mod udp;

pub use registry::{Announced, Counts, Full, Registry, Visit};
pub use udp::UdpServer;
