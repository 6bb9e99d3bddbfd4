//! The address book of one torrent: who may be dialled, when, and in which order.

use crate::torrent::bep40;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::collections::{BTreeMap, BTreeSet};
use tide_base::addr::{canonical, is_bogus, is_local};
use tide_base::{Duration, Instant, PeerId, Prng};

mod entry;
mod survey;
#[cfg(test)]
mod tests;

pub use entry::Sources;
use entry::{Entry, Rank, Standing, State, Worth};

/// How much is remembered and how patient dialling is.
#[derive(Clone, Copy, Debug)]
pub struct BookLimits {
    /// Addresses at most: ten times the connections a torrent has, some 500 KiB. A swarm's better part is in there.
    pub addresses: usize,
    /// Addresses of one IP at most, local ones excepted: many ports of one host are normal behind NAT, hundreds are an
    /// attempt to fill the book.
    pub ports_an_ip: usize,
    /// Addresses of one IP dialled at a time: a host that is behind all of them must not be flooded by us.
    pub dials_an_ip: usize,
    /// IPs whose ban is remembered, the newest.
    pub bans: usize,
    /// Until an address is dialled again after one failure; doubled with every further one.
    pub retry: Duration,
    /// The same for addresses the user named: he is watching.
    pub retry_manual: Duration,
    /// Waits grow no longer than this, so that a peer that was away for a night is found again in the morning.
    pub retry_most: Duration,
    /// The same for addresses the user named.
    pub retry_manual_most: Duration,
    /// Until an address is dialled again after a connection that was of use.
    pub reconnect: Duration,
    /// After this many failures an address is forgotten, unless the user named it: an hour of trying.
    pub failures: u8,
    /// Addresses that resume data takes along: enough to find a swarm again without a tracker.
    pub export: usize,
}

impl BookLimits {
    /// The numbers with the reasons given at each.
    pub const DEFAULT: BookLimits = BookLimits {
        addresses: 2000,
        ports_an_ip: 64,
        dials_an_ip: 16,
        bans: 1000,
        retry: Duration::from_secs(60),
        retry_manual: Duration::from_secs(2),
        retry_most: Duration::from_secs(3600),
        retry_manual_most: Duration::from_secs(60),
        reconnect: Duration::from_secs(20),
        failures: 7,
        export: 200,
    };
}

impl Default for BookLimits {
    fn default() -> BookLimits {
        BookLimits::DEFAULT
    }
}

/// What became of an address that the book was told of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Added {
    /// It is in the book from now on.
    New,
    /// It was in the book; its sources are merged.
    Known,
    /// Nobody can be reached there.
    Bogus,
    /// Its IP is banned.
    Banned,
    /// The book is full of addresses that are no worse, or of ports of that IP.
    Full,
}

/// What a connection was good for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Use {
    /// Payload went one way or the other, or would have: worth coming back soon.
    Useful,
    /// Neither had anything that the other wants. That may change, but not soon.
    Idle,
    /// It came to nothing: treated like an attempt that failed.
    Useless,
}

/// Who is at the other end, as its handshake tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Identity {
    /// Somebody else.
    Peer,
    /// Ourselves: disconnect. The address is never dialled again.
    Ours,
}

/// An address worth taking along in resume data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KnownPeer {
    /// Where it listens.
    pub addr: SocketAddr,
    /// Who told of it.
    pub sources: Sources,
    /// Whether it had everything when last seen.
    pub seed: bool,
}

