//! Datagrams.

use super::*;

fn datagrams(lab: &Lab) -> Vec<Vec<u8>> {
    let data = |(_, news): &(Instant, News)| match news {
        News::Datagram { data, .. } => Some(data.clone()),
        _ => None,
    };
    lab.news.iter().filter_map(data).collect()
}

/// What comes of `count` datagrams of `len` bytes, each of which begins with its number.
fn send(odds: Odds, count: u8, len: usize) -> (Lab, Vec<Vec<u8>>) {
    let mut lab = Lab::new(5, odds, NetSpec { mtu: 500, ..NetSpec::default() }, 2);
    for number in 0..count {
        let mut data = vec![7; len];
        data[0] = number;
        lab.net.send(lab.now, HostId(0), at(1), at(2), data);
        lab.run(ms(1));
    }
    lab.run(ms(5000));
    assert_eq!(lab.net.next_at(), Instant::NEVER);
    let got = datagrams(&lab);
    (lab, got)
}

#[test]
fn a_datagram_comes_as_it_was() {
    let (lab, got) = send(Odds::calm(), 3, 600);
    assert_eq!(got.len(), 3);
    let (from, at, data) = (at(1), at(2), got[0].clone());
    assert_eq!(lab.news[0].1, News::Datagram { host: HostId(1), from, at, data });
    assert_eq!(lab.net.stats().datagram_bytes, 1800);
}

#[test]
fn each_mishap_of_datagrams() {
    let of = |mishap, odds| {
        let (lab, got) = send(Odds::calm().with(mishap, odds), 100, 400);
        (got, lab.net.tally().of(mishap))
    };
    let (got, hits) = of(Mishap::UdpLoss, 300_000);
    assert!(hits > 15 && got.len() as u64 == 100 - hits);
    let (got, hits) = of(Mishap::UdpTwice, 300_000);
    assert!(hits > 15 && got.len() as u64 == 100 + hits);
    let (got, hits) = of(Mishap::UdpTruncate, 300_000);
    assert!(hits > 15 && got.iter().filter(|data| data.len() < 400).count() as u64 == hits);
    let (got, hits) = of(Mishap::UdpFlip, 300_000);
    let flipped = |(number, data): &(usize, &Vec<u8>)| {
        let bits: u32 = data[1..].iter().map(|byte| (byte ^ 7).count_ones()).sum();
        bits + (data[0] ^ *number as u8).count_ones() == 1
    };
    assert!(hits > 15 && got.iter().enumerate().filter(flipped).count() as u64 == hits);
    let (got, hits) = of(Mishap::UdpReorder, 300_000);
    let inversions = got.windows(2).filter(|two| two[0][0] > two[1][0]).count() as u64;
    assert!(hits > 15 && got.len() == 100 && inversions == hits, "{hits} {inversions}");
    let (got, hits) = of(Mishap::UdpMtu, 300_000);
    assert_eq!((got.len(), hits), (100, 0), "they are small enough");
    let (lab, got) = send(always(Mishap::UdpMtu), 10, 501);
    assert_eq!((got.len(), lab.net.tally().of(Mishap::UdpMtu)), (0, 10));
}

#[test]
fn a_flood_is_dropped_at_the_queue() {
    let mut lab = Lab::new(1, Odds::calm(), NetSpec::default(), 2);
    for _ in 0..200 {
        lab.net.send(lab.now, HostId(0), at(1), at(2), vec![0; 972]);
    }
    lab.run(ms(1000));
    assert_eq!(datagrams(&lab).len(), 100, "a hundred of a thousand bytes fit");
    assert_eq!(lab.net.tally().of(Mishap::TailDrop), 100);
}

#[test]
fn a_nat_lets_answers_in_only() {
    let mut lab = Lab::empty(1, Odds::calm(), NetSpec::default());
    for spec in [HostSpec { nat: true, ..line(1) }, line(2), line(3)] {
        lab.add(spec);
    }
    let reach = |lab: &mut Lab, from: u32, to: u8| {
        let before = datagrams(lab).len();
        lab.net.send(lab.now, HostId(from), at(from as u8 + 1), at(to), vec![1]);
        lab.run(ms(100));
        datagrams(lab).len() > before
    };
    assert!(!reach(&mut lab, 1, 1));
    assert!(reach(&mut lab, 0, 2));
    assert!(reach(&mut lab, 1, 1));
    assert!(!reach(&mut lab, 2, 1));
    lab.run(Duration::from_secs(120));
    assert!(!reach(&mut lab, 1, 1), "the hole has closed");
    assert_eq!(lab.net.tally().of(Mishap::Nat), 3);
}
