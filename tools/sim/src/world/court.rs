//! What the world tells the judges, and what they may ask of it.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use tide_base::{InfoHash, Instant, PieceIndex, Prng, ShardId};
use tide_disk::resume::Checkpoint;
use tide_disk::{Job, JobId, Outcome, Task};
use tide_engine::{Happening, Limits, RateLimits, Reachable, Survey, TorrentKey};

use super::ears::Response;
use super::node::{Node, Owned};
use super::{ActorId, NodeId, World};
use crate::home::Home;
use crate::judge::{Finding, Judge, Oracle, Said, Truth, View, Way};
use crate::mishap::{Mishap, Tally};
use crate::tracker::Tracker;

/// The judges of a world, and the first thing that they found.
#[derive(Debug, Default)]
pub(super) struct Court {
    judge: Option<Judge>,
    finding: Option<Finding>,
    /// Turns that are not looked at closely, since the last look was long.
    rests: u64,
    /// Turns so far.
    turns: u64,
}

/// A write under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Writing {
    torrent: InfoHash,
    piece: PieceIndex,
    offset: u32,
    len: u64,
}

/// What of a process the judges need to have remembered.
#[derive(Debug, Default)]
pub(super) struct Docket {
    writing: BTreeMap<(ShardId, JobId), Writing>,
    pub(super) ears: super::ears::Ears,
    finished: bool,
}

/// What judges see of the world.
struct Sight<'a>(&'a [Node]);

impl View for Sight<'_> {
    fn truth(&self, node: usize, torrent: InfoHash, piece: PieceIndex) -> Truth {
        self.0[node].truth(torrent, piece)
    }

    fn truth_of_claim(&self, node: usize, torrent: InfoHash, piece: PieceIndex) -> Truth {
        self.0[node].truth_of_claim(torrent, piece)
    }

    fn limits(&self, node: usize) -> &Limits {
        &self.0[node].spec.setup.limits
    }

    fn rates(&self, node: usize) -> RateLimits {
        self.0[node].spec.setup.rates
    }

    fn rates_of(&self, node: usize, torrent: InfoHash) -> RateLimits {
        let known = self.0[node].torrents.iter().find(|known| known.info_hash() == torrent);
        known.and_then(|known| known.spec.limits).unwrap_or_default()
    }

    fn shards(&self, node: usize) -> u16 {
        self.0[node].spec.setup.shards
    }
}

impl Court {
    /// Somebody else has compared something.
    pub(super) fn also(&mut self, oracle: Oracle) {
        if let Some(judge) = &mut self.judge {
            judge.also(oracle);
        }
    }
}

impl World {
    /// Judges look on from now on: closely at about one turn in `every`. All nodes must be there, and none may run.
    pub fn judge(&mut self, every: u32) {
        assert!(self.nodes.iter().all(|node| node.lives == 0), "judges see a node from its birth on");
        let prng: Prng = self.prng.split("judge");
        let judge = Judge::new(prng, self.nodes.len(), u64::from(every));
        let judge = self.court.judge.insert(judge);
        if self.odds.of(Mishap::UdpFlip) > 0 {
            judge.mangled();
        }
    }

    /// What the judges found first, if they found anything; a world in which they did stands still.
    pub fn take_finding(&mut self) -> Option<Finding> {
        self.court.finding.take()
    }

    /// Whether the judges found anything.
    pub(super) fn is_guilty(&self) -> bool {
        self.court.finding.is_some()
    }

    /// How often each oracle compared something.
    pub fn oracles(&self) -> Tally<Oracle> {
        self.court.judge.as_ref().map(|judge| judge.tally().clone()).unwrap_or_default()
    }

    fn ask_judge(&mut self, question: impl FnOnce(&mut Judge, &dyn View) -> Result<(), Finding>) {
        let Some(judge) = &mut self.court.judge else { return };
        if let Err(finding) = question(judge, &Sight(&self.nodes)) {
            self.court.finding.get_or_insert(finding);
        }
    }

    pub(super) fn judge_start(&mut self, id: NodeId) {
        let (now, node) = (self.now, id.0 as usize);
        self.ask_judge(|judge, _| judge.started(now, node));
        for number in 0..self.nodes[node].torrents.len() {
            let known = &self.nodes[node].torrents[number];
            let hash = known.info_hash();
            let peers: Vec<SocketAddr> = known.spec.peers.clone();
            let resume = known.spec.resume.as_ref().and_then(|path| self.nodes[node].medium.read_file(path));
            let resume =
                resume.and_then(|bytes| Checkpoint::decode(&bytes, Some(&known.spec.info_hashes)).ok());
            let spoilt = known.resume_spoilt;
            self.ask_judge(|judge, view| {
                judge.told_of(node, hash, peers);
                let Some(resume) = resume else { return Ok(()) };
                judge.told_of(node, hash, resume.peers.iter().copied());
                if spoilt { Ok(()) } else { judge.resumed(now, node, hash, resume.have.as_ref(), view) }
            });
        }
    }

