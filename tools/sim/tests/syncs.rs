//! Syncs that fail: what they lost can be read for a while, and is nowhere else. It is claimed when it has been written
//! again, and only then; whoever was told in an earlier life, too, sees to that.

use tide_base::{Duration, Instant, PieceIndex};
use tide_disk::resume::Checkpoint;
use tide_sim::disk::PieceTruth;
use tide_sim::scenario::build;
use tide_sim::world::Node;
use tide_sim::{Directed, Mishap, World};

/// What the resume data of a node's torrent say, if they could be saved.
fn resume_of(node: &Node, number: usize) -> Option<Checkpoint> {
    let torrent = &node.torrents()[number];
    let path = torrent.spec.resume.as_ref().expect("it has resume data");
    let bytes = node.medium().read_file(path)?;
    Some(Checkpoint::decode(&bytes, Some(&torrent.spec.info_hashes)).expect("they are whole"))
}

/// How many pieces are claimed, each of which any crash at this moment would leave as it should be.
fn claimed(world: &World, node: &Node, seed: u64) -> u32 {
    let claims = |number: usize| {
        let torrent = &node.torrents()[number];
        let content = world.content(torrent.content);
        let resume = resume_of(node, number).expect("nothing keeps it from being saved any more");
        let have = resume.have.expect("it is known how many pieces there are");
        for piece in have.iter() {
            let truth = node.medium().durable_state_of(content, &torrent.spec.root, PieceIndex(piece));
            assert_eq!(truth, PieceTruth::Right, "piece {piece} of torrent {number}, seed {seed}");
        }
        have.count()
    };
    (0..node.torrents().len()).map(claims).sum()
}

/// A swarm in which syncs fail for two minutes; then, if `restart`, everybody ends in good order before he could try
/// again, and begins anew.
/// How many pieces were noted as unsure in between.
fn play(seed: u64, restart: bool) -> u32 {
    let mut scenario = Directed::Calm.scenario(seed);
    scenario.odds.set(Mishap::SyncFails, 300_000);
    let (mut world, cast) = build(&scenario);
    world.run_until(Instant::from_secs(120));
    world.calm(&cast.nodes.iter().copied().collect());
    let mut noted = 0;
    if restart {
        cast.nodes.iter().for_each(|&node| world.shut_down(node, Duration::from_secs(30)));
        world.run_until(world.now() + Duration::from_secs(60));
        for &node in &cast.nodes {
            assert!(world.node(node).is_finished());
            let unsure = |number| resume_of(world.node(node), number)?.unsure;
            let unsure = |number| unsure(number).map_or(0, |unsure| unsure.count());
            noted += (0..world.node(node).torrents().len()).map(unsure).sum::<u32>();
            world.end(node);
            world.start(node);
        }
    }
    let complete =
        |world: &World| world.nodes().all(|(_, node)| node.torrents().iter().all(|torrent| torrent.complete));
    assert!(world.run_to(Instant::from_secs(3600), Duration::from_secs(1), complete), "nobody is in the way");
    world.run_until(world.now() + Duration::from_secs(600));
    for &node in &cast.nodes {
        let all: u32 =
            world.node(node).torrents().iter().map(|t| world.content(t.content).layout().pieces()).sum();
        assert_eq!(claimed(&world, world.node(node), seed), all);
    }
    if let Some(finding) = world.take_finding() {
        panic!("seed {seed}: {finding}");
    }
    noted
}

#[test]
fn what_a_failed_sync_lost_is_written_again_before_it_is_claimed() {
    for seed in 0..10 {
        play(seed, false);
    }
}

#[test]
fn what_a_failed_sync_lost_is_written_again_in_the_next_life() {
    let noted: u32 = (0..10).map(|seed| play(seed, true)).sum();
    assert!(noted > 0, "nobody ended with pieces that were unsure");
}
