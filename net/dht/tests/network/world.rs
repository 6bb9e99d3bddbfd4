//! A network in memory: honest nodes, dead ones and liars, a clock set by hand, loss, delay. The same seed gives the
//! same run.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use tide_base::{Duration, Instant, Prng};
use tide_dht::krpc::{Ask, Body, Message, Reply, read};
use tide_dht::{Config, Contact, Event, Node, NodeId, Output};

/// Who is at an address.
pub(crate) enum Kind {
    /// The real thing.
    Honest(Box<Node>),
    /// Nobody, or nobody any more.
    Dead,
    /// Answers under another id each time.
    Turncoat,
    /// Tells of nodes that are not there, as close to whatever is asked for as can be.
    Poisoner,
    /// Sits right beside this place, knows only others like it, and takes what it is given.
    Sybil(NodeId),
}

pub(crate) struct Host {
    pub(crate) addr: SocketAddr,
    pub(crate) kind: Kind,
    /// Its IPv6 address, if it has one.
    v6: Option<SocketAddr>,
    pub(crate) wakes: u64,
    wake: Instant,
}

pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) hosts: Vec<Host>,
    pub(crate) events: Vec<(usize, Event)>,
    pub(crate) delivered: u64,
    /// Lost datagrams in a hundred.
    pub(crate) loss: u64,
    /// A digest of all that was sent.
    pub(crate) digest: u64,
    pub(crate) prng: Prng,
    places: BTreeMap<SocketAddr, usize>,
    air: BTreeMap<(Instant, u64), (SocketAddr, SocketAddr, Vec<u8>)>,
    wakes: BTreeSet<(Instant, usize)>,
    sequence: u64,
}

/// The `n`th of many addresses, each in a /24 of its own.
pub(crate) fn address(n: u32) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::from_bits(0x2000_0000 + n * 0x701 + 5), 6881))
}

pub(crate) fn address_v6(n: u32) -> SocketAddr {
    SocketAddr::from(([0x2a00, n as u16, 1, 1, 0, 0, 0, 1], 6881))
}

impl World {
    pub(crate) fn new(seed: u64, loss: u64) -> World {
        World {
            now: Instant::from_secs(1),
            hosts: Vec::new(),
            events: Vec::new(),
            delivered: 0,
            loss,
            digest: 0,
            prng: Prng::new(seed),
            places: BTreeMap::new(),
            air: BTreeMap::new(),
            wakes: BTreeSet::new(),
            sequence: 0,
        }
    }

    pub(crate) fn add(&mut self, addr: SocketAddr, kind: Kind) -> usize {
        let host = self.hosts.len();
        self.hosts.push(Host { addr, v6: None, kind, wakes: 0, wake: Instant::NEVER });
        self.places.insert(addr, host);
        host
    }

    /// An honest node that knows the first host.
    pub(crate) fn add_honest(&mut self, addr: SocketAddr, config: Config) -> usize {
        let routers = self.hosts.first().map(|host| host.addr).into_iter().collect();
        let prng = Prng::new(self.prng.next_u64());
        let node = Node::new(Config { routers, ..config }, prng, self.now);
        let host = self.add(addr, Kind::Honest(Box::new(node)));
        self.turn(host);
        host
    }

    /// An honest node in both networks that knows the IPv4 address of the first host.
    pub(crate) fn add_dual(&mut self, n: u32) -> usize {
        let host = self.add_honest(address(n), Config::default());
        let v6 = address_v6(n);
        self.hosts[host].v6 = Some(v6);
        self.places.insert(v6, host);
        host
    }

    /// `count` honest nodes, one after the other.
    pub(crate) fn populate(&mut self, first: u32, count: u32) {
        for n in first..first + count {
            self.add_honest(address(n), Config::default());
            self.run(Duration::from_millis(100));
        }
        self.run(Duration::from_secs(10));
    }

    pub(crate) fn node(&mut self, host: usize) -> &mut Node {
        match &mut self.hosts[host].kind {
            Kind::Honest(node) => node,
            _ => panic!("host {host} is not honest"),
        }
    }

    pub(crate) fn honest(&self) -> Vec<usize> {
        let all = self.hosts.iter().enumerate();
        all.filter(|(_, host)| matches!(host.kind, Kind::Honest(_))).map(|(at, _)| at).collect()
    }

    /// Asks a node for something, and lets it act.
    pub(crate) fn act<T>(&mut self, host: usize, act: impl FnOnce(&mut Node, Instant) -> T) -> T {
        let now = self.now;
        let result = act(self.node(host), now);
        self.turn(host);
        result
    }