    /// A user is about to name a peer.
    pub(super) fn judge_named(&mut self, id: NodeId, torrent: InfoHash, peer: SocketAddr) {
        self.ask_judge(|judge, _| {
            judge.told_of(id.0 as usize, torrent, [peer]);
            Ok(())
        });
    }

    /// An input is about to be handed in.
    pub(super) fn judge_input(&mut self, id: NodeId, shard: ShardId, input: &Owned) {
        let (now, node) = (self.now, id.0 as usize);
        match input {
            Owned::Disk(done) => {
                let docket = self.nodes[node].life.as_mut().map(|life| &mut life.docket);
                let writing = docket.and_then(|docket| docket.writing.remove(&(shard, done.id)));
                let written = matches!(done.result, Ok(Outcome::Written));
                let job = done.id;
                self.ask_judge(|judge, _| {
                    if let Some(writing) = writing.filter(|_| written) {
                        let Writing { torrent, piece, offset, len } = writing;
                        judge.written(node, torrent, piece, offset, len);
                    }
                    judge.job_done(now, node, shard, job)
                });
            }
            Owned::Hashed(hashed) => {
                let job = hashed.id;
                self.ask_judge(|judge, _| judge.job_done(now, node, shard, job));
            }
            Owned::Command { id, .. } => {
                let id = *id;
                self.ask_judge(|judge, _| judge.commanded(now, node, id));
            }
            Owned::Connected { .. } | Owned::Accepted { .. } => {
                self.ask_judge(|judge, _| {
                    judge.met(node);
                    Ok(())
                });
            }
            _ => {}
        }
    }

    pub(super) fn judge_disk_job(&mut self, id: NodeId, job: &Job) {
        let (now, node) = (self.now, id.0 as usize);
        let known = self.nodes[node].torrents.iter().find(|known| known.spec.store == job.store);
        let torrent = known.map(|known| known.info_hash());
        if let (Some(torrent), Task::Write { piece, offset, chunks }) = (torrent, &job.task) {
            let len = tide_base::buffer::total_len(chunks);
            let writing = Writing { torrent, piece: *piece, offset: *offset, len };
            let life = self.nodes[node].life.as_mut().expect("jobs come from a living process");
            life.docket.writing.insert((job.shard, job.id), writing);
        }
        let (shard, number) = (job.shard, job.id);
        let read = if let Task::Read(span) = job.task { Some(span) } else { None };
        self.ask_judge(|judge, view| {
            judge.job_out(now, node, shard, number)?;
            let Some(span) = read else { return Ok(()) };
            if let Some(torrent) = torrent {
                judge.serves(now, node, torrent, span.piece)?;
            }
            judge.read(now, node, shard, torrent, u64::from(span.len), view)
        });
    }

    pub(super) fn judge_hash_job(&mut self, id: NodeId, shard: ShardId, job: JobId) {
        let (now, node) = (self.now, id.0 as usize);
        self.ask_judge(|judge, _| judge.job_out(now, node, shard, job));
    }

    pub(super) fn judge_event(&mut self, id: NodeId, event: &tide_engine::Event) {
        let (now, node) = (self.now, id.0 as usize);
        self.ask_judge(|judge, _| judge.event(now, node, event));
        let known = self.nodes[node].torrents.iter().find(|known| known.key == Some(event.torrent));
        if let (Some(known), Happening::Tracker { url, failed: true, .. }) = (known, &event.what) {
            let torrent = known.info_hash();
            self.overhear_failure(id, torrent, url);
        }
    }

    pub(super) fn judge_reply(
        &mut self,
        id: NodeId,
        command: tide_engine::CommandId,
        reply: &tide_engine::Reply,
    ) {
        let (now, node) = (self.now, id.0 as usize);
        self.ask_judge(|judge, _| judge.replied(now, node, command, reply));
    }

    pub(super) fn judge_dial(&mut self, id: NodeId, to: SocketAddr) {
        let (now, node) = (self.now, id.0 as usize);
        if !self.tracker_ips.contains(&to.ip()) {
            self.note_dial(id, to);
            self.ask_judge(|judge, view| judge.dialled(now, node, to, view));
        }
    }

