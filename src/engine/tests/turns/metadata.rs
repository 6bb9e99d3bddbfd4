//! Torrents of which nothing is known but the info-hash (BEP 9): from whom the rest comes, and what becomes of them.

use std::net::SocketAddr;

use tide_base::{Duration, Prng};
use tide_disk::{Memory, TroubleKind};
use tide_engine::{
    AddTorrent, Answer, Command, CommandError, Content, Event, Fault, Happening, Metadata, Setup, State,
    Then, TorrentCommand, TorrentKey,
};

use crate::content::{fill, genuine, holds, metadata_of, resume_on, sought, torrent};
use crate::world::World;
use crate::{PATIENCE, SHARDS, setup, tiny};

/// A seed and a leech that seeks.
pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) spec: AddTorrent,
    pub(crate) contents: Vec<Vec<u8>>,
    pub(crate) disks: [Memory; 2],
    pub(crate) seeding: TorrentKey,
}

pub(crate) const SEED: usize = 0;
pub(crate) const LEECH: usize = 1;

pub(crate) fn small(shards: u16) -> Setup {
    let mut setup = tiny(shards);
    setup.limits.peer.extended_len = 32 * 1024;
    setup
}

impl Scene {
    pub(crate) fn new(setup: &Setup, spec: AddTorrent, contents: Vec<Vec<u8>>) -> Scene {
        let mut world = World::new();
        let disks = [Memory::default(), Memory::default()];
        fill(&disks[SEED], &spec, &contents);
        for disk in &disks {
            world.node(setup.clone(), disk.clone());
        }
        let seeding = world.add(SEED, spec.clone());
        assert!(world.run(PATIENCE, |world| world.has_completed(SEED, seeding)));
        Scene { world, spec, contents, disks, seeding }
    }

    pub(crate) fn of_seven(setup: &Setup) -> Scene {
        let (spec, contents) = torrent(7, &[700, 0, 1, 900], 192, 64);
        Scene::new(setup, genuine(spec), contents)
    }

    pub(crate) fn seek(&mut self, spec: AddTorrent) -> TorrentKey {
        let peers = vec![self.world.nodes[SEED].addr];
        self.world.add(LEECH, AddTorrent { peers, ..spec })
    }

    /// A leech that seeks and knows nobody.
    pub(crate) fn alone(shards: u16) -> (Scene, TorrentKey) {
        let mut scene = Scene::of_seven(&small(shards));
        let key = scene.world.add(LEECH, sought(&scene.spec));
        assert!(scene.is(key, State::Metadata));
        (scene, key)
    }

    /// A leech that has found the metadata and waits until somebody says what to fetch.
    pub(crate) fn waiting(shards: u16) -> (Scene, TorrentKey) {
        let mut scene = Scene::of_seven(&small(shards));
        let hold = AddTorrent {
            metadata: Metadata::Sought { named: Vec::new(), select: None, then: Then::Wait },
            ..sought(&scene.spec)
        };
        let key = scene.seek(hold);
        assert!(scene.is(key, State::Paused));
        (scene, key)
    }

    pub(crate) fn completes(&mut self, key: TorrentKey) -> bool {
        self.world.run(PATIENCE, |world| world.has_completed(LEECH, key))
            && holds(&self.disks[LEECH], &self.spec, &self.contents)
    }

    pub(crate) fn tell(&mut self, key: TorrentKey, what: TorrentCommand) -> Result<Answer, CommandError> {
        self.world.ask(LEECH, key.shard.0, Command::Torrent(key, what))
    }

    pub(crate) fn is(&mut self, key: TorrentKey, state: State) -> bool {
        self.world.run(PATIENCE, |world| world.stats(LEECH, key).state == state)
    }

    pub(crate) fn told(&self, which: impl Fn(&Happening) -> bool) -> usize {
        self.world.nodes[LEECH].events.iter().filter(|event| which(&event.what)).count()
    }

    pub(crate) fn end(mut self) {
        self.world.shut_down_all();
    }
}

