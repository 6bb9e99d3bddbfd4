//! Ways into the network: routers, which are asked whenever hardly anybody is known, and nodes that torrents name.

use core::net::{IpAddr, SocketAddr};

use tide_base::{Duration, Instant, addr};
use tide_dht::Node;
use tide_metainfo::HostPort;

use super::limits::{ADDRESSES, NAME_RETRY, NAME_RETRY_MOST, NODES, ROUTERS};
use crate::border::NetError;
use crate::desk::{Asker, Desk};

/// What a way in is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// A person named it: it is tried until its name is known.
    Router,
    /// A torrent did: once.
    Node,
}

/// A way in whose address is not known yet.
#[derive(Debug)]
struct Entrance {
    number: u64,
    at: HostPort,
    kind: Kind,
    /// When to look its name up; never while that is under way.
    next: Instant,
    wait: Duration,
}

/// Ways in whose addresses are not known yet.
#[derive(Debug)]
pub(super) struct Entrances {
    numbers: u64,
    waiting: Vec<Entrance>,
}

impl Entrances {
    pub(super) fn new(now: Instant, routers: &[HostPort]) -> Entrances {
        let mut entrances = Entrances { numbers: 0, waiting: Vec::new() };
        routers.iter().take(ROUTERS).for_each(|at| entrances.add(now, at, Kind::Router));
        entrances
    }

    fn add(&mut self, now: Instant, at: &HostPort, kind: Kind) {
        self.numbers += 1;
        self.waiting.push(Entrance {
            number: self.numbers,
            at: at.clone(),
            kind,
            next: now,
            wait: NAME_RETRY,
        });
    }

    /// A torrent names these.
    pub(super) fn name(&mut self, now: Instant, nodes: &[HostPort]) {
        for at in nodes {
            let is_known = self.waiting.iter().any(|entrance| entrance.at == *at);
            if !is_known && self.waiting.len() < ROUTERS + NODES {
                self.add(now, at, Kind::Node);
            }
        }
    }

    /// Goes where the way is known, and has names looked up where it is not.
    pub(super) fn settle(&mut self, desk: &mut Desk, now: Instant, node: &mut Node) {
        self.waiting.retain_mut(|entrance| {
            if entrance.next > now {
                return true;
            }
            if let Ok(ip) = entrance.at.host.parse::<IpAddr>() {
                enter(now, node, entrance, ip);
                return false;
            }
            entrance.next = Instant::NEVER;
            desk.look_up(&entrance.at.host, Asker::Router(entrance.number));
            true
        });
    }

    /// A name was looked up.
    pub(super) fn resolved(
        &mut self,
        now: Instant,
        node: &mut Node,
        number: u64,
        result: &Result<Vec<IpAddr>, NetError>,
    ) {
        let Some(index) = self.waiting.iter().position(|entrance| entrance.number == number) else { return };
        let entrance = &mut self.waiting[index];
        match result {
            Ok(ips) => {
                ips.iter().take(ADDRESSES).for_each(|ip| enter(now, node, entrance, *ip));
                self.waiting.swap_remove(index);
            }
            Err(why) if entrance.kind == Kind::Router => {
                log::debug!("DHT router {}: {why}", entrance.at);
                entrance.next = now + entrance.wait;
                entrance.wait = (entrance.wait * 2).min(NAME_RETRY_MOST);
            }
            Err(_) => drop(self.waiting.swap_remove(index)),
        }
    }

    /// When a name is to be looked up.
    pub(super) fn deadline(&self) -> Instant {
        self.waiting.iter().map(|entrance| entrance.next).min().unwrap_or(Instant::NEVER)
    }
}

fn enter(now: Instant, node: &mut Node, entrance: &Entrance, ip: IpAddr) {
    let at = addr::canonical(SocketAddr::new(ip, entrance.at.port));
    match entrance.kind {
        Kind::Router => node.add_router(now, at),
        Kind::Node => node.add_node(now, at),
    }
}
