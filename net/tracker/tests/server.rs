//! Our own tracker: what it tells whom, and our clients against it, back to back in memory.

mod common;

use common::{announced, ask, at, secs};
use std::net::SocketAddr;
use tide_base::{Duration, InfoHash, Instant, Prng};
use tide_tracker::limits::{ServerLimits, UdpLimits};
use tide_tracker::server::http::{Served, serve};
use tide_tracker::server::{Counts, Full, Registry, UdpServer, Visit};
use tide_tracker::udp::{Request, RequestId, UdpClient};
use tide_tracker::{Answer, Event, Reply, Scraped};

fn registry() -> Registry {
    Registry::new(ServerLimits::with_interval(Duration::from_secs(5)), Prng::new(3))
}

fn visit(peer: SocketAddr, left: u64, event: Event) -> Visit {
    Visit { info_hash: InfoHash([0xa5; 20]), peer, left, event, want: None }
}

fn numbers(registry: &Registry) -> Option<(u32, u32, u32)> {
    registry.scrape(InfoHash([0xa5; 20])).map(|counts| (counts.seeds, counts.leechers, counts.downloads))
}

#[test]
fn a_swarm_follows_its_peers_events() {
    let mut registry = registry();
    let (a, b) = (at("10.0.0.1:1"), at("[2001:db9::2]:2"));
    let alone = registry.announce(secs(0), &visit(a, 0, Event::Started)).expect("room");
    assert_eq!((alone.v4.len(), alone.v6.len()), (0, 0));
    let second = registry.announce(secs(0), &visit(b, 9, Event::Started)).expect("room");
    assert_eq!((second.v4, second.counts), (vec![a], Counts { seeds: 1, leechers: 1, downloads: 0 }));
    for _ in 0..2 {
        registry.announce(secs(1), &visit(b, 0, Event::Completed)).expect("room");
        assert_eq!(numbers(&registry), Some((2, 0, 1)), "a download counts once");
    }
    let seed = registry.announce(secs(2), &visit(a, 0, Event::None)).expect("room");
    assert!(seed.v6.is_empty(), "seeds need no seeds");
    registry.announce(secs(2), &visit(b, 0, Event::Stopped)).expect("room");
    assert_eq!(numbers(&registry), Some((1, 0, 1)));
}

#[test]
fn a_mapped_address_is_the_one_it_maps() {
    let mut registry = registry();
    for text in ["10.0.0.1:1", "[::ffff:10.0.0.1]:1"] {
        registry.announce(secs(0), &visit(at(text), 1, Event::Started)).expect("room");
    }
    assert_eq!(numbers(&registry), Some((0, 1, 0)));
}