    /// Something is said to a whole network: no private torrent is spoken of there (BEP 27).
    pub(super) fn judge_multicast(&mut self, id: NodeId, data: &[u8]) {
        let (now, node) = (self.now, id.0 as usize);
        let Ok(announce) = tide_local::Announce::parse(data) else { return };
        let torrents = &self.nodes[node].torrents;
        let private = announce
            .torrents
            .iter()
            .find(|hash| torrents.iter().any(|known| known.spec.private && known.info_hash() == **hash));
        let text = private.map(|hash| format!("{hash:?} is private and was named to the local network"));
        self.ask_judge(|judge, _| judge.overheard_by_all(now, node, text));
    }

    /// A node tells its user how the world sees it.
    pub(super) fn judge_reachable(&mut self, id: NodeId, reachable: &Reachable) {
        let (now, node) = (self.now, id.0 as usize);
        let told: Vec<IpAddr> =
            [reachable.external_v4, reachable.external_v6].into_iter().flatten().collect();
        let own = &self.nodes[node].spec.host.ips;
        let wrong: Vec<IpAddr> = told.iter().copied().filter(|ip| !own.contains(ip)).collect();
        self.ask_judge(|judge, _| judge.seen_at(now, node, told.len() as u64, &wrong));
    }

    /// A gateway may have opened or closed ports.
    pub(super) fn forward_ports(&mut self, id: ActorId) {
        let now = self.now;
        let actor: &dyn std::any::Any = self.players[id.0 as usize].actor.as_ref();
        let Some(home) = actor.downcast_ref::<Home>() else { return };
        let forwards = home.forwards(now);
        let node =
            self.nodes.iter().find(|node| node.spec.gateway.is_some_and(|(at, _)| at == home.inside()));
        if let Some(node) = node {
            self.net.set_forwards(node.host, forwards);
        }
    }

    /// A tracker may have heard of peers, and named some.
    pub(super) fn judge_tracker(&mut self, id: ActorId) {
        let actor: &mut dyn std::any::Any = self.players[id.0 as usize].actor.as_mut();
        let Some(tracker) = actor.downcast_mut::<Tracker>() else { return };
        let (named, said) = (tracker.take_named(), tracker.take_said());
        for said in said {
            let (now, who) = (self.now, |node: &Node| node.spec.setup.peer_id == said.peer_id);
            if let Some(node) = self.nodes.iter().position(who) {
                self.ask_judge(|judge, _| judge.told_tracker(now, node, &said));
            }
        }
        let is_private = |hash: InfoHash| {
            let torrents = self.nodes.iter().flat_map(|node| &node.torrents);
            torrents.into_iter().any(|known| known.spec.private && known.info_hash() == hash)
        };
        let named: Vec<_> = named.into_iter().filter(|&(hash, _)| is_private(hash)).collect();
        let Some(judge) = &mut self.court.judge else { return };
        for (hash, addr) in named {
            (0..self.nodes.len()).for_each(|node| judge.told_of(node, hash, [addr]));
        }
    }

    /// Bytes came from peers, for these torrents as far as that is known.
    pub(super) fn judge_bytes_in(&mut self, id: NodeId, bytes: BTreeMap<Option<InfoHash>, u64>) {
        let (now, node) = (self.now, id.0 as usize);
        for (torrent, len) in bytes {
            self.ask_judge(|judge, view| judge.bytes(now, node, torrent, Way::Down, len, view));
        }
    }

    /// A user orders other rates of a node, or of one of its torrents.
    pub(super) fn judge_rates_ordered(&mut self, id: NodeId, torrent: Option<InfoHash>) {
        if let Some(judge) = &mut self.court.judge {
            judge.rates_ordered(id.0 as usize, torrent);
        }
    }

    /// A user wants other files of a torrent.
    pub(super) fn judge_wish(&mut self, id: NodeId, torrent: TorrentKey, info_hash: InfoHash) {
        if let Some(judge) = &mut self.court.judge {
            judge.wants_else(id.0 as usize, torrent, info_hash);
        }
    }

    /// A user has a torrent go on, or has it checked.
    pub(super) fn judge_tries(&mut self, id: NodeId, torrent: TorrentKey) {
        if let Some(judge) = &mut self.court.judge {
            judge.tries(id.0 as usize, torrent);
        }
    }

    /// A peer is told of a piece.
    pub(super) fn judge_have(&mut self, id: NodeId, torrent: InfoHash, piece: PieceIndex) {
        let (now, node) = (self.now, id.0 as usize);
        self.ask_judge(|judge, _| judge.told_have(now, node, torrent, piece));
    }

    /// A peer is told what nobody may be told of a private torrent.
    pub(super) fn judge_private(&mut self, id: NodeId, torrent: InfoHash, what: &str) {
        let (now, node) = (self.now, id.0 as usize);
        if self.private().contains(&torrent) {
            self.ask_judge(|judge, _| judge.told_secret(now, node, torrent, what));
        }
    }

