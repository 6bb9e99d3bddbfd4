//! The world of a scenario.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use tide_base::{PeerId, Prng, WallClock};
use tide_dht::Reach;
use tide_disk::{Backing, VolumeId};
use tide_engine::{DhtSetup, Setup, StateFile};
use tide_metainfo::HostPort;

use super::{DhtPlan, MutantPlan, NodePlan, Scenario, TorrentPlan};
use crate::dice::Dice;
use crate::disk::Content;
use crate::home::Home;
use crate::liar::Liar;
use crate::mutants::{Mutant, MutantSpec};
use crate::net::HostSpec;
use crate::tracker::Tracker;
use crate::world::{ActorId, NodeId, NodeSpec, World};

/// Who is who in the world of a scenario, in the scenario's order.
#[derive(Clone, Debug)]
pub struct Cast {
    /// The engines.
    pub nodes: Vec<NodeId>,
    /// Those who break the rules.
    pub mutants: Vec<ActorId>,
    /// The trackers.
    pub trackers: Vec<ActorId>,
}

/// The world of a scenario in its first moment, all engines started.
pub fn build(scenario: &Scenario) -> (World, Cast) {
    let prng = Prng::new(scenario.seed).split("build");
    let mut world = World::new(scenario.seed, scenario.odds.clone(), scenario.net.clone());
    for (content, &genuine) in scenario.contents.iter().zip(&scenario.genuine) {
        let make = if genuine { Content::genuine } else { Content::new };
        world.add_content(make(content.clone()));
    }
    let trackers = trackers(scenario, &mut world, &prng);
    for (i, plan) in scenario.nodes.iter().enumerate() {
        world.add_name(&router_name(i), plan.host.ips.clone());
    }
    let nodes: Vec<NodeId> =
        (0..scenario.nodes.len()).map(|i| world.add_node(node_spec(scenario, i))).collect();
    for (id, plan) in nodes.iter().zip(&scenario.nodes) {
        for torrent in &plan.torrents {
            add_torrent(scenario, &mut world, *id, torrent);
        }
    }
    for content in 0..scenario.contents.len() {
        if let Some((node, torrent)) = scenario.spared(content) {
            world.spare(nodes[node], torrent);
        }
    }
    homes(scenario, &mut world, &prng);
    let mutants = scenario.mutants.iter().enumerate().filter(|(_, plan)| !plan.absent);
    let mutants = mutants.map(|(i, plan)| mutant(scenario, &mut world, plan, &prng, i)).collect();
    liars(scenario, &mut world, &prng);
    world.judge(scenario.look_every);
    for (id, _) in nodes.iter().zip(&scenario.nodes).filter(|(_, plan)| !plan.absent) {
        world.start(*id);
    }
    (world, Cast { nodes, mutants, trackers })
}

impl NodePlan {
    /// Where it can be reached.
    pub fn addr(&self) -> SocketAddr {
        SocketAddr::new(self.host.ips[0], self.port)
    }
}

fn node_spec(scenario: &Scenario, i: usize) -> NodeSpec {
    let plan = &scenario.nodes[i];
    let mut random = [0; 12];
    Prng::new(scenario.seed).split(&format!("peer id {i}")).fill(&mut random);
    let peer_id: PeerId = tide_peer::client::our_id(random);
    let mut host = plan.host.clone();
    let gateway = plan.gateway.as_ref().map(|_| {
        let (inside, own) = behind(i);
        host.ips.push(own);
        host.lan = Some(BEHIND + i as u32);
        (IpAddr::V4(inside), own)
    });
    NodeSpec {
        host,
        port: plan.port,
        setup: Setup {
            peer_id,
            tracker_key: i as u32 + 1,
            rates: plan.rates,
            limits: plan.limits.clone(),
            local: plan.local.then(tide_local::limits::Limits::default),
            mapping: gateway.map(|_| tide_portmap::limits::Limits::default()),
            epoch: WallClock(1_700_000_000),
            dht: plan.dht.as_ref().map(|dht| dht_setup(scenario, dht)),
            pex: plan.pex,
            ..Setup::plain(plan.shards)
        },
        turns: plan.turns,
        mail: plan.mail,
        hashers: plan.hashers,
        pace: plan.pace,
        medium: plan.medium,
        disk: tide_disk::Limits::default(),
        gateway,
    }
}

/// The local networks behind gateways have numbers from here.
const BEHIND: u32 = 1000;

/// The addresses of node `i`'s gateway inside, and of the node behind it.
fn behind(i: usize) -> (Ipv4Addr, IpAddr) {
    (Ipv4Addr::new(10, 100, i as u8, 1), Ipv4Addr::new(10, 100, i as u8, 2).into())
}

