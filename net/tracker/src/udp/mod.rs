//! Trackers over UDP (BEP 15, BEP 41): everything that is asked of one address.
//!
//! [`UdpClient`] owns the connection id, the transaction ids and the retransmissions. The shell's datagrams come in
//! by [`receive`](UdpClient::receive), go out by [`poll_send`](UdpClient::poll_send), and whatever has come to an end
//! is fetched with [`poll_done`](UdpClient::poll_done).

mod client;
mod packet;

pub use client::{Request, RequestId, UdpClient};
pub(crate) use packet::{Action, PROTOCOL, Reader};
