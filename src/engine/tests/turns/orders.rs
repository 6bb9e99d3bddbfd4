//! What an application may want at any moment: everything is answered, nothing is left behind.

use std::path::PathBuf;

use tide_base::{Duration, Prng};
use tide_disk::{Memory, VolumeId};
use tide_engine::{AddTorrent, Answer, Command, CommandError, Content, State, TorrentCommand, TorrentKey};

use crate::content::{content_on, fill, holds, resume_on, torrent};
use crate::world::World;
use crate::{PATIENCE, SHARDS, tiny};

struct Scene {
    world: World,
    disk: Memory,
    spec: AddTorrent,
    contents: Vec<Vec<u8>>,
    key: TorrentKey,
    node: usize,
}

/// A leech, some steps after it was added, on its way from a seed; its disk may hold some already. The seeds of
/// randomness take the numbers of shards in turn.
fn scene(seed: u64, steps: u64) -> Scene {
    let shards = SHARDS[(seed % 3) as usize];
    let mut prng = Prng::new(seed).split("orders");
    let mut world = World::new();
    world.lazy = prng.chance(1, 2).then(|| prng.split("lazy"));
    world.gulp = 100;
    let (mut spec, contents) = torrent(3, &[700, 0, 2500, 900], 256, 64);
    let (seeds, disk) = (Memory::default(), Memory::default());
    fill(&seeds, &spec, &contents);
    if prng.chance(1, 3) {
        fill(&disk, &spec, &contents);
    }
    let from = world.node(tiny(shards), seeds);
    world.add(from, spec.clone());
    let node = world.node(tiny(shards), disk.clone());
    spec.peers = vec![world.nodes[from].addr];
    let key = world.add(node, spec.clone());
    for _ in 0..steps {
        world.step();
    }
    Scene { world, disk, spec, contents, key, node }
}

impl Scene {
    fn ask(&mut self, what: TorrentCommand) -> Result<Answer, CommandError> {
        self.world.ask(self.node, self.key.shard.0, Command::Torrent(self.key, what))
    }

    fn state(&mut self) -> State {
        self.world.stats(self.node, self.key).state
    }

    fn completes(&mut self) {
        let (node, key) = (self.node, self.key);
        let seeding = |world: &mut World| world.stats(node, key).state == State::Seeding;
        assert!(self.world.run(PATIENCE, seeding), "{:?}", self.world.stats(node, key));
        assert!(holds(&self.disk, &self.spec, &self.contents));
    }
}

#[test]
fn a_torrent_is_removed_in_every_phase_and_can_be_added_again() {
    for seed in 0..42 {
        let mut prng = Prng::new(seed);
        let mut scene = scene(seed, prng.below(300));
        match prng.below(4) {
            0 => drop(scene.ask(TorrentCommand::Pause)),
            1 => drop(scene.ask(TorrentCommand::Recheck)),
            _ => {}
        }
        for _ in 0..prng.below(4) {
            scene.world.step();
        }
        let content = if prng.chance(1, 2) { Content::Keep } else { Content::Delete };
        let reply = scene.ask(TorrentCommand::Remove(content));
        assert!(matches!(reply, Ok(Answer::Ok)), "{reply:?}");
        assert!(resume_on(&scene.disk, &scene.spec).is_none(), "seed {seed}: resume data go");
        if content == Content::Delete {
            let left = content_on(&scene.disk, &scene.spec);
            assert!(left.iter().all(|&byte| byte == 0), "seed {seed}: the content goes");
        }
        assert!(matches!(scene.ask(TorrentCommand::Stats), Err(CommandError::Gone)));
        scene.key = scene.world.add(scene.node, scene.spec.clone());
        scene.completes();
        scene.world.shut_down_all();
    }
}

#[test]
fn a_session_ends_in_every_phase() {
    for seed in 0..42 {
        let mut prng = Prng::new(seed);
        let mut scene = scene(seed, prng.below(300));
        match prng.below(6) {
            0 => drop(scene.ask(TorrentCommand::Pause)),
            1 => drop(scene.ask(TorrentCommand::Recheck)),
            2 => {
                let to = PathBuf::from("/elsewhere");
                let what = TorrentCommand::Move { to, volume: VolumeId(0) };
                scene.world.send(scene.node, scene.key.shard.0, Command::Torrent(scene.key, what));
            }
            _ => {}
        }
        for _ in 0..prng.below(4) {
            scene.world.step();
        }
        scene.world.shut_down_all();
    }
}

#[test]
fn whatever_is_ordered_on_the_way_the_torrent_completes() {
    for seed in 0..42 {
        let mut prng = Prng::new(seed);
        let mut scene = scene(seed, prng.below(100));
        for _ in 0..prng.below(8) {
            for _ in 0..prng.below(60) {
                scene.world.step();
            }
            let what = match prng.below(8) {
                0 => TorrentCommand::Pause,
                1 => TorrentCommand::Resume,
                2 => TorrentCommand::Recheck,
                3 => TorrentCommand::SetPriorities((0..4).map(|_| prng.below(8) as u8).collect()),
                4 => TorrentCommand::SetSequential(prng.chance(1, 2)),
                5 => {
                    let to = PathBuf::from(["/content", "/elsewhere"][prng.index(2)]);
                    TorrentCommand::Move { to, volume: VolumeId(0) }
                }
                6 => TorrentCommand::SetPriorities(vec![0; 4]),
                _ => TorrentCommand::Reannounce,
            };
            let moved = if let TorrentCommand::Move { to, .. } = &what { Some(to.clone()) } else { None };
            match scene.ask(what) {
                Ok(Answer::Ok) => scene.spec.root = moved.unwrap_or(scene.spec.root.clone()),
                Err(CommandError::Invalid(_)) => {}
                other => panic!("seed {seed}: {other:?}"),
            }
        }
        scene.ask(TorrentCommand::SetPriorities(vec![4; 4])).expect("legal priorities");
        scene.ask(TorrentCommand::Resume).expect("it is known");
        scene.completes();
        scene.world.shut_down_all();
    }
}

#[test]
fn a_torrent_is_known_once() {
    for seed in 0..3 {
        let mut scene = scene(seed, 50);
        let add = Command::Add(Box::new(scene.spec.clone()));
        let reply = scene.world.ask(scene.node, scene.key.shard.0, add);
        assert!(matches!(reply, Err(CommandError::Duplicate(key)) if key == scene.key), "{reply:?}");
        scene.completes();
        let waits = scene.world.run(Duration::from_secs(5), |_| false);
        assert!(!waits && scene.state() == State::Seeding);
        scene.world.shut_down_all();
    }
}
