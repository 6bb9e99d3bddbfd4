//! Upload slots are the session's: never more peers are served than there are slots, whichever shards they are on, and
//! no torrent that somebody wants something of waits for ever.

use std::net::{IpAddr, SocketAddr};

use tide_base::{Duration, Instant, Prng};
use tide_disk::Memory;
use tide_engine::{AddTorrent, Command, Content, TorrentCommand, TorrentKey};

use crate::content::{fill, torrent};
use crate::world::{End, World};
use crate::{PATIENCE, SHARDS, tiny};

/// Somebody who wants everything and asks for nothing.
struct Taker {
    end: End,
    torrent: usize,
    heard: Vec<u8>,
    served: bool,
}

impl Taker {
    fn meet(world: &mut World, spec: &AddTorrent, torrent: usize, number: u8) -> Taker {
        let addr = SocketAddr::new(IpAddr::from([10, 0, 9, number]), 7000);
        let end = world.stranger(0, addr).expect("there is room");
        let mut bytes = vec![19];
        bytes.extend(b"BitTorrent protocol");
        bytes.extend([0; 8]);
        bytes.extend(spec.info_hashes.v1.expect("a v1 torrent").0);
        bytes.extend([number; 20]);
        // Interested.
        bytes.extend([0, 0, 0, 1, 2]);
        world.say(end, &bytes);
        Taker { end, torrent, heard: Vec::new(), served: false }
    }

    /// Takes note of what it is told.
    fn hear(&mut self, world: &mut World) {
        let Some(bytes) = world.hear(self.end) else {
            self.served = false;
            return;
        };
        self.heard.extend(bytes);
        let mut at = 68;
        while let Some(len) = self.heard.get(at..at + 4) {
            let len = u32::from_be_bytes(len.try_into().expect("four bytes")) as usize;
            match (len, self.heard.get(at + 4)) {
                (1, Some(0)) => self.served = false,
                (1, Some(1)) => self.served = true,
                _ => {}
            }
            if self.heard.len() < at + 4 + len {
                break;
            }
            at += 4 + len;
        }
    }
}

struct Scene {
    world: World,
    specs: Vec<AddTorrent>,
    keys: Vec<TorrentKey>,
    takers: Vec<Taker>,
    slots: usize,
    /// When each torrent served somebody last.
    served: Vec<Instant>,
    spoke: Instant,
}

/// A session that has so many torrents as there are numbers, and for each torrent so many who want it.
fn scene(shards: u16, slots: u32, takers: &[u8]) -> Scene {
    let _ = env_logger::builder().is_test(true).try_init();
    let mut world = World::new();
    let disk = Memory::default();
    let mut setup = tiny(shards);
    setup.limits.upload_slots = slots;
    world.node(setup, disk.clone());
    let (mut specs, mut keys) = (Vec::new(), Vec::new());
    for seed in 1..=takers.len() as u8 {
        let (spec, contents) = torrent(seed, &[700], 256, 64);
        fill(&disk, &spec, &contents);
        keys.push(world.add(0, spec.clone()));
        specs.push(spec);
    }
    let all = |world: &mut World| keys.iter().all(|&key| world.has_completed(0, key));
    assert!(world.run(PATIENCE, all));
    world.run(Duration::from_secs(1), |_| false);
    let (served, spoke) = (vec![world.now; keys.len()], world.now);
    let mut scene = Scene { world, specs, keys, takers: Vec::new(), slots: slots as usize, served, spoke };
    for (torrent, &count) in takers.iter().enumerate() {
        for _ in 0..count {
            scene.meet(torrent);
        }
    }
    scene
}

impl Scene {
    fn meet(&mut self, torrent: usize) {
        let number = self.takers.len() as u8 + 1;
        let taker = Taker::meet(&mut self.world, &self.specs[torrent], torrent, number);
        self.takers.push(taker);
        self.step();
    }

    /// One turn for everybody; how many are served.
    fn step(&mut self) -> usize {
        self.world.step();
        let now = self.world.now;
        if now >= self.spoke + Duration::from_secs(30) {
            self.spoke = now;
            for taker in &self.takers {
                self.world.say(taker.end, &[0; 4]);
            }
        }
        for taker in &mut self.takers {
            taker.hear(&mut self.world);
            if taker.served {
                self.served[taker.torrent] = now;
            }
        }
        let served = self.takers.iter().filter(|taker| taker.served).count();
        assert!(served <= self.slots, "{served} are served at {now:?}");
        served
    }

