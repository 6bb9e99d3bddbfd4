//! What the world does to nodes when it is told to: harm, and the peace of the second act.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;

use tide_base::{InfoHash, Instant, PieceIndex, ShardId};
use tide_disk::StoreSpec;
use tide_engine::{Check, Faults, RateLimits, Reason};

use super::node::Node;
use super::users::UserTorrent;
use super::{Canary, Due, NodeId, World};
use crate::disk::{Cause, PieceTruth};
use crate::judge::{NodeView, Truth, Waiting};
use crate::mishap::Tally;
use crate::mutants::{Mutant, Vice};

impl World {
    /// A moment at which files of a node may be cut off, deleted, or rot.
    pub fn harm(&mut self, id: NodeId) {
        let now = self.now;
        let node = &mut self.nodes[id.0 as usize];
        if !node.medium.harm(now).is_empty() {
            node.harmed = true;
            node.scar_moving();
        }
    }

    /// A moment at which the resume data of a node's torrent may become stale, torn or another's, while it is down.
    pub fn harm_resume(&mut self, id: NodeId, number: usize) {
        let now = self.now;
        let node = &mut self.nodes[id.0 as usize];
        let others = node.torrents.iter().enumerate().filter(|(other, _)| *other != number);
        let paths = others.filter_map(|(_, other)| other.spec.resume.as_ref());
        let others: Vec<Vec<u8>> = paths.filter_map(|path| node.medium.read_file(path)).collect();
        let Some(path) = &node.torrents[number].spec.resume else { return };
        if node.medium.harm_resume(now, path, &others).is_some() {
            node.torrents[number].resume_spoilt = true;
        }
    }

    /// The second act begins: the nodes of the core are well from now on; all others stay as they are, for good.
    pub fn calm(&mut self, core: &BTreeSet<NodeId>) {
        let now = self.now;
        let mut hosts: BTreeSet<_> = core.iter().map(|&id| self.node(id).host).collect();
        hosts.extend(self.players.iter().filter(|player| player.helps).map(|player| player.host));
        self.net.calm(now, &hosts);
        self.names.calm();
        for player in &mut self.players {
            player.actor.calm(player.helps);
        }
        for node in &mut self.nodes {
            node.calm(now, core.contains(&node.id));
        }
        for id in 0..self.nodes.len() {
            let id = NodeId(id as u32);
            if let Some(life) = &self.nodes[id.0 as usize].life {
                let dues: Vec<(Due, Instant)> =
                    life.volumes.iter().map(|(&volume, k)| (Due::Disk(id, volume), k.next_at())).collect();
                dues.into_iter().for_each(|(due, at)| self.agenda.set(due, at));
            }
        }
    }

    /// A stopped node's torrent is as a user would have it who wants all of it, here and now, from these peers.
    pub fn make_whole(&mut self, id: NodeId, number: usize, peers: Vec<SocketAddr>) {
        let node = &mut self.nodes[id.0 as usize];
        assert!(!node.is_alive(), "a running node is commanded");
        let torrent = &mut node.torrents[number];
        torrent.present = true;
        torrent.spec.priorities = Some(vec![4; torrent.files()]);
        torrent.spec.limits = Some(RateLimits::default());
        torrent.spec.paused = Some(false);
        // What was spoilt silently is not served before it is found, or its server is banned for it.
        torrent.spec.check = Check::Full;
        torrent.spec.peers.extend(peers);
        torrent.spec.peers.sort_unstable();
        torrent.spec.peers.dedup();
    }

    /// What a piece is on a node's disk, where its user keeps the torrent.
    pub fn truth(&self, id: NodeId, torrent: InfoHash, piece: PieceIndex) -> Truth {
        self.node(id).truth(torrent, piece)
    }

    /// Something is wrong with this world from now on: the judges must notice.
    pub fn release(&mut self, canary: Canary) {
        assert!(canary != Canary::Panic, "the canary sings");
        self.canary = Some(canary);
    }

    /// How often each rule was broken, as the engines saw it.
    pub fn faults(&self) -> Faults {
        let mut faults = self.past_faults;
        for shard in self.nodes.iter().flat_map(Node::shards) {
            faults.merge(shard.faults());
        }
        faults
    }

    /// How often each vice showed.
    pub fn vices(&self) -> Tally<Vice> {
        let mut tally = Tally::default();
        for player in &self.players {
            let actor: &dyn std::any::Any = player.actor.as_ref();
            if let Some(mutant) = actor.downcast_ref::<Mutant>() {
                tally.add(mutant.vice(), mutant.shown());
            }
        }
        tally
    }

    /// So many have completed that had to.
    pub fn note_completed(&mut self, goals: usize) {
        (0..goals).for_each(|_| self.court.also(crate::judge::Oracle::Alive));
    }

    /// Who of the core waits for whom, and why.
    pub fn waits(&self, core: &BTreeSet<NodeId>) -> Vec<Waiting> {
        let surveys: Vec<Vec<_>> =
            self.nodes.iter().map(|node| node.shards().map(|shard| shard.survey()).collect()).collect();
        let listens: Vec<Vec<SocketAddr>> = self.nodes.iter().map(|node| node.addrs().collect()).collect();
        let views: Vec<NodeView<'_>> = self
            .nodes
            .iter()
            .enumerate()
            .map(|(node, of)| NodeView {
                node,
                surveys: &surveys[node],
                listens: &listens[node],
                peer_id: of.spec.setup.peer_id,
            })
            .collect();
        let core = core.iter().map(|id| id.0 as usize);
        crate::judge::Liveness::new(self.now, core, tide_base::Duration::ZERO).pending(&views)
    }

