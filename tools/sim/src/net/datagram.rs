//! Datagrams: each on its own, and whatever can happen to one.

use std::net::SocketAddr;

use tide_base::{Duration, Instant};
use tide_portmap::Protocol;

use super::agenda::{Datagram, Event, Kind, Packet};
use super::way::UDP_HEADER;
use super::weather::Pair;
use super::{HostId, Net, News};
use crate::mishap::Mishap;

/// A copy comes, and one that nobody overtakes goes on, after at most so long.
const LATE: Duration = Duration::from_secs(1);

/// A datagram that waits for being overtaken.
#[derive(Debug)]
pub(super) struct Held {
    id: u64,
    datagram: Datagram,
}

impl Net {
    /// `host` sends a datagram from one of its addresses.
    pub fn send(&mut self, now: Instant, host: HostId, from: SocketAddr, to: SocketAddr, data: Vec<u8>) {
        self.now = now.max(self.now);
        let now = self.now;
        let (from, at) = (tide_base::addr::canonical(from), tide_base::addr::canonical(to));
        if at.ip().is_multicast() {
            return self.multicast(host, from, at, &data);
        }
        self.host_mut(host).punch(now, from.port(), at);
        let far = if at.ip().is_loopback() { Some(host) } else { self.host_at(at.ip()) };
        let size = UDP_HEADER.saturating_add(u32::try_from(data.len()).unwrap_or(u32::MAX));
        let Some(far) = far.filter(|_| at.port() != 0 && from.is_ipv4() == at.is_ipv4()) else {
            self.stats.packets += 1;
            self.stats.wire_bytes += u64::from(size);
            self.stats.lost += 1;
            return;
        };
        if far != host && data.len() > self.spec.mtu as usize && self.dice.hits(Mishap::UdpMtu) {
            self.stats.lost += 1;
            return;
        }
        let kind = Kind::Datagram(Box::new(Datagram { from, at, data, copy: false }));
        self.launch(Packet { from: host, to: far, size, kind }, Instant::ZERO);
    }

    /// A datagram goes to all hosts of the local network that are in the group, the sender among them.
    fn multicast(&mut self, host: HostId, from: SocketAddr, at: SocketAddr, data: &[u8]) {
        let size = UDP_HEADER.saturating_add(u32::try_from(data.len()).unwrap_or(u32::MAX));
        let hosts = (0..self.hosts.len()).map(|i| HostId(i as u32));
        let members: Vec<HostId> =
            hosts.filter(|&far| self.are_near(host, far) && self.host(far).groups.contains(&at)).collect();
        for far in members {
            let kind = Kind::Datagram(Box::new(Datagram { from, at, data: data.to_vec(), copy: false }));
            self.launch(Packet { from: host, to: far, size, kind }, Instant::ZERO);
        }
    }

    /// A datagram has come through.
    pub(super) fn datagram_comes(&mut self, from: HostId, to: HostId, mut datagram: Datagram) {
        if from == to || datagram.copy {
            return self.deliver(to, datagram);
        }
        let inner = self.host(to).forward(self.now, Protocol::Udp, datagram.at.port());
        if self.are_near(from, to) {
            // Nobody stands between them.
        } else if let Some(inner) = inner {
            datagram.at.set_port(inner);
        } else if !self.host(to).lets_in(self.now, datagram.at.port(), datagram.from) {
            self.stats.lost += 1;
            return self.dice.hit(Mishap::Nat);
        }
        let len = datagram.data.len();
        if len > 0 && self.dice.hits(Mishap::UdpTruncate) {
            datagram.data.truncate(self.dice.prng().index(len));
        }
        let len = datagram.data.len();
        if len > 0 && self.dice.hits(Mishap::UdpFlip) {
            let prng = self.dice.prng();
            datagram.data[prng.index(len)] ^= 1 << prng.below(8);
        }
        if self.dice.hits(Mishap::UdpTwice) {
            let copy = Box::new(Datagram { copy: true, ..datagram.clone() });
            let at = self.later();
            self.schedule(at, Event::Arrive(Packet { from, to, size: 0, kind: Kind::Datagram(copy) }));
        }
        let pair = (from, to);
        if !self.overtaken.contains_key(&pair) && self.dice.strikes(Mishap::UdpReorder) {
            self.next_held += 1;
            let id = self.next_held;
            self.overtaken.insert(pair, Held { id, datagram });
            let at = self.later();
            return self.schedule(at, Event::Release(pair, id));
        }
        self.deliver(to, datagram);
        if let Some(held) = self.overtaken.remove(&pair) {
            self.dice.hit(Mishap::UdpReorder);
            self.deliver(to, held.datagram);
        }
    }

    fn later(&mut self) -> Instant {
        self.now + Duration::from_nanos(1 + self.dice.prng().below(LATE.as_nanos() as u64))
    }

    /// Nobody has overtaken a datagram in time.
    pub(super) fn release(&mut self, pair: Pair, id: u64) {
        if self.overtaken.get(&pair).is_some_and(|held| held.id == id) {
            let held = self.overtaken.remove(&pair).expect("looked at");
            self.deliver(pair.1, held.datagram);
        }
    }

    fn deliver(&mut self, host: HostId, datagram: Datagram) {
        let Datagram { from, at, data, copy: _ } = datagram;
        self.stats.datagrams += 1;
        self.stats.datagram_bytes += data.len() as u64;
        self.news.push_back(News::Datagram { host, from, at, data });
    }
}
