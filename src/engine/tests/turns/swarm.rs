//! Random swarms: whatever the setup, the order of things and the accidents, everybody completes and nothing is lost.

use std::net::SocketAddr;

use tide_base::{Duration, Prng};
use tide_disk::Memory;
use tide_engine::{AddTorrent, Answer, Command, Setup, TorrentCommand, TorrentKey};

use crate::content::{fill, fill_some, holds, torrent};
use crate::world::World;
use crate::{PATIENCE, SHARDS, tiny};

fn some_setup(prng: &mut Prng, shards: u16) -> Setup {
    let mut setup = tiny(shards);
    let limits = &mut setup.limits;
    limits.chunk_len = 64 << prng.below(4);
    limits.memory = u64::from(limits.chunk_len) * (2 + prng.below(20));
    limits.read_len = 64 << prng.below(3);
    limits.upload_memory = u64::from(limits.read_len) * (1 + prng.below(5));
    limits.upload_ahead = 64 << prng.below(4);
    limits.leases = 1 + prng.below(6) as u32;
    limits.disk_jobs = 2 + prng.below(3) as u32;
    limits.hash_jobs = 1 + prng.below(3) as u32;
    limits.peers_per_torrent = 2 + prng.below(8) as u32;
    limits.endgame_copies = 1 + prng.below(3) as u8;
    setup
}

fn some_lens(prng: &mut Prng) -> Vec<u64> {
    let mut lens: Vec<u64> = (0..1 + prng.below(4)).map(|_| prng.below(1500)).collect();
    lens.push(1 + prng.below(1500));
    lens
}

/// Leeches of whom each has half see each other complete, and are of no use to each other from then on.
#[test]
fn all_part_when_all_have_everything() {
    for shards in SHARDS {
        let mut world = World::new();
        let (spec, contents) = torrent(9, &[1000], 64, 64);
        let mut keys = Vec::new();
        for bad in 0..2 {
            let disk = Memory::default();
            let mut half = contents.clone();
            half[0].chunks_mut(64).skip(bad).step_by(2).for_each(|piece| piece[0] ^= 1);
            fill(&disk, &spec, &half);
            let node = world.node(tiny(shards), disk);
            let peers = world.nodes.iter().take(node).map(|node| node.addr).collect();
            keys.push(world.add(node, AddTorrent { peers, ..spec.clone() }));
        }
        let done = |world: &mut World| {
            (0..2).all(|node| world.stats(node, keys[node]).state == tide_engine::State::Seeding)
        };
        assert!(world.run(PATIENCE, done), "{shards} shards");
        world.run(Duration::from_secs(1), |_| false);
        assert_eq!([0, 1].map(|node| world.stats(node, keys[node]).peers), [0, 0], "{shards} shards");
        world.shut_down_all();
    }
}

struct Swarm {
    world: World,
    prng: Prng,
    keys: Vec<TorrentKey>,
}

impl Swarm {
    fn all_have_everything(&mut self) -> bool {
        let keys = self.keys.clone();
        keys.iter().enumerate().all(|(node, key)| {
            let stats = self.world.stats(node, *key);
            stats.done == stats.wanted && matches!(stats.state, tide_engine::State::Seeding)
        })
    }

    fn tell(&mut self, node: usize, what: TorrentCommand) {
        let key = self.keys[node];
        let reply = self.world.ask(node, key.shard.0, Command::Torrent(key, what));
        assert!(matches!(reply, Ok(Answer::Ok)), "{reply:?}");
    }

    /// Something happens to somebody.
    fn accident(&mut self) {
        let node = self.prng.index(self.keys.len());
        match self.prng.below(8) {
            0..4 => {
                let ends = self.world.ends(node);
                if !ends.is_empty() {
                    let end = ends[self.prng.index(ends.len())];
                    self.world.cut(end);
                }
            }
            4 => self.tell(node, TorrentCommand::Pause),
            5 => self.tell(node, TorrentCommand::Recheck),
            6 => self.tell(node, TorrentCommand::SetSequential(self.prng.clone().chance(1, 2))),
            _ => self.tell(node, TorrentCommand::Resume),
        }
    }
}

/// One swarm. Every fourth is of sessions with different numbers of shards, the others' take their turns.
fn swarm(seed: u64) {
    let mut prng = Prng::new(seed).split("swarm");
    let mut world = World::new();
    world.gulp = [1 << 20, 7, 100][prng.index(3)];
    world.lazy = prng.chance(2, 3).then(|| prng.split("lazy"));
    let lens = some_lens(&mut prng);
    let piece_len = 64 << prng.below(5);
    let (spec, contents) = torrent(3, &lens, piece_len, 64);
    let nodes = 2 + prng.index(5);
    let disks: Vec<Memory> = (0..nodes).map(|_| Memory::default()).collect();
    fill(&disks[0], &spec, &contents);
    for disk in &disks[1..] {
        if prng.chance(1, 3) {
            fill_some(disk, &spec, &contents, &mut prng);
        }
    }
    for disk in &disks {
        let shards = SHARDS[if seed % 4 == 3 { prng.index(3) } else { (seed % 3) as usize }];
        let setup = some_setup(&mut prng, shards);
        world.node(setup, disk.clone());
    }
    let addrs: Vec<SocketAddr> = world.nodes.iter().map(|node| node.addr).collect();
    let add = |node: usize, world: &mut World| {
        let mut spec = spec.clone();
        spec.peers = addrs.iter().copied().filter(|addr| *addr != addrs[node]).collect();
        world.add(node, spec)
    };
    let keys: Vec<TorrentKey> = (0..nodes).map(|node| add(node, &mut world)).collect();
    let mut swarm = Swarm { world, prng, keys };
    for _ in 0..swarm.prng.below(30) {
        for _ in 0..swarm.prng.below(40) {
            swarm.world.step();
        }
        swarm.accident();
    }
    for node in 0..nodes {
        swarm.tell(node, TorrentCommand::Resume);
    }
    let end = swarm.world.now + PATIENCE * 6;
    while !swarm.all_have_everything() {
        if swarm.world.now > end {
            for node in 0..nodes {
                let key = swarm.keys[node];
                let stats = swarm.world.stats(node, key);
                eprintln!("{node}: {stats:?}");
            }
            panic!("seed {seed}: somebody does not complete");
        }
        for _ in 0..50 {
            swarm.world.step();
        }
    }
    for disk in &disks {
        assert!(holds(disk, &spec, &contents), "seed {seed}");
    }
    swarm.world.shut_down_all();
}

#[test]
fn random_swarms_complete_whatever_happens() {
    for seed in 0..60 {
        swarm(seed);
    }
}
