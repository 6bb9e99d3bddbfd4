//! The second act: a random core that must suffice is healed, every other fault is frozen for good, and every leecher of
//! the core completes.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use tide_base::{Bits, Duration, Instant, PieceIndex, Prng};
use tide_engine::survey::TorrentSurvey;
use tide_engine::{CommandId, RateLimits, State, TorrentCommand};

use crate::judge::Truth;
use crate::world::{NodeId, World};

/// What must come true: a node of the core completes a torrent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Goal {
    pub(super) node: NodeId,
    /// The number of the torrent at that node.
    pub(super) torrent: usize,
}

/// The core and what is expected of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Core {
    pub(super) nodes: BTreeSet<NodeId>,
    pub(super) goals: Vec<Goal>,
    /// Contents of which some piece is right nowhere in the world.
    pub(super) lost: Vec<usize>,
    /// The orders to hash all of a goal anew. Those whose metadata was still sought then refused.
    checks: Vec<(Goal, CommandId)>,
}

/// The goals of which everything was hashed anew.
pub(super) fn hashed<'a>(world: &'a World, core: &'a Core) -> impl Iterator<Item = Goal> + 'a {
    let done = |(goal, id): &(Goal, CommandId)| world.node(goal.node).has_done(*id).then_some(*goal);
    core.checks.iter().filter_map(done)
}

/// The pieces of a node's torrent that are right on its disk.
fn right(world: &World, node: NodeId, torrent: usize) -> Bits {
    let content = world.content(world.node(node).torrents()[torrent].content);
    let count = content.layout().pieces();
    let mut bits = Bits::new(count);
    for piece in 0..count {
        if world.truth(node, content.info_hash(), PieceIndex(piece)) == Truth::Right {
            bits.set(piece);
        }
    }
    bits
}

/// Chooses a core: nodes in random order, until those that can be dialled have every piece of every torrent that any
/// of them takes part in; and then perhaps some more.
pub(super) fn choose(world: &World, prng: &mut Prng, strangers: bool) -> Core {
    let mut order: Vec<NodeId> = world.nodes().map(|(id, _)| id).collect();
    prng.shuffle(&mut order);
    let mut core = Core::default();
    let contents: BTreeSet<usize> = order.iter().flat_map(|&id| contents_of(world, id)).collect();
    for content in contents {
        let mut left = Bits::full(world.content(content).layout().pieces());
        // Who is told of a node is told its own port; who finds it, the one that its gateway has opened.
        let can_be_dialled = |id: &&NodeId| match strangers {
            true => world.node(**id).can_be_dialled(),
            false => !world.node(**id).spec().host.nat,
        };
        for &node in order.iter().filter(can_be_dialled) {
            if left.count() == 0 {
                break;
            }
            for torrent in torrents_of(world, node, content) {
                let has = right(world, node, torrent);
                if has.iter().any(|piece| left.has(piece)) {
                    core.nodes.insert(node);
                    for piece in has.iter() {
                        left.clear(piece);
                    }
                }
            }
        }
        if left.count() > 0 {
            core.lost.push(content);
        }
    }
    // Who has a link only learns the rest from somebody of the core who knows it.
    let knows = |known: &&crate::world::UserTorrent| {
        known.spared && world.content(known.content).metadata().is_some()
    };
    core.nodes
        .extend(order.iter().filter(|&&id| world.node(id).torrents().iter().any(|known| knows(&known))));
    for &id in &order {
        if core.nodes.len() < 2 || prng.chance(1, 2) {
            core.nodes.insert(id);
        }
    }
    for &node in &core.nodes {
        for (torrent, known) in world.node(node).torrents().iter().enumerate() {
            if !core.lost.contains(&known.content) {
                core.goals.push(Goal { node, torrent });
            }
        }
    }
    core
}

fn contents_of(world: &World, node: NodeId) -> impl Iterator<Item = usize> + '_ {
    world.node(node).torrents().iter().map(|torrent| torrent.content)
}

fn torrents_of(world: &World, node: NodeId, content: usize) -> Vec<usize> {
    let torrents = world.node(node).torrents().iter().enumerate();
    torrents.filter(|(_, torrent)| torrent.content == content).map(|(number, _)| number).collect()
}

/// Contents that are nowhere whole although there is a copy that nobody harms: whoever has it has spoilt it himself.
pub(super) fn spoilt(world: &World, core: &Core) -> Option<String> {
    let lost = |known: &&crate::world::UserTorrent| known.spared && core.lost.contains(&known.content);
    world.nodes().find_map(|(id, node)| {
        let known = node.torrents().iter().find(lost)?;
        Some(format!("node {} has spoilt its copy of {:?}, which nobody harms", id.0, known.info_hash()))
    })
}

