//! What Linux says of addresses and gateways (rtnetlink). The kernel answers within the call, so a shard may ask.
//!
//! Gateways are found by asking for the way to somewhere in the world, out of each interface: the routing table itself
//! may be as long as the internet's.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use tide_engine::{Gateway, Networks, OwnAddress};

/// Addresses taken of a machine; some have one for each of hundreds of containers.
const ADDRESSES: usize = 256;
/// Interfaces whose way into the world is asked for.
const INTERFACES: usize = 32;
/// More than the kernel puts into one part of an answer.
const PART: usize = 64 << 10;
/// Parts of an answer: far more than [`ADDRESSES`] fill.
const PARTS: usize = 1000;

/// Somewhere in the world, one of each family. Nothing is sent there.
const WORLD: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(1, 1, 1, 1)),
    IpAddr::V6(Ipv6Addr::new(0x2606, 0x4700, 0x4700, 0, 0, 0, 0, 0x1111)),
];

// From linux/netlink.h, linux/rtnetlink.h, linux/if_addr.h.
const HEADER: usize = 16;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const RTM_NEWADDR: u16 = 20;
const RTM_GETADDR: u16 = 22;
const RTM_NEWROUTE: u16 = 24;
const RTM_GETROUTE: u16 = 26;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_DUMP: u16 = 0x300;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
/// Addresses that are not to be used: not found unique yet, or found double.
const IFA_F_TENTATIVE: u8 = 0x40;
const IFA_F_DADFAILED: u8 = 0x08;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PREFSRC: u16 = 7;
/// Changes of links, addresses and routes of both families.
const CHANGES: u32 = 0x1 | 0x10 | 0x40 | 0x100 | 0x400;

/// Hears of changes.
#[derive(Debug)]
pub(crate) struct Monitor {
    fd: OwnedFd,
}

impl Monitor {
    /// Hears from now on.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn open() -> io::Result<Monitor> {
        Ok(Monitor { fd: open(CHANGES)? })
    }

    /// To be watched for being readable.
    pub(crate) fn raw(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// Takes all that was said; what it was is asked for afterwards.
    pub(crate) fn drain(&self) {
        let mut part = [0; 4096];
        loop {
            match rustix::net::recv(&self.fd, &mut part, RecvFlags::empty()) {
                // More was said than could be kept: an error once, and then it goes on.
                Ok(_) | Err(Errno::NOBUFS | Errno::INTR) => {}
                Err(_) => return,
            }
        }
    }
}

fn open(groups: u32) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let fd = rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?; // protocol 0 is that of routes
    rustix::net::bind(&fd, &SocketAddrNetlink::new(0, groups))?;
    Ok(fd)
}

/// Which networks the machine is on.
///
/// # Errors
/// What the system says.
pub(crate) fn networks() -> io::Result<Networks> {
    let fd = open(0)?;
    let mut addresses = Vec::new();
    ask(&fd, RTM_GETADDR, NLM_F_DUMP, &[0; 8], |kind, body| {
        if kind == RTM_NEWADDR && addresses.len() < ADDRESSES {
            addresses.extend(address(body));
        }
    })?;
    let mut gateways: Vec<Gateway> = Vec::new();
    for (index, v4) in ways(&addresses) {
        let to = WORLD[usize::from(!v4)];
        // An interface without a way there is an error, and no matter.
        let asked = ask(&fd, RTM_GETROUTE, 0, &route_request(to, index), |kind, body| {
            if kind == RTM_NEWROUTE {
                gateways.extend(gateway(body).filter(|way| !gateways.contains(way)));
            }
        });
        if let Err(error) = asked {
            log::trace!("no way to {to} through interface {index}: {error}");
        }
    }
    Ok(Networks { addresses, gateways })
}

