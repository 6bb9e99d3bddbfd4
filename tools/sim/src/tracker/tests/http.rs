//! Over streams, when nothing goes wrong.

use super::*;

fn get(target: &str, headers: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nHost: t.example\r\n{headers}\r\n").into_bytes()
}

fn query(peer: char, event: &str) -> String {
    let (hash, id) = ("%A5".repeat(20), peer.to_string().repeat(20));
    format!("info_hash={hash}&peer_id={id}&port=7000&uploaded=1&downloaded=2&left=3{event}")
}

#[test]
fn a_second_peer_is_told_of_the_first() {
    let mut lab = calm();
    let first = lab.exchange("10.0.0.1:5000", &ask(1, 9, Event::Started)).expect("an answer");
    assert_eq!((first.peers.len(), first.interval), (0, Some(Duration::from_secs(1800))));
    let second = lab.exchange("10.0.0.2:5000", &ask(2, 0, Event::Started)).expect("an answer");
    assert_eq!(second.peers, [at("10.0.0.1:7001")]);
    assert_eq!((second.seeds, second.leechers), (Some(1), Some(1)));
    assert_eq!(second.external_ip, Some([10, 0, 0, 2].into()));
    // Over the other family, and the other way.
    let third = lab.exchange("[2001:db9::1]:5000", &ask(3, 9, Event::Started)).expect("an answer");
    assert_eq!(third.peers.len(), 2);
    let fourth = lab.udp_announce("[2001:db9::2]:5000", &ask(4, 9, Event::Started)).expect("an answer");
    assert_eq!(fourth.peers, [at("[2001:db9::1]:7003")]);
    let fifth = lab.exchange("10.0.0.5:5000", &ask(5, 9, Event::Started)).expect("an answer");
    assert!(fifth.peers.contains(&at("[2001:db9::2]:7004")) && fifth.peers.len() == 4);
    assert_eq!(lab.tracker.tally(), Tally::default());
}

#[test]
fn who_leaves_or_is_silent_for_long_is_not_told_of() {
    let mut lab = calm();
    for peer in 1..=2 {
        lab.exchange("10.0.0.1:5000", &ask(peer, 9, Event::Started)).expect("an answer");
    }
    lab.exchange("10.0.0.1:5000", &ask(1, 9, Event::Stopped)).expect("an answer");
    let told = lab.exchange("10.0.0.3:5000", &ask(3, 9, Event::Started)).expect("an answer");
    assert_eq!(told.peers, [at("10.0.0.1:7002")]);
    lab.run(lab.now + Duration::from_secs(2 * 1800 + 61));
    let told = lab.exchange("10.0.0.4:5000", &ask(4, 9, Event::Started)).expect("an answer");
    assert_eq!(told.peers, []);
}

#[test]
fn a_request_may_come_in_any_pieces() {
    let request = get(&format!("/announce?{}", query('a', "&event=started")), "Connection: close\r\n");
    for size in [1, 2, 7, 100] {
        let mut lab = calm();
        let end = lab.open("10.0.0.1:5000");
        for piece in request.chunks(size) {
            assert_eq!(lab.said(end), Said::default());
            lab.bytes(end, piece);
        }
        lab.run(Instant::from_secs(60));
        let said = lab.said(end);
        assert!(said.text().starts_with("HTTP/1.1 200 OK\r\n"), "{}", said.text());
        assert_eq!(said.end, Some(Deed::Close { end }));
    }
}

#[test]
fn a_stream_that_is_kept_carries_more_requests_even_at_once() {
    let mut lab = calm();
    let end = lab.open("10.0.0.1:5000");
    let one = get(&format!("/announce?{}", query('a', "&event=started")), "");
    let two = get(&format!("/announce?{}", query('b', "&compact=0&numwant=9")), "Connection: Keep-Alive\r\n");
    lab.bytes(end, &[one.clone(), two].concat());
    lab.run(Instant::from_secs(60));
    assert_eq!(lab.said(end).text().matches("HTTP/1.1 200 OK").count(), 2);
    assert_eq!(lab.said(end).end, None);
    // Half of a third one, then the end of the stream: nothing more is said, and it is closed.
    lab.bytes(end, &one[..20]);
    lab.hear(Heard::Closed { end, why: NetError::Ended });
    assert_eq!(lab.said(end).text().matches("HTTP/1.1").count(), 2);
    assert_eq!(lab.said(end).end, Some(Deed::Close { end }));
    // One on which nothing comes is closed, too.
    let end = lab.open("10.0.0.1:5001");
    lab.run(lab.now + IDLE);
    assert_eq!(lab.said(end).end, Some(Deed::Close { end }));
    assert_eq!(lab.tracker.wake_at(), Instant::NEVER);
}

