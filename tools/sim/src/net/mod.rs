//! A small internet.

mod tap;
mod words;

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use tide_base::{Instant, Prng};

use crate::actor::EndId;
use crate::dice::{Dice, Odds};
use crate::mishap::{Mishap, Tally};

pub use tap::{Flags, Tapped, TappedPacket};
pub use words::{HostId, HostSpec, NetSpec, News, Stats};

/// Hosts, and what is between them.
#[derive(Debug)]
pub struct Net {
    dice: Dice,
    spec: NetSpec,
    hosts: Vec<HostSpec>,
    stats: Stats,
}

impl Net {
    /// A net without hosts.
    pub fn new(prng: Prng, odds: Odds, spec: NetSpec) -> Net {
        Net { dice: Dice::new(prng, odds), spec, hosts: Vec::new(), stats: Stats::default() }
    }

    /// Connects a host.
    pub fn add(&mut self, spec: HostSpec) -> HostId {
        self.hosts.push(spec);
        HostId(self.hosts.len() as u32 - 1)
    }

    /// What all hosts have in common.
    pub fn spec(&self) -> &NetSpec {
        &self.spec
    }

    /// A host accepts streams at a port of all its addresses from now on.
    pub fn listen(&mut self, host: HostId, port: u16) {
        let _ = (host, port);
    }

    /// A host accepts no more streams at a port.
    pub fn unlisten(&mut self, host: HostId, port: u16) {
        let _ = (host, port);
    }

    /// A host's addresses change; streams over those that it loses break or go silent.
    pub fn set_ips(&mut self, now: Instant, host: HostId, ips: Vec<IpAddr>) {
        let _ = (now, host, ips);
    }

    /// A host's addresses.
    pub fn ips(&self, host: HostId) -> &[IpAddr] {
        &self.hosts[host.0 as usize].ips
    }

    /// A host dials. `end` is a dialler's end with a number that was never used.
    pub fn dial(&mut self, now: Instant, host: HostId, end: EndId, to: SocketAddr) {
        let _ = (now, host, end, to);
    }

    /// How many bytes can be read.
    pub fn readable(&self, end: EndId) -> usize {
        let _ = end;
        0
    }

    /// Reads bytes, which lets the writer go on. Gives less than there is if [`Mishap::SmallRead`] strikes (a chance a call).
    pub fn read(&mut self, now: Instant, end: EndId, into: &mut [u8]) -> usize {
        let _ = (now, end, into);
        0
    }

    /// Whether the other side has ended its direction and everything before was read.
    pub fn ended(&self, end: EndId) -> bool {
        let _ = end;
        false
    }

    /// Writes bytes; how many were taken.
    pub fn write(&mut self, now: Instant, end: EndId, bytes: &[u8]) -> usize {
        let _ = (now, end, bytes);
        0
    }

    /// Ends an end in an orderly way, after what was written; it is forgotten on this side, and no news of it follow.
    pub fn close(&mut self, now: Instant, end: EndId) {
        let _ = (now, end);
    }

    /// Breaks a stream; its end is forgotten on this side.
    pub fn reset(&mut self, now: Instant, end: EndId) {
        let _ = (now, end);
    }

    /// Sends a datagram.
    pub fn send(&mut self, now: Instant, host: HostId, from: SocketAddr, to: SocketAddr, data: Vec<u8>) {
        let _ = (now, host, from, to, data);
    }

    /// A host's process is gone: its ends and listeners vanish; the others hear a reset, an end, or nothing.
    pub fn cut_off(&mut self, now: Instant, host: HostId) {
        let _ = (now, host);
    }

    /// When something happens next; [`Instant::NEVER`] if nothing does by itself.
    pub fn next_at(&self) -> Instant {
        Instant::NEVER
    }

    /// What has happened until `now`, one after another; `None` once that is all.
    pub fn poll(&mut self, now: Instant) -> Option<News> {
        let _ = now;
        None
    }

    /// The second act.
    pub fn calm(&mut self, now: Instant, core: &BTreeSet<HostId>) {
        let _ = (now, core);
        self.dice.calm();
    }

    /// How often each mishap changed something.
    pub fn tally(&self) -> &Tally<Mishap> {
        self.dice.tally()
    }

    /// What was carried so far.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// Notes every packet that arrives from now on, or no more.
    pub fn tap(&mut self, on: bool) {
        let _ = on;
    }

    /// The packets noted since last time.
    pub fn take_tapped(&mut self) -> Vec<Tapped> {
        Vec::new()
    }
}
