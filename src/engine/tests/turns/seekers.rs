//! What may happen to a torrent by a link at the worst moment, and links that mean no good.

use tide_base::{Duration, InfoHash, InfoHashes};
use tide_disk::{Memory, TroubleKind};
use tide_engine::survey::Stock;
use tide_engine::torrent::book::Sources;
use tide_engine::{
    AddTorrent, Answer, Command, CommandError, Content, DhtSetup, Happening, Metadata, Setup, State, Then,
    TorrentCommand, TorrentKey,
};

use crate::content::{fill, genuine, holds, metadata_of, resume_on, sought, torrent};
use crate::metadata::{LEECH, SEED, Scene, small};
use crate::world::World;
use crate::{PATIENCE, SHARDS};

/// A torrent that is private, and a seed that gives its metadata away all the same.
fn private_by_surprise(setup: &Setup) -> Scene {
    let (mut spec, contents) = torrent(7, &[700], 192, 64);
    spec.private = true;
    let mut spec = genuine(spec);
    spec.private = false;
    Scene::new(setup, spec, contents)
}

/// Runs until a node has been told the metadata.
fn learns(world: &mut World, node: usize) -> bool {
    let told = |world: &mut World| {
        world.nodes[node].events.iter().any(|event| matches!(event.what, Happening::Metadata { .. }))
    };
    world.run(PATIENCE, told)
}

/// Between the metadata and the torrent that it describes a disk may take as long as it likes.
#[test]
fn a_torrent_that_turns_out_to_be_private_tells_nobody_of_anybody_at_once() {
    for shards in SHARDS {
        let mut scene = private_by_surprise(&small(shards));
        let key = scene.seek(sought(&scene.spec));
        assert!(learns(&mut scene.world, LEECH));
        scene.world.nodes[LEECH].hangs = true;
        let third = scene.world.node(small(shards), Memory::default());
        let peers = vec![scene.world.nodes[LEECH].addr];
        let next = scene.world.add(third, AddTorrent { peers, ..sought(&scene.spec) });
        assert!(scene.world.run(PATIENCE, |world| world.stats(third, next).peers > 0), "they meet");
        assert_eq!(scene.world.stats(LEECH, key).peers, 2);
        scene.world.run(Duration::from_secs(30), |_| false);
        let torrents = scene.world.nodes[third].shards.iter().flat_map(|shard| shard.survey().torrents);
        let mut book = torrents.flat_map(|torrent| torrent.book);
        assert!(!book.any(|entry| entry.sources.any_of(Sources::PEX)), "{shards} shards");
        scene.world.nodes[LEECH].hangs = false;
        assert!(scene.completes(key));
        scene.end();
    }
}

/// Whoever was found in a way that private torrents have not is not met any more, also not by a call that is under way.
#[test]
fn strangers_that_are_being_dialled_are_given_up() {
    for shards in SHARDS {
        let local = || Setup { local: Some(tide_local::limits::Limits::default()), ..small(shards) };
        let mut scene = private_by_surprise(&small(shards));
        // A neighbour is heard of, and cannot be reached at first, nor reach us.
        scene.world.nodes[LEECH].setup = local();
        scene.world.crash(LEECH);
        let neighbour = scene.world.node(local(), Memory::default());
        let (here, there) = (scene.world.nodes[LEECH].addr, scene.world.nodes[neighbour].addr);
        scene.world.deaf = vec![here, there];
        let key = scene.world.add(LEECH, sought(&scene.spec));
        let theirs =
            scene.world.add(neighbour, AddTorrent { metadata: Metadata::Withheld, ..scene.spec.clone() });
        let dialled = |world: &mut World| {
            let shards = world.nodes[LEECH].shards.iter();
            let mut conns = shards.flat_map(|shard| shard.survey().desk.conns);
            conns.any(|conn| conn.addr == there)
        };
        assert!(scene.world.run(PATIENCE, dialled), "{shards} shards");
        let seed = scene.world.nodes[SEED].addr;
        scene.tell(key, TorrentCommand::AddPeers(vec![seed])).expect("it is told");
        assert!(learns(&mut scene.world, LEECH));
        scene.world.nodes[LEECH].hangs = true;
        assert!(!dialled(&mut scene.world), "{shards} shards");
        scene.world.deaf = vec![here];
        assert!(!scene.world.run(Duration::from_secs(20), dialled), "{shards} shards");
        assert_eq!(scene.world.stats(neighbour, theirs).peers, 0);
        scene.world.nodes[LEECH].hangs = false;
        assert!(scene.completes(key));
        scene.end();
    }
}

