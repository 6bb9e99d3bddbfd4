//! A small internet: hosts with a line each way, streams that share these lines as TCP does, datagrams, and weather.
//!
//! What can go wrong, and what a chance is:
//!
//! | mishap | a chance is |
//! | --- | --- |
//! | `no-sockets` | a dial at the dialler, and again each try that reaches a listener |
//! | `nat` | no odds: a dial, or a datagram unasked for, to a host that is behind one |
//! | `connect-timeout`, `connect-refused` | a dial that reaches a listener |
//! | `reset`, `half-close`, `silence` | a stream that is accepted: one direction, after a number of bytes drawn then |
//! | `small-read`, `small-write` | a call for two bytes or more |
//! | `jitter` | a packet, datagrams included |
//! | `tcp-loss` | a packet of a stream, but for resets and bare acknowledgements |
//! | `tail-drop` | no odds: a packet that comes to a full queue |
//! | `partition`, `partition-one-way`, `clog`, `swizzle` | a change of weather, every one to ten seconds; counted a packet |
//! | `udp-mtu` | a datagram larger than [`NetSpec::mtu`] |
//! | `udp-loss`, `udp-twice`, `udp-truncate`, `udp-flip`, `udp-reorder` | a datagram |
//!
//! What is simple about it: acknowledgements take no room on a line, nothing happens to a host's words to itself, and a
//! process that ends leaves its host running.

mod agenda;
mod calls;
mod datagram;
mod dial;
mod host;
mod link;
mod receiver;
mod sender;
mod sky;
mod stream;
mod tap;
mod tcp;
#[cfg(test)]
mod tests;
mod way;
mod weather;
mod words;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};

use tide_base::{Instant, Prng};

use crate::dice::{Dice, Odds};
use crate::mishap::{Mishap, Tally};

use agenda::{Agenda, Event};
use datagram::Held;
use host::Host;
use stream::{App, Silence, Stream};
use weather::{Pair, Weather};

pub use tap::{Flags, Tapped, TappedPacket};
pub use words::{Forward, HostId, HostSpec, NetSpec, News, Stats};

/// Hosts, and what is between them. Time never goes backwards from call to call.
#[derive(Debug)]
pub struct Net {
    now: Instant,
    dice: Dice,
    spec: NetSpec,
    hosts: Vec<Host>,
    ips: BTreeMap<IpAddr, HostId>,
    streams: BTreeMap<u64, Stream>,
    agenda: Agenda,
    news: VecDeque<News>,
    weather: Weather,
    overtaken: BTreeMap<Pair, Held>,
    next_held: u64,
    stats: Stats,
    tapped: Option<Vec<Tapped>>,
}

impl Net {
    /// A net without hosts.
    pub fn new(prng: Prng, odds: Odds, spec: NetSpec) -> Net {
        Net {
            now: Instant::ZERO,
            dice: Dice::new(prng, odds),
            spec,
            hosts: Vec::new(),
            ips: BTreeMap::new(),
            streams: BTreeMap::new(),
            agenda: Agenda::default(),
            news: VecDeque::new(),
            weather: Weather::default(),
            overtaken: BTreeMap::new(),
            next_held: 0,
            stats: Stats::default(),
            tapped: None,
        }
    }

    /// Connects a host.
    pub fn add(&mut self, mut spec: HostSpec) -> HostId {
        if self.hosts.is_empty() {
            self.next_tick();
        }
        let id = HostId(u32::try_from(self.hosts.len()).expect("hosts are few"));
        let ips = core::mem::take(&mut spec.ips);
        self.hosts.push(Host::new(spec));
        self.name(id, ips);
        id
    }

    fn name(&mut self, host: HostId, ips: Vec<IpAddr>) {
        let ips: Vec<IpAddr> = ips.iter().map(IpAddr::to_canonical).collect();
        self.ips.extend(ips.iter().map(|&ip| (ip, host)));
        self.host_mut(host).spec.ips = ips;
    }

    /// What all hosts have in common.
    pub fn spec(&self) -> &NetSpec {
        &self.spec
    }

    /// How a host is connected now.
    pub fn host_spec(&self, host: HostId) -> &HostSpec {
        &self.host(host).spec
    }

    /// Whose address it is.
    pub fn host_at(&self, ip: IpAddr) -> Option<HostId> {
        self.ips.get(&ip.to_canonical()).copied()
    }

    fn host(&self, id: HostId) -> &Host {
        &self.hosts[id.0 as usize]
    }

    fn host_mut(&mut self, id: HostId) -> &mut Host {
        &mut self.hosts[id.0 as usize]
    }

    /// A host accepts streams at a port of all its addresses from now on.
    pub fn listen(&mut self, host: HostId, port: u16) {
        self.host_mut(host).listens.insert(port);
    }

    /// A host accepts no more streams at a port.
    pub fn unlisten(&mut self, host: HostId, port: u16) {
        self.host_mut(host).listens.remove(&port);
    }

