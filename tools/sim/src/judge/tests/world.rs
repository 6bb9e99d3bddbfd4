//! A small world whose engines are judged at every turn: pipes, memory for disks, a clock set by hand.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use tide_base::{Duration, InfoHash, InfoHashes, Instant, Layout, PieceIndex, Prng, ShardId};
use tide_disk::{
    Access, Backing, Done, FileEntry, FileTable, Hashed, JobId, Memory, Outcome, Place, Storage, StorageFile,
    Stores, Task,
};
use tide_engine::{
    AddTorrent, Answer, Command, CommandId, ConnKey, Input, Limits, Listening, Metadata, NetError, Output,
    RateLimits, Setup, Shard, Slices, Survey, TorrentCommand, TorrentKey, Want,
};

use crate::judge::{Finding, Judge, NodeView, Truth, View, Way};

pub(super) const HASH: InfoHash = InfoHash([3; 20]);

type End = (usize, u16, ConnKey);

#[derive(Default)]
struct Pipe {
    other: Option<End>,
    inbox: VecDeque<u8>,
    ended: bool,
}

enum Owned {
    Connected(ConnKey),
    Closed(ConnKey, NetError),
    Disk(Done),
    Hashed(Hashed),
    Mail(ShardId, tide_engine::Mail),
    Command(CommandId, Command),
}

pub(super) struct Node {
    pub(super) shards: Vec<Shard>,
    pub(super) setup: Setup,
    pub(super) addr: SocketAddr,
    pub(super) finished: usize,
    disk: Memory,
    stores: Stores<Memory>,
    inputs: Vec<VecDeque<Owned>>,
    /// Writes under way: where they go.
    writes: BTreeMap<(u16, JobId), (PieceIndex, u32)>,
    pub(super) added: Option<TorrentKey>,
}

/// All but the judge, which looks at it.
pub(super) struct Nodes {
    pub(super) nodes: Vec<Node>,
    pub(super) spec: AddTorrent,
    content: Vec<u8>,
}

pub(super) struct World {
    pub(super) all: Nodes,
    pub(super) judge: Judge,
    pub(super) now: Instant,
    pub(super) prng: Prng,
    pub(super) finding: Option<Finding>,
    /// Whether time may stand still while somebody dawdles.
    lazy: bool,
    gulp: usize,
    pipes: BTreeMap<End, Pipe>,
    commands: u64,
    ports: u16,
    spinning: u32,
}

impl View for Nodes {
    fn truth(&self, node: usize, _torrent: InfoHash, piece: PieceIndex) -> Truth {
        let (layout, file) = (self.spec.layout, &self.spec.files.files()[0]);
        let at = Place { backing: self.spec.backing, root: &self.spec.root, below: &file.path };
        let start = layout.start(piece) as usize;
        let right = &self.content[start..start + layout.len_of(piece) as usize];
        let mut bytes = vec![0; right.len()];
        let open = self.nodes[node].disk.open(at, Access::Read);
        let read =
            open.and_then(|open| open.read_at(&mut [std::io::IoSliceMut::new(&mut bytes)], start as u64));
        if read.is_ok_and(|read| read == right.len()) && bytes == right { Truth::Right } else { Truth::Wrong }
    }
    fn truth_of_claim(&self, node: usize, torrent: InfoHash, piece: PieceIndex) -> Truth {
        self.truth(node, torrent, piece)
    }

    fn limits(&self, node: usize) -> &Limits {
        &self.nodes[node].setup.limits
    }
    fn rates(&self, node: usize) -> RateLimits {
        self.nodes[node].setup.rates
    }
    fn rates_of(&self, _node: usize, _torrent: InfoHash) -> RateLimits {
        self.spec.rate_limits()
    }
    fn shards(&self, node: usize) -> u16 {
        self.nodes[node].setup.shards
    }
}

