//! The schedule and who is believed, with a manual clock.

use proptest::prelude::*;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use tide_base::{Duration, InfoHash, Instant, Prng};
use tide_local::limits::Limits;
use tide_local::{Announce, Discovery, Found, Group, Reason, Visibility};

const NEIGHBOUR: &str = "192.168.1.7:6771";

fn at(text: &str) -> SocketAddr {
    text.parse().expect(text)
}

fn hash(n: u16) -> InfoHash {
    let mut bytes = [0; 20];
    bytes[..2].copy_from_slice(&n.to_be_bytes());
    InfoHash(bytes)
}

fn listening(limits: Limits) -> Discovery {
    let mut discovery = Discovery::new(limits, Prng::new(1));
    discovery.listen(Some(6881), &Group::ALL);
    discovery
}

fn announce(torrents: &[InfoHash]) -> Vec<u8> {
    Announce { port: 51413, torrents: torrents.to_vec(), cookie: None }.write(Group::V4)
}

/// All announces until `end`: when, and of what.
fn run(discovery: &mut Discovery, end: Instant) -> Vec<(Instant, Announce)> {
    let mut sent = Vec::new();
    loop {
        let (next, _) = discovery.wake_at();
        if next > end {
            return sent;
        }
        discovery.wake(next);
        let sends: Vec<_> = std::iter::from_fn(|| discovery.poll_send()).collect();
        assert_eq!(sends.iter().map(|send| send.group).collect::<Vec<_>>(), Group::ALL);
        let read = |at: usize| Announce::parse(&sends[at].bytes).expect("our own");
        assert_eq!(read(0), read(1));
        sent.push((next, read(0)));
        assert!(discovery.wake_at().0 > next);
    }
}

#[test]
fn a_torrent_is_announced_at_once_and_every_five_minutes() {
    let mut discovery = listening(Limits::default());
    let begin = Instant::from_secs(100);
    discovery.add(begin, hash(1), Visibility::Public);
    let sent = run(&mut discovery, begin + Duration::from_secs(3600));
    assert_eq!(sent.len(), 12);
    assert!(sent[0].0.since(begin) < Duration::from_secs(1));
    for pair in sent.windows(2) {
        assert!((300..=301).contains(&pair[1].0.since(pair[0].0).as_secs()));
    }
    assert_eq!((sent[0].1.port, &sent[0].1.torrents[..]), (6881, &[hash(1)][..]));
}

#[test]
fn torrents_added_together_share_an_announce_and_a_late_one_waits_for_its_minute() {
    let mut discovery = listening(Limits::default());
    for n in 0..5 {
        discovery.add(Instant::ZERO, hash(n), Visibility::Public);
    }
    let sent = run(&mut discovery, Instant::from_secs(10));
    assert_eq!(sent.iter().map(|(_, a)| a.torrents.len()).collect::<Vec<_>>(), [5]);
    discovery.add(Instant::from_secs(10), hash(9), Visibility::Public);
    let late = run(&mut discovery, Instant::from_secs(100));
    assert_eq!((late.len(), &late[0].1.torrents[..]), (1, &[hash(9)][..]));
    assert_eq!(late[0].0.since(sent[0].0), Limits::default().gap);
}

#[test]
fn many_torrents_take_turns_a_minute_apart() {
    let mut discovery = listening(Limits::default());
    for n in 0..300 {
        discovery.add(Instant::ZERO, hash(n), Visibility::Public);
    }
    let sent = run(&mut discovery, Instant::from_secs(3600));
    assert!(sent.windows(2).all(|pair| pair[1].0.since(pair[0].0) >= Limits::default().gap));
    let mut times = BTreeMap::<_, u32>::new();
    sent.iter().flat_map(|(_, a)| &a.torrents).for_each(|hash| *times.entry(*hash).or_default() += 1);
    assert_eq!(times.len(), 300);
    let (least, most) = (times.values().min(), times.values().max());
    assert!(least >= Some(&4) && most <= Some(&6), "{least:?} {most:?}");
}

#[test]
fn nothing_is_announced_without_a_port_or_a_group_or_a_torrent() {
    let mut discovery = Discovery::new(Limits::default(), Prng::new(1));
    discovery.add(Instant::ZERO, hash(1), Visibility::Public);
    assert_eq!(discovery.wake_at(), (Instant::NEVER, Reason::Nothing));
    discovery.listen(Some(0), &Group::ALL);
    discovery.wake(Instant::from_secs(9));
    assert_eq!(discovery.poll_send(), None);
    discovery.listen(Some(1), &[]);
    assert_eq!(discovery.wake_at().1, Reason::Nothing);
    discovery.listen(Some(1), &[Group::V6]);
    discovery.wake(Instant::from_secs(9));
    assert_eq!(discovery.poll_send().map(|send| send.group), Some(Group::V6));
    assert_eq!(discovery.poll_send(), None);
    discovery.remove(hash(1));
    assert_eq!(discovery.wake_at(), (Instant::NEVER, Reason::Nothing));
}