#[test]
fn the_dht_and_neighbours_hear_nothing_of_a_torrent_that_turns_out_to_be_private() {
    for shards in SHARDS {
        let dht = Some(DhtSetup::default());
        let local = Some(tide_local::limits::Limits::default());
        let talking = Setup { dht: dht.clone(), local, ..small(shards) };
        let mut scene = private_by_surprise(&small(shards));
        scene.world.nodes[LEECH].setup = talking;
        scene.world.crash(LEECH);
        for _ in 0..4 {
            scene.world.node(Setup { dht: dht.clone(), ..small(shards) }, Memory::default());
        }
        let hosts = (2..6).map(|node| tide_metainfo::HostPort {
            host: scene.world.nodes[node].addr.ip().to_string(),
            port: scene.world.nodes[node].addr.port(),
        });
        let nodes = hosts.collect();
        scene.world.datagrams = Some(Vec::new());
        let key = scene.world.add(LEECH, AddTorrent { nodes, ..sought(&scene.spec) });
        let hash = scene.spec.info_hashes.v1.expect("a v1 torrent").0;
        let names = |data: &[u8]| data.windows(20).any(|part| part == hash);
        let us = scene.world.nodes[LEECH].addr;
        let asked = |world: &mut World| {
            let kept = world.datagrams.iter().flatten();
            kept.filter(|(from, _, data)| *from == us && names(data)).count()
        };
        assert!(scene.world.run(PATIENCE, |world| asked(world) > 3), "it is sought there at first");
        assert!(scene.world.run(PATIENCE, |world| !world.multicast.is_empty()));
        let seed = scene.world.nodes[SEED].addr;
        scene.tell(key, TorrentCommand::AddPeers(vec![seed])).expect("it is told");
        assert!(learns(&mut scene.world, LEECH));
        scene.world.datagrams = Some(Vec::new());
        scene.world.multicast.clear();
        assert!(scene.completes(key));
        scene.world.run(Duration::from_secs(7200), |_| false);
        assert_eq!(asked(&mut scene.world), 0, "{shards} shards");
        assert!(scene.world.multicast.is_empty(), "{shards} shards");
        scene.end();
    }
}

/// While a search goes on, whom the DHT told of is remembered over a restart; nobody knows by then who told.
#[test]
fn who_was_found_before_it_was_known_to_be_private_is_forgotten_over_a_restart_too() {
    let local = || Setup { local: Some(tide_local::limits::Limits::default()), ..small(1) };
    let mut scene = private_by_surprise(&small(1));
    scene.world.nodes[LEECH].setup = local();
    scene.world.crash(LEECH);
    let neighbour = scene.world.node(local(), Memory::default());
    let there = scene.world.nodes[neighbour].addr;
    scene.world.deaf = vec![there];
    let key = scene.world.add(LEECH, sought(&scene.spec));
    scene.world.add(neighbour, AddTorrent { metadata: Metadata::Withheld, ..scene.spec.clone() });
    let knows = |world: &mut World| {
        let survey = world.nodes[LEECH].shards[0].survey();
        survey.torrents.iter().any(|torrent| torrent.book.iter().any(|entry| entry.addr == there))
    };
    assert!(scene.world.run(PATIENCE, knows));
    assert!(scene.is(key, State::Metadata));
    scene.world.shut_down(LEECH);
    scene.world.shut_down(neighbour);
    scene.world.crash(LEECH);
    let key = scene.world.add(LEECH, sought(&scene.spec));
    assert!(scene.is(key, State::Metadata));
    assert!(knows(&mut scene.world), "it was remembered");
    let seed = scene.world.nodes[SEED].addr;
    scene.tell(key, TorrentCommand::AddPeers(vec![seed])).expect("it is told");
    assert!(learns(&mut scene.world, LEECH));
    assert!(!knows(&mut scene.world));
    assert!(scene.completes(key));
    scene.end();
}

/// What a user, or the power, does at some step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Blow {
    Kill,
    End,
    Remove,
    Pause,
    Recheck,
    Hang,
    HangAndRemove,
    HangAndKill,
}

const BLOWS: [Blow; 8] = [
    Blow::Kill,
    Blow::End,
    Blow::Remove,
    Blow::Pause,
    Blow::Recheck,
    Blow::Hang,
    Blow::HangAndRemove,
    Blow::HangAndKill,
];

/// At every step of its way from a link to everything.
#[test]
fn whatever_happens_on_the_way_from_a_link_it_gets_there() {
    for (shards, blow) in [1, 2].into_iter().flat_map(|shards| BLOWS.map(|blow| (shards, blow))) {
        let steps = (0..).find(|&step| struck(shards, blow, step)).expect("it completes");
        assert!(steps > 20, "{steps} steps");
    }
}

