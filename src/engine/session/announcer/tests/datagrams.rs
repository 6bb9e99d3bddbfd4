//! Announces over UDP (BEP 15).

use super::*;
use crate::session::announcer::limits::UDP_CLIENT_KEPT;

const TRACKER: &str = "1.2.3.4:6969";
const URL: &str = "udp://1.2.3.4:6969/announce";

const ANNOUNCED: &[u8] = b"\0\0\x07\x08\0\0\0\x02\0\0\0\x03\x05\x06\x07\x08\x1a\xe1";

fn is_connect(packet: &[u8]) -> bool {
    packet.len() == 16 && packet[..12] == [0, 0, 4, 0x17, 0x27, 0x10, 0x19, 0x80, 0, 0, 0, 0]
}

/// Answers `packet` with `action` and `body`.
fn reply(world: &mut World, packet: &[u8], action: u8, body: &[u8]) -> bool {
    let data = [&[0, 0, 0, action], &packet[12..16], body].concat();
    world.announcer.datagram(&mut world.desk, world.now, at(TRACKER), &data)
}

/// The only datagram, which goes to `to`.
fn packet(world: &mut World, to: &str) -> Vec<u8> {
    let mut datagrams = world.datagrams();
    assert_eq!(datagrams.len(), 1, "{datagrams:?}");
    assert_eq!(datagrams[0].0, at(to));
    datagrams.remove(0).1
}

#[test]
fn an_announce_connects_asks_again_and_is_answered() {
    let mut world = World::new();
    world.submit(job(1, "udp://t.example:6969/announce", Event::Started));
    world.resolve("t.example", &["1.2.3.4"]);
    let first = packet(&mut world, TRACKER);
    assert!(is_connect(&first));
    world.wait_until(15);
    let again = packet(&mut world, TRACKER);
    assert_eq!(first, again);
    assert!(reply(&mut world, &again, 0, b"\x11\x22\x33\x44\x55\x66\x77\x88"));

    let ask = packet(&mut world, TRACKER);
    assert_eq!(ask[..12], *b"\x11\x22\x33\x44\x55\x66\x77\x88\0\0\0\x01");
    assert_eq!(ask[16..36], [0xa5; 20]);
    assert_eq!(ask[80..84], [0, 0, 0, 2]);
    assert_eq!(ask[98..], *b"\x02\x09/announce");
    world.wait_until(30);
    assert_eq!(packet(&mut world, TRACKER), ask);
    assert!(reply(&mut world, &ask, 1, ANNOUNCED));
    let reply = world.answer().expect("a reply");
    assert_eq!((reply.seeds, reply.peers), (Some(3), vec![at("5.6.7.8:6881")]));
}

#[test]
fn a_connection_id_is_shared_kept_for_a_minute_and_then_forgotten() {
    let mut world = World::new();
    world.submit(job(1, URL, Event::None));
    let connect = packet(&mut world, TRACKER);
    world.submit(job(2, "udp://t.example:6969", Event::None));
    world.resolve("t.example", &["1.2.3.4"]);
    assert!(world.datagrams().is_empty());
    assert!(reply(&mut world, &connect, 0, &[7; 8]));
    let asks = world.datagrams();
    assert_eq!(asks.len(), 2);
    for (_, ask) in &asks {
        assert!(reply(&mut world, ask, 1, ANNOUNCED));
    }
    assert_eq!(world.told().len(), 2);
    assert!(!reply(&mut world, &asks[0].1, 1, ANNOUNCED));

    world.pass(Duration::from_secs(30));
    world.submit(job(3, URL, Event::None));
    let ask = packet(&mut world, TRACKER);
    assert_eq!(ask[..8], [7; 8]);
    assert!(reply(&mut world, &ask, 1, ANNOUNCED));
    assert!(world.answer().is_ok());
    world.pass(UDP_CLIENT_KEPT);
    assert_eq!(world.announcer.deadline(), Instant::NEVER);
    world.submit(job(4, URL, Event::None));
    assert!(is_connect(&packet(&mut world, TRACKER)));
}

#[test]
fn strangers_and_garbage_are_not_a_trackers() {
    let mut world = World::new();
    world.submit(job(1, URL, Event::None));
    let connect = packet(&mut world, TRACKER);
    let answer = [&[0, 0, 0, 0], &connect[12..16], &[7; 8]].concat();
    for (from, data) in
        [("1.2.3.5:6969", &answer[..]), (TRACKER, b""), (TRACKER, &[0xff; 40]), (TRACKER, &answer[..7])]
    {
        assert!(!world.announcer.datagram(&mut world.desk, world.now, at(from), data));
    }
    assert!(world.datagrams().is_empty());
    assert!(world.announcer.datagram(&mut world.desk, world.now, at("[::ffff:1.2.3.4]:6969"), &answer));
    assert_eq!(world.datagrams().len(), 1);
}

