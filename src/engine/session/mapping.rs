//! Ports opened in gateways: what is wanted open, and the datagrams and streams that it takes. What gateways are asked,
//! and when, is [`Mapper`]'s.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::collections::{BTreeMap, BTreeSet};

use tide_base::{Instant, Prng};
use tide_portmap::limits::Limits;
use tide_portmap::{Event, Mapper, Network, Output as Wish, Protocol, StreamId, Want, natpmp};

use crate::border::{Listening, Membership, Networks, Output, Via};
use crate::desk::{Desk, Role};
use crate::id::ConnKey;
use crate::shard::Slices;
use crate::stats::MappedPort;

/// Bytes read at once of a gateway's answer; descriptions have a few KiB.
const READ: usize = 16 << 10;

/// Where a gateway tells all hosts that it has restarted or got another address: what PCP and NAT-PMP have in common.
const TOLD_V4: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(224, 0, 0, 1)), natpmp::CLIENT_PORT);
/// The same of IPv6, on one link.
const TOLD_V6: SocketAddr =
    SocketAddr::new(IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1)), natpmp::CLIENT_PORT);

/// One request to a gateway.
#[derive(Debug)]
struct Stream {
    conn: ConnKey,
    out: Vec<u8>,
    sent: usize,
}

/// What the mapper has to say that concerns the session.
#[derive(Debug, Default)]
pub struct News {
    /// Gateways said that this is our address.
    pub addresses: Vec<(IpAddr, IpAddr)>,
    /// Mappings came or went, or why they do not come.
    pub changed: bool,
}

/// Keeps the session's ports open in the gateways of its networks.
#[derive(Debug)]
pub struct Mapping {
    mapper: Mapper,
    wants: BTreeSet<Want>,
    networks: Vec<Network>,
    indices: BTreeMap<IpAddr, u32>,
    streams: BTreeMap<StreamId, Stream>,
    trouble: Option<String>,
    news: News,
}

impl Mapping {
    /// One that wants nothing yet. The nonces of PCP are drawn from `prng`: whoever could guess it could take mappings
    /// away.
    pub fn new(limits: Limits, prng: Prng) -> Mapping {
        Mapping {
            mapper: Mapper::new(limits, prng),
            wants: BTreeSet::new(),
            networks: Vec::new(),
            indices: BTreeMap::new(),
            streams: BTreeMap::new(),
            trouble: None,
            news: News::default(),
        }
    }

    /// Where we listen, or which networks there are, has become known or has changed.
    pub fn place(&mut self, now: Instant, listening: &Listening, networks: &Networks) {
        self.networks = networks.gateways.iter().filter_map(|way| network(listening, way)).collect();
        self.indices = networks.gateways.iter().map(|way| (way.local, way.index)).collect();
        self.mapper.set_networks(now, &self.networks);
        let wants = wants(listening);
        for gone in self.wants.difference(&wants) {
            self.mapper.unwant(now, *gone);
        }
        self.wants.clear();
        for want in wants {
            match self.mapper.want(now, want) {
                Ok(()) => drop(self.wants.insert(want)),
                Err(rule) => log::debug!("{want} is not mapped: {rule}"),
            }
        }
        self.news.changed = true;
    }

