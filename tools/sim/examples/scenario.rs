//! A scenario of one's own: a tracker that this program brings along, a seed on a slow line, three leeches that know
//! nobody but the tracker, and a machine that crashes half-way: `cargo run -p tide-sim --example scenario`.

use std::net::{IpAddr, Ipv4Addr};

use tide_base::{Duration, Instant};
use tide_engine::Happening;
use tide_sim::disk::{Content, ContentSpec};
use tide_sim::net::{HostSpec, NetSpec};
use tide_sim::world::{Holding, NodeId, NodeSpec};
use tide_sim::{Actor, Hands, Heard, Mishap, Odds, Trail, World};

const TRACKER: Ipv4Addr = Ipv4Addr::new(60, 0, 0, 1);

/// Our own program: it answers whatever it is asked over HTTP with the same peers.
#[derive(Debug)]
struct Tracker {
    peers: Vec<Ipv4Addr>,
    asked: u32,
}

impl Actor for Tracker {
    fn hear(&mut self, _now: Instant, what: Heard<'_>, hands: &mut Hands<'_>) {
        // An announce fits in a packet, so it ends where its bytes end.
        let Heard::Bytes { end, data } = what else { return };
        if data.ends_with(b"\r\n\r\n") {
            self.asked += 1;
            let port = 6881_u16.to_be_bytes();
            let peers: Vec<u8> =
                self.peers.iter().flat_map(|ip| [&ip.octets()[..], &port].concat()).collect();
            let mut body = format!("d8:intervali60e5:peers{}:", peers.len()).into_bytes();
            body.extend(peers);
            body.push(b'e');
            hands.send(end, format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()));
            hands.send(end, body);
            hands.close(end);
        }
    }
}

fn ip(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(60, 0, 1, number)
}

/// Everything that the scenario is made of follows from `seed`. Who was complete when, and the trail.
fn play(seed: u64) -> (Vec<(NodeId, Instant)>, Trail) {
    // A packet in a hundred is lost; nothing else goes wrong by itself.
    let mut world = World::new(seed, Odds::calm().with(Mishap::TcpLoss, 10_000), NetSpec::default());
    let content = world.add_content(Content::new(ContentSpec::single(seed, 1_500_000, 64 << 10, 16 << 10)));

    let tracker = Tracker { peers: (0..4).map(ip).collect(), asked: 0 };
    let tracker = world.add_actor(HostSpec::ordinary(TRACKER), &[80], Box::new(tracker));
    world.set_tracker(tracker, vec![IpAddr::V4(TRACKER)]);

    // The first one has everything, and a slow line.
    let slow = HostSpec { up: 50_000, ..HostSpec::ordinary(ip(0)) };
    let seed = world.add_node(NodeSpec { host: slow, ..NodeSpec::ordinary(ip(0)) });
    let leeches = [1, 2, 3].map(|number| world.add_node(NodeSpec::ordinary(ip(number))));
    world.judge(1);
    for id in [seed].into_iter().chain(leeches) {
        let mut torrent = world.spec_of(content, Vec::new());
        torrent.own_trackers = vec![vec![format!("http://{TRACKER}/announce")]];
        let holding = if id == seed { Holding::Everything } else { Holding::Nothing };
        world.add_torrent(id, content, torrent, holding);
        world.start(id);
    }

    // The power fails at one of them; what its disk had not synced may be lost.
    world.run_until(Instant::from_secs(20));
    world.kill(leeches[0], true);
    world.run_until(Instant::from_secs(25));
    world.start(leeches[0]);

    let complete = |world: &World| leeches.iter().all(|&id| world.node(id).torrents()[0].complete);
    let done = world.run_to(Instant::from_secs(600), Duration::from_secs(1), complete);
    if let Some(finding) = world.take_finding() {
        panic!("the judges object: {finding}");
    }
    assert!(done, "somebody waits: {:?}", world.waits(&leeches.into_iter().collect()));
    let asked = world.actor_as::<Tracker>(tracker).map(|tracker| tracker.asked);
    assert!(asked >= Some(5), "all have asked, and one of them in two lives");

    let mut times = Vec::new();
    for id in leeches {
        let events = world.node_mut(id).take_events().into_iter();
        let complete = events.filter(|(_, event)| matches!(event.what, Happening::Complete { .. }));
        times.extend(complete.map(|(at, _)| (id, at)));
    }
    (times, world.trail())
}

fn main() {
    let (times, trail) = play(1);
    times.iter().for_each(|(node, at)| println!("node {} is complete at {at:?}", node.0));
    println!("trail {trail}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_completes_and_the_same_happens_again() {
        let (times, trail) = play(7);
        assert_eq!(times.len(), 3);
        assert_eq!(play(7).1, trail);
    }
}
