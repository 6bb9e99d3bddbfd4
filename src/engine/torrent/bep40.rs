//! Canonical peer priority (BEP 40): a number that both ends of a connection work out alike and nobody can choose, so
//! that who connects to whom is spread evenly over the swarm.

use core::net::{IpAddr, SocketAddr};

/// The priority of the connection between `a` and `b`, the same in either order. Of two address families, which no
/// connection has, the priority is 0.
pub fn priority(a: SocketAddr, b: SocketAddr) -> u32 {
    match (a.ip().to_canonical(), b.ip().to_canonical()) {
        (x, y) if x == y => sorted(a.port().to_be_bytes(), b.port().to_be_bytes()),
        (IpAddr::V4(x), IpAddr::V4(y)) => {
            let (x, y) = (x.octets(), y.octets());
            sorted(masked(x, same(x, y), 2), masked(y, same(x, y), 2))
        }
        (IpAddr::V6(x), IpAddr::V6(y)) => {
            let (x, y) = (x.octets(), y.octets());
            sorted(masked(x, same(x, y), 6), masked(y, same(x, y), 6))
        }
        _ => 0,
    }
}

/// How many bytes, from the first, are the same.
fn same<const N: usize>(x: [u8; N], y: [u8; N]) -> usize {
    x.iter().zip(&y).take_while(|(x, y)| x == y).count()
}

/// Keeps the first `least` bytes whole, and one more than both share if they share so many; every second bit of the
/// rest.
fn masked<const N: usize>(mut ip: [u8; N], shared: usize, least: usize) -> [u8; N] {
    let whole = if shared < least { least } else { shared + 1 };
    for byte in ip.iter_mut().skip(whole) {
        *byte &= 0x55;
    }
    ip
}

fn sorted<const N: usize>(x: [u8; N], y: [u8; N]) -> u32 {
    let (first, second) = if x <= y { (x, y) } else { (y, x) };
    crc32c(first.into_iter().chain(second))
}

/// The Castagnoli checksum, a bit at a time: a handful of bytes an address is too little for tables.
fn crc32c(bytes: impl IntoIterator<Item = u8>) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = crc >> 1 ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 };
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    fn between(a: &str, b: &str) -> u32 {
        let (a, b) = (a.parse().expect("an address"), b.parse().expect("an address"));
        assert_eq!(priority(a, b), priority(b, a));
        priority(a, b)
    }

    #[test]
    fn the_checksum_is_castagnolis() {
        assert_eq!(crc32c(*b"123456789"), 0xe306_9283);
        assert_eq!(crc32c([0; 32]), 0x8a91_36aa);
    }

    #[test]
    fn the_two_examples_of_the_bep_come_out() {
        assert_eq!(between("123.213.32.10:1", "98.76.54.32:2"), 0xec2d_7224);
        assert_eq!(between("123.213.32.10:1", "123.213.32.234:2"), 0x9956_8189);
    }

    #[test]
    fn one_sixteen_and_one_host_mask_less() {
        let middle = crc32c([123, 213, 32, 0x0a & 0x55, 123, 213, 33, 9 & 0x55]);
        assert_eq!(between("123.213.32.10:1", "123.213.33.9:2"), middle);
        assert_eq!(between("1.2.3.4:258", "[::ffff:1.2.3.4]:1"), crc32c([0, 1, 1, 2]));
    }

    #[test]
    fn of_ipv6_the_first_48_bits_count_and_more_if_they_are_shared() {
        let far = between("[2a00:1:2:ffff::ff]:1", "[2a01:1:2::]:1");
        assert_eq!(far, between("[2a00:1:2:5555::55]:1", "[2a01:1:2::]:1"));
        let near = between("[2a00:1:2:ff00::ff]:1", "[2a00:1:2::]:1");
        assert_ne!(near, between("[2a00:1:2:5500::ff]:1", "[2a00:1:2::]:1"));
        assert_eq!(near, between("[2a00:1:2:ff00::55]:1", "[2a00:1:2::]:1"));
        assert_eq!(between("1.2.3.4:5", "[2a00::1]:5"), 0);
    }
}
