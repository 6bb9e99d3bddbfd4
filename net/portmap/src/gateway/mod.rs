//! A gateway in memory, for tests and simulated worlds: it answers PCP, NAT-PMP and UPnP, and translates ports.
//!
//! Honest by itself; whoever tests lies and faults changes what it answers on the way.

mod port;
mod table;
mod upnp;

use crate::description::ServiceType;
use crate::natpmp;
use crate::ssdp;
use crate::types::{Protocol, Want};
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use table::Table;
use tide_base::{Duration, Instant};

pub use table::Row;
pub use upnp::HttpStream;

/// How its UPnP is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Igd {
    /// Where its description and controls are.
    pub port: u16,
    /// What it offers.
    pub services: Vec<ServiceType>,
    /// It takes no lease but 0.
    pub permanent_only: bool,
}

impl Default for Igd {
    fn default() -> Self {
        Igd { port: 5000, services: Vec::from([ServiceType::Ip1]), permanent_only: false }
    }
}

/// What kind of gateway it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// Its address inside.
    pub inside: IpAddr,
    /// Its address outside.
    pub outside: Ipv4Addr,
    /// Whether it speaks PCP.
    pub pcp: bool,
    /// Whether it speaks NAT-PMP. If neither, port 5351 is silent.
    pub natpmp: bool,
    /// Its UPnP, if it speaks it.
    pub upnp: Option<Igd>,
    /// What longer lifetimes are lowered to.
    pub longest: Duration,
    /// Most mappings at a time.
    pub rows: usize,
}

impl Config {
    /// One that speaks everything.
    pub fn new(inside: IpAddr, outside: Ipv4Addr) -> Config {
        Config {
            inside,
            outside,
            pcp: true,
            natpmp: true,
            upnp: Some(Igd::default()),
            longest: Duration::from_secs(86400),
            rows: 1000,
        }
    }
}

/// A gateway.
#[derive(Debug)]
pub struct Gateway {
    config: Config,
    table: Table,
    /// Since when its mappings are kept.
    born: Instant,
}

impl Gateway {
    /// One that starts now, without mappings.
    pub fn new(config: Config, now: Instant) -> Gateway {
        let table = Table::new(config.rows);
        Gateway { config, table, born: now }
    }

    /// What it is.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Loses all mappings and starts its clock anew, as a device does that was switched off.
    pub fn restart(&mut self, now: Instant) {
        self.table = Table::new(self.config.rows);
        self.born = now;
    }

    /// Gets another address outside; mappings stay.
    pub fn set_outside(&mut self, outside: Ipv4Addr) {
        self.config.outside = outside;
    }

    /// Gives an outer port to somebody, for ever.
    pub fn reserve(&mut self, outer: Want, client: SocketAddr) {
        self.table.put(Row { outer, client, until: Instant::NEVER, nonce: None });
    }

    /// Where what comes to the outer port goes.
    pub fn translate(&self, now: Instant, protocol: Protocol, port: u16) -> Option<SocketAddr> {
        self.table.at(now, Want { protocol, port }).map(|row| row.client)
    }

    /// All that is mapped.
    pub fn rows(&self, now: Instant) -> impl Iterator<Item = &Row> {
        self.table.rows(now)
    }

    fn epoch(&self, now: Instant) -> u32 {
        u32::try_from(now.since(self.born).as_secs()).unwrap_or(u32::MAX)
    }

    /// Takes a datagram in that came to its `port`, by multicast or not; its answers, from that port to `from`.
    pub fn receive(&mut self, now: Instant, from: SocketAddr, port: u16, bytes: &[u8]) -> Vec<Vec<u8>> {
        match port {
            natpmp::PORT => self.answer_port(now, from.ip(), bytes).into_iter().collect(),
            port if port == ssdp::GROUP.port() => self.answer_search(bytes),
            _ => Vec::new(),
        }
    }

    /// What it sends by multicast to [`natpmp::CLIENT_PORT`] after a restart or when its address has changed.
    pub fn announcements(&self, now: Instant) -> Vec<Vec<u8>> {
        let epoch = self.epoch(now);
        let mut out = Vec::new();
        if self.config.pcp {
            let op = crate::pcp::Op::Announce;
            out.push(crate::pcp::Reply { code: 0, lifetime: 0, epoch, op }.write());
        }
        if self.config.natpmp {
            out.push(natpmp::Reply { epoch, body: natpmp::Body::Address(self.config.outside) }.write());
        }
        out
    }
}
