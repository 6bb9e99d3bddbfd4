//! What large worlds cost: time and memory, measured when somebody wants to know.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use tide_base::{Duration, Instant, Prng};
use tide_engine::Check;
use tide_sim::disk::{Content, ContentSpec};
use tide_sim::net::{HostSpec, NetSpec};
use tide_sim::world::{Holding, NodeId, NodeSpec};
use tide_sim::{Odds, World};

use super::swarm::clock;

/// Which.
#[derive(Clone, Copy, Debug)]
pub(super) enum Big {
    /// A thousand peers, one of them a seed, with real limits.
    Swarm,
    /// A hundred gigabytes, of which somebody wants a file.
    Torrent,
    /// Ten seeds and nobody who wants anything, for an hour.
    Idle,
}

impl Big {
    /// The one with this name.
    pub(super) fn named(name: &str) -> Option<Big> {
        Some(match name {
            "swarm" => Big::Swarm,
            "torrent" => Big::Torrent,
            "idle" => Big::Idle,
            _ => return None,
        })
    }
}

/// Plays one of them and says what it cost.
pub(super) fn big(which: Big) -> ExitCode {
    let began = clock();
    let (world, done) = match which {
        Big::Swarm => swarm(),
        Big::Torrent => torrent(),
        Big::Idle => idle(),
    };
    let took = clock().duration_since(began);
    let counts = world.counts();
    say!("simulated      {:.0} s", (world.now() - Instant::ZERO).as_secs_f64());
    say!("took           {:.3} s", took.as_secs_f64());
    say!("events, turns  {} {}", counts.events, counts.turns);
    say!("bytes carried  {}", world.net_stats().wire_bytes);
    say!("peak memory    {}", peak().unwrap_or_else(|| "unknown".to_owned()));
    if done { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The most memory that the process had, as Linux tells it.
fn peak() -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().to_owned())
}

fn node(number: u32) -> NodeSpec {
    let ip = Ipv4Addr::new(60, 1, (number >> 8) as u8, number as u8);
    let host = HostSpec { up: 10_000_000, down: 10_000_000, ..HostSpec::ordinary(ip) };
    NodeSpec { host, ..NodeSpec::ordinary(ip) }
}

fn complete(world: &World) -> bool {
    world.nodes().all(|(_, node)| node.torrents().iter().all(|torrent| torrent.complete))
}

/// Adds `content` to a node that knows `peers` and starts it.
fn start(world: &mut World, id: NodeId, peers: Vec<SocketAddr>, holding: Holding, priorities: Vec<u8>) {
    let mut spec = world.spec_of(0, peers);
    spec.check = Check::Skip;
    spec.priorities = Some(priorities);
    world.add_torrent(id, 0, spec, holding);
    world.start(id);
}

fn swarm() -> (World, bool) {
    let mut world = World::new(1, Odds::calm(), NetSpec::default());
    world.add_content(Content::new(ContentSpec::single(1, 4 << 20, 64 << 10, 16 << 10)));
    let nodes: Vec<NodeId> = (0..1000).map(|i| world.add_node(node(i))).collect();
    let mut prng = Prng::new(1);
    for (i, &id) in nodes.iter().enumerate() {
        let mut peers: Vec<SocketAddr> =
            (0..20).map(|_| world.node(nodes[prng.index(nodes.len())]).addr()).collect();
        peers.push(world.node(nodes[i / 2]).addr());
        let holding = if i == 0 { Holding::Everything } else { Holding::Nothing };
        start(&mut world, id, peers, holding, Vec::new());
    }
    let done = world.run_to(Instant::from_secs(7200), Duration::from_secs(1), complete);
    (world, done)
}

fn torrent() -> (World, bool) {
    let mut world = World::new(1, Odds::calm(), NetSpec::default());
    let files: Vec<(u64, bool)> =
        (0..100).map(|i| (if i == 0 { 64_000_000 } else { 1_010_000_000 }, false)).collect();
    let spec = ContentSpec { repeat: 16, ..ContentSpec::of_lens(1, &files, 4 << 20, 16 << 10) };
    world.add_content(Content::new(spec));
    let (seed, leech) = (world.add_node(node(1)), world.add_node(node(2)));
    let addr = world.node(seed).addr();
    start(&mut world, seed, Vec::new(), Holding::Everything, Vec::new());
    let priorities = (0..100).map(|i| if i == 0 { 4 } else { 0 }).collect();
    start(&mut world, leech, vec![addr], Holding::Nothing, priorities);
    let done = world.run_to(Instant::from_secs(7200), Duration::from_secs(1), complete);
    (world, done)
}

fn idle() -> (World, bool) {
    let mut world = World::new(1, Odds::calm(), NetSpec::default());
    world.add_content(Content::new(ContentSpec::single(1, 4 << 20, 64 << 10, 16 << 10)));
    let nodes: Vec<NodeId> = (0..10).map(|i| world.add_node(node(i))).collect();
    let addrs: Vec<SocketAddr> = nodes.iter().map(|&id| world.node(id).addr()).collect();
    for &id in &nodes {
        start(&mut world, id, addrs.clone(), Holding::Everything, Vec::new());
    }
    world.run_until(Instant::from_secs(3600));
    let done = complete(&world);
    (world, done)
}
