//! Who sent bad data. A piece's hash says that some block is bad, not which; the same block, sent well later, does.

use core::net::IpAddr;
use std::collections::{BTreeMap, BTreeSet};
use tide_base::PieceIndex;

/// The SHA-1 of one block.
pub type Digest = [u8; 20];

/// How much is remembered, and what costs how many points.
#[derive(Clone, Copy, Debug)]
pub struct TrustLimits {
    /// Blocks of failed pieces whose senders and digests are remembered: about 1.5 MiB, for 512 MiB of bad data.
    pub blocks: usize,
    /// Addresses whose points are remembered: twice as many as a torrent's address book holds.
    pub addresses: usize,
    /// Points lost by everybody who had a part in a failed piece.
    pub failure: i8,
    /// Points won by everybody who had a part in a piece that passed.
    pub success: i8,
    /// Points an address can save up, so that a long good time excuses a few failures and no more.
    pub most: i8,
    /// Points at which an address is banned: four failures without a success between.
    pub ban_at: i8,
}

impl TrustLimits {
    /// The numbers with the reasons given at each; the points are libtorrent's.
    pub const DEFAULT: TrustLimits =
        TrustLimits { blocks: 32_768, addresses: 4096, failure: 2, success: 1, most: 8, ban_at: -7 };
}

impl Default for TrustLimits {
    fn default() -> TrustLimits {
        TrustLimits::DEFAULT
    }
}

/// One block of a piece that failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sent {
    /// Whose it is; `None` if it was on disk from an earlier session.
    pub from: Option<IpAddr>,
    /// What it was.
    pub digest: Digest,
}

/// What follows for an address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Judgement {
    /// It sent bad data: disconnect and refuse it.
    Ban(IpAddr),
    /// It may have sent bad data: let it fetch whole pieces alone.
    Parole(IpAddr),
    /// It is not suspected any more.
    Cleared(IpAddr),
}

/// Blame and points, by address.
#[derive(Clone, Debug)]
pub struct Trust {
    limits: TrustLimits,
    /// Points of those who have other than 0.
    points: Aged<IpAddr, i8>,
    /// Every block of every remembered failure of a piece: number and how it was sent.
    failures: Aged<PieceIndex, Vec<(u32, Sent)>>,
    /// How many blocks `failures` holds.
    blocks: usize,
}

impl Trust {
    /// Nobody is suspected.
    pub fn new(limits: TrustLimits) -> Trust {
        Trust { limits, points: Aged::default(), failures: Aged::default(), blocks: 0 }
    }

    /// `piece`, made of these blocks in order, failed its hash.
    ///
    /// If one address sent all of it, that one is banned. Otherwise all lose points, and the blocks are remembered until
    /// the piece passes.
    pub fn failed(&mut self, piece: PieceIndex, blocks: &[Sent]) -> Vec<Judgement> {
        let senders: BTreeSet<IpAddr> = blocks.iter().filter_map(|block| block.from).collect();
        if let Some(&only) = senders.first()
            && blocks.iter().all(|block| block.from == Some(only))
        {
            self.points.remove(&only);
            return vec![Judgement::Ban(only)];
        }
        self.remember(piece, blocks);
        senders.into_iter().filter_map(|sender| self.add(sender, -self.limits.failure)).collect()
    }

    /// Whether `piece` failed before, so that [`passed`](Self::passed) needs the digests of its blocks.
    pub fn needs_digests(&self, piece: PieceIndex) -> bool {
        self.failures.get(&piece).is_some()
    }

    /// `piece`, sent by these addresses, passed its hash. `digests` are those of its blocks in order, needed only if
    /// [`needs_digests`](Self::needs_digests).
    ///
    /// Without them the earlier attempts are forgotten unjudged. Whoever sent another block than the right one in an earlier attempt is banned; the others of those attempts get
    /// back what they lost.
    pub fn passed(&mut self, piece: PieceIndex, senders: &[IpAddr], digests: &[Digest]) -> Vec<Judgement> {
        let (mut guilty, mut suspects) = (BTreeSet::new(), Vec::new());
        if let Some(blocks) = self.failures.remove(&piece) {
            self.blocks -= blocks.len();
            // One entry an attempt: block numbers begin anew with each.
            for (number, sent) in blocks {
                if number == 0 {
                    suspects.push(BTreeSet::new());
                }
                let (Some(from), Some(attempt)) = (sent.from, suspects.last_mut()) else { continue };
                attempt.insert(from);
                if digests.get(number as usize).is_some_and(|digest| *digest != sent.digest) {
                    guilty.insert(from);
                }
            }
        }
        let mut judgements: Vec<Judgement> = guilty.iter().map(|&ip| Judgement::Ban(ip)).collect();
        for ip in &guilty {
            self.points.remove(ip);
        }
        if !guilty.is_empty() {
            let innocent = suspects.iter().flatten().filter(|ip| !guilty.contains(ip));
            judgements.extend(innocent.filter_map(|&ip| self.add(ip, self.limits.failure)));
        }
        let senders: BTreeSet<IpAddr> = senders.iter().copied().collect();
        let good = senders.difference(&guilty);
        judgements.extend(good.filter_map(|&ip| self.add(ip, self.limits.success)));
        judgements
    }

