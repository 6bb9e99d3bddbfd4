//! Peers who ask for everything and read hardly anything: what was read for them and waits is the session's memory for
//! uploads, and others want to be served, too.

use std::net::{IpAddr, SocketAddr};

use tide_base::{Duration, Instant};
use tide_disk::Memory;
use tide_engine::{AddTorrent, Setup, TorrentKey};

use crate::content::{fill, holds, torrent};
use crate::world::{End, World};
use crate::{PATIENCE, SHARDS, tiny};

/// Bytes of the torrent that everybody wants.
const CONTENT: u64 = 16_000;
const PIECE: u32 = 256;

/// Room for eight who have as much waiting as one may, as by default there is for thirty-two.
fn small(shards: u16) -> Setup {
    let mut setup = tiny(shards);
    setup.limits.upload_memory = 4096;
    setup.limits.upload_ahead = 512;
    setup.limits.peer.serves = 300;
    setup
}

/// Somebody who asks for all there is as soon as he is served, and reads as his socket is told.
struct Greedy {
    end: End,
    asked: bool,
    gone: bool,
}

impl Greedy {
    fn meet(world: &mut World, spec: &AddTorrent, number: u8) -> Greedy {
        let addr = SocketAddr::new(IpAddr::from([10, 0, 9, number]), 7000);
        let end = world.stranger(0, addr).expect("there is room");
        world.narrow.insert(end, 300);
        let mut bytes = vec![19];
        bytes.extend(b"BitTorrent protocol");
        bytes.extend([0; 8]);
        bytes.extend(spec.info_hashes.v1.expect("a v1 torrent").0);
        bytes.extend([number; 20]);
        bytes.extend([0, 0, 0, 1, 2]);
        world.say(end, &bytes);
        Greedy { end, asked: false, gone: false }
    }

    /// Asks for everything once he is unchoked, and says that he is there.
    fn act(&mut self, world: &mut World) {
        let Some(heard) = world.hear(self.end) else {
            self.gone = true;
            return;
        };
        if !self.asked && heard.windows(5).any(|part| part == [0, 0, 0, 1, 1]) {
            self.asked = true;
            for block in 0..250_u32 {
                let (piece, offset) = (block / 4, block % 4 * 64);
                world.say(self.end, &[0, 0, 0, 13, 6]);
                for number in [piece, offset, 64] {
                    world.say(self.end, &number.to_be_bytes());
                }
            }
        }
    }
}

struct Scene {
    world: World,
    greedy: Vec<Greedy>,
    spec: AddTorrent,
    contents: Vec<Vec<u8>>,
    seed: TorrentKey,
    secs: u64,
}

/// A seed, and so many who are greedy.
fn scene(shards: u16, greedy: u8) -> Scene {
    let _ = env_logger::builder().is_test(true).try_init();
    let mut world = World::new();
    let (spec, contents) = torrent(3, &[CONTENT], PIECE, 64);
    let disk = Memory::default();
    fill(&disk, &spec, &contents);
    world.node(small(shards), disk);
    let seed = world.add(0, spec.clone());
    assert!(world.run(PATIENCE, |world| world.has_completed(0, seed)));
    let greedy = (1..=greedy).map(|number| Greedy::meet(&mut world, &spec, number)).collect();
    Scene { world, greedy, spec, contents, seed, secs: 0 }
}

impl Scene {
    /// Each of them takes so many bytes every second, or one now and then, which is no silence; whether all of them still
    /// are there.
    fn pass(&mut self, secs: u64, bytes: usize) -> bool {
        for _ in 0..secs {
            self.world.alarm = self.world.now + Duration::from_secs(1);
            while self.world.now < self.world.alarm {
                self.world.step();
            }
            self.world.alarm = Instant::NEVER;
            self.secs += 1;
            for greedy in &mut self.greedy {
                greedy.act(&mut self.world);
                if self.secs.is_multiple_of(60) {
                    self.world.say(greedy.end, &[0; 4]);
                }
                let bytes = if bytes == 0 { usize::from(self.secs.is_multiple_of(10)) } else { bytes };
                self.world.take_in(greedy.end, bytes);
            }
        }
        self.greedy.iter().all(|greedy| !greedy.gone)
    }

    /// Somebody comes who reads what he asks for: how long he takes, if he gets all of it within so many seconds.
    fn honest(&mut self, secs: u64, bytes: usize) -> Option<u64> {
        let disk = Memory::default();
        let leech = self.world.node(tiny(1), disk.clone());
        let mut wanted = self.spec.clone();
        wanted.peers = vec![self.world.nodes[0].addr];
        let key = self.world.add(leech, wanted);
        let took = (0..secs).find(|_| {
            self.pass(1, bytes);
            self.world.has_completed(leech, key)
        });
        assert!(took.is_none() || holds(&disk, &self.spec, &self.contents));
        took
    }
}

#[test]
fn who_is_served_and_stops_reading_does_not_keep_the_memory_that_others_wait_for() {
    for shards in SHARDS {
        let mut scene = scene(shards, 12);
        // All of them read well at first.
        scene.pass(5, 200);
        scene.pass(30, 0);
        let took = scene.honest(300, 0);
        assert!(took.is_some(), "{shards} shards: nobody else is served");
        let stats = scene.world.stats(0, scene.seed);
        assert!(stats.uploaded >= CONTENT, "{stats:?}");
        scene.world.shut_down_all();
    }
}

#[test]
fn who_reads_slowly_has_little_waiting_and_stays() {
    for shards in SHARDS {
        let mut scene = scene(shards, 12);
        assert!(scene.pass(30, 20), "{shards} shards");
        let took = scene.honest(30, 20);
        assert!(took.is_some(), "{shards} shards: whoever reads fast waits for the slow");
        assert!(scene.greedy.iter().all(|greedy| !greedy.gone), "{shards} shards: nobody has to go for it");
        scene.world.shut_down_all();
    }
}
