//! The UDP client against packets written by hand, with a manual clock (BEP 15, BEP 41).

mod common;

use common::{announced, ask, at, secs};
use tide_base::{Duration, InfoHash, Instant, Prng};
use tide_tracker::limits::UdpLimits;
use tide_tracker::udp::{Request, RequestId, UdpClient};
use tide_tracker::{Answer, Error, Event, Scraped};

const TRACKER: &str = "192.0.2.1:6969";

fn client(limits: UdpLimits) -> UdpClient {
    UdpClient::new(at(TRACKER), limits, Prng::new(1))
}

fn announce(target: &str) -> Request {
    Request::Announce { ask: Box::new(ask(6881, 9, Event::Started)), target: target.into() }
}

fn sent(client: &mut UdpClient, now: Instant) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    client.poll_send(now, &mut out).then_some(out)
}

fn all_sent(client: &mut UdpClient, now: Instant) -> Vec<Vec<u8>> {
    std::iter::from_fn(|| sent(client, now)).collect()
}

fn is_connect(packet: &[u8]) -> bool {
    packet.len() == 16 && packet[..12] == [0, 0, 4, 0x17, 0x27, 0x10, 0x19, 0x80, 0, 0, 0, 0]
}

/// The reply of this action to `packet`.
fn reply(packet: &[u8], action: u8, body: &[u8]) -> Vec<u8> {
    [&[0, 0, 0, action], &packet[12..16], body].concat()
}

/// Lets the tracker answer the connect that is due with connection id 8 × `id`.
fn connect(client: &mut UdpClient, now: Instant, id: u8) {
    let packet = sent(client, now).expect("a connect is due");
    assert!(is_connect(&packet), "{packet:?}");
    assert!(client.receive(now, at(TRACKER), &reply(&packet, 0, &[id; 8])));
}

const ANNOUNCED: &[u8] = b"\0\0\x07\x08\0\0\0\x02\0\0\0\x03\x01\x02\x03\x04\x1a\xe1\0\0\0\0\x1a\xe1\xff";

#[test]
fn an_announce_is_written_and_answered_byte_for_byte() {
    let mut client = client(UdpLimits::default());
    client.submit(secs(0), RequestId(5), announce("/dir?a=b&c=d")).expect("room");
    connect(&mut client, secs(0), 0x11);
    let packet = sent(&mut client, secs(1)).expect("the announce");
    let mut expected = vec![0x11; 8];
    expected.extend([0, 0, 0, 1]);
    expected.extend(&packet[12..16]);
    expected.extend([0xa5; 20]);
    expected.extend(b"-TI0100-abcdefghijkl");
    expected.extend([0; 8]);
    expected.extend([0, 0, 0, 0, 0, 0, 0, 9]);
    expected.extend([0; 8]);
    expected.extend([0, 0, 0, 2]);
    expected.extend([0, 0, 0, 0]);
    expected.extend([0, 0, 0, 7]);
    expected.extend([0, 0, 0, 50]);
    expected.extend([0x1a, 0xe1]);
    assert_eq!(expected.len(), 98);
    expected.extend(b"\x02\x0c/dir?a=b&c=d");
    assert_eq!(packet, expected);
    assert_eq!(sent(&mut client, secs(1)), None);

    assert!(client.receive(secs(2), at(TRACKER), &reply(&packet, 1, ANNOUNCED)));
    let (id, answer) = client.poll_done().expect("it has ended");
    let answer = announced(answer.expect("an answer"));
    assert_eq!(id, RequestId(5));
    assert_eq!(answer.interval, Some(Duration::from_secs(1800)));
    assert_eq!((answer.leechers, answer.seeds), (Some(2), Some(3)));
    assert_eq!(answer.peers, [at("1.2.3.4:6881")]);
    assert!(client.is_idle());
    assert_eq!(client.deadline(), Instant::NEVER);
}

#[test]
fn long_urls_are_cut_into_options_and_none_is_sent_without() {
    let mut client = client(UdpLimits::default());
    let target = format!("/{}", "x".repeat(299));
    client.submit(secs(0), RequestId(0), announce(&target)).expect("room");
    client.submit(secs(0), RequestId(1), announce("")).expect("room");
    connect(&mut client, secs(0), 1);
    let long = sent(&mut client, secs(0)).expect("an announce");
    let options = [&[2, 255], &target.as_bytes()[..255], &[2, 45], &target.as_bytes()[255..]].concat();
    assert_eq!(long[98..], options);
    assert_eq!(sent(&mut client, secs(0)).expect("an announce").len(), 98);
}