    fn turn(&mut self, host: usize) {
        let now = self.now;
        let (addr, v6) = (self.hosts[host].addr, self.hosts[host].v6);
        let node = self.node(host);
        node.settle(now);
        let outputs: Vec<Output> = std::iter::from_fn(|| node.poll()).collect();
        let (wake, _) = node.wake_at();
        assert!(wake > now, "it would be woken at once again");
        if self.hosts[host].wake != wake {
            self.wakes.remove(&(self.hosts[host].wake, host));
            self.hosts[host].wake = wake;
            if wake != Instant::NEVER {
                self.wakes.insert((wake, host));
            }
        }
        for output in outputs {
            match output {
                Output::Send { to, datagram } => {
                    // Where a host has no address, its socket refuses.
                    if let Some(from) = if to.is_ipv4() { Some(addr) } else { v6 } {
                        self.send(from, to, datagram);
                    }
                }
                Output::Event(event) => self.events.push((host, event)),
            }
        }
    }

    fn send(&mut self, from: SocketAddr, to: SocketAddr, datagram: Vec<u8>) {
        assert!(datagram.len() <= 1500);
        for &byte in &datagram {
            self.digest = (self.digest ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        if self.prng.chance(self.loss, 100) {
            return;
        }
        let at = self.now + Duration::from_millis(10 + self.prng.below(140));
        self.sequence += 1;
        self.air.insert((at, self.sequence), (from, to, datagram));
    }

    /// Lets time pass.
    pub(crate) fn run(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            let arrival = self.air.first_key_value().map_or(Instant::NEVER, |((at, _), _)| *at);
            let wake = self.wakes.first().map_or(Instant::NEVER, |(at, _)| *at);
            let next = arrival.min(wake);
            if next > end {
                break;
            }
            self.now = next;
            if arrival <= wake {
                let (_, (from, to, datagram)) = self.air.pop_first().expect("something arrives");
                self.arrive(from, to, &datagram);
            } else {
                let (_, host) = self.wakes.pop_first().expect("somebody wakes");
                self.hosts[host].wakes += 1;
                self.hosts[host].wake = Instant::NEVER;
                if matches!(self.hosts[host].kind, Kind::Honest(_)) {
                    self.turn(host);
                }
            }
        }
        self.now = end;
    }

    fn arrive(&mut self, from: SocketAddr, to: SocketAddr, datagram: &[u8]) {
        let Some(&host) = self.places.get(&to) else { return };
        let now = self.now;
        self.delivered += 1;
        if let Kind::Honest(node) = &mut self.hosts[host].kind {
            node.datagram(now, from, datagram);
            return self.turn(host);
        }
        if let Some(answer) = self.lie(host, datagram) {
            self.send(to, from, answer);
        }
    }

    fn lie(&mut self, host: usize, datagram: &[u8]) -> Option<Vec<u8>> {
        let Ok(Message { transaction, body: Body::Query(query), .. }) = read(datagram) else { return None };
        let target = match query.ask {
            Ask::FindNode { target } | Ask::Get { target, .. } => target,
            Ask::GetPeers { info_hash, .. } => NodeId::from(info_hash),
            _ => query.id,
        };
        let prng = &mut self.prng;
        let mut reply = Reply { token: Some(b"lie"), ..Reply::new(NodeId::random(prng)) };
        match &self.hosts[host].kind {
            Kind::Honest(_) | Kind::Dead => return None,
            Kind::Turncoat => {}
            Kind::Poisoner => {
                let nobody = (0..8).map(|_| Contact {
                    id: target.random_beside(60, prng),
                    addr: SocketAddr::from((Ipv4Addr::from_bits(0x5000_0000 + prng.next_u32() / 8), 9)),
                });
                reply.id = target.random_beside(3, &mut Prng::new(host as u64));
                reply.nodes = Some(nobody.collect());
            }
            Kind::Sybil(beside) => {
                reply.id = beside.random_beside(100, &mut Prng::new(host as u64));
                let addr = self.hosts[host].addr;
                let others = (0..8).map(|_| {
                    let SocketAddr::V4(v4) = addr else { panic!("an IPv4 address") };
                    let [a, b, c, _] = v4.ip().octets();
                    let addr = SocketAddr::from(([a, b, c, prng.below(250) as u8], 6881));
                    Contact { id: beside.random_beside(100, prng), addr }
                });
                reply.nodes = Some(others.collect());
            }
        }
        let body = Body::Reply(Box::new(reply));
        Some(Message { transaction, seen: None, body }.write(b"XX\x00\x00"))
    }
}