    /// A process sends a datagram of the DHT's.
    pub(super) fn judge_overlay(&mut self, id: NodeId, data: &[u8]) {
        let (now, node) = (self.now, id.0 as usize);
        // An announce over UDP may begin with any number.
        if tide_dht::krpc::read(data).is_ok() {
            let private = self.private();
            self.ask_judge(|judge, _| judge.told_overlay(now, node, data, &private));
        }
    }

    /// All private torrents.
    fn private(&self) -> Vec<InfoHash> {
        let torrents = self.nodes.iter().flat_map(|node| &node.torrents).filter(|known| known.spec.private);
        let mut hashes: Vec<InfoHash> = torrents.map(|known| known.info_hash()).collect();
        hashes.sort_unstable();
        hashes.dedup();
        hashes
    }

    /// A tracker is asked.
    pub(super) fn judge_announce(&mut self, id: NodeId, torrent: InfoHash, tracker: u64, said: Said) {
        let (now, node) = (self.now, id.0 as usize);
        self.ask_judge(|judge, _| judge.announced(now, node, torrent, tracker, said));
    }

    /// A tracker has answered, or did not.
    pub(super) fn judge_answer(&mut self, id: NodeId, torrent: InfoHash, tracker: u64, response: Response) {
        let (now, node) = (self.now, id.0 as usize);
        if let Some(judge) = &mut self.court.judge {
            match response {
                Response::Interval(span) => judge.answered(now, node, torrent, tracker, Some((None, span))),
                Response::Failure => judge.answered(now, node, torrent, tracker, None),
                Response::Doubtful => judge.unsure(node, torrent, tracker),
            }
        }
    }

    /// A turn is over.
    pub(super) fn judge_turn(&mut self, id: NodeId, shard: ShardId) {
        let (now, node) = (self.now, id.0 as usize);
        if self.court.judge.is_none() {
            return;
        }
        self.court.turns += 1;
        if self.court.turns > TURNS {
            let text = format!("{TURNS} turns: somebody has something to do without end");
            self.court.finding.get_or_insert(Finding { oracle: Oracle::Time, node, at: now, text });
        }
        let glance = self.seat(id, shard).shard.glance();
        self.ask_judge(|judge, _| judge.glance(now, node, &glance));
        self.court.rests = self.court.rests.saturating_sub(1);
        if self.court.rests == 0 && self.court.judge.as_mut().is_some_and(Judge::wants_survey) {
            self.seat(id, shard).shard.check_invariants();
            let surveys: Vec<Survey> = self.nodes[node].shards().map(|shard| shard.survey()).collect();
            // A tracker may have named ten thousand peers: whoever looks at each of them each turn sees nothing else.
            let torrents = surveys.iter().flat_map(|survey| &survey.torrents);
            self.court.rests = torrents.map(|torrent| torrent.book.len() as u64).sum::<u64>() / ADDRESSES;
            self.ask_judge(|judge, view| {
                judge.after_turn(now, node, shard, &surveys[usize::from(shard.0)], view)?;
                judge.session(now, node, &surveys, view)
            });
        }
        let life = self.nodes[node].life.as_mut().expect("it had a turn");
        if !life.docket.finished && life.seats.iter().all(|seat| seat.finished) {
            life.docket.finished = true;
            self.ask_judge(|judge, _| judge.finished(now, node));
        }
    }

    /// A node is told to end.
    pub(super) fn judge_ending(&mut self, id: NodeId, until: Instant) {
        if let Some(judge) = &mut self.court.judge {
            judge.ends_by(id.0 as usize, until);
        }
    }

    /// Everything that is had of a node's torrent is compared with its disk, of which nothing is excused any more.
    pub fn judge_all_truth(&mut self, id: NodeId, number: usize) {
        let (now, node) = (self.now, id.0 as usize);
        let key = self.nodes[node].torrents[number].key;
        let surveys: Vec<Survey> = self.nodes[node].shards().map(|shard| shard.survey()).collect();
        let mut torrents = surveys.iter().flat_map(|survey| &survey.torrents);
        if let Some(torrent) = torrents.find(|torrent| Some(torrent.key) == key) {
            self.ask_judge(|judge, view| judge.all_true(now, node, torrent, view));
        }
    }
}

/// Turns that are more than any world should take: shards that say the same to each other again and again do so all the
/// simulated hour that nothing else happens, some microseconds at a time.
const TURNS: u64 = 20_000_000;

/// Known addresses that are looked at for each turn that is not.
const ADDRESSES: u64 = 20;
