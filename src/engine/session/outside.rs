//! How the world sees us: our address, by the votes of those who can know, and the port that a gateway has opened. Torrents
//! are told when it changes, and so is the application.

use core::net::IpAddr;

use tide_base::Instant;
use tide_base::addr::Family;
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
        let port = |protocol: Protocol, family: Family| {
            let of_it =
                |port: &&MappedPort| port.protocol == protocol && Family::of(port.internal.ip()) == family;
            mapped.iter().find(of_it).map(|port| port.external_port)
        };
        Outside {
            v4: self.votes.v4(),
            v6: self.votes.v6(),
            ports: Family::ALL.map(|family| port(Protocol::Tcp, family)),
            udp_ports: Family::ALL.map(|family| port(Protocol::Udp, family)),
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
    fn each_family_has_the_port_that_was_opened_for_it() {
        let view = View::new();
        let ports = [
            mapped(Protocol::Udp, "10.0.0.5:7", 70),
            mapped(Protocol::Tcp, "[2a00::5]:7", 71),
            mapped(Protocol::Tcp, "10.0.0.5:7", 72),
        ];
        assert_eq!(view.outside(&ports).ports, [Some(72), Some(71)]);
        assert_eq!(view.outside(&ports).udp_ports, [Some(70), None]);
        assert_eq!(view.outside(&ports[..1]).ports, [None; 2]);
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

    /// BEP 3: `port` is the one that the peer listens on; BEP 7: each family is announced by itself; BEP 32: what PORT says
    /// applies to the address that it is sent from. Nothing is translated over IPv6.
    #[test]
    fn over_ipv6_nobody_is_told_the_port_that_was_opened_for_ipv4() {
        use crate::command::Setup;
        use tide_base::ShardId;
        let mut setup = Setup::plain(1);
        setup.dht.get_or_insert_with(Default::default);
        let mut desk = Desk::new(ShardId::FIRST, &setup);
        let at = |text: &str| text.parse().expect("an address");
        desk.listening.tcp = vec![at("0.0.0.0:6881"), at("[::]:6881")];
        (desk.listening.udp_v4, desk.listening.udp_v6) = (Some(at("0.0.0.0:6881")), Some(at("[::]:6881")));
        let ports =
            [mapped(Protocol::Tcp, "10.0.0.5:6881", 40_000), mapped(Protocol::Udp, "10.0.0.5:6881", 40_001)];
        desk.outside = View::new().outside(&ports);
        let told = |of: &str| (desk.port_for(ip(of)), desk.dht_port(ip(of)));
        assert_eq!(told("9.8.7.6"), (Some(40_000), Some(40_001)));
        assert_eq!(told("2a00::1"), (Some(6881), Some(6881)));
    }
}
