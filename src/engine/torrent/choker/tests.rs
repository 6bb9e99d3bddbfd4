//! Who gets a slot, who keeps it, and that everybody's time comes.

use super::*;

fn key(index: u64) -> SlotKey {
    SlotKey::from_bits(index)
}

fn at(secs: u64) -> Instant {
    Instant::from_secs(secs)
}

/// An interested peer, connected long ago.
fn peer(index: u64, down_rate: u64) -> Candidate {
    Candidate {
        peer: key(index),
        interested: true,
        unchoked: false,
        snubbed: false,
        upload_only: false,
        down_rate,
        served: 0,
        since: at(0),
        connected_since: at(0),
    }
}

fn limits(slots: u32) -> ChokerLimits {
    ChokerLimits { first_slots: slots, min_slots: slots, max_slots: slots, ..ChokerLimits::DEFAULT }
}

/// A choker with its swarm, which does what it is told.
struct World {
    choker: Choker,
    peers: Vec<Candidate>,
    prng: Prng,
}

impl World {
    fn new(mode: Mode, slots: u32, peers: Vec<Candidate>) -> World {
        World { choker: Choker::new(mode, limits(slots)), peers, prng: Prng::new(1) }
    }

    fn decide(&mut self, secs: u64, granted: usize) -> Verdict {
        self.choker.review(at(secs), &self.peers, Upload::default(), 100);
        let wanted = self.choker.wanted(&self.peers);
        let verdict = self.choker.decide(at(secs), &self.peers, granted, &mut self.prng);
        assert!(self.choker.taken() == wanted.min(granted), "what is wanted is used");
        for c in &mut self.peers {
            assert!(!verdict.unchoke.contains(&c.peer) || !c.unchoked, "only the choked are unchoked");
            assert!(!verdict.choke.contains(&c.peer) || c.unchoked, "only the unchoked are choked");
            if verdict.unchoke.contains(&c.peer) || verdict.choke.contains(&c.peer) {
                (c.unchoked, c.since, c.served) = (!c.unchoked, at(secs), 0);
            }
        }
        self.choker.check_invariants();
        verdict
    }

    fn unchoked(&self) -> Vec<u64> {
        self.peers.iter().filter(|c| c.unchoked).map(|c| c.peer.to_bits()).collect()
    }
}

#[test]
fn who_gives_most_is_unchoked_and_one_more_on_trust() {
    let mut w = World::new(Mode::Leeching, 3, (0..10).map(|i| peer(i, i * 100)).collect());
    let verdict = w.decide(1000, 100);
    assert!(w.unchoked().ends_with(&[8, 9]) && w.unchoked().len() == 3);
    assert_eq!(verdict.optimistic.map(SlotKey::to_bits), Some(w.unchoked()[0]));
    w.peers[2].down_rate = 10_000;
    w.peers[9].down_rate = 0;
    w.decide(1010, 100);
    assert!(w.unchoked().contains(&2) && w.unchoked().contains(&8));
    assert!(!w.unchoked().contains(&9));
}

#[test]
fn only_the_interested_who_will_ask_take_slots() {
    let mut w = World::new(Mode::Leeching, 4, (0..4).map(|i| peer(i, 10)).collect());
    w.peers[0].interested = false;
    w.peers[0].unchoked = true;
    w.peers[1].upload_only = true;
    let verdict = w.decide(10, 100);
    assert_eq!((w.unchoked(), verdict.choke), (vec![2, 3], vec![key(0)]));
}

#[test]
fn who_snubs_us_loses_its_earned_slot_and_can_come_back_by_the_optimistic_one() {
    let mut w = World::new(Mode::Leeching, 3, (0..4).map(|i| peer(i, i * 100)).collect());
    w.decide(1000, 100);
    w.peers[3].snubbed = true;
    let mut came_back = false;
    for round in 1..40 {
        w.decide(1000 + round * 10, 100);
        assert!([1, 2].iter().all(|i| w.unchoked().contains(i)));
        came_back |= round > 3 && w.unchoked().contains(&3);
    }
    assert!(came_back);
}

#[test]
fn the_optimistic_one_stays_three_rounds_and_then_another_is_tried() {
    let mut w = World::new(Mode::Leeching, 2, (0..5).map(|i| peer(i, i)).collect());
    let mut turns = Vec::new();
    for round in 0..30 {
        turns.push(w.decide(1000 + round * 10, 100).optimistic.expect("somebody waits"));
    }
    for three in turns.chunks(3) {
        assert_eq!(three, [three[0]; 3]);
    }
    for pair in turns.chunks(3).collect::<Vec<_>>().windows(2) {
        assert_ne!(pair[0][0], pair[1][0]);
    }
}