    /// Lets time pass; no torrent may wait longer than `patience`. Whether all slots were in use most of the time.
    fn pass(&mut self, span: Duration, patience: Duration) -> bool {
        let end = self.world.now + span;
        let (mut used, mut all) = (0, 0);
        while self.world.now < end {
            let before = self.world.now;
            let served = self.step() as u64;
            let took = self.world.now.since(before).as_millis() as u64;
            (used, all) = (used + served * took, all + self.slots as u64 * took);
            for (torrent, &at) in self.served.iter().enumerate() {
                let waits = self.world.now.since(at);
                assert!(
                    waits <= patience,
                    "{} shards: torrent {torrent} waits for {waits:?}: {:?}",
                    self.world.nodes[0].shards.len(),
                    self.served
                );
            }
        }
        used * 10 >= all * 9
    }

    fn tell(&mut self, torrent: usize, what: TorrentCommand) {
        let key = self.keys[torrent];
        self.world.ask(0, key.shard.0, Command::Torrent(key, what)).expect("it is known");
    }
}

#[test]
fn where_slots_are_fewer_than_torrents_these_take_turns() {
    for shards in SHARDS {
        for (slots, takers) in [(1, &[1, 1, 1][..]), (2, &[1, 9, 3, 2, 1]), (3, &[20, 1, 1, 5, 1, 1, 1])] {
            let mut scene = scene(shards, slots, takers);
            let turns = takers.len().div_ceil(slots as usize) as u32;
            // A turn takes a minute, until the next round after that; and one goes by while others make room.
            let patience = Duration::from_secs(70) * (turns + 1);
            let busy = scene.pass(Duration::from_secs(1800), patience);
            assert!(busy, "{shards} shards: {slots} slots lie about");
            scene.world.shut_down_all();
        }
    }
}

#[test]
fn a_torrent_with_all_slots_makes_room_for_one_that_comes_later() {
    for shards in SHARDS {
        let mut scene = scene(shards, 8, &[30, 0]);
        scene.served[1] = Instant::NEVER;
        scene.pass(Duration::from_secs(5), Duration::from_secs(30));
        assert_eq!(scene.step(), 8, "{shards} shards: all are the first's");
        for _ in 0..30 {
            scene.meet(1);
        }
        let came = scene.world.now;
        scene.served[1] = came;
        scene.pass(Duration::from_secs(120), Duration::from_secs(60));
        let second = scene.takers.iter().filter(|taker| taker.served && taker.torrent == 1).count();
        assert!(second >= 2, "{shards} shards: {second} of eight are the second's after two minutes");
        scene.world.shut_down_all();
    }
}

#[test]
fn slots_come_back_from_whoever_leaves_pauses_or_is_removed() {
    for (shards, seed) in SHARDS.into_iter().flat_map(|shards| [(shards, 1), (shards, 2), (shards, 3)]) {
        let mut prng = Prng::new(seed);
        let mut scene = scene(shards, 4, &[6, 6, 6, 6]);
        for _ in 0..60 {
            for _ in 0..prng.below(40) {
                scene.step();
            }
            let torrent = prng.index(3);
            match prng.below(5) {
                0 => scene.tell(torrent, TorrentCommand::Pause),
                1 => scene.tell(torrent, TorrentCommand::Recheck),
                2 => scene.tell(torrent, TorrentCommand::Resume),
                _ => {
                    let mine = scene.takers.iter().position(|taker| taker.torrent == torrent && taker.served);
                    let Some(at) = mine else { continue };
                    scene.world.cut(scene.takers[at].end);
                    scene.takers[at].served = false;
                }
            }
        }
        for torrent in 0..3 {
            scene.tell(torrent, TorrentCommand::Remove(Content::Keep));
        }
        // The last one has nobody to share with any more.
        scene.served = vec![Instant::NEVER, Instant::NEVER, Instant::NEVER, scene.world.now];
        scene.pass(Duration::from_secs(60), Duration::from_secs(60));
        let last = scene.takers.iter().filter(|taker| taker.served && taker.torrent == 3).count();
        assert!(last >= 2, "{shards} shards: {last}");
        scene.world.shut_down_all();
    }
}
