//! The filters by which swarms are counted (BEP 33).

use crate::digest::sha1;
use core::fmt;
use core::net::IpAddr;

/// Bytes of a filter.
pub const BLOOM_BYTES: usize = 256;

/// A set of IP addresses: those of the seeds, or of the other peers, that some nodes together have stored.
#[derive(Clone, PartialEq, Eq)]
pub struct Bloom([u8; BLOOM_BYTES]);

impl Default for Bloom {
    fn default() -> Self {
        Bloom([0; BLOOM_BYTES])
    }
}

impl fmt::Debug for Bloom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bloom(about {})", self.estimate())
    }
}

impl Bloom {
    /// The filter in these bytes, if they are as many as it has.
    pub fn from_bytes(bytes: &[u8]) -> Option<Bloom> {
        bytes.try_into().ok().map(Bloom)
    }

    /// Its bytes, as sent.
    pub fn as_bytes(&self) -> &[u8; BLOOM_BYTES] {
        &self.0
    }

    /// Adds an address.
    pub fn insert(&mut self, ip: IpAddr) {
        for bit in bits(ip) {
            self.0[bit / 8] |= 1 << (bit % 8);
        }
    }

    /// Whether an address was added; of others, too, the more often the more were.
    pub fn has(&self, ip: IpAddr) -> bool {
        bits(ip).into_iter().all(|bit| self.0[bit / 8] & 1 << (bit % 8) != 0)
    }

    /// Adds all that `other` holds.
    pub fn merge(&mut self, other: &Bloom) {
        for (own, other) in self.0.iter_mut().zip(&other.0) {
            *own |= other;
        }
    }

    /// About how many addresses were added: reliable to some 6000.
    pub fn estimate(&self) -> u32 {
        const BITS: u32 = BLOOM_BYTES as u32 * 8;
        let ones: u32 = self.0.iter().map(|byte| byte.count_ones()).sum();
        let zeros = (BITS - ones).clamp(1, BITS - 1);
        if ones == 0 {
            return 0;
        }
        // log(c/m) / (k·log(1 − 1/m)) with k = 2. There is no logarithm in core, so the exponent is counted: each
        // address leaves a bit unset with the chance (1 − 1/m)², in fixed point.
        let one: u64 = 1 << 40;
        let goal = one / u64::from(BITS) * u64::from(zeros);
        let mut share = one;
        let mut count = 0;
        while share > goal {
            share -= share / (u64::from(BITS) / 2);
            count += 1;
        }
        count
    }
}

/// The bits that an address sets.
fn bits(ip: IpAddr) -> [usize; 2] {
    let digest = match ip {
        IpAddr::V4(ip) => sha1(&[&ip.octets()]),
        IpAddr::V6(ip) => sha1(&[&ip.octets()]),
    };
    [[digest[0], digest[1]], [digest[2], digest[3]]]
        .map(|pair| usize::from(u16::from_le_bytes(pair)) % (BLOOM_BYTES * 8))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;
    use core::net::{Ipv4Addr, Ipv6Addr};
    use tide_base::id::unhex;

    const VECTOR: &str = "F6C3F5EAA07FFD91BDE89F777F26FB2BFF37BDB8FB2BBAA2FD3DDDE7BACFFF75EE7CCBAE\
        FE5EEDB1FBFAFF67F6ABFF5E43DDBCA3FD9B9FFDF4FFD3E9DFF12D1BDF59DB53DBE9FA5B\
        7FF3B8FDFCDE1AFB8BEDD7BE2F3EE71EBBBFE93BCDEEFE148246C2BC5DBFF7E7EFDCF24F\
        D8DC7ADFFD8FFFDFDDFFF7A4BBEEDF5CB95CE81FC7FCFF1FF4FFFFDFE5F7FDCBB7FD79B3\
        FA1FC77BFE07FFF905B7B7FFC7FEFEFFE0B8370BB0CD3F5B7F2BD93FEB4386CFDD6F7FD5\
        BFAF2E9EBFFFFEECD67ADBF7C67F17EFD5D75EBA6FFEBA7FFF47A91EB1BFBB53E8ABFB57\
        62ABE8FF237279BFEFBFEEF5FFC5FEBFDFE5ADFFADFEE1FB737FFFFBFD9F6AEFFEEE76B6\
        FD8F72EF";

    #[test]
    fn the_example_of_bep_33() {
        let mut bloom = Bloom::default();
        for last in 0..=255 {
            bloom.insert(Ipv4Addr::new(192, 0, 2, last).into());
        }
        for last in 0..=0x3e7 {
            bloom.insert(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last).into());
        }
        let vector: String = VECTOR.chars().filter(|c| !c.is_whitespace()).collect();
        assert_eq!(bloom.0, unhex::<256>(&vector).expect("a filter"));
        // BEP 33: 1224.9308.
        assert!((1224..=1227).contains(&bloom.estimate()), "{}", bloom.estimate());
    }

    #[test]
    fn an_estimate_of_anything_ends() {
        assert_eq!(Bloom::default().estimate(), 0);
        assert!(Bloom([255; 256]).estimate() > 7000);
        let mut one = Bloom::default();
        one.insert(Ipv4Addr::new(1, 2, 3, 4).into());
        assert_eq!(one.estimate(), 1);
    }

    #[test]
    fn a_union_counts_common_members_once() {
        let of = |range: core::ops::Range<u8>| {
            let mut bloom = Bloom::default();
            range.for_each(|last| bloom.insert(Ipv4Addr::new(10, 0, 0, last).into()));
            bloom
        };
        let mut union = of(0..60);
        union.merge(&of(40..100));
        assert_eq!(union, of(0..100));
        let is_in = |last| union.has(Ipv4Addr::new(10, 0, 0, last).into());
        assert!((0..100).all(is_in) && !(100..=255).all(is_in));
        assert!(!Bloom::default().has(Ipv6Addr::LOCALHOST.into()));
    }
}
