//! A house: a mapper and a gateway on one wire, with a manual clock.
#![allow(dead_code, reason = "each test takes what it needs")]

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use tide_base::{Duration, Instant, Prng};
use tide_portmap::gateway::{Config, Gateway, HttpStream};
use tide_portmap::limits::Limits;
use tide_portmap::{Event, Mapped, Mapper, Network, Output, Protocol, StreamId, Want, ssdp};

pub(crate) const TCP: Want = Want { protocol: Protocol::Tcp, port: 6881 };
pub(crate) const UDP: Want = Want { protocol: Protocol::Udp, port: 6881 };
pub(crate) const OUTSIDE: Ipv4Addr = Ipv4Addr::new(203, 0, 114, 7);

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().expect(text)
}

pub(crate) fn at(text: &str) -> SocketAddr {
    text.parse().expect(text)
}

pub(crate) fn secs(secs: u64) -> Instant {
    Instant::from_secs(secs)
}

pub(crate) fn network() -> Network {
    Network { gateway: ip("192.168.1.1"), scope: 0, local: ip("192.168.1.10") }
}

pub(crate) fn everything() -> Config {
    Config::new(ip("192.168.1.1"), OUTSIDE)
}

/// What the wire does to a datagram from the gateway; `None` loses it.
type Wire = Box<dyn FnMut(SocketAddr, Vec<u8>) -> Option<(SocketAddr, Vec<u8>)>>;

pub(crate) struct House {
    pub(crate) now: Instant,
    pub(crate) mapper: Mapper,
    pub(crate) gateway: Gateway,
    pub(crate) network: Network,
    /// Whether anything reaches the gateway.
    pub(crate) plugged: bool,
    pub(crate) wire: Wire,
    pub(crate) events: Vec<(Instant, Event)>,
    pub(crate) datagrams: Vec<(Instant, SocketAddr, Vec<u8>)>,
    pub(crate) connects: Vec<(Instant, SocketAddr)>,
    streams: BTreeMap<StreamId, HttpStream>,
}

impl House {
    /// One whose gateway is like this, and which wants nothing yet.
    pub(crate) fn new(config: Config) -> House {
        House::with(config, network(), Limits::default(), 1)
    }

    pub(crate) fn with(config: Config, network: Network, limits: Limits, seed: u64) -> House {
        let mut house = House {
            now: secs(1000),
            mapper: Mapper::new(limits, Prng::new(seed)),
            gateway: Gateway::new(config, secs(0)),
            network,
            plugged: true,
            wire: Box::new(|from, bytes| Some((from, bytes))),
            events: Vec::new(),
            datagrams: Vec::new(),
            connects: Vec::new(),
            streams: BTreeMap::new(),
        };
        house.mapper.set_networks(house.now, &[network]);
        house
    }

    /// One that wants both ports.
    pub(crate) fn wanting(config: Config) -> House {
        let mut house = House::new(config);
        house.want(TCP);
        house.want(UDP);
        house
    }

    pub(crate) fn want(&mut self, want: Want) {
        self.mapper.want(self.now, want).expect("room");
        self.settle();
    }

    /// Carries everything until nothing is left to carry.
    pub(crate) fn settle(&mut self) {
        while let Some(output) = self.mapper.poll_output() {
            match output {
                Output::Datagram { from, to, bytes } => self.datagram(from, to, bytes),
                Output::Connect { stream, to, .. } => {
                    self.connects.push((self.now, to));
                    let port = self.gateway.config().upnp.as_ref().map(|igd| igd.port);
                    if self.plugged && to.ip() == self.network.gateway && Some(to.port()) == port {
                        self.streams.insert(stream, HttpStream::default());
                        self.mapper.connected(self.now, stream);
                    } else {
                        self.mapper.closed(self.now, stream);
                    }
                }
                Output::Write { stream, bytes } => {
                    let Some(reader) = self.streams.get_mut(&stream) else { continue };
                    let client = self.network.local;
                    if let Some(answer) = self.gateway.read(self.now, reader, client, &bytes) {
                        self.mapper.read(self.now, stream, &answer);
                        self.mapper.closed(self.now, stream);
                    }
                }
                Output::Close { stream } => drop(self.streams.remove(&stream)),
            }
        }
        while let Some(event) = self.mapper.poll_event() {
            self.events.push((self.now, event));
        }
    }

    fn datagram(&mut self, from: IpAddr, to: SocketAddr, bytes: Vec<u8>) {
        assert_eq!(from, self.network.local);
        self.datagrams.push((self.now, to, bytes.clone()));
        if !self.plugged || (to.ip() != self.network.gateway && to != ssdp::GROUP) {
            return;
        }
        let answers = self.gateway.receive(self.now, SocketAddr::new(from, 40000), to.port(), &bytes);
        let mut server = self.network.server();
        server.set_port(to.port());
        for answer in answers {
            if let Some((from, answer)) = (self.wire)(server, answer) {
                self.mapper.receive(self.now, from, &answer);
            }
        }
    }

    /// The gateway announces itself by multicast.
    pub(crate) fn announce(&mut self) {
        for bytes in self.gateway.announcements(self.now) {
            self.mapper.receive(self.now, self.network.server(), &bytes);
            self.settle();
        }
    }

    /// Lets time pass.
    pub(crate) fn run(&mut self, span: Duration) {
        let end = self.now + span;
        for _ in 0..100_000 {
            let (next, why) = self.mapper.wake_at();
            if next > end {
                self.now = end;
                return;
            }
            assert!(next > self.now, "due in the past: {why:?}");
            self.now = next;
            self.mapper.wake(self.now);
            self.settle();
        }
        panic!("too many wakes");
    }

    pub(crate) fn run_secs(&mut self, secs: u64) {
        self.run(Duration::from_secs(secs));
    }

    /// The outer port that leads to ours, as the gateway knows it.
    pub(crate) fn outer(&self, want: Want) -> Option<u16> {
        let client = SocketAddr::new(self.network.local, want.port);
        let mut rows = self.gateway.rows(self.now);
        rows.find(|row| row.outer.protocol == want.protocol && row.client == client).map(|row| row.outer.port)
    }

    pub(crate) fn mapped(&self) -> Vec<Mapped> {
        self.mapper.mapped().collect()
    }

    /// The events since the last time, without their times.
    pub(crate) fn news(&mut self) -> Vec<Event> {
        self.events.drain(..).map(|(_, event)| event).collect()
    }
}

pub(crate) fn is_mapped(event: &Event) -> bool {
    matches!(event, Event::Mapped(_))
}
