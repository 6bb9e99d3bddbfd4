//! Neighbours and gateways that lie, and any bytes at any time.

mod common;

use common::{House, OUTSIDE, TCP, UDP, at, everything, ip, network};
use proptest::prelude::*;
use tide_base::{Duration, Instant, Prng};
use tide_portmap::description::ServiceType;
use tide_portmap::gateway::{Config, Igd};
use tide_portmap::limits::Limits;
use tide_portmap::{Event, Mapper, Network, Output, Way, natpmp, pcp, ssdp};

fn upnp() -> Config {
    let igd = Igd { services: vec![ServiceType::Ip1], ..Igd::default() };
    Config { pcp: false, natpmp: false, upnp: Some(igd), ..everything() }
}

fn answer(location: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nST: upnp:rootdevice\r\nLOCATION: {location}\r\n\r\n").into_bytes()
}

#[test]
fn answers_that_do_not_come_from_the_gateway_are_ignored() {
    for (from, count) in
        [("192.168.1.66:5351", 0), ("192.168.1.1:5350", 0), ("8.8.8.8:5351", 0), ("192.168.1.1:5351", 2)]
    {
        let mut house = House::new(Config { upnp: None, ..everything() });
        house.wire = Box::new(move |_, bytes| Some((at(from), bytes)));
        house.want(TCP);
        house.want(UDP);
        house.run_secs(60);
        assert_eq!(house.mapped().len(), count, "{from}");
    }
}

#[test]
fn a_grant_of_something_else_is_not_taken() {
    let lies: [fn(&mut Vec<u8>); 4] = [
        |bytes| bytes[24] ^= 1, // the nonce
        |bytes| bytes[41] ^= 1, // the inner port
        |bytes| bytes[36] = 17, // the protocol
        |bytes| bytes[1] = 1,   // a request
    ];
    for lie in lies {
        let mut house = House::new(Config { natpmp: false, upnp: None, ..everything() });
        house.wire = Box::new(move |from, mut bytes| {
            if bytes.len() == 60 {
                lie(&mut bytes);
            }
            Some((from, bytes))
        });
        house.want(TCP);
        house.run_secs(60);
        assert!(house.mapped().is_empty());
    }
}

#[test]
fn absurd_lifetimes_neither_spin_nor_starve() {
    for lifetime in [0u32, 1, u32::MAX] {
        let mut house = House::new(Config { natpmp: false, upnp: None, ..everything() });
        house.wire = Box::new(move |from, mut bytes| {
            bytes[4..8].copy_from_slice(&lifetime.to_be_bytes());
            Some((from, bytes))
        });
        house.want(TCP);
        house.run_secs(24 * 3600);
        let asked = house.datagrams.len();
        assert!((24..3000).contains(&asked), "{asked} requests for {lifetime}");
        assert_eq!(house.mapped().len(), usize::from(lifetime != 0));
    }
}

#[test]
fn devices_that_describe_themselves_elsewhere_or_are_far_are_not_visited() {
    let mut house = House::new(Config { upnp: None, ..upnp() });
    house.want(TCP);
    for (from, location) in [
        ("192.168.1.66:1900", "http://192.168.1.1:80/admin?reboot=1"),
        ("192.168.1.1:1900", "http://192.168.1.66/d.xml"),
        ("192.168.1.1:1900", "http://8.8.8.8/d.xml"),
        ("192.168.1.1:1900", "http://127.0.0.1:9091/rpc"),
        ("8.8.8.8:1900", "http://8.8.8.8/d.xml"),
        ("192.168.1.1:1900", "http://router/d.xml"),
    ] {
        house.mapper.receive(house.now, at(from), &answer(location));
    }
    house.run_secs(50);
    assert_eq!(house.connects, []);
}

#[test]
fn other_devices_are_asked_only_when_the_gateway_is_silent_and_not_without_end() {
    let flood = |house: &mut House| {
        for n in 2..250 {
            let from = at(&format!("192.168.1.{n}:1900"));
            house.mapper.receive(house.now, from, &answer(&format!("http://192.168.1.{n}/d.xml")));
        }
        house.settle();
    };
    let mut house = House::new(upnp());
    house.want(TCP);
    flood(&mut house);
    house.run_secs(30);
    assert_eq!(house.mapped()[0].way, Way::Upnp);
    assert!(house.connects.iter().all(|(_, to)| to.ip() == ip("192.168.1.1")), "{:?}", house.connects);

    let mut house = House::new(Config { upnp: None, ..upnp() });
    house.want(TCP);
    for _ in 0..50 {
        flood(&mut house);
        house.run_secs(1);
    }
    assert_eq!(house.connects.len(), Limits::default().candidates, "they are asked in vain, once each");
    assert!(house.mapped().is_empty());
}

#[test]
fn forged_restarts_cost_little() {
    let mut house = House::wanting(everything());
    house.run_secs(100);
    house.datagrams.clear();
    for n in 0..600u32 {
        let epoch = if n % 2 == 0 { 0 } else { 1_000_000 };
        let op = pcp::Op::Announce;
        let bytes = pcp::Reply { code: 0, lifetime: 0, epoch, op }.write();
        house.mapper.receive(house.now, network().server(), &bytes);
        house.settle();
        house.run(Duration::from_millis(100));
    }
    assert!(house.datagrams.len() <= 8, "{} requests in a minute of forgeries", house.datagrams.len());
    assert_eq!(house.mapped().len(), 2);
}

