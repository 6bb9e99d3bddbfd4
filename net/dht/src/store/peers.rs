//! Who shares what, as its sharers told us (BEP 5, 32, 33, 51).

use super::Shares;
use crate::host::Host;
use crate::id::NodeId;
use crate::krpc::{Filters, Samples};
use crate::limits::{Limits, SAMPLES_OUT_MAX};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::SocketAddr;
use tide_base::addr::Family;
use tide_base::{InfoHash, Instant, Prng};

#[derive(Clone, Copy, Debug)]
struct Peer {
    addr: SocketAddr,
    seen: Instant,
    is_seed: bool,
}

/// The peers of one torrent, each family on its own; one a host (BEP 33).
#[derive(Debug, Default)]
struct Swarm([Vec<Peer>; 2]);

impl Swarm {
    fn len(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }
}

/// The peers of all torrents.
#[derive(Debug)]
pub(crate) struct Peers {
    limits: Limits,
    swarms: BTreeMap<InfoHash, Swarm>,
    shares: Shares,
    total: usize,
    sample: Vec<InfoHash>,
    sampled: Option<Instant>,
    swept: Instant,
}

impl Peers {
    pub(crate) fn new(limits: Limits, now: Instant) -> Peers {
        let (swarms, shares) = (BTreeMap::new(), Shares::default());
        Peers { limits, swarms, shares, total: 0, sample: Vec::new(), sampled: None, swept: now }
    }

    /// Whether an announce of this torrent would find room; who cannot store gives no token (BEP 33).
    pub(crate) fn has_room(&self, hash: &InfoHash, family: Family) -> bool {
        self.total < self.limits.peers_total
            && self.swarms.get(hash).is_none_or(|swarm| swarm.0[family as usize].len() < self.limits.peers)
    }

    /// Enters or refreshes a peer. Returns whether it is in.
    pub(crate) fn put(
        &mut self,
        now: Instant,
        hash: InfoHash,
        addr: SocketAddr,
        is_seed: bool,
        prng: &mut Prng,
    ) -> bool {
        let (host, family) = (Host::of(addr.ip()), Family::of(addr.ip()));
        let peer = Peer { addr, seen: now, is_seed };
        if let Some(swarm) = self.swarms.get_mut(&hash) {
            // A host is one peer, unless it is of our own network, where many may share an address in tests.
            let known = swarm.0[family as usize].iter_mut();
            let is_local = tide_base::addr::is_local(addr.ip());
            let mut known =
                known.filter(|other| other.addr == addr || (!is_local && other.addr.ip() == addr.ip()));
            if let Some(known) = known.next() {
                *known = peer;
                return true;
            }
        }
        if !self.has_room(&hash, family) || self.shares.of(host) >= self.limits.peers_per_host {
            return false;
        }
        if !self.swarms.contains_key(&hash) && self.swarms.len() >= self.limits.torrents {
            self.make_room(prng);
        }
        self.swarms.entry(hash).or_default().0[family as usize].push(peer);
        self.shares.add(host);
        self.total += 1;
        true
    }

    /// Drops the smallest of a few neighbours in a random place: many torrents that nobody else shares cannot push out
    /// one that many share.
    fn make_room(&mut self, prng: &mut Prng) {
        let from = InfoHash(NodeId::random(prng).0);
        let near = self.swarms.range(from..).chain(self.swarms.iter()).take(8);
        let worst = near.min_by_key(|(_, swarm)| swarm.len()).map(|(hash, _)| *hash);
        if let Some(hash) = worst
            && let Some(swarm) = self.swarms.remove(&hash)
        {
            self.total -= swarm.len();
            swarm.0.iter().flatten().for_each(|peer| self.shares.sub(Host::of(peer.addr.ip())));
        }
    }

