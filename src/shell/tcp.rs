//! TCP: the plain transport, and the dialler that makes it.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::{IpAddr, SocketAddr};

use mio::event::Source;
use mio::net::TcpStream;
use socket2::{Domain, Protocol, Socket, Type};

use crate::shell::transport::{Dial, Transport};

/// A TCP stream.
#[derive(Debug)]
pub(crate) struct Tcp {
    stream: TcpStream,
}

impl Tcp {
    /// A stream that was accepted and so stands.
    pub(crate) fn accepted(stream: TcpStream) -> Tcp {
        prepare(&stream);
        Tcp { stream }
    }

    /// Begins a connection, from `source` if that is given.
    pub(crate) fn dial(to: SocketAddr, source: Option<IpAddr>) -> io::Result<Tcp> {
        let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        if let Some(ip) = source {
            socket.bind(&SocketAddr::new(ip, 0).into())?;
        }
        match socket.connect(&to.into()) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock || in_progress(&error) => {}
            Err(error) => return Err(error),
        }
        let stream = TcpStream::from_std(socket.into());
        prepare(&stream);
        Ok(Tcp { stream })
    }

    /// The socket, for a transport that wraps it.
    #[cfg(feature = "tls")]
    pub(crate) fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }
}

/// Whether a connection has begun without standing yet.
fn in_progress(error: &io::Error) -> bool {
    const EINPROGRESS: i32 = if cfg!(target_os = "linux") { 115 } else { 36 };
    cfg!(unix) && error.raw_os_error() == Some(EINPROGRESS)
}

/// Everything is written in large vectored writes at the end of a turn: to wait for more would only delay it.
fn prepare(stream: &TcpStream) {
    if let Err(error) = stream.set_nodelay(true) {
        log::debug!("TCP_NODELAY: {error}");
    }
}

impl Transport for Tcp {
    fn source(&mut self) -> &mut dyn Source {
        &mut self.stream
    }

    fn open(&mut self) -> io::Result<bool> {
        if let Some(error) = self.stream.take_error()? {
            return Err(error);
        }
        match self.stream.peer_addr() {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotConnected || in_progress(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.stream.local_addr()
    }

    fn read(&mut self, into: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.stream.read_vectored(into)
    }

    fn write(&mut self, from: &[IoSlice<'_>]) -> io::Result<usize> {
        self.stream.write_vectored(from)
    }
}

/// Makes TCP connections, with TLS where that is asked for and built in.
#[derive(Debug)]
pub(crate) struct Network {
    /// From where to dial IPv4; `None` leaves it to the system.
    pub(crate) source_v4: Option<IpAddr>,
    /// From where to dial IPv6.
    pub(crate) source_v6: Option<IpAddr>,
    /// Whom to believe.
    #[cfg(feature = "tls")]
    pub(crate) trust: crate::shell::tls::Trust,
}

impl Network {
    /// Dials from the addresses that are listened on, where those are no wildcards: whoever binds a session to one
    /// address wants its traffic there.
    pub(crate) fn new(listen: &[SocketAddr]) -> Network {
        let specific = |v4: bool| {
            listen.iter().map(|addr| addr.ip()).find(|ip| ip.is_ipv4() == v4 && !ip.is_unspecified())
        };
        Network {
            source_v4: specific(true),
            source_v6: specific(false),
            #[cfg(feature = "tls")]
            trust: crate::shell::tls::Trust::of_the_system(),
        }
    }
}

impl Dial for Network {
    fn dial(&self, to: SocketAddr, tls: Option<&str>) -> io::Result<Box<dyn Transport>> {
        let source = if to.is_ipv4() { self.source_v4 } else { self.source_v6 };
        // From a loopback address there is no way out of the machine.
        let source = source.filter(|ip| !ip.is_loopback() || to.ip().is_loopback());
        let tcp = Tcp::dial(to, source)?;
        match tls {
            None => Ok(Box::new(tcp)),
            #[cfg(feature = "tls")]
            Some(name) => Ok(Box::new(self.trust.wrap(tcp, name)?)),
            #[cfg(not(feature = "tls"))]
            Some(_) => Err(io::Error::new(io::ErrorKind::Unsupported, "built without TLS")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use mio::{Events, Interest, Poll, Token};

    use super::*;

    /// Waits until the stream stands, or does not.
    fn opened(stream: &mut dyn Transport) -> io::Result<()> {
        let mut poll = Poll::new()?;
        poll.registry().register(stream.source(), Token(0), Interest::READABLE | Interest::WRITABLE)?;
        let mut events = Events::with_capacity(4);
        while !stream.open()? {
            poll.poll(&mut events, None)?;
        }
        Ok(())
    }

    #[test]
    fn a_dial_begins_where_the_session_listens() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
        let addr = listener.local_addr().expect("bound");
        let own = SocketAddr::from(([127, 0, 0, 9], 4000));
        let mut stream = Network::new(&[own]).dial(addr, None).expect("a socket");
        opened(stream.as_mut()).expect("a connection");
        let (_other_end, from) = listener.accept().expect("a caller");
        assert_eq!(from.ip(), own.ip());
        assert_eq!(stream.local_addr().expect("connected"), from);
    }

    #[test]
    fn a_port_where_nobody_listens_refuses() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
        let addr = listener.local_addr().expect("bound");
        drop(listener);
        let wildcard = SocketAddr::from(([0, 0, 0, 0], 1));
        let result = Network::new(&[wildcard]).dial(addr, None).and_then(|mut s| opened(s.as_mut()));
        assert_eq!(result.expect_err("nobody is there").kind(), io::ErrorKind::ConnectionRefused);
    }
}