/// How long nodes of the core get to come up.
const RISING: Duration = Duration::from_secs(600);

/// Starts every node of the core anew, and has its users want everything.
pub(super) fn raise(world: &mut World, core: &mut Core, strangers: bool) -> Result<(), String> {
    let end = world.now() + RISING;
    for &node in &core.nodes {
        // A ban of an honest peer, whose disk the world has spoilt, does not outlive the process.
        if world.node(node).is_alive() {
            world.shut_down(node, super::users::ENDING);
        }
    }
    let is_down = |world: &World, id| world.node(id).is_finished() || !world.node(id).is_alive();
    let down = |world: &World| core.nodes.iter().all(|&id| is_down(world, id));
    until(world, end, down).map_err(|()| {
        let who: Vec<u32> = core.nodes.iter().filter(|&&id| !is_down(world, id)).map(|id| id.0).collect();
        format!("nodes {who:?} of the core do not end")
    })?;
    for &node in &core.nodes {
        world.end(node);
        for torrent in 0..world.node(node).torrents().len() {
            let addrs = if strangers { Vec::new() } else { partners(world, core, node, torrent) };
            world.make_whole(node, torrent, addrs);
        }
        world.set_rates(node, RateLimits::default());
        world.start(node);
    }
    let up = |world: &World| {
        let known = |id: &NodeId| world.node(*id).torrents().iter().all(|torrent| torrent.key.is_some());
        core.nodes.iter().all(known)
    };
    until(world, end, up).map_err(|()| {
        let lacks = |id: &&NodeId| world.node(**id).torrents().iter().any(|torrent| torrent.key.is_none());
        let who: Vec<u32> = core.nodes.iter().filter(lacks).map(|id| id.0).collect();
        format!("nodes {who:?} of the core do not take their torrents in")
    })?;
    for goal in &core.goals {
        // What the world has spoilt silently is found by hashing it.
        let check = world.command_torrent(goal.node, goal.torrent, TorrentCommand::Recheck);
        core.checks.extend(check.map(|id| (*goal, id)));
        world.command_torrent(goal.node, goal.torrent, TorrentCommand::Resume);
    }
    Ok(())
}

fn partners(world: &World, core: &Core, node: NodeId, torrent: usize) -> Vec<SocketAddr> {
    let content = world.node(node).torrents()[torrent].content;
    let others = core.nodes.iter().filter(|&&other| other != node);
    let with = others.filter(|&&other| contents_of(world, other).any(|theirs| theirs == content));
    with.map(|&other| world.node(other).addr_for(world.node(node))).collect()
}

/// Runs until `done` or `end`.
pub(super) fn until(world: &mut World, end: Instant, mut done: impl FnMut(&World) -> bool) -> Result<(), ()> {
    while !done(world) {
        if world.now() >= end {
            return Err(());
        }
        let next = (world.now() + Duration::from_millis(200)).min(end);
        world.run_until(next);
    }
    Ok(())
}

/// Pieces that the goals have reached so far, and whether all are reached.
pub(super) fn reached(world: &World, core: &Core) -> (u64, bool) {
    let surveys = core.goals.iter().map(|&goal| survey(world, goal));
    surveys.fold((0, true), |(pieces, all), survey| match survey {
        Some(survey) => (pieces + u64::from(survey.have.count()), all && is_reached(&survey)),
        None => (pieces, false),
    })
}

fn survey(world: &World, goal: Goal) -> Option<TorrentSurvey> {
    let key = world.node(goal.node).torrents()[goal.torrent].key?;
    let mut surveys = world.node(goal.node).shards().flat_map(|shard| shard.survey().torrents);
    surveys.find(|survey| survey.key == key)
}

fn is_reached(survey: &TorrentSurvey) -> bool {
    survey.state == State::Seeding && survey.have.count() == survey.layout.pieces()
}

/// The goals that are not reached: who does what instead. Who [waits](World::waits) for pieces says more of them.
pub(super) fn unreached(world: &World, core: &Core) -> Vec<String> {
    let line = |&goal: &Goal| {
        let who = format!("node {} torrent {}", goal.node.0, goal.torrent);
        let Some(survey) = survey(world, goal) else { return Some(format!("{who} is not there")) };
        let (have, all) = (survey.have.count(), survey.layout.pieces());
        let unwanted = all - survey.wanted.count();
        let trouble = survey.trouble.as_ref().map_or(String::new(), |trouble| format!(" ({trouble})"));
        (!is_reached(&survey)).then(|| {
            format!("{who} is {:?}{trouble} with {have} of {all} pieces, {unwanted} unwanted", survey.state)
        })
    };
    core.goals.iter().filter_map(line).collect()
}