#[test]
fn a_torrent_comes_by_its_info_hash_alone() {
    for (shards, gulp) in SHARDS.into_iter().flat_map(|shards| [(shards, 1 << 20), (shards, 7)]) {
        let mut scene = Scene::of_seven(&small(shards));
        scene.world.gulp = gulp;
        let web_seeds = vec!["http://w/t7/".to_owned()];
        let key = scene.seek(AddTorrent { web_seeds, ..sought(&scene.spec) });
        assert!(scene.completes(key), "{shards} shards, {gulp} bytes");
        let metadata = |what: &Happening| matches!(what, Happening::Metadata { size: 1601, files: 4, .. });
        assert_eq!(scene.told(metadata), 1);
        let stats = scene.world.stats(LEECH, key);
        assert_eq!((stats.name.as_str(), stats.metadata, stats.downloaded), ("t7", None, 1601));
        let Ok(Answer::Metainfo(Some(bytes))) = scene.tell(key, TorrentCommand::Metainfo) else {
            panic!("the metadata is here");
        };
        let file = tide_metainfo::Torrent::parse(&bytes, &tide_metainfo::Limits::default());
        let file = file.expect("a .torrent file");
        assert_eq!(file.info.raw()[..], metadata_of(&scene.spec));
        assert_eq!(
            (file.trackers, file.web_seeds),
            (Vec::<Vec<String>>::new(), vec!["http://w/t7/".to_owned()])
        );
        scene.end();
    }
}

#[test]
fn metadata_of_many_pieces_comes_and_is_given_on() {
    let (spec, contents) = torrent(9, &[400_000], 64, 64);
    let mut scene = Scene::new(&setup(1), genuine(spec), contents);
    assert!(metadata_of(&scene.spec).len() > 7 * 16 * 1024);
    let key = scene.seek(sought(&scene.spec));
    assert!(scene.completes(key));
    scene.world.shut_down(SEED);
    let third = scene.world.node(setup(1), Memory::default());
    let peers = vec![scene.world.nodes[LEECH].addr];
    let next = scene.world.add(third, AddTorrent { peers, ..sought(&scene.spec) });
    assert!(scene.world.run(PATIENCE, |world| world.has_completed(third, next)));
    scene.end();
}

/// Whoever dialled us may be behind a NAT: the connection over which the metadata came is the one that gives the rest.
#[test]
fn whoever_dialled_us_stays_over_the_metadata() {
    for shards in SHARDS {
        let (mut scene, key) = Scene::alone(shards);
        // The seed can be reached by nobody, and knows where the leech is.
        let leech = scene.world.nodes[LEECH].addr;
        scene.world.nodes[SEED].addr.set_port(9);
        let (home, met) = (scene.seeding, TorrentCommand::AddPeers(vec![leech]));
        scene.world.ask(SEED, home.shard.0, Command::Torrent(home, met)).expect("it is told");
        let begun = scene.world.run(PATIENCE, |world| !world.ends(LEECH).is_empty());
        assert!(begun, "they meet");
        let ends = scene.world.ends(LEECH);
        let done = scene.world.run(PATIENCE, |world| {
            assert!(world.has_completed(LEECH, key) || world.ends(LEECH) == ends || shards > 1);
            world.has_completed(LEECH, key)
        });
        assert!(done, "{shards} shards");
        scene.end();
    }
}

#[test]
fn what_was_found_is_known_after_a_restart_without_anybody() {
    for crash in [true, false] {
        let (mut scene, _) = Scene::waiting(2);
        let kept = |scene: &Scene| resume_on(&scene.disks[LEECH], &scene.spec)?.torrent;
        assert!(scene.world.run(Duration::from_secs(5), |_| true) && kept(&scene).is_some(), "saved at once");
        scene.world.shut_down(SEED);
        if !crash {
            scene.world.shut_down(LEECH);
        }
        scene.world.crash(LEECH);
        let again = scene.world.add(LEECH, AddTorrent { paused: Some(true), ..sought(&scene.spec) });
        assert!(scene.is(again, State::Paused), "nobody is asked");
        assert_eq!(scene.world.stats(LEECH, again).size, 1601);
        assert!(kept(&scene).is_some(), "and it stays known");
        scene.end();
    }
}

