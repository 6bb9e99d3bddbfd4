//! A tracker in the world: who knows nobody finds peers through it, and it hears what it must.

use std::net::SocketAddr;

use tide_base::{Duration, Instant, Prng};
use tide_disk::Memory;
use tide_tracker::limits::ServerLimits;
use tide_tracker::server::{Registry, UdpServer};

use crate::content::{fill, holds, torrent};
use crate::world::World;
use crate::{PATIENCE, SHARDS, tiny};

/// A tracker that is asked by datagram.
pub(crate) struct Tracker {
    at: SocketAddr,
    registry: Registry,
    server: UdpServer,
    /// Whether it answers nobody.
    hangs: bool,
    /// Announces: from where, downloaded, left, uploaded, and the number of the event (BEP 15).
    heard: Vec<(SocketAddr, [u64; 3], u32)>,
    /// The port that was told last.
    pub(crate) port: u16,
}

impl Tracker {
    pub(crate) fn new(at: SocketAddr) -> Tracker {
        let registry = Registry::new(ServerLimits::default(), Prng::new(1));
        Tracker { at, registry, server: UdpServer::new([7; 16]), hangs: false, heard: Vec::new(), port: 0 }
    }

    /// What it answers to a datagram.
    pub(crate) fn answer(
        &mut self,
        now: Instant,
        from: SocketAddr,
        to: SocketAddr,
        data: &[u8],
    ) -> Option<Vec<u8>> {
        assert_eq!(to, self.at, "there is one tracker");
        if self.hangs {
            return None;
        }
        if data.len() >= 98 {
            let number = |i: usize| u64::from_be_bytes(data[i..i + 8].try_into().expect("eight bytes"));
            let event = u32::from_be_bytes(data[80..84].try_into().expect("four bytes"));
            self.port = u16::from_be_bytes([data[96], data[97]]);
            self.heard.push((from, [number(56), number(64), number(72)], event));
        }
        let mut answer = Vec::new();
        self.server.answer(&mut self.registry, now, from, data, &mut answer).then_some(answer)
    }

    /// How often somebody announced something.
    pub(crate) fn announces(&self) -> usize {
        self.heard.len()
    }

    fn events(&self, of: SocketAddr) -> Vec<u32> {
        self.heard
            .iter()
            .filter(|(from, ..)| *from == of)
            .map(|(.., event)| *event)
            .filter(|e| *e > 0)
            .collect()
    }
}

const COMPLETED: u32 = 1;
const STARTED: u32 = 2;
const STOPPED: u32 = 3;

#[test]
fn peers_found_by_the_tracker_alone_complete_and_it_hears_of_it() {
    for shards in SHARDS {
        let mut world = World::new();
        world.tracker = Some(Tracker::new(SocketAddr::from(([10, 0, 8, 1], 6969))));
        let (mut spec, contents) = torrent(3, &[700, 2500], 256, 64);
        spec.own_trackers = vec![vec!["udp://10.0.8.1:6969/announce".to_owned()]];
        let disks = [Memory::default(), Memory::default(), Memory::default()];
        fill(&disks[0], &spec, &contents);
        let nodes = disks.clone().map(|disk| world.node(tiny(shards), disk));
        let keys = nodes.map(|node| world.add(node, spec.clone()));
        let all = |world: &mut World| nodes.iter().all(|&node| world.has_completed(node, keys[node]));
        assert!(world.run(PATIENCE * 6, all), "{shards}: {:?}", world.stats(1, keys[1]));
        assert!(disks.iter().all(|disk| holds(disk, &spec, &contents)));
        world.run(Duration::from_secs(5), |_| false);
        let addrs = nodes.map(|node| world.nodes[node].addr);
        world.shut_down_all();
        let tracker = world.tracker.take().expect("there is a tracker");
        assert_eq!(tracker.events(addrs[0]), [STARTED, STOPPED], "{shards} shards");
        for addr in &addrs[1..] {
            let events = tracker.events(*addr);
            assert_eq!(events, [STARTED, COMPLETED, STOPPED], "{shards} shards");
            let mine: Vec<_> = tracker.heard.iter().filter(|(from, ..)| from == addr).collect();
            assert_eq!(mine[0].1, [0, 3200, 0], "{shards} shards");
            let last = mine.last().expect("it announced").1;
            assert_eq!((last[0], last[1]), (3200, 0), "{shards} shards");
        }
    }
}

