//! Engines that find each other by the DHT alone, and what the application has of it.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use tide_base::{Duration, InfoHash};
use tide_dht::{Item, NodeId, Wanted};
use tide_disk::{Backing, Memory, VolumeId};
use tide_engine::{
    Answer, Command, CommandError, DhtAnswer, DhtCommand, DhtSetup, DhtStats, Setup, StateFile,
};
use tide_metainfo::HostPort;

use crate::content::{fill, holds, torrent};
use crate::world::World;
use crate::{PATIENCE, SHARDS, setup, tiny};

const ROUTER: &str = "router.example";

fn host(host: &str) -> HostPort {
    HostPort { host: host.to_owned(), port: 6881 }
}

fn with_dht(setup: Setup, routers: &[&str]) -> Setup {
    let state = StateFile { path: PathBuf::from("/state/dht"), volume: VolumeId(0), backing: Backing::File };
    let routers = routers.iter().map(|name| host(name)).collect();
    Setup { dht: Some(DhtSetup { routers, state: Some(state), ..DhtSetup::default() }), ..setup }
}

/// A world in which the first node has a name.
fn world() -> World {
    let mut world = World::new();
    world.names.insert(ROUTER.to_owned(), (vec![IpAddr::from([10, 0, 0, 1])], 0));
    world
}

/// So many nodes of the DHT.
fn overlay(world: &mut World, shards: u16, count: usize) -> Vec<usize> {
    (0..count).map(|_| world.node(with_dht(tiny(shards), &[ROUTER]), Memory::default())).collect()
}

fn stats(world: &mut World, node: usize) -> DhtStats {
    match world.ask(node, 0, Command::Dht(DhtCommand::Stats)) {
        Ok(Answer::Dht(DhtAnswer::Stats(stats))) => *stats,
        other => panic!("no figures: {other:?}"),
    }
}

fn query(world: &mut World, node: usize, what: DhtCommand) -> Result<DhtAnswer, CommandError> {
    match world.ask(node, 0, Command::Dht(what)) {
        Ok(Answer::Dht(answer)) => Ok(answer),
        Ok(other) => panic!("another answer: {other:?}"),
        Err(error) => Err(error),
    }
}

#[test]
fn a_swarm_without_trackers_finds_itself_by_the_dht_alone() {
    for shards in SHARDS {
        let mut world = world();
        let (spec, contents) = torrent(3, &[1000, 3000], 192, 64);
        let disks: Vec<Memory> = (0..3).map(|_| Memory::default()).collect();
        fill(&disks[0], &spec, &contents);
        overlay(&mut world, shards, 5);
        let nodes: Vec<usize> =
            disks.iter().map(|disk| world.node(with_dht(tiny(shards), &[ROUTER]), disk.clone())).collect();
        let keys: Vec<_> = nodes.iter().map(|&node| world.add(node, spec.clone())).collect();
        let all = |world: &mut World| (0..3).all(|i| world.has_completed(nodes[i], keys[i]));
        assert!(world.run(PATIENCE, all), "{shards} shards");
        assert!(disks.iter().all(|disk| holds(disk, &spec, &contents)), "{shards} shards");
        let known = stats(&mut world, nodes[0]);
        assert!(known.joined && known.nodes >= 5 && known.torrents == 1, "{known:?}");
        world.shut_down_all();
    }
}

#[test]
fn a_private_torrent_is_not_told_to_anybody() {
    for shards in SHARDS {
        let mut world = world();
        world.datagrams = Some(Vec::new());
        let (mut public, contents) = torrent(3, &[1000, 3000], 192, 64);
        let (mut private, secret) = torrent(0x5a, &[1000], 192, 64);
        private.private = true;
        private.nodes = vec![host("10.0.0.77")];
        let disks = [Memory::default(), Memory::default()];
        fill(&disks[0], &public, &contents);
        fill(&disks[0], &private, &secret);
        overlay(&mut world, shards, 3);
        let nodes = disks.map(|disk| world.node(with_dht(tiny(shards), &[ROUTER]), disk));
        world.add(nodes[0], public.clone());
        let first = world.add(nodes[0], private.clone());
        private.peers = vec![world.nodes[nodes[0]].addr];
        let second = world.add(nodes[1], private.clone());
        assert!(world.run(PATIENCE, |world| world.has_completed(nodes[1], second)), "peers are enough");
        public.store = tide_disk::StoreKey(77);
        world.add(nodes[1], public);
        world.run(Duration::from_secs(3600), |_| false);
        let told = world.datagrams.take().expect("they are kept");
        let names =
            |hash: u8| told.iter().filter(move |(.., data)| data.windows(20).any(|part| part == [hash; 20]));
        assert_eq!(names(0x5a).count(), 0, "{shards} shards");
        assert!(names(3).count() > 10, "the other one is");
        assert!(told.iter().all(|(_, to, _)| to.ip() != IpAddr::from([10, 0, 0, 77])));
        assert_eq!(stats(&mut world, nodes[0]).torrents, 1);
        // Nor is it announced when nothing else is.
        let before = world.stats(nodes[0], first);
        assert_eq!(before.peers, 0, "seeds part");
        world.shut_down_all();
    }
}