#[test]
fn a_search_goes_on_after_a_restart() {
    let (mut scene, key) = Scene::alone(2);
    let peers = vec![scene.world.nodes[SEED].addr];
    // It learns of the seed and never meets it in this life.
    scene.world.nodes[SEED].addr.set_port(9);
    scene.tell(key, TorrentCommand::AddPeers(peers)).expect("it is told");
    scene.world.run(Duration::from_secs(30), |_| false);
    scene.world.shut_down(LEECH);
    scene.world.nodes[SEED].addr.set_port(6881);
    scene.world.crash(LEECH);
    let again = scene.world.add(LEECH, sought(&scene.spec));
    assert!(scene.completes(again), "resume data name the peer");
    scene.end();
}

#[test]
fn files_are_chosen_before_any_is_fetched() {
    let (mut scene, key) = Scene::waiting(1);
    assert_eq!(scene.world.stats(LEECH, key).peers, 1, "the crew stays");
    scene.tell(key, TorrentCommand::SetPriorities(vec![0, 0, 4, 0])).expect("files are known");
    scene.tell(key, TorrentCommand::Resume).expect("it goes on");
    assert!(scene.world.run(PATIENCE, |world| world.has_completed(LEECH, key)));
    assert_eq!(scene.world.stats(LEECH, key).downloaded, 192, "one piece has all of the file");
    scene.end();
}

#[test]
fn a_link_says_which_files_are_wanted() {
    let mut scene = Scene::of_seven(&small(1));
    let some = AddTorrent {
        metadata: Metadata::Sought { named: vec![2, 77], select: None, then: Then::Transfer },
        ..sought(&scene.spec)
    };
    let key = scene.seek(some);
    assert!(scene.world.run(PATIENCE, |world| world.has_completed(LEECH, key)));
    assert_eq!(scene.world.stats(LEECH, key).downloaded, 192);
    scene.end();
}

#[test]
fn who_waits_for_a_choice_can_be_paused_and_removed() {
    for content in [Content::Keep, Content::Delete] {
        let (mut scene, key) = Scene::waiting(2);
        scene.tell(key, TorrentCommand::Pause).expect("it waits");
        assert!(scene.world.run(PATIENCE, |world| world.stats(LEECH, key).peers == 0));
        scene.tell(key, TorrentCommand::Resume).expect("it goes on");
        assert!(scene.world.run(PATIENCE, |world| world.stats(LEECH, key).peers == 1));
        scene.tell(key, TorrentCommand::Remove(content)).expect("it goes");
        scene.end();
    }
}

#[test]
fn a_search_can_be_paused_moved_and_removed() {
    let (mut scene, key) = Scene::alone(2);
    for refused in [TorrentCommand::Recheck, TorrentCommand::SetPriorities(vec![0])] {
        assert!(matches!(scene.tell(key, refused), Err(CommandError::Invalid(_))));
    }
    scene.tell(key, TorrentCommand::Pause).expect("it pauses");
    assert!(scene.is(key, State::Paused));
    scene.tell(key, TorrentCommand::AddPeers(vec![scene.world.nodes[SEED].addr])).expect("it is told");
    scene.world.run(Duration::from_secs(60), |_| false);
    assert_eq!(scene.world.stats(LEECH, key).peers, 0);
    scene.tell(key, TorrentCommand::SetSequential(true)).expect("it is remembered");
    let to = TorrentCommand::Move { to: "/elsewhere".into(), volume: tide_disk::VolumeId(0) };
    scene.tell(key, to).expect("nothing is moved");
    assert!(scene.is(key, State::Paused));
    scene.tell(key, TorrentCommand::Resume).expect("it goes on");
    scene.spec.root = "/elsewhere".into();
    assert!(scene.completes(key));
    let end = scene.tell(key, TorrentCommand::Remove(Content::Delete));
    assert!(end.is_ok() && !holds(&scene.disks[LEECH], &scene.spec, &scene.contents));
    scene.end();
}

