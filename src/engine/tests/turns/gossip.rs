//! Peers tell each other of peers (BEP 11): who is told, who is not, and what it costs.

use std::net::SocketAddr;

use tide_base::Duration;
use tide_disk::Memory;
use tide_engine::torrent::book::Sources;
use tide_engine::{AddTorrent, Setup, TorrentKey};

use crate::content::{fill, torrent};
use crate::world::World;
use crate::{PATIENCE, SHARDS, setup};

/// A knows B, C knows B, and nobody tells A of C but B. The keys of their torrents.
fn chain(world: &mut World, setups: [Setup; 3], private: bool) -> Vec<TorrentKey> {
    let (mut spec, contents) = torrent(7, &[700_000], 32 * 1024, 16 * 1024);
    spec.private = private;
    for (number, setup) in setups.into_iter().enumerate() {
        let disk = Memory::default();
        if number == 2 {
            fill(&disk, &spec, &contents);
        }
        world.node(setup, disk);
    }
    let hub: SocketAddr = world.nodes[1].addr;
    let knowing = |peers: Vec<SocketAddr>| AddTorrent { peers, ..spec.clone() };
    (0..3).map(|node| world.add(node, knowing(if node == 1 { vec![] } else { vec![hub] }))).collect()
}

/// Whether A was told of C by others, or C of A.
fn are_told(world: &World) -> bool {
    [(0, 2), (2, 0)].into_iter().any(|(who, of): (usize, usize)| {
        let torrents = world.nodes[who].shards.iter().flat_map(|shard| shard.survey().torrents);
        let mut book = torrents.flat_map(|torrent| torrent.book);
        book.any(|entry| entry.addr == world.nodes[of].addr && entry.sources.any_of(Sources::PEX))
    })
}

#[test]
fn two_who_know_the_same_peer_meet() {
    for shards in SHARDS {
        let mut world = World::new();
        let mut limited = setup(shards);
        // The hub gives nothing, so that whoever has all got it from whom he was told of; and it takes its time, since
        // seeds part.
        limited.rates = tide_engine::RateLimits { up: Some(0), down: Some(20_000) };
        let keys = chain(&mut world, [setup(shards), limited, setup(shards)], false);
        assert!(world.run(PATIENCE, |world| world.has_completed(0, keys[0])), "{shards} shards");
        assert!(are_told(&world));
        world.shut_down_all();
    }
}

#[test]
fn private_torrents_and_those_who_do_not_want_to_are_silent() {
    let silent = || Setup { pex: false, ..setup(1) };
    let cases = [
        ([setup(1), setup(1), setup(1)], true),
        ([silent(), setup(1), setup(1)], false),
        ([setup(1), silent(), setup(1)], false),
    ];
    for (setups, private) in cases {
        let mut world = World::new();
        chain(&mut world, setups, private);
        world.run(PATIENCE, |_| false);
        assert!(!are_told(&world), "private: {private}");
        world.shut_down_all();
    }
}

/// Where nothing changes nobody is woken.
#[test]
fn who_has_no_news_sleeps() {
    let mut world = World::new();
    let keys = chain(&mut world, [setup(1), setup(1), setup(1)], false);
    assert!(world.run(PATIENCE, |world| world.has_completed(0, keys[0]) && world.has_completed(1, keys[1])));
    world.run(Duration::from_secs(300), |_| false);
    let turns = |world: &World| world.nodes[1].shards[0].survey().turns;
    let (before, until) = (turns(&world), world.now + Duration::from_secs(600));
    let mut wakes = 0;
    while world.now < until {
        let due = world.nodes[1].shards[0].wake_at();
        wakes +=
            u32::from(due.is_some_and(|(at, why)| at <= world.now && why == tide_engine::Reason::Gossip));
        world.step();
    }
    assert!(turns(&world) > before);
    assert_eq!(wakes, 0);
    world.shut_down_all();
}

/// BEP 27: a client "MUST ONLY initiate connections to peers returned from the private tracker"; whom the user names is his
/// business. That somebody came by himself is no word of the tracker's.
#[test]
fn of_a_private_torrent_nobody_is_dialled_for_having_dialled_us() {
    let mut world = World::new();
    let (mut spec, contents) = torrent(7, &[700_000], 32 * 1024, 16 * 1024);
    (spec.private, spec.resume) = (true, None);
    let disk = Memory::default();
    fill(&disk, &spec, &contents);
    // It gives nothing, so that the two do not part for having everything.
    let mut miser = setup(1);
    miser.rates = tide_engine::RateLimits { up: Some(0), down: None };
    let asked = world.node(miser, disk);
    let caller = world.node(setup(1), Memory::default());
    let seed = world.add(asked, spec.clone());
    let leech = world.add(caller, AddTorrent { peers: vec![world.nodes[asked].addr], ..spec.clone() });
    assert!(world.run(PATIENCE, |world| world.stats(caller, leech).peers == 1));
    world.run(Duration::from_secs(10), |_| false);
    world.crash(caller);
    assert!(world.run(PATIENCE, |world| world.stats(asked, seed).peers == 0));
    // Now nobody has told anybody of anybody.
    world.add(caller, spec);
    let again = world.run(PATIENCE, |world| world.stats(asked, seed).peers == 1);
    assert!(!again, "the seed has dialled who had dialled it");
    world.shut_down_all();
}
