//! Each vice, against a real engine: the fault that it provokes is raised.

mod world;

use std::collections::BTreeSet;

use tide_base::Duration;
use tide_peer::Fault;

use crate::mutants::Vice;
use world::World;

const PATIENCE: Duration = Duration::from_secs(900);
/// Bytes of the torrent that the victim has, so that it can serve and wants more.
const SOME: u64 = 1000;

/// One mutant with this vice, and an engine that has some of the torrent.
fn meet(vice: Vice, seed: u64) -> World {
    let mut world = World::new(seed, if vice == Vice::Snatches { world::TOTAL } else { SOME });
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
        for seed in 0..4 {
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
        for seed in 0..4 {
            let mut world = meet(vice, seed);
            let shown = world.run(PATIENCE, |world| world.mutants[0].0.shown() > 0);
            world.run(Duration::from_secs(100), |_| false);
            assert!(shown, "{vice} with seed {seed}");
            assert_eq!(world.shard.faults().total(), 0, "{vice}: {:?}", world.shard.faults());
        }
    }
}
