//! What stands between hosts for a while, and what strikes a stream.

use super::*;
use crate::net::weather::Way;

/// A stream on which something is written every second for `secs`; when each byte came.
fn trickle(lab: &mut Lab, end: EndId, secs: u64) -> Vec<u64> {
    let mut times = Vec::new();
    for second in 0..secs {
        lab.write(end, &[second as u8]);
        lab.run(ms(1000));
        times.resize(lab.got(end.other()), lab.now.as_nanos() / 1_000_000_000);
    }
    times
}

#[test]
fn a_partition_loses_packets_until_it_heals() {
    for one_way in [false, true] {
        let mut lab = Lab::new(1, Odds::calm(), NetSpec::default(), 2);
        let (end, back) = (lab.stream(0, 2), lab.stream(1, 1));
        let id = lab.net.weather.part([HostId(0)].into(), one_way);
        lab.write(end, b"to and");
        lab.write(back, b"fro");
        lab.run(ms(10_000));
        assert_eq!((lab.got(end.other()), lab.got(back.other())), (0, if one_way { 3 } else { 0 }));
        let kind = if one_way { Mishap::PartitionOneWay } else { Mishap::Partition };
        assert!(lab.net.tally().of(kind) > 3, "packets and their repetitions");
        lab.net.weather.heal(id);
        lab.run(ms(60_000));
        assert_eq!((lab.got(end.other()), lab.got(back.other())), (6, 3));
        assert_eq!(lab.net.next_at(), Instant::NEVER);
    }
}

#[test]
fn a_stream_across_a_lasting_partition_times_out_if_it_has_something_to_say() {
    let mut lab = Lab::new(1, Odds::calm(), NetSpec::default(), 2);
    let (end, idle) = (lab.stream(0, 2), lab.stream(0, 2));
    lab.net.weather.part([HostId(0)].into(), false);
    let start = lab.now;
    lab.write(end, b"hello");
    lab.run(Duration::from_secs(2000));
    let (when, why) = lab.closed(end).expect("closed");
    assert_eq!(why, NetError::TimedOut);
    assert!((924..1000).contains(&when.since(start).as_secs()));
    assert_eq!((lab.closed(idle), lab.closed(end.other())), (None, None));
    assert_eq!(lab.net.next_at(), Instant::NEVER);
}

#[test]
fn a_word_of_room_that_is_lost_is_asked_for() {
    let spec = NetSpec { window: 5000, ..NetSpec::default() };
    let mut lab = Lab::new(1, Odds::calm(), spec, 2);
    let end = lab.stream(0, 2);
    lab.reads = false;
    lab.write(end, &bytes(20_000));
    lab.run(ms(5000));
    let id = lab.net.weather.part([HostId(1)].into(), true);
    lab.reads = true;
    lab.drain(end.other());
    lab.run(ms(10_000));
    assert!(lab.got(end.other()) < 20_000);
    lab.net.weather.heal(id);
    lab.run(ms(20_000));
    assert_eq!(lab.read[&end.other()], bytes(20_000));
}

#[test]
fn a_clog_holds_everything_and_then_lets_it_go() {
    let mut lab = Lab::new(1, Odds::calm(), NetSpec::default(), 2);
    let end = lab.stream(0, 2);
    let pair = (HostId(0), HostId(1));
    let until = lab.now + ms(5000);
    lab.net.weather.clog(pair, until, Mishap::Clog);
    lab.net.schedule(until, Event::Thaw(pair));
    lab.net.send(lab.now, HostId(0), at(1), at(2), vec![1, 2, 3]);
    lab.write(end, &bytes(1000));
    lab.run(ms(4999));
    assert_eq!((lab.got(end.other()), lab.net.stats().datagrams), (0, 0));
    lab.run(ms(100));
    assert_eq!((lab.got(end.other()), lab.net.stats().datagrams), (1000, 1));
    assert!(lab.net.tally().of(Mishap::Clog) >= 2);
    assert_eq!(lab.net.weather.way(pair), Way::Open);
}

#[test]
fn all_weather_comes_and_goes() {
    for kind in [Mishap::Partition, Mishap::PartitionOneWay, Mishap::Clog, Mishap::Swizzle] {
        let mut lab = Lab::new(4, Odds::calm().with(kind, 200_000), NetSpec::default(), 3);
        let end = lab.dial(0, at(2));
        lab.run(Duration::from_secs(130));
        if lab.closed(end).is_some() {
            panic!("{kind}: another seed is needed");
        }
        let times = trickle(&mut lab, end, 250);
        let late = times.iter().zip(131..).filter(|&(&came, sent)| came > sent).count();
        assert!(late > 3, "{kind}: {late} late");
        let tally: Vec<Mishap> = lab.net.tally().iter().map(|(mishap, _)| mishap).collect();
        assert_eq!(tally, [kind]);
        lab.net.calm(lab.now, &[HostId(0), HostId(1)].into());
        lab.run(Duration::from_secs(120));
        assert_eq!(lab.got(end.other()), 250, "{kind}");
        assert_eq!(lab.net.next_at(), Instant::NEVER, "{kind}: no more weather");
    }
}