    /// Up to `count` peers of one family, from a random one on, rather without seeds if so asked.
    pub(crate) fn some(
        &self,
        now: Instant,
        hash: &InfoHash,
        family: Family,
        no_seeds: bool,
        count: usize,
        prng: &mut Prng,
    ) -> Vec<SocketAddr> {
        let Some(swarm) = self.swarms.get(hash) else { return Vec::new() };
        let list = &swarm.0[family as usize];
        if list.is_empty() {
            return Vec::new();
        }
        let (tail, head) = list.split_at(prng.index(list.len()));
        let fresh = head.iter().chain(tail).filter(|peer| peer.seen + self.limits.peer_life > now);
        let wanted = fresh.filter(|peer| !(no_seeds && peer.is_seed));
        wanted.map(|peer| peer.addr).take(count).collect()
    }

    /// Everybody of a torrent as filters (BEP 33); `None` if nobody is known.
    pub(crate) fn filters(&self, hash: &InfoHash) -> Option<Box<Filters>> {
        let swarm = self.swarms.get(hash)?;
        let mut filters = Box::<Filters>::default();
        for peer in swarm.0.iter().flatten() {
            let filter = if peer.is_seed { &mut filters.seeds } else { &mut filters.peers };
            filter.insert(peer.addr.ip());
        }
        Some(filters)
    }

    /// Some info-hashes, the same ones for a while (BEP 51).
    pub(crate) fn sample(&mut self, now: Instant, prng: &mut Prng) -> Samples {
        let life = self.limits.sample_life;
        let sampled = match self.sampled {
            Some(at) if at + life > now => at,
            _ => {
                let mut all: Vec<InfoHash> = self.swarms.keys().copied().collect();
                prng.shuffle(&mut all);
                all.truncate(SAMPLES_OUT_MAX);
                self.sample = all;
                self.sampled = Some(now);
                now
            }
        };
        let interval = now.until(sampled + life).as_secs() as u32;
        Samples { interval, total: self.swarms.len() as u64, hashes: self.sample.clone() }
    }

    /// Forgets whoever was not announced again; looks through everything a few times in a peer's life.
    pub(crate) fn expire(&mut self, now: Instant) {
        if now.since(self.swept) < self.limits.peer_life / 8 {
            return;
        }
        self.swept = now;
        let life = self.limits.peer_life;
        let (shares, total) = (&mut self.shares, &mut self.total);
        self.swarms.retain(|_, swarm| {
            for list in &mut swarm.0 {
                list.retain(|peer| {
                    let stays = peer.seen + life > now;
                    if !stays {
                        shares.sub(Host::of(peer.addr.ip()));
                        *total -= 1;
                    }
                    stays
                });
            }
            swarm.len() > 0
        });
    }

