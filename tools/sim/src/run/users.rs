//! What users and machines do while all runs: on ticks, as the dice say.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tide_base::{Duration, Instant};
use tide_engine::{Content, RateLimits, TorrentCommand};

use crate::dice::Dice;
use crate::mishap::{Mishap, Tally};
use crate::world::{NodeId, World};

/// What lies ahead of a node.
#[derive(Clone, Copy, Debug, Default)]
struct Fate {
    /// It is started again then.
    starts: Option<Instant>,
    /// It was asked to end in good order.
    ending: bool,
    /// A paused torrent goes on then.
    resumes: Option<(Instant, usize)>,
    /// How often the content was moved.
    moves: u32,
}

/// The users of all nodes.
#[derive(Debug)]
pub(super) struct Users {
    dice: Dice,
    fates: Vec<Fate>,
}

/// Where nobody is.
const NOBODY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(60, 99, 99, 99)), 6881);

/// How long an orderly end may take.
pub(super) const ENDING: Duration = Duration::from_secs(30);

impl Users {
    pub(super) fn new(dice: Dice, nodes: usize) -> Users {
        Users { dice, fates: vec![Fate::default(); nodes] }
    }

    /// What they did.
    pub(super) fn tally(&self) -> &Tally<Mishap> {
        self.dice.tally()
    }

    /// A tick: for each node a chance of everything. What was done to which.
    pub(super) fn tick(&mut self, world: &mut World) -> Vec<(NodeId, Mishap)> {
        let mut done = Vec::new();
        for i in 0..self.fates.len() {
            let (node, before) = (NodeId(i as u32), self.dice.tally().clone());
            self.wait(world, node);
            if world.node(node).is_alive() && !self.fates[i].ending {
                self.machine(world, node);
            }
            if world.node(node).is_alive() && !self.fates[i].ending {
                self.user(world, node);
            }
            let tally = self.dice.tally().iter();
            done.extend(tally.filter(|&(what, times)| times > before.of(what)).map(|(what, _)| (node, what)));
        }
        done
    }

    /// Nothing is done any more; but what was begun is brought to its end.
    pub(super) fn calm(&mut self) {
        self.dice.calm();
    }

    /// What was begun earlier.
    fn wait(&mut self, world: &mut World, node: NodeId) {
        let (now, fate) = (world.now(), &mut self.fates[node.0 as usize]);
        if fate.ending && world.node(node).is_finished() {
            world.end(node);
            fate.ending = false;
            fate.starts = Some(now + Duration::from_millis(self.dice.prng().below(20_000)));
        }
        let fate = &mut self.fates[node.0 as usize];
        if fate.starts.is_some_and(|at| at <= now) {
            fate.starts = None;
            world.start(node);
        }
        if let Some((_, torrent)) = fate.resumes.filter(|(at, _)| *at <= now) {
            fate.resumes = None;
            world.command_torrent(node, torrent, TorrentCommand::Resume);
        }
    }

    fn machine(&mut self, world: &mut World, node: NodeId) {
        let now = world.now();
        let fate = &mut self.fates[node.0 as usize];
        if self.dice.hits(Mishap::Kill) {
            let crash = self.dice.prng().chance(2, 3);
            world.kill(node, crash);
            Self::harm_resume(world, node);
            let after = Duration::from_millis(self.dice.prng().below(30_000));
            self.fates[node.0 as usize].starts = Some(now + after);
        } else if self.dice.hits(Mishap::Shutdown) {
            fate.ending = true;
            world.shut_down(node, ENDING);
        } else if self.dice.hits(Mishap::Pause) {
            let span = [50, 2_000, 70_000, 7_200_000][self.dice.prng().index(4)];
            world.pause(node, now + Duration::from_millis(span));
        }
        world.harm(node);
    }

    fn harm_resume(world: &mut World, node: NodeId) {
        for torrent in 0..world.node(node).torrents().len() {
            world.harm_resume(node, torrent);
        }
    }

    fn user(&mut self, world: &mut World, node: NodeId) {
        let count = world.node(node).torrents().len();
        if count == 0 {
            return;
        }
        let torrent = self.dice.prng().index(count);
        let known = &world.node(node).torrents()[torrent];
        if !known.present && known.is_settled() && self.dice.hits(Mishap::Add) {
            return world.add_again(node, torrent);
        }
        if known.key.is_none() || !known.is_settled() {
            return;
        }
        let (files, spared) = (known.files(), known.spared);
        if self.dice.hits(Mishap::Remove) {
            let delete = self.dice.prng().chance(1, 2) && !spared;
            let content = if delete { Content::Delete } else { Content::Keep };
            world.remove_torrent(node, torrent, content);
        } else if self.fates[node.0 as usize].resumes.is_none() && self.dice.hits(Mishap::Halt) {
            let after = Duration::from_millis(self.dice.prng().below(60_000));
            self.fates[node.0 as usize].resumes = Some((world.now() + after, torrent));
            world.command_torrent(node, torrent, TorrentCommand::Pause);
        } else if self.dice.hits(Mishap::Recheck) {
            world.command_torrent(node, torrent, TorrentCommand::Recheck);
        } else if self.dice.hits(Mishap::SetLimits) {
            self.limit(world, node, torrent);
        } else if files > 1 && self.dice.hits(Mishap::SetPriorities) {
            let priorities = (0..files).map(|_| [0, 1, 4, 7][self.dice.prng().index(4)]).collect();
            world.set_priorities(node, torrent, priorities);
        } else if !spared && self.dice.hits(Mishap::Move) {
            let fate = &mut self.fates[node.0 as usize];
            fate.moves += 1;
            let volume = if self.dice.prng().chance(1, 2) { 0 } else { 1 };
            world.move_torrent(node, torrent, volume, fate.moves);
        } else {
            self.whim(world, node, torrent);
        }
    }

    /// What changes how a torrent goes about it, and nothing of what it is.
    fn whim(&mut self, world: &mut World, node: NodeId, torrent: usize) {
        if self.dice.strikes(Mishap::Learn) && world.can_learn(node, torrent) {
            self.dice.hit(Mishap::Learn);
            world.learn(node, torrent);
        } else if self.dice.hits(Mishap::Meet) {
            let who = NodeId(self.dice.prng().index(self.fates.len()) as u32);
            let nobody = self.dice.prng().chance(1, 4);
            let addr = if nobody { NOBODY } else { world.node(who).addr_for(world.node(node)) };
            world.meet(node, torrent, addr);
        } else if self.dice.hits(Mishap::Reannounce) {
            world.reannounce(node, torrent);
        } else if self.dice.hits(Mishap::Reorder) {
            let sequential = self.dice.prng().chance(1, 2);
            world.command_torrent(node, torrent, TorrentCommand::SetSequential(sequential));
        }
    }

    fn limit(&mut self, world: &mut World, node: NodeId, torrent: usize) {
        let prng = self.dice.prng();
        let mut rate = || prng.chance(1, 2).then(|| 100 * (1 + prng.below(100)));
        let rates = RateLimits { down: rate(), up: rate() };
        if self.dice.prng().chance(1, 2) {
            world.set_rates(node, rates);
        } else {
            world.set_torrent_rates(node, torrent, rates);
        }
    }
}