#[test]
fn private_torrents_are_neither_announced_nor_heard_even_when_it_is_learnt_late() {
    let mut discovery = listening(Limits::default());
    discovery.add(Instant::ZERO, hash(1), Visibility::Private);
    discovery.add(Instant::ZERO, hash(2), Visibility::Public);
    discovery.receive(Instant::ZERO, at(NEIGHBOUR), &announce(&[hash(1), hash(2)]));
    discovery.add(Instant::ZERO, hash(2), Visibility::Private);
    discovery.receive(Instant::ZERO, at(NEIGHBOUR), &announce(&[hash(1), hash(2)]));
    assert_eq!(discovery.poll_found(), None);
    assert_eq!(run(&mut discovery, Instant::from_secs(3600)), []);
}

#[test]
fn neighbours_are_found_at_their_port_once_a_torrent() {
    let mut discovery = listening(Limits::default());
    discovery.add(Instant::ZERO, hash(1), Visibility::Public);
    discovery.add(Instant::ZERO, hash(2), Visibility::Public);
    for from in [NEIGHBOUR, "[::ffff:192.168.1.7]:9"] {
        discovery.receive(Instant::ZERO, at(from), &announce(&[hash(3), hash(2), hash(1)]));
    }
    let peer = at("192.168.1.7:51413");
    assert_eq!(discovery.poll_found(), Some(Found { torrent: hash(2), peer }));
    assert_eq!(discovery.poll_found(), Some(Found { torrent: hash(1), peer }));
    assert_eq!(discovery.poll_found(), None);
    discovery.receive(Instant::ZERO, at("[fe80::7%4]:6771"), &announce(&[hash(1)]));
    assert_eq!(discovery.poll_found().map(|found| found.peer), Some(at("[fe80::7%4]:51413")));
}

#[test]
fn our_own_announces_come_back_and_are_ignored() {
    let mut discovery = listening(Limits::default());
    discovery.add(Instant::ZERO, hash(1), Visibility::Public);
    discovery.wake(Instant::from_secs(1));
    let own = discovery.poll_send().expect("an announce").bytes;
    discovery.receive(Instant::from_secs(1), at(NEIGHBOUR), &own);
    assert_eq!(discovery.poll_found(), None);
    let mut other = Discovery::new(Limits::default(), Prng::new(2));
    other.add(Instant::ZERO, hash(1), Visibility::Public);
    other.receive(Instant::from_secs(1), at(NEIGHBOUR), &own);
    assert_eq!(other.poll_found().map(|found| found.peer), Some(at("192.168.1.7:6881")));
}

#[test]
fn strangers_are_believed_only_within_our_own_networks() {
    let mut discovery = listening(Limits::default());
    discovery.add(Instant::ZERO, hash(1), Visibility::Public);
    let heard = |discovery: &mut Discovery, from: &str| {
        discovery.receive(Instant::ZERO, at(from), &announce(&[hash(1)]));
        discovery.poll_found().is_some()
    };
    assert!(!heard(&mut discovery, "8.8.8.8:6771") && !heard(&mut discovery, "[2a00:1::7]:6771"));
    discovery.set_addresses(&[
        ("8.8.8.1".parse().expect("an address"), 24),
        ("2a00:1::1".parse().expect("an address"), 64),
        ("9.9.9.9".parse().expect("an address"), 0),
    ]);
    assert!(heard(&mut discovery, "8.8.8.8:6771") && heard(&mut discovery, "[2a00:1::7]:6771"));
    assert!(!heard(&mut discovery, "8.8.9.8:6771") && !heard(&mut discovery, "[2a00:1:0:1::7]:6771"));
}

#[test]
fn floods_are_bounded_by_sender_and_in_all() {
    let limits = Limits { from_one: 3, from_all: 10, senders: 5, ..Limits::default() };
    let mut discovery = listening(limits);
    discovery.add(Instant::ZERO, hash(1), Visibility::Public);
    let mut heard = |now: u64, host: u32| {
        let from = SocketAddr::from(([10, 0, 0, host as u8], 1));
        discovery.receive(Instant::from_secs(now), from, &announce(&[hash(1)]));
        usize::from(discovery.poll_found().is_some())
    };
    assert_eq!((0..100).map(|_| heard(1, 1)).sum::<usize>(), 3);
    assert_eq!((0..100).map(|n| heard(2, n % 50 + 2)).sum::<usize>(), 7);
    assert_eq!(heard(61, 1), 1, "the next minute");
}

proptest! {
    #[test]
    fn whatever_is_heard_and_whenever_the_bounds_hold(
        steps in prop::collection::vec((0u64..100, any::<u8>(), 0u16..8, "\\PC{0,40}"), 0..60),
    ) {
        let limits = Limits { torrents: 4, found: 6, ..Limits::default() };
        let mut discovery = listening(limits);
        let (mut now, mut last) = (Instant::ZERO, None::<Instant>);
        for (wait, what, n, text) in steps {
            now += Duration::from_secs(wait);
            match what % 5 {
                0 => discovery.add(now, hash(n), Visibility::Public),
                1 => discovery.remove(hash(n)),
                2 => discovery.receive(now, at(NEIGHBOUR), &announce(&[hash(n), hash(n + 1)])),
                3 => discovery.receive(now, at(NEIGHBOUR), text.as_bytes()),
                _ => discovery.wake(now),
            }
            if discovery.poll_send().is_some() {
                prop_assert!(last.is_none_or(|last| now.since(last) >= limits.gap));
                last = Some(now);
                discovery.poll_send();
            }
        }
        prop_assert!(std::iter::from_fn(|| discovery.poll_found()).count() <= 6);
    }
}