    /// A host is in these multicast groups from now on, and in no others.
    pub fn set_groups(&mut self, host: HostId, groups: BTreeSet<SocketAddr>) {
        self.host_mut(host).groups = groups;
    }

    /// A host's NAT lets in at these ports from now on, and at no others.
    pub fn set_forwards(&mut self, host: HostId, forwards: Vec<Forward>) {
        self.host_mut(host).forwards = forwards;
    }

    /// Whether no NAT is between two hosts.
    fn are_near(&self, one: HostId, other: HostId) -> bool {
        let lan = self.host(one).spec.lan;
        one == other || lan.is_some() && lan == self.host(other).spec.lan
    }

    /// When something happens next; [`Instant::NEVER`] if nothing does by itself.
    pub fn next_at(&self) -> Instant {
        if self.news.is_empty() { self.agenda.next_at() } else { self.now }
    }

    /// What has happened until `now`, one after another; `None` once that is all.
    pub fn poll(&mut self, now: Instant) -> Option<News> {
        loop {
            while let Some(news) = self.news.pop_front() {
                if self.is_current(&news) {
                    return Some(news);
                }
            }
            let Some((at, event)) = self.agenda.pop(now) else {
                self.now = now.max(self.now);
                return None;
            };
            self.now = at.max(self.now);
            self.happen(event);
        }
    }

    /// Whether the owner should still hear of it; what it knows from then on.
    fn is_current(&mut self, news: &News) -> bool {
        let (News::Accepted { end, .. }
        | News::Connected { end, .. }
        | News::Readable { end, .. }
        | News::Writable { end, .. }
        | News::Closed { end, .. }) = *news
        else {
            return true;
        };
        let Some(stream) = self.streams.get_mut(&end.stream) else { return false };
        let readable = stream.inward(end).receiver.readable() > 0;
        let side = stream.side_mut(end);
        let open = side.app == App::Open;
        match news {
            News::Readable { .. } => {
                side.readable_told = false;
                open && readable
            }
            News::Writable { .. } => {
                side.writable_told = false;
                open
            }
            News::Closed { why: tide_engine::NetError::Ended, .. } => open,
            News::Closed { .. } => {
                let dying = side.app == App::Dying;
                self.forget(end);
                dying
            }
            _ => matches!(side.app, App::Open | App::Dying),
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Cross(packet) => self.cross(packet),
            Event::Arrive(packet) => self.arrive(packet),
            Event::Timer(end, set_for) => self.timer(end, set_for),
            Event::Dial(stream, tries) => self.try_dial(stream, tries),
            Event::Fail(stream, why) => self.dial_failed(stream, why),
            Event::Release(pair, id) => self.release(pair, id),
            Event::Tick => self.tick(),
            Event::Heal(id) => self.weather.heal(id),
            Event::Clog(pair, until) => self.swizzle_clog(pair, until),
            Event::Thaw(pair) => {
                let held = self.weather.thaw(self.now, pair);
                self.let_go(held);
            }
        }
    }

    fn schedule(&mut self, at: Instant, event: Event) {
        let tie = self.dice.prng().next_u32();
        self.agenda.push(at, tie, event);
    }

    /// The second act: no mishap strikes any more. Between hosts of `core` nothing stands, no stream is silent and no
    /// dial unanswered; what else is cut off, clogged or silent stays so. A NAT, a queue, a lost address is no mishap,
    /// and stays.
    pub fn calm(&mut self, now: Instant, core: &BTreeSet<HostId>) {
        self.now = now.max(self.now);
        self.dice.calm();
        for stream in self.streams.values_mut() {
            stream.flows_mut().for_each(|flow| flow.trips.clear());
            if stream.hosts().iter().all(|host| core.contains(host)) {
                stream.muted = false;
                if stream.silence == Silence::Struck {
                    stream.silence = Silence::None;
                }
            }
        }
        let held = self.weather.settle(core);
        self.let_go(held);
    }

    /// How often each mishap changed something.
    pub fn tally(&self) -> &Tally<Mishap> {
        self.dice.tally()
    }

    /// What was carried so far.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// How many streams are not forgotten by both their owners.
    pub fn open_streams(&self) -> usize {
        self.streams.len()
    }

    /// Notes every packet that arrives from now on, or none any more. Bare acknowledgements are not noted.
    pub fn tap(&mut self, on: bool) {
        self.tapped = on.then(|| self.tapped.take().unwrap_or_default());
    }

    /// The packets noted since last time.
    pub fn take_tapped(&mut self) -> Vec<Tapped> {
        self.tapped.as_mut().map(core::mem::take).unwrap_or_default()
    }

    fn addr_of(&self, host: HostId, like: SocketAddr) -> bool {
        like.ip().is_loopback() || self.host(host).spec.ips.contains(&like.ip())
    }
}