#[test]
fn genuine_metadata_of_no_torrent_stops_it() {
    let (spec, contents) = torrent(7, &[700], 192, 64);
    let mut broken = metadata_of(&spec);
    let at = broken.windows(6).position(|key| key == b"pieces").expect("there are pieces");
    broken[at] = b'q';
    let mut spec = genuine(spec);
    spec.info_hashes = tide_base::InfoHashes::v1(tide_base::InfoHash(tide_hash::sha1(&[&broken])));
    spec.metadata = Metadata::Known(broken.into());
    let mut scene = Scene::new(&small(2), spec, contents);
    let key = scene.seek(sought(&scene.spec));
    assert!(scene.is(key, State::Stopped));
    let trouble = scene.world.stats(LEECH, key).trouble.expect("it says why");
    assert_eq!(trouble.kind, TroubleKind::Metadata);
    scene.world.run(Duration::from_secs(600), |_| false);
    scene.tell(key, TorrentCommand::Resume).expect("a person may try");
    scene.world.run(Duration::from_secs(600), |_| false);
    assert!(scene.is(key, State::Stopped));
    assert_eq!(scene.told(|what| matches!(what, Happening::Stopped(_))), 2, "once more for who tried");
    assert_eq!(scene.told(|what| matches!(what, Happening::Recovered)), 0);
    scene.end();
}

#[test]
fn private_torrents_give_their_metadata_to_nobody() {
    let (mut spec, contents) = torrent(7, &[700], 192, 64);
    spec.private = true;
    let mut scene = Scene::new(&small(1), genuine(spec), contents);
    let key = scene.seek(sought(&scene.spec));
    assert!(!scene.world.run(PATIENCE, |world| world.stats(LEECH, key).size > 0));
    let stats = scene.world.stats(LEECH, key);
    assert_eq!((stats.metadata.expect("it seeks").peers, stats.eta), (0, None));
    scene.end();
}

#[test]
fn a_torrent_that_turns_out_to_be_private_is_so_from_then_on() {
    let (mut spec, contents) = torrent(7, &[700], 192, 64);
    spec.private = true;
    let mut spec = genuine(spec);
    // Somebody who gives away what he should not.
    spec.private = false;
    let mut scene = Scene::new(&small(1), spec, contents);
    let key = scene.seek(sought(&scene.spec));
    assert!(scene.completes(key));
    let survey = scene.world.nodes[LEECH].shards[0].survey();
    assert!(survey.torrents[0].private);
    let next = scene.world.node(small(1), Memory::default());
    let peers = vec![scene.world.nodes[LEECH].addr];
    let third = scene.world.add(next, AddTorrent { peers, ..sought(&scene.spec) });
    assert!(!scene.world.run(PATIENCE, |world| world.stats(next, third).size > 0), "it is not given on");
    scene.end();
}