#[test]
fn calm_leaves_what_is_outside_of_the_core_as_it_is() {
    let mut lab = Lab::new(1, Odds::calm(), NetSpec::default(), 3);
    let (inside, outside) = (lab.stream(0, 2), lab.stream(0, 3));
    lab.net.weather.part([HostId(0)].into(), false);
    lab.write(inside, b"in");
    lab.write(outside, b"out");
    lab.run(ms(3000));
    lab.net.calm(lab.now, &[HostId(0), HostId(1)].into());
    lab.run(Duration::from_secs(1000));
    assert_eq!((lab.got(inside.other()), lab.got(outside.other())), (2, 0));
    assert_eq!(lab.net.next_at(), Instant::NEVER);
}

/// Both ends write 16 MiB; what became of it.
fn struck(seed: u64, mishap: Mishap) -> (Lab, EndId) {
    let fast = |number| HostSpec { up: 100_000_000, down: 100_000_000, queue: 1 << 20, ..line(number) };
    let spec = NetSpec { mss: 16 << 10, ..NetSpec::default() };
    let mut lab = Lab::empty(seed, always(mishap), spec);
    lab.add(fast(1));
    lab.add(fast(2));
    let end = lab.stream(0, 2);
    lab.write(end, &bytes(16 << 20));
    lab.write(end.other(), &bytes(16 << 20));
    lab.run(Duration::from_secs(20));
    assert_eq!(lab.net.tally().of(mishap), 1);
    for side in [end, end.other()] {
        let got = lab.got(side);
        assert_eq!(bytes(16 << 20)[..got], lab.read.get(&side).map_or(&[][..], |read| read)[..]);
    }
    (lab, end)
}

#[test]
fn a_stream_is_reset_after_some_byte() {
    let (lab, end) = struck(1, Mishap::Reset);
    for side in [end, end.other()] {
        assert_eq!(lab.closed(side).map(|(_, why)| why), Some(NetError::Reset));
        assert!(lab.got(side) < 16 << 20);
    }
    assert_eq!(lab.net.open_streams(), 0);
}

#[test]
fn one_direction_ends_after_some_byte_and_the_other_goes_on() {
    let (lab, end) = struck(1, Mishap::HalfClose);
    let [cut, whole] = if lab.closed(end).is_some() { [end, end.other()] } else { [end.other(), end] };
    assert_eq!(lab.closed(cut).map(|(_, why)| why), Some(NetError::Ended));
    assert!(lab.net.ended(cut) && lab.got(cut) < 16 << 20);
    assert_eq!((lab.closed(whole), lab.got(whole)), (None, 16 << 20));
    assert!(lab.to_write[&whole].is_empty(), "what nobody reads is swallowed");
}

#[test]
fn a_stream_falls_silent_after_some_byte_until_all_is_calm() {
    let (mut lab, end) = struck(1, Mishap::Silence);
    for side in [end, end.other()] {
        assert!(lab.closed(side).is_none() && lab.got(side) < 16 << 20);
    }
    lab.net.calm(lab.now, &[HostId(0), HostId(1)].into());
    lab.run(Duration::from_secs(120));
    for side in [end, end.other()] {
        assert_eq!(lab.got(side), 16 << 20);
    }
}

#[test]
fn jitter_delays_and_keeps_order() {
    let mut lab = Lab::new(1, always(Mishap::Jitter), NetSpec::default(), 2);
    let end = lab.stream(0, 2);
    lab.write(end, &bytes(1_000_000));
    lab.run(Duration::from_secs(30));
    assert_eq!(lab.read[&end.other()], bytes(1_000_000));
    assert!(lab.net.tally().of(Mishap::Jitter) > 50);
}

#[test]
fn small_reads_and_writes_lose_nothing() {
    let odds = always(Mishap::SmallRead).with(Mishap::SmallWrite, MILLION);
    let mut lab = Lab::new(1, odds, NetSpec::default(), 2);
    let end = lab.stream(0, 2);
    lab.write(end, &bytes(100_000));
    lab.run(Duration::from_secs(5));
    assert_eq!(lab.read[&end.other()], bytes(100_000));
    assert!(lab.net.tally().of(Mishap::SmallRead) > 10 && lab.net.tally().of(Mishap::SmallWrite) > 5);
}
