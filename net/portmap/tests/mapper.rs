//! Whole conversations between a mapper and an honest gateway, with a manual clock.

mod common;

use common::{House, OUTSIDE, TCP, UDP, at, everything, ip, is_mapped, network, secs};
use std::net::{Ipv4Addr, SocketAddr};
use tide_base::Duration;
use tide_portmap::description::ServiceType;
use tide_portmap::gateway::{Config, Igd};
use tide_portmap::limits::Limits;
use tide_portmap::{Event, Failure, Network, Reason, Way};

fn natpmp() -> Config {
    Config { pcp: false, ..everything() }
}

fn upnp(igd: Igd) -> Config {
    Config { pcp: false, natpmp: false, upnp: Some(igd), ..everything() }
}

fn offering(services: &[ServiceType]) -> Config {
    upnp(Igd { services: services.to_vec(), ..Igd::default() })
}

fn mute() -> Config {
    Config { pcp: false, natpmp: false, upnp: None, ..everything() }
}

#[test]
fn pcp_maps_both_ports_at_once_and_tells_where() {
    let mut house = House::wanting(everything());
    let outside = SocketAddr::new(OUTSIDE.into(), 6881);
    assert_eq!((house.outer(TCP), house.outer(UDP)), (Some(6881), Some(6881)));
    let mapped = house.mapped();
    assert_eq!(mapped.len(), 2);
    for mapped in mapped {
        assert_eq!((mapped.way, mapped.external()), (Way::Pcp, Some(outside)));
        assert_eq!((mapped.internal, mapped.gateway), (at("192.168.1.10:6881"), ip("192.168.1.1")));
        assert_eq!(mapped.until, secs(1000 + 3600));
    }
    let news = house.news();
    let [Event::ExternalAddress { ip, .. }, Event::Mapped(_), Event::Mapped(_)] = &news[..] else {
        panic!("{news:?}")
    };
    assert_eq!(*ip, OUTSIDE);
    assert!(house.connects.is_empty(), "UPnP is searched, but not used");
}

#[test]
fn mappings_are_renewed_past_half_of_their_life_and_never_lapse() {
    for config in [everything(), natpmp(), offering(&[ServiceType::Ip1]), offering(&[ServiceType::Ip2])] {
        let mut house = House::wanting(config);
        house.run_secs(10);
        assert_eq!(house.mapped().len(), 2);
        house.news();
        let (renewal, _) = house.mapper.wake_at();
        assert!(renewal > house.now);
        for _ in 0..24 * 6 {
            house.run_secs(600);
            assert_eq!((house.outer(TCP), house.outer(UDP)), (Some(6881), Some(6881)));
        }
        assert_eq!(house.news(), [], "renewals are not told");
        let asked = house.datagrams.len() + house.connects.len();
        assert!(asked < 500, "{asked} requests in a day");
    }
}

#[test]
fn the_first_renewal_comes_between_a_half_and_five_eighths() {
    for seed in 0..20 {
        let mut house = House::with(everything(), network(), Limits::default(), seed);
        house.want(TCP);
        let (next, why) = house.mapper.wake_at();
        assert_eq!(why, Reason::Renewal);
        let after = next.since(house.now).as_secs();
        assert!((1800..=2250).contains(&after), "{after}");
    }
}

#[test]
fn a_gateway_that_knows_only_natpmp_says_so_and_is_asked_by_it() {
    let mut house = House::wanting(natpmp());
    let ways: Vec<_> = house.mapped().iter().map(|m| (m.way, m.external())).collect();
    assert_eq!(ways, [(Way::NatPmp, Some(SocketAddr::new(OUTSIDE.into(), 6881))); 2]);
    assert_eq!(house.now, secs(1000), "no time was lost");
    assert_eq!(house.news().iter().filter(|event| is_mapped(event)).count(), 2);
}

