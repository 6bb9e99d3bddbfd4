//! Getting hold of the session's addresses: TCP for peers that come to us, UDP at the same port.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};

use socket2::{Domain, Protocol, Socket, Type};
use tide_engine::Listening;

use crate::shell::udp;

/// Connections that may wait for us to accept them; the system caps it.
const BACKLOG: i32 = 1024;

/// Where to listen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Wish {
    /// On all addresses of both families at this port. One family is enough.
    Port(u16),
    /// The same, but at any port if this one is taken.
    PortOrAny(u16),
    /// Exactly there; each of them, or none.
    Exactly(Vec<SocketAddr>),
}

/// Sockets that are bound.
#[derive(Debug, Default)]
pub(crate) struct Bound {
    /// Listening for peers.
    pub(crate) tcp: Vec<TcpListener>,
    /// Datagrams of IPv4.
    pub(crate) udp_v4: Option<UdpSocket>,
    /// Datagrams of IPv6.
    pub(crate) udp_v6: Option<UdpSocket>,
}

/// An address that could not be had.
#[derive(Debug)]
pub(crate) struct Refused {
    /// Which.
    pub(crate) addr: SocketAddr,
    /// Why.
    pub(crate) source: io::Error,
}

/// A TCP socket that listens at `addr` and does not block. IPv6 ones are for IPv6 alone, so that both families can
/// have the same port and no address has two forms.
///
/// # Errors
/// What the system says.
pub(crate) fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    if addr.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // So that a restart need not wait for the last run's connections to be forgotten. Two listeners still exclude
    // each other, except on Windows, where the option means the opposite.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Fulfils a wish.
///
/// # Errors
/// The address that could not be had.
pub(crate) fn bind(wish: &Wish) -> Result<Bound, Refused> {
    match wish {
        Wish::Exactly(addrs) => exactly(addrs),
        Wish::Port(port) => anywhere(*port),
        Wish::PortOrAny(port) => match anywhere(*port) {
            Err(refused) if refused.source.kind() == io::ErrorKind::AddrInUse => {
                log::info!("port {port} is taken; any other will do");
                anywhere(0)
            }
            result => result,
        },
    }
}

/// Binds each address; where ports are left open, all get the same one if possible.
fn exactly(addrs: &[SocketAddr]) -> Result<Bound, Refused> {
    let mut bound = Bound::default();
    let mut common = 0;
    for &addr in addrs {
        let refused = |source| Refused { addr, source };
        let wished = SocketAddr::new(addr.ip(), if addr.port() == 0 { common } else { addr.port() });
        let listener = match listen(wished) {
            Err(_) if wished != addr => listen(addr),
            result => result,
        };
        let listener = listener.map_err(refused)?;
        let local = listener.local_addr().map_err(refused)?;
        common = if common == 0 { local.port() } else { common };
        let udp = if local.is_ipv4() { &mut bound.udp_v4 } else { &mut bound.udp_v6 };
        if udp.is_none() {
            *udp = datagrams(local);
        }
        bound.tcp.push(listener);
    }
    Ok(bound)
}

/// Both families at `port`; one of them may be missing on this machine.
fn anywhere(port: u16) -> Result<Bound, Refused> {
    let v4 = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port);
    let mut bound = match exactly(&[v4]) {
        Err(refused) if refused.source.kind() == io::ErrorKind::AddrInUse => return Err(refused),
        Err(refused) => {
            log::info!("no IPv4: {}", refused.source);
            let v6 = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port);
            return exactly(&[v6]);
        }
        Ok(bound) => bound,
    };
    let port = bound.tcp.iter().find_map(|tcp| tcp.local_addr().ok()).map_or(port, |addr| addr.port());
    match exactly(&[SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port)]) {
        Ok(more) => {
            bound.tcp.extend(more.tcp);
            bound.udp_v6 = more.udp_v6;
        }
        Err(refused) => log::info!("no IPv6 at port {port}: {}", refused.source),
    }
    Ok(bound)
}

/// A UDP socket beside a TCP one: at the same port, or else at any. None of either is no reason not to run.
fn datagrams(beside: SocketAddr) -> Option<UdpSocket> {
    let any = SocketAddr::new(beside.ip(), 0);
    let socket = udp::bind(beside).or_else(|error| {
        log::info!("UDP at {beside}: {error}; any other port will do");
        udp::bind(any)
    });
    socket.map_err(|error| log::warn!("no UDP at {}: {error}", beside.ip())).ok()
}

impl Bound {
    /// The addresses that were got.
    pub(crate) fn listening(&self) -> Listening {
        let udp = |socket: &Option<UdpSocket>| socket.as_ref().and_then(|socket| socket.local_addr().ok());
        Listening {
            tcp: self.tcp.iter().filter_map(|tcp| tcp.local_addr().ok()).collect(),
            udp_v4: udp(&self.udp_v4),
            udp_v6: udp(&self.udp_v6),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[test]
    fn tcp_and_udp_share_a_port_and_one_family_does_not_take_the_others() {
        let bound = bind(&Wish::Exactly(vec![local(0), "[::1]:0".parse().expect("an address")]));
        let listening = bound.expect("loopback").listening();
        let port = listening.tcp[0].port();
        assert_ne!(port, 0);
        assert_eq!(listening.tcp.len(), 2);
        assert_eq!(listening.udp_v4, Some(local(port)));
        assert!(listening.udp_v6.is_some());
    }

    #[test]
    fn an_exact_address_that_is_taken_is_named() {
        let first = bind(&Wish::Exactly(vec![local(0)])).expect("loopback");
        let taken = first.listening().tcp[0];
        let refused = bind(&Wish::Exactly(vec![local(0), taken])).expect_err("it is taken");
        assert_eq!((refused.addr, refused.source.kind()), (taken, io::ErrorKind::AddrInUse));
    }

    #[test]
    fn a_default_port_that_is_taken_gives_way_to_any() {
        let first = bind(&Wish::Port(0)).expect("some port");
        let port = first.listening().tcp[0].port();
        assert_eq!(bind(&Wish::Port(port)).expect_err("it is taken").addr.port(), port);
        let second = bind(&Wish::PortOrAny(port)).expect("another port").listening();
        assert_ne!(second.tcp[0].port(), port);
    }
}
