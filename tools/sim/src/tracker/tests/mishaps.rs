//! What goes wrong.

use std::collections::BTreeSet;

use tide_base::addr;

use super::*;

const SCRAPE: &[u8] = b"GET /scrape?info_hash=aaaaaaaaaaaaaaaaaaaa HTTP/1.1\r\nConnection: close\r\n\r\n";

fn started() -> Announce {
    ask(1, 9, Event::Started)
}

#[test]
fn a_tracker_that_is_down_refuses_or_is_silent_and_comes_back() {
    let (mut refused, mut silent) = (0, 0);
    for seed in 0..20 {
        let mut lab = Lab::new(spec(), Odds::calm().with(Mishap::TrackerDown, MILLION / 2), seed);
        // Until it is down, and nobody has noticed.
        while !lab.tracker.is_down() {
            lab.run(lab.now + SPELL);
        }
        assert_eq!(lab.hits(Mishap::TrackerDown), 0);
        let back = lab.tracker.wake_at();
        assert!(back.since(lab.now) <= Duration::from_secs(3600));
        let end = lab.open("10.0.0.1:5000");
        lab.bytes(end, SCRAPE);
        match lab.said(end) {
            Said { parts, end: Some(Deed::Reset { .. }) } if parts.is_empty() => refused += 1,
            Said { parts, end: None } if parts.is_empty() => silent += 1,
            said => panic!("{said:?}"),
        }
        lab.hear(Heard::Datagram { from: at("10.0.0.1:5"), at: at("10.9.0.1:80"), data: b"x" });
        assert_eq!((lab.hits(Mishap::TrackerDown), lab.tracker.log().senseless), (1, 0));
        lab.run(back);
        assert!(!lab.tracker.is_down());
        let end = lab.open("10.0.0.1:5000");
        assert_eq!(lab.said(end), Said::default());
    }
    assert!(refused > 3 && silent > 3, "{refused} {silent}");
}

#[test]
fn going_down_ends_what_is_under_way() {
    let odds = Odds::calm().with(Mishap::TrackerSlow, MILLION).with(Mishap::TrackerDown, MILLION / 10);
    let ends: Vec<Option<Deed>> = (0..200)
        .map(|seed| {
            let mut lab = Lab::new(spec(), odds.clone(), seed);
            let end = lab.open("10.0.0.1:5000");
            lab.bytes(end, SCRAPE);
            lab.hear(Heard::Datagram { from: at("10.0.0.1:5"), at: at("10.9.0.1:80"), data: &[0; 16] });
            while !lab.tracker.is_down() && lab.now < Instant::from_secs(600) {
                lab.run(lab.tracker.wake_at());
            }
            if lab.tracker.is_down() {
                assert!(lab.tracker.letters.is_empty() && lab.tracker.streams.len() == 0);
            }
            lab.said(end).end
        })
        .collect();
    assert!(ends.contains(&None) && ends.iter().any(|end| matches!(end, Some(Deed::Reset { .. }))));
}

#[test]
fn without_odds_nothing_wakes_it() {
    assert_eq!(calm().tracker.wake_at(), Instant::NEVER);
    assert_eq!(always(Mishap::TrackerGarbage, 1).tracker.wake_at(), Instant::NEVER);
}

#[test]
fn a_slow_one_answers_in_minutes() {
    let mut lab = always(Mishap::TrackerSlow, 1);
    let mut times = BTreeSet::new();
    for i in 0..50 {
        let end = lab.open("10.0.0.1:5000");
        lab.bytes(end, SCRAPE);
        assert_eq!(lab.said(end), Said::default());
        let wait = lab.tracker.wake_at().since(lab.now);
        times.insert(wait);
        lab.run(lab.tracker.wake_at());
        assert!(lab.said(end).text().starts_with('H'));
        lab.run(lab.now + Duration::from_secs(60));
        assert!(lab.said(end).text().starts_with("HTTP/1.1 200 OK"));
        assert_eq!(lab.hits(Mishap::TrackerSlow), i + 1);
    }
    assert!(times.first() < Some(&Duration::from_secs(3)) && times.last() > Some(&Duration::from_secs(150)));
    // Over UDP, the client's retransmissions come on top.
    let ends = lab.udp("10.0.0.1:5000", vec![Request::Scrape(vec![HASH])]);
    assert!(matches!(ends[..], [Ok(Answer::Scraped(_)) | Err(Error::TimedOut)]));
}

#[test]
fn errors_come_in_all_forms() {
    let mut kinds = BTreeSet::new();
    let mut lab = always(Mishap::TrackerError, 1);
    for i in 0..60 {
        let error = lab.exchange("10.0.0.1:5000", &started()).expect_err("an error");
        let kind = match &error {
            Error::Status(status) => status.to_string(),
            Error::Refused(refusal) => format!("{} {}", refusal.reason, refusal.retry.is_some()),
            other => panic!("{other:?}"),
        };
        kinds.insert(kind);
        assert_eq!(lab.hits(Mishap::TrackerError), i + 1);
    }
    let expected = ["404", "500", "503", "come later true", "slow down false", "unregistered torrent false"];
    assert_eq!(kinds.iter().map(String::as_str).collect::<Vec<_>>(), expected);
    assert!(lab.tracker.office.registry.is_empty());
    for _ in 0..10 {
        assert!(matches!(lab.udp_announce("10.0.0.1:5000", &started()), Err(Error::Refused(_))));
    }
}