    /// A shard is about to take a turn: if it was not called for, why does it wake?
    pub(super) fn note_wake(&mut self, id: NodeId, shard: ShardId) {
        let now = self.now;
        if self.quiet.is_empty() {
            return;
        }
        let seat = self.seat(id, shard);
        let called = !seat.inbox.is_empty() || !seat.reads.is_empty() || !seat.writes.is_empty();
        let wake = seat.shard.wake_at().filter(|(at, _)| *at <= now && !called);
        let for_somebody = wake.is_some_and(|(_, reason)| reason == Reason::Choke)
            && crate::judge::wants_rounds(&seat.shard.survey());
        let wake = wake.filter(|_| !for_somebody);
        if let (Some((_, reason)), Some(quiet)) = (wake, self.quiet.get_mut(&id)) {
            quiet.woke(reason);
        }
    }

    /// A node dials a peer.
    pub(super) fn note_dial(&mut self, id: NodeId, to: SocketAddr) {
        if let Some(quiet) = self.quiet.get_mut(&id) {
            quiet.dialled(to);
        }
    }

    /// A peer has dialled a node.
    pub(super) fn note_accept(&mut self, id: NodeId) {
        if let Some(quiet) = self.quiet.get_mut(&id) {
            quiet.accepted();
        }
    }

    /// Wake-ups of these nodes are counted from now on.
    pub fn begin_quiet(&mut self, nodes: &BTreeSet<NodeId>) {
        let now = self.now;
        let quiet = |&id: &NodeId| (id, crate::judge::Quiet::new(now, id.0 as usize));
        self.quiet = nodes.iter().map(quiet).collect();
    }

    /// Whether those whose wake-ups were counted were quiet.
    ///
    /// # Errors
    /// Who woke too often, and why.
    pub fn end_quiet(&mut self) -> Result<(), crate::judge::Finding> {
        for (id, quiet) in std::mem::take(&mut self.quiet) {
            let surveys: Vec<_> = self.node(id).shards().map(|shard| shard.survey()).collect();
            quiet.judge(self.now, &surveys)?;
            self.court.also(crate::judge::Oracle::Quiet);
        }
        Ok(())
    }
}

impl Node {
    fn calm(&mut self, now: Instant, core: bool) {
        self.dice.calm();
        self.odds = crate::dice::Odds::calm();
        self.medium.calm(core);
        if let Some(life) = &mut self.life {
            life.pool.calm();
            life.post.calm();
            life.still = if core { now } else { life.still };
            life.volumes.values_mut().for_each(|keeper| keeper.calm(now, core));
        }
    }

    /// What a piece is on this node's disk, where its user keeps the torrent.
    pub(super) fn truth(&self, torrent: InfoHash, piece: PieceIndex) -> Truth {
        self.judged(torrent, piece, |_| true)
    }

    /// The same of what is claimed when its process starts: what a crash or a failed sync took had better not been claimed.
    /// (Where files were harmed, too, a piece may have been lost, fetched again and torn before anybody could take the
    /// claim back.)
    pub(super) fn truth_of_claim(&self, torrent: InfoHash, piece: PieceIndex) -> Truth {
        let forgotten = self.torrents.iter().any(|known| known.info_hash() == torrent && known.forgotten);
        self.judged(torrent, piece, |cause| {
            self.harmed || cause.is_silent() || (forgotten && cause == Cause::FailedSync)
        })
    }

    fn judged(&self, torrent: InfoHash, piece: PieceIndex, excuses: impl Fn(Cause) -> bool) -> Truth {
        let Some(known) = self.torrents.iter().find(|known| known.info_hash() == torrent) else {
            return Truth::Unknown;
        };
        if known.is_moving() {
            return Truth::Unknown;
        }
        // It lies below one of these, and nobody knows which: what was damaged there is merely absent below the others.
        let roots = known.elsewhere.iter().chain([&known.spec.root]);
        let truths: Vec<Truth> = roots.map(|root| self.truth_below(known, root, piece, &excuses)).collect();
        let kindest = [Truth::Right, Truth::Damaged].into_iter().find(|truth| truths.contains(truth));
        kindest.unwrap_or(Truth::Wrong)
    }

    fn truth_below(
        &self,
        known: &UserTorrent,
        root: &Path,
        piece: PieceIndex,
        excuses: impl Fn(Cause) -> bool,
    ) -> Truth {
        let spec = &known.spec;
        let store = StoreSpec {
            root: root.to_path_buf(),
            files: known.made.files().clone(),
            layout: known.made.layout(),
            wanted: tide_base::Bits::full(known.files() as u32),
            aside: spec.aside.clone(),
            resume: None,
            backing: spec.backing,
            allocation: spec.allocation,
        };
        match self.medium.truth_of(&known.made, &store, piece) {
            PieceTruth::Right => Truth::Right,
            PieceTruth::Damaged(cause) if excuses(cause) => Truth::Damaged,
            _ if self.scars.has(known.info_hash(), piece) => Truth::Damaged,
            PieceTruth::Wrong | PieceTruth::Damaged(_) => Truth::Wrong,
        }
    }
}