#[test]
fn a_tracker_that_hangs_does_not_keep_a_session_from_ending() {
    for shards in SHARDS {
        let mut world = World::new();
        let mut tracker = Tracker::new(SocketAddr::from(([10, 0, 8, 1], 6969)));
        tracker.hangs = true;
        world.tracker = Some(tracker);
        let (mut spec, contents) = torrent(3, &[700, 2500], 256, 64);
        spec.own_trackers = vec![vec!["udp://10.0.8.1:6969/announce".to_owned()]];
        let disk = Memory::default();
        fill(&disk, &spec, &contents);
        let node = world.node(tiny(shards), disk);
        let key = world.add(node, spec);
        assert!(world.run(PATIENCE, |world| world.has_completed(node, key)));
        world.run(Duration::from_secs(3), |_| false);
        let began = world.now;
        world.shut_down(node);
        assert!(world.now.since(began) < Duration::from_secs(30), "it took {:?}", world.now.since(began));
    }
}

/// BEP 21: partial seeds count as *incomplete*; BEP 3: `completed` "is sent when the download is complete". Who took one file
/// of three has not become a seed, and libtorrent and Transmission go on telling what the torrent lacks.
#[test]
fn who_fetched_a_part_is_no_seed_to_its_tracker() {
    let mut world = World::new();
    world.tracker = Some(Tracker::new(SocketAddr::from(([10, 0, 8, 1], 6969))));
    let (mut spec, contents) = torrent(3, &[1000, 1000, 1000], 192, 64);
    spec.own_trackers = vec![vec!["udp://10.0.8.1:6969/announce".to_owned()]];
    let (seeds, disk) = (Memory::default(), Memory::default());
    fill(&seeds, &spec, &contents);
    let from = world.node(tiny(1), seeds);
    world.add(from, spec.clone());
    let leech = world.node(tiny(1), disk);
    spec.priorities = Some(vec![0, 7, 0]);
    let key = world.add(leech, spec);
    assert!(world.run(PATIENCE * 6, |world| world.has_completed(leech, key)));
    assert_eq!(world.stats(leech, key).pieces_done, 6);
    world.run(Duration::from_secs(5), |_| false);
    let addr = world.nodes[leech].addr;
    world.shut_down_all();
    let tracker = world.tracker.take().expect("there is a tracker");
    let last = tracker.heard.iter().rfind(|(of, ..)| *of == addr).expect("it announced").1;
    assert_eq!((tracker.events(addr), last[1]), (vec![STARTED, STOPPED], 3000 - 6 * 192));
}

/// `uploaded` and `downloaded` are "since `started`" (as `Announce` says, and as libtorrent and Transmission count): a tracker
/// adds up what each session tells. Who began with what it had long told would be credited with it again, or thrown out.
#[test]
fn what_was_told_before_started_is_not_told_again() {
    let mut world = World::new();
    world.tracker = Some(Tracker::new(SocketAddr::from(([10, 0, 8, 1], 6969))));
    let (mut spec, contents) = torrent(3, &[700, 2500], 256, 64);
    spec.own_trackers = vec![vec!["udp://10.0.8.1:6969/announce".to_owned()]];
    let (seeds, disk) = (Memory::default(), Memory::default());
    fill(&seeds, &spec, &contents);
    let nodes = [world.node(tiny(1), seeds), world.node(tiny(1), disk)];
    let keys = nodes.map(|node| world.add(node, spec.clone()));
    assert!(world.run(PATIENCE * 6, |world| world.has_completed(1, keys[1])));
    world.run(Duration::from_secs(5), |_| false);
    for what in [tide_engine::TorrentCommand::Pause, tide_engine::TorrentCommand::Resume] {
        let reply = world.ask(1, keys[1].shard.0, tide_engine::Command::Torrent(keys[1], what));
        assert!(reply.is_ok(), "{reply:?}");
        world.run(Duration::from_secs(30), |_| false);
    }
    let addr = world.nodes[1].addr;
    world.shut_down_all();
    let tracker = world.tracker.take().expect("there is a tracker");
    let began = tracker.heard.iter().filter(|(of, _, event)| *of == addr && *event == STARTED);
    let told: Vec<u64> = began.map(|(_, [downloaded, ..], _)| *downloaded).collect();
    assert_eq!(told, [0, 0]);
}