/// Less than every other address.
const LOWEST: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// The known addresses of one torrent.
///
/// Addresses are listening addresses: that of an incoming connection is only in the book once the peer told its port.
/// Events of addresses that are not in the book are ignored, so that no connection depends on its entry.
#[derive(Clone, Debug)]
pub struct Book {
    limits: BookLimits,
    our_id: PeerId,
    /// How peers see us, of IPv4 and IPv6.
    external: [Option<SocketAddr>; 2],
    seeding: bool,
    entries: BTreeMap<SocketAddr, Entry>,
    /// The idle entries that may be dialled now, the best first.
    ready: BTreeSet<(Rank, SocketAddr)>,
    /// Whether it is hearsay's turn. Those who make up addresses shall not keep us from those whom we know, nor those who
    /// do not answer any more from those of whom we hear.
    hearsay_next: bool,
    /// The idle entries that may be dialled later.
    waiting: BTreeSet<(Instant, SocketAddr)>,
    /// The idle entries that the user did not name, the worst first.
    evictable: BTreeSet<(Worth, SocketAddr)>,
    dials: BTreeMap<IpAddr, usize>,
    banned: BTreeMap<IpAddr, u64>,
    bans: u64,
}

impl Book {
    /// An empty book of the peer that calls itself `our_id`.
    pub fn new(our_id: PeerId, limits: BookLimits) -> Book {
        Book {
            limits,
            our_id,
            external: [None; 2],
            seeding: false,
            entries: BTreeMap::new(),
            ready: BTreeSet::new(),
            hearsay_next: false,
            waiting: BTreeSet::new(),
            evictable: BTreeSet::new(),
            dials: BTreeMap::new(),
            banned: BTreeMap::new(),
            bans: 0,
        }
    }

    /// Somebody told of an address. If the book is full, a worse one makes room.
    pub fn add(&mut self, now: Instant, addr: SocketAddr, sources: Sources, prng: &mut Prng) -> Added {
        let addr = canonical(addr);
        if is_bogus(addr) {
            return Added::Bogus;
        }
        if self.banned.contains_key(&addr.ip()) {
            return Added::Banned;
        }
        if self.entries.contains_key(&addr) {
            self.update(addr, |entry| entry.sources |= sources);
            return Added::Known;
        }
        let manual = sources.any_of(Sources::MANUAL);
        let ports = if is_local(addr.ip()) || manual { 0 } else { self.ports_of(addr.ip()).count() };
        if ports >= self.limits.ports_an_ip || !self.make_room(sources) {
            return Added::Full;
        }
        let lot = prng.next_u32();
        let entry = Entry {
            sources,
            failures: 0,
            state: State::Idle { from: now },
            seed: false,
            idle: false,
            last_connected: None,
            id: None,
            priority: priority(self.external, addr, lot),
            lot,
        };
        self.insert(addr, entry);
        Added::New
    }

    /// The address to dial now, which is being dialled from now on: its end is told by [`connected`](Self::connected)
    /// or [`failed`](Self::failed).
    pub fn next(&mut self, now: Instant) -> Option<SocketAddr> {
        self.wake(now);
        let free = |ip: IpAddr| self.dials.get(&ip).is_none_or(|&dials| dials < self.limits.dials_an_ip);
        let first = |standing: Standing| {
            let from = ((standing, 0, false, core::cmp::Reverse(u32::MAX)), LOWEST);
            let ready = self.ready.range(from..).take_while(|((of, ..), _)| *of == standing);
            ready.map(|(_, addr)| (standing, *addr)).find(|(_, addr)| free(addr.ip()))
        };
        let (sooner, later) = match self.hearsay_next {
            true => (Standing::Hearsay, Standing::Known),
            false => (Standing::Known, Standing::Hearsay),
        };
        let (standing, addr) = [Standing::Manual, sooner, later].into_iter().find_map(first)?;
        if standing != Standing::Manual {
            self.hearsay_next = standing == Standing::Known;
        }
        self.update(addr, |entry| entry.state = State::Dialling);
        Some(addr)
    }

    /// When [`next`](Self::next) may have an address, as far as the book knows: a moment that is past while one is
    /// ready and its IP is not dialled too often already.
    pub fn deadline(&self) -> Instant {
        let free = |ip: IpAddr| self.dials.get(&ip).is_none_or(|&dials| dials < self.limits.dials_an_ip);
        if self.ready.iter().any(|(_, addr)| free(addr.ip())) {
            return Instant::ZERO;
        }
        self.waiting.first().map_or(Instant::NEVER, |(from, _)| *from)
    }