#[test]
fn upnp_is_used_after_a_head_start_where_the_port_is_silent() {
    let services = [
        vec![ServiceType::Ip1],
        vec![ServiceType::Ip2],
        vec![ServiceType::Ppp1],
        vec![ServiceType::Ppp1, ServiceType::Ip1, ServiceType::Ip2],
    ];
    for services in services {
        let mut house = House::wanting(offering(&services));
        house.run(Duration::from_millis(1999));
        assert_eq!(house.mapper.wake_at(), (secs(1002), Reason::HeadStart));
        assert_eq!(house.connects, []);
        house.run_secs(1);
        let ways: Vec<_> = house.mapped().iter().map(|m| (m.way, m.external())).collect();
        assert_eq!(ways, [(Way::Upnp, Some(SocketAddr::new(OUTSIDE.into(), 6881))); 2], "{services:?}");
        assert_eq!((house.outer(TCP), house.outer(UDP)), (Some(6881), Some(6881)));
    }
}

#[test]
fn a_closed_port_spares_the_head_start() {
    let mut house = House::wanting(offering(&[ServiceType::Ip1]));
    for _ in 0..2 {
        house.mapper.unreachable(house.now, network().server());
        house.settle();
    }
    assert_eq!((house.mapped().len(), house.now), (2, secs(1000)));
}

#[test]
fn a_gateway_that_takes_no_lease_gets_mappings_without_end_and_they_are_checked() {
    let mut house = House::wanting(upnp(Igd { permanent_only: true, ..Igd::default() }));
    house.run_secs(2);
    assert!(house.mapped().iter().all(|m| m.until == tide_base::Instant::NEVER));
    assert_eq!(house.mapped().len(), 2);
    house.gateway.restart(house.now);
    house.run_secs(2300);
    assert_eq!((house.outer(TCP), house.outer(UDP)), (Some(6881), Some(6881)));
}

#[test]
fn a_taken_port_is_replaced_by_another() {
    for config in [everything(), natpmp(), offering(&[ServiceType::Ip1]), offering(&[ServiceType::Ip2])] {
        let mut house = House::new(config);
        house.gateway.reserve(TCP, at("192.168.1.99:6881"));
        house.want(TCP);
        house.run_secs(2);
        let [mapped] = house.mapped()[..] else { panic!("{:?}", house.events) };
        assert_ne!(mapped.external_port, 6881);
        assert_eq!(house.outer(TCP), Some(mapped.external_port));
        let taken = house.gateway.translate(house.now, TCP.protocol, 6881);
        assert_eq!(taken, Some(at("192.168.1.99:6881")));
        let port = mapped.external_port;
        house.run_secs(4000);
        assert_eq!(house.outer(TCP), Some(port), "the port is kept at renewal");
    }
}

#[test]
fn where_every_port_is_taken_it_fails_and_is_tried_later() {
    let mut house = House::new(Config { rows: 1, ..offering(&[ServiceType::Ip1]) });
    for port in 0..=u16::MAX {
        house.gateway.reserve(tide_portmap::Want { port, ..TCP }, at("192.168.1.99:1"));
    }
    house.want(TCP);
    house.run_secs(2);
    assert!(house.mapped().is_empty());
    let failed = house.news();
    let failed: Vec<_> = failed.iter().filter(|event| matches!(event, Event::Failed { .. })).collect();
    assert!(matches!(failed[..], [Event::Failed { why: Failure::Conflict, .. }]), "{failed:?}");
    house.gateway.restart(house.now);
    house.run_secs(100);
    assert_eq!(house.outer(TCP), Some(6881));
}

#[test]
fn a_full_gateway_is_asked_again_until_there_is_room() {
    for config in [everything(), natpmp()] {
        let mut house = House::wanting(Config { rows: 1, upnp: None, ..config });
        assert_eq!(house.mapped().len(), 1);
        let news = house.news();
        assert!(
            news.iter().any(|e| matches!(e, Event::Failed { why: Failure::Refused { .. }, .. })),
            "{news:?}"
        );
        let held = house.mapped()[0].want;
        house.run_secs(3600 * 3);
        assert_eq!(house.mapped().iter().map(|m| m.want).collect::<Vec<_>>(), [held], "and kept meanwhile");
        assert_eq!(house.news(), [], "the same failure is told once");
        house.mapper.unwant(house.now, held);
        house.settle();
        house.run_secs(3700);
        let other = if held == TCP { UDP } else { TCP };
        assert_eq!(house.mapped().iter().map(|m| m.want).collect::<Vec<_>>(), [other]);
    }
}