    /// Torrents, and peers of all of them.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.swarms.len(), self.total)
    }

    /// Bytes of memory that its contents take, about.
    pub(crate) fn memory(&self) -> usize {
        let lists = self.swarms.values().flat_map(|swarm| &swarm.0);
        let peers: usize = lists.map(|list| list.capacity() * size_of::<Peer>()).sum();
        peers
            + self.swarms.len() * 2 * size_of::<(InfoHash, Swarm)>()
            + self.shares.0.len() * 2 * size_of::<(Host, usize)>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tide_base::Duration;

    fn peer(n: u32) -> SocketAddr {
        SocketAddr::from(((0x3000_0000 + n).to_be_bytes(), 6881))
    }

    fn hash(n: u32) -> InfoHash {
        let mut bytes = [0; 20];
        bytes[..4].copy_from_slice(&n.wrapping_mul(0x9e37_79b9).to_be_bytes());
        InfoHash(bytes)
    }

    fn small() -> Peers {
        let limits =
            Limits { torrents: 10, peers: 5, peers_total: 30, peers_per_host: 3, ..Limits::default() };
        Peers::new(limits, Instant::ZERO)
    }

    #[test]
    fn a_host_is_one_peer_and_its_newest_word_counts() {
        let (mut peers, mut prng) = (small(), Prng::new(1));
        for port in 1..=9 {
            let addr = SocketAddr::from(([50, 1, 1, 1], port));
            assert!(peers.put(Instant::ZERO, hash(1), addr, port == 9, &mut prng));
        }
        let found = peers.some(Instant::ZERO, &hash(1), Family::V4, false, 100, &mut prng);
        assert_eq!(found, [SocketAddr::from(([50, 1, 1, 1], 9))]);
        assert!(peers.some(Instant::ZERO, &hash(1), Family::V4, true, 100, &mut prng).is_empty());
        assert!(peers.some(Instant::ZERO, &hash(1), Family::V6, false, 100, &mut prng).is_empty());
        let filters = peers.filters(&hash(1)).expect("somebody");
        assert_eq!((filters.seeds.estimate(), filters.peers.estimate()), (1, 0));
    }

    #[test]
    fn nothing_grows_beyond_its_limit() {
        let (mut peers, mut prng) = (small(), Prng::new(2));
        for n in 0..5 {
            assert!(peers.put(Instant::ZERO, hash(0), peer(n), false, &mut prng));
        }
        assert!(!peers.has_room(&hash(0), Family::V4) && peers.has_room(&hash(1), Family::V4));
        assert!(!peers.put(Instant::ZERO, hash(0), peer(9), false, &mut prng));
        let taken = (10..20).filter(|n| peers.put(Instant::ZERO, hash(*n), peer(100), false, &mut prng));
        assert_eq!(taken.count(), 3, "a host has its share");
        for n in 0..1000 {
            peers.put(Instant::ZERO, hash(n + 50), peer(1000 + n), false, &mut prng);
            let (torrents, total) = peers.counts();
            assert!(torrents <= 10 && total <= 30);
        }
        assert!(peers.swarms.contains_key(&hash(0)), "the one that many share stays");
    }

    #[test]
    fn who_is_not_announced_again_is_forgotten_with_all_traces() {
        let (mut peers, mut prng) = (small(), Prng::new(3));
        for n in 0..20 {
            peers.put(Instant::ZERO, hash(n % 5), peer(n), false, &mut prng);
        }
        let later = Instant::ZERO + Limits::default().peer_life;
        peers.put(later, hash(3), peer(3), false, &mut prng);
        assert_eq!(peers.some(later, &hash(1), Family::V4, false, 9, &mut prng), []);
        peers.expire(later);
        assert_eq!(peers.counts(), (1, 1));
        peers.expire(later + Limits::default().peer_life);
        assert_eq!((peers.counts(), peers.shares.0.len()), ((0, 0), 0));
    }

    #[test]
    fn a_full_store_weighs_what_is_stated() {
        let (mut peers, mut prng) = (Peers::new(Limits::default(), Instant::ZERO), Prng::new(5));
        for n in 0..70_000 {
            peers.put(Instant::ZERO, hash(n % 4096), peer(n), false, &mut prng);
        }
        assert_eq!(peers.counts(), (4096, Limits::default().peers_total));
        assert!(peers.memory() < 9 << 20, "{}", peers.memory());
    }

    #[test]
    fn a_sample_stays_for_a_while() {
        let (mut peers, mut prng) = (small(), Prng::new(4));
        for n in 0..6 {
            peers.put(Instant::ZERO, hash(n), peer(n), false, &mut prng);
        }
        let first = peers.sample(Instant::ZERO, &mut prng);
        assert_eq!((first.total, first.hashes.len(), first.interval), (6, 6, 300));
        peers.put(Instant::ZERO, hash(7), peer(7), false, &mut prng);
        let soon = peers.sample(Instant::from_secs(100), &mut prng);
        assert_eq!((soon.total, &soon.hashes, soon.interval), (7, &first.hashes, 200));
        let later = peers.sample(Instant::ZERO + Duration::from_secs(300), &mut prng);
        assert_eq!((later.hashes.len(), later.interval), (7, 300));
    }
}