#[test]
fn garbage_is_no_answer_and_ends() {
    let mut rules = BTreeSet::new();
    let mut lab = always(Mishap::TrackerGarbage, 1);
    for _ in 0..300 {
        lab.deeds.clear();
        match lab.exchange("10.0.0.1:5000", &started()) {
            // What is forgiven: a list that is cut off, what stands behind the reply, odd numbers.
            Ok(_) => {}
            Err(error) => {
                rules.insert(error.to_string());
            }
        }
        assert_eq!(lab.tracker.streams.len(), 0);
    }
    let all = rules.iter().cloned().collect::<Vec<_>>().join("\n");
    for expected in [
        "too large: the headers",
        "too large: the body",
        "malformed",
        "closed the connection",
        "HTTP is broken",
    ] {
        assert!(all.contains(expected), "{expected}: {all}");
    }
    // Only an announce that would have been answered counts as told.
    assert!(
        lab.tracker
            .log()
            .lines()
            .all(|(_, seen)| seen.visits.iter().all(|visit| visit.told == Told::Nothing))
    );
    let mut ends = BTreeSet::new();
    for _ in 0..40 {
        lab.deeds.clear();
        ends.insert(format!("{:?}", lab.udp_announce("10.0.0.1:5000", &started()).map(|reply| reply.peers)));
    }
    assert!(ends.contains("Err(TimedOut)"), "{ends:?}");
}

#[test]
fn intervals_are_zero_or_huge() {
    let mut lab = always(Mishap::TrackerIntervalZero, 1);
    let reply = lab.exchange("10.0.0.1:5000", &started()).expect("an answer");
    assert_eq!((reply.interval, reply.min_interval), (Some(Duration::ZERO), None));
    assert_eq!(
        lab.udp_announce("10.0.0.1:5000", &started()).expect("an answer").interval,
        Some(Duration::ZERO)
    );
    assert_eq!(lab.hits(Mishap::TrackerIntervalZero), 2);

    let mut lab = always(Mishap::TrackerIntervalHuge, 1);
    let seconds: BTreeSet<Option<u64>> = (0..40)
        .map(|_| {
            lab.exchange("10.0.0.1:5000", &started()).expect("an answer").interval.map(|span| span.as_secs())
        })
        .collect();
    let expected = [None, Some(1 << 31), Some(u64::from(u32::MAX)), Some(i64::MAX as u64), Some(1 << 63)];
    assert!(seconds.iter().eq(&expected) || seconds.iter().eq(&expected[..4]), "{seconds:?}");
    let reply = lab.udp_announce("10.0.0.1:5000", &started()).expect("an answer");
    assert!(reply.interval >= Some(Duration::from_secs(1 << 31)));
}

#[test]
fn peers_are_invented() {
    let mut lab = always(Mishap::TrackerNamesUs, 1);
    let reply = lab.exchange("10.0.0.1:5000", &started()).expect("an answer");
    assert_eq!(reply.peers, [at("10.0.0.1:7001")]);
    lab.exchange("10.0.0.1:5000", &ask(1, 9, Event::Stopped)).expect("an answer");
    assert_eq!(lab.hits(Mishap::TrackerNamesUs), 1);

    let mut lab = always(Mishap::TrackerBogons, 1);
    let reply = lab.exchange("10.0.0.1:5000", &started()).expect("an answer");
    assert!(reply.peers.contains(&at("127.0.0.1:6881")) && reply.peers.contains(&at("10.9.0.1:80")));
    assert!(lab.udp_announce("10.0.0.1:5000", &started()).expect("an answer").peers.len() >= 3);

    let mut lab = always(Mishap::TrackerCrowd, 1);
    let said = lab.http(
        "10.0.0.1:5000",
        b"GET /announce?info_hash=aaaaaaaaaaaaaaaaaaaa&peer_id=bbbbbbbbbbbbbbbbbbbb&port=1&uploaded=0\
          &downloaded=0&left=1 HTTP/1.0\r\n\r\n",
    );
    assert!(said.bytes().len() > 60_000);
    for from in ["10.0.0.1:5000", "[2001:db9::1]:5000"] {
        let mark = lab.deeds.len();
        let reply = lab.udp_announce(from, &started()).expect("an answer");
        assert_eq!(reply.peers.len(), tide_tracker::limits::PEERS_MAX);
        assert!(reply.peers.iter().all(|&peer| !addr::is_bogus(peer) && !addr::is_local(peer.ip())));
        assert!(lab.datagrams(mark).iter().all(|(.., data)| data.len() <= 65_507));
        let v4 = |ip: [u8; 4]| ip[0] == 198 && (18..20).contains(&ip[1]);
        assert!(reply.peers.iter().all(|peer| match peer {
            SocketAddr::V4(peer) => v4(peer.ip().octets()),
            SocketAddr::V6(peer) => peer.ip().segments()[..3] == [0x2001, 2, 0],
        }));
    }
}