#[test]
fn a_restart_that_is_announced_is_mended_in_seconds() {
    for config in [everything(), natpmp()] {
        let mut house = House::wanting(config);
        house.run_secs(300);
        house.gateway.restart(house.now);
        assert_eq!(house.outer(TCP), None);
        house.announce();
        house.run_secs(6);
        assert_eq!((house.outer(TCP), house.outer(UDP)), (Some(6881), Some(6881)));
    }
}

#[test]
fn a_restart_that_is_not_announced_is_noticed_by_the_clock_of_the_next_answer() {
    let mut house = House::wanting(natpmp());
    house.run_secs(300);
    house.gateway.restart(house.now);
    house.run_secs(306);
    assert_eq!((house.outer(TCP), house.outer(UDP)), (Some(6881), Some(6881)), "the address is asked for");
}

#[test]
fn a_new_outer_address_is_told_with_the_mappings() {
    for config in [natpmp(), offering(&[ServiceType::Ip2])] {
        let mut house = House::wanting(config);
        house.run_secs(10);
        house.news();
        let new = Ipv4Addr::new(203, 0, 114, 8);
        house.gateway.set_outside(new);
        house.announce();
        house.run_secs(700);
        let news = house.news();
        assert!(matches!(news[0], Event::ExternalAddress { ip, .. } if ip == new), "{news:?}");
        let told: Vec<_> = house.mapped().iter().filter_map(|m| m.external()).collect();
        assert_eq!(told, [SocketAddr::new(new.into(), 6881); 2]);
        assert_eq!(news.iter().filter(|event| is_mapped(event)).count(), 2);
    }
}

#[test]
fn a_gateway_that_dies_loses_the_mappings_and_gets_them_again() {
    for config in [everything(), natpmp(), offering(&[ServiceType::Ip1])] {
        let mut house = House::wanting(config);
        house.run_secs(10);
        house.news();
        house.plugged = false;
        house.run_secs(3700);
        let news = house.news();
        let lost = news.iter().filter(|e| matches!(e, Event::Lost { why: Failure::Expired, .. })).count();
        assert_eq!((lost, house.mapped().len()), (2, 0), "{news:?}");
        house.plugged = true;
        house.gateway.restart(house.now);
        house.run_secs(3600 * 2);
        assert_eq!((house.outer(TCP), house.outer(UDP)), (Some(6881), Some(6881)));
    }
}

#[test]
fn where_nothing_answers_it_is_told_once_and_asked_ever_more_rarely() {
    let mut house = House::wanting(mute());
    house.run_secs(120);
    let news = house.news();
    assert_eq!(news.len(), 2, "{news:?}");
    assert!(news.iter().all(|e| matches!(e, Event::Failed { why: Failure::NoGateway, .. })));
    house.run_secs(24 * 3600);
    assert_eq!(house.news(), []);
    let sent = house.datagrams.len();
    assert!(sent < 30 * 25, "{sent} datagrams in a day of silence");
    // It learns to speak, and says so.
    house.gateway = tide_portmap::gateway::Gateway::new(everything(), house.now);
    house.announce();
    house.run_secs(6);
    assert_eq!(house.mapped().len(), 2);
}

#[test]
fn at_the_end_everything_is_removed() {
    for config in [everything(), natpmp(), offering(&[ServiceType::Ip1]), offering(&[ServiceType::Ip2])] {
        let mut house = House::wanting(config);
        house.run_secs(10);
        assert_eq!(house.gateway.rows(house.now).count(), 2);
        house.mapper.stop(house.now);
        house.settle();
        assert!(house.mapper.is_stopped());
        assert_eq!(house.gateway.rows(house.now).count(), 0);
        assert_eq!(house.mapper.wake_at(), (tide_base::Instant::NEVER, Reason::Nothing));
        assert!(house.mapper.want(house.now, TCP).is_err());
    }
}

