//! Each vice, against a real engine: the fault that it provokes is raised.

mod world;

use std::collections::BTreeSet;

use tide_base::{Duration, Instant, Prng};
use tide_engine::NetError;
use tide_peer::Fault;

use crate::actor::{Actor, Deed, EndId, Hands, Heard};
use crate::mutants::{Mutant, Vice};
use world::World;

const PATIENCE: Duration = Duration::from_secs(900);
/// Bytes of the torrent that the victim has, so that it can serve and wants more.
const SOME: u64 = 1000;

/// One mutant with this vice, and an engine that has some of the torrent.
fn meet(vice: Vice, seed: u64) -> World {
    let mut world = match vice {
        _ if vice.needs_seeker() => World::seeking(seed),
        Vice::Snatches => World::new(seed, world::TOTAL),
        _ => World::new(seed, SOME),
    };
    world.add(vice, true);
    if vice.waits() {
        world.introduce();
    }
    world
}

fn raised(world: &World, vice: Vice) -> bool {
    vice.provokes().iter().any(|&fault| world.shard.faults().of(fault) > 0)
}

#[test]
fn every_rule_is_broken_by_some_vice_alone() {
    let alone: BTreeSet<Fault> = Vice::ALL
        .iter()
        .filter_map(|vice| match vice.provokes() {
            [only] => Some(*only),
            _ => None,
        })
        .collect();
    assert_eq!(alone.iter().copied().collect::<Vec<_>>(), Fault::ALL);
    let names: BTreeSet<&str> = Vice::ALL.iter().map(|vice| vice.name()).collect();
    assert_eq!(names.len(), Vice::ALL.len());
}

#[test]
fn every_vice_provokes_its_fault_and_no_other() {
    for &vice in Vice::ALL.iter().filter(|vice| !vice.provokes().is_empty()) {
        for seed in 0..6 {
            let mut world = meet(vice, seed);
            let found = world.run(PATIENCE, |world| raised(world, vice));
            let faults = *world.shard.faults();
            assert!(found, "{vice} with seed {seed}: {faults:?}, shown {}", world.mutants[0].0.shown());
            assert!(faults.iter().all(|(fault, _)| vice.provokes().contains(&fault)), "{vice}: {faults:?}");
            assert!(world.mutants[0].0.shown() > 0, "{vice}");
        }
    }
}

#[test]
fn what_is_no_fault_raises_none_and_is_done_all_the_same() {
    for &vice in Vice::ALL.iter().filter(|vice| vice.provokes().is_empty()) {
        for seed in 0..6 {
            let mut world = meet(vice, seed);
            let shown = world.run(PATIENCE, |world| world.mutants[0].0.shown() > 0);
            world.run(Duration::from_secs(100), |_| false);
            assert!(shown, "{vice} with seed {seed}");
            assert_eq!(world.shard.faults().total(), 0, "{vice}: {:?}", world.shard.faults());
        }
    }
}

#[test]
fn whoever_sends_wrong_data_is_banned_and_an_honest_one_completes_it() {
    for vice in Vice::ALL.iter().copied().filter(|vice| vice.is_banned()) {
        for seed in 0..6 {
            let mut world = meet(vice, seed);
            world.run(Duration::from_secs(60), |_| false);
            let honest = world.add(Vice::Liar, true);
            world.mutants[honest].0.calm(true);
            let done = world.run(PATIENCE, |world| world.complete);
            assert!(done && world.holds(), "{vice} with seed {seed}");
            let at = world.mutants[0].1.ip();
            assert!(world.banned.contains(&at) || vice == Vice::OneBit, "{vice} with seed {seed}");
            assert!(world.banned.iter().all(|ip| *ip == at), "{vice} with seed {seed}");
        }
    }
}

#[test]
fn the_core_repents_and_the_others_keep_nobody_from_completing() {
    for seed in 0..6 {
        let mut world = World::new(seed, SOME);
        for &vice in Vice::ALL {
            world.add(vice, true);
        }
        world.run(Duration::from_secs(20), |_| false);
        let honest = world.add(Vice::NeverServes, true);
        world.run(Duration::from_secs(20), |_| false);
        for (number, (mutant, _)) in world.mutants.iter_mut().enumerate() {
            mutant.calm(number == honest);
        }
        assert!(world.run(PATIENCE, |world| world.complete) && world.holds(), "seed {seed}");
    }
}