#[test]
fn newcomers_are_tried_three_times_as_often() {
    let mut tried = 0;
    let mut prng = Prng::new(7);
    for _ in 0..1000 {
        let mut choker = Choker::new(Mode::Leeching, limits(1));
        let mut peers: Vec<Candidate> = (0..4).map(|i| peer(i, 0)).collect();
        for c in &mut peers {
            c.since = at(990);
        }
        peers[3].connected_since = at(990);
        choker.review(at(1000), &peers, Upload::default(), 10);
        let verdict = choker.decide(at(1000), &peers, 10, &mut prng);
        tried += u32::from(verdict.optimistic == Some(key(3)));
    }
    assert!((450..550).contains(&tried), "{tried} of 1000 with three tickets of six");
}

/// Whatever the rates: every interested peer is unchoked within two tours of the optimistic slot.
#[test]
fn nobody_starves_while_we_leech() {
    for seed in 0..20 {
        let mut prng = Prng::new(seed);
        let count = 2 + prng.below(12);
        let peers: Vec<Candidate> = (0..count).map(|i| peer(i, prng.below(4) * 1000)).collect();
        let mut w = World::new(Mode::Leeching, 1 + prng.below(4) as u32, peers);
        w.prng = prng.split("choker");
        let bound = 2 * count * 30 + 30;
        let mut last = vec![0; count as usize];
        for secs in (10..10 * bound).step_by(10) {
            for c in &mut w.peers {
                c.snubbed = prng.chance(1, 3);
                c.down_rate = if prng.chance(1, 5) { prng.below(9) * 500 } else { c.down_rate };
            }
            w.decide(secs, 100);
            for i in w.unchoked() {
                last[i as usize] = secs;
            }
            for (i, seen) in last.iter().enumerate() {
                assert!(secs - seen <= bound, "seed {seed}: peer {i} waits since {seen} at {secs}");
            }
        }
    }
}

/// A seed serves everybody in turn, fast or slow, and those with a slot are left their turn.
#[test]
fn a_seed_serves_the_fast_and_the_slow_equally_often() {
    let mut w = World::new(Mode::Seeding, 3, (0..12).map(|i| peer(i, 0)).collect());
    let mut turns = [0u32; 12];
    for secs in (10..10_000).step_by(10) {
        let before = w.unchoked();
        let verdict = w.decide(secs, 100);
        assert_eq!(verdict.optimistic, None);
        assert_eq!(w.unchoked().len(), 3);
        for i in w.unchoked() {
            turns[i as usize] += u32::from(!before.contains(&i));
            w.peers[i as usize].served += if i < 6 { 100 << 20 } else { 10 << 10 };
        }
    }
    let (least, most) = (turns.iter().min().expect("twelve"), turns.iter().max().expect("twelve"));
    assert!(*least >= 50 && most - least <= 1, "{turns:?}");
}

#[test]
fn a_seed_keeps_everybody_while_nobody_waits_and_ends_no_turn_early() {
    let mut w = World::new(Mode::Seeding, 2, vec![peer(0, 0), peer(1, 0)]);
    w.decide(10, 100);
    assert_eq!(w.decide(200, 100), Verdict::default());
    w.peers.push(peer(2, 0));
    w.peers[0].since = at(195);
    w.peers[1].since = at(195);
    assert_eq!(w.decide(210, 100), Verdict::default());
    w.peers[1].served = 16 << 20;
    w.decide(220, 100);
    assert_eq!(w.unchoked(), [0, 2]);
}

#[test]
fn between_rounds_free_slots_are_given_and_none_is_taken() {
    let mut w = World::new(Mode::Leeching, 2, vec![peer(0, 5), peer(1, 0), peer(2, 9), peer(3, 1)]);
    w.peers[2].interested = false;
    w.peers[3].interested = false;
    w.decide(1000, 100);
    assert_eq!((w.unchoked(), w.choker.deadline()), (vec![0, 1], at(1010)));
    w.peers[2].interested = true;
    assert!(!w.choker.interested(&w.peers[2], 100), "no slot is free");
    assert!(w.choker.left(key(1)));
    w.peers[1].interested = false;
    w.peers[3].interested = true;
    assert_eq!(w.choker.deadline(), Instant::ZERO);
    assert_eq!(w.decide(1001, 100).unchoke, [key(2)]);
    assert!(w.choker.left(key(2)) && !w.choker.left(key(2)));
    assert!(!w.choker.interested(&w.peers[3], 1), "the session has no slot for it");
    assert!(w.choker.interested(&w.peers[3], 2), "the freed slot is taken at once");
    assert!(!w.choker.interested(&w.peers[3], 2), "it has one by now");
    w.choker.check_invariants();
}

#[test]
fn a_smaller_grant_is_obeyed_at_once_and_nothing_granted_is_nobody_served() {
    let mut w = World::new(Mode::Leeching, 8, (0..20).map(|i| peer(i, i)).collect());
    w.decide(1000, 100);
    assert_eq!(w.unchoked().len(), 8);
    w.decide(1001, 3);
    assert_eq!(w.unchoked().len(), 3);
    w.decide(1011, 0);
    assert_eq!((w.unchoked().len(), w.choker.slots()), (0, 0));
    w.choker.set_mode(Mode::Seeding);
    assert_eq!(w.choker.deadline(), Instant::ZERO);
    w.decide(1012, 100);
    assert_eq!(w.unchoked().len(), 8);
}
