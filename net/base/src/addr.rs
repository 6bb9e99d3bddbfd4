//! Addresses: one form for each, and which of them a stranger may make us talk to.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// An address family: each is a network of its own. An announce is found by those of the family over which it came
/// (BEP 7), and each has a DHT (BEP 32).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Both, in a fixed order.
    pub const ALL: [Family; 2] = [Family::V4, Family::V6];

    /// The family of `ip`, an IPv4-mapped IPv6 address being IPv4.
    pub fn of(ip: IpAddr) -> Family {
        if ip.to_canonical().is_ipv4() { Family::V4 } else { Family::V6 }
    }
}

/// The address with an IPv4-mapped IPv6 address (`::ffff:1.2.3.4`) unwrapped, so that one host has one form. A link-local
/// IPv6 address keeps its interface, without which it leads nowhere.
pub fn canonical(addr: SocketAddr) -> SocketAddr {
    match addr {
        SocketAddr::V6(at) if at.ip().is_unicast_link_local() => {
            SocketAddrV6::new(*at.ip(), at.port(), 0, at.scope_id()).into()
        }
        _ => SocketAddr::new(addr.ip().to_canonical(), addr.port()),
    }
}

/// Whether nobody can be reached at `addr`: port 0, the unspecified address, multicast, broadcast, documentation.
pub fn is_bogus(addr: SocketAddr) -> bool {
    addr.port() == 0
        || match addr.ip().to_canonical() {
            IpAddr::V4(ip) => {
                ip.octets()[0] == 0
                    || ip.is_multicast()
                    || ip.is_broadcast()
                    || ip.is_documentation()
                    || ip.octets()[0] >= 240
            }
            IpAddr::V6(ip) => {
                ip.is_unspecified() || ip.is_multicast() || ip.segments()[..2] == [0x2001, 0x0db8]
            }
        }
}

/// Whether `ip` is of this host or a private network: loopback, link-local, RFC 1918, unique local, shared (RFC 6598).
pub fn is_local(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            ip.is_loopback() || ip.is_private() || ip.is_link_local() || (a == 100 && b & 0xc0 == 64)
        }
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

/// Reads compact IPv4 peers (BEP 23: 4 bytes of address, 2 of port), ignoring an incomplete last one.
pub fn compact_v4(bytes: &[u8]) -> impl Iterator<Item = SocketAddr> + '_ {
    bytes.chunks_exact(6).map(|c| {
        let ip = Ipv4Addr::new(c[0], c[1], c[2], c[3]);
        SocketAddr::new(IpAddr::V4(ip), u16::from_be_bytes([c[4], c[5]]))
    })
}

/// Reads compact IPv6 peers (BEP 7: 16 bytes of address, 2 of port), ignoring an incomplete last one.
pub fn compact_v6(bytes: &[u8]) -> impl Iterator<Item = SocketAddr> + '_ {
    bytes.chunks_exact(18).map(|c| {
        let ip: [u8; 16] = c[..16].try_into().expect("a slice of sixteen");
        canonical(SocketAddr::new(IpAddr::V6(Ipv6Addr::from(ip)), u16::from_be_bytes([c[16], c[17]])))
    })
}

/// Appends the compact form of `addr` (6 or 18 bytes) to `out`.
pub fn write_compact(addr: SocketAddr, out: &mut alloc::vec::Vec<u8>) {
    match addr.ip() {
        IpAddr::V4(ip) => out.extend_from_slice(&ip.octets()),
        IpAddr::V6(ip) => out.extend_from_slice(&ip.octets()),
    }
    out.extend_from_slice(&addr.port().to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn one_host_has_one_form() {
        assert_eq!(canonical(at("[::ffff:10.0.0.1]:7")), at("10.0.0.1:7"));
        assert_eq!(canonical(at("[2001:db9::1]:7")), at("[2001:db9::1]:7"));
        assert_eq!(canonical(at("[fe80::1%3]:7")), at("[fe80::1%3]:7"));
        assert_eq!(canonical(at("[2001:db9::1%3]:7")), at("[2001:db9::1]:7"));
    }

    #[test]
    fn bogus_and_local_addresses_are_told_apart() {
        for text in [
            "1.2.3.4:0",
            "0.0.0.0:1",
            "0.1.2.3:1",
            "224.0.0.1:1",
            "255.255.255.255:1",
            "[::]:1",
            "[ff02::1]:1",
        ] {
            assert!(is_bogus(at(text)), "{text}");
        }
        for text in ["1.2.3.4:1", "127.0.0.1:1", "[::1]:1"] {
            assert!(!is_bogus(at(text)), "{text}");
        }
        for text in [
            "127.0.0.1:1",
            "[::ffff:127.0.0.1]:1",
            "100.64.0.1:1",
            "[fe80::1]:1",
            "[fd00::1]:1",
            "192.168.1.1:1",
        ] {
            assert!(is_local(at(text).ip()), "{text}");
        }
        assert!(!is_local(at("100.128.0.1:1").ip()));
    }

    #[test]
    fn compact_forms_go_both_ways() {
        let mut out = alloc::vec::Vec::new();
        write_compact(at("1.2.3.4:258"), &mut out);
        assert_eq!(out, [1, 2, 3, 4, 1, 2]);
        out.push(9);
        assert_eq!(compact_v4(&out).collect::<alloc::vec::Vec<_>>(), [at("1.2.3.4:258")]);
        out.clear();
        write_compact(at("[2001:db9::7]:9"), &mut out);
        assert_eq!(compact_v6(&out).collect::<alloc::vec::Vec<_>>(), [at("[2001:db9::7]:9")]);
    }
}
