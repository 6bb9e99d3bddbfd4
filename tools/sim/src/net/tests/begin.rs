//! How streams begin and end.

use super::*;

fn why(lab: &Lab, end: EndId) -> Option<NetError> {
    lab.closed(end).map(|(_, why)| why)
}

#[test]
fn a_dial_takes_a_round_trip_and_tells_both() {
    let mut lab = Lab::new(1, Odds::calm(), NetSpec::default(), 2);
    let mapped = "[::ffff:10.0.0.2]:6881".parse().unwrap();
    let end = lab.dial(0, mapped);
    lab.run(ms(1000));
    let local = SocketAddr::from(([10, 0, 0, 1], 32_768));
    let accepted = News::Accepted { host: HostId(1), end: end.other(), from: local, at: at(2) };
    assert_eq!(lab.news[0].1, accepted);
    assert_eq!(lab.news[1].1, News::Connected { host: HostId(0), end, local });
    let times: Vec<u128> = lab.news.iter().map(|(at, _)| at.since(Instant::ZERO).as_millis()).collect();
    assert_eq!(times, [20, 40]);
    assert_eq!(lab.net.next_at(), Instant::NEVER);
}

#[test]
fn dials_fail_for_the_reason_there_is() {
    let mut lab = Lab::empty(1, Odds::calm(), NetSpec::default());
    for spec in [line(1), line(2), HostSpec { nat: true, ..line(3) }, HostSpec { sockets: 0, ..line(4) }] {
        lab.add(spec);
    }
    lab.net.unlisten(HostId(1), PORT);
    let refused = lab.dial(0, at(2));
    let other_family = lab.dial(0, "[2001:db9::1]:1".parse().unwrap());
    let full = lab.dial(0, at(4));
    let exhausted = lab.dial(3, at(1));
    let natted: Vec<EndId> = (0..8).map(|_| lab.dial(0, at(3))).collect();
    let unknown: Vec<EndId> = (0..8).map(|_| lab.dial(0, at(77))).collect();
    lab.run(ms(126_999));
    let of = |lab: &Lab, ends: &[EndId], what| ends.iter().filter(|&&end| why(lab, end) == what).count();
    assert_eq!(why(&lab, refused), Some(NetError::Refused));
    assert_eq!(why(&lab, other_family), Some(NetError::Unreachable));
    assert_eq!(why(&lab, exhausted), Some(NetError::Exhausted));
    assert_eq!(why(&lab, full), None);
    let (refused, silent) = (of(&lab, &natted, Some(NetError::Refused)), of(&lab, &natted, None));
    assert!(refused > 0 && silent > 0 && refused + silent == 8);
    let (no_way, nothing) = (of(&lab, &unknown, Some(NetError::Unreachable)), of(&lab, &unknown, None));
    assert!(no_way > 0 && nothing > 0 && no_way + nothing == 8);
    lab.run(ms(1));
    assert_eq!(of(&lab, &natted, Some(NetError::TimedOut)), silent);
    assert_eq!(of(&lab, &unknown, Some(NetError::TimedOut)), nothing);
    assert_eq!(why(&lab, full), Some(NetError::TimedOut));
    assert_eq!(lab.net.tally().of(Mishap::Nat), 8);
    assert_eq!(lab.net.tally().of(Mishap::NoSockets), 1 + 7, "each try");
    assert_eq!((lab.net.open_streams(), lab.net.next_at()), (0, Instant::NEVER));
}

#[test]
fn dials_fail_by_mishap() {
    for (mishap, expected) in [
        (Mishap::ConnectRefused, NetError::Refused),
        (Mishap::ConnectTimeout, NetError::TimedOut),
        (Mishap::NoSockets, NetError::Exhausted),
    ] {
        let mut lab = Lab::new(1, always(mishap), NetSpec::default(), 2);
        let end = lab.dial(0, at(2));
        lab.run(ms(127_000));
        assert_eq!(why(&lab, end), Some(expected), "{mishap}");
        assert_eq!(lab.net.tally().of(mishap), 1);
        assert_eq!(lab.net.open_streams(), 0);
    }
}

#[test]
fn sockets_are_given_back() {
    let mut lab = Lab::empty(1, Odds::calm(), NetSpec::default());
    lab.add(HostSpec { sockets: 1, ..line(1) });
    lab.add(line(2));
    for _ in 0..5 {
        let end = lab.stream(0, 2);
        let second = lab.dial(0, at(2));
        lab.run(ms(100));
        assert_eq!(why(&lab, second), Some(NetError::Exhausted));
        lab.net.close(lab.now, end);
    }
}

#[test]
fn a_host_talks_to_itself() {
    let mut lab = Lab::new(1, always(Mishap::TcpLoss), NetSpec::default(), 1);
    for to in [at(1), "127.0.0.1:6881".parse().unwrap()] {
        let end = lab.dial(0, to);
        lab.run(ms(1));
        lab.write(end, &bytes(1_000_000));
        lab.run(ms(1000));
        assert_eq!(lab.read[&end.other()], bytes(1_000_000));
    }
}

