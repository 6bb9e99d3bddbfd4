//! Disks that fail: the torrent stops and says why, others go on, and it recovers by itself or when told to.

use tide_base::Prng;
use tide_disk::{Memory, Trouble};
use tide_engine::{Answer, Command, Happening, State, TorrentCommand};

use crate::content::{fill, holds, torrent};
use crate::disk::{Disk, EIO, ENOSPC};
use crate::world::World;
use crate::{PATIENCE, SHARDS, tiny};

fn failing(seed: u64, errno: i32) {
    let _ = env_logger::builder().is_test(true).try_init();
    let mut prng = Prng::new(seed).split("trouble");
    let mut world = World::new();
    world.lazy = prng.chance(1, 2).then(|| prng.split("lazy"));
    let (spec, contents) = torrent(3, &[700, 0, 2500, 900], 256, 64);
    let (other, others) = torrent(4, &[500, 1200], 256, 64);
    let (seeds, memory) = (Memory::default(), Memory::default());
    fill(&seeds, &spec, &contents);
    fill(&seeds, &other, &others);
    let shards = SHARDS[(seed % 3) as usize];
    let mut setup = tiny(shards);
    setup.limits.memory = 128 * (4 + prng.below(8));
    let from = world.node(tiny(shards), seeds);
    world.add(from, spec.clone());
    world.add(from, other.clone());
    let disk = Disk::from(memory.clone());
    let leech = world.node(setup, disk.clone());
    disk.fail(prng.below(150) as i64, 1 + prng.below(20) as i64, errno);
    let mut keys = Vec::new();
    for spec in [&spec, &other] {
        let mut wanted = spec.clone();
        wanted.peers = vec![world.nodes[from].addr];
        keys.push(world.add(leech, wanted));
    }
    let mut resumes = [0; 2];
    let end = world.now + PATIENCE * 10;
    while !keys.iter().all(|&key| world.has_completed(leech, key)) {
        assert!(world.now < end, "seed {seed}: {:?}", keys.map_stats(&mut world, leech));
        for (&key, resumes) in keys.iter().zip(&mut resumes) {
            let stats = world.stats(leech, key);
            if stats.state == State::Stopped {
                assert!(stats.trouble.is_some(), "a torrent that is stopped says why");
            }
            // What does not go away by itself is resumed by somebody.
            if stats.state == State::Stopped && prng.chance(1, 200) {
                *resumes += 1;
                let reply = world.ask(leech, key.shard.0, Command::Torrent(key, TorrentCommand::Resume));
                assert!(matches!(reply, Ok(Answer::Ok)), "{reply:?}");
            }
        }
        for _ in 0..10 {
            world.step();
        }
    }
    assert!(holds(&memory, &spec, &contents) && holds(&memory, &other, &others), "seed {seed}: {resumes:?}");
    for (key, resumes) in keys.into_iter().zip(resumes) {
        let stats = world.stats(leech, key);
        let events = world.nodes[leech].events.iter().filter(|event| event.torrent == key);
        let told = told_once(events.map(|event| &event.what), resumes);
        // Who has completed may have stopped since, and may be trying again for whoever resumed it.
        let tries = matches!(stats.state, State::Opening | State::Checking) && stats.trouble.is_none();
        assert!(tries || told == stats.trouble, "seed {seed}: {told:?}, {:?}", stats.trouble);
    }
    world.shut_down_all();
}

/// A trouble that comes again when it is tried again is told again to whoever resumed it, and not otherwise; that it is
/// over is told once, when it is. The trouble that is not over.
fn told_once<'a>(events: impl Iterator<Item = &'a Happening>, mut resumes: u32) -> Option<Trouble> {
    let mut last = None;
    for event in events {
        match event {
            Happening::Stopped(trouble) => {
                let again = last.replace(trouble) == Some(trouble);
                resumes = resumes.checked_sub(u32::from(again)).expect("it is told a second time");
            }
            Happening::Recovered => assert!(last.take().is_some(), "there was no trouble"),
            Happening::Started { .. } => assert_eq!(last, None, "it starts: the trouble is over"),
            _ => {}
        }
    }
    last.cloned()
}

trait MapStats {
    fn map_stats(&self, world: &mut World, node: usize) -> Vec<tide_engine::TorrentStats>;
}

impl MapStats for Vec<tide_engine::TorrentKey> {
    fn map_stats(&self, world: &mut World, node: usize) -> Vec<tide_engine::TorrentStats> {
        self.iter().map(|&key| world.stats(node, key)).collect()
    }
}

#[test]
fn a_full_disk_stops_a_torrent_until_there_is_space() {
    for seed in 0..30 {
        failing(seed, ENOSPC);
    }
}

#[test]
fn a_device_that_fails_stops_a_torrent_for_a_while() {
    for seed in 100..130 {
        failing(seed, EIO);
    }
}

#[test]
fn a_file_that_vanishes_beneath_a_seed_is_fetched_again_after_resume() {
    use tide_disk::{Place, Storage};
    for shards in SHARDS {
        let mut world = World::new();
        let (spec, contents) = torrent(3, &[700, 2500], 256, 64);
        let disks = [Memory::default(), Memory::default()];
        for disk in &disks {
            fill(disk, &spec, &contents);
        }
        let nodes = disks.clone().map(|disk| world.node(tiny(shards), disk));
        let mut keys = Vec::new();
        for node in nodes {
            let mut spec = spec.clone();
            spec.peers = vec![world.nodes[nodes[0]].addr];
            keys.push(world.add(node, spec));
        }
        assert!(world.run(PATIENCE, |world| nodes.iter().all(|&node| world.has_completed(node, keys[node]))));
        for file in spec.files.files() {
            let at = Place { backing: spec.backing, root: &spec.root, below: &file.path };
            disks[1].remove(at).expect("the file is there");
        }
        let ask = |world: &mut World, what| {
            let reply = world.ask(nodes[1], keys[1].shard.0, Command::Torrent(keys[1], what));
            assert!(matches!(reply, Ok(Answer::Ok)), "{reply:?}");
        };
        ask(&mut world, TorrentCommand::Recheck);
        world.nodes[nodes[1]].events.clear();
        let whole = |world: &mut World| {
            let stats = world.stats(nodes[1], keys[1]);
            stats.state == State::Seeding
        };
        for _ in 0..100 {
            world.step();
        }
        assert!(world.run(PATIENCE, whole), "{:?}", world.stats(nodes[1], keys[1]));
        assert!(holds(&disks[1], &spec, &contents));
        assert!(world.has_completed(nodes[1], keys[1]), "it has everything again, and says so");
        let stopped = |event: &tide_engine::Event| matches!(event.what, Happening::Stopped(_));
        assert!(!world.nodes[nodes[1]].events.iter().any(stopped));
        world.shut_down_all();
    }
}
