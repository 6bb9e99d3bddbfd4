//! Real runs: nobody objects to anything, and nearly everybody had something to compare.

use tide_base::{Duration, Instant};
use tide_engine::{Command, TorrentCommand};

use super::world::World;
use crate::judge::{Liveness, Oracle, Quiet, live};
use crate::mishap::Tally;

fn no_objection(world: &World, seed: u64) {
    if let Some(finding) = &world.finding {
        panic!("seed {seed}: {finding}");
    }
}

/// A swarm with accidents; all complete in the end, and all end in good order.
fn swarm(seed: u64) -> Tally<Oracle> {
    let mut world = World::new(seed, 2 + seed as usize % 4, 2);
    let nodes = world.all.nodes.len();
    (0..nodes).for_each(|node| world.add(node));
    for _ in 0..world.prng.below(30) {
        for _ in 0..world.prng.below(40) {
            world.step();
        }
        let node = world.prng.index(nodes);
        match world.prng.below(8) {
            0..4 => world.cut(node),
            4 => world.tell(node, TorrentCommand::Pause),
            5 => world.tell(node, TorrentCommand::Recheck),
            6 => world.crash(node),
            _ => world.tell(node, TorrentCommand::Resume),
        }
        no_objection(&world, seed);
    }
    // Who crashed last has to be there to be told.
    while world.all.nodes.iter().any(|node| node.added.is_none()) {
        world.step();
    }
    (0..nodes).for_each(|node| world.tell(node, TorrentCommand::Resume));
    let mut live = Liveness::new(world.now, 0..nodes, Duration::from_secs(1200));
    while !world.all_complete() {
        (0..50).for_each(|_| drop(world.step()));
        no_objection(&world, seed);
        live.progress(world.now, world.views(live::measure));
        if live.is_stalled(world.now) {
            panic!("seed {seed}: {:?}", world.views(|views| live.judge(world.now, views)));
        }
    }
    assert!(world.views(|views| live.pending(views)).is_empty());
    quiet(&mut world, seed);
    end(&mut world, seed);
    world.judge.tally().clone()
}

fn quiet(world: &mut World, seed: u64) {
    // Until the last handshakes, syncs and saves are over.
    let from = world.now + Duration::from_secs(600);
    while world.now < from {
        world.step();
    }
    let mut quiet: Vec<Quiet> = (0..world.all.nodes.len()).map(|node| Quiet::new(world.now, node)).collect();
    let until: Instant = world.now + Duration::from_secs(600);
    while world.now < until {
        for (node, reason) in world.step() {
            quiet[node].woke(reason);
        }
    }
    for (node, surveys) in world.surveys().iter().enumerate() {
        quiet[node].judge(world.now, surveys).unwrap_or_else(|finding| panic!("seed {seed}: {finding}"));
        for torrent in surveys.iter().flat_map(|survey| &survey.torrents) {
            world.judged(|judge, now, all| judge.all_true(now, node, torrent, all));
        }
    }
    no_objection(world, seed);
}

fn end(world: &mut World, seed: u64) {
    for node in 0..world.all.nodes.len() {
        for shard in 0..world.all.nodes[node].setup.shards {
            world.send(node, shard, Command::Shutdown(Duration::from_secs(600)));
        }
    }
    let ended =
        |world: &World| world.all.nodes.iter().all(|node| node.finished == usize::from(node.setup.shards));
    for _ in 0..100_000 {
        if ended(world) {
            break;
        }
        world.step();
    }
    assert!(ended(world), "seed {seed}: somebody does not end");
    for node in 0..world.all.nodes.len() {
        world.judged(|judge, now, _| judge.finished(now, node));
    }
    no_objection(world, seed);
}

#[test]
fn swarms_with_accidents_give_nobody_cause_to_object() {
    let mut all = Tally::default();
    for seed in 0..24 {
        all.merge(&swarm(seed));
    }
    // These need what this small world does not have: liars, trackers, private torrents, addresses, wire-tapping; or are
    // of a large DHT.
    let elsewhere = [
        Oracle::Bans,
        Oracle::Trackers,
        Oracle::Announced,
        Oracle::Private,
        Oracle::Address,
        Oracle::Quiet,
        Oracle::Alive,
    ];
    let overlay =
        [Oracle::Queries, Oracle::Found, Oracle::Lookups, Oracle::Asking, Oracle::Bystanders, Oracle::Tables];
    let here = |oracle: &&Oracle| !elsewhere.contains(oracle) && !overlay.contains(oracle);
    for &oracle in Oracle::ALL.iter().filter(here) {
        assert!(all.of(oracle) > 0, "{oracle} had nothing to compare");
    }
}
