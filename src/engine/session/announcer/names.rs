//! Which of a name's addresses may be asked.

use core::net::{IpAddr, SocketAddr};
use std::collections::VecDeque;

use tide_base::addr;
use tide_tracker::{Error, Family, Scheme, TrackerUrl};

use super::limits::{STREAM_ADDRESSES, UDP_ADDRESSES};

/// How far away an address is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Reach {
    /// This machine.
    Machine,
    /// A private network.
    Network,
    /// The world.
    World,
}

impl Reach {
    /// How far away `ip` is.
    pub(super) fn of(ip: IpAddr) -> Reach {
        match ip.to_canonical() {
            ip if ip.is_loopback() => Reach::Machine,
            ip if addr::is_local(ip) => Reach::Network,
            _ => Reach::World,
        }
    }
}

/// Which of `ips`, the addresses of `url`'s host, are asked over `family`, in order.
///
/// A torrent is a stranger's list of URLs, and a redirect is a stranger's word. A URL may lead into our own network only
/// if it looks like a tracker's and brings no parameters of an announce along; a redirect from afar, `redirected` being
/// how far its sender is, may not lead to anything nearer.
///
/// # Errors
/// [`Error::NoAddress`] if there is none of the family; another one if there is, but none that may be asked.
pub(super) fn addresses(
    url: &TrackerUrl,
    family: Family,
    ips: &[IpAddr],
    redirected: Option<Reach>,
) -> Result<VecDeque<SocketAddr>, Error> {
    let mut found = Vec::new();
    for ip in ips {
        let at = addr::canonical(SocketAddr::new(*ip, url.port()));
        if Family::of(*ip) == family && !addr::is_bogus(at) && !found.contains(&at) {
            found.push(at);
        }
    }
    if found.is_empty() {
        return Err(Error::NoAddress);
    }
    let may_ask = |at: &SocketAddr| match (redirected, Reach::of(at.ip())) {
        (None, Reach::World) => true,
        (None, Reach::Machine | Reach::Network) => url.fit_for_local(),
        (Some(from), to) => to >= from,
    };
    found.retain(may_ask);
    if found.is_empty() {
        return Err(match redirected {
            None => Error::Unreachable("a local address, and the URL is not like a tracker's".to_owned()),
            Some(_) => Error::BadRedirect("from afar into a local network"),
        });
    }
    found.truncate(match url.scheme() {
        Scheme::Http | Scheme::Https => STREAM_ADDRESSES,
        Scheme::Udp => UDP_ADDRESSES,
    });
    Ok(found.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(url: &str, ips: &[&str], redirected: Option<Reach>) -> Result<Vec<String>, Error> {
        let url = TrackerUrl::parse(url).expect(url);
        let ips: Vec<IpAddr> = ips.iter().map(|ip| ip.parse().expect(ip)).collect();
        addresses(&url, Family::V4, &ips, redirected)
            .map(|found| found.iter().map(|at| at.to_string()).collect())
    }

    #[test]
    fn addresses_of_the_family_are_taken_once_and_in_order() {
        let ips = ["8.8.8.8", "2001:4860::1", "::ffff:8.8.8.8", "1.1.1.1", "0.0.0.0", "224.0.0.1"];
        assert_eq!(ask("http://t/announce", &ips, None), Ok(vec!["8.8.8.8:80".into(), "1.1.1.1:80".into()]));
        assert_eq!(ask("http://t/announce", &["2001:4860::1", "0.0.0.0"], None), Err(Error::NoAddress));
        let many = ["1.0.0.1", "1.0.0.2", "1.0.0.3", "1.0.0.4", "1.0.0.5"];
        assert_eq!(ask("http://t/announce", &many, None).map(|found| found.len()), Ok(STREAM_ADDRESSES));
        assert_eq!(ask("udp://t:80", &many, None).map(|found| found.len()), Ok(UDP_ADDRESSES));
    }

    #[test]
    fn a_local_address_is_asked_only_if_the_url_is_a_trackers() {
        for ip in ["127.0.0.1", "192.168.1.1", "::ffff:127.0.0.1", "169.254.1.1"] {
            assert!(ask("http://t/announce?passkey=1", &[ip], None).is_ok(), "{ip}");
            for url in ["http://t/setup.cgi", "http://t/announce?info_hash=x", "udp://t:1/?port=1"] {
                assert!(matches!(ask(url, &[ip], None), Err(Error::Unreachable(_))), "{url} {ip}");
            }
            assert_eq!(ask("http://t/setup.cgi", &[ip, "8.8.8.8"], None), Ok(vec!["8.8.8.8:80".into()]));
        }
    }

    #[test]
    fn a_redirect_leads_nowhere_nearer() {
        let to = |ip, from| ask("http://t/x", &[ip], Some(from)).is_ok();
        for (from, machine, network) in
            [(Reach::World, false, false), (Reach::Network, false, true), (Reach::Machine, true, true)]
        {
            assert_eq!(to("127.0.0.1", from), machine);
            assert_eq!(to("::ffff:127.0.0.1", from), machine);
            assert_eq!(to("10.0.0.1", from), network);
            assert!(to("8.8.8.8", from));
        }
        assert!(matches!(
            ask("http://t/x", &["::ffff:10.0.0.1"], Some(Reach::World)),
            Err(Error::BadRedirect(_))
        ));
    }
}