#[test]
fn two_runs_are_the_same_run() {
    let trail = |seed| {
        let mut world = World::new(seed, SOME);
        for &vice in Vice::ALL {
            world.add(vice, true);
        }
        world.introduce();
        world.run(Duration::from_secs(60), |_| false);
        (world.trail, world.told, *world.shard.faults(), format!("{:?}", world.mutants))
    };
    let (first, second) = (trail(0), trail(1));
    assert!(first == trail(0) && second == trail(1) && first.0 != second.0);
}

#[test]
fn all_that_is_done_unasked_comes_to_an_end() {
    for &vice in Vice::ALL {
        let mut world = meet(vice, 1);
        world.run(Duration::from_secs(5 * 3600), |_| false);
        let mutant = &mut world.mutants[0].0;
        assert_eq!(mutant.wake_at(), Instant::NEVER, "{vice}");
        mutant.calm(false);
        world.run(Duration::from_secs(5 * 3600), |_| false);
        assert_eq!(world.mutants[0].0.wake_at(), Instant::NEVER, "{vice} after the second act began");
    }
}

#[test]
fn whom_nobody_answers_gives_up() {
    for &vice in Vice::ALL {
        let (mut mutant, mut next) = (alone(vice, 5), 1);
        let mut dials = 0;
        while mutant.wake_at() < Instant::NEVER {
            let now = mutant.wake_at();
            let mut hands = Hands::new(&mut next);
            mutant.wake(now, &mut hands);
            for deed in hands.take() {
                let Deed::Dial { end, .. } = deed else { panic!("{vice}: {deed:?} to nobody") };
                dials += 1;
                let mut none = 0;
                let mut hands = Hands::new(&mut none);
                mutant.hear(now, Heard::Closed { end, why: NetError::Refused }, &mut hands);
                assert!(hands.take().is_empty());
            }
        }
        assert!((2..=6 * 24).contains(&dials), "{vice} dialled {dials} times");
        assert_eq!(mutant.connections(), 0);
    }
}

#[test]
fn hostile_bytes_neither_break_a_mutant_nor_fill_it() {
    for &vice in Vice::ALL {
        for seed in 0..20 {
            let (mut mutant, mut prng) = (alone(vice, seed), Prng::new(seed));
            let end = EndId { stream: 9, dialler: false };
            let (mut next, mut now) = (100, Instant::from_secs(1));
            let said = |mutant: &mut Mutant, now, data: &[u8]| {
                mutant.hear(now, Heard::Bytes { end, data }, &mut Hands::new(&mut 100));
            };
            let from = world::victim();
            mutant.hear(now, Heard::Accepted { end, from, at: from }, &mut Hands::new(&mut next));
            if !prng.chance(1, 5) {
                said(&mut mutant, now, b"\x13BitTorrent protocol");
                said(&mut mutant, now, &[7; 48]);
            }
            for _ in 0..300 {
                said(&mut mutant, now, &hostile(&mut prng));
                now += Duration::from_millis(prng.below(20_000));
                if mutant.wake_at() <= now {
                    mutant.wake(now, &mut Hands::new(&mut next));
                }
                assert!(mutant.memory() <= 4 << 20, "{vice}: {}", mutant.memory());
            }
        }
    }
}

/// Something like a message: any number, any length, any content, cut off anywhere.
fn hostile(prng: &mut Prng) -> Vec<u8> {
    let len = [1, 5, 9, 13, 20, 200][prng.index(6)];
    let mut body = vec![0; len];
    if prng.chance(1, 2) {
        prng.fill(&mut body);
    }
    body[0] = prng.below(24) as u8;
    let told = match prng.below(20) {
        0 => prng.next_u32(),
        1 => 1 << 20,
        _ => len as u32,
    };
    let mut bytes = [&told.to_be_bytes()[..], &body].concat();
    if prng.chance(1, 10) {
        bytes.truncate(1 + prng.index(bytes.len()));
    }
    bytes
}

fn alone(vice: Vice, seed: u64) -> Mutant {
    let spec = world::spec(vec![world::victim()], "10.0.9.1:7000".parse().expect("an address"));
    Mutant::new(vice, spec, Prng::new(seed))
}
