//! Some hundred nodes in memory: whoever looks for something that is stored finds it, whatever others do. (Thousands, with
//! churn and NATs on a net that is worse, are in the simulator: `tide-sim overlay`.)

mod world;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use tide_base::{Duration, InfoHash};
use tide_dht::item::Item;
use tide_dht::{Announce, Event, Family, NodeId, Outcome, Port, QueryId, Wanted};
use world::{Kind, World, address, address_v6};

const MINUTE: Duration = Duration::from_secs(60);

fn hash(n: u8) -> InfoHash {
    InfoHash(std::array::from_fn(|i| n.wrapping_mul(37).wrapping_add((i as u8).wrapping_mul(n))))
}

/// Each of the first honest hosts but the router announces a torrent of its own.
fn announce(world: &mut World, torrents: u8) -> Vec<SocketAddr> {
    let hosts: Vec<usize> = world.honest().into_iter().skip(1).take(usize::from(torrents)).collect();
    for (n, host) in hosts.iter().enumerate() {
        let say = Announce::at(Port::Named(7000 + n as u16), n % 2 == 0);
        world.act(*host, |node, _| node.announce(QueryId(1), hash(n as u8), say)).expect("room");
    }
    world.run(Duration::from_secs(40));
    let peer = |(n, host): (usize, &usize)| SocketAddr::new(world.hosts[*host].addr.ip(), 7000 + n as u16);
    hosts.iter().enumerate().map(peer).collect()
}

/// Others look for them; returns in how many tries of how many the peer was found, and the mean of sends.
fn seek(world: &mut World, peers: &[SocketAddr], tries: usize) -> (usize, usize, usize) {
    let honest = world.honest();
    world.events.clear();
    for n in 0..tries {
        let seeker = honest[honest.len() - 1 - n % (honest.len() / 2)];
        let what = hash((n % peers.len()) as u8);
        world.act(seeker, |node, _| node.get_peers(QueryId(100 + n as u64), what, None)).expect("room");
        world.run(Duration::from_millis(300));
    }
    world.run(Duration::from_secs(40));
    let mut found = BTreeSet::new();
    let (mut ends, mut sends) = (0, 0);
    for (_, event) in &world.events {
        match event {
            Event::Peers { query: QueryId(query), peers: some } if *query >= 100 => {
                let wanted = peers[(*query as usize - 100) % peers.len()];
                if some.contains(&wanted) {
                    found.insert(*query);
                }
            }
            Event::Done { query, outcome: Outcome::Peers { effort, .. } } if query.0 >= 100 => {
                ends += 1;
                sends += effort.sends;
            }
            Event::Done { query, outcome } => panic!("{query:?} {outcome:?}"),
            _ => {}
        }
    }
    assert_eq!(ends, tries, "every query ends once");
    (found.len(), tries, sends / tries)
}

/// How the one query ended that was asked.
fn end(world: &mut World) -> Option<Outcome> {
    world.events.drain(..).find_map(|(_, event)| match event {
        Event::Done { outcome, .. } => Some(outcome),
        _ => None,
    })
}

#[test]
fn an_honest_network_finds_everything() {
    let mut world = World::new(1, 0);
    world.populate(0, 200);
    let joined = world.events.iter().filter(|(_, event)| matches!(event, Event::Joined { .. })).count();
    assert_eq!(joined, 200, "each joins once");
    let peers = announce(&mut world, 20);
    let (found, tries, sends) = seek(&mut world, &peers, 60);
    assert_eq!(found, tries);
    assert!(sends < 40, "{sends} requests a lookup");
}

#[test]
fn loss_the_dead_and_liars_do_not_hide_what_is_stored() {
    let mut world = World::new(2, 3);
    world.populate(0, 250);
    for n in 0..18 {
        let turncoat = world.add(address(1000 + n), Kind::Turncoat);
        let poisoner = world.add(address(2000 + n), Kind::Poisoner);
        for host in [turncoat, poisoner] {
            let liar = world.hosts[host].addr;
            for honest in world.honest() {
                if world.prng.chance(1, 4) {
                    world.act(honest, |node, now| node.add_node(now, liar));
                }
            }
        }
    }
    // Beside one of the torrents there is a crowd from one /24, and everybody was told of it.
    let beside = NodeId::from(hash(3));
    for last in 0..60 {
        let sybil = SocketAddr::from(([66, 66, 66, last], 6881));
        world.add(sybil, Kind::Sybil(beside));
        for honest in world.honest() {
            if world.prng.chance(1, 8) {
                world.act(honest, |node, now| node.add_node(now, sybil));
            }
        }
    }
    world.populate(250, 100);
    world.run(MINUTE);
    let peers = announce(&mut world, 12);
    // A fifth of the others falls silent without a word.
    for host in world.honest().into_iter().skip(20) {
        if world.prng.chance(1, 5) {
            world.hosts[host].kind = Kind::Dead;
        }
    }
    let (found, tries, sends) = seek(&mut world, &peers, 100);
    assert!(found * 100 >= tries * 97, "{found} of {tries}");
    assert!(sends < 100, "{sends} requests a lookup");
}