    /// Whether an address is suspected: it should fetch whole pieces alone, so that the next failure has one sender.
    pub fn on_parole(&self, ip: IpAddr) -> bool {
        self.points.get(&ip).is_some_and(|&points| points < 0)
    }

    /// Panics if the table contradicts itself.
    pub fn check_invariants(&self) {
        self.points.check_invariants();
        self.failures.check_invariants();
        assert!(self.points.len() <= self.limits.addresses);
        let blocks: usize = self.failures.entries.values().map(|(_, blocks)| blocks.len()).sum();
        assert!(blocks == self.blocks && blocks <= self.limits.blocks);
        for (_, points) in self.points.entries.values() {
            assert!((self.limits.ban_at + 1..=self.limits.most).contains(points), "{points} points");
        }
    }

    fn add(&mut self, ip: IpAddr, change: i8) -> Option<Judgement> {
        let before = self.points.get(&ip).copied().unwrap_or(0);
        let after = before.saturating_add(change).min(self.limits.most);
        if after <= self.limits.ban_at {
            self.points.remove(&ip);
            return Some(Judgement::Ban(ip));
        }
        if after == 0 {
            self.points.remove(&ip);
        } else {
            self.points.put(ip, after);
            while self.points.len() > self.limits.addresses {
                self.points.pop_oldest();
            }
        }
        match (before < 0, after < 0) {
            (false, true) => Some(Judgement::Parole(ip)),
            (true, false) => Some(Judgement::Cleared(ip)),
            _ => None,
        }
    }

    fn remember(&mut self, piece: PieceIndex, blocks: &[Sent]) {
        if blocks.is_empty() {
            return;
        }
        let mut all = self.failures.remove(&piece).unwrap_or_default();
        self.blocks += blocks.len();
        all.extend((0..).zip(blocks.iter().copied()));
        self.failures.put(piece, all);
        while self.blocks > self.limits.blocks {
            let forgotten = self.failures.pop_oldest().expect("blocks are counted while they are remembered");
            self.blocks -= forgotten.len();
        }
    }
}

/// A table that knows which entry was put longest ago.
#[derive(Clone, Debug)]
struct Aged<K, V> {
    entries: BTreeMap<K, (u64, V)>,
    by_age: BTreeMap<u64, K>,
    next: u64,
}

impl<K, V> Default for Aged<K, V> {
    fn default() -> Self {
        Aged { entries: BTreeMap::new(), by_age: BTreeMap::new(), next: 0 }
    }
}

