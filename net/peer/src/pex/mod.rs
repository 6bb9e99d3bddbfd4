//! Peer exchange (BEP 11): whom a peer is connected to, told as differences.
//!
//! [`Delta`] is one message; [`Gossip`] makes those that one receiver gets. Nothing of it is for private torrents
//! (BEP 27): a session that does not offer the exchange neither sends nor reads such a message.

mod delta;
mod gossip;
mod limits;

pub use delta::{Contact, Delta, Flags};
pub use gossip::Gossip;
pub use limits::PexLimits;

use core::net::{IpAddr, SocketAddr};
use tide_base::addr::is_local;

/// The extension's name.
pub const NAME: &[u8] = b"ut_pex";
/// The number by which we receive it.
pub const ID: u8 = 4;

/// Whether an address concerns a peer at `ip`: those of this host or of private networks mean something only to
/// somebody there. Holds both for what we tell a peer and for what it tells us, so that nobody outside can make us
/// dial into our own network.
pub fn concerns(ip: IpAddr, addr: SocketAddr) -> bool {
    !is_local(addr.ip()) || is_local(ip)
}
