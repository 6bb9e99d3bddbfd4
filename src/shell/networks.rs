//! Which networks the machine is on: read at the start, and again soon after the system says that something changed.
//!
//! Linux tells all of it. Elsewhere, and where Linux is not let, what is known is the address that the system would use
//! for the world, looked at once a minute: enough to meet neighbours, and no gateway, so that no port is mapped.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use mio::{Registry, Token};
use tide_base::{Duration, Instant};
use tide_engine::{Networks, OwnAddress};

#[cfg(target_os = "linux")]
use crate::shell::netlink;

/// The token of the system's word that something changed.
const CHANGED: Token = Token(usize::MAX / 2 - 1);
/// Changes come in bursts, an interface, its addresses, its routes; what is between is of no use.
const CALM: Duration = Duration::from_secs(1);
/// How often is looked where the system does not say.
const LOOK: Duration = Duration::from_secs(60);

/// Knows the networks.
#[derive(Debug)]
pub(crate) struct Watch {
    known: Option<Networks>,
    look_at: Instant,
    #[cfg(target_os = "linux")]
    monitor: Option<netlink::Monitor>,
}

impl Watch {
    /// One that looks at once.
    pub(crate) fn new() -> Watch {
        Watch {
            known: None,
            look_at: Instant::ZERO,
            #[cfg(target_os = "linux")]
            monitor: None,
        }
    }

    /// Hears of changes from now on.
    pub(crate) fn open(&mut self, registry: &Registry) {
        #[cfg(target_os = "linux")]
        {
            use mio::unix::SourceFd;
            let opened = netlink::Monitor::open().and_then(|monitor| {
                registry.register(&mut SourceFd(&monitor.raw()), CHANGED, mio::Interest::READABLE)?;
                Ok(monitor)
            });
            self.monitor = opened.map_err(|error| log::debug!("changes of networks: {error}")).ok();
        }
        #[cfg(not(target_os = "linux"))]
        let _ = registry;
    }

    /// Takes an edge, if the token is this one's.
    pub(crate) fn edge(&mut self, token: Token, now: Instant) -> bool {
        if token != CHANGED {
            return false;
        }
        #[cfg(target_os = "linux")]
        if let Some(monitor) = &self.monitor {
            monitor.drain();
        }
        // The burst began then: one that does not end does not put it off.
        self.look_at = self.look_at.min(now + CALM);
        true
    }

    /// When to look again.
    pub(crate) fn wake_at(&self) -> Option<Instant> {
        Some(self.look_at).filter(|at| *at != Instant::NEVER)
    }

    /// Looks, if it is time; the networks, if they are others than before.
    pub(crate) fn look(&mut self, now: Instant) -> Option<Networks> {
        if self.look_at > now {
            return None;
        }
        self.look_at = if self.is_told() { Instant::NEVER } else { now + LOOK };
        let networks = read();
        if self.known.as_ref() == Some(&networks) {
            return None;
        }
        log::debug!("networks: {networks:?}");
        self.known = Some(networks.clone());
        Some(networks)
    }

    /// Whether the system says when something changes.
    fn is_told(&self) -> bool {
        #[cfg(target_os = "linux")]
        return self.monitor.is_some();
        #[cfg(not(target_os = "linux"))]
        return false;
    }
}

fn read() -> Networks {
    #[cfg(target_os = "linux")]
    match netlink::networks() {
        Ok(networks) => return networks,
        Err(error) => log::debug!("the system does not tell of its networks: {error}"),
    }
    guess()
}

/// What any system tells: where a datagram into the world would come from. None is sent.
fn guess() -> Networks {
    let world: [(IpAddr, IpAddr); 2] = [
        (Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::new(1, 1, 1, 1).into()),
        (Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::new(0x2606, 0x4700, 0x4700, 0, 0, 0, 0, 0x1111).into()),
    ];
    let local = |(any, to): (IpAddr, IpAddr)| {
        let socket = UdpSocket::bind(SocketAddr::new(any, 0)).ok()?;
        socket.connect(SocketAddr::new(to, 9)).ok()?;
        let ip = socket.local_addr().ok()?.ip();
        Some(OwnAddress { ip, bits: if ip.is_ipv4() { 32 } else { 128 }, index: 0 })
    };
    Networks { addresses: world.into_iter().filter_map(local).collect(), gateways: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_told_once_and_again_only_if_they_change() {
        let mut watch = Watch::new();
        let first = watch.look(Instant::ZERO);
        assert!(first.is_some());
        let at = watch.wake_at().expect("nobody says when");
        assert_eq!(at, Instant::ZERO + LOOK);
        assert_eq!(watch.look(at), None, "nothing has changed");
        assert!(watch.edge(CHANGED, at));
        assert_eq!(watch.wake_at(), Some(at + CALM));
        assert!(watch.edge(CHANGED, at + CALM / 2));
        assert_eq!(watch.wake_at(), Some(at + CALM), "a burst is one change");
        assert!(!watch.edge(Token(1), at));
    }

    #[test]
    fn a_guess_is_an_address_of_this_machine() {
        for own in guess().addresses {
            assert!(UdpSocket::bind(SocketAddr::new(own.ip, 0)).is_ok(), "{own:?}");
        }
    }
}