/// A torrent of one file of made-up content.
fn made_up(len: u64, piece_len: u32) -> (AddTorrent, Vec<u8>) {
    let content: Vec<u8> = (0..len).map(|i| (i.wrapping_mul(2_654_435_761) >> 7) as u8).collect();
    let hashes: Vec<u8> = content.chunks(piece_len as usize).flat_map(|p| tide_hash::sha1(&[p])).collect();
    let file = FileEntry { path: "f".into(), offset: 0, len, padding: false, executable: false };
    let spec = AddTorrent {
        metadata: Metadata::Withheld,
        name: "t".to_owned(),
        files: Arc::new(FileTable::new(vec![file])),
        layout: Layout::new(len, piece_len, 64).expect("a legal layout"),
        piece_hashes: hashes.into(),
        resume: Some(PathBuf::from("/state/r")),
        ..AddTorrent::plain(InfoHashes::v1(HASH), PathBuf::from("/content"))
    };
    (spec, content)
}

fn some_setup(prng: &mut Prng, node: usize) -> Setup {
    let mut setup = Setup::plain([1, 2, 3][prng.index(3)]);
    let chunk_len = 64 << prng.below(4);
    let read_len = 64 << prng.below(3);
    setup.limits = Limits {
        block_len: 64,
        chunk_len,
        memory: u64::from(chunk_len) * (2 + prng.below(20)),
        read_len,
        upload_memory: u64::from(read_len) * (1 + prng.below(5)),
        upload_ahead: 64 << prng.below(4),
        leases: 1 + prng.below(6) as u32,
        disk_jobs: 2 + prng.below(3) as u32,
        hash_jobs: 1 + prng.below(3) as u32,
        peers_per_torrent: 2 + prng.below(8) as u32,
        endgame_copies: 1 + prng.below(3) as u8,
        upload_slots: 1 + prng.below(8) as u32,
        peer: tide_peer::Limits::tiny(64),
        ..Limits::default()
    };
    if prng.chance(1, 4) {
        setup.rates = RateLimits { down: Some(40_000), up: Some(30_000) };
    }
    setup.seed = prng.next_u64();
    setup.peer_id = tide_peer::client::our_id([node as u8 + 1; 12]);
    setup
}

impl World {
    /// Some nodes, of which the first has everything, the others nothing.
    pub(super) fn new(seed: u64, nodes: usize, every: u64) -> World {
        let mut prng = Prng::new(seed).split("judged");
        let piece_len = 64 << prng.below(4);
        let (spec, content) = made_up(1 + prng.below(3000), piece_len);
        let judge = Judge::new(prng.split("judge"), nodes, every);
        let (lazy, gulp) = (prng.chance(2, 3), [1 << 20, 7, 100][prng.index(3)]);
        let all = Nodes { nodes: Vec::new(), spec, content };
        let mut world = World {
            all,
            judge,
            now: Instant::from_secs(1),
            prng,
            finding: None,
            lazy,
            gulp,
            pipes: BTreeMap::new(),
            commands: 0,
            ports: 1024,
            spinning: 0,
        };
        for number in 0..nodes {
            let setup = some_setup(&mut world.prng, number);
            let disk = Memory::default();
            if number == 0 {
                world.fill(&disk);
            }
            let node = world.begin(setup, disk, number);
            world.all.nodes.push(node);
            world.judged(|judge, now, _| judge.started(now, number));
        }
        world
    }

    fn fill(&self, disk: &Memory) {
        let file = &self.all.spec.files.files()[0];
        let at = Place { backing: self.all.spec.backing, root: &self.all.spec.root, below: &file.path };
        disk.make_folders(at.folder()).expect("memory has room for folders");
        let open = disk.open(at, Access::Create { executable: false }).expect("memory has room");
        let wrote = open.write_at(&[std::io::IoSlice::new(&self.all.content)], 0).expect("memory has room");
        assert_eq!(wrote, self.all.content.len());
    }

