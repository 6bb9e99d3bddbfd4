//! A host: its addresses, its two links, and who it has to do with.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use tide_base::{Duration, Instant};
use tide_portmap::Protocol;

use super::link::Link;
use super::words::{Forward, HostSpec};
use crate::actor::EndId;

/// The first port that a dial comes from, and how many there are (RFC 6056 leaves the choice to the system; this is
/// Linux's).
const PORTS: (u16, u16) = (32_768, 28_232);
/// A NAT lets answers in for so long after a datagram went out (RFC 4787 asks for no less).
const PINHOLE: Duration = Duration::from_secs(120);
/// The most destinations that a NAT remembers before it looks which are stale.
const PINHOLES: usize = 1024;

/// A host.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) spec: HostSpec,
    pub(super) up: Link,
    pub(super) down: Link,
    pub(super) listens: BTreeSet<u16>,
    pub(super) ends: BTreeSet<EndId>,
    /// The multicast groups that it is in, with their ports.
    pub(super) groups: BTreeSet<SocketAddr>,
    /// What its NAT lets in.
    pub(super) forwards: Vec<Forward>,
    next_port: u16,
    pinholes: BTreeMap<(u16, SocketAddr), Instant>,
}

impl Host {
    pub(super) fn new(spec: HostSpec) -> Host {
        Host {
            up: Link::new(spec.up, spec.queue),
            down: Link::new(spec.down, spec.queue),
            listens: BTreeSet::new(),
            ends: BTreeSet::new(),
            groups: BTreeSet::new(),
            forwards: Vec::new(),
            next_port: 0,
            pinholes: BTreeMap::new(),
            spec,
        }
    }

    /// Where a dial to `to` comes from: an address of its family.
    pub(super) fn source(&mut self, to: IpAddr) -> Option<SocketAddr> {
        let same = |ip: &&IpAddr| ip.is_ipv4() == to.is_ipv4();
        let near = |ip: &&IpAddr| tide_base::addr::is_local(**ip) == tide_base::addr::is_local(to);
        let ips = || self.spec.ips.iter().filter(same);
        let ip = if to.is_loopback() { to } else { *ips().find(near).or_else(|| ips().next())? };
        let port = PORTS.0 + self.next_port;
        self.next_port = (self.next_port + 1) % PORTS.1;
        Some(SocketAddr::new(ip, port))
    }

    /// Whether it can have one more stream.
    pub(super) fn has_socket(&self) -> bool {
        self.ends.len() < self.spec.sockets as usize
    }

    /// A datagram leaves from `port`, so that its NAT lets answers in.
    pub(super) fn punch(&mut self, now: Instant, port: u16, to: SocketAddr) {
        if self.spec.nat {
            if self.pinholes.len() >= PINHOLES {
                self.pinholes.retain(|_, at| now.since(*at) < PINHOLE);
            }
            self.pinholes.insert((port, to), now);
        }
    }

    /// The port of its own to which its NAT lets in what comes to `outer`.
    pub(super) fn forward(&self, now: Instant, protocol: Protocol, outer: u16) -> Option<u16> {
        let of = |it: &&Forward| it.protocol == protocol && it.outer == outer && it.until > now;
        self.forwards.iter().find(of).map(|it| it.inner)
    }

    /// Whether a datagram gets to it.
    pub(super) fn lets_in(&self, now: Instant, port: u16, from: SocketAddr) -> bool {
        let hole = self.pinholes.get(&(port, from));
        !self.spec.nat || hole.is_some_and(|at| now.since(*at) < PINHOLE)
    }
}