#[test]
fn a_refusal_is_the_answer() {
    let mut world = World::new();
    world.submit(job(1, URL, Event::None));
    let connect = packet(&mut world, TRACKER);
    assert!(reply(&mut world, &connect, 3, b"closed"));
    assert!(matches!(world.answer(), Err(Error::Refused(refusal)) if refusal.reason == "closed"));
}

#[test]
fn the_next_address_is_asked_when_one_is_silent_and_a_dead_host_costs_its_time_once() {
    let mut world = World::new();
    for number in 0..500 {
        world.submit(job(number, "udp://t.example:6969", Event::None));
    }
    world.resolve("t.example", &["1.2.3.4", "1.2.3.5", "1.2.3.6"]);
    let mut asked = Vec::new();
    let mut told = 0;
    while !world.announcer.is_idle() {
        asked.extend(world.datagrams().into_iter().map(|(to, _)| (world.now, to)));
        world.now = world.announcer.deadline();
        world.announcer.due(&mut world.desk, world.now);
        told += world.told().iter().filter(|(_, said)| said.result == Err(Error::TimedOut)).count();
    }
    assert_eq!(told, 500);
    let expected = [(0, 4), (15, 4), (45, 4), (105, 5), (120, 5), (150, 5)];
    let expected = expected.map(|(secs, last)| (Instant::from_secs(secs), at(&format!("1.2.3.{last}:6969"))));
    assert_eq!(asked, expected);
    assert_eq!(world.now, Instant::from_secs(210));
}

#[test]
fn each_family_has_a_tracker_of_its_own() {
    let mut world = World::new();
    for family in Family::ALL {
        world.submit(AnnounceJob { family, ..job(1, "udp://t.example:6969", Event::None) });
    }
    world.resolve("t.example", &["1.2.3.4", "2001:4860::1"]);
    let to: Vec<SocketAddr> = world.datagrams().into_iter().map(|(to, _)| to).collect();
    assert_eq!(to, [at("1.2.3.4:6969"), at("[2001:4860::1]:6969")]);
}

#[test]
#[cfg(not(feature = "http"))]
fn without_http_its_trackers_fail_and_udp_works() {
    let mut world = World::new();
    world.submit(job(1, "http://1.2.3.4/announce", Event::None));
    assert_eq!(world.answer(), Err(Error::Unreachable("this build asks no HTTP trackers".to_owned())));
    world.submit(job(2, URL, Event::None));
    assert!(is_connect(&packet(&mut world, TRACKER)));
}

#[test]
fn stopped_gives_up_what_the_torrent_was_telling_the_tracker() {
    let mut world = World::new();
    world.submit(job(1, URL, Event::Started));
    let connect = packet(&mut world, TRACKER);
    assert!(reply(&mut world, &connect, 0, b"\x11\x22\x33\x44\x55\x66\x77\x88"));
    let started = packet(&mut world, TRACKER);
    world.submit(job(2, URL, Event::Started));
    let others = packet(&mut world, TRACKER);
    world.submit(AnnounceJob { number: 3, ..job(1, URL, Event::Stopped) });
    let stopped = packet(&mut world, TRACKER);
    assert!(!reply(&mut world, &started, 1, ANNOUNCED), "nobody waits for it any more");
    world.wait_until(15);
    let mut again: Vec<_> = world.datagrams().into_iter().map(|(_, data)| data).collect();
    again.sort_unstable();
    let mut expected = [others.clone(), stopped.clone()];
    expected.sort_unstable();
    assert_eq!(again, expected);
    assert!(reply(&mut world, &stopped, 1, ANNOUNCED));
    assert!(reply(&mut world, &others, 1, ANNOUNCED));
    let mut told: Vec<_> = world.told().into_iter().map(|(of, said)| (of, said.number, said.event)).collect();
    told.sort_unstable_by_key(|(_, number, _)| *number);
    assert_eq!(told, [(torrent(2), 2, Some(Event::Started)), (torrent(1), 3, Some(Event::Stopped))]);
    assert!(world.announcer.is_idle());
}

#[test]
fn stopped_gives_up_a_stream() {
    let mut world = World::new();
    world.submit(job(1, "http://1.2.3.4:80/announce", Event::Started));
    let conn = world.dialled("1.2.3.4:80");
    world.connect(conn);
    world.submit(job(1, "http://1.2.3.4:80/announce", Event::Stopped));
    assert_eq!(world.closes(), [conn]);
    let conn = world.dialled("1.2.3.4:80");
    assert!(world.connect(conn).contains("event=stopped"));
    assert!(world.told().is_empty());
}
