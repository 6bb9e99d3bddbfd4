//! Dials are few at a time and few a second: every torrent has its turn, however many dead addresses the others know.

use std::net::{IpAddr, SocketAddr};

use tide_base::Duration;
use tide_disk::Memory;
use tide_engine::{AddTorrent, TorrentCommand};

use crate::content::{fill, torrent};
use crate::world::World;
use crate::{SHARDS, setup};

/// Addresses where nobody answers, other ones for each number.
fn dead(number: u8) -> Vec<SocketAddr> {
    (1..=40).map(|host| SocketAddr::new(IpAddr::from([10, 9, number, host]), 6881)).collect()
}

/// A session with so many shards and places for dials whose torrents know nobody but the dead, and a last one that knows
/// a seed as well: how long until that one has everything.
fn takes(shards: u16, half_open: u32, dials_per_second: u32) -> Duration {
    let mut world = World::new();
    let (last, contents) = torrent(LAST, &[1000], 256, 64);
    let disk = Memory::default();
    fill(&disk, &last, &contents);
    world.node(setup(shards), disk);
    world.add(0, last.clone());
    let mut leech = setup(shards);
    leech.limits.half_open = half_open;
    leech.limits.dials_per_second = dials_per_second;
    world.node(leech, Memory::default());
    for number in 1..LAST {
        let (spec, _) = torrent(number, &[1000], 256, 64);
        world.add(1, AddTorrent { peers: dead(number), ..spec });
    }
    world.run(Duration::from_secs(300), |_| false);
    let peers = vec![world.nodes[0].addr];
    let began = world.now;
    let key = world.add(1, AddTorrent { peers, ..last });
    assert!(world.run(Duration::from_secs(1000), |world| world.has_completed(1, key)), "{shards} shards");
    let took = world.now - began;
    world.shut_down_all();
    took
}

const LAST: u8 = 6;

#[test]
fn dead_addresses_of_one_torrent_do_not_keep_another_from_its_peers() {
    for shards in SHARDS {
        // A dead address holds its place for 15 s, and five torrents want one.
        let took = takes(shards, 2, 30);
        assert!(took <= Duration::from_secs(5 * 15), "{shards} shards, two places: {took:?}");
        // With room enough for all, one dial a second is what they wait for.
        let took = takes(shards, 200, 1);
        assert!(took <= Duration::from_secs(15), "{shards} shards, one a second: {took:?}");
    }
}

#[test]
fn dead_addresses_do_not_keep_those_out_who_come_to_us() {
    for (shards, peers) in SHARDS.into_iter().flat_map(|shards| [(shards, 100), (shards, 4)]) {
        let mut world = World::new();
        let (wanted, contents) = torrent(LAST, &[1000], 256, 64);
        let disk = Memory::default();
        fill(&disk, &wanted, &contents);
        let mut seed = setup(shards);
        (seed.limits.half_open, seed.limits.peers) = (4, peers);
        world.node(seed, disk);
        world.add(0, wanted.clone());
        for number in 1..LAST {
            let (spec, _) = torrent(number, &[1000], 256, 64);
            world.add(0, AddTorrent { peers: dead(number), ..spec });
        }
        // By now there is never a place for a dial that is free.
        world.run(Duration::from_secs(60), |_| false);
        world.node(setup(1), Memory::default());
        let peers = vec![world.nodes[0].addr];
        let began = world.now;
        let key = world.add(1, AddTorrent { peers, ..wanted });
        assert!(world.run(Duration::from_secs(10), |world| world.has_completed(1, key)), "{shards} shards");
        assert!(world.now - began <= Duration::from_secs(5), "{shards} shards: {:?}", world.now - began);
        world.shut_down_all();
    }
}

#[test]
fn whoever_waits_to_dial_and_is_gone_leaves_its_turn_to_the_next() {
    for shards in SHARDS {
        let mut world = World::new();
        let mut setup = setup(shards);
        setup.limits.half_open = 2;
        world.node(setup, Memory::default());
        let add = |world: &mut World, number: u8| {
            let (spec, _) = torrent(number, &[1000], 256, 64);
            world.add(0, AddTorrent { peers: dead(number), ..spec })
        };
        let keys: Vec<_> = (1..LAST).map(|number| add(&mut world, number)).collect();
        for &key in &keys {
            world.run(Duration::from_secs(7), |_| false);
            let reply = world.ask(0, key.shard.0, tide_engine::Command::Torrent(key, TorrentCommand::Pause));
            assert!(reply.is_ok(), "{reply:?}");
        }
        world.shut_down_all();
    }
}

#[test]
fn places_to_dial_do_not_go_to_and_fro_while_all_places_for_peers_are_taken() {
    for shards in SHARDS {
        let mut world = World::new();
        let (idle, _) = torrent(LAST, &[1000], 256, 64);
        // Nobody has anything, so everybody stays.
        let others: Vec<SocketAddr> = (0..2)
            .map(|_| {
                let node = world.node(setup(1), Memory::default());
                world.add(node, idle.clone());
                world.nodes[node].addr
            })
            .collect();
        let mut setup = setup(shards);
        (setup.limits.peers, setup.limits.half_open) = (2, 2);
        let node = world.node(setup, Memory::default());
        let key = world.add(node, AddTorrent { peers: others, ..idle });
        let met = |world: &mut World| world.stats(node, key).peers == 2;
        assert!(world.run(Duration::from_secs(60), met), "{shards} shards");
        for number in 1..LAST {
            let (spec, _) = torrent(number, &[1000], 256, 64);
            world.add(node, AddTorrent { peers: dead(number), ..spec });
        }
        // A world in which turns follow each other without end, and no time passes, gives up.
        world.run(Duration::from_secs(600), |_| false);
        world.shut_down_all();
    }
}