#[test]
fn redirects_lead_in_circles_elsewhere_or_nowhere() {
    let mut kinds = BTreeSet::new();
    for seed in 0..150 {
        let mut lab = always(Mishap::TrackerRedirect, seed);
        let said = lab.http("10.0.0.1:5000", SCRAPE);
        let text = said.text();
        assert!(text.starts_with("HTTP/1.1 30"), "{text}");
        let location = text.lines().find_map(|line| line.strip_prefix("Location: ")).unwrap_or("none");
        kinds.insert(location.chars().take(40).collect::<String>());
        let error = lab.exchange("10.0.0.1:5000", &started()).expect_err("no answer");
        // A path that is not there, and a query that is broken, are answered for what they are.
        let nowhere = matches!(error, Error::Status(404) | Error::Refused(_));
        let lost = matches!(error, Error::TooManyRedirects | Error::BadRedirect(_) | Error::Http(_));
        assert!(nowhere || lost, "{error:?}");
        assert!(lab.hits(Mishap::TrackerRedirect) >= 2);
        assert_eq!(lab.tracker.log().lines().count(), 0);
    }
    for expected in ["http://t.example:80/circle", "/announce", "http://other.example/announce", "none"] {
        assert!(kinds.contains(expected), "{kinds:?}");
    }
    assert!(kinds.len() > 10, "{kinds:?}");
}

#[test]
fn in_the_core_all_is_well_again_and_elsewhere_it_stays_as_it_is() {
    let all = Mishap::ALL.iter().fold(Odds::calm(), |odds, &mishap| odds.with(mishap, MILLION));
    let mut lab = Lab::new(spec(), all.clone(), 1);
    assert!(lab.tracker.is_down());
    lab.tracker.calm(true);
    assert!(!lab.tracker.is_down());
    let before = lab.tracker.tally();
    lab.exchange("10.0.0.1:5000", &started()).expect("an answer");
    let reply = lab.exchange("10.0.0.2:5000", &ask(2, 9, Event::Started)).expect("an answer");
    assert_eq!(reply.peers, [at("10.0.0.1:7001")]);
    assert!(lab.http("10.0.0.1:5000", b"GET /circle?info_hash HTTP/1.0\r\n\r\n").text().contains("200 OK"));
    assert_eq!(lab.tracker.tally(), before);

    // One that is down stays so, for good.
    let mut lab = Lab::new(spec(), all, 1);
    lab.tracker.calm(false);
    lab.run(Instant::from_secs(100_000));
    assert!(lab.tracker.is_down());
    assert_eq!(lab.tracker.wake_at(), Instant::NEVER);

    // One that is up stays so, and lies on.
    let odds = Odds::calm().with(Mishap::TrackerDown, 1).with(Mishap::TrackerError, MILLION);
    let mut lab = Lab::new(spec(), odds, 1);
    lab.tracker.calm(false);
    assert_eq!(lab.tracker.wake_at(), Instant::NEVER);
    assert!(lab.exchange("10.0.0.1:5000", &started()).is_err());
}

#[test]
fn what_a_slow_one_of_the_core_was_asked_before_is_answered_honestly() {
    let odds = Odds::calm().with(Mishap::TrackerSlow, MILLION).with(Mishap::TrackerError, MILLION);
    let mut lab = Lab::new(spec(), odds, 1);
    let end = lab.open("10.0.0.1:5000");
    lab.bytes(end, SCRAPE);
    lab.tracker.calm(true);
    lab.run(Instant::from_secs(300));
    assert!(lab.said(end).text().contains("d5:filesde"), "{}", lab.said(end).text());
    assert_eq!((lab.hits(Mishap::TrackerSlow), lab.hits(Mishap::TrackerError)), (1, 0));
}

#[test]
fn the_same_seed_does_the_same() {
    let odds = Mishap::ALL.iter().fold(Odds::calm(), |odds, &mishap| odds.with(mishap, MILLION / 5));
    let run = |seed| {
        let mut lab = Lab::new(spec(), odds.clone(), seed);
        for peer in 0..60 {
            let _ = lab.exchange("10.0.0.1:5000", &ask(peer, 9, Event::Started));
            let _ = lab.udp_announce("10.0.0.1:5000", &ask(peer, 9, Event::None));
        }
        (lab.deeds, lab.tracker.tally(), lab.tracker.log().clone())
    };
    let (one, again, other) = (run(1), run(1), run(2));
    assert!(one == again);
    assert!(one != other);
    for mishap in Mishap::ALL.iter().filter(|mishap| mishap.name().starts_with("tracker-")) {
        assert!(one.1.of(*mishap) > 0, "{mishap}");
    }
}
