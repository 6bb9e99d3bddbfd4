//! A crowd at one door: many who want all from one who has few slots and a slow line, for as long as it takes to see
//! whether everybody has a turn. Drawn swarms are complete before anybody could have waited too long.

use tide_base::{Duration, Prng};
use tide_engine::RateLimits;

use super::{Scenario, TorrentPlan};
use crate::dice::Odds;
use crate::disk::ContentSpec;
use crate::world::Holding;

/// One scenario in so many is one.
const ONE_IN: u64 = 12;
/// Fewer make no crowd: one serves, three have slots.
const NODES: usize = 6;
/// Bytes a second that the one can say, and bytes that everybody wants of it: with three slots, twenty minutes for each.
const UP: u64 = 150;
const LEN: u64 = 60_000;

/// Perhaps makes a crowd of a scenario.
pub(super) fn perhaps(prng: &mut Prng, scenario: &mut Scenario) {
    if prng.chance(1, ONE_IN) && scenario.tiny && scenario.nodes.len() >= NODES {
        gather(prng.next_u64(), scenario);
    }
}

fn gather(seed: u64, scenario: &mut Scenario) {
    scenario.contents = vec![ContentSpec::of_lens(seed, &[(LEN, false)], 192, 64)];
    (scenario.private, scenario.genuine) = (vec![false], vec![false]);
    (scenario.mutants, scenario.trackers, scenario.odds) = (Vec::new(), Vec::new(), Odds::calm());
    // A DHT asks more of such a line than it has, and no handshake gets through.
    scenario.liars = Vec::new();
    scenario.first_act = Duration::from_secs(1500);
    for (i, node) in scenario.nodes.iter_mut().enumerate() {
        let (holding, peers) =
            if i == 0 { (Holding::Everything, Vec::new()) } else { (Holding::Nothing, vec![0]) };
        let plain = TorrentPlan {
            content: 0,
            holding,
            peers,
            tracked: false,
            magnet: false,
            sequential: false,
            priorities: Vec::new(),
            limits: RateLimits::default(),
        };
        (node.torrents, node.dht) = (vec![plain], None);
    }
    let one = &mut scenario.nodes[0];
    one.host.up = UP;
    one.rates = RateLimits::default();
    one.limits.upload_slots = 3;
    (one.limits.peers, one.limits.peers_per_torrent) = (100, 50);
}