#[test]
fn a_connect_is_sent_again_after_15_and_30_seconds_and_given_up_at_105() {
    let mut client = client(UdpLimits::default());
    client.submit(secs(0), RequestId(0), announce("")).expect("room");
    let mut times = Vec::new();
    let mut packets = Vec::new();
    for second in 0..200 {
        if client.deadline() <= secs(second) {
            for packet in all_sent(&mut client, secs(second)) {
                times.push(second);
                packets.push(packet);
            }
        }
        if let Some((id, result)) = client.poll_done() {
            assert_eq!((id, result, second), (RequestId(0), Err(Error::TimedOut), 105));
        }
    }
    assert_eq!(times, [0, 15, 45]);
    assert!(packets.iter().all(|packet| is_connect(packet) && *packet == packets[0]));
    assert!(client.is_idle());
}

#[test]
fn a_dead_tracker_costs_its_time_once_and_a_slow_one_is_given_its_time() {
    let limits = UdpLimits { window: 1, ..UdpLimits::default() };
    let ended = |hears: bool| {
        let mut client = client(limits);
        for id in 0..3 {
            client.submit(secs(0), RequestId(id), announce("")).expect("room");
        }
        if hears {
            connect(&mut client, secs(0), 1);
        }
        client.expire(secs(105));
        std::iter::from_fn(|| client.poll_done()).count()
    };
    assert_eq!((ended(false), ended(true)), (3, 1));
}

#[test]
fn an_announce_is_sent_again_and_with_a_new_connection_once_its_id_has_expired() {
    let limits = UdpLimits { retries: 4, ..UdpLimits::default() };
    let mut client = client(limits);
    client.submit(secs(0), RequestId(0), announce("")).expect("room");
    connect(&mut client, secs(1), 1);
    let mut log = Vec::new();
    for second in 2..300 {
        for packet in all_sent(&mut client, secs(second)) {
            log.push((second, is_connect(&packet)));
        }
    }
    // The example of BEP 15: announces at 2, 17, 47, connects from 107 on.
    assert_eq!(log, [(2, false), (17, false), (47, false), (107, true), (227, true)]);
}

#[test]
fn a_connection_id_serves_for_a_minute() {
    let mut client = client(UdpLimits::default());
    for (second, fresh) in [(0, true), (30, false), (59, false), (60, true), (90, false)] {
        let now = secs(second);
        client.submit(now, RequestId(second), announce("")).expect("room");
        if fresh {
            connect(&mut client, now, second as u8);
        }
        let packet = sent(&mut client, now).expect("an announce");
        assert_eq!(packet[0], if second < 60 { 0 } else { 60 });
        assert!(client.receive(now, at(TRACKER), &reply(&packet, 1, ANNOUNCED)));
        assert!(client.poll_done().is_some_and(|(id, result)| id == RequestId(second) && result.is_ok()));
    }
}

#[test]
fn a_scrape_answers_in_the_order_asked() {
    let mut client = client(UdpLimits::default());
    let (a, b) = (InfoHash([1; 20]), InfoHash([2; 20]));
    client.submit(secs(0), RequestId(0), Request::Scrape(vec![a, b])).expect("room");
    connect(&mut client, secs(0), 1);
    let packet = sent(&mut client, secs(0)).expect("the scrape");
    assert_eq!(packet[8..12], [0, 0, 0, 2]);
    assert_eq!(packet[16..], [[1; 20], [2; 20]].concat());
    let body: Vec<u8> = (1..=6u32).flat_map(u32::to_be_bytes).collect();
    client.receive(secs(0), at(TRACKER), &reply(&packet, 2, &body));
    let expected = vec![
        Scraped { info_hash: a, seeds: 1, downloads: 2, leechers: 3 },
        Scraped { info_hash: b, seeds: 4, downloads: 5, leechers: 6 },
    ];
    assert_eq!(client.poll_done(), Some((RequestId(0), Ok(Answer::Scraped(expected)))));
}

#[test]
fn over_ipv6_peers_have_eighteen_bytes() {
    let tracker = at("[2001:db9::1]:6969");
    let mut client = UdpClient::new(tracker, UdpLimits::default(), Prng::new(1));
    client.submit(secs(0), RequestId(0), announce("")).expect("room");
    let packet = sent(&mut client, secs(0)).expect("a connect");
    client.receive(secs(0), tracker, &reply(&packet, 0, &[1; 8]));
    let packet = sent(&mut client, secs(0)).expect("the announce");
    let mut body = vec![0; 12];
    body.extend([0x20, 1, 0x0d, 0xb9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0x1a, 0xe1]);
    client.receive(secs(0), tracker, &reply(&packet, 1, &body));
    let (_, answer) = client.poll_done().expect("it has ended");
    assert_eq!(announced(answer.expect("an answer")).peers, [at("[2001:db9::9]:6881")]);
}