#[test]
fn an_end_comes_after_all_bytes_and_the_other_direction_goes_on() {
    let mut lab = Lab::new(1, Odds::calm(), NetSpec::default(), 2);
    let end = lab.stream(0, 2);
    lab.reads = false;
    lab.write(end, &bytes(3000));
    lab.net.close(lab.now, end);
    lab.run(ms(1000));
    assert_eq!((why(&lab, end.other()), lab.net.ended(end.other())), (None, false));
    lab.drain(end.other());
    assert!(lab.net.ended(end.other()));
    lab.run(ms(0));
    assert_eq!(lab.read[&end.other()], bytes(3000));
    assert_eq!(why(&lab, end.other()), Some(NetError::Ended));
    assert_eq!(lab.net.write(lab.now, end.other(), b"hello"), 5, "it still stands");
    lab.run(ms(1000));
    assert_eq!(why(&lab, end.other()), Some(NetError::Reset), "nobody is there");
    assert_eq!((why(&lab, end), lab.net.open_streams()), (None, 0));
}

#[test]
fn both_sides_close_and_nothing_is_left() {
    let mut lab = Lab::new(1, Odds::calm(), NetSpec::default(), 2);
    let end = lab.stream(0, 2);
    lab.write(end, &bytes(10_000));
    lab.write(end.other(), &bytes(20_000));
    lab.run(ms(1000));
    lab.net.close(lab.now, end);
    lab.run(ms(1000));
    lab.net.close(lab.now, end.other());
    lab.run(ms(1000));
    assert_eq!((lab.got(end), lab.got(end.other())), (20_000, 10_000));
    assert_eq!((lab.net.open_streams(), lab.net.next_at()), (0, Instant::NEVER));
}

#[test]
fn a_reset_is_heard_and_what_was_not_read_is_lost() {
    let mut lab = Lab::new(1, Odds::calm(), NetSpec::default(), 2);
    let end = lab.stream(0, 2);
    lab.reads = false;
    lab.write(end, &bytes(100));
    lab.run(ms(100));
    assert_eq!(lab.net.readable(end.other()), 100);
    lab.net.reset(lab.now, end);
    lab.run(ms(100));
    assert_eq!(why(&lab, end.other()), Some(NetError::Reset));
    assert_eq!((lab.net.readable(end.other()), lab.net.open_streams()), (0, 0));
}

#[test]
fn a_closed_end_hears_nothing_more() {
    let mut lab = Lab::new(1, Odds::calm(), NetSpec::default(), 2);
    let end = lab.stream(0, 2);
    lab.write(end.other(), &bytes(100));
    lab.run(ms(19));
    while lab.net.poll(lab.now).is_some() {}
    let told = lab.news.len();
    lab.now += ms(2);
    lab.net.close(lab.now, end);
    lab.run(ms(1000));
    let late = lab.news[told..].iter().filter(|(_, news)| news.host() == HostId(0)).count();
    assert_eq!(late, 0);
}

#[test]
fn whoever_vanishes_is_missed_in_one_way_or_another() {
    let mut seen = BTreeMap::new();
    for seed in 0..40 {
        let mut lab = Lab::new(seed, Odds::calm(), NetSpec::default(), 3);
        let (out, into) = (lab.stream(0, 2), lab.stream(2, 1));
        lab.net.cut_off(lab.now, HostId(0));
        lab.run(ms(1000));
        assert!(lab.closed(out).is_none() && lab.closed(into.other()).is_none());
        for left in [out.other(), into] {
            *seen.entry(why(&lab, left)).or_insert(0) += 1;
        }
        let again = lab.dial(1, at(1));
        lab.run(ms(1000));
        assert_eq!(why(&lab, again), Some(NetError::Refused), "nobody listens");
    }
    assert_eq!(seen.len(), 3, "{seen:?}");
    assert!(
        [None, Some(NetError::Ended), Some(NetError::Reset)].iter().all(|why| seen[why] >= 10),
        "{seen:?}"
    );
}

#[test]
fn streams_do_not_survive_the_loss_of_their_address() {
    let (mut silent, mut told) = (0, 0);
    for seed in 0..20 {
        let mut lab = Lab::new(seed, Odds::calm(), NetSpec::default(), 2);
        let end = lab.stream(0, 2);
        lab.net.set_ips(lab.now, HostId(0), vec![[10, 9, 9, 9].into()]);
        assert_eq!(lab.net.host_at([10, 0, 0, 1].into()), None);
        lab.write(end, b"hello");
        lab.run(ms(1000));
        assert_eq!(lab.got(end.other()), 0);
        match why(&lab, end) {
            Some(NetError::Reset) => told += 1,
            None => silent += 1,
            other => panic!("{other:?}"),
        }
        lab.net.calm(lab.now, &[HostId(0), HostId(1)].into());
        lab.run(Duration::from_secs(2000));
        assert_eq!(lab.got(end.other()), 0);
        assert!(why(&lab, end).is_some(), "nobody answers for ever");
        let anew = lab.dial(1, SocketAddr::from(([10, 9, 9, 9], PORT)));
        lab.run(ms(1000));
        assert!(why(&lab, anew).is_none());
    }
    assert!(silent > 3 && told > 3, "{silent} {told}");
}