/// The interfaces to be asked about, with the family; the system's own choice of one comes first.
fn ways(addresses: &[OwnAddress]) -> Vec<(u32, bool)> {
    let mut ways = vec![(0, true), (0, false)];
    for own in addresses.iter().filter(|own| !own.ip.is_loopback()) {
        let way = (own.index, own.ip.is_ipv4());
        if !ways.contains(&way) && ways.len() < INTERFACES {
            ways.push(way);
        }
    }
    ways
}

/// Sends a request and hands each message of the answer to `take`, with its kind.
fn ask(fd: &OwnedFd, kind: u16, flags: u16, body: &[u8], mut take: impl FnMut(u16, &[u8])) -> io::Result<()> {
    let len = HEADER + body.len();
    let mut request = Vec::with_capacity(len);
    request.extend((len as u32).to_ne_bytes());
    request.extend(kind.to_ne_bytes());
    request.extend((NLM_F_REQUEST | flags).to_ne_bytes());
    request.extend([0; 8]);
    request.extend(body);
    rustix::net::send(fd, &request, SendFlags::empty())?;
    let mut part = vec![0; PART];
    for _ in 0..PARTS {
        let (_, len) = rustix::net::recv(fd, &mut part[..], RecvFlags::empty())?;
        for (kind, body) in messages(&part[..len.min(PART)]) {
            match kind {
                NLMSG_DONE => return Ok(()),
                NLMSG_ERROR => {
                    let code = body.first_chunk().map_or(0, |code| i32::from_ne_bytes(*code));
                    return Err(io::Error::from_raw_os_error(-code));
                }
                _ => take(kind, body),
            }
        }
        if flags & NLM_F_DUMP == 0 {
            return Ok(());
        }
    }
    Err(io::Error::other("an answer without end"))
}

/// The messages of a part: kind and body.
fn messages(mut part: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let len = u32::from_ne_bytes(*part.first_chunk()?) as usize;
        let kind = u16::from_ne_bytes(*part.get(4..)?.first_chunk()?);
        let body = part.get(HEADER..len)?;
        part = part.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, body))
    })
}

/// The attributes behind a fixed head: kind and value.
fn attributes(mut rest: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let len = usize::from(u16::from_ne_bytes(*rest.first_chunk()?));
        let kind = u16::from_ne_bytes(*rest.get(2..)?.first_chunk()?);
        let value = rest.get(4..len)?;
        rest = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

fn ip(value: &[u8]) -> Option<IpAddr> {
    match value.len() {
        4 => Some(IpAddr::from(*value.first_chunk::<4>()?)),
        16 => Some(IpAddr::from(*value.first_chunk::<16>()?)),
        _ => None,
    }
}

/// The address that a message tells of: family, bits, flags, scope, index, and attributes.
fn address(body: &[u8]) -> Option<OwnAddress> {
    let [_, bits, flags, _] = *body.first_chunk()?;
    let index = u32::from_ne_bytes(*body.get(4..)?.first_chunk()?);
    if flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED) != 0 {
        return None;
    }
    let of =
        |wanted| attributes(&body[8..]).find(|(kind, _)| *kind == wanted).and_then(|(_, value)| ip(value));
    // Of a link between two, the address is the other end's.
    let ip = of(IFA_LOCAL).or_else(|| of(IFA_ADDRESS))?;
    Some(OwnAddress { ip, bits, index })
}

