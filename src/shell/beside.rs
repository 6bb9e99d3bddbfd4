//! Sockets for datagrams that the engine asks for beside the session's own: in multicast groups, and at single addresses.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};

use mio::{Interest, Registry, Token};
use socket2::{Domain, Protocol, Socket, Type};
use tide_engine::{Membership, Via};

use crate::shell::udp::UdpReceiver;

/// Their tokens count up from here, each used once: an edge of one that is gone reaches nobody.
const TOKENS: usize = usize::MAX / 2;
/// How many routers multicast may cross: those of a house or an office, as far as they let it through at all.
const HOPS: u32 = 4;

/// The sockets, by what they are for.
#[derive(Debug, Default)]
pub(crate) struct Beside {
    open: BTreeMap<Via, (Token, UdpReceiver)>,
    opened: usize,
}

impl Beside {
    /// Opens what is missing and closes what is not wanted.
    pub(crate) fn set(&mut self, registry: &Registry, wanted: &[Via]) {
        self.open.retain(|via, _| wanted.contains(via));
        for &via in wanted {
            if !self.open.contains_key(&via)
                && let Err(error) = self.add(registry, via)
            {
                log::debug!("{via:?}: {error}");
            }
        }
    }

    fn add(&mut self, registry: &Registry, via: Via) -> io::Result<()> {
        let socket = match via {
            Via::Session => return Ok(()),
            Via::Group(on) => join(&on)?,
            Via::Address(ip) => bind(ip)?,
        };
        let token = Token(TOKENS + self.opened);
        self.opened += 1;
        let mut receiver = UdpReceiver::new(socket);
        registry.register(&mut receiver.socket, token, Interest::READABLE)?;
        self.open.insert(via, (token, receiver));
        Ok(())
    }

    /// Sends a datagram, or loses it.
    pub(crate) fn send(&self, via: Via, to: SocketAddr, data: &[u8]) {
        let Some((_, receiver)) = self.open.get(&via) else {
            return log::debug!("{via:?}: no socket for {to}");
        };
        if let Err(error) = receiver.socket.send_to(data, to) {
            log::debug!("{via:?}: a datagram to {to}: {error}");
        }
    }

    /// Takes an edge, if the token is of one of these.
    pub(crate) fn edge(&mut self, token: Token) -> bool {
        let known = self.open.values_mut().find(|(known, _)| *known == token);
        known.map(|(_, receiver)| receiver.readable = true).is_some()
    }

    /// Whether there is more to be taken in without waiting for an edge.
    pub(crate) fn busy(&self) -> bool {
        self.open.values().any(|(_, receiver)| receiver.readable)
    }

    /// Takes what datagrams have come, some of them.
    pub(crate) fn receive(&mut self, scratch: &mut [u8], mut take: impl FnMut(Via, SocketAddr, &[u8])) {
        for (via, (_, receiver)) in &mut self.open {
            receiver.receive(scratch, |from, data| take(*via, from, data));
        }
    }
}

fn socket(like: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(like), Type::DGRAM, Some(Protocol::UDP))?;
    if like.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// A socket at `ip`, with a port of the system's choice.
fn bind(ip: IpAddr) -> io::Result<UdpSocket> {
    let at = SocketAddr::new(ip, 0);
    let socket = socket(at)?;
    if let IpAddr::V4(ip) = ip {
        socket.set_multicast_if_v4(&ip)?;
        socket.set_multicast_ttl_v4(HOPS)?;
    }
    socket.bind(&at.into())?;
    Ok(socket.into())
}