    /// A connection with an address stands, whoever dialled.
    pub fn connected(&mut self, now: Instant, addr: SocketAddr) {
        self.update(canonical(addr), |entry| {
            let links = match entry.state {
                State::Ours => return,
                State::Connected { links } => links.saturating_add(1),
                State::Idle { .. } | State::Dialling => 1,
            };
            entry.state = State::Connected { links };
            entry.last_connected = Some(now);
        });
    }

    /// The peer's handshake came; `addr` is where it listens.
    pub fn handshaken(&mut self, addr: SocketAddr, id: PeerId) -> Identity {
        let ours = id == self.our_id;
        self.update(canonical(addr), |entry| {
            entry.id = Some(id);
            if ours {
                entry.state = State::Ours;
            }
        });
        if ours { Identity::Ours } else { Identity::Peer }
    }

    /// The peer has everything, or has not any more.
    pub fn set_seed(&mut self, addr: SocketAddr, seed: bool) {
        self.update(canonical(addr), |entry| entry.seed = seed);
    }

    /// An attempt to connect came to nothing.
    pub fn failed(&mut self, now: Instant, addr: SocketAddr, prng: &mut Prng) {
        let addr = canonical(addr);
        if self.entries.get(&addr).is_some_and(|entry| entry.state == State::Dialling) {
            self.rest(now, addr, Use::Useless, prng);
        }
    }

    /// An address was not dialled after all, or we let the connection go before anything came of it: no fault of its.
    pub fn spared(&mut self, now: Instant, addr: SocketAddr) {
        let addr = canonical(addr);
        if self.entries.get(&addr).is_some_and(|entry| entry.state == State::Dialling) {
            let from = now + self.limits.reconnect;
            self.update(addr, |entry| entry.state = State::Idle { from });
        }
    }

    /// A connection ended.
    pub fn disconnected(&mut self, now: Instant, addr: SocketAddr, use_of_it: Use, prng: &mut Prng) {
        let addr = canonical(addr);
        match self.entries.get(&addr).map(|entry| entry.state) {
            Some(State::Connected { links }) if links > 1 => {
                self.update(addr, |entry| entry.state = State::Connected { links: links - 1 });
            }
            Some(State::Connected { .. } | State::Dialling) => self.rest(now, addr, use_of_it, prng),
            _ => {}
        }
    }

    /// Every address of an IP is forgotten and refused from now on. Whether that is news.
    pub fn ban(&mut self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        for addr in self.ports_of(ip).collect::<Vec<_>>() {
            self.remove(addr);
        }
        self.bans += 1;
        let new = self.banned.insert(ip, self.bans).is_none();
        if self.banned.len() > self.limits.bans {
            let oldest = self.banned.iter().min_by_key(|(_, number)| **number).map(|(ip, _)| *ip);
            self.banned.remove(&oldest.expect("there are more than the limit"));
        }
        new
    }

    /// Addresses that only these told of are forgotten; which they were. Those of present connections are among them.
    pub fn forget(&mut self, sources: Sources) -> BTreeSet<SocketAddr> {
        let only = |entry: &Entry| entry.sources.are_only(sources) && entry.state != State::Ours;
        let addrs: BTreeSet<SocketAddr> =
            self.entries.iter().filter(|(_, entry)| only(entry)).map(|(addr, _)| *addr).collect();
        addrs.iter().for_each(|&addr| self.remove(addr));
        addrs
    }

    /// Whether an address is known.
    pub fn knows(&self, addr: SocketAddr) -> bool {
        self.entries.contains_key(&canonical(addr))
    }

