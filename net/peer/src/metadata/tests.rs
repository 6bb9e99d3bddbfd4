//! Peers of every kind, and the metadata arrives.

use super::*;
use crate::limits::Limits;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use proptest::prelude::*;
use tide_base::{Duration, Instant, Prng};

/// How a peer behaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    /// Sends what is true after so many milliseconds.
    Honest(u64),
    /// Never answers.
    Silent,
    /// Refuses.
    Refuses,
    /// The right size and wrong bytes.
    Wrong,
    /// The right size, and wrong bytes in some pieces only.
    HalfWrong,
    /// Another size, as others of its kind, and bytes to match.
    OtherSize,
    /// A size of its own, the largest there may be.
    Huge,
    /// Wrong bytes, each just before patience ends.
    Dribbles,
    /// Another size in each message.
    FlipFlop,
    /// Pieces of a wrong length.
    Short,
}

const LIES: [Way; 9] = [
    Way::Silent,
    Way::Refuses,
    Way::Wrong,
    Way::HalfWrong,
    Way::OtherSize,
    Way::Huge,
    Way::Dribbles,
    Way::FlipFlop,
    Way::Short,
];

/// Whom blame may fall on.
fn is_liar(way: Way) -> bool {
    !matches!(way, Way::Honest(_) | Way::Silent | Way::Refuses)
}

struct World {
    now: Instant,
    truth: Vec<u8>,
    fetch: Fetch<u32>,
    ways: Vec<Way>,
    max: u32,
    /// Answers under way, by when they arrive.
    mail: BTreeMap<(Instant, u64), (u32, u32)>,
    mailed: u64,
    blamed: BTreeSet<u32>,
    asks: u64,
    most_memory: u64,
    found: bool,
}

/// With as much room as anybody may claim.
fn with_room(limits: &Limits) -> Fetch<u32> {
    let mut fetch = Fetch::new(limits);
    fetch.grant(u64::MAX / 2);
    fetch
}

impl World {
    fn new(size: usize, ways: &[Way], seed: u64) -> World {
        World::within(&Limits::default(), size, ways, seed)
    }

    fn within(limits: &Limits, size: usize, ways: &[Way], seed: u64) -> World {
        let mut prng = Prng::new(seed);
        let mut truth = alloc::vec![0; size];
        prng.fill(&mut truth);
        let mut world = World {
            now: Instant::from_secs(100),
            truth,
            fetch: with_room(limits),
            max: limits.metadata_len,
            ways: ways.to_vec(),
            mail: BTreeMap::new(),
            mailed: 0,
            blamed: BTreeSet::new(),
            asks: 0,
            most_memory: 0,
            found: false,
        };
        for peer in 0..ways.len() as u32 {
            let size = world.size_of(peer);
            world.fetch.claims(peer, size);
        }
        world
    }

    fn size_of(&self, peer: u32) -> u32 {
        let right = self.truth.len() as u32;
        match self.ways[peer as usize] {
            Way::OtherSize => right + 3 * PIECE,
            Way::Huge => self.max - peer,
            Way::FlipFlop => right + 1 + self.mailed as u32 % 1000,
            _ => right,
        }
    }

    fn send(&mut self, peer: u32, piece: u32) {
        let after = match self.ways[peer as usize] {
            Way::Silent => return,
            Way::Honest(millis) => Duration::from_millis(millis),
            Way::Dribbles => Duration::from_millis(7900),
            _ => Duration::from_millis(20),
        };
        self.mailed += 1;
        self.mail.insert((self.now + after, self.mailed), (peer, piece));
    }

    fn deliver(&mut self, peer: u32, piece: u32) {
        let way = self.ways[peer as usize];
        let size = self.size_of(peer);
        let len = piece_len(size, piece) as usize;
        let start = (piece * PIECE) as usize;
        let bytes = match way {
            Way::Refuses => return self.fetch.rejected(self.now, peer, piece),
            Way::Honest(_) => self.truth[start..start + len].to_vec(),
            Way::HalfWrong if piece.is_multiple_of(2) && size > PIECE => {
                self.truth[start..start + len].to_vec()
            }
            Way::Short => alloc::vec![0; len - 1],
            _ => alloc::vec![peer as u8; len],
        };
        self.fetch.data(self.now, peer, piece, Some(size), &bytes);
    }

    /// Does what is ordered until nothing is.
    fn obey(&mut self) {
        while let Some(order) = self.fetch.next(self.now) {
            match order {
                Order::Ask { peer, piece } => {
                    assert!(!self.blamed.contains(&peer) && !self.found);
                    self.asks += 1;
                    self.send(peer, piece);
                }
                Order::Judge { ticket, metadata } => {
                    let verdict = if metadata == self.truth { Verdict::Right } else { Verdict::Wrong };
                    self.found |= verdict == Verdict::Right;
                    self.fetch.judged(ticket, verdict);
                }
                Order::Blame(peer) => assert!(self.blamed.insert(peer), "{peer} is blamed twice"),
            }
            self.most_memory = self.most_memory.max(self.fetch.memory());
        }
    }