/// A socket in a group, on one interface. Other programs are in the same group at the same port, and what is sent is
/// heard on this machine, too.
fn join(on: &Membership) -> io::Result<UdpSocket> {
    let socket = socket(on.group)?;
    socket.set_reuse_address(true)?;
    // Where this option alone lets several programs have a port.
    #[cfg(all(unix, not(any(target_os = "linux", target_os = "solaris", target_os = "illumos"))))]
    socket.set_reuse_port(true)?;
    match (on.group.ip(), on.on) {
        (IpAddr::V4(group), IpAddr::V4(own)) => {
            // Bound to the group it hears nothing else; not every system can.
            let at = if cfg!(unix) { on.group.ip() } else { std::net::Ipv4Addr::UNSPECIFIED.into() };
            socket.bind(&SocketAddr::new(at, on.group.port()).into())?;
            socket.join_multicast_v4(&group, &own)?;
            socket.set_multicast_if_v4(&own)?;
            socket.set_multicast_ttl_v4(HOPS)?;
            // Not what comes in by other interfaces: others listen there.
            #[cfg(target_os = "linux")]
            socket.set_multicast_all_v4(false)?;
        }
        (IpAddr::V6(group), IpAddr::V6(_)) => {
            let any = SocketAddr::new(std::net::Ipv6Addr::UNSPECIFIED.into(), on.group.port());
            socket.bind(&any.into())?;
            socket.join_multicast_v6(&group, on.index)?;
            socket.set_multicast_if_v6(on.index)?;
            socket.set_multicast_hops_v6(HOPS)?;
            #[cfg(target_os = "linux")]
            socket.set_multicast_all_v6(false)?;
        }
        _ => return Err(io::ErrorKind::InvalidInput.into()),
    }
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use mio::{Events, Poll};

    use super::*;

    fn membership(ip: [u8; 4], port: u16) -> Via {
        let group = SocketAddr::from(([239, 255, 77, 78], port));
        Via::Group(Membership { group, on: ip.into(), index: 0 })
    }

    /// All datagrams that are there once one is.
    fn heard(poll: &mut Poll, beside: &mut Beside) -> Vec<(Via, Vec<u8>)> {
        let (mut found, mut events) = (Vec::new(), Events::with_capacity(8));
        while found.is_empty() {
            beside.receive(&mut [0; 64], |via, _, data| found.push((via, data.to_vec())));
            if found.is_empty() {
                poll.poll(&mut events, Some(std::time::Duration::from_secs(5))).expect("a poll");
                assert!(!events.is_empty(), "nothing came in five seconds");
                events.iter().for_each(|event| assert!(beside.edge(event.token())));
            }
        }
        found
    }

    #[test]
    fn what_is_sent_to_a_group_is_heard_in_it_by_several() {
        let mut poll = Poll::new().expect("a poll");
        let mut other_poll = Poll::new().expect("a poll");
        let (mut one, mut other) = (Beside::default(), Beside::default());
        // A port that is free now: others may be in the group at once, but not in another program.
        let port = bind([127, 0, 0, 1].into()).and_then(|it| it.local_addr()).expect("a socket").port();
        let group = membership([127, 0, 0, 1], port);
        one.set(poll.registry(), &[group]);
        other.set(other_poll.registry(), &[group]);
        assert!(one.open.contains_key(&group) && other.open.contains_key(&group));
        let Via::Group(on) = group else { unreachable!("it is one") };
        one.send(group, on.group, b"here");
        assert_eq!(heard(&mut poll, &mut one), [(group, b"here".to_vec())]);
        assert_eq!(heard(&mut other_poll, &mut other), [(group, b"here".to_vec())]);
    }

    #[test]
    fn what_is_not_wanted_any_more_is_closed_and_loses_what_it_is_given() {
        let poll = Poll::new().expect("a poll");
        let mut beside = Beside::default();
        let here = Via::Address([127, 0, 0, 1].into());
        let nowhere = Via::Address([203, 0, 113, 7].into());
        beside.set(poll.registry(), &[here, nowhere]);
        assert_eq!(beside.open.keys().collect::<Vec<_>>(), [&here], "an address that is not ours");
        let token = beside.open[&here].0;
        beside.set(poll.registry(), &[]);
        assert!(beside.open.is_empty() && !beside.edge(token) && !beside.busy());
        beside.send(here, SocketAddr::from(([127, 0, 0, 1], 9)), b"lost");
    }
}