/// A torrent is struck after so many steps, and completes all the same; whether it had before.
fn struck(shards: u16, blow: Blow, step: u64) -> bool {
    let mut scene = Scene::of_seven(&small(shards));
    let mut key = scene.seek(sought(&scene.spec));
    for _ in 0..step {
        scene.world.step();
    }
    let was_complete = scene.world.has_completed(LEECH, key);
    if matches!(blow, Blow::Hang | Blow::HangAndRemove | Blow::HangAndKill) {
        scene.world.nodes[LEECH].hangs = true;
        scene.world.run(Duration::from_secs(3 + step), |_| false);
    }
    match blow {
        Blow::Kill | Blow::HangAndKill => scene.world.crash(LEECH),
        Blow::End => {
            scene.world.shut_down(LEECH);
            scene.world.crash(LEECH);
        }
        Blow::Remove | Blow::HangAndRemove => {
            let end = Command::Torrent(key, TorrentCommand::Remove(Content::Keep));
            let id = scene.world.send(LEECH, key.shard.0, end);
            scene.world.run(Duration::from_secs(2), |_| false);
            scene.world.nodes[LEECH].hangs = false;
            assert!(scene.world.run(PATIENCE, |world| world.reply(LEECH, id).is_some()), "{blow:?} {step}");
        }
        Blow::Pause => {
            scene.tell(key, TorrentCommand::Pause).expect("it pauses");
            scene.world.run(Duration::from_secs(20), |_| false);
            scene.tell(key, TorrentCommand::Resume).expect("it goes on");
        }
        // Refused as long as there is nothing to check.
        Blow::Recheck => drop(scene.tell(key, TorrentCommand::Recheck)),
        Blow::Hang => {}
    }
    scene.world.nodes[LEECH].hangs = false;
    if !matches!(blow, Blow::Pause | Blow::Recheck | Blow::Hang) {
        key = scene.seek(sought(&scene.spec));
    }
    assert!(scene.completes(key), "{blow:?} {step}: {:?}", scene.world.stats(LEECH, key));
    scene.end();
    was_complete
}

#[test]
fn names_in_metadata_stay_below_the_folder() {
    let (spec, contents) = torrent(7, &[700, 1], 192, 64);
    let honest = metadata_of(&spec);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(text(&honest).contains("4:pathl2:f0e"));
    for evil in ["4:pathl2:..e", "4:pathl2:..3:f/0e", "4:pathl5:/etc/e", "4:pathl0:e", "4:pathl2:f\0e"] {
        let at = honest.windows(12).position(|part| part == b"4:pathl2:f0e").expect("it is there");
        let mut hostile = honest[..at].to_vec();
        hostile.extend(evil.bytes());
        hostile.extend(&honest[at + 12..]);
        let at = hostile.windows(4).position(|part| part == b"2:t7").expect("its name");
        hostile.splice(at..at + 4, *b"5:../..");
        let mut given = spec.clone();
        given.info_hashes = InfoHashes::v1(InfoHash(tide_hash::sha1(&[&hostile])));
        given.metadata = Metadata::Known(hostile.into());
        let mut scene = Scene::new(&small(1), given, contents.clone());
        let key = scene.seek(sought(&scene.spec));
        assert!(scene.world.run(PATIENCE, |world| world.has_completed(LEECH, key)), "{evil:?}");
        let Ok(Answer::Files(files)) = scene.tell(key, TorrentCommand::Files) else { panic!("it has files") };
        for file in files {
            let plain = |part| matches!(part, std::path::Component::Normal(_));
            assert!(file.path.components().all(plain), "{:?}", file.path);
        }
        scene.end();
    }
}

#[test]
fn a_torrent_is_there_once_whether_by_link_or_by_file() {
    let mut scene = Scene::of_seven(&small(2));
    let twice = |scene: &mut Scene, node: usize, spec: AddTorrent, home: TorrentKey| {
        let reply = scene.world.ask(node, home.shard.0, Command::Add(Box::new(spec)));
        assert!(matches!(reply, Err(CommandError::Duplicate(key)) if key == home), "{reply:?}");
    };
    let (link, file, seeding) = (sought(&scene.spec), scene.spec.clone(), scene.seeding);
    twice(&mut scene, SEED, link.clone(), seeding);
    let seeking = scene.world.add(LEECH, link.clone());
    twice(&mut scene, LEECH, link.clone(), seeking);
    twice(&mut scene, LEECH, file, seeking);
    scene.tell(seeking, TorrentCommand::Remove(Content::Keep)).expect("it goes");
    let again = scene.seek(link);
    assert!(scene.completes(again));
    scene.end();
}

