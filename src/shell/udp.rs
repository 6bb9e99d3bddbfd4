//! The session's UDP sockets: one for each family, shared by everything that speaks in datagrams.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;

use socket2::{Domain, Protocol, Socket, Type};

/// Bytes that the system shall keep of datagrams that came or go in a burst, as far as it lets us.
const BUFFER: usize = 2 << 20;
/// Datagrams taken in a turn, so that a flood of them does not starve the streams.
const DATAGRAMS: usize = 512;

/// How datagrams leave. Any thread may send; what does not fit is lost, as datagrams are.
#[derive(Clone, Debug, Default)]
pub(crate) struct UdpSender {
    v4: Option<Arc<UdpSocket>>,
    v6: Option<Arc<UdpSocket>>,
}

impl UdpSender {
    /// Sends through these sockets.
    pub(crate) fn new(v4: Option<UdpSocket>, v6: Option<UdpSocket>) -> UdpSender {
        UdpSender { v4: v4.map(Arc::new), v6: v6.map(Arc::new) }
    }

    /// Sends one datagram, or loses it.
    pub(crate) fn send(&self, to: SocketAddr, data: &[u8]) {
        let socket = if to.is_ipv4() { &self.v4 } else { &self.v6 };
        let Some(socket) = socket else {
            return log::debug!("no UDP socket for {to}");
        };
        if let Err(error) = socket.send_to(data, to) {
            log::debug!("a datagram to {to}: {error}");
        }
    }
}

/// A socket of `addr`'s family, bound there, that does not block.
///
/// # Errors
/// What the system says.
pub(crate) fn bind(addr: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(addr), Type::DGRAM, Some(Protocol::UDP))?;
    if addr.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    for result in [socket.set_recv_buffer_size(BUFFER), socket.set_send_buffer_size(BUFFER)] {
        if let Err(error) = result {
            log::debug!("UDP buffers of {BUFFER} bytes: {error}");
        }
    }
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    Ok(socket.into())
}

/// A socket's receiving end, and what an edge has said of it.
#[derive(Debug)]
pub(crate) struct UdpReceiver {
    /// The socket.
    pub(crate) socket: mio::net::UdpSocket,
    /// No receive has said `WouldBlock` since the last edge.
    pub(crate) readable: bool,
}

impl UdpReceiver {
    /// Receives from a socket that does not block.
    pub(crate) fn new(socket: UdpSocket) -> UdpReceiver {
        UdpReceiver { socket: mio::net::UdpSocket::from_std(socket), readable: true }
    }

    /// Takes what has come, a batch at most; the rest is for the next turn.
    pub(crate) fn receive(&mut self, scratch: &mut [u8], mut take: impl FnMut(SocketAddr, &[u8])) {
        for _ in 0..DATAGRAMS {
            if !self.readable {
                return;
            }
            match self.socket.recv_from(scratch) {
                Ok((len, from)) => take(from, &scratch[..len]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.readable = false,
                // An answer of the network to something that was sent earlier: no matter of this datagram.
                Err(error) => log::debug!("UDP: {error}"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_arrive_whole_with_their_sender_until_there_are_none() {
        let local = || SocketAddr::from(([127, 0, 0, 1], 0));
        let (a, b) = (bind(local()).expect("a socket"), bind(local()).expect("a socket"));
        let (from, to) = (a.local_addr().expect("bound"), b.local_addr().expect("bound"));
        let sender = UdpSender::new(Some(a), None);
        sender.send(to, b"one");
        sender.send(to, b"");
        sender.send(SocketAddr::from(([0u16; 8], 9)), b"nobody's family");
        sender.send(to, b"three");
        let mut receiver = UdpReceiver::new(b);
        let mut got = Vec::new();
        receiver.receive(&mut [0; 64], |from, data| got.push((from, data.to_vec())));
        assert_eq!(got, [(from, b"one".to_vec()), (from, vec![]), (from, b"three".to_vec())]);
        assert!(!receiver.readable);
    }
}
