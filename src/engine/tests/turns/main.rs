//! Engines against engines: whole turns with a manual clock, no socket and no file.

mod choice;
mod content;
mod dht;
mod dials;
mod disk;
mod extremes;
mod gossip;
mod greed;
mod memory;
mod metadata;
mod moving;
mod mutants;
mod nearby;
mod newcomers;
mod orders;
mod rates;
mod removing;
mod restart;
mod seekers;
mod slots;
mod swarm;
mod told;
mod trackers;
mod trouble;
mod world;

use std::net::SocketAddr;

use tide_base::Duration;
use tide_disk::Memory;
use tide_engine::{Limits, Setup};

use content::{fill, holds, torrent};
use world::World;

const PATIENCE: Duration = Duration::from_secs(600);

/// Every world is played with so many shards: all at home on one, the accepting one and another, more than there are
/// torrents.
const SHARDS: [u16; 3] = [1, 2, 5];

fn setup(shards: u16) -> Setup {
    let _ = env_logger::builder().is_test(true).try_init();
    Setup::plain(shards)
}

/// Blocks of 64 bytes and hardly any memory: everything that can wrap around or run short does.
fn tiny(shards: u16) -> Setup {
    let mut setup = Setup::plain(shards);
    setup.limits = Limits {
        block_len: 64,
        chunk_len: 128,
        memory: 1024,
        upload_memory: 512,
        upload_ahead: 256,
        read_len: 256,
        leases: 4,
        disk_jobs: 2,
        hash_jobs: 1,
        peer: tide_peer::Limits::tiny(64),
        ..Limits::default()
    };
    setup
}

#[test]
fn a_torrent_goes_from_a_seed_to_a_leech() {
    for shards in SHARDS {
        let mut world = World::new();
        let (spec, contents) = torrent(7, &[100_000, 0, 1, 70_000], 32 * 1024, 16 * 1024);
        let (a, b) = (Memory::default(), Memory::default());
        fill(&a, &spec, &contents);
        let seed = world.node(setup(shards), a);
        let leech = world.node(setup(shards), b.clone());
        let seeding = world.add(seed, spec.clone());
        assert!(
            world.run(PATIENCE, |world| world.has_completed(seed, seeding)),
            "the seed finds its content"
        );
        let mut wanted = spec.clone();
        wanted.peers = vec![world.nodes[seed].addr];
        let leeching = world.add(leech, wanted);
        assert!(world.run(PATIENCE, |world| world.has_completed(leech, leeching)), "{shards} shards");
        assert!(holds(&b, &spec, &contents));
        let stats = world.stats(leech, leeching);
        assert_eq!((stats.done, stats.downloaded, stats.wasted), (170_001, 170_001, 0));
        world.shut_down_all();
    }
}

#[test]
fn a_torrent_without_resume_data_comes_to_rest() {
    for shards in SHARDS {
        let mut world = World::new();
        let (mut spec, contents) = torrent(7, &[700, 900], 192, 64);
        spec.resume = None;
        let (a, b) = (Memory::default(), Memory::default());
        fill(&a, &spec, &contents);
        let nodes = [world.node(tiny(shards), a), world.node(tiny(shards), b.clone())];
        let seeding = world.add(nodes[0], spec.clone());
        spec.peers = vec![world.nodes[nodes[0]].addr];
        let leeching = world.add(nodes[1], spec.clone());
        assert!(world.run(PATIENCE, |world| world.has_completed(nodes[1], leeching)), "{shards} shards");
        world.run(PATIENCE, |_| false);
        let before = world.stats(nodes[0], seeding).uploaded;
        assert!(before >= 1600 && holds(&b, &spec, &contents), "{shards} shards");
        world.shut_down_all();
    }
}

#[test]
fn five_leeches_share_what_one_seed_has_through_tiny_queues() {
    for (shards, gulp) in SHARDS.into_iter().flat_map(|shards| [(shards, 1 << 20), (shards, 7)]) {
        let mut world = World::new();
        world.gulp = gulp;
        let (spec, contents) = torrent(3, &[1000, 3000, 10, 777], 192, 64);
        let disks: Vec<Memory> = (0..6).map(|_| Memory::default()).collect();
        fill(&disks[0], &spec, &contents);
        let nodes: Vec<usize> = disks.iter().map(|disk| world.node(tiny(shards), disk.clone())).collect();
        let addrs: Vec<SocketAddr> = nodes.iter().map(|&node| world.nodes[node].addr).collect();
        let keys: Vec<_> = nodes
            .iter()
            .map(|&node| {
                let mut spec = spec.clone();
                spec.peers = addrs.iter().copied().filter(|addr| *addr != addrs[node]).collect();
                world.add(node, spec)
            })
            .collect();
        let all = |world: &mut World| nodes.iter().all(|&node| world.has_completed(node, keys[node]));
        assert!(world.run(PATIENCE, all), "all complete with {shards} shards");
        for disk in &disks {
            assert!(holds(disk, &spec, &contents));
        }
        world.shut_down_all();
    }
}