#[test]
fn peers_tell_each_other_where_their_nodes_are() {
    for shards in SHARDS {
        let mut world = World::new();
        let (spec, contents) = torrent(3, &[9000], 192, 64);
        let disks = [Memory::default(), Memory::default()];
        fill(&disks[0], &spec, &contents);
        let nodes = disks.map(|disk| world.node(with_dht(tiny(shards), &[]), disk));
        world.add(nodes[0], spec.clone());
        let mut wanted = spec.clone();
        wanted.peers = vec![world.nodes[nodes[0]].addr];
        let key = world.add(nodes[1], wanted);
        assert!(world.run(PATIENCE, |world| world.has_completed(nodes[1], key)));
        world.run(Duration::from_secs(120), |_| false);
        for node in nodes {
            let known = stats(&mut world, node);
            assert!(known.nodes == 1 && known.joined, "{shards} shards: {known:?}");
        }
        // Now whoever asks one of them learns of the other.
        let hash = spec.info_hashes.v1.expect("a v1 torrent");
        let answer = query(&mut world, nodes[1], DhtCommand::GetPeers(hash));
        let Ok(DhtAnswer::Peers { peers, .. }) = answer else { panic!("{answer:?}") };
        assert!(peers.contains(&world.nodes[nodes[0]].addr), "{peers:?}");
        world.shut_down_all();
    }
}

#[test]
fn what_was_known_is_known_after_a_restart_without_any_router() {
    for shards in SHARDS {
        let mut world = world();
        let nodes = overlay(&mut world, shards, 6);
        // All began at once and knew nobody; small tables are filled again after five minutes.
        world.run(Duration::from_secs(400), |_| false);
        let last = nodes[5];
        assert!(stats(&mut world, last).nodes >= 4);
        world.shut_down(last);
        let routers = |world: &mut World| world.nodes[last].setup = with_dht(tiny(shards), &[]);
        routers(&mut world);
        world.crash(last);
        assert!(world.run(PATIENCE, |world| stats(world, last).joined), "{shards} shards");
        assert!(stats(&mut world, last).nodes >= 4);
        // After a crash there is what was saved last, which happens by itself.
        world.run(Duration::from_secs(400), |_| false);
        world.crash(last);
        assert!(world.run(PATIENCE, |world| stats(world, last).nodes >= 4), "{shards} shards");
        world.shut_down_all();
    }
}

#[test]
fn the_application_stores_and_gets_what_it_likes() {
    let mut world = world();
    let nodes = overlay(&mut world, 2, 12);
    let item = Item::immutable(b"12:Hello World!").expect("a value");
    let target = item.target();
    // Nobody has joined: the first query waits for that.
    let put = query(&mut world, nodes[3], DhtCommand::Put { item: Box::new(item.clone()), cas: None });
    let Ok(DhtAnswer::Stored { nodes: stored, refused: None }) = put else { panic!("{put:?}") };
    assert!(stored >= 1, "{stored}");
    world.run(Duration::from_secs(60), |_| false);
    let put = query(&mut world, nodes[3], DhtCommand::Put { item: Box::new(item.clone()), cas: None });
    assert!(matches!(put, Ok(DhtAnswer::Stored { nodes: 8, refused: None })), "{put:?}");
    let got = query(&mut world, nodes[9], DhtCommand::Get(Wanted::Immutable(target)));
    assert_eq!(got, Ok(DhtAnswer::Item(Some(Box::new(item)))));
    let got = query(&mut world, nodes[9], DhtCommand::Get(Wanted::Immutable(NodeId([9; 20]))));
    assert_eq!(got, Ok(DhtAnswer::Item(None)));

    let info_hash = InfoHash([0x77; 20]);
    let told = query(&mut world, nodes[2], DhtCommand::Announce { info_hash, port: Some(7777) });
    assert_eq!(told, Ok(DhtAnswer::Peers { peers: Vec::new(), announced: 8 }));
    let told = query(&mut world, nodes[4], DhtCommand::Announce { info_hash, port: None });
    let (first, second) = (SocketAddr::from(([10, 0, 0, 3], 7777)), SocketAddr::from(([10, 0, 0, 5], 6881)));
    assert_eq!(told, Ok(DhtAnswer::Peers { peers: vec![first], announced: 8 }));
    let Ok(DhtAnswer::Peers { mut peers, announced: 0 }) =
        query(&mut world, nodes[7], DhtCommand::GetPeers(info_hash))
    else {
        panic!("peers")
    };
    peers.sort_unstable();
    assert_eq!(peers, [first, second]);
    world.shut_down_all();
}

