//! Who is in which swarm.

use crate::limits::ServerLimits;
use crate::request::Event;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::SocketAddr;
use tide_base::addr::Family;
use tide_base::{InfoHash, Instant, Prng, addr};

/// One announce as the registry sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Visit {
    /// Which swarm.
    pub info_hash: InfoHash,
    /// Where the announce came from, with the port that the peer says it listens on.
    pub peer: SocketAddr,
    /// Bytes that it lacks; 0 makes it a seed.
    pub left: u64,
    /// Why it announces.
    pub event: Event,
    /// How many peers it wants at most; `None` for as many as is usual.
    pub want: Option<usize>,
}

/// The numbers of a swarm, both families together.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Counts {
    /// Peers that have everything.
    pub seeds: u32,
    /// Peers that do not.
    pub leechers: u32,
    /// Downloads that became complete.
    pub downloads: u32,
}

/// What a peer is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Announced {
    /// The swarm's numbers, the peer included.
    pub counts: Counts,
    /// Other peers over IPv4.
    pub v4: Vec<SocketAddr>,
    /// Other peers over IPv6.
    pub v6: Vec<SocketAddr>,
}

/// The registry holds as many swarms as it may.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Full;

#[derive(Clone, Copy, Debug)]
struct Member {
    peer: SocketAddr,
    is_seed: bool,
    seen: Instant,
}

/// The peers of one family: a dense list to choose from at random, and where in it each stands.
#[derive(Debug, Default)]
struct Members {
    list: Vec<Member>,
    places: BTreeMap<SocketAddr, usize>,
    seeds: usize,
}

impl Members {
    /// Enters or refreshes a peer; returns whether it has just become a seed. A new one is left out if `limit` are in.
    fn put(&mut self, member: Member, limit: usize) -> bool {
        match self.places.get(&member.peer) {
            Some(&at) => {
                let was_seed = core::mem::replace(&mut self.list[at], member).is_seed;
                self.seeds = self.seeds - usize::from(was_seed) + usize::from(member.is_seed);
                member.is_seed && !was_seed
            }
            None => {
                if self.list.len() < limit {
                    self.places.insert(member.peer, self.list.len());
                    self.list.push(member);
                    self.seeds += usize::from(member.is_seed);
                }
                false
            }
        }
    }

    fn remove(&mut self, peer: SocketAddr) {
        let Some(at) = self.places.remove(&peer) else { return };
        let gone = self.list.swap_remove(at);
        self.seeds -= usize::from(gone.is_seed);
        if let Some(moved) = self.list.get(at) {
            self.places.insert(moved.peer, at);
        }
    }

    fn expire(&mut self, unseen_since: Instant) {
        let stale = self.list.iter().filter(|member| member.seen < unseen_since);
        let stale: Vec<SocketAddr> = stale.map(|member| member.peer).collect();
        for peer in stale {
            self.remove(peer);
        }
    }

    /// Up to `want` peers from a random place on, without the asker, and without seeds if it is one itself.
    fn choose(&self, want: usize, visit: &Visit, prng: &mut Prng) -> Vec<SocketAddr> {
        if self.list.is_empty() {
            return Vec::new();
        }
        let start = prng.index(self.list.len());
        let (tail, head) = self.list.split_at(start);
        head.iter()
            .chain(tail)
            .filter(|member| member.peer != visit.peer && !(visit.left == 0 && member.is_seed))
            .map(|member| member.peer)
            .take(want)
            .collect()
    }
}

#[derive(Debug, Default)]
struct Swarm {
    members: [Members; 2],
    downloads: u32,
    swept: Instant,
}

impl Swarm {
    fn counts(&self) -> Counts {
        let seeds: usize = self.members.iter().map(|members| members.seeds).sum();
        let all: usize = self.members.iter().map(|members| members.list.len()).sum();
        Counts { seeds: seeds as u32, leechers: (all - seeds) as u32, downloads: self.downloads }
    }