#[test]
fn an_endless_description_ends() {
    let mut mapper = Mapper::new(Limits::default(), Prng::new(1));
    let now = Instant::from_secs(1);
    mapper.set_networks(now, &[network()]);
    mapper.want(now, TCP).expect("room");
    mapper.receive(now, at("192.168.1.1:1900"), &answer("http://192.168.1.1:5000/d.xml"));
    let mut streams = Vec::new();
    let (mut closed, mut fed) = (0, 0usize);
    let mut clock = now;
    for _ in 0..100 {
        while let Some(output) = mapper.poll_output() {
            match output {
                Output::Connect { stream, .. } => {
                    mapper.connected(clock, stream);
                    streams.push(stream);
                }
                Output::Write { stream, .. } => {
                    mapper.read(clock, stream, b"HTTP/1.1 200 OK\r\n\r\n");
                    while closed == 0 && fed < 10 << 20 {
                        mapper.read(clock, stream, &[b'<'; 10_000]);
                        fed += 10_000;
                        closed += std::iter::from_fn(|| mapper.poll_output())
                            .filter(|output| matches!(output, Output::Close { .. }))
                            .count();
                    }
                }
                _ => {}
            }
        }
        clock = mapper.wake_at().0.min(clock + Duration::from_secs(5));
        mapper.wake(clock);
    }
    assert_eq!((streams.len(), closed), (1, 1));
    assert!(fed < 300_000, "{fed} bytes were taken");
    let failed = std::iter::from_fn(|| mapper.poll_event()).any(|e| matches!(e, Event::Failed { .. }));
    assert!(failed);
}

/// Something a gateway may send, in which a byte may be wrong.
fn packet() -> impl Strategy<Value = Vec<u8>> {
    let epoch = any::<u32>();
    let address =
        epoch.prop_map(|epoch| natpmp::Reply { epoch, body: natpmp::Body::Address(OUTSIDE) }.write());
    let announce = any::<(u8, u32)>()
        .prop_map(|(code, epoch)| pcp::Reply { code, lifetime: 1, epoch, op: pcp::Op::Announce }.write());
    let refused = any::<(u8, u16)>().prop_map(|(opcode, code)| {
        natpmp::Reply { epoch: 9, body: natpmp::Body::Refused { opcode: opcode & 3, code } }.write()
    });
    let search = Just(answer("http://192.168.1.1:5000/d.xml"));
    let any = prop::collection::vec(any::<u8>(), 0..80);
    prop_oneof![address, announce, refused, search, any]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_comes_and_whenever_nothing_panics_spins_or_grows(
        seed: u64,
        kind in 0u8..4,
        steps in prop::collection::vec((0u64..5000, any::<u8>(), packet(), any::<prop::sample::Index>()), 0..60),
    ) {
        let config = match kind {
            0 => everything(),
            1 => Config { pcp: false, ..everything() },
            2 => upnp(),
            _ => Config { upnp: None, pcp: false, natpmp: false, ..everything() },
        };
        let mut house = House::with(config, network(), Limits::default(), seed);
        house.want(TCP);
        for (wait, what, bytes, place) in steps {
            house.run(Duration::from_millis(wait));
            let from = if what & 0x80 == 0 { network().server() } else { at("192.168.1.1:1900") };
            let damaged = place.index(bytes.len().max(1));
            match what % 8 {
                0 => house.mapper.receive(house.now, from, &bytes),
                1 => house.wire = Box::new(move |from, mut bytes| {
                    let at = damaged % bytes.len().max(1);
                    bytes[at] ^= 0x55;
                    Some((from, bytes))
                }),
                2 => house.wire = Box::new(|from, bytes| Some((from, bytes))),
                3 => house.plugged = !house.plugged,
                4 => house.gateway.restart(house.now),
                5 => house.mapper.unwant(house.now, UDP),
                6 => drop(house.mapper.want(house.now, UDP)),
                _ => house.mapper.unreachable(house.now, network().server()),
            }
            house.settle();
        }
        let sent = house.datagrams.len();
        prop_assert!(sent < 1500, "{} datagrams in at most five minutes", sent);
        house.plugged = true;
        house.wire = Box::new(|from, bytes| Some((from, bytes)));
        if kind < 3 {
            house.run_secs(4 * 3600);
            prop_assert!(house.outer(TCP).is_some(), "it recovers: {:?}", house.events);
        }
        house.mapper.stop(house.now);
        house.settle();
        house.run_secs(10);
        prop_assert!(house.mapper.is_stopped());
        prop_assert_eq!(house.gateway.rows(house.now).filter(|row| row.client.port() == 6881).count(), 0);
    }

    #[test]
    fn a_gateway_of_ours_stands_any_bytes_too(
        packets in prop::collection::vec((prop::sample::select(vec![5351u16, 1900, 7]), packet()), 0..20),
    ) {
        let mut house = House::new(everything());
        for (port, bytes) in packets {
            let answers = house.gateway.receive(house.now, at("192.168.1.10:9"), port, &bytes);
            prop_assert!(answers.len() <= 1);
            let mut stream = tide_portmap::gateway::HttpStream::default();
            let _ = house.gateway.read(house.now, &mut stream, ip("192.168.1.10"), &bytes);
        }
        prop_assert_eq!(ssdp::GROUP, at("239.255.255.250:1900"));
        let _ = Network { scope: 1, ..network() };
    }
}