/// The v1 info-hash alone decides what metadata is right; what the link says beside it must be true of that.
#[test]
fn a_link_to_two_torrents_is_one_that_cannot_be() {
    let mut scene = Scene::of_seven(&small(1));
    let mut link = sought(&scene.spec);
    link.info_hashes.v2 = Some(tide_base::InfoHashV2([5; 32]));
    let key = scene.seek(link);
    assert!(scene.is(key, State::Stopped));
    let trouble = scene.world.stats(LEECH, key).trouble.expect("it says why");
    assert_eq!(trouble.kind, TroubleKind::Metadata);
    scene.end();
}

#[test]
fn a_link_that_names_no_file_that_there_is_fetches_none() {
    let mut scene = Scene::of_seven(&small(1));
    let named = vec![4, 77, u32::MAX];
    let key = scene.seek(AddTorrent {
        metadata: Metadata::Sought { named, select: None, then: Then::Transfer },
        ..sought(&scene.spec)
    });
    assert!(scene.world.run(PATIENCE, |world| world.has_completed(LEECH, key)));
    assert_eq!(scene.world.stats(LEECH, key).downloaded, 0);
    scene.end();
}

/// Whoever is there when the metadata comes and goes before the torrent is opened anew is not counted any more.
#[test]
fn peers_that_go_while_the_torrent_is_opened_anew_are_gone() {
    for shards in SHARDS {
        let mut scene = Scene::of_seven(&small(shards));
        let key = scene.seek(sought(&scene.spec));
        assert!(learns(&mut scene.world, LEECH));
        scene.world.nodes[LEECH].hangs = true;
        for end in scene.world.ends(LEECH) {
            scene.world.cut(end);
        }
        scene.world.run(Duration::from_secs(3), |_| false);
        assert_eq!(scene.world.stats(LEECH, key).peers, 0);
        scene.world.nodes[LEECH].hangs = false;
        assert!(scene.completes(key), "{shards} shards");
        assert!(resume_on(&scene.disks[LEECH], &scene.spec).is_some_and(|kept| kept.torrent.is_some()));
        scene.end();
    }
}

/// There is room in the session for one or two of them at a time; each gets its turn, also if liars hold the room for
/// theirs.
#[test]
fn many_seek_where_there_is_room_for_one() {
    for shards in SHARDS {
        let mut setup = small(shards);
        setup.limits.peer.metadata_len = 800;
        setup.limits.metadata_memory = 800;
        let mut world = World::new();
        let (seeds, disk) = (Memory::default(), Memory::default());
        let seed = world.node(setup.clone(), seeds.clone());
        let liar = world.node(setup.clone(), Memory::default());
        let leech = world.node(setup, disk.clone());
        let peers = vec![world.nodes[liar].addr, world.nodes[seed].addr];
        let mut all = Vec::new();
        for number in 10..16 {
            let (spec, contents) = torrent(number, &[700, 900], 192, 64);
            let spec = genuine(spec);
            let len = metadata_of(&spec).len();
            assert!((267..400).contains(&len), "room for two, {len}");
            fill(&seeds, &spec, &contents);
            world.add(seed, spec.clone());
            // It claims the most there may be, and what it gives is not the metadata.
            let mut lie = metadata_of(&spec);
            lie.resize(800, b'e');
            world.add(liar, AddTorrent { metadata: Metadata::Known(lie.into()), ..spec.clone() });
            all.push((spec, contents));
        }
        let keys: Vec<TorrentKey> = all
            .iter()
            .map(|(spec, _)| world.add(leech, AddTorrent { peers: peers.clone(), ..sought(spec) }))
            .collect();
        let held = |world: &World| -> u64 {
            let shards = world.nodes[leech].shards.iter();
            shards.map(|shard| shard.survey().desk.stock(Stock::Metadata).used).sum()
        };
        let mut most = 0;
        let done = world.run(PATIENCE * 3, |world| {
            most = most.max(held(world));
            keys.iter().all(|&key| world.has_completed(leech, key))
        });
        assert!(done, "{shards} shards");
        assert!((267..=800).contains(&most), "{shards} shards: {most} bytes at a time");
        assert!(all.iter().all(|(spec, contents)| holds(&disk, spec, contents)));
        assert_eq!(held(&world), 0);
        world.shut_down_all();
    }
}
