//! Whole engines in the same network: swarms that nothing but the DHT can bring together, and a private one of which
//! nobody may hear there.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use tide_base::{Duration, InfoHash, Instant, Prng};
use tide_disk::{Backing, VolumeId};
use tide_engine::{DhtSetup, StateFile};
use tide_metainfo::HostPort;

use super::plan::Plan;
use crate::dice::{Dice, Odds};
use crate::disk::{Content, ContentSpec};
use crate::net::HostSpec;
use crate::tracker::{Tracker, TrackerSpec};
use crate::world::{Holding, NodeId, NodeSpec, World};

/// How an engine has a torrent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// It has everything.
    Seed,
    /// It has nothing, and wants it.
    Leech,
    /// It has a link.
    Link,
}

/// The private one, by its number.
const PRIVATE: usize = 2;

/// Who takes part in what: the number of the torrent, and how.
const PARTS: [&[(usize, Part)]; 6] = [
    &[(0, Part::Seed), (PRIVATE, Part::Seed)],
    &[(0, Part::Leech)],
    &[(0, Part::Leech)],
    &[(1, Part::Seed)],
    &[(1, Part::Link), (PRIVATE, Part::Leech)],
    &[(1, Part::Link)],
];

/// The one behind a NAT.
const BEHIND: usize = 2;

/// Engines, and when each begins.
#[derive(Debug, Default)]
pub(super) struct Engines {
    begin: Vec<(Instant, NodeId)>,
    /// All of them.
    pub(super) nodes: Vec<NodeId>,
    /// Torrents that nobody may hear of.
    pub(super) private: Arc<[InfoHash]>,
}

impl Engines {
    /// Puts them into the world, not yet running. Seeds begin while others still come, the others once all are there.
    pub(super) fn settle(plan: &Plan, world: &mut World, prng: &mut Prng) -> Engines {
        let spec = |n: u64| ContentSpec::single(plan.seed.wrapping_add(n), 1 << 20, 64 << 10, 16 << 10);
        world.add_content(Content::new(spec(0)));
        world.add_content(Content::genuine(spec(1)));
        world.add_content(Content::new(spec(2)));
        let urls = tracker(world, prng);
        let mut engines =
            Engines { private: [world.content(PRIVATE).info_hash()].into(), ..Engines::default() };
        for (i, parts) in PARTS.iter().enumerate() {
            let id = world.add_node(node(plan, i));
            for &(content, part) in *parts {
                let mut spec = match part {
                    Part::Link => world.magnet_of(content, Vec::new()),
                    Part::Seed | Part::Leech => world.spec_of(content, Vec::new()),
                };
                if content == PRIVATE {
                    (spec.private, spec.own_trackers) = (true, vec![urls.clone()]);
                }
                let holding = if part == Part::Seed { Holding::Everything } else { Holding::Nothing };
                world.add_torrent(id, content, spec, holding);
            }
            let seeds = parts.iter().any(|(_, part)| *part == Part::Seed);
            let after = if seeds { plan.growth / 2 } else { plan.growth + plan.settling };
            let spread = Duration::from_nanos(prng.below(60_000_000_000));
            engines.begin.push((Instant::ZERO + after + spread, id));
            engines.nodes.push(id);
        }
        engines
    }

    /// Starts those whose time has come.
    pub(super) fn tick(&mut self, world: &mut World) {
        let now = world.now();
        for (_, id) in self.begin.extract_if(.., |(at, _)| *at <= now) {
            world.start(id);
        }
    }

    /// Torrents that are not complete where they should be: the engine and the torrent.
    pub(super) fn incomplete(&self, world: &World) -> Vec<(u32, usize)> {
        let of = |&id: &NodeId| {
            let torrents = world.node(id).torrents().iter();
            torrents.filter(|torrent| !torrent.complete).map(move |torrent| (id.0, torrent.content))
        };
        self.nodes.iter().flat_map(of).collect()
    }
}

fn node(plan: &Plan, i: usize) -> NodeSpec {
    let ip = Ipv4Addr::new(71, 3, i as u8, 9);
    let mut spec = NodeSpec::ordinary(ip);
    spec.host = HostSpec { nat: i == BEHIND, ..HostSpec::ordinary(ip) };
    let router = |at: SocketAddr| HostPort { host: at.ip().to_string(), port: at.port() };
    let path = PathBuf::from("/v0/state/dht");
    spec.setup.dht = Some(DhtSetup {
        routers: plan.routers().into_iter().map(router).collect(),
        state: Some(StateFile { path, volume: VolumeId(0), backing: Backing::File }),
        ..DhtSetup::default()
    });
    spec
}

/// The private torrent's tracker: its URLs.
fn tracker(world: &mut World, prng: &Prng) -> Vec<String> {
    let at = SocketAddr::from(([72, 3, 1, 9], 6969));
    let spec = TrackerSpec::new("tracker.example", vec![at], Duration::from_secs(120));
    let (name, urls) = (spec.name.clone(), spec.urls());
    let actor = Tracker::new(spec, Dice::new(prng.split("tracker"), Odds::calm()));
    world.add_name(&name, vec![at.ip()]);
    let id = world.add_actor(HostSpec::ordinary(at.ip()), &[at.port()], Box::new(actor));
    world.set_tracker(id, vec![at.ip()]);
    urls
}