    /// Whether we have everything we want, so that seeds are not dialled. Who had nothing for us before may have
    /// something now.
    pub fn set_seeding(&mut self, seeding: bool) {
        if self.seeding != seeding {
            self.seeding = seeding;
            self.reindex(|_, entry| {
                if !seeding && core::mem::take(&mut entry.idle) {
                    entry.failures = 0;
                    if let State::Idle { from } = &mut entry.state {
                        *from = Instant::ZERO;
                    }
                }
            });
        }
    }

    /// How peers of either family see us, as far as that is known: the basis of BEP 40's priorities.
    pub fn set_external(&mut self, v4: Option<SocketAddr>, v6: Option<SocketAddr>) {
        let external = [v4, v6];
        if self.external != external {
            self.external = external;
            self.reindex(|addr, entry| entry.priority = priority(external, addr, entry.lot));
        }
    }

    /// The addresses most likely to answer next time, the best first: connected ones, then those that were, then by
    /// failures.
    pub fn export(&self) -> Vec<KnownPeer> {
        let mut best: Vec<(SocketAddr, &Entry)> = self.entries.iter().map(|(addr, e)| (*addr, e)).collect();
        // An address of one link leads nowhere without the interface, whose number is another one next time.
        let lasts = |at: &SocketAddr| !matches!(at, SocketAddr::V6(at) if at.scope_id() != 0);
        best.retain(|(at, entry)| entry.state != State::Ours && lasts(at));
        best.sort_by_key(|(_, e)| {
            let connected = matches!(e.state, State::Connected { .. });
            (!connected, e.failures, core::cmp::Reverse(e.last_connected), e.rank())
        });
        best.truncate(self.limits.export);
        best.iter().map(|&(addr, e)| KnownPeer { addr, sources: e.sources, seed: e.seed }).collect()
    }

    /// How many addresses there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no address.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How the peer that listens at `addr` called itself, if it ever did.
    pub fn id_of(&self, addr: SocketAddr) -> Option<PeerId> {
        self.entries.get(&canonical(addr))?.id
    }

    /// Panics if the tables contradict each other.
    pub fn check_invariants(&self) {
        let (mut idle, mut evictable, mut dials) = (0, 0, BTreeMap::new());
        for (&addr, entry) in &self.entries {
            assert!(!self.banned.contains_key(&addr.ip()) && canonical(addr) == addr && !is_bogus(addr));
            let ready = self.ready.contains(&(entry.rank(), addr));
            let waiting = matches!(entry.state, State::Idle { from } if self.waiting.contains(&(from, addr)));
            assert!(!(ready && waiting));
            assert_eq!(ready || waiting, self.is_dialable(entry), "{addr} stands where it belongs");
            idle += usize::from(ready || waiting);
            evictable += usize::from(self.evictable.contains(&(entry.worth(), addr)));
            if entry.state == State::Dialling {
                *dials.entry(addr.ip()).or_default() += 1;
            }
        }
        assert_eq!(idle, self.ready.len() + self.waiting.len());
        assert_eq!(evictable, self.evictable.len());
        assert_eq!(dials, self.dials);
        assert!(self.entries.len() <= self.limits.addresses && self.banned.len() <= self.limits.bans);
    }

    fn is_dialable(&self, entry: &Entry) -> bool {
        matches!(entry.state, State::Idle { .. }) && !(self.seeding && entry.seed)
    }