#[test]
fn what_answers_nothing_is_ignored() {
    let mut client = client(UdpLimits::default());
    client.submit(secs(0), RequestId(0), announce("")).expect("room");
    let packet = sent(&mut client, secs(0)).expect("a connect");
    let good = reply(&packet, 0, &[1; 8]);
    assert!(!client.receive(secs(0), at("192.0.2.1:6970"), &good), "another port");
    assert!(!client.receive(secs(0), at("192.0.2.2:6969"), &good), "another host");
    assert!(!client.receive(secs(0), at(TRACKER), &good[..15]), "too short");
    assert!(!client.receive(secs(0), at(TRACKER), &reply(&packet, 1, ANNOUNCED)), "an announce's");
    assert!(!client.receive(secs(0), at(TRACKER), &reply(&[0; 16], 0, &[1; 8])), "another transaction");
    assert!(client.receive(secs(0), at("[::ffff:192.0.2.1]:6969"), &good), "the same address, mapped");
    assert!(!client.receive(secs(0), at(TRACKER), &good), "twice");
    let packet = sent(&mut client, secs(0)).expect("the announce");
    assert!(!client.receive(secs(0), at(TRACKER), &reply(&packet, 2, &[0; 12])), "a scrape's");
    assert!(client.poll_done().is_none());
    assert!(client.receive(secs(0), at(TRACKER), &reply(&packet, 1, &[0; 11])), "cut off");
    assert!(matches!(client.poll_done(), Some((_, Err(Error::Malformed(_))))));
}

#[test]
fn an_error_packet_is_the_trackers_refusal() {
    let mut client = client(UdpLimits::default());
    client.submit(secs(0), RequestId(0), announce("")).expect("room");
    connect(&mut client, secs(0), 1);
    let packet = sent(&mut client, secs(0)).expect("the announce");
    client.receive(secs(0), at(TRACKER), &reply(&packet, 3, b"unregistered\x1b[1m torrent\0"));
    match client.poll_done() {
        Some((RequestId(0), Err(Error::Refused(refusal)))) => {
            assert_eq!(refusal.reason, "unregistered [1m torrent");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_announce_reply_without_a_body_is_a_refusal_without_a_reason() {
    let mut client = client(UdpLimits::default());
    client.submit(secs(0), RequestId(0), announce("")).expect("room");
    connect(&mut client, secs(0), 1);
    let packet = sent(&mut client, secs(0)).expect("the announce");
    client.receive(secs(0), at(TRACKER), &reply(&packet, 1, b""));
    let (_, result) = client.poll_done().expect("it has ended");
    assert_eq!(
        result.map_err(|error| error.to_string()),
        Err("the tracker refused without a reason".to_string())
    );
}

#[test]
fn a_refused_connection_id_is_replaced_once() {
    let mut client = client(UdpLimits::default());
    client.submit(secs(0), RequestId(0), announce("")).expect("room");
    connect(&mut client, secs(0), 1);
    let packet = sent(&mut client, secs(0)).expect("the announce");
    let refusal = reply(&packet, 3, b"Connection ID mismatch.");
    assert!(client.receive(secs(0), at(TRACKER), &refusal));
    assert!(client.poll_done().is_none());
    connect(&mut client, secs(0), 2);
    let again = sent(&mut client, secs(0)).expect("the announce again");
    assert_eq!(again[..8], [2; 8]);
    assert!(client.receive(secs(0), at(TRACKER), &refusal));
    assert!(matches!(client.poll_done(), Some((RequestId(0), Err(Error::Refused(_))))));
}

#[test]
fn the_queue_and_the_window_are_bounded_and_a_request_can_be_cancelled() {
    let limits = UdpLimits { queue: 2, window: 1, ..UdpLimits::default() };
    let mut client = client(limits);
    for id in 0..3 {
        client.submit(secs(0), RequestId(id), announce("")).expect("room");
    }
    assert_eq!(client.submit(secs(0), RequestId(3), announce("")), Err(Error::Busy));
    connect(&mut client, secs(0), 1);
    assert_eq!(all_sent(&mut client, secs(0)).len(), 1);
    assert!(client.cancel(secs(1), RequestId(0)) && !client.cancel(secs(1), RequestId(0)));
    let next = all_sent(&mut client, secs(1));
    assert_eq!(next.len(), 1);
    client.receive(secs(1), at(TRACKER), &reply(&next[0], 1, ANNOUNCED));
    assert!(client.poll_done().is_some_and(|(id, result)| id == RequestId(1) && result.is_ok()));
}