    /// Goes on until the metadata is found, or for so long; how long it took.
    fn run(&mut self, patience: Duration) -> Option<Duration> {
        let began = self.now;
        loop {
            self.obey();
            if self.found {
                return Some(self.now.since(began));
            }
            let next = self.mail.keys().next().map_or(Instant::NEVER, |&(at, _)| at);
            let due = self.fetch.due(self.now);
            assert!(due > self.now, "due again at once");
            self.now = next.min(due);
            if self.now.since(began) > patience {
                self.now = began + patience;
                return None;
            }
            while self.mail.keys().next().is_some_and(|&(at, _)| at <= self.now) {
                let (_, (peer, piece)) = self.mail.pop_first().expect("there is one");
                self.deliver(peer, piece);
            }
        }
    }
}

#[test]
fn a_sound_swarm_needs_one_ask_a_piece() {
    let mut world = World::new(40 * PIECE as usize + 7, &[Way::Honest(50); 5], 1);
    assert_eq!(world.fetch.progress(), Progress { peers: 5, got: 0, pieces: 0 });
    let took = world.run(Duration::from_secs(5)).expect("found");
    assert_eq!(world.asks, 41);
    assert!(took <= Duration::from_millis(300) && world.blamed.is_empty(), "{took:?}");
    assert_eq!(world.fetch.due(world.now), Instant::NEVER);
}

#[test]
fn of_ten_peers_nine_lie_and_it_arrives() {
    let lies = LIES.iter().copied().map(|lie| alloc::vec![lie; 9]);
    let mix = LIES.to_vec();
    for (seed, lies) in lies.chain([mix]).enumerate() {
        for size in [1000, PIECE as usize, 8 * PIECE as usize + 100] {
            for place in [0, 4, 9] {
                let mut ways = lies.clone();
                ways.insert(place, Way::Honest(200));
                let mut world = World::new(size, &ways, seed as u64);
                let took = world.run(Duration::from_secs(90));
                assert!(took.is_some(), "{ways:?} with {size} bytes: {:?}", world.fetch.progress());
                assert!(world.blamed.iter().all(|&peer| is_liar(ways[peer as usize])), "{:?}", world.blamed);
            }
        }
    }
}

