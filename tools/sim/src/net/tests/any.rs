//! Whatever happens, bytes come in order, and with calm all of them come.

use proptest::prelude::*;

use super::*;
use crate::Trail;

const TCP: [Mishap; 13] = [
    Mishap::ConnectRefused,
    Mishap::ConnectTimeout,
    Mishap::NoSockets,
    Mishap::SmallRead,
    Mishap::SmallWrite,
    Mishap::Jitter,
    Mishap::TcpLoss,
    Mishap::Partition,
    Mishap::PartitionOneWay,
    Mishap::Clog,
    Mishap::Swizzle,
    Mishap::Silence,
    Mishap::UdpTwice,
];

fn odds() -> impl Strategy<Value = Odds> {
    let each = prop_oneof![4 => Just(0), 3 => 1..100_000_u32, 1 => 100_000..600_000_u32];
    proptest::array::uniform13(each).prop_map(|odds| {
        TCP.iter().zip(odds).fold(Odds::calm(), |all, (&mishap, odds)| all.with(mishap, odds))
    })
}

fn spec() -> impl Strategy<Value = NetSpec> {
    (1..3000_u32, 1..20_000_u32, 1..20_000_u32).prop_map(|(mss, window, send_buffer)| NetSpec {
        mss,
        mtu: 1472,
        window: window.max(mss / 4),
        send_buffer,
    })
}

fn some_line(number: u8) -> impl Strategy<Value = HostSpec> {
    (10_000..1_000_000_u64, 10_000..1_000_000_u64, 0..60_000_u32, 0..200_u64).prop_map(
        move |(up, down, queue, delay)| HostSpec { up, down, queue, delay: ms(delay), ..line(number) },
    )
}

/// Streams to and fro between three hosts, written to at random times, some closed or reset.
fn play(
    seed: u64,
    odds: Odds,
    spec: NetSpec,
    lines: &[HostSpec],
    cruel: bool,
) -> (Lab, BTreeMap<EndId, usize>) {
    let mut lab = Lab::empty(seed, odds, spec);
    for line in lines {
        lab.add(line.clone());
    }
    let mut chance = Prng::new(seed).split("test");
    let mut written = BTreeMap::new();
    for _ in 0..30 {
        let (from, to) = (chance.below(3) as u32, chance.below(3) as u8 + 1);
        let end = match written.len() {
            0..8 => lab.dial(from, at(to)),
            len => *written.keys().nth(chance.index(len)).expect("there are as many"),
        };
        let end = if chance.chance(1, 2) { end } else { end.other() };
        if cruel && chance.chance(1, 8) {
            match chance.below(4) {
                0 => lab.net.reset(lab.now, end),
                1 => lab.net.close(lab.now, end),
                2 => lab.net.cut_off(lab.now, HostId(from)),
                _ => lab.net.set_ips(lab.now, HostId(from), vec![[10, 0, 1, chance.below(3) as u8].into()]),
            }
        }
        for end in [end, end.other()] {
            let all = written.entry(end).or_insert(0);
            let len = chance.index(5000);
            lab.write(end, &bytes(200_000)[*all..*all + len]);
            *all += len;
        }
        lab.run(ms(chance.below(3000)));
    }
    for (end, &read) in &lab.read.iter().map(|(&end, read)| (end, read.len())).collect::<BTreeMap<_, _>>() {
        assert_eq!(lab.read[end], bytes(200_000)[..read], "{end:?}");
        assert!(read <= written[&end.other()]);
    }
    (lab, written)
}

fn trail(lab: &Lab) -> String {
    let mut trail = Trail::default();
    for (at, news) in &lab.news {
        trail.bytes(format!("{at:?} {news:?}").as_bytes());
    }
    format!("{trail} {:?} {:?}", lab.net.stats(), lab.net.tally())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn all_that_is_written_comes_once_it_is_calm(
        seed: u64, odds in odds(), spec in spec(), lines in (some_line(1), some_line(2), some_line(3)),
    ) {
        let lines = [lines.0, lines.1, lines.2];
        let (mut lab, written) = play(seed, odds, spec, &lines, false);
        lab.net.calm(lab.now, &[HostId(0), HostId(1), HostId(2)].into());
        let stands: Vec<EndId> = written.keys().copied().filter(|&end| {
            let told = |news: &&News| matches!(news, News::Accepted { .. } | News::Connected { .. });
            lab.heard(end).iter().any(told) && lab.heard(end.other()).iter().any(told)
        }).collect();
        lab.run(Duration::from_secs(20_000));
        for end in stands {
            prop_assert_eq!(lab.got(end.other()), written[&end], "{:?} of {:?}", end, lab.closed(end));
            prop_assert_eq!(lab.closed(end), None);
        }
        prop_assert_eq!(lab.net.next_at(), Instant::NEVER);
    }

    #[test]
    fn the_same_seed_gives_the_same_news_and_nothing_breaks(
        seed: u64, odds in odds(), spec in spec(), lines in (some_line(1), some_line(2), some_line(3)),
    ) {
        let odds = odds.with(Mishap::Reset, 300_000).with(Mishap::HalfClose, 300_000);
        let lines = [lines.0, lines.1, lines.2];
        let (mut one, written) = play(seed, odds.clone(), spec.clone(), &lines, true);
        let (two, _) = play(seed, odds, spec, &lines, true);
        prop_assert_eq!(trail(&one), trail(&two));
        for end in written.keys() {
            one.net.close(one.now, *end);
        }
        one.net.calm(one.now, &[HostId(0), HostId(1)].into());
        one.run(Duration::from_secs(5000));
        prop_assert_eq!(one.net.next_at(), Instant::NEVER);
        prop_assert_eq!(one.net.open_streams(), 0);
    }
}
