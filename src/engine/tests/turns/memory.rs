//! Leeches with less memory than their peers have blocks under way.

use tide_disk::Memory;

use crate::content::{fill, holds, torrent};
use crate::world::World;
use crate::{PATIENCE, SHARDS, tiny};

/// A leech with memory for two pieces, and more seeds than that, each on a piece of its own. What one seed needs leaves
/// for another's sake and comes back; whoever may be read again is read in the next turn, after everything was decided
/// once more.
fn leech_with_memory_for_two(shards: u16, seeds: u8, gulp: usize) {
    let mut world = World::new();
    world.gulp = gulp;
    world.reads_first = true;
    let (mut wanted, contents) = torrent(5, &[3000, 1096], 256, 64);
    let spec = wanted.clone();
    for _ in 0..seeds {
        let disk = Memory::default();
        fill(&disk, &spec, &contents);
        let node = world.node(tiny(1), disk);
        let key = world.add(node, spec.clone());
        assert!(world.run(PATIENCE, |world| world.has_completed(node, key)), "a seed finds its content");
        wanted.peers.push(world.nodes[node].addr);
    }
    let mut setup = tiny(shards);
    (setup.limits.chunk_len, setup.limits.memory, setup.limits.leases) = (256, 512, 8);
    let disk = Memory::default();
    let leech = world.node(setup, disk.clone());
    let key = world.add(leech, wanted);
    let done = world.run(PATIENCE, |world| world.has_completed(leech, key));
    assert!(done, "{shards} shards, {seeds} seeds, {gulp} bytes at a time");
    assert!(holds(&disk, &spec, &contents));
    world.shut_down_all();
}

#[test]
fn a_piece_that_came_back_from_the_disk_is_kept_until_it_is_written_into() {
    for (shards, seeds) in SHARDS.into_iter().flat_map(|shards| [(shards, 3), (shards, 5)]) {
        leech_with_memory_for_two(shards, seeds, 1 << 20);
    }
}

#[test]
fn while_memory_is_short_no_content_is_read_ahead_of_its_place_however_little_comes_at_a_time() {
    for (shards, seeds) in SHARDS.into_iter().flat_map(|shards| [(shards, 2), (shards, 4)]) {
        leech_with_memory_for_two(shards, seeds, 7);
    }
}
