//! Where nodes and keys stand, and how far apart.

use alloc::vec::Vec;
use core::fmt;
use core::net::SocketAddr;
use tide_base::id::hex;
use tide_base::{InfoHash, Prng, addr};

/// A place in the key space: of a node, an info-hash, an item.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub [u8; 20]);

/// How far two places are apart: their exclusive or, as a number (BEP 5).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Distance(u128, u32);

impl NodeId {
    /// Any place.
    pub fn random(prng: &mut Prng) -> NodeId {
        let mut bytes = [0; 20];
        prng.fill(&mut bytes);
        NodeId(bytes)
    }

    /// How far `other` is from here.
    pub fn distance(&self, other: &NodeId) -> Distance {
        let (a, b) = (self.words(), other.words());
        Distance(a.0 ^ b.0, a.1 ^ b.1)
    }

    /// How many leading bits both have in common, 0 to 160.
    pub fn shared_bits(&self, other: &NodeId) -> usize {
        let Distance(high, low) = self.distance(other);
        if high != 0 { high.leading_zeros() as usize } else { 128 + low.leading_zeros() as usize }
    }

    /// A random place that has exactly `bits` leading bits in common with this one; `bits` below 160.
    pub fn random_beside(&self, bits: usize, prng: &mut Prng) -> NodeId {
        let mut bytes = NodeId::random(prng).0;
        let (whole, rest) = (bits / 8, bits % 8);
        bytes[..whole].copy_from_slice(&self.0[..whole]);
        // The first bit that differs, and in front of it what is shared.
        let turned = 0x80u8 >> rest;
        let shared = !(0xffu8 >> rest);
        bytes[whole] =
            (self.0[whole] & shared) | (!self.0[whole] & turned) | (bytes[whole] & !shared & !turned);
        NodeId(bytes)
    }

    fn words(&self) -> (u128, u32) {
        let high: [u8; 16] = self.0[..16].try_into().expect("sixteen of twenty");
        let low: [u8; 4] = self.0[16..].try_into().expect("four of twenty");
        (u128::from_be_bytes(high), u32::from_be_bytes(low))
    }
}

impl From<InfoHash> for NodeId {
    fn from(hash: InfoHash) -> NodeId {
        NodeId(hash.0)
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A node as others tell of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Contact {
    /// Where in the key space.
    pub id: NodeId,
    /// Where on the network, in canonical form.
    pub addr: SocketAddr,
}

impl Contact {
    /// Appends the compact form: 26 bytes, 38 for IPv6 (BEP 5, 32).
    pub fn write_compact(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.id.0);
        addr::write_compact(self.addr, out);
    }

    /// Reads compact IPv4 nodes, ignoring an incomplete last one.
    pub fn compact_v4(bytes: &[u8]) -> impl Iterator<Item = Contact> + '_ {
        bytes.chunks_exact(26).filter_map(|node| Contact::read(node, addr::compact_v4(&node[20..]).next()))
    }

    /// Reads compact IPv6 nodes, ignoring an incomplete last one.
    pub fn compact_v6(bytes: &[u8]) -> impl Iterator<Item = Contact> + '_ {
        bytes.chunks_exact(38).filter_map(|node| Contact::read(node, addr::compact_v6(&node[20..]).next()))
    }

    fn read(node: &[u8], addr: Option<SocketAddr>) -> Option<Contact> {
        Some(Contact { id: NodeId(node[..20].try_into().ok()?), addr: addr? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_is_the_exclusive_or_as_a_number() {
        let at = |first: u8, last: u8| {
            let mut bytes = [0; 20];
            (bytes[0], bytes[19]) = (first, last);
            NodeId(bytes)
        };
        let zero = at(0, 0);
        assert!(zero.distance(&at(1, 0)) < zero.distance(&at(2, 0)));
        assert!(zero.distance(&at(0, 255)) < zero.distance(&at(1, 0)));
        assert_eq!(at(7, 9).distance(&at(7, 9)), zero.distance(&zero));
        assert_eq!(zero.shared_bits(&at(1, 0)), 7);
        assert_eq!(zero.shared_bits(&at(0, 1)), 159);
        assert_eq!(zero.shared_bits(&zero), 160);
    }

    #[test]
    fn a_place_beside_shares_exactly_what_is_asked() {
        let mut prng = Prng::new(3);
        let own = NodeId::random(&mut prng);
        for bits in 0..160 {
            assert_eq!(own.shared_bits(&own.random_beside(bits, &mut prng)), bits);
        }
    }

    #[test]
    fn compact_nodes_go_both_ways() {
        let v4 = Contact { id: NodeId([7; 20]), addr: "1.2.3.4:5".parse().expect("an address") };
        let v6 = Contact { id: NodeId([8; 20]), addr: "[2001:db9::1]:5".parse().expect("an address") };
        let mut out = Vec::new();
        v4.write_compact(&mut out);
        out.extend_from_slice(b"odd");
        assert_eq!(Contact::compact_v4(&out).collect::<Vec<_>>(), [v4]);
        out.clear();
        v6.write_compact(&mut out);
        assert_eq!((out.len(), Contact::compact_v6(&out).collect::<Vec<_>>()), (38, alloc::vec![v6]));
    }
}
