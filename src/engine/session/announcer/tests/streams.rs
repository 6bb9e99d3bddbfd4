//! Announces over HTTP.
#![cfg(feature = "http")]

use super::*;
use crate::session::announcer::limits::RESOLVE_TIMEOUT;

const URL: &str = "http://t.example/announce?passkey=1";

/// One announce to `URL` whose connection stands and whose request is sent.
fn asked() -> (World, ConnKey) {
    let mut world = World::new();
    world.submit(job(1, URL, Event::Started));
    world.resolve("t.example", &["1.2.3.4"]);
    let conn = world.dialled("1.2.3.4:80");
    world.connect(conn);
    (world, conn)
}

#[test]
fn an_announce_goes_out_and_its_reply_comes_in_byte_by_byte() {
    let mut world = World::new();
    world.submit(job(1, URL, Event::Started));
    world.resolve("t.example", &["2001:4860::1", "1.2.3.4"]);
    let conn = world.dialled("1.2.3.4:80");
    let request = world.connect(conn);
    assert!(request.starts_with("GET /announce?passkey=1&info_hash=%A5%A5"), "{request}");
    assert!(request.contains("&event=started"), "{request}");
    assert!(request.contains("user-agent: tide/0.1\r\n"), "{request}");
    assert!(request.ends_with("\r\n\r\n"), "{request}");
    for byte in with_length("200 OK", BODY) {
        assert!(!world.announcer.is_idle());
        world.receive(conn, &[byte]);
    }
    let reply = world.answer().expect("a reply");
    assert_eq!(reply.interval, Some(Duration::from_secs(900)));
    assert_eq!(reply.peers, [at("1.2.3.4:6881")]);
    assert_eq!(world.closes(), [conn]);
    assert_eq!(world.announcer.deadline(), Instant::NEVER);
}

#[test]
fn the_answer_names_what_was_asked() {
    let (mut world, conn) = asked();
    world.receive(conn, &with_length("200 OK", BODY));
    let told = world.told();
    assert_eq!(told[0].0, torrent(1));
    assert_eq!((told[0].1.family, told[0].1.event), (Family::V4, Some(Event::Started)));
    assert_eq!(told[0].1.tracker, job(1, URL, Event::Started).tracker);
}

#[test]
fn a_literal_address_needs_no_name_and_tls_is_told_whom_to_expect() {
    let mut world = World::new();
    world.submit(job(1, "https://127.0.0.1/announce", Event::None));
    let dials = world.dials();
    assert_eq!((dials[0].1, dials[0].2.as_deref()), (at("127.0.0.1:443"), Some("127.0.0.1")));
    world.submit(job(2, "https://t.example:444/announce", Event::None));
    world.resolve("t.example", &["1.2.3.4"]);
    let dials = world.dials();
    assert_eq!((dials[0].1, dials[0].2.as_deref()), (at("1.2.3.4:444"), Some("t.example")));
}

#[test]
fn an_address_of_the_other_family_is_none() {
    let mut world = World::new();
    world.submit(job(1, "http://[2001:4860::1]/announce", Event::None));
    assert_eq!(world.answer(), Err(Error::NoAddress));
    world.submit(job(1, URL, Event::None));
    world.resolve("t.example", &["2001:4860::1"]);
    assert_eq!(world.answer(), Err(Error::NoAddress));
}

#[test]
fn a_name_that_is_not_found_is_an_error_and_so_is_one_that_takes_too_long() {
    let mut world = World::new();
    world.submit(job(1, URL, Event::None));
    let id = world.lookups()[0].0;
    world.answer_lookup(id, &Err(NetError::NoSuchName));
    assert_eq!(world.answer(), Err(Error::Unreachable("name not found".to_owned())));

    world.submit(job(2, URL, Event::None));
    let id = world.lookups()[0].0;
    world.wait_until(RESOLVE_TIMEOUT.as_secs());
    assert_eq!(world.answer(), Err(Error::TimedOut));
    world.answer_lookup(id, &Ok(vec![at("1.2.3.4:1").ip()]));
    assert!(world.dials().is_empty() && world.told().is_empty());
}

#[test]
fn the_next_address_is_tried_when_one_is_not_reached() {
    let mut world = World::new();
    world.submit(job(1, URL, Event::None));
    world.resolve("t.example", &["1.2.3.4", "1.2.3.5", "1.2.3.6"]);
    let first = world.dialled("1.2.3.4:80");
    world.close(first, NetError::Refused);
    let second = world.dialled("1.2.3.5:80");
    world.wait_until(15);
    assert_eq!(world.closes(), [second]);
    let third = world.dialled("1.2.3.6:80");
    world.connect(third);
    world.receive(third, &with_length("200 OK", BODY));
    assert!(world.answer().is_ok());

    world.submit(job(1, URL, Event::None));
    world.resolve("t.example", &["1.2.3.4", "1.2.3.5"]);
    let first = world.dialled("1.2.3.4:80");
    world.close(first, NetError::Refused);
    let second = world.dialled("1.2.3.5:80");
    world.close(second, NetError::Tls);
    assert_eq!(world.answer(), Err(Error::Unreachable("TLS failed".to_owned())));
}