    fn begin(&self, mut setup: Setup, disk: Memory, number: usize) -> Node {
        setup.now = self.now;
        let addr = SocketAddr::new(IpAddr::from([10, 0, 0, number as u8 + 1]), 6881);
        let mut shards: Vec<Shard> = (0..setup.shards).map(|id| Shard::new(ShardId(id), &setup)).collect();
        for shard in &mut shards {
            let listening = Listening { tcp: vec![addr], udp_v4: Some(addr), udp_v6: None };
            shard.handle(self.now, Input::Listening(listening));
        }
        Node {
            inputs: shards.iter().map(|_| VecDeque::new()).collect(),
            stores: Stores::new(disk.clone(), tide_disk::Limits::default()),
            writes: BTreeMap::new(),
            added: None,
            finished: 0,
            shards,
            setup,
            addr,
            disk,
        }
    }

    /// Kills an engine and starts it again on the same disk.
    pub(super) fn crash(&mut self, number: usize) {
        let ends: Vec<End> = self.pipes.keys().filter(|end| end.0 == number).copied().collect();
        ends.into_iter().for_each(|end| self.close(end));
        let (setup, disk) = (self.all.nodes[number].setup.clone(), self.all.nodes[number].disk.clone());
        self.all.nodes[number] = self.begin(setup, disk, number);
        self.judged(|judge, now, _| judge.started(now, number));
        let claimed = self.claimed(number);
        self.judged(|judge, now, all| judge.resumed(now, number, HASH, claimed.as_ref(), all));
        self.add(number);
    }

    fn claimed(&self, number: usize) -> Option<tide_base::Bits> {
        let path = self.all.spec.resume.as_ref().expect("a torrent with resume data");
        let file = self.all.nodes[number].disk.open(Place::of(Backing::File, path), Access::Read).ok()?;
        let mut bytes = vec![0; 1 << 16];
        let len = file.read_at(&mut [std::io::IoSliceMut::new(&mut bytes)], 0).expect("memory can be read");
        bytes.truncate(len);
        tide_disk::resume::Checkpoint::decode(&bytes, Some(&self.all.spec.info_hashes)).ok()?.have
    }

    /// Asks the judge something; what it finds ends the run.
    pub(super) fn judged(&mut self, ask: impl FnOnce(&mut Judge, Instant, &Nodes) -> Result<(), Finding>) {
        if let Err(finding) = ask(&mut self.judge, self.now, &self.all) {
            self.finding.get_or_insert(finding);
        }
    }

    /// Adds the torrent to a node, with all others as its peers.
    pub(super) fn add(&mut self, number: usize) {
        let mut spec = self.all.spec.clone();
        let addrs = (0..self.all.nodes.len() as u8).map(|i| SocketAddr::from(([10, 0, 0, i + 1], 6881)));
        spec.peers = addrs.filter(|addr| *addr != self.all.nodes[number].addr).collect();
        self.judge.told_of(number, HASH, spec.peers.clone());
        let shard = 3 % self.all.nodes[number].setup.shards;
        self.send(number, shard, Command::Add(Box::new(spec)));
    }

    pub(super) fn send(&mut self, node: usize, shard: u16, command: Command) {
        self.commands += 1;
        let id = CommandId(self.commands);
        self.judged(|judge, now, _| judge.commanded(now, node, id));
        self.all.nodes[node].inputs[usize::from(shard)].push_back(Owned::Command(id, command));
    }

    /// Tells the torrent of a node something, if it is known already.
    pub(super) fn tell(&mut self, node: usize, what: TorrentCommand) {
        if let Some(key) = self.all.nodes[node].added {
            self.send(node, key.shard.0, Command::Torrent(key, what));
        }
    }

    /// Breaks some connection of a node.
    pub(super) fn cut(&mut self, node: usize) {
        let ends: Vec<End> = self.pipes.keys().filter(|end| end.0 == node).copied().collect();
        if ends.is_empty() {
            return;
        }
        let end = ends[self.prng.index(ends.len())];
        let other = self.pipes.remove(&end).and_then(|pipe| pipe.other);
        for gone in [Some(end), other].into_iter().flatten() {
            self.pipes.remove(&gone);
            self.input((gone.0, gone.1), Owned::Closed(gone.2, NetError::Reset));
        }
    }