#[test]
fn whoever_spoilt_it_together_with_others_is_blamed_in_the_end() {
    let ways = [Way::Wrong, Way::HalfWrong, Way::Honest(20), Way::Honest(30)];
    let mut world = World::new(30 * PIECE as usize, &ways, 7);
    assert!(world.run(Duration::from_secs(60)).is_some());
    world.obey();
    assert_eq!(world.blamed.into_iter().collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn sizes_that_nobody_claims_any_more_leave_room_for_others() {
    let ways = [Way::Silent, Way::Silent, Way::Honest(1), Way::Dribbles, Way::FlipFlop];
    for seed in 0..10 {
        let mut world = World::new(1, &ways, seed);
        assert!(world.run(Duration::from_secs(120)).is_some(), "{seed}");
    }
}

#[test]
fn a_slow_peer_that_is_alone_has_all_the_time_in_the_world() {
    // 15 s are more than patience: each answer comes after its ask was given up.
    let mut world = World::new(6 * PIECE as usize, &[Way::Honest(15_000)], 1);
    assert!(world.run(Duration::from_secs(600)).is_some());
}

#[test]
fn metadata_comes_when_somebody_does_and_who_leaves_takes_nothing_away() {
    let mut world = World::new(10 * PIECE as usize, &[Way::Honest(1000), Way::Honest(1000)], 1);
    world.fetch.gone(1);
    assert_eq!(world.run(Duration::from_millis(2500)), None);
    let got = world.fetch.progress().got;
    assert!(got >= 4, "{got}");
    world.fetch.gone(0);
    world.mail.clear();
    assert_eq!(world.run(Duration::from_secs(100_000)), None);
    assert_eq!(world.fetch.progress(), Progress { peers: 0, got, pieces: 10 });
    world.asks = 0;
    let size = world.size_of(1);
    world.fetch.claims(1, size);
    assert!(world.run(Duration::from_secs(10)).is_some());
    assert_eq!(world.asks, u64::from(10 - got));
}

#[test]
fn sizes_out_of_bounds_are_no_claims() {
    let limits = Limits::default();
    let mut fetch = with_room(&limits);
    fetch.claims(1, 0);
    fetch.claims(2, limits.metadata_len + 1);
    assert_eq!((fetch.progress().peers, fetch.next(Instant::ZERO)), (0, None));
    for peer in 0..1000 {
        fetch.claims(peer, limits.metadata_len);
    }
    assert_eq!(fetch.progress().peers, limits.metadata.peers);
}

#[test]
fn the_largest_arrives_within_the_memory() {
    let small = MetadataLimits { memory: 1 << 20, ..MetadataLimits::default() };
    let limits = Limits { metadata_len: 1 << 19, metadata: small, ..Limits::default() };
    let ways = [Way::Huge, Way::Huge, Way::Honest(5), Way::OtherSize, Way::Huge, Way::Honest(5)];
    let mut world = World::within(&limits, limits.metadata_len as usize - 100_000, &ways, 3);
    assert!(world.run(Duration::from_secs(600)).is_some());
    assert!(
        world.most_memory <= u64::from(limits.metadata.memory) + u64::from(PIECE),
        "{}",
        world.most_memory
    );
}

#[test]
fn answers_to_nothing_and_from_nobody_change_nothing() {
    let mut fetch = with_room(&Limits::default());
    let now = Instant::ZERO;
    fetch.data(now, 1, 0, Some(5), b"hello");
    fetch.rejected(now, 1, 0);
    fetch.gone(1);
    fetch.claims(1, 5);
    fetch.rejected(now, 1, 0);
    let Some(Order::Ask { peer: 1, piece: 0 }) = fetch.next(now) else { panic!("nobody is asked") };
    fetch.data(now, 1, 0, None, b"hello");
    let Some(Order::Judge { ticket, metadata }) = fetch.next(now) else { panic!("nothing to judge") };
    assert_eq!(metadata, b"hello");
    fetch.judged(ticket, Verdict::Wrong);
    fetch.judged(ticket, Verdict::Right);
    assert_eq!((fetch.next(now), fetch.next(now)), (Some(Order::Blame(1)), None));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn one_honest_peer_is_enough_and_the_honest_are_not_blamed(
        lies in prop::collection::vec(prop::sample::select(&LIES[..]), 0..20),
        honest in prop::collection::vec(1u64..3000, 1..3),
        size in 1usize..12 * PIECE as usize,
        seed: u64,
    ) {
        let mut ways: Vec<Way> = lies.into_iter().chain(honest.into_iter().map(Way::Honest)).collect();
        Prng::new(seed).shuffle(&mut ways);
        let limits = Limits { metadata_len: 1 << 20, ..Limits::default() };
        let mut world = World::within(&limits, size, &ways, seed);
        let took = world.run(Duration::from_secs(1800));
        prop_assert!(took.is_some(), "{:?}: {:?}", ways, world.fetch.progress());
        world.obey();
        prop_assert!(world.blamed.iter().all(|&peer| is_liar(ways[peer as usize])), "{:?} of {:?}", world.blamed, ways);
    }

    #[test]
    fn any_order_of_calls_ends(
        calls in prop::collection::vec((0u8..6, 0u32..6, 0u32..5, 0u32..4), 0..200),
    ) {
        let mut fetch = with_room(&Limits::default());
        let (mut now, mut tickets) = (Instant::ZERO, Vec::new());
        for (call, peer, piece, n) in calls {
            match call {
                0 => fetch.claims(peer, n * PIECE + n),
                1 => fetch.gone(peer),
                2 => fetch.rejected(now, peer, piece),
                3 => now += Duration::from_secs(u64::from(n) * 4),
                4 => {
                    if let Some(ticket) = tickets.pop() {
                        fetch.judged(ticket, Verdict::Wrong);
                    }
                }
                _ => {
                    let size = n * PIECE + n;
                    let bytes = alloc::vec![piece as u8; piece_len(size, piece) as usize];
                    fetch.data(now, peer, piece, Some(size), &bytes);
                }
            }
            let mut orders = 0;
            while let Some(order) = fetch.next(now) {
                orders += 1;
                prop_assert!(orders < 200);
                if let Order::Judge { ticket, .. } = order {
                    tickets.push(ticket);
                }
            }
            prop_assert!(fetch.due(now) > now);
            prop_assert!(fetch.progress().peers <= 6);
        }
    }
}

#[test]
fn nobody_is_asked_before_there_is_room_for_what_he_claims() {
    let limits = Limits::default();
    let now = Instant::from_secs(100);
    let mut fetch = Fetch::new(&limits);
    fetch.claims(1, 100_000);
    fetch.claims(2, 70_000);
    assert_eq!((fetch.next(now), fetch.lacking()), (None, 70_000));
    fetch.grant(70_000);
    assert!(matches!(fetch.next(now), Some(Order::Ask { peer: 2, .. })));
    while fetch.next(now).is_some() {}
    assert_eq!((fetch.lacking(), fetch.give_back(), fetch.room()), (100_000, 0, 70_000));
    // Others need it: not before it has had its turn.
    assert!(!fetch.make_way(now));
    let later = fetch.due(now).max(now + limits.metadata.quiet);
    assert!(fetch.make_way(later) && !fetch.make_way(later));
    assert_eq!((fetch.give_back(), fetch.room()), (70_000, 0));
    fetch.grant(1_000_000);
    while fetch.next(later).is_some() {}
    assert_eq!((fetch.lacking(), fetch.give_back()), (0, 830_000));
    fetch.rest();
    assert_eq!((fetch.give_back(), fetch.room()), (170_000, 0));
}
