//! Announces on the local network, from neighbours and from whoever can send there.
//!
//! Steps begin with a letter each:
//!
//! * `d`, a host, bytes: a datagram from that host.
//! * `t`, a [time](Bytes::time): time passes.
//! * `a`, `p`, `r` and a number: a torrent is added, turns out to be private, is removed.
//! * `l`, a number: the port, 0 for none, and the families that are listened on.

use crate::Target;
use crate::script::{Bytes, steps};
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use tide_base::addr::{is_bogus, is_local};
use tide_base::{InfoHash, Instant, Prng};
use tide_local::limits::{COOKIE_MAX, HASHES_MAX, Limits, READ_MAX, SENT_MAX};
use tide_local::{Announce, Discovery, Group, Visibility};

pub(crate) const TARGET: Target =
    Target { name: "lsd", run, input_max: 1 << 13, memory: 32 << 10, memory_per_byte: 16 };

const STEPS: usize = 512;

fn run(data: &[u8]) {
    parse(data);
    let mut scene = Scene::new();
    for step in steps(data).take(STEPS) {
        scene.step(step);
    }
}

/// The message alone.
fn parse(data: &[u8]) {
    let Ok(announce) = Announce::parse(data) else { return };
    assert!(data.len() <= READ_MAX && announce.port != 0);
    assert!(!announce.torrents.is_empty() && announce.torrents.len() <= HASHES_MAX);
    assert!(announce.cookie.as_ref().is_none_or(|cookie| cookie.len() <= COOKIE_MAX));
    for group in Group::ALL {
        let written = announce.write(group);
        if written.len() <= READ_MAX {
            assert_eq!(Announce::parse(&written).as_ref(), Ok(&announce));
        }
    }
}

struct Scene {
    now: Instant,
    limits: Limits,
    discovery: Discovery,
    torrents: BTreeSet<InfoHash>,
    private: BTreeSet<InfoHash>,
    last: Option<Instant>,
}

/// Two of our network, one that shares our public network, one behind a link, and a stranger.
fn host(number: u8) -> SocketAddr {
    match number % 6 {
        0 => SocketAddr::from(([192, 168, 1, 2], 6771)),
        1 => SocketAddr::from(([10, 0, 0, 1], 6771)),
        2 => SocketAddr::from(([81, 2, 3, 4], 6771)),
        3 => SocketAddrV6::new([0xfe80, 0, 0, 0, 0, 0, 0, 1].into(), 6771, 0, 3).into(),
        4 => SocketAddr::from(([0, 0, 0, 0, 0, 0xffff, 0xc0a8, 0x0102], 6771)),
        _ => SocketAddr::from(([8, 8, 8, 8], 6771)),
    }
}

impl Scene {
    fn new() -> Scene {
        let limits =
            Limits { torrents: 6, from_one: 5, senders: 3, from_all: 12, found: 4, ..Limits::default() };
        let mut discovery = Discovery::new(limits, Prng::new(1));
        discovery.set_addresses(&[(IpAddr::from([81, 2, 3, 1]), 24), (IpAddr::from([8, 8, 8, 9]), 0)]);
        discovery.listen(Some(6881), &Group::ALL);
        let now = Instant::from_secs(1000);
        Scene { now, limits, discovery, torrents: BTreeSet::new(), private: BTreeSet::new(), last: None }
    }

    fn step(&mut self, step: &[u8]) {
        let mut bytes = Bytes(step);
        match bytes.byte() {
            b'd' => {
                let from = host(bytes.byte());
                self.discovery.receive(self.now, from, bytes.0);
                self.found(from, bytes.0);
            }
            b't' => {
                self.now += bytes.time();
                self.discovery.wake(self.now);
                self.sends();
                assert!(self.discovery.wake_at().0 > self.now, "it would be woken at once, again and again");
            }
            b'a' => {
                let torrent = InfoHash([bytes.byte(); 20]);
                if self.torrents.len() < self.limits.torrents && !self.private.contains(&torrent) {
                    self.discovery.add(self.now, torrent, Visibility::Public);
                    self.torrents.insert(torrent);
                }
            }
            b'p' => {
                let torrent = InfoHash([bytes.byte(); 20]);
                self.discovery.add(self.now, torrent, Visibility::Private);
                self.torrents.remove(&torrent);
                self.private.insert(torrent);
            }
            b'r' => {
                let torrent = InfoHash([bytes.byte(); 20]);
                self.discovery.remove(torrent);
                self.torrents.remove(&torrent);
            }
            b'l' => {
                let number = bytes.byte();
                let groups = &Group::ALL[..usize::from(number % 3)];
                self.discovery.listen(Some(u16::from(number)).filter(|port| *port != 0), groups);
            }
            _ => {}
        }
    }

    fn found(&mut self, from: SocketAddr, bytes: &[u8]) {
        let mut count = 0;
        while let Some(found) = self.discovery.poll_found() {
            count += 1;
            let ip = from.ip().to_canonical();
            let announce = Announce::parse(bytes).expect("only an announce tells of peers");
            assert!(self.torrents.contains(&found.torrent), "nobody looks for {:?}", found.torrent);
            assert!(found.peer.ip() == ip && found.peer.port() == announce.port && !is_bogus(found.peer));
            assert!(is_local(ip) || ip == IpAddr::from([81, 2, 3, 4]), "{ip} is no neighbour");
        }
        assert!(count <= self.limits.found);
    }

    fn sends(&mut self) {
        let mut groups = BTreeSet::new();
        while let Some(send) = self.discovery.poll_send() {
            assert!(groups.insert(send.group) && send.bytes.len() <= SENT_MAX);
            let announce = Announce::parse(&send.bytes).expect("what we announce can be read");
            assert!(announce.torrents.iter().all(|torrent| self.torrents.contains(torrent)));
        }
        if !groups.is_empty() {
            let soonest = self.last.map_or(Instant::ZERO, |last| last + self.limits.gap);
            assert!(self.now >= soonest, "two announces within a minute");
            self.last = Some(self.now);
        }
    }
}