#[test]
fn items_are_stored_found_and_replaced() {
    let mut world = World::new(3, 2);
    world.populate(0, 60);
    let seed = [7; 32];
    let fixed = Item::immutable(b"12:Hello World!").expect("an item");
    let first = Item::sign(&seed, b"news", 1, b"i1e").expect("an item");
    let second = Item::sign(&seed, b"news", 2, b"i2e").expect("an item");
    let Some(signed) = second.signed.clone() else { panic!("it is signed") };
    let newest = Wanted::Mutable { key: signed.key, salt: signed.salt, newer_than: None };
    let put = |world: &mut World, host: usize, item: &Item, cas| {
        world.events.clear();
        world.act(host, |node, _| node.put(QueryId(1), item.clone(), cas)).expect("room");
        world.run(Duration::from_secs(20));
        match end(world) {
            Some(Outcome::Stored { nodes, refused, .. }) => (nodes, refused),
            other => panic!("{other:?}"),
        }
    };
    let get = |world: &mut World, host: usize, wanted: Wanted| {
        world.events.clear();
        world.act(host, |node, _| node.get(QueryId(2), wanted)).expect("room");
        world.run(Duration::from_secs(20));
        match end(world) {
            Some(Outcome::Item { item, .. }) => item,
            other => panic!("{other:?}"),
        }
    };
    assert!(put(&mut world, 5, &fixed, None).0 >= 6);
    assert_eq!(get(&mut world, 40, Wanted::Immutable(fixed.target())), Some(fixed));
    assert!(put(&mut world, 6, &first, None).0 >= 6);
    assert_eq!(get(&mut world, 41, newest.clone()), Some(first.clone()));
    assert_eq!(put(&mut world, 7, &second, Some(9)).1, Some(301), "another version is there");
    assert!(put(&mut world, 7, &second, Some(1)).0 >= 5);
    assert_eq!(get(&mut world, 42, newest), Some(second));
    assert_eq!(put(&mut world, 8, &first, None).1, Some(302), "versions do not go back");
    assert_eq!(get(&mut world, 9, Wanted::Immutable(NodeId([9; 20]))), None);
}

#[test]
fn a_swarm_is_counted() {
    let mut world = World::new(4, 0);
    world.populate(0, 80);
    let honest = world.honest();
    for (n, host) in honest[1..61].iter().enumerate() {
        let say = Announce::at(Port::Implied(1), n < 20);
        world.act(*host, |node, _| node.get_peers(QueryId(1), hash(9), Some(say))).expect("room");
    }
    world.run(Duration::from_secs(30));
    world.events.clear();
    world.act(honest[70], |node, _| node.scrape(QueryId(2), hash(9))).expect("room");
    world.run(Duration::from_secs(30));
    let Some(Outcome::Peers { swarm: Some(swarm), .. }) = end(&mut world) else {
        panic!("it ends with numbers")
    };
    assert!((18..=22).contains(&swarm.seeds) && (36..=44).contains(&swarm.peers), "{swarm:?}");
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = |seed| {
        let mut world = World::new(seed, 5);
        world.populate(0, 40);
        let peers = announce(&mut world, 5);
        let result = seek(&mut world, &peers, 10);
        (result, world.digest, world.delivered)
    };
    let first = run(5);
    assert_eq!(first, run(5));
    assert_ne!(first.1, run(6).1);
}

#[test]
fn a_quiet_node_sleeps_and_stays_known() {
    let mut world = World::new(7, 1);
    world.populate(0, 50);
    world.run(MINUTE * 2);
    world.hosts.iter_mut().for_each(|host| host.wakes = 0);
    let before = world.delivered;
    world.run(MINUTE * 60);
    for host in world.honest() {
        let wakes = world.hosts[host].wakes;
        // One a minute for upkeep; the others are for what it then asks and nobody answers.
        assert!(wakes < 60 * 4, "{wakes} times in an hour");
        assert!(world.node(host).stats().tables[0].good >= 8);
    }
    let each = (world.delivered - before) / 50 / 60;
    assert!(each < 60, "{each} datagrams a minute and node");
}

#[test]
fn one_network_leads_into_the_other() {
    let mut world = World::new(10, 1);
    for n in 0..60 {
        let host = world.add_dual(n);
        if n == 1 {
            // One knows one; the others know IPv4 addresses alone.
            world.act(host, |node, now| node.add_node(now, address_v6(0)));
        }
        world.run(Duration::from_millis(500));
    }
    world.run(MINUTE * 2);
    let joined = |event: &Event| matches!(event, Event::Joined { family: Family::V6, .. });
    assert!(world.events.iter().filter(|(_, event)| joined(event)).count() >= 55);
    let say = Announce::at(Port::Named(70), false);
    world.act(5, |node, _| node.get_peers(QueryId(1), hash(1), Some(say))).expect("room");
    world.run(MINUTE);
    world.events.clear();
    world.act(50, |node, _| node.get_peers(QueryId(2), hash(1), None)).expect("room");
    world.run(MINUTE);
    let found = world.events.iter().filter_map(|(_, event)| match event {
        Event::Peers { peers, .. } => Some(peers),
        _ => None,
    });
    let found: BTreeSet<bool> = found.flatten().map(SocketAddr::is_ipv6).collect();
    assert_eq!(found.len(), 2, "it is found under both its addresses");
}

#[test]
fn an_outage_of_hours_is_survived() {
    let mut world = World::new(11, 0);
    world.populate(0, 50);
    let peers = announce(&mut world, 5);
    world.loss = 100;
    world.run(MINUTE * 60 * 5);
    assert!(world.node(20).save().nodes.len() >= 8, "it would find back after a restart, too");
    world.loss = 0;
    world.run(MINUTE * 20);
    let (found, tries, ..) = seek(&mut world, &peers, 20);
    assert_eq!(found, tries);
}
