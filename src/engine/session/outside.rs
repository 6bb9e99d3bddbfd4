//! How the world sees us: our address, by the votes of those who can know, and the port that a gateway has opened. Torrents
//! are told when it changes, and so is the application.

use core::net::IpAddr;

use tide_base::Instant;
use tide_portmap::limits::VoteLimits;
use tide_portmap::{Protocol, Source, Votes};

use crate::border::{Gateway, Networks, Output};
use crate::desk::Desk;
use crate::mail::Outside;
use crate::stats::{MappedPort, Reachable};

/// How the world sees us.
#[derive(Debug)]
pub struct View {
    votes: Votes,
    /// The ways out of which all votes were about.
    gateways: Vec<Gateway>,
    /// What the application was told last.
    told: Reachable,
    changed: bool,
}

impl View {
    /// Nothing is known.
    pub fn new() -> View {
        View {
            votes: Votes::new(VoteLimits::default()),
            gateways: Vec::new(),
            told: Reachable::default(),
            changed: false,
        }
    }

    /// Somebody says that our address is `ip`.
    pub fn vote(&mut self, now: Instant, by: Source, voter: IpAddr, ip: IpAddr) {
        if let Some(believed) = self.votes.add(now, by, voter, ip) {
            log::debug!("our address is {believed}: {voter} says so last ({by:?})");
            self.changed = true;
        }
    }

    /// Which networks there are has changed. Behind other gateways, all that was said of our address is void.
    pub fn place(&mut self, networks: &Networks) {
        if self.gateways != networks.gateways {
            if !self.gateways.is_empty() {
                self.votes.clear();
                self.changed = true;
            }
            self.gateways.clone_from(&networks.gateways);
        }
    }

    /// Whether something else is believed than when this was asked last.
    pub fn take_changed(&mut self) -> bool {
        core::mem::take(&mut self.changed)
    }

    /// What torrents should know.
    pub fn outside(&self, mapped: &[MappedPort]) -> Outside {
        // Of both families the port is nearly always the same; where it is not, IPv4 needs it more.
        let port = |protocol: Protocol| {
            let ports = mapped.iter().filter(|port| port.protocol == protocol);
            ports.min_by_key(|port| port.internal.is_ipv6()).map(|port| port.external_port)
        };
        Outside {
            v4: self.votes.v4(),
            v6: self.votes.v6(),
            port: port(Protocol::Tcp),
            udp_port: port(Protocol::Udp),
        }
    }

    /// Tells the application, if there is something new.
    pub fn tell(&mut self, desk: &mut Desk, mapped: Vec<MappedPort>, trouble: Option<&str>) {
        let (external_v4, external_v6) = (self.votes.v4(), self.votes.v6());
        let trouble = trouble.map(str::to_owned);
        let now = Reachable { external_v4, external_v6, mapped, trouble };
        if self.told != now {
            self.told.clone_from(&now);
            desk.put(Output::Reachable(Box::new(now)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tide_portmap::Way;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn mapped(protocol: Protocol, internal: &str, external_port: u16) -> MappedPort {
        MappedPort {
            protocol,
            internal: internal.parse().expect("an address"),
            external_ip: None,
            external_port,
            gateway: ip("10.0.0.1"),
            way: Way::Pcp,
        }
    }

    #[test]
    fn peers_are_told_the_port_for_streams_of_ipv4_first() {
        let view = View::new();
        let ports = [
            mapped(Protocol::Udp, "10.0.0.5:7", 70),
            mapped(Protocol::Tcp, "[2a00::5]:7", 71),
            mapped(Protocol::Tcp, "10.0.0.5:7", 72),
        ];
        assert_eq!(view.outside(&ports).port, Some(72));
        assert_eq!(view.outside(&ports).udp_port, Some(70));
        assert_eq!(view.outside(&ports[..2]).port, Some(71));
        assert_eq!(view.outside(&ports[..1]).port, None);
    }

    #[test]
    fn behind_another_gateway_the_votes_are_void() {
        let mut view = View::new();
        let behind = |gateway: &str| {
            let way = Gateway { ip: ip(gateway), index: 2, local: ip("10.0.0.5") };
            Networks { gateways: vec![way], ..Networks::default() }
        };
        view.vote(Instant::ZERO, Source::Tracker, ip("5.5.5.5"), ip("1.1.1.1"));
        view.place(&behind("10.0.0.1"));
        assert_eq!(view.outside(&[]).v4, Some(ip("1.1.1.1")), "known before the networks were");
        view.place(&behind("10.0.0.1"));
        assert_eq!(view.outside(&[]).v4, Some(ip("1.1.1.1")));
        view.place(&behind("10.0.0.9"));
        assert_eq!(view.outside(&[]), Outside::default());
    }
}