    pub(super) fn surveys(&self) -> Vec<Vec<Survey>> {
        self.all.nodes.iter().map(|node| node.shards.iter().map(Shard::survey).collect()).collect()
    }

    /// Asks about all nodes at once.
    pub(super) fn views<R>(&self, ask: impl FnOnce(&[NodeView<'_>]) -> R) -> R {
        let surveys = self.surveys();
        let listens: Vec<[SocketAddr; 1]> = self.all.nodes.iter().map(|node| [node.addr]).collect();
        let views: Vec<NodeView<'_>> = (0..surveys.len())
            .map(|node| NodeView {
                node,
                surveys: &surveys[node],
                listens: &listens[node],
                peer_id: self.all.nodes[node].setup.peer_id,
            })
            .collect();
        ask(&views)
    }

    pub(super) fn all_complete(&self) -> bool {
        let torrents: Vec<_> =
            self.surveys().into_iter().flatten().flat_map(|survey| survey.torrents).collect();
        torrents.len() == self.all.nodes.len()
            && torrents.iter().all(|torrent| torrent.have.all() && torrent.is_active())
    }

    /// One turn for everybody who has something to do; if nobody has, time passes. Whoever was woken by a deadline, and
    /// why.
    pub(super) fn step(&mut self) -> Vec<(usize, tide_engine::Reason)> {
        let mut woken = Vec::new();
        let mut progress = false;
        for node in 0..self.all.nodes.len() {
            for shard in 0..self.all.nodes[node].setup.shards {
                let wake = self.all.nodes[node].shards[usize::from(shard)].wake_at();
                let due = wake.filter(|(at, _)| *at <= self.now);
                let busy = self.turn(node, shard);
                woken.extend(due.filter(|_| !busy).map(|(_, reason)| (node, reason)));
                progress |= busy || due.is_some();
            }
            if self.judge.wants_survey() && self.prng.chance(1, 4) {
                let surveys: Vec<Survey> = self.all.nodes[node].shards.iter().map(Shard::survey).collect();
                self.judged(|judge, now, all| judge.session(now, node, &surveys, all));
            }
        }
        self.spinning += 1;
        let working = self.all.nodes.iter().any(|node| node.stores.pending() > 0);
        let waiting = self.lazy && self.pipes.values().any(|pipe| !pipe.inbox.is_empty());
        if !progress && !working && (!waiting || self.spinning > 50) {
            let shards = self.all.nodes.iter().flat_map(|node| &node.shards);
            let next = shards.filter_map(Shard::wake_at).map(|(at, _)| at).min();
            self.now =
                next.unwrap_or(self.now + Duration::from_secs(1)).max(self.now + Duration::from_millis(1));
            self.spinning = 0;
        }
        woken
    }

    fn input(&mut self, (node, shard): (usize, u16), input: Owned) {
        self.all.nodes[node].inputs[usize::from(shard)].push_back(input);
    }

    fn turn(&mut self, node: usize, shard: u16) -> bool {
        let mut busy = self.work(node);
        while let Some(input) = self.all.nodes[node].inputs[usize::from(shard)].pop_front() {
            busy = true;
            self.take_in(node, shard, input);
        }
        let ends: Vec<End> =
            self.pipes.keys().filter(|end| (end.0, end.1) == (node, shard)).copied().collect();
        for end in ends {
            if self.lazy && self.prng.chance(1, 3) {
                continue;
            }
            while self.read_some(end) {
                busy = true;
            }
        }
        let now = self.now;
        self.all.nodes[node].shards[usize::from(shard)].settle(now);
        while let Some(output) = self.all.nodes[node].shards[usize::from(shard)].poll() {
            busy = true;
            self.carry(node, shard, output);
        }
        self.look(node, shard);
        busy
    }

    fn look(&mut self, node: usize, shard: u16) {
        let of = &self.all.nodes[node].shards[usize::from(shard)];
        of.check_invariants();
        let glance = of.glance();
        let survey = self.judge.wants_survey().then(|| of.survey());
        self.judged(|judge, now, _| judge.glance(now, node, &glance));
        if let Some(survey) = survey {
            self.judged(|judge, now, all| judge.after_turn(now, node, ShardId(shard), &survey, all));
        }
    }

    fn take_in(&mut self, node: usize, shard: u16, input: Owned) {
        let job = match &input {
            Owned::Disk(done) => Some(done.id),
            Owned::Hashed(hashed) => Some(hashed.id),
            _ => None,
        };
        if let Some(id) = job {
            self.judged(|judge, now, _| judge.job_done(now, node, ShardId(shard), id));
        }
        if let Owned::Disk(done) = &input {
            let at = self.all.nodes[node].writes.remove(&(shard, done.id));
            if let (Some((piece, offset)), Ok(Outcome::Written)) = (at, &done.result) {
                let len = tide_base::buffer::total_len(&done.chunks);
                self.judge.written(node, HASH, piece, offset, len);
            }
        }
        let input = match input {
            Owned::Connected(conn) => Input::Connected { conn, local: SocketAddr::from(([10, 0, 0, 1], 1)) },
            Owned::Closed(conn, why) => Input::Closed { conn, why },
            Owned::Disk(done) => Input::Disk(done),
            Owned::Hashed(hashed) => Input::Hashed(hashed),
            Owned::Mail(from, mail) => Input::Mail { from, mail },
            Owned::Command(id, command) => Input::Command { id, command: Box::new(command) },
        };
        self.all.nodes[node].shards[usize::from(shard)].handle(self.now, input);
    }

    fn work(&mut self, node: usize) -> bool {
        if self.lazy && self.prng.chance(1, 2) {
            return false;
        }
        let Node { stores, inputs, .. } = &mut self.all.nodes[node];
        let mut all = Vec::new();
        for _ in 0..if self.lazy { 1 } else { 1000 } {
            let worked = stores.work(&mut |done| all.push(done));
            let sync = stores.next_sync().map(|job| all.push(job.run()));
            if !worked && sync.is_none() {
                break;
            }
        }
        let some = !all.is_empty();
        for done in all {
            inputs[usize::from(done.shard.0)].push_back(Owned::Disk(done));
        }
        some
    }

    fn read_some(&mut self, end: End) -> bool {
        let (now, (node, shard, conn)) = (self.now, end);
        let Some(pipe) = self.pipes.get_mut(&end) else { return false };
        let of = &mut self.all.nodes[node].shards[usize::from(shard)];
        if pipe.inbox.is_empty() {
            if !pipe.ended {
                return false;
            }
            self.pipes.remove(&end);
            of.handle(now, Input::Closed { conn, why: NetError::Ended });
            return true;
        }
        let (placed, scratch) = match of.want(now, conn) {
            Want::Nothing => return false,
            Want::Scratch(most) => (0, most),
            Want::Place { place, scratch } => {
                let len = place.len().min(pipe.inbox.len()).min(self.gulp);
                for (to, from) in place.iter_mut().zip(pipe.inbox.drain(..len)) {
                    *to = from;
                }
                (len, scratch.min(self.gulp - len))
            }
        };
        let len = scratch.min(pipe.inbox.len()).min(self.gulp);
        let scratch: Vec<u8> = pipe.inbox.drain(..len).collect();
        if placed == 0 && scratch.is_empty() {
            return false;
        }
        of.filled(now, conn, placed, &scratch);
        let all = (placed + len) as u64;
        self.judged(|judge, now, nodes| judge.bytes(now, node, None, Way::Down, all, nodes));
        true
    }

    fn carry(&mut self, node: usize, shard: u16, output: Output) {
        match output {
            Output::Dial { conn, to, .. } => {
                self.judged(|judge, now, all| judge.dialled(now, node, to, all));
                self.connect((node, shard, conn), to);
            }
            Output::Send(conn) => self.write_all((node, shard, conn)),
            Output::Read(_) | Output::Resolve { .. } | Output::Datagram { .. } => {}
            Output::Sockets(_) | Output::Reachable(_) => {}
            Output::Close(conn) => self.close((node, shard, conn)),
            Output::HandOver { conn, to, arrival } => {
                let Some(pipe) = self.pipes.remove(&(node, shard, conn)) else { return };
                let adopted = self.all.nodes[node].shards[usize::from(to.0)].adopt(self.now, &arrival);
                let end = adopted.map(|conn| (node, to.0, conn));
                if let Some(other) = pipe.other.and_then(|other| self.pipes.get_mut(&other)) {
                    (other.other, other.ended) = (end, other.ended || end.is_none());
                }
                if let Some(end) = end {
                    self.pipes.insert(end, pipe);
                }
            }
            Output::Disk(job) => {
                let id = job.id;
                self.judged(|judge, now, _| judge.job_out(now, node, ShardId(shard), id));
                match &job.task {
                    Task::Write { piece, offset, .. } => {
                        self.all.nodes[node].writes.insert((shard, id), (*piece, *offset));
                    }
                    Task::Read(span) => {
                        let len = u64::from(span.len);
                        let shard = ShardId(shard);
                        self.judged(|judge, now, all| judge.read(now, node, shard, Some(HASH), len, all));
                    }
                    _ => {}
                }
                self.all.nodes[node].stores.submit(job);
            }
            Output::Hash(job) => {
                let id = job.id;
                self.judged(|judge, now, _| judge.job_out(now, node, ShardId(shard), id));
                self.input((node, shard), Owned::Hashed(job.run()));
            }
            Output::Mail { to, mail } => self.input((node, to.0), Owned::Mail(ShardId(shard), mail)),
            Output::Event(event) => self.judged(|judge, now, _| judge.event(now, node, &event)),
            Output::Reply { id, reply } => {
                if let Ok(Answer::Added(key)) = &reply {
                    self.all.nodes[node].added = Some(*key);
                }
                self.judged(|judge, now, _| judge.replied(now, node, id, &reply));
            }
            Output::Finished => self.all.nodes[node].finished += 1,
        }
    }

    fn connect(&mut self, from: End, to: SocketAddr) {
        self.ports += 1;
        let source = SocketAddr::new(self.all.nodes[from.0].addr.ip(), self.ports);
        let now = self.now;
        let listener = self.all.nodes.iter().position(|node| node.addr == to && node.finished == 0);
        let accepted =
            listener.and_then(|node| Some((node, self.all.nodes[node].shards[0].accept(now, source, to)?)));
        let input = match accepted {
            Some((node, conn)) => {
                let other = (node, 0, conn);
                self.judge.met(node);
                self.judge.met(from.0);
                self.pipes.insert(from, Pipe { other: Some(other), ..Pipe::default() });
                self.pipes.insert(other, Pipe { other: Some(from), ..Pipe::default() });
                Owned::Connected(from.2)
            }
            None => Owned::Closed(from.2, NetError::Refused),
        };
        self.input((from.0, from.1), input);
    }

    fn write_all(&mut self, end: End) {
        loop {
            let mut slices = Slices::new();
            let shard = &mut self.all.nodes[end.0].shards[usize::from(end.1)];
            shard.gather(end.2, &mut slices);
            let bytes: Vec<u8> = slices.parts().concat();
            let len = bytes.len().min(self.gulp);
            if len == 0 {
                return;
            }
            shard.sent(self.now, end.2, len);
            let other = self.pipes.get(&end).and_then(|pipe| pipe.other);
            if let Some(pipe) = other.and_then(|other| self.pipes.get_mut(&other)) {
                pipe.inbox.extend(&bytes[..len]);
            }
        }
    }

    fn close(&mut self, end: End) {
        let Some(pipe) = self.pipes.remove(&end) else { return };
        if let Some(other) = pipe.other.and_then(|other| self.pipes.get_mut(&other)) {
            other.ended = true;
        }
    }
}