/// Ten peers of whom nine lie, each about something else.
#[test]
fn one_honest_peer_of_ten_is_enough() {
    for (seed, shards) in (0..6).zip(SHARDS.into_iter().cycle()) {
        let mut prng = Prng::new(seed).split("liars");
        let (spec, contents) = torrent(7, &[3000], 64, 64);
        let spec = genuine(spec);
        let truth = metadata_of(&spec);
        let mut world = World::new();
        let honest = prng.index(10);
        let disks: Vec<Memory> = (0..11).map(|_| Memory::default()).collect();
        for (number, disk) in disks[..10].iter().enumerate() {
            fill(disk, &spec, &contents);
            let node = world.node(small(shards), disk.clone());
            let mut lie = truth.clone();
            match number % 3 {
                _ if number == honest => {}
                0 => lie.push(b'e'),
                1 => lie.truncate(lie.len() - number),
                _ => *lie.last_mut().expect("it has bytes") ^= 1,
            }
            let metadata = Metadata::Known(lie.into());
            let key = world.add(node, AddTorrent { metadata, ..spec.clone() });
            assert!(world.run(PATIENCE, |world| world.has_completed(node, key)));
        }
        let leech = world.node(small(shards), disks[10].clone());
        let mut peers: Vec<SocketAddr> = world.nodes[..10].iter().map(|node| node.addr).collect();
        prng.shuffle(&mut peers);
        let key = world.add(leech, AddTorrent { peers, ..sought(&spec) });
        assert!(world.run(PATIENCE, |world| world.has_completed(leech, key)), "seed {seed}");
        assert!(holds(&disks[10], &spec, &contents));
        let faults: u64 = (0..shards)
            .map(|shard| match world.ask(leech, shard, Command::SessionStats) {
                Ok(Answer::Session(stats)) => stats.faults.of(Fault::MetadataWrong),
                other => panic!("no figures: {other:?}"),
            })
            .sum();
        assert!(faults > 0, "liars are told apart");
        world.shut_down_all();
    }
}

/// Some know the torrent and some its info-hash only; connections break, and users change their minds.
#[test]
fn random_swarms_of_seekers_complete_whatever_happens() {
    for seed in 0..40 {
        let mut prng = Prng::new(seed).split("seekers");
        let mut world = World::new();
        world.gulp = [1 << 20, 7, 100][prng.index(3)];
        world.lazy = prng.chance(2, 3).then(|| prng.split("lazy"));
        let (spec, contents) = torrent(3, &[1 + prng.below(1500), prng.below(1500)], 64 << prng.below(4), 64);
        let spec = genuine(spec);
        let count = 2 + prng.index(4);
        let disks: Vec<Memory> = (0..count).map(|_| Memory::default()).collect();
        fill(&disks[0], &spec, &contents);
        for disk in &disks {
            world.node(small(SHARDS[prng.index(3)]), disk.clone());
        }
        let addrs: Vec<SocketAddr> = world.nodes.iter().map(|node| node.addr).collect();
        let knows: Vec<bool> = (0..count).map(|node| node == 0 || prng.chance(1, 4)).collect();
        let as_added = |node: usize| {
            let mut spec = if knows[node] { spec.clone() } else { sought(&spec) };
            spec.peers = addrs.iter().copied().filter(|addr| *addr != addrs[node]).collect();
            spec
        };
        let mut keys: Vec<TorrentKey> = (0..count).map(|node| world.add(node, as_added(node))).collect();
        for _ in 0..prng.below(30) {
            for _ in 0..prng.below(40) {
                world.step();
            }
            let node = prng.index(count);
            let key = keys[node];
            let mut tell = |what| drop(world.ask(node, key.shard.0, Command::Torrent(key, what)));
            match prng.below(8) {
                0..4 => {
                    let ends = world.ends(node);
                    if !ends.is_empty() {
                        world.cut(ends[prng.index(ends.len())]);
                    }
                }
                4 => tell(TorrentCommand::Pause),
                5 => tell(TorrentCommand::Recheck),
                6 => tell(TorrentCommand::Resume),
                _ => {
                    world.crash(node);
                    keys[node] = world.add(node, as_added(node));
                }
            }
        }
        for (node, &key) in keys.iter().enumerate() {
            let resumed = world.ask(node, key.shard.0, Command::Torrent(key, TorrentCommand::Resume));
            assert!(resumed.is_ok());
        }
        let done = |event: &Event| matches!(event.what, Happening::Complete { .. });
        let all = |world: &mut World| {
            (0..count).all(|node| {
                world.nodes[node].events.iter().any(done)
                    && world.stats(node, keys[node]).state == State::Seeding
            })
        };
        assert!(world.run(PATIENCE * 6, all), "seed {seed}");
        assert!(disks.iter().all(|disk| holds(disk, &spec, &contents)), "seed {seed}");
        world.shut_down_all();
    }
}