#[test]
fn an_end_does_not_wait_for_a_gateway_that_is_gone() {
    for config in [everything(), offering(&[ServiceType::Ip1])] {
        let mut house = House::wanting(config);
        house.run_secs(10);
        house.plugged = false;
        let begun = house.now;
        house.mapper.stop(house.now);
        house.settle();
        while !house.mapper.is_stopped() {
            let (next, _) = house.mapper.wake_at();
            assert!(next > house.now);
            house.now = next;
            house.mapper.wake(next);
            house.settle();
        }
        assert!(house.now.since(begun) <= Limits::default().stop_budget);
    }
    let mut house = House::wanting(mute());
    house.mapper.stop(house.now);
    house.settle();
    assert!(house.mapper.is_stopped(), "nothing was granted, so nothing is waited for");
    let (_, _, last) = house.datagrams.last().expect("datagrams");
    assert_eq!((last[1], &last[4..8]), (1, &[0; 4][..]), "but what was asked for is taken back");
}

#[test]
fn what_is_not_wanted_any_more_is_removed_and_the_rest_stays() {
    let mut house = House::wanting(everything());
    house.mapper.unwant(house.now, TCP);
    house.settle();
    assert_eq!((house.outer(TCP), house.outer(UDP)), (None, Some(6881)));
    house.want(TCP);
    assert_eq!((house.outer(TCP), house.outer(UDP)), (Some(6881), Some(6881)));
}

#[test]
fn ipv6_firewalls_are_opened_by_pcp_alone() {
    let network = Network { gateway: ip("fe80::1"), scope: 3, local: ip("2a00:1::10") };
    let config = Config { inside: ip("fe80::1"), ..everything() };
    let mut house = House::with(config, network, Limits::default(), 1);
    house.want(TCP);
    let [mapped] = house.mapped()[..] else { panic!("{:?}", house.events) };
    assert_eq!(mapped.external(), Some(at("[2a00:1::10]:6881")));
    assert_eq!(house.datagrams.len(), 1, "no search, no NAT-PMP");
    house.run_secs(3600 * 5);
    assert_eq!(house.outer(TCP), Some(6881));
}

#[test]
fn networks_come_and_go() {
    let mut house = House::wanting(everything());
    house.news();
    house.mapper.set_networks(house.now, &[]);
    house.settle();
    let news = house.news();
    assert_eq!(news.len(), 2);
    assert!(news.iter().all(|e| matches!(e, Event::Lost { why: Failure::NetworkGone, .. })), "{news:?}");
    house.mapper.set_networks(house.now, &[network(), network()]);
    house.settle();
    assert_eq!(house.mapped().len(), 2);
    let public = Network { local: ip("203.0.114.9"), ..network() };
    let far = Network { gateway: ip("203.0.114.1"), ..network() };
    let mixed = Network { gateway: ip("fe80::1"), ..network() };
    house.mapper.set_networks(house.now, &[public, far, mixed]);
    house.settle();
    assert!(house.mapped().is_empty(), "where it is of no use, nothing is asked");
}

#[test]
fn after_a_crash_the_same_seed_owns_its_mappings_and_another_falls_back() {
    let config = Config { natpmp: false, ..everything() };
    let crashed = |gateway, seed| {
        let mut house = House::with(config.clone(), network(), Limits::default(), seed);
        house.gateway = gateway;
        house.want(TCP);
        house
    };
    let fresh = tide_portmap::gateway::Gateway::new(config.clone(), secs(0));
    let first = crashed(fresh, 1);
    let again = crashed(first.gateway, 1);
    assert_eq!(again.mapped()[0].way, Way::Pcp);
    let mut other = crashed(again.gateway, 2);
    other.run_secs(30);
    assert_eq!(other.mapped()[0].way, Way::Upnp, "{:?}", other.events);
}

#[test]
fn limits_hold() {
    let limits = Limits { wants: 1, ..Limits::default() };
    let mut house = House::with(everything(), network(), limits, 1);
    house.want(TCP);
    house.want(TCP);
    assert!(house.mapper.want(house.now, UDP).is_err());
    assert!(house.mapper.want(house.now, tide_portmap::Want { port: 0, ..TCP }).is_err());
    assert_eq!(house.mapped().len(), 1);
    assert!(house.now.since(secs(1000)) < Duration::from_secs(1));
}