impl<K: Ord + Copy, V> Aged<K, V> {
    fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key).map(|entry| &entry.1)
    }

    fn len(&self) -> usize {
        self.entries.len()
    }

    fn put(&mut self, key: K, value: V) {
        self.remove(&key);
        self.entries.insert(key, (self.next, value));
        self.by_age.insert(self.next, key);
        self.next += 1;
    }

    fn remove(&mut self, key: &K) -> Option<V> {
        let (age, value) = self.entries.remove(key)?;
        self.by_age.remove(&age);
        Some(value)
    }

    fn pop_oldest(&mut self) -> Option<V> {
        let (_, key) = self.by_age.pop_first()?;
        self.entries.remove(&key).map(|entry| entry.1)
    }

    fn check_invariants(&self) {
        assert_eq!(self.entries.len(), self.by_age.len(), "both tables hold the same entries");
        for (age, key) in &self.by_age {
            assert!(self.entries.get(key).is_some_and(|entry| entry.0 == *age));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tide_base::Prng;

    const PIECE: PieceIndex = PieceIndex(5);

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    fn sent(blocks: &[(u8, u8)]) -> Vec<Sent> {
        blocks.iter().map(|&(from, what)| Sent { from: Some(ip(from)), digest: [what; 20] }).collect()
    }

    fn trust() -> Trust {
        Trust::new(TrustLimits::DEFAULT)
    }

    #[test]
    fn who_sent_a_bad_piece_alone_is_banned_at_once() {
        let mut t = trust();
        assert_eq!(t.failed(PIECE, &sent(&[(1, 0), (1, 0)])), [Judgement::Ban(ip(1))]);
        assert!(!t.needs_digests(PIECE));
        let mut with_disk = sent(&[(1, 0), (1, 0)]);
        with_disk[0].from = None;
        assert_eq!(t.failed(PIECE, &with_disk), [Judgement::Parole(ip(1))]);
        t.check_invariants();
    }

    #[test]
    fn exactly_the_senders_of_differing_blocks_are_banned_when_the_piece_passes() {
        let mut t = trust();
        let judged = t.failed(PIECE, &sent(&[(1, 0), (2, 99), (3, 2)]));
        assert_eq!(judged, [1, 2, 3].map(|n| Judgement::Parole(ip(n))));
        assert!(t.needs_digests(PIECE) && t.on_parole(ip(1)));
        assert_eq!(t.failed(PIECE, &sent(&[(4, 98), (1, 1), (3, 2)])), [Judgement::Parole(ip(4))]);
        let judged = t.passed(PIECE, &[ip(1)], &[[0; 20], [1; 20], [2; 20]]);
        let expected = [Judgement::Ban(ip(2)), Judgement::Ban(ip(4)), Judgement::Cleared(ip(1))];
        assert_eq!(judged[..3], expected);
        assert_eq!(judged[3..], [Judgement::Cleared(ip(3))]);
        assert!(!t.needs_digests(PIECE) && !t.on_parole(ip(1)) && !t.on_parole(ip(3)));
        t.check_invariants();
    }

    #[test]
    fn points_are_lost_twice_as_fast_as_won_and_run_out() {
        let mut t = trust();
        for _ in 0..20 {
            assert_eq!(t.passed(PIECE, &[ip(1)], &[]), []);
        }
        let two = sent(&[(1, 0), (2, 0)]);
        let mut piece = 10;
        let mut fail = |t: &mut Trust| {
            piece += 1;
            t.failed(PieceIndex(piece), &two)
        };
        assert_eq!(fail(&mut t), [Judgement::Parole(ip(2))]);
        assert_eq!((fail(&mut t), fail(&mut t)), (vec![], vec![]));
        assert_eq!(fail(&mut t), [Judgement::Ban(ip(2))]);
        assert!(!t.on_parole(ip(1)));
        assert_eq!(fail(&mut t), [Judgement::Parole(ip(1)), Judgement::Parole(ip(2))]);
        assert_eq!(t.passed(PIECE, &[ip(2)], &[]), []);
        assert_eq!(t.passed(PIECE, &[ip(2)], &[]), [Judgement::Cleared(ip(2))]);
        t.check_invariants();
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_is_forgotten() {
        let limits = TrustLimits { blocks: 5, addresses: 3, ..TrustLimits::DEFAULT };
        let mut t = Trust::new(limits);
        t.failed(PieceIndex(0), &sent(&[(1, 0), (2, 0)]));
        t.failed(PieceIndex(1), &sent(&[(3, 0), (4, 0)]));
        t.check_invariants();
        assert!(!t.on_parole(ip(1)) && t.on_parole(ip(4)));
        t.failed(PieceIndex(2), &sent(&[(5, 0), (6, 0)]));
        assert!(!t.needs_digests(PieceIndex(0)) && t.needs_digests(PieceIndex(1)));
        t.failed(PieceIndex(3), &[]);
        assert!(!t.needs_digests(PieceIndex(3)));
        t.failed(PieceIndex(3), &sent(&[(1, 0), (2, 0), (1, 0), (2, 0), (1, 0), (2, 0)]));
        t.check_invariants();
        assert!(!t.needs_digests(PieceIndex(3)), "more than the whole memory is not remembered");
    }

    #[test]
    fn one_poisoner_among_many_is_found_and_nobody_else_is_banned() {
        for seed in 0..30 {
            let mut prng = Prng::new(seed);
            let mut t = trust();
            let bad = prng.below(10) as u8;
            let mut banned = BTreeSet::new();
            for piece in 0..200 {
                let blocks: Vec<(u8, u8)> = (0..8)
                    .map(|block| {
                        let from = prng.below(10) as u8;
                        (from, if from == bad && prng.chance(1, 2) { 200 + from } else { block })
                    })
                    .filter(|(from, _)| !banned.contains(&ip(*from)))
                    .collect();
                let right: Vec<Digest> = (0..8u8).map(|block| [block; 20]).collect();
                let judged = if blocks.len() == 8 && blocks.iter().all(|&(_, what)| what < 8) {
                    t.passed(PieceIndex(piece), &[ip(blocks[0].0)], &right)
                } else if blocks.len() == 8 {
                    let mut judged = t.failed(PieceIndex(piece), &sent(&blocks));
                    judged.extend(t.passed(PieceIndex(piece), &[], &right));
                    judged
                } else {
                    Vec::new()
                };
                t.check_invariants();
                banned.extend(judged.iter().filter_map(|judgement| match judgement {
                    Judgement::Ban(ip) => Some(*ip),
                    _ => None,
                }));
            }
            assert_eq!(banned, BTreeSet::from([ip(bad)]), "seed {seed}");
        }
    }
}
