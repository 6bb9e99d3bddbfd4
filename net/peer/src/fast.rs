//! The allowed-fast sets of both sides and the peer's suggestions (BEP 6).

use crate::limits::Limits;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};
use tide_base::{InfoHash, Layout, PieceIndex};

/// The pieces that a peer at `ip` may fetch while choked: `k` at most, by BEP 6's canonical generation. `sha1` is the
/// hash of all its input. Empty for an IPv6 peer, for which the BEP defines none.
pub fn allowed_set(
    ip: IpAddr,
    info_hash: &InfoHash,
    pieces: u32,
    k: u32,
    sha1: impl Fn(&[u8]) -> [u8; 20],
) -> Vec<PieceIndex> {
    let IpAddr::V4(ip) = ip.to_canonical() else { return Vec::new() };
    let k = k.min(pieces) as usize;
    let mut set = Vec::with_capacity(k);
    let mut seed = [0; 24];
    seed[..4].copy_from_slice(&Ipv4Addr::from(u32::from(ip) & 0xffff_ff00).octets());
    seed[4..].copy_from_slice(&info_hash.0);
    let mut x = sha1(&seed);
    // A hash is five draws; where k is close to the number of pieces most draws repeat. Rounds are bounded because the
    // canonical loop need not end if `sha1` has a short cycle.
    for _ in 0..64 * (k + 1) {
        for word in x.chunks_exact(4) {
            if set.len() == k {
                return set;
            }
            let index = u32::from_be_bytes(word.try_into().expect("a chunk of four")) % pieces;
            if !set.contains(&PieceIndex(index)) {
                set.push(PieceIndex(index));
            }
        }
        x = sha1(&x);
    }
    set
}

/// What each side granted the other.
#[derive(Clone, Debug, Default)]
pub struct Fast {
    granted: Vec<(PieceIndex, u32)>,
    /// What the peer allowed us: first what holds, then what it refused after all.
    told: Vec<PieceIndex>,
    /// How many of them hold.
    allowed: u32,
    suggested: VecDeque<PieceIndex>,
}

impl Fast {
    /// Nothing granted.
    pub fn new() -> Fast {
        Fast::default()
    }

    /// Records that the peer may fetch `piece` while choked; returns whether that is new and there is room.
    pub fn grant(&mut self, piece: PieceIndex, layout: &Layout, limits: &Limits) -> bool {
        let new = layout.contains(piece)
            && self.granted.len() < limits.allowed_fast_out as usize
            && !self.is_granted(piece);
        if new {
            let blocks = layout.len_of(piece).div_ceil(limits.block_len);
            self.granted.push((piece, blocks.saturating_mul(limits.allowed_fast_repeats)));
        }
        new
    }

    /// Whether the peer may fetch `piece` while choked.
    pub fn is_granted(&self, piece: PieceIndex) -> bool {
        self.granted.iter().any(|(granted, _)| *granted == piece)
    }

    /// Takes one request of a choked peer for `piece`; whether it is granted and not used up.
    pub fn use_up(&mut self, piece: PieceIndex) -> bool {
        let Some((_, left)) = self.granted.iter_mut().find(|(granted, _)| *granted == piece) else {
            return false;
        };
        let some = *left > 0;
        *left = left.saturating_sub(1);
        some
    }

    /// Records that we may fetch `piece` while choked; returns whether that is new and there is room. What was
    /// [withdrawn](Fast::withdraw) is not new, and keeps its room: a peer that allows and refuses by turns would be asked
    /// as fast as the path permits.
    pub fn allow(&mut self, piece: PieceIndex, limits: &Limits) -> bool {
        let new = self.told.len() < limits.allowed_fast_in as usize && !self.told.contains(&piece);
        if new {
            self.told.insert(self.allowed as usize, piece);
            self.allowed += 1;
        }
        new
    }

    /// The peer refused a block of `piece` while it choked us: it is not allowed any more, for good. BEP 6 lets it, for
    /// instance when we have more than a few pieces.
    pub fn withdraw(&mut self, piece: PieceIndex) {
        if let Some(at) = self.allowed().iter().position(|allowed| *allowed == piece) {
            self.told[at..].rotate_left(1);
            self.allowed -= 1;
        }
    }

