//! What trackers see of a swarm in which nothing goes wrong: each is told once that a torrent begins, is complete and is
//! gone, and is asked no more often than it allows.

use tide_base::{Duration, Instant};
use tide_sim::Directed;
use tide_sim::scenario::build;
use tide_sim::tracker::{Told, Tracker};

/// Plays such a swarm, whose tracker is asked over HTTP or over UDP.
fn play(http: bool) {
    let mut scenario = Directed::Calm.scenario(7);
    (scenario.trackers[0].http, scenario.trackers[0].udp) = (http, !http);
    let (mut world, cast) = build(&scenario);
    let complete = |world: &tide_sim::World| {
        world.nodes().all(|(_, node)| node.torrents().iter().all(|torrent| torrent.complete))
    };
    assert!(world.run_to(Instant::from_secs(3600), Duration::from_secs(1), complete), "nobody is in the way");
    world.run_until(world.now() + Duration::from_secs(600));
    for &node in &cast.nodes {
        world.shut_down(node, Duration::from_secs(30));
    }
    world.run_until(world.now() + Duration::from_secs(60));
    if let Some(finding) = world.take_finding() {
        panic!("{finding}");
    }
    let tracker: &Tracker = world.actor_as(cast.trackers[0]).expect("it is a tracker");
    let lines: Vec<_> = tracker.log().lines().collect();
    assert_eq!(lines.len(), 6, "three engines with two torrents each");
    for (line, seen) in lines {
        let seed = line.peer_id == world.node(cast.nodes[0]).spec().setup.peer_id;
        let completed = u64::from(!seed);
        assert_eq!((seen.started, seen.completed, seen.stopped), (1, completed, 1), "{line:?}");
        assert_eq!((seen.shrunk, seen.left), (0, 0), "{line:?}");
        for (gap, told) in seen.gaps() {
            let Told::Interval { interval, .. } = told else { continue };
            // A second for the ways there and back.
            assert!(
                gap + Duration::from_secs(1) >= Duration::from_secs(interval as u64),
                "{line:?}: {gap:?}"
            );
        }
    }
}

#[test]
fn a_tracker_over_http_hears_each_event_once_and_is_asked_when_it_said() {
    play(true);
}

#[test]
fn a_tracker_over_udp_hears_each_event_once_and_is_asked_when_it_said() {
    play(false);
}