#[test]
fn queries_that_nobody_can_answer_end_with_a_reason() {
    let mut world = World::new();
    let alone = world.node(with_dht(setup(1), &["nowhere.example"]), Memory::default());
    let without = world.node(setup(1), Memory::default());
    let hash = InfoHash([1; 20]);
    assert_eq!(query(&mut world, without, DhtCommand::GetPeers(hash)), Err(CommandError::NoDht));
    let began = world.now;
    assert_eq!(query(&mut world, alone, DhtCommand::GetPeers(hash)), Err(CommandError::NoNodes));
    assert_eq!(world.now.since(began), Duration::from_secs(60));
    // So many wait, and all are answered when the session ends.
    let ids: Vec<_> =
        (0..64).map(|_| world.send(alone, 0, Command::Dht(DhtCommand::GetPeers(hash)))).collect();
    assert!(matches!(query(&mut world, alone, DhtCommand::GetPeers(hash)), Err(CommandError::Full(_))));
    world.shut_down(alone);
    assert!(ids.iter().all(|id| matches!(world.reply(alone, *id), Some(Err(CommandError::Ending)))));
    // The name is looked up again, later and later.
    let asked = world.names["nowhere.example"].1;
    assert!((2..=3).contains(&asked), "{asked}");
    world.shut_down_all();
}

#[test]
fn a_torrent_knows_ways_in() {
    let mut world = World::new();
    world.names.insert("node.example".to_owned(), (vec![IpAddr::from([10, 0, 0, 1])], 0));
    let first = world.node(with_dht(tiny(2), &[]), Memory::default());
    let (mut spec, _) = torrent(3, &[1000], 192, 64);
    spec.nodes = vec![host("node.example"), host("gone.example"), host("10.0.0.99")];
    let disk = Memory::default();
    let second = world.node(with_dht(tiny(2), &[]), disk);
    let key = world.add(second, spec);
    assert!(world.run(PATIENCE, |world| stats(world, second).nodes == 1));
    assert!(world.run(PATIENCE, |world| stats(world, first).nodes == 1), "and the other way round");
    assert_eq!(world.names["gone.example"].1, 1);
    let paused = Command::Torrent(key, tide_engine::TorrentCommand::Pause);
    world.ask(second, key.shard.0, paused).expect("it is known");
    world.run(Duration::from_secs(1), |_| false);
    assert_eq!(stats(&mut world, second).torrents, 0, "what waits is not announced");
    world.shut_down_all();
}

/// What ARCHITECTURE.md promises.
const WAKES_A_MINUTE: usize = 30;

#[test]
fn an_idle_session_wakes_seldom() {
    let mut world = world();
    let nodes = overlay(&mut world, 1, 24);
    world.run(Duration::from_secs(1800), |_| false);
    // A third of them goes without a word: who is asked and silent costs deadlines.
    for &node in &nodes[16..] {
        world.nodes[node].finished = 1;
    }
    let (hour, before) =
        (Duration::from_secs(3600), world.nodes.iter().map(|node| node.wakes).collect::<Vec<_>>());
    world.run(hour, |_| false);
    for &node in &nodes[..16] {
        let wakes = world.nodes[node].wakes - before[node];
        assert!(wakes <= WAKES_A_MINUTE * 60, "node {node}: {wakes} in an hour");
        assert!(wakes >= 60, "it looks after its table each minute");
    }
    world.nodes.truncate(16);
    world.shut_down_all();
}