    /// The pieces that we may fetch while choked.
    pub fn allowed(&self) -> &[PieceIndex] {
        &self.told[..self.allowed as usize]
    }

    /// Records a suggestion; returns whether it is new. The oldest is forgotten for it if there is no room.
    pub fn suggest(&mut self, piece: PieceIndex, limits: &Limits) -> bool {
        if self.suggested.contains(&piece) {
            return false;
        }
        while self.suggested.len() >= limits.suggestions.max(1) as usize {
            self.suggested.pop_front();
        }
        self.suggested.push_back(piece);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha1::{Digest, Sha1};

    fn sha1(bytes: &[u8]) -> [u8; 20] {
        Sha1::digest(bytes).into()
    }

    fn set(ip: [u8; 4], pieces: u32, k: u32) -> Vec<u32> {
        let set = allowed_set(IpAddr::from(ip), &InfoHash([0xaa; 20]), pieces, k, sha1);
        set.into_iter().map(|piece| piece.0).collect()
    }

    #[test]
    fn the_sets_are_those_of_the_bep() {
        assert_eq!(set([80, 4, 4, 200], 1313, 7), [1059, 431, 808, 1217, 287, 376, 1188]);
        assert_eq!(set([80, 4, 4, 200], 1313, 9), [1059, 431, 808, 1217, 287, 376, 1188, 353, 508]);
        assert_eq!(set([80, 4, 4, 7], 1313, 7), set([80, 4, 4, 200], 1313, 7));
    }

    #[test]
    fn small_torrents_other_families_and_bad_hashes_end() {
        let mut all = set([1, 2, 3, 4], 3, 10);
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2]);
        assert!(set([1, 2, 3, 4], 0, 10).is_empty());
        let six = allowed_set("::1".parse().expect("an address"), &InfoHash([0; 20]), 9, 5, sha1);
        assert!(six.is_empty());
        let stuck = allowed_set(IpAddr::from([1, 2, 3, 4]), &InfoHash([0; 20]), 9, 5, |_| [0; 20]);
        assert_eq!(stuck, [PieceIndex(0)]);
    }

    #[test]
    fn grants_are_used_up_and_lists_are_bounded_without_repeats() {
        let limits = Limits::tiny(16);
        let layout = Layout::new(320, 32, 16).expect("a legal layout");
        let mut fast = Fast::new();
        assert!(fast.grant(PieceIndex(1), &layout, &limits) && !fast.grant(PieceIndex(1), &layout, &limits));
        assert!(!fast.grant(PieceIndex(10), &layout, &limits));
        assert!(fast.grant(PieceIndex(2), &layout, &limits) && !fast.grant(PieceIndex(3), &layout, &limits));
        for _ in 0..6 {
            assert!(fast.use_up(PieceIndex(1)));
        }
        assert!(!fast.use_up(PieceIndex(1)) && fast.is_granted(PieceIndex(1)) && !fast.use_up(PieceIndex(3)));
        assert!(fast.allow(PieceIndex(5), &limits) && !fast.allow(PieceIndex(5), &limits));
        assert!(fast.allow(PieceIndex(6), &limits) && !fast.allow(PieceIndex(7), &limits));
        assert_eq!(fast.allowed(), [PieceIndex(5), PieceIndex(6)]);
        fast.withdraw(PieceIndex(7));
        fast.withdraw(PieceIndex(5));
        assert_eq!(fast.allowed(), [PieceIndex(6)]);
        assert!(!fast.allow(PieceIndex(5), &limits) && !fast.allow(PieceIndex(7), &limits));
        assert!(fast.suggest(PieceIndex(1), &limits) && !fast.suggest(PieceIndex(1), &limits));
        assert!(fast.suggest(PieceIndex(2), &limits) && fast.suggest(PieceIndex(3), &limits));
        assert!(fast.suggest(PieceIndex(1), &limits));
    }
}
