//! Limits of rates: kept, and used up.

use tide_base::Duration;
use tide_disk::Memory;
use tide_engine::RateLimits;

use crate::content::{fill, holds, torrent};
use crate::world::World;
use crate::{PATIENCE, setup};

const SIZE: u64 = 4 << 20;

/// How long 4 MiB take from a seed to a leech under these limits of theirs.
fn takes(shards: u16, seeds: RateLimits, leeches: RateLimits) -> Duration {
    let mut world = World::new();
    let (spec, contents) = torrent(9, &[SIZE], 64 * 1024, 16 * 1024);
    let (a, b) = (Memory::default(), Memory::default());
    fill(&a, &spec, &contents);
    let mut limited = setup(shards);
    limited.rates = seeds;
    let seed = world.node(limited, a);
    let mut limited = setup(shards);
    limited.rates = leeches;
    let leech = world.node(limited, b.clone());
    let seeding = world.add(seed, spec.clone());
    assert!(world.run(PATIENCE, |world| world.has_completed(seed, seeding)));
    let began = world.now;
    let mut wanted = spec.clone();
    wanted.peers = vec![world.nodes[seed].addr];
    let leeching = world.add(leech, wanted);
    assert!(world.run(PATIENCE, |world| world.has_completed(leech, leeching)), "{seeds:?} {leeches:?}");
    assert!(holds(&b, &spec, &contents));
    world.now.since(began)
}

#[test]
fn a_limit_of_the_session_is_kept_and_used_up() {
    let limit = Some(1 << 20);
    let free = RateLimits::default();
    for shards in [1, 5] {
        for (seeds, leeches) in
            [(RateLimits { up: limit, ..free }, free), (free, RateLimits { down: limit, ..free })]
        {
            let took = takes(shards, seeds, leeches);
            let expected = Duration::from_secs(SIZE >> 20);
            assert!(
                took > expected.mul_f32(0.9) && took < expected.mul_f32(1.5),
                "{shards} shards: {took:?}"
            );
        }
    }
}