/// Asks for the way to `to`, through an interface if one is named.
fn route_request(to: IpAddr, index: u32) -> Vec<u8> {
    let (family, dst) = match to {
        IpAddr::V4(ip) => (AF_INET, ip.octets().to_vec()),
        IpAddr::V6(ip) => (AF_INET6, ip.octets().to_vec()),
    };
    let mut body = vec![family, (dst.len() * 8) as u8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let mut attribute = |kind: u16, value: &[u8]| {
        body.extend((4 + value.len() as u16).to_ne_bytes());
        body.extend(kind.to_ne_bytes());
        body.extend(value);
    };
    attribute(RTA_DST, &dst);
    if index != 0 {
        attribute(RTA_OIF, &index.to_ne_bytes());
    }
    body
}

/// The gateway of a route, if it leads through one.
fn gateway(body: &[u8]) -> Option<Gateway> {
    let of = |wanted| attributes(body.get(12..)?).find(|(kind, _)| *kind == wanted).map(|(_, value)| value);
    let index = u32::from_ne_bytes(*of(RTA_OIF)?.first_chunk()?);
    let (gateway, local) = (ip(of(RTA_GATEWAY)?)?, ip(of(RTA_PREFSRC)?)?);
    Some(Gateway { ip: gateway, index, local })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut out = [(4 + value.len() as u16).to_ne_bytes(), kind.to_ne_bytes()].concat();
        out.extend(value);
        out.resize(out.len().next_multiple_of(4), 0);
        out
    }

    fn message(kind: u16, body: &[u8]) -> Vec<u8> {
        let mut out = ((HEADER + body.len()) as u32).to_ne_bytes().to_vec();
        out.extend(kind.to_ne_bytes());
        out.extend([0; 10]);
        out.extend(body);
        out.resize(out.len().next_multiple_of(4), 0);
        out
    }

    #[test]
    fn an_address_is_our_end_with_its_network_and_interface() {
        let head = |flags| [&[AF_INET, 24, flags, 0][..], &7u32.to_ne_bytes()].concat();
        let own = attribute(IFA_LOCAL, &[10, 0, 0, 5]);
        let body = [head(0), attribute(IFA_ADDRESS, &[10, 0, 0, 9]), own].concat();
        let expected = OwnAddress { ip: [10, 0, 0, 5].into(), bits: 24, index: 7 };
        assert_eq!(address(&body), Some(expected));
        let other = [head(IFA_F_TENTATIVE), attribute(IFA_ADDRESS, &[10, 0, 0, 9])].concat();
        assert_eq!(address(&other), None, "it is not ours yet");
    }

    #[test]
    fn a_route_has_a_gateway_or_leads_straight_there() {
        let oif = attribute(RTA_OIF, &3u32.to_ne_bytes());
        let local = attribute(RTA_PREFSRC, &[10, 0, 0, 5]);
        let direct = [vec![0; 12], oif.clone(), local.clone()].concat();
        assert_eq!(gateway(&direct), None);
        let body = [vec![0; 12], oif, local, attribute(RTA_GATEWAY, &[10, 0, 0, 1])].concat();
        let expected = Gateway { ip: [10, 0, 0, 1].into(), index: 3, local: [10, 0, 0, 5].into() };
        assert_eq!(gateway(&body), Some(expected));
    }

    #[test]
    fn what_is_cut_short_anywhere_is_left_out() {
        let address_body =
            [&[AF_INET, 24, 0, 0][..], &7u32.to_ne_bytes(), &attribute(IFA_LOCAL, &[1; 4])].concat();
        let whole = [message(RTM_NEWADDR, &address_body), message(NLMSG_DONE, &[0; 4])].concat();
        assert_eq!(messages(&whole).map(|(kind, _)| kind).collect::<Vec<_>>(), [RTM_NEWADDR, NLMSG_DONE]);
        for len in 0..whole.len() {
            let found: Vec<_> = messages(&whole[..len]).collect();
            assert!(found.len() < 2, "{len}");
            for (_, body) in found {
                assert!(
                    (0..body.len())
                        .all(|cut| address(&body[..cut]).is_none() && gateway(&body[..cut]).is_none())
                );
            }
        }
        let zero = [0; 64];
        assert_eq!(messages(&zero).count() + attributes(&zero).count(), 0, "lengths of nothing");
    }

    #[test]
    fn this_machine_has_a_loopback() {
        let found = networks().expect("the kernel answers");
        let expected = OwnAddress { ip: [127, 0, 0, 1].into(), bits: 8, index: 1 };
        assert!(found.addresses.contains(&expected), "{found:?}");
        assert!(found.gateways.iter().all(|way| way.ip.is_ipv4() == way.local.is_ipv4()), "{found:?}");
    }
}