/// The gateways of those who have one.
fn homes(scenario: &Scenario, world: &mut World, prng: &Prng) {
    for (i, plan) in scenario.nodes.iter().enumerate().filter(|(_, plan)| !plan.absent) {
        let Some(spec) = plan.gateway else { continue };
        let (inside, _) = behind(i);
        let host = HostSpec { lan: Some(BEHIND + i as u32), ..HostSpec::ordinary(inside) };
        let home = Home::new(spec, inside, prng.split(&format!("home {i}")));
        let id = world.add_actor(host, &Home::ports(), Box::new(home));
        world.set_gateway(id, inside.into(), Home::groups());
    }
}

/// What a router is called.
fn router_name(node: usize) -> String {
    format!("router{node}.example")
}

fn dht_setup(scenario: &Scenario, plan: &DhtPlan) -> DhtSetup {
    let router = |&node: &usize| {
        let at = scenario.nodes[node].addr();
        let host = if plan.named { router_name(node) } else { at.ip().to_string() };
        HostPort { host, port: at.port() }
    };
    DhtSetup {
        routers: plan.routers.iter().map(router).collect(),
        reach: if plan.read_only { Reach::ReadOnly } else { Reach::Open },
        state: Some(StateFile {
            path: PathBuf::from("/v0/state/dht"),
            volume: VolumeId(0),
            backing: Backing::File,
        }),
        limits: plan.limits,
        ..DhtSetup::default()
    }
}

fn add_torrent(scenario: &Scenario, world: &mut World, id: NodeId, plan: &TorrentPlan) {
    let known = scenario
        .mutants
        .iter()
        .filter(|mutant| !mutant.absent && mutant.known && mutant.content == plan.content);
    let mutants = known.map(|mutant| SocketAddr::new(mutant.host.ips[0], mutant.port));
    let peers = plan.peers.iter().map(|&peer| scenario.nodes[peer].addr()).chain(mutants).collect();
    let mut spec = match plan.magnet {
        true => world.magnet_of(plan.content, peers),
        false => world.spec_of(plan.content, peers),
    };
    spec.private = scenario.private[plan.content];
    spec.sequential = Some(plan.sequential);
    spec.priorities = Some(plan.priorities.clone());
    spec.limits = Some(plan.limits);
    if plan.tracked {
        spec.own_trackers = scenario.trackers.iter().map(|tracker| tracker.urls()).collect();
    }
    world.add_torrent(id, plan.content, spec, plan.holding);
}

fn trackers(scenario: &Scenario, world: &mut World, prng: &Prng) -> Vec<ActorId> {
    let mut ids = Vec::new();
    for (i, spec) in scenario.trackers.iter().enumerate() {
        let dice = Dice::new(prng.split(&format!("tracker {i}")), scenario.odds.clone());
        let ips: Vec<_> = spec.at.iter().map(SocketAddr::ip).collect();
        let host = HostSpec {
            ips: ips.clone(),
            up: 1 << 20,
            down: 1 << 20,
            queue: 1 << 20,
            delay: tide_base::Duration::from_millis(20),
            nat: false,
            lan: None,
            sockets: 1000,
        };
        world.add_name(&spec.name, ips.clone());
        let ports: Vec<u16> = spec.at.iter().map(SocketAddr::port).collect();
        let id = world.add_actor(host, &ports, Box::new(Tracker::new(spec.clone(), dice)));
        world.set_tracker(id, ips);
        ids.push(id);
    }
    ids
}

fn liars(scenario: &Scenario, world: &mut World, prng: &Prng) {
    let nodes = scenario.nodes.iter().filter(|plan| plan.dht.is_some());
    let victims: Vec<SocketAddr> = nodes.map(NodePlan::addr).filter(SocketAddr::is_ipv4).collect();
    for (i, plan) in scenario.liars.iter().enumerate().filter(|(_, plan)| !plan.absent) {
        let at = SocketAddr::new(plan.host.ips[0], LIAR);
        let actor = Liar::new(plan.lie, at, victims.clone(), prng.split(&format!("liar {i}")));
        // A sybil is found at each of its ports.
        let ports: Vec<u16> = (LIAR..LIAR + 8).collect();
        world.add_actor(plan.host.clone(), &ports, Box::new(actor));
    }
}

/// The port of a liar, the first of several.
const LIAR: u16 = 7000;

fn mutant(scenario: &Scenario, world: &mut World, plan: &MutantPlan, prng: &Prng, i: usize) -> ActorId {
    let content = Arc::clone(world.content(plan.content));
    let victims: Vec<SocketAddr> = plan.victims.iter().map(|&node| scenario.nodes[node].addr()).collect();
    let spec = MutantSpec {
        info_hash: content.info_hash(),
        layout: content.layout(),
        metadata: content.metadata().cloned(),
        content,
        victims,
        at: SocketAddr::new(plan.host.ips[0], plan.port),
        listens: plan.known,
        limits: scenario.nodes[plan.victims[0]].limits.peer.clone(),
    };
    let actor = Mutant::new(plan.vice, spec, prng.split(&format!("mutant {i}")));
    world.add_actor(plan.host.clone(), &[plan.port], Box::new(actor))
}

impl crate::mutants::Bytes for Content {
    fn fill(&self, at: u64, into: &mut [u8]) {
        Content::fill(self, at, into);
    }
}
