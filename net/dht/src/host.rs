//! Hosts and neighbourhoods.

use core::net::{IpAddr, SocketAddr};
use tide_base::addr;

/// Whom an address belongs to: an IPv4 address, or the /64 that an IPv6 host can number itself in as it likes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Host(u64);

impl Host {
    pub(crate) fn of(ip: IpAddr) -> Host {
        match ip {
            // No IPv6 host has a prefix of 32 zeros, so the two kinds do not meet.
            IpAddr::V4(ip) => Host(u64::from(ip.to_bits())),
            IpAddr::V6(ip) => Host((ip.to_bits() >> 64) as u64),
        }
    }

    pub(crate) fn bits(self) -> u64 {
        self.0
    }
}

/// The addresses that one owner probably has: a /24 of IPv4, a /64 of IPv6.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Subnet(u64);

impl Subnet {
    pub(crate) fn of(ip: IpAddr) -> Subnet {
        match ip {
            IpAddr::V4(ip) => Subnet(u64::from(ip.to_bits() >> 8)),
            IpAddr::V6(ip) => Subnet((ip.to_bits() >> 64) as u64),
        }
    }
}

/// What becomes of addresses of this host and of private networks ([`addr::is_local`]).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Locals {
    /// They are free of BEP 42 and of the limits per host and per /24, since nobody far away can have one; and only
    /// a local node may tell of them, so that strangers cannot point us at the neighbours.
    #[default]
    Exempt,
    /// They are as good as any other: for simulations that number their hosts so.
    Same,
}

impl Locals {
    /// Whether `ip` is free of the limits.
    pub(crate) fn frees(self, ip: IpAddr) -> bool {
        self == Locals::Exempt && addr::is_local(ip)
    }

    /// Whether a node at `teller` may tell of `told`.
    pub(crate) fn may_tell(self, teller: IpAddr, told: SocketAddr) -> bool {
        !addr::is_bogus(told) && (!self.frees(told.ip()) || addr::is_local(teller))
    }
}
