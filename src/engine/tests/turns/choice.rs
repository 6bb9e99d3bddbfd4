//! Which pieces are fetched: the wanted ones, those that somebody has, each about once.

use tide_disk::Memory;
use tide_engine::{Answer, Command, Content, State, TorrentCommand};

use crate::content::{content_on, fill, holds, torrent};
use crate::world::World;
use crate::{PATIENCE, SHARDS, tiny};

#[test]
fn what_is_not_wanted_is_neither_fetched_nor_created() {
    use tide_disk::{Place, Storage};
    for (shards, sequential) in SHARDS.into_iter().flat_map(|shards| [(shards, false), (shards, true)]) {
        let mut world = World::new();
        let (spec, contents) = torrent(3, &[1000, 1000, 1000], 192, 64);
        let (seeds, disk) = (Memory::default(), Memory::default());
        fill(&seeds, &spec, &contents);
        let from = world.node(tiny(shards), seeds);
        world.add(from, spec.clone());
        let leech = world.node(tiny(shards), disk.clone());
        let mut wanted = spec.clone();
        wanted.peers = vec![world.nodes[from].addr];
        (wanted.priorities, wanted.sequential) = (Some(vec![0, 7, 0]), Some(sequential));
        let key = world.add(leech, wanted);
        assert!(world.run(PATIENCE, |world| world.has_completed(leech, key)));
        let stats = world.stats(leech, key);
        // The pieces on the edges come whole, and no other.
        assert_eq!((stats.wanted, stats.pieces_done, stats.downloaded), (6 * 192, 6, 6 * 192));
        for (i, there) in [false, true, false].into_iter().enumerate() {
            let file = &spec.files.files()[i];
            let at = Place { backing: spec.backing, root: &spec.root, below: &file.path };
            assert_eq!(disk.stat(at).expect("memory tells").len.is_some(), there, "file {i}");
        }
        let ask = |world: &mut World, what| {
            let reply = world.ask(leech, key.shard.0, Command::Torrent(key, what));
            assert!(matches!(reply, Ok(Answer::Ok)), "{reply:?}");
        };
        ask(&mut world, TorrentCommand::SetPriorities(vec![0, 0, 0]));
        assert_eq!(world.stats(leech, key).state, State::Seeding, "nothing is missing");
        ask(&mut world, TorrentCommand::SetPriorities(vec![4, 0, 1]));
        let all = |world: &mut World| world.stats(leech, key).pieces_done == 16;
        assert!(world.run(PATIENCE, all), "{:?}", world.stats(leech, key));
        assert!(holds(&disk, &spec, &contents));
        ask(&mut world, TorrentCommand::Remove(Content::Delete));
        assert!(content_on(&disk, &spec).iter().all(|&byte| byte == 0));
        world.shut_down_all();
    }
}

#[test]
fn a_piece_that_nobody_has_any_more_does_not_keep_others_out() {
    for shards in SHARDS {
        let mut world = World::new();
        let (spec, contents) = torrent(3, &[256, 256], 256, 64);
        let disks = [Memory::default(), Memory::default(), Memory::default()];
        fill(&disks[0], &spec, &[contents[0].clone(), vec![0; 256]]);
        fill(&disks[1], &spec, &[vec![0; 256], contents[1].clone()]);
        let mut setup = tiny(shards);
        setup.limits.leases = 1;
        let mut slow = tiny(shards);
        slow.rates.up = Some(1);
        let nodes = [world.node(slow, disks[0].clone()), world.node(tiny(shards), disks[1].clone())];
        for node in nodes {
            world.add(node, spec.clone());
        }
        let leech = world.node(setup, disks[2].clone());
        let mut wanted = spec.clone();
        wanted.peers = vec![world.nodes[nodes[0]].addr];
        let key = world.add(leech, wanted);
        assert!(world.run(PATIENCE, |world| world.stats(leech, key).peers == 1));
        world.run(tide_base::Duration::from_secs(5), |_| false);
        world.shut_down(nodes[0]);
        let peers = TorrentCommand::AddPeers(vec![world.nodes[nodes[1]].addr]);
        world.ask(leech, key.shard.0, Command::Torrent(key, peers)).expect("it is known");
        let one = |world: &mut World| world.stats(leech, key).pieces_done >= 1;
        assert!(world.run(PATIENCE, one), "{:?}", world.stats(leech, key));
        world.shut_down_all();
    }
}

#[test]
fn memory_of_a_torrent_whose_peers_are_gone_serves_another() {
    for shards in SHARDS {
        let mut world = World::new();
        let (stale, stale_contents) = torrent(3, &[8192], 4096, 64);
        let (fresh, contents) = torrent(5, &[2048], 256, 64);
        let disks = [Memory::default(), Memory::default(), Memory::default()];
        fill(&disks[0], &stale, &stale_contents);
        fill(&disks[1], &fresh, &contents);
        let mut slow = tiny(shards);
        slow.rates.up = Some(1000);
        let nodes = [world.node(slow, disks[0].clone()), world.node(tiny(shards), disks[1].clone())];
        world.add(nodes[0], stale.clone());
        world.add(nodes[1], fresh.clone());
        let leech = world.node(tiny(shards), disks[2].clone());
        let mut first = stale.clone();
        first.peers = vec![world.nodes[nodes[0]].addr];
        let key = world.add(leech, first);
        assert!(world.run(PATIENCE, |world| world.stats(leech, key).downloaded > 1200));
        world.shut_down(nodes[0]);
        let mut second = fresh.clone();
        second.peers = vec![world.nodes[nodes[1]].addr];
        let key = world.add(leech, second);
        assert!(
            world.run(PATIENCE, |world| world.has_completed(leech, key)),
            "{:?}",
            world.stats(leech, key)
        );
        assert!(holds(&disks[2], &fresh, &contents));
        world.shut_down_all();
    }
}

#[test]
fn twenty_leeches_of_one_seed_with_few_slots_complete_and_waste_little() {
    for shards in SHARDS {
        let mut world = World::new();
        let (spec, contents) = torrent(3, &[20_000], 640, 64);
        let disks: Vec<Memory> = (0..21).map(|_| Memory::default()).collect();
        fill(&disks[0], &spec, &contents);
        for disk in &disks {
            let mut setup = tiny(shards);
            setup.limits.upload_slots = 2;
            setup.limits.memory = 8192;
            setup.rates.up = Some(20_000);
            world.node(setup, disk.clone());
        }
        let addrs: Vec<_> = world.nodes.iter().map(|node| node.addr).collect();
        let keys: Vec<_> = (0..21)
            .map(|node| {
                let mut spec = spec.clone();
                spec.peers = addrs[..node].to_vec();
                world.add(node, spec)
            })
            .collect();
        let all =
            |world: &mut World| keys.iter().enumerate().all(|(node, &key)| world.has_completed(node, key));
        assert!(world.run(PATIENCE * 6, all));
        let wasted: u64 = (1..21).map(|node| world.stats(node, keys[node]).wasted).sum();
        assert!(wasted < 20_000 * 20 / 20, "{wasted} of 400,000");
        for disk in &disks {
            assert!(holds(disk, &spec, &contents));
        }
        world.shut_down_all();
    }
}
