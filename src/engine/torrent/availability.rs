//! How many copies of each piece the connected peers have.

use crate::torrent::words::{Copies, Has};
use tide_base::{Bits, PieceIndex};

/// Copies per piece over all connected peers. Seeds are a number, not bit fields: a seed that comes or goes costs one
/// addition however many pieces there are.
///
/// Every change is returned in the form in which a picker wants to hear of it.
#[derive(Clone, Debug)]
pub struct Availability {
    /// Copies at peers that are not counted as seeds.
    copies: Vec<u32>,
    seeds: u32,
    others: u32,
}

/// The copies of the whole torrent that the swarm holds together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct DistributedCopies {
    /// How many copies even the rarest piece has.
    pub whole: u32,
    /// How many thousandths of the pieces have more copies than that.
    pub thousandths: u32,
}

impl Availability {
    /// No peers, `pieces` pieces.
    pub fn new(pieces: u32) -> Availability {
        Availability { copies: vec![0; pieces as usize], seeds: 0, others: 0 }
    }

    /// A peer with these pieces is connected from now on.
    pub fn join<'a>(&mut self, has: Has<'a>) -> Option<Copies<'a>> {
        match has {
            Has::Everything => {
                self.seeds += 1;
                None
            }
            Has::These(bits) => {
                self.check_range(bits);
                self.others += 1;
                for piece in bits.iter() {
                    self.copies[piece as usize] += 1;
                }
                (!bits.none()).then_some(Copies::Joined(bits))
            }
        }
    }

    /// A peer that joined leaves; `has` is what it has by now, in the form in which it was told last.
    pub fn leave<'a>(&mut self, has: Has<'a>) -> Option<Copies<'a>> {
        match has {
            Has::Everything => {
                self.seeds = self.seeds.checked_sub(1).expect("only a seed that joined leaves");
                None
            }
            Has::These(bits) => {
                self.check_range(bits);
                self.others = self.others.checked_sub(1).expect("only a peer that joined leaves");
                for piece in bits.iter() {
                    let copies = &mut self.copies[piece as usize];
                    *copies = copies.checked_sub(1).expect("a peer leaves with pieces it was counted for");
                }
                (!bits.none()).then_some(Copies::Left(bits))
            }
        }
    }

    /// A peer that is not counted as a seed got `piece`, which must exist and be new to that peer.
    pub fn have(&mut self, piece: PieceIndex) -> Copies<'static> {
        self.copies[piece.at()] += 1;
        Copies::More(piece)
    }

    /// A peer that is not counted as a seed lost `piece`, which it had (BEP 54).
    pub fn dont_have(&mut self, piece: PieceIndex) -> Copies<'static> {
        let copies = &mut self.copies[piece.at()];
        *copies = copies.checked_sub(1).expect("only a piece that was counted is lost");
        Copies::Fewer(piece)
    }

    /// A peer whose bits, all set by now, were counted piece by piece is a seed from now on.
    pub fn became_seed<'a>(&mut self, bits: &'a Bits) -> Option<Copies<'a>> {
        assert!(bits.all(), "a seed has every piece");
        let change = self.leave(Has::These(bits));
        self.seeds += 1;
        change
    }

    /// A seed is a peer with these pieces only from now on (BEP 54).
    pub fn broke_seed<'a>(&mut self, bits: &'a Bits) -> Option<Copies<'a>> {
        self.leave(Has::Everything);
        self.join(Has::These(bits))
    }

    /// How many connected peers have `piece`, seeds included; 0 for a piece that does not exist.
    pub fn of(&self, piece: PieceIndex) -> u32 {
        self.copies.get(piece.at()).map_or(0, |copies| copies + self.seeds)
    }

    /// How many connected peers are counted as seeds.
    pub fn seeds(&self) -> u32 {
        self.seeds
    }

    /// How many connected peers there are, seeds included.
    pub fn peers(&self) -> u32 {
        self.seeds + self.others
    }

    /// Walks over all pieces.
    pub fn distributed_copies(&self) -> DistributedCopies {
        let Some(&least) = self.copies.iter().min() else {
            return DistributedCopies { whole: self.seeds, thousandths: 0 };
        };
        let more = self.copies.iter().filter(|&&copies| copies > least).count() as u64;
        let thousandths = (more * 1000 / self.copies.len() as u64) as u32;
        DistributedCopies { whole: least + self.seeds, thousandths }
    }

    /// Panics if the table contradicts itself.
    pub fn check_invariants(&self) {
        assert!(
            self.copies.iter().all(|&copies| copies <= self.others),
            "no piece has more copies than peers"
        );
    }

    fn check_range(&self, bits: &Bits) {
        assert_eq!(bits.len() as usize, self.copies.len(), "a peer's pieces are the torrent's");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tide_base::Prng;

    fn bits(len: u32, set: &[u32]) -> Bits {
        let mut bits = Bits::new(len);
        for &i in set {
            bits.set(i);
        }
        bits
    }

    #[test]
    fn distributed_copies_count_whole_sets_and_the_part_above() {
        let mut availability = Availability::new(4);
        assert_eq!(availability.distributed_copies(), DistributedCopies::default());
        assert!(availability.join(Has::Everything).is_none());
        let has = bits(4, &[0, 1, 2]);
        assert!(matches!(availability.join(Has::These(&has)), Some(Copies::Joined(_))));
        assert_eq!(availability.distributed_copies(), DistributedCopies { whole: 1, thousandths: 750 });
        availability.have(PieceIndex(3));
        assert_eq!(availability.distributed_copies(), DistributedCopies { whole: 2, thousandths: 0 });
        assert_eq!((availability.of(PieceIndex(3)), availability.of(PieceIndex(4))), (2, 0));
    }

    #[test]
    fn a_seed_breaks_and_a_leecher_completes() {
        let mut availability = Availability::new(3);
        availability.join(Has::Everything);
        let without = bits(3, &[0, 2]);
        assert!(matches!(availability.broke_seed(&without), Some(Copies::Joined(_))));
        assert_eq!((availability.seeds(), availability.of(PieceIndex(1))), (0, 0));
        availability.have(PieceIndex(1));
        assert!(matches!(availability.became_seed(&Bits::full(3)), Some(Copies::Left(_))));
        assert_eq!((availability.seeds(), availability.peers(), availability.of(PieceIndex(1))), (1, 1, 1));
        availability.check_invariants();
    }

    #[test]
    fn any_mix_of_changes_counts_what_the_peers_have() {
        for seed in 0..20 {
            let mut prng = Prng::new(seed);
            let pieces = 1 + prng.below(100) as u32;
            let mut availability = Availability::new(pieces);
            let mut peers: Vec<Bits> = Vec::new();
            for _ in 0..300 {
                let piece = prng.below(u64::from(pieces)) as u32;
                match prng.below(4) {
                    0 => {
                        let some: Vec<u32> = (0..pieces).filter(|_| prng.chance(1, 3)).collect();
                        peers.push(bits(pieces, &some));
                        availability.join(Has::These(&peers[peers.len() - 1]));
                    }
                    1 if !peers.is_empty() => {
                        let gone = peers.swap_remove(prng.index(peers.len()));
                        availability.leave(Has::These(&gone));
                    }
                    2 if !peers.is_empty() => {
                        let at = prng.index(peers.len());
                        if peers[at].set(piece) {
                            availability.have(PieceIndex(piece));
                        }
                    }
                    _ if !peers.is_empty() => {
                        let at = prng.index(peers.len());
                        if peers[at].clear(piece) {
                            availability.dont_have(PieceIndex(piece));
                        }
                    }
                    _ => {}
                }
                availability.check_invariants();
            }
            for piece in 0..pieces {
                let copies = peers.iter().filter(|peer| peer.has(piece)).count() as u32;
                assert_eq!(availability.of(PieceIndex(piece)), copies);
            }
        }
    }
}
