//! Node ids that follow from the node's address (BEP 42): who controls few addresses controls few places.

use crate::id::NodeId;
use core::net::IpAddr;
use tide_base::Prng;

const V4_MASK: [u8; 4] = [0x03, 0x0f, 0x3f, 0xff];
const V6_MASK: [u8; 8] = [0x01, 0x03, 0x07, 0x0f, 0x1f, 0x3f, 0x7f, 0xff];

/// CRC-32C (Castagnoli) of `bytes`; eight at most, so no table is worth its memory.
fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = !0u32;
    for &byte in bytes {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

/// The number whose 21 highest bits an id's must be, for this address and the id's last byte.
fn prefix(ip: IpAddr, last: u8) -> u32 {
    let mut bytes = [0; 8];
    let r = (last & 7) << 5;
    match ip {
        IpAddr::V4(ip) => {
            for (byte, (octet, mask)) in bytes.iter_mut().zip(ip.octets().iter().zip(V4_MASK)) {
                *byte = octet & mask;
            }
            bytes[0] |= r;
            crc32c(&bytes[..4])
        }
        IpAddr::V6(ip) => {
            for (byte, (octet, mask)) in bytes.iter_mut().zip(ip.octets().iter().zip(V6_MASK)) {
                *byte = octet & mask;
            }
            bytes[0] |= r;
            crc32c(&bytes)
        }
    }
}

/// Whether a node at `ip` may have the id `id`.
pub fn conforms(id: &NodeId, ip: IpAddr) -> bool {
    let crc = prefix(ip.to_canonical(), id.0[19]).to_be_bytes();
    id.0[0] == crc[0] && id.0[1] == crc[1] && (id.0[2] ^ crc[2]) & 0xf8 == 0
}

/// One of the ids that a node at `ip` may have.
pub fn id_for(ip: IpAddr, prng: &mut Prng) -> NodeId {
    let mut id = NodeId::random(prng);
    let crc = prefix(ip.to_canonical(), id.0[19]).to_be_bytes();
    id.0[..2].copy_from_slice(&crc[..2]);
    id.0[2] = (crc[2] & 0xf8) | (id.0[2] & 7);
    id
}

#[cfg(test)]
mod tests {
    use super::*;
    use tide_base::id::unhex;

    #[test]
    fn the_examples_of_bep_42_conform_and_their_neighbours_do_not() {
        for (ip, id) in [
            ("124.31.75.21", "5fbfbff10c5d6a4ec8a88e4c6ab4c28b95eee401"),
            ("21.75.31.124", "5a3ce9c14e7a08645677bbd1cfe7d8f956d53256"),
            ("65.23.51.170", "a5d43220bc8f112a3d426c84764f8c2a1150e616"),
            ("84.124.73.14", "1b0321dd1bb1fe518101ceef99462b947a01ff41"),
            ("43.213.53.83", "e56f6cbf5b7c4be0237986d5243b87aa6d51305a"),
        ] {
            let ip: IpAddr = ip.parse().expect("an address");
            let id = NodeId(unhex(id).expect("an id"));
            assert!(conforms(&id, ip), "{ip}");
            for place in [0, 1, 2] {
                let mut other = id;
                other.0[place] ^= 0x10;
                assert!(!conforms(&other, ip), "{ip} {place}");
            }
            let mut free = id;
            free.0[2] ^= 0x07;
            free.0[10] ^= 0xff;
            assert!(conforms(&free, ip), "the rest is free: {ip}");
        }
    }

    #[test]
    fn ids_made_for_an_address_conform_to_it_alone() {
        let mut prng = Prng::new(5);
        for ip in ["1.2.3.4", "2001:db9::1", "::ffff:9.8.7.6"] {
            let ip: IpAddr = ip.parse().expect("an address");
            for _ in 0..20 {
                let id = id_for(ip, &mut prng);
                assert!(conforms(&id, ip));
                assert!(!conforms(&id, "200.100.50.25".parse().expect("an address")));
            }
        }
    }

    #[test]
    fn the_checksum_is_castagnoli_s() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }
}