#[test]
fn a_silent_tracker_times_out_and_a_dripping_one_too() {
    let (mut world, conn) = asked();
    world.pass(Duration::from_secs(29));
    world.receive(conn, b"HTTP/1.1 200 OK\r\n");
    world.wait_until(30);
    assert_eq!(world.answer(), Err(Error::TimedOut));
    assert_eq!(world.closes(), [conn]);
}

#[test]
fn a_connection_that_ends_may_end_the_reply_or_cut_it_off() {
    let (mut world, conn) = asked();
    world.receive(conn, b"HTTP/1.0 200 OK\r\n\r\n");
    world.receive(conn, BODY);
    world.close(conn, NetError::Ended);
    assert_eq!(world.answer().map(|reply| reply.peers.len()), Ok(1));

    let (mut world, conn) = asked();
    world.receive(conn, b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nd8:");
    world.close(conn, NetError::Ended);
    assert_eq!(world.answer(), Err(Error::Closed));

    let (mut world, conn) = asked();
    world.close(conn, NetError::Reset);
    assert_eq!(world.answer(), Err(Error::Unreachable("connection reset".to_owned())));
}

#[test]
fn bytes_that_are_not_http_are_an_error() {
    let (mut world, conn) = asked();
    world.receive(conn, b"\x00\xff\r\n\r\n");
    assert!(matches!(world.answer(), Err(Error::Http(_))));
    assert_eq!(world.closes(), [conn]);
}

#[test]
fn a_redirect_is_followed_within_the_same_time() {
    let (mut world, conn) = asked();
    world.pass(Duration::from_secs(10));
    world.receive(conn, &location("https://other.example/announce"));
    assert_eq!(world.closes(), [conn]);
    world.resolve("other.example", &["5.6.7.8"]);
    let conn = world.dialled("5.6.7.8:443");
    world.pass(Duration::from_secs(5));
    let request = world.connect(conn);
    assert!(request.starts_with("GET /announce?info_hash="), "{request}");
    world.wait_until(30);
    assert_eq!(world.answer(), Err(Error::TimedOut));
}

#[test]
fn redirects_are_counted() {
    let (mut world, mut conn) = asked();
    for hop in 1..=5 {
        world.receive(conn, &location(&format!("http://1.2.3.{hop}/announce")));
        conn = world.dialled(&format!("1.2.3.{hop}:80"));
        world.connect(conn);
    }
    world.receive(conn, &location("http://1.2.3.6/announce"));
    assert_eq!(world.answer(), Err(Error::TooManyRedirects));
}

#[test]
fn no_redirect_leads_from_the_world_into_our_network_not_even_by_a_detour() {
    for to in ["http://127.0.0.1/announce", "http://[::ffff:10.0.0.1]/announce", "http://192.168.1.1/"] {
        let (mut world, conn) = asked();
        world.receive(conn, &location(to));
        assert!(matches!(world.answer(), Err(Error::BadRedirect(_))), "{to}");
    }
    let (mut world, conn) = asked();
    world.receive(conn, &location("http://rebound.example/announce"));
    world.resolve("rebound.example", &["127.0.0.1"]);
    assert!(matches!(world.answer(), Err(Error::BadRedirect(_))));

    let mut world = World::new();
    world.submit(job(1, "http://127.0.0.1/announce", Event::None));
    let conn = world.dialled("127.0.0.1:80");
    world.connect(conn);
    world.receive(conn, &location("http://1.2.3.4/announce"));
    let conn = world.dialled("1.2.3.4:80");
    world.connect(conn);
    world.receive(conn, &location("http://127.0.0.1/announce"));
    assert!(matches!(world.answer(), Err(Error::BadRedirect(_))));
}

#[test]
fn a_tracker_on_this_machine_may_redirect_to_this_machine() {
    let mut world = World::new();
    world.submit(job(1, "http://127.0.0.1:7000/announce", Event::None));
    let conn = world.dialled("127.0.0.1:7000");
    world.connect(conn);
    world.receive(conn, &location("http://127.0.0.1:7001/elsewhere"));
    let conn = world.dialled("127.0.0.1:7001");
    world.connect(conn);
    world.receive(conn, &with_length("200 OK", BODY));
    assert!(world.answer().is_ok());
}

#[test]
fn a_url_that_is_no_trackers_is_not_asked_in_our_network() {
    let mut world = World::new();
    world.submit(job(1, "http://192.168.1.1/reboot", Event::None));
    assert!(world.dials().is_empty());
    assert!(matches!(world.answer(), Err(Error::Unreachable(_))));
}
