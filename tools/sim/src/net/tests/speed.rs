//! How fast streams are.

use super::*;

/// How many seconds `len` bytes take from host 1 to host 2.
fn time_for(len: usize, odds: Odds, spec: NetSpec, lines: [HostSpec; 2]) -> f64 {
    let mut lab = Lab::empty(1, odds, spec);
    for line in lines {
        lab.add(line);
    }
    let end = lab.stream(0, 2);
    let start = lab.now;
    lab.write(end, &bytes(len));
    lab.to_write.get_mut(&end).expect("written").shrink_to_fit();
    for _ in 0..100_000 {
        lab.run(ms(10));
        if lab.got(end.other()) == len {
            break;
        }
    }
    assert_eq!(lab.read[&end.other()], bytes(len));
    lab.now.since(start).as_secs_f64()
}

#[test]
fn one_stream_uses_the_whole_line() {
    for (mss, up, down) in
        [(1460, 1_000_000, 9_000_000), (1460, 9_000_000, 1_000_000), (16 << 10, 1_000_000, 1_000_000)]
    {
        let spec = NetSpec { mss, ..NetSpec::default() };
        let lines = [HostSpec { up, ..line(1) }, HostSpec { down, ..line(2) }];
        let time = time_for(10_000_000, Odds::calm(), spec, lines);
        assert!((10.0..11.5).contains(&time), "mss {mss}: {time} s for 10 s");
    }
}

#[test]
fn the_window_limits_a_long_way() {
    let far = |number| HostSpec { up: 100_000_000, down: 100_000_000, delay: ms(50), ..line(number) };
    let spec = NetSpec { window: 50_000, ..NetSpec::default() };
    let time = time_for(5_000_000, Odds::calm(), spec, [far(1), far(2)]);
    assert!((20.0..22.5).contains(&time), "{time} s for 100 windows of 200 ms");
}

#[test]
fn loss_slows_the_more_the_longer_the_way() {
    let on = |delay, loss| {
        let lines = [1, 2].map(|number| HostSpec { delay: ms(delay), ..line(number) });
        let odds = Odds::calm().with(Mishap::TcpLoss, loss);
        time_for(3_000_000, odds, NetSpec::default(), lines)
    };
    let (near, far) = (on(5, 10_000), on(100, 10_000));
    // Mathis and others: 1.22 packets a round trip over the root of the loss, so 712 kB/s and 45 kB/s at most.
    assert!((3.5..10.0).contains(&near), "{near}");
    assert!((50.0..150.0).contains(&far), "{far}");
    assert!(on(100, 40_000) > far * 1.5);
}

#[test]
fn two_streams_share_a_line() {
    let mut lab = Lab::new(3, Odds::calm(), NetSpec::default(), 3);
    let (one, two) = (lab.stream(0, 2), lab.stream(0, 3));
    lab.write(one, &bytes(40_000_000));
    lab.write(two, &bytes(40_000_000));
    lab.run(Duration::from_secs(20));
    let (first, second) = (lab.got(one.other()), lab.got(two.other()));
    assert!((16_000_000..=20_000_000).contains(&(first + second)), "{first} + {second}");
    assert!(first.min(second) * 3 > first.max(second), "{first} and {second}");
    assert!(lab.net.tally().of(Mishap::TailDrop) > 0);
    assert_eq!(lab.net.tally().iter().count(), 1);
}

#[test]
fn who_does_not_read_stops_the_writer() {
    let spec = NetSpec { window: 10_000, send_buffer: 5000, ..NetSpec::default() };
    let mut lab = Lab::new(1, Odds::calm(), spec, 2);
    lab.reads = false;
    let end = lab.stream(0, 2);
    lab.write(end, &bytes(50_000));
    lab.run(Duration::from_secs(100));
    assert_eq!(lab.net.readable(end.other()), 10_000);
    assert_eq!(lab.to_write[&end].len(), 35_000);
    assert_eq!(lab.net.next_at(), Instant::NEVER, "all wait");
    let mut few = [0; 1];
    assert_eq!(lab.net.read(lab.now, end.other(), &mut few), 1);
    assert_eq!(lab.net.next_at(), Instant::NEVER, "a crumb of room is not worth a word");
    lab.reads = true;
    lab.drain(end.other());
    lab.run(Duration::from_secs(2));
    assert_eq!(lab.read[&end.other()], bytes(50_000)[1..]);
    assert_eq!(lab.net.next_at(), Instant::NEVER);
}

#[test]
fn what_is_carried_is_counted() {
    let mut lab = Lab::new(1, Odds::calm(), NetSpec::default(), 2);
    let end = lab.stream(0, 2);
    lab.write(end, &bytes(14_600));
    lab.run(ms(1000));
    let stats = lab.net.stats();
    assert_eq!((stats.dials, stats.streams, stats.stream_bytes, stats.lost), (1, 1, 14_600, 0));
    assert_eq!((stats.packets, stats.wire_bytes), (12, 12 * 40 + 14_600));
}

#[test]
fn every_packet_that_arrives_can_be_tapped() {
    let mut lab = Lab::new(1, Odds::calm(), NetSpec::default(), 2);
    lab.net.tap(true);
    let end = lab.stream(0, 2);
    lab.write(end, &bytes(2000));
    lab.run(ms(1000));
    lab.net.close(lab.now, end);
    lab.run(ms(1000));
    let tapped = lab.net.take_tapped();
    let mut stream: Vec<u8> = Vec::new();
    for packet in &tapped[2..] {
        assert_eq!(packet.to, at(2));
        let TappedPacket::Tcp { offset, data, .. } = &packet.what else { panic!("{packet:?}") };
        assert_eq!(*offset, stream.len() as u64);
        stream.extend(data);
    }
    assert_eq!(stream, bytes(2000));
    let flags = |packet: &Tapped| match packet.what {
        TappedPacket::Tcp { flags, .. } => (flags.syn, flags.ack, flags.fin, flags.rst),
        TappedPacket::Udp { .. } => panic!("{packet:?}"),
    };
    let (yes, no) = (true, false);
    assert_eq!(
        tapped.iter().map(flags).collect::<Vec<_>>(),
        [(yes, no, no, no), (yes, yes, no, no), (no, yes, no, no), (no, yes, no, no), (no, yes, yes, no)]
    );
    assert!(lab.net.take_tapped().is_empty());
}