    fn ports_of(&self, ip: IpAddr) -> impl Iterator<Item = SocketAddr> + '_ {
        let all = SocketAddr::new(ip, 0)..=SocketAddr::new(ip, u16::MAX);
        self.entries.range(all).map(|(addr, _)| *addr)
    }

    fn make_room(&mut self, sources: Sources) -> bool {
        if self.entries.len() < self.limits.addresses {
            return true;
        }
        let Some(&(_, worst)) = self.evictable.first() else { return false };
        let yields = sources.any_of(Sources::MANUAL) || self.entries[&worst].yields_to(sources);
        if yields {
            self.remove(worst);
        }
        yields
    }

    /// An attempt or a connection is over: the address waits.
    fn rest(&mut self, now: Instant, addr: SocketAddr, use_of_it: Use, prng: &mut Prng) {
        let Some(entry) = self.entries.get(&addr).copied() else { return };
        let failures = match use_of_it {
            Use::Useful => 0,
            Use::Useless => entry.failures.saturating_add(1),
            Use::Idle => entry.failures.saturating_add(1).min(self.limits.failures.saturating_sub(1)),
        };
        let is_insistent = entry.is_manual() && use_of_it != Use::Idle;
        if use_of_it == Use::Useless && failures >= self.limits.failures && !is_insistent {
            self.remove(addr);
            return;
        }
        let (retry, most) = if is_insistent {
            (self.limits.retry_manual, self.limits.retry_manual_most)
        } else {
            (self.limits.retry, self.limits.retry_most)
        };
        let wait = match failures {
            0 => self.limits.reconnect.min(most),
            n => retry.saturating_mul(1 << (n - 1).min(20)).min(most),
        };
        // Up to a quarter more, so that peers that lost each other at once do not all come back at once.
        let wait = wait + wait * prng.below(1024) as u32 / 4096;
        self.update(addr, |entry| {
            entry.failures = failures;
            entry.idle = use_of_it == Use::Idle;
            entry.state = State::Idle { from: now + wait };
        });
    }

    fn wake(&mut self, now: Instant) {
        while let Some(&(from, addr)) = self.waiting.first()
            && from <= now
        {
            self.waiting.pop_first();
            self.ready.insert((self.entries[&addr].rank(), addr));
        }
    }

    fn insert(&mut self, addr: SocketAddr, entry: Entry) {
        self.entries.insert(addr, entry);
        self.index(addr, &entry);
    }

    fn remove(&mut self, addr: SocketAddr) {
        if let Some(entry) = self.entries.remove(&addr) {
            self.unindex(addr, &entry);
        }
    }

    /// Changes an entry and all places where it stands. Nothing happens if there is none.
    fn update(&mut self, addr: SocketAddr, change: impl FnOnce(&mut Entry)) {
        let Some(mut entry) = self.entries.get(&addr).copied() else { return };
        self.unindex(addr, &entry);
        change(&mut entry);
        self.insert(addr, entry);
    }

    fn index(&mut self, addr: SocketAddr, entry: &Entry) {
        match entry.state {
            State::Idle { from } => {
                if self.is_dialable(entry) {
                    self.waiting.insert((from, addr));
                }
                if !entry.is_manual() {
                    self.evictable.insert((entry.worth(), addr));
                }
            }
            State::Dialling => *self.dials.entry(addr.ip()).or_default() += 1,
            State::Connected { .. } | State::Ours => {}
        }
    }

    fn unindex(&mut self, addr: SocketAddr, entry: &Entry) {
        match entry.state {
            State::Idle { from } => {
                self.waiting.remove(&(from, addr));
                self.ready.remove(&(entry.rank(), addr));
                self.evictable.remove(&(entry.worth(), addr));
            }
            State::Dialling => {
                let dials = self.dials.get_mut(&addr.ip()).expect("a dial that ends was counted");
                *dials -= 1;
                if *dials == 0 {
                    self.dials.remove(&addr.ip());
                }
            }
            State::Connected { .. } | State::Ours => {}
        }
    }

    fn reindex(&mut self, change: impl Fn(SocketAddr, &mut Entry)) {
        for addr in self.entries.keys().copied().collect::<Vec<_>>() {
            self.update(addr, |entry| change(addr, entry));
        }
    }
}

/// The priority of an address; a lot while it is not known how its family sees us.
fn priority(external: [Option<SocketAddr>; 2], addr: SocketAddr, lot: u32) -> u32 {
    external[usize::from(addr.is_ipv6())].map_or(lot, |own| bep40::priority(own, addr))
}