#[test]
fn replies_come_in_every_frame_and_in_parts() {
    let mut lab = calm();
    let mut frames = [0; 3];
    let mut in_parts = 0;
    for _ in 0..60 {
        let said = lab.http("10.0.0.1:5000", &get("/scrape?info_hash=%A5", "Connection: close\r\n"));
        let text = said.text();
        let frame =
            if text.contains("Content-Length") { 0 } else { 1 + usize::from(!text.contains("chunked")) };
        frames[frame] += 1;
        in_parts += usize::from(said.parts.len() > 1);
        assert!(text.contains("failure reason") || text.ends_with("\r\n0\r\n\r\n"), "{text}");
    }
    assert!(frames.iter().all(|&count| count > 5) && (10..50).contains(&in_parts), "{frames:?} {in_parts}");
}

#[test]
fn a_scrape_counts() {
    let mut lab = calm();
    lab.exchange("10.0.0.1:5000", &ask(1, 9, Event::Started)).expect("an answer");
    lab.exchange("10.0.0.1:5000", &ask(1, 0, Event::Completed)).expect("an answer");
    lab.exchange("10.0.0.2:5000", &ask(2, 9, Event::Started)).expect("an answer");
    let target = format!("/scrape?info_hash={}&info_hash={}", "%A5".repeat(20), "%00".repeat(20));
    let request = get(&target, "Connection: close\r\n");
    let expected =
        [b"d5:filesd20:", &[0xa5; 20][..], b"d8:completei1e10:downloadedi1e10:incompletei1eeee"].concat();
    let replies: Vec<Said> = (0..20).map(|_| lab.http("10.0.0.1:5000", &request)).collect();
    // Chunks may cut the body.
    let whole: Vec<Said> = replies.into_iter().filter(|said| !said.text().contains("chunked")).collect();
    assert!(whole.len() > 5 && whole.iter().all(|said| said.bytes().ends_with(&expected)));
    assert_eq!(lab.tracker.log().scrapes, 20);
}

#[test]
fn what_is_no_request_is_answered_and_does_no_harm() {
    let long = [b"GET /announce?".to_vec(), vec![b'a'; 20_000]].concat();
    let cases: [(&[u8], &str); 9] = [
        (b"\r\n\r\n", "400"),
        (b"HELO\r\n\r\n", "400"),
        (b"\xff\x00\xfe GET\r\n\r\n", "400"),
        (b"GET announce HTTP/1.1\r\n\r\n", "400"),
        (b"POST /announce HTTP/1.1\r\n\r\n", "405"),
        (b"GET /admin HTTP/1.1\r\n\r\n", "404"),
        (&long, "431"),
        (b"GET /announce HTTP/1.1\r\n\r\n", "200"),
        (b"GET /announce?info_hash=%g HTTP/1.0\r\n:\r\nconnection\r\n\r\n", "200"),
    ];
    let mut lab = calm();
    for (request, status) in cases {
        let said = lab.http("10.0.0.1:5000", request);
        assert!(said.text().starts_with(&format!("HTTP/1.1 {status} ")), "{}", said.text());
        assert!(matches!(said.end, Some(Deed::Close { .. })));
    }
    assert_eq!(lab.tracker.log().senseless, cases.len() as u64);
    // More than anybody asks while a reply goes out.
    let end = lab.open("10.0.0.1:5000");
    lab.bytes(end, &vec![b'x'; 100_000]);
    assert_eq!(lab.said(end).end, Some(Deed::Reset { end }));
    lab.bytes(end, b"GET");
    lab.hear(Heard::Closed { end, why: NetError::Reset });
}

#[test]
fn the_log_holds_what_was_said() {
    let mut lab = calm();
    for (event, now) in
        [(Event::Started, 0), (Event::None, 1800), (Event::None, 3700), (Event::Stopped, 3800)]
    {
        lab.run(Instant::from_secs(now));
        lab.exchange("10.0.0.1:5000", &Announce { uploaded: now, ..ask(1, 9, event) }).expect("an answer");
    }
    let line =
        Line { info_hash: HASH, peer_id: PeerId([1; 20]), carrier: Carrier::Http, at: at("10.9.0.1:80") };
    let seen = lab.tracker.log().of(&line).expect("it was seen");
    assert_eq!((seen.announces, seen.started, seen.completed, seen.stopped), (4, 1, 0, 1));
    // The clock of the lab runs on for ten minutes after each request.
    assert_eq!((seen.uploaded, seen.left, seen.peer), (3800, 9, at("10.0.0.1:7001")));
    assert_eq!((seen.first, seen.shrunk), (Instant::ZERO, 0));
    let told = Told::Interval { interval: 1800, least: None };
    let gaps: Vec<_> = seen.gaps().collect();
    assert_eq!(gaps, [(Duration::from_secs(1800), told), (Duration::from_secs(1900), told)]);
    assert_eq!(seen.most_within(Duration::from_secs(1899)), 1);
    assert_eq!(seen.most_within(Duration::from_secs(1900)), 2);
}