#[test]
fn a_tracker_may_be_asked_as_seldom_as_its_owner_likes() {
    let limits = ServerLimits::with_interval(Duration::MAX);
    assert_eq!(limits.expiry, Duration::MAX);
    let mut registry = Registry::new(limits, Prng::new(3));
    let target = format!("/announce?info_hash={}&port=1&left=1", "%A5".repeat(20));
    let text = get_from(&mut registry, "10.0.0.1:9", &format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n"));
    assert!(text.contains(&format!("8:intervali{}e", i64::MAX)), "{text}");
}

#[test]
fn who_is_not_heard_of_is_forgotten() {
    let mut registry = registry();
    let expiry = registry.limits().expiry;
    assert_eq!(registry.deadline(), Instant::NEVER);
    registry.announce(secs(0), &visit(at("10.0.0.1:1"), 1, Event::Started)).expect("room");
    registry.announce(secs(50), &visit(at("10.0.0.2:1"), 1, Event::Started)).expect("room");
    registry.expire(Instant::ZERO + expiry);
    assert_eq!(numbers(&registry), Some((0, 2, 0)));
    registry.expire(Instant::ZERO + expiry + Duration::from_secs(1));
    assert_eq!(numbers(&registry), Some((0, 1, 0)));
    assert!(registry.deadline() < Instant::NEVER);
    registry.expire(secs(1000));
    assert!(registry.is_empty());
}

#[test]
fn swarms_peers_and_replies_are_bounded() {
    let limits = ServerLimits { swarms: 2, peers: 10, want: 3, want_max: 5, ..ServerLimits::default() };
    let mut registry = Registry::new(limits, Prng::new(3));
    for port in 1..=30 {
        registry
            .announce(secs(0), &visit(SocketAddr::from(([10, 0, 0, 1], port)), 1, Event::None))
            .expect("room");
    }
    assert_eq!(numbers(&registry), Some((0, 10, 0)));
    for (want, given) in [(None, 3), (Some(0), 0), (Some(4), 4), (Some(usize::MAX), 5)] {
        let visit = Visit { want, ..visit(at("10.0.0.9:1"), 1, Event::None) };
        assert_eq!(registry.announce(secs(0), &visit).expect("room").v4.len(), given);
    }
    let other = |n: u8| Visit { info_hash: InfoHash([n; 20]), ..visit(at("10.0.0.1:1"), 1, Event::None) };
    assert!(registry.announce(secs(0), &other(1)).is_ok());
    assert_eq!(registry.announce(secs(0), &other(2)), Err(Full));
    assert!(registry.announce(secs(1), &other(1)).is_ok());
    assert!(registry.announce(secs(100_000), &other(2)).is_ok(), "old swarms make room");
}

fn get_from(registry: &mut Registry, from: &str, request: &str) -> String {
    let mut out = Vec::new();
    let served = serve(registry, secs(0), at(from).ip(), request.as_bytes(), &mut out);
    assert_eq!(served, Served::Close);
    out.escape_ascii().to_string()
}

#[test]
fn http_requests_are_answered_by_their_form() {
    let mut registry = registry();
    let hash = "%A5".repeat(20);
    let get = |registry: &mut Registry, target: &str| {
        get_from(registry, "10.0.0.1:9", &format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n"))
    };
    let text = get(&mut registry, &format!("/announce?info_hash={hash}&port=258&left=0&ip=1.2.3.4"));
    assert!(text.starts_with("HTTP/1.1 200 OK\\r\\n") && text.contains("Connection: close\\r\\n"), "{text}");
    let body = "d8:completei1e10:downloadedi0e11:external ip4:\\n\\x00\\x00\\x0110:incompletei0e8:intervali5e5:peers0:6:peers60:e";
    assert!(text.ends_with(body), "{text}");
    let text = get(&mut registry, &format!("/announce?info_hash={hash}&port=1&left=1&compact=0"));
    assert!(text.ends_with("5:peersld2:ip8:10.0.0.14:porti258eeee"), "{text}");
    let text = get(&mut registry, &format!("/scrape?info_hash={hash}&info_hash={}", "x".repeat(20)));
    let escaped = "\\xa5".repeat(20);
    assert!(
        text.ends_with(&format!("d5:filesd20:{escaped}d8:completei1e10:downloadedi0e10:incompletei1eeee")),
        "{text}"
    );
    for (target, reason) in [
        ("/announce", "info_hash is not"),
        ("/announce?info_hash=abc&port=1", "info_hash is not"),
        (&format!("/announce?info_hash={hash}"), "port is not"),
        (&format!("/announce?info_hash={hash}&port=65536"), "port is not"),
        ("/scrape", "info_hash is not"),
        ("/", "404 Not Found"),
    ] {
        assert!(get(&mut registry, target).contains(reason), "{target}");
    }
    for (request, status) in [
        ("POST /announce HTTP/1.1\r\n\r\n".to_string(), "405"),
        ("hello\r\n\r\n".to_string(), "400"),
        (format!("GET /{} HTTP/1.1\r\n", "x".repeat(9000)), "431"),
    ] {
        assert!(get_from(&mut registry, "10.0.0.1:9", &request).starts_with(&format!("HTTP/1.1 {status} ")));
    }
    let mut out = Vec::new();
    assert_eq!(
        serve(&mut registry, secs(0), at("10.0.0.1:9").ip(), b"GET / HTTP/1.1\r\n", &mut out),
        Served::More
    );
    assert!(out.is_empty());
}

#[test]
fn connection_ids_are_bound_to_an_address_and_a_time() {
    let mut registry = registry();
    let mut server = UdpServer::new([7; 16]);
    let asker = at("10.0.0.1:9");
    let mut connect = vec![0, 0, 4, 0x17, 0x27, 0x10, 0x19, 0x80, 0, 0, 0, 0];
    connect.extend(*b"tran");
    let mut out = Vec::new();
    assert!(server.answer(&mut registry, secs(30), asker, &connect, &mut out));
    assert_eq!((out.len(), &out[..8]), (16, &b"\0\0\0\0tran"[..]));
    let scrape = [&out[8..16], b"\0\0\0\x02scra", &[1; 20]].concat();
    let mut asked = |server: &UdpServer, now, from| {
        let mut out = Vec::new();
        server.answer(&mut registry, now, from, &scrape, &mut out).then_some(out)
    };
    assert_eq!(asked(&server, secs(179), asker), Some([&b"\0\0\0\x02scra"[..], &[0; 12]].concat()));
    assert_eq!(asked(&server, secs(180), asker), None, "too late");
    assert_eq!(asked(&server, secs(40), at("10.0.0.1:8")), None);
    assert_eq!(asked(&server, secs(40), at("10.0.0.2:9")), None);
    server.rotate([8; 16]);
    assert!(asked(&server, secs(40), asker).is_some());
    server.rotate([9; 16]);
    assert_eq!(asked(&server, secs(40), asker), None);
}

/// BEP 15: "Trackers should accept the connection ID until two minutes after it has been send."
#[test]
fn a_connection_id_is_taken_for_two_minutes_whenever_it_was_given() {
    for given in [0, 30, 59, 61] {
        let mut registry = registry();
        let server = UdpServer::new([7; 16]);
        let asker = at("10.0.0.1:9");
        let mut connect = vec![0, 0, 4, 0x17, 0x27, 0x10, 0x19, 0x80, 0, 0, 0, 0];
        connect.extend(*b"tran");
        let mut out = Vec::new();
        assert!(server.answer(&mut registry, secs(given), asker, &connect, &mut out));
        let scrape = [&out[8..16], b"\0\0\0\x02scra", &[1; 20]].concat();
        // One that the client got a little late and used for its whole minute, and one at the very end.
        for late in [62, 120] {
            let late = secs(given + late);
            assert!(
                server.answer(&mut registry, late, asker, &scrape, &mut Vec::new()),
                "given at {given} s, used at {late:?}"
            );
        }
    }
}

/// BEP 21: a partial seed "MUST send an `event=paused` parameter in every announce". libtorrent does, over UDP as event 4.
/// What other words mean is not ours to know either.
#[test]
fn a_partial_seed_that_says_so_is_in_the_swarm() {
    for event in ["paused", "x"] {
        let mut registry = registry();
        let hash = "%A5".repeat(20);
        let request = format!(
            "GET /announce?info_hash={hash}&port=258&left=9&event={event} HTTP/1.1\r\nHost: x\r\n\r\n"
        );
        let text = get_from(&mut registry, "10.0.0.1:9", &request);
        assert!(!text.contains("failure reason"), "{text}");
        assert_eq!(numbers(&registry), Some((0, 1, 0)));
    }
}

/// The same over UDP: BEP 15 has no number for it, and libtorrent writes 4. Whoever is not answered tries again in vain.
#[test]
fn a_partial_seed_is_answered_over_udp_too() {
    let mut registry = registry();
    let server = UdpServer::new([7; 16]);
    let asker = at("10.0.0.1:9");
    let mut connect = vec![0, 0, 4, 0x17, 0x27, 0x10, 0x19, 0x80, 0, 0, 0, 0];
    connect.extend(*b"tran");
    let mut out = Vec::new();
    assert!(server.answer(&mut registry, secs(0), asker, &connect, &mut out));
    let mut announce = [&out[8..16], b"\0\0\0\x01anno", &[0xa5; 20], &[1; 20], &[0; 8]].concat();
    announce.extend(9u64.to_be_bytes());
    announce.extend([&[0; 8][..], &[0, 0, 0, 4], &[0; 8], &[0xff; 4], &[1, 2]].concat());
    assert_eq!(announce.len(), 98);
    assert!(server.answer(&mut registry, secs(1), asker, &announce, &mut Vec::new()));
    assert_eq!(numbers(&registry), Some((0, 1, 0)));
}

/// Lets client and server talk until nothing is left to say.
fn talk(client: &mut UdpClient, server: &UdpServer, registry: &mut Registry, now: Instant, from: SocketAddr) {
    let mut packet = Vec::new();
    while client.poll_send(now, &mut packet) {
        let mut reply = Vec::new();
        assert!(server.answer(registry, now, from, &packet, &mut reply));
        assert!(client.receive(now, client.address(), &reply));
        packet.clear();
    }
}

fn udp_announce(registry: &mut Registry, from: &str, left: u64) -> Reply {
    let from = at(from);
    let tracker = if from.is_ipv4() { at("127.0.0.1:6969") } else { at("[::1]:6969") };
    let mut client = UdpClient::new(tracker, UdpLimits::default(), Prng::new(u64::from(from.port())));
    let server = UdpServer::new([7; 16]);
    let ask = Box::new(ask(from.port(), left, Event::Started));
    let request = Request::Announce { ask, target: "/announce?x=y".into() };
    client.submit(secs(1), RequestId(1), request).expect("room");
    client.submit(secs(1), RequestId(2), Request::Scrape(vec![InfoHash([0xa5; 20])])).expect("room");
    talk(&mut client, &server, registry, secs(1), from);
    let (id, answer) = client.poll_done().expect("the announce");
    assert_eq!(id, RequestId(1));
    let reply = announced(answer.expect("an answer"));
    let scraped = Scraped {
        info_hash: InfoHash([0xa5; 20]),
        seeds: reply.seeds.expect("given"),
        leechers: reply.leechers.expect("given"),
        downloads: 0,
    };
    assert_eq!(client.poll_done(), Some((RequestId(2), Ok(Answer::Scraped(vec![scraped])))));
    reply
}

#[test]
fn our_udp_client_and_tracker_understand_each_other() {
    let mut registry = registry();
    let seed = udp_announce(&mut registry, "10.0.0.1:1", 0);
    assert_eq!((seed.seeds, seed.leechers, seed.interval), (Some(1), Some(0), Some(Duration::from_secs(5))));
    assert_eq!(udp_announce(&mut registry, "10.0.0.2:2", 5).peers, [at("10.0.0.1:1")]);
    assert!(udp_announce(&mut registry, "[2001:db9::3]:3", 5).peers.is_empty(), "its own family only");
    assert_eq!(udp_announce(&mut registry, "[2001:db9::4]:4", 5).peers, [at("[2001:db9::3]:3")]);
}

#[cfg(feature = "http")]
mod over_http {
    use super::*;
    use common::url;
    use tide_tracker::http::{Exchange, Progress, Terms};
    use tide_tracker::limits::HttpLimits;

    fn exchange(registry: &mut Registry, mut exchange: Exchange, from: SocketAddr) -> Answer {
        let (mut request, mut response) = (Vec::new(), Vec::new());
        exchange.write(&mut request);
        for len in 0..request.len() {
            assert_eq!(serve(registry, secs(1), from.ip(), &request[..len], &mut response), Served::More);
        }
        assert_eq!(serve(registry, secs(1), from.ip(), &request, &mut response), Served::Close);
        match exchange.receive(secs(1), &response, false) {
            Ok(Progress::Done(answer)) => answer,
            other => panic!("{other:?}"),
        }
    }

    fn terms() -> Terms {
        Terms { agent: "tide/0.1".into(), keep_alive: false, limits: HttpLimits::default() }
    }

    fn http_announce(registry: &mut Registry, from: &str, left: u64) -> Reply {
        let from = at(from);
        let ask = ask(from.port(), left, Event::Started);
        let announce = Exchange::announce(secs(0), &url("http://t.example/announce"), &ask, &terms());
        announced(exchange(registry, announce.expect("a request"), from))
    }

    #[test]
    fn our_http_client_and_tracker_understand_each_other() {
        let mut registry = registry();
        let seed = http_announce(&mut registry, "10.0.0.1:1", 0);
        assert_eq!((seed.seeds, seed.leechers, seed.downloads), (Some(1), Some(0), Some(0)));
        assert_eq!(seed.interval, Some(Duration::from_secs(5)));
        assert_eq!(seed.external_ip, Some(at("10.0.0.1:1").ip()));
        assert_eq!(http_announce(&mut registry, "[2001:db9::2]:2", 5).peers, [at("10.0.0.1:1")]);
        let both = http_announce(&mut registry, "10.0.0.3:3", 5).peers;
        assert_eq!(both, [at("[2001:db9::2]:2"), at("10.0.0.1:1")]);
        assert_eq!(
            udp_announce(&mut registry, "10.0.0.4:4", 0).peers,
            [at("10.0.0.3:3")],
            "one swarm, two ways"
        );

        let hash = InfoHash([0xa5; 20]);
        let scrape = Exchange::scrape(secs(0), &url("http://t.example/announce"), &[hash], &terms());
        let answer = exchange(&mut registry, scrape.expect("a request"), at("10.0.0.1:1"));
        let expected = Scraped { info_hash: hash, seeds: 2, leechers: 2, downloads: 0 };
        assert_eq!(answer, Answer::Scraped(vec![expected]));
    }
}