    fn expire(&mut self, now: Instant, limits: &ServerLimits) {
        for members in &mut self.members {
            members.expire(now - limits.expiry);
        }
        self.swept = now;
    }
}

/// Who is in which swarm.
#[derive(Debug)]
pub struct Registry {
    limits: ServerLimits,
    swarms: BTreeMap<InfoHash, Swarm>,
    prng: Prng,
    swept: Instant,
}

impl Registry {
    /// No swarms. Which peers are given to whom is drawn from `prng`.
    pub fn new(limits: ServerLimits, prng: Prng) -> Registry {
        Registry { limits, swarms: BTreeMap::new(), prng, swept: Instant::ZERO }
    }

    /// Its bounds and habits.
    pub fn limits(&self) -> &ServerLimits {
        &self.limits
    }

    /// How many swarms there are.
    pub fn len(&self) -> usize {
        self.swarms.len()
    }

    /// Whether there is no swarm.
    pub fn is_empty(&self) -> bool {
        self.swarms.is_empty()
    }

    /// Enters, refreshes or takes out a peer, and chooses others for it.
    ///
    /// # Errors
    /// [`Full`] if the swarm is a new one and there are [`ServerLimits::swarms`] already.
    pub fn announce(&mut self, now: Instant, visit: &Visit) -> Result<Announced, Full> {
        self.make_room(now, visit.info_hash)?;
        let visit = Visit { peer: addr::canonical(visit.peer), ..*visit };
        let limits = self.limits;
        let swarm = self.swarms.entry(visit.info_hash).or_default();
        if now >= swarm.swept + limits.interval {
            swarm.expire(now, &limits);
        }
        let family = Family::of(visit.peer.ip());
        let own = &mut swarm.members[family as usize];
        if visit.event == Event::Stopped {
            own.remove(visit.peer);
        } else if visit.peer.port() != 0 {
            let member = Member { peer: visit.peer, is_seed: visit.left == 0, seen: now };
            let became_seed = own.put(member, limits.peers);
            // Only who was seen downloading has downloaded it, and once.
            if became_seed && visit.event == Event::Completed {
                swarm.downloads = swarm.downloads.saturating_add(1);
            }
        }
        let want = if visit.event == Event::Stopped { 0 } else { visit.want.unwrap_or(limits.want) };
        let want = want.min(limits.want_max);
        let [v4, v6] = Family::ALL.map(|f| swarm.members[f as usize].choose(want, &visit, &mut self.prng));
        let counts = swarm.counts();
        if counts == Counts::default() {
            self.swarms.remove(&visit.info_hash);
        }
        Ok(Announced { counts, v4, v6 })
    }

    /// The numbers of a swarm, if it is known.
    pub fn scrape(&self, info_hash: InfoHash) -> Option<Counts> {
        self.swarms.get(&info_hash).map(Swarm::counts)
    }

    /// When [`expire`](Self::expire) is due.
    pub fn deadline(&self) -> Instant {
        if self.swarms.is_empty() { Instant::NEVER } else { self.swept + self.limits.interval }
    }

    /// Forgets who has not been heard of for [`ServerLimits::expiry`], and swarms without peers.
    pub fn expire(&mut self, now: Instant) {
        let limits = self.limits;
        for swarm in self.swarms.values_mut() {
            swarm.expire(now, &limits);
        }
        self.swarms.retain(|_, swarm| swarm.members.iter().any(|members| !members.list.is_empty()));
        self.swept = now;
    }

    fn make_room(&mut self, now: Instant, info_hash: InfoHash) -> Result<(), Full> {
        if self.swarms.len() < self.limits.swarms || self.swarms.contains_key(&info_hash) {
            return Ok(());
        }
        if now >= self.deadline() {
            self.expire(now);
        }
        if self.swarms.len() < self.limits.swarms { Ok(()) } else { Err(Full) }
    }
}