    /// The sockets that are needed now.
    pub fn sockets(&self) -> impl Iterator<Item = Via> + '_ {
        let networks = if self.wants.is_empty() { &[] } else { self.networks.as_slice() };
        networks.iter().flat_map(|network| {
            let on = network.local;
            let group = if on.is_ipv4() { TOLD_V4 } else { TOLD_V6 };
            let index = self.indices.get(&on).copied().unwrap_or(0);
            [Via::Address(on), Via::Group(Membership { group, on, index })]
        })
    }

    /// Whether datagrams of this group are for us.
    pub fn is_ours(&self, group: SocketAddr) -> bool {
        [TOLD_V4, TOLD_V6].contains(&group)
    }

    /// A datagram came to one of the sockets.
    pub fn receive(&mut self, now: Instant, from: SocketAddr, data: &[u8]) {
        self.mapper.receive(now, from, data);
    }

    /// A connection to a gateway stands.
    pub fn connected(&mut self, now: Instant, stream: StreamId) {
        self.mapper.connected(now, stream);
    }

    /// A connection to a gateway is gone, or could not be made.
    pub fn closed(&mut self, now: Instant, stream: StreamId) {
        self.streams.remove(&stream);
        self.mapper.closed(now, stream);
    }

    /// How many bytes may be read of a gateway's answer.
    pub fn want(&self, stream: StreamId) -> usize {
        if self.streams.contains_key(&stream) { READ } else { 0 }
    }

    /// Bytes were read of a gateway's answer.
    pub fn filled(&mut self, now: Instant, stream: StreamId, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.mapper.read(now, stream, bytes);
        }
    }

    /// Names what is still to be sent to a gateway.
    pub fn gather<'a>(&'a self, stream: StreamId, out: &mut Slices<'a>) {
        if let Some(known) = self.streams.get(&stream)
            && known.sent < known.out.len()
        {
            out.push(&known.out[known.sent..]);
        }
    }

    /// `len` of the bytes gathered were written.
    pub fn sent(&mut self, stream: StreamId, len: usize) {
        if let Some(known) = self.streams.get_mut(&stream) {
            known.sent = (known.sent + len).min(known.out.len());
        }
    }

    /// The session ends: what was opened is closed.
    pub fn stop(&mut self, now: Instant) {
        self.mapper.stop(now);
    }

    /// Whether nothing is left to be closed after [`stop`](Self::stop).
    pub fn is_stopped(&self) -> bool {
        self.mapper.is_stopped()
    }

    /// Does what is due, and what came of that; what the session should know.
    pub fn settle(&mut self, desk: &mut Desk, now: Instant) -> News {
        if self.deadline() <= now {
            self.mapper.wake(now);
        }
        while let Some(wish) = self.mapper.poll_output() {
            self.carry(desk, now, wish);
        }
        while let Some(event) = self.mapper.poll_event() {
            self.happened(event);
        }
        core::mem::take(&mut self.news)
    }

    /// When [`settle`](Self::settle) must be called, at the latest.
    pub fn deadline(&self) -> Instant {
        self.mapper.wake_at().0
    }

    /// The ports that are open now.
    pub fn mapped(&self) -> Vec<MappedPort> {
        let port = |mapped: tide_portmap::Mapped| MappedPort {
            protocol: mapped.want.protocol,
            internal: mapped.internal,
            external_ip: mapped.external_ip,
            external_port: mapped.external_port,
            gateway: mapped.gateway,
            way: mapped.way,
        };
        self.mapper.mapped().map(port).collect()
    }

    /// Why a port that is wanted is not open.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    fn carry(&mut self, desk: &mut Desk, now: Instant, wish: Wish) {
        match wish {
            Wish::Datagram { from, to, bytes } => {
                desk.put(Output::Datagram { via: Via::Address(from), to, data: bytes });
            }
            // The gateway is a neighbour: what goes there comes from our address of its network by itself.
            Wish::Connect { stream, from: _, to } => {
                let conn = desk.conns.insert(to, now, Role::Gateway(stream));
                self.streams.insert(stream, Stream { conn, out: Vec::new(), sent: 0 });
                desk.put(Output::Dial { conn, to, tls: None });
            }
            Wish::Write { stream, bytes } => {
                if let Some(known) = self.streams.get_mut(&stream) {
                    known.out.extend_from_slice(&bytes);
                    desk.put(Output::Send(known.conn));
                }
            }
            Wish::Close { stream } => {
                if let Some(known) = self.streams.remove(&stream) {
                    desk.close(known.conn);
                }
            }
        }
    }

    fn happened(&mut self, event: Event) {
        match event {
            Event::Mapped(mapped) => {
                log::debug!(
                    "{} opened {} at port {} ({})",
                    mapped.gateway,
                    mapped.want,
                    mapped.external_port,
                    mapped.way
                );
                self.trouble = None;
            }
            Event::ExternalAddress { gateway, ip } => {
                log::debug!("gateway {gateway} has the address {ip}");
                self.news.addresses.push((gateway, ip));
            }
            Event::Lost { want, internal, why } | Event::Failed { want, internal, why } => {
                log::debug!("{want} of {internal} is not open: {why}");
                self.trouble = Some(format!("{want}: {why}"));
            }
        }
        self.news.changed = true;
    }
}

/// A way out as the mapper knows it, if what we listen on can be reached through it.
fn network(listening: &Listening, way: &crate::border::Gateway) -> Option<Network> {
    let reached = |at: &SocketAddr| match at.ip() {
        ip if ip.is_unspecified() => ip.is_ipv4() == way.local.is_ipv4(),
        ip => ip == way.local,
    };
    let link_local = matches!(way.ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
    let scope = if link_local { way.index } else { 0 };
    let network = Network { gateway: way.ip, scope, local: way.local };
    listening.tcp.iter().any(reached).then_some(network)
}

/// What is wanted open: where we listen, but for loopback.
fn wants(listening: &Listening) -> BTreeSet<Want> {
    let of = |protocol, at: &SocketAddr| {
        (!at.ip().is_loopback() && at.port() != 0).then_some(Want { protocol, port: at.port() })
    };
    let tcp = listening.tcp.iter().filter_map(|at| of(Protocol::Tcp, at));
    let udp = [listening.udp_v4, listening.udp_v6];
    let udp = udp.iter().flatten().filter_map(|at| of(Protocol::Udp, at));
    tcp.chain(udp).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::border::Gateway;

    fn at(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn what_is_listened_on_is_wanted_once_and_loopback_is_not() {
        let listening = Listening {
            tcp: vec![at("0.0.0.0:7"), at("[::]:7"), at("127.0.0.1:8")],
            udp_v4: Some(at("0.0.0.0:7")),
            udp_v6: Some(at("[::]:9")),
        };
        let wanted: Vec<String> = wants(&listening).iter().map(Want::to_string).collect();
        assert_eq!(wanted, ["TCP 7", "UDP 7", "UDP 9"]);
        let local = Listening { tcp: vec![at("[::1]:7")], ..Listening::default() };
        assert!(wants(&local).is_empty());
    }

    #[test]
    fn a_gateway_is_asked_if_it_leads_to_where_we_listen() {
        let v4 = Gateway { ip: ip("192.168.1.1"), index: 2, local: ip("192.168.1.5") };
        let v6 = Gateway { ip: ip("fe80::1"), index: 2, local: ip("2a00::5") };
        let on = |listen: &[&str], way| {
            let tcp = listen.iter().map(|addr| at(addr)).collect();
            network(&Listening { tcp, ..Listening::default() }, way)
        };
        assert_eq!(on(&["0.0.0.0:1"], &v4).map(|network| network.scope), Some(0));
        assert_eq!(on(&["[::]:1"], &v6).map(|network| network.scope), Some(2));
        assert!(on(&["192.168.1.5:1"], &v4).is_some());
        assert!(on(&["192.168.1.6:1", "127.0.0.1:1"], &v4).is_none());
        assert!(on(&["0.0.0.0:1"], &v6).is_none());
    }
}
