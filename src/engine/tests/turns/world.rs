//! A small world around engines: pipes for sockets, memory for disks, a clock that is set by hand. Every step is in a
//! fixed order, so a failing test fails the same way again.

mod pipes;

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};

use tide_base::{Duration, Instant, Prng, ShardId};
use tide_disk::{Done, HashJob, Hashed, Stores, Task};
use tide_engine::{
    AddTorrent, Answer, Command, CommandId, ConnKey, Event, Happening, Input, Listening, NetError, Networks,
    Output, OwnAddress, Reachable, Reply, ResolveId, Setup, Shard, TorrentCommand, TorrentKey, TorrentStats,
    Via,
};
use tide_portmap::gateway::Gateway;

use crate::disk::Disk;
use crate::trackers::Tracker;

/// One end of a connection.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct End {
    node: usize,
    shard: u16,
    conn: ConnKey,
}

#[derive(Default)]
struct Pipe {
    other: Option<End>,
    inbox: VecDeque<u8>,
    ended: bool,
}

/// The number of those who are no engine.
const STRANGER: usize = usize::MAX;

/// One session without its shell.
pub(crate) struct Node {
    /// Its shards.
    pub(crate) shards: Vec<Shard>,
    /// Where it listens.
    pub(crate) addr: SocketAddr,
    stores: Stores<Disk>,
    disk: Disk,
    /// How it is set up, and will be when it starts again.
    pub(crate) setup: Setup,
    /// Pieces, or parts of them, that were read to be hashed.
    pub(crate) loads: usize,
    /// Turns that its own deadlines called for.
    pub(crate) wakes: usize,
    /// Whether its disk does nothing, and nobody hashes.
    pub(crate) hangs: bool,
    /// Whether what its disk does beside everything else is left to the test: see [`World::beside`].
    pub(crate) by_hand: bool,
    hashing: VecDeque<HashJob>,
    inputs: Vec<VecDeque<Owned>>,
    /// The sockets that it has beside its own.
    pub(crate) sockets: Vec<Via>,
    /// How it said last that it is seen and reached.
    pub(crate) reachable: Reachable,
    /// What it told the application.
    pub(crate) events: Vec<Event>,
    replies: BTreeMap<CommandId, Reply>,
    /// Shards that have ended.
    pub(crate) finished: usize,
}

/// Inputs that wait for their turn.
enum Owned {
    Connected(ConnKey),
    Closed(ConnKey, NetError),
    Disk(Done),
    Hashed(Hashed),
    Mail(ShardId, tide_engine::Mail),
    Datagram(Via, SocketAddr, Vec<u8>),
    Resolved(ResolveId, Result<Vec<IpAddr>, NetError>),
    Command(CommandId, Command),
}

impl Owned {
    fn into_input(self) -> Input<'static> {
        match self {
            Owned::Connected(conn) => Input::Connected { conn, local: SocketAddr::from(([10, 0, 0, 1], 1)) },
            Owned::Closed(conn, why) => Input::Closed { conn, why },
            Owned::Disk(done) => Input::Disk(done),
            Owned::Hashed(hashed) => Input::Hashed(hashed),
            Owned::Mail(from, mail) => Input::Mail { from, mail },
            Owned::Resolved(id, result) => Input::Resolved { id, result },
            Owned::Command(id, command) => Input::Command { id, command: Box::new(command) },
            Owned::Datagram(..) => unreachable!("a datagram is borrowed"),
        }
    }
}

/// Engines, and what is between them.
pub(crate) struct World {
    /// The engines.
    pub(crate) nodes: Vec<Node>,
    /// The time.
    pub(crate) now: Instant,
    pipes: BTreeMap<End, Pipe>,
    next_command: u64,
    /// The most bytes that one read or write moves: small numbers split everything everywhere.
    pub(crate) gulp: usize,
    /// If there is one, disks and readers take their time.
    pub(crate) lazy: Option<Prng>,
    /// Whether sockets are read before the inputs of a turn, and not after them: whoever may be read again because of
    /// an input is read in the next turn, after decisions.
    pub(crate) reads_first: bool,
    /// Turns since the time passed last.
    spinning: u32,
    strangers: u64,
    /// The tracker of this world, if there is one.
    pub(crate) tracker: Option<Tracker>,
    /// The gateway of this world, if there is one.
    pub(crate) gateway: Option<Gateway>,
    /// What was sent to groups.
    pub(crate) multicast: Vec<Vec<u8>>,
    /// Names that can be looked up, and how often each was.
    pub(crate) names: BTreeMap<String, (Vec<IpAddr>, usize)>,
    /// The bounds of every disk.
    pub(crate) bounds: tide_disk::Limits,
    /// When somebody who is no engine will do something: time does not leap beyond it.
    pub(crate) alarm: Instant,
    /// Strangers who do not read all that they are sent: how many more bytes each takes.
    pub(crate) narrow: BTreeMap<End, usize>,
    /// Where nobody hears who calls, though somebody may be there.
    pub(crate) deaf: Vec<SocketAddr>,
    /// Datagrams from engine to engine, if they are kept: from where, to where.
    pub(crate) datagrams: Option<Vec<(SocketAddr, SocketAddr, Vec<u8>)>>,
}

impl World {
    pub(crate) fn new() -> World {
        World {
            nodes: Vec::new(),
            now: Instant::from_secs(1),
            pipes: BTreeMap::new(),
            next_command: 0,
            gulp: 1 << 20,
            lazy: None,
            reads_first: false,
            spinning: 0,
            strangers: 0,
            tracker: None,
            gateway: None,
            multicast: Vec::new(),
            names: BTreeMap::new(),
            datagrams: None,
            bounds: tide_disk::Limits::default(),
            alarm: Instant::NEVER,
            narrow: BTreeMap::new(),
            deaf: Vec::new(),
        }
    }

    /// A new engine; its number.
    pub(crate) fn node(&mut self, mut setup: Setup, disk: impl Into<Disk>) -> usize {
        let number = self.nodes.len();
        setup.seed = number as u64 + 1;
        setup.peer_id = tide_peer::client::our_id([number as u8 + 1; 12]);
        let ip = IpAddr::from([10, 0, 0, number as u8 + 1]);
        let node = self.engine(setup, disk.into(), SocketAddr::new(ip, 6881));
        self.nodes.push(node);
        number
    }

    fn engine(&self, mut setup: Setup, disk: Disk, addr: SocketAddr) -> Node {
        setup.now = self.now;
        let mut shards: Vec<Shard> = (0..setup.shards).map(|id| Shard::new(ShardId(id), &setup)).collect();
        let listening = Listening { tcp: vec![addr], udp_v4: Some(addr), udp_v6: None };
        for shard in &mut shards {
            shard.handle(self.now, Input::Listening(listening.clone()));
        }
        shards[0].handle(self.now, Input::Networks(self.networks(addr.ip())));
        let inputs = shards.iter().map(|_| VecDeque::new()).collect();
        let stores = Stores::new(disk.clone(), self.bounds.clone());
        let (events, replies) = (Vec::new(), BTreeMap::new());
        let (sockets, reachable) = (Vec::new(), Reachable::default());
        Node {
            shards,
            addr,
            stores,
            disk,
            setup,
            loads: 0,
            wakes: 0,
            hangs: false,
            by_hand: false,
            hashing: VecDeque::new(),
            inputs,
            sockets,
            reachable,
            events,
            replies,
            finished: 0,
        }
    }

    /// One network, in which all nodes are.
    fn networks(&self, ip: IpAddr) -> Networks {
        let way =
            |gateway: &Gateway| tide_engine::Gateway { ip: gateway.config().inside, index: 2, local: ip };
        Networks {
            addresses: vec![OwnAddress { ip, bits: 8, index: 2 }],
            gateways: self.gateway.iter().map(way).collect(),
        }
    }

    /// A datagram leaves a node: for the tracker, a group, or the gateway.
    fn send_datagram(&mut self, node: usize, via: Via, to: SocketAddr, data: Vec<u8>) {
        let (now, from) = (self.now, self.nodes[node].addr);
        match via {
            Via::Session if data.first() == Some(&b'd') => self.deliver(from, to, data),
            Via::Session => {
                if let Some(answer) = self.tracker.as_mut().and_then(|t| t.answer(now, from, to, &data)) {
                    self.nodes[node].inputs[0].push_back(Owned::Datagram(via, to, answer));
                }
            }
            Via::Group(on) => {
                assert!(self.nodes[node].sockets.contains(&via), "what is sent through was asked for");
                assert_eq!(on.group, to);
                self.multicast.push(data.clone());
                for other in &mut self.nodes {
                    let heard =
                        other.sockets.iter().find(|it| matches!(it, Via::Group(at) if at.group == to));
                    if let Some(via) = heard.copied() {
                        let from = SocketAddr::new(from.ip(), to.port());
                        other.inputs[0].push_back(Owned::Datagram(via, from, data.clone()));
                    }
                }
            }
            Via::Address(ip) => {
                assert!(self.nodes[node].sockets.contains(&via), "what is sent through was asked for");
                assert_eq!(ip, from.ip());
                let Some(gateway) = &mut self.gateway else { return };
                for answer in gateway.receive(now, from, to.port(), &data) {
                    let from = SocketAddr::new(gateway.config().inside, to.port());
                    self.nodes[node].inputs[0].push_back(Owned::Datagram(via, from, answer));
                }
            }
        }
    }

    /// Kills an engine, whatever it is doing, and starts it again on the same disk.
    pub(crate) fn crash(&mut self, node: usize) {
        for end in self.ends(node) {
            self.close(end);
        }
        let (setup, disk, addr) =
            (self.nodes[node].setup.clone(), self.nodes[node].disk.clone(), self.nodes[node].addr);
        let stores = Stores::new(disk.clone(), self.bounds.clone());
        self.nodes[node].stores = stores;
        self.nodes[node] = self.engine(setup, disk, addr);
    }

    /// Ends an engine in good order, and makes sure that nothing borrowed is left.
    pub(crate) fn shut_down(&mut self, node: usize) {
        for shard in 0..self.nodes[node].shards.len() as u16 {
            self.send(node, shard, Command::Shutdown(Duration::from_secs(3600)));
        }
        let shards = self.nodes[node].shards.len();
        let ended = self.run(Duration::from_secs(1800), |world| world.nodes[node].finished == shards);
        assert!(ended, "node {node} does not end");
        for shard in &self.nodes[node].shards {
            shard.check_quiet();
        }
    }

    /// Ends all engines in good order.
    pub(crate) fn shut_down_all(&mut self) {
        for node in 0..self.nodes.len() {
            if self.nodes[node].finished == 0 {
                self.shut_down(node);
            }
        }
    }

    /// Hands a command in and runs until it is answered.
    pub(crate) fn ask(&mut self, node: usize, shard: u16, command: Command) -> Reply {
        let id = self.send(node, shard, command);
        for _ in 0..100_000 {
            if let Some(reply) = self.nodes[node].replies.remove(&id) {
                return reply;
            }
            self.step();
        }
        panic!("command {id:?} was not answered");
    }

    /// Hands a command in.
    pub(crate) fn send(&mut self, node: usize, shard: u16, command: Command) -> CommandId {
        self.next_command += 1;
        let id = CommandId(self.next_command);
        self.nodes[node].inputs[usize::from(shard)].push_back(Owned::Command(id, command));
        id
    }

    /// The answer to a command, if it is there.
    pub(crate) fn reply(&self, node: usize, id: CommandId) -> Option<&Reply> {
        self.nodes[node].replies.get(&id)
    }

    /// Adds a torrent to the shard where the session would.
    pub(crate) fn add(&mut self, node: usize, spec: AddTorrent) -> TorrentKey {
        let hash = spec.info_hashes.v1.expect("a v1 torrent").0;
        let shard = u16::from(hash[19]) % self.nodes[node].shards.len() as u16;
        match self.ask(node, shard, Command::Add(Box::new(spec))) {
            Ok(Answer::Added(key)) => key,
            other => panic!("not added: {other:?}"),
        }
    }

    /// A torrent's figures.
    pub(crate) fn stats(&mut self, node: usize, key: TorrentKey) -> TorrentStats {
        match self.ask(node, key.shard.0, Command::Torrent(key, TorrentCommand::Stats)) {
            Ok(Answer::Stats(stats)) => *stats,
            other => panic!("no figures: {other:?}"),
        }
    }

    /// Whether a torrent has completed.
    pub(crate) fn has_completed(&self, node: usize, key: TorrentKey) -> bool {
        let done = |event: &Event| event.torrent == key && matches!(event.what, Happening::Complete { .. });
        self.nodes[node].events.iter().any(done)
    }

    /// Runs until `until` holds, or `limit` of simulated time has passed.
    pub(crate) fn run(&mut self, limit: Duration, mut until: impl FnMut(&mut World) -> bool) -> bool {
        let end = self.now + limit;
        while self.now <= end {
            if until(self) {
                return true;
            }
            self.step();
        }
        false
    }

    /// One turn for everybody who has something to do; if nobody has, time passes until somebody has.
    pub(crate) fn step(&mut self) {
        let mut progress = false;
        for node in 0..self.nodes.len() {
            for shard in 0..self.nodes[node].shards.len() as u16 {
                progress |= self.turn(node, shard);
            }
        }
        self.spinning += 1;
        assert!(self.spinning < 100_000, "turns without end at {:?}", self.now);
        let full = |(end, pipe): (&End, &Pipe)| end.node != STRANGER && !pipe.inbox.is_empty();
        let waiting = self.lazy.is_some() && self.pipes.iter().any(full);
        let working = self.nodes.iter().any(|node| node.stores.pending() > 0 && !node.hangs);
        if !progress && !working && (!waiting || self.spinning > 50) {
            let wakes = self.nodes.iter().flat_map(|node| node.shards.iter().filter_map(Shard::wake_at));
            let next = wakes.map(|(at, _)| at).min().unwrap_or(self.now + Duration::from_secs(1));
            self.now = next.min(self.alarm).max(self.now + Duration::from_millis(1));
            self.spinning = 0;
        }
    }

    fn turn(&mut self, node: usize, shard: u16) -> bool {
        let now = self.now;
        let mut progress = self.reads_first && self.read_all(node, shard);
        while let Some(input) = self.nodes[node].inputs[usize::from(shard)].pop_front() {
            progress = true;
            let shard = &mut self.nodes[node].shards[usize::from(shard)];
            let input = match &input {
                Owned::Datagram(via, from, data) => {
                    shard.handle(now, Input::Datagram { via: *via, from: *from, data });
                    continue;
                }
                _ => input.into_input(),
            };
            shard.handle(now, input);
        }
        progress |= self.work(node);
        progress |= !self.reads_first && self.read_all(node, shard);
        let due = self.nodes[node].shards[usize::from(shard)].wake_at().is_some_and(|(at, _)| at <= now);
        self.nodes[node].wakes += usize::from(due);
        self.nodes[node].shards[usize::from(shard)].settle(now);
        while let Some(output) = self.nodes[node].shards[usize::from(shard)].poll() {
            progress = true;
            self.carry(node, shard, output);
        }
        self.nodes[node].shards[usize::from(shard)].check_invariants();
        progress || due
    }

    /// Lets the disk do some of its work.
    fn work(&mut self, node: usize) -> bool {
        if self.nodes[node].hangs {
            return false;
        }
        let Node { inputs, hashing, .. } = &mut self.nodes[node];
        let hashed = !hashing.is_empty();
        for job in hashing.drain(..) {
            inputs[usize::from(job.shard.0)].push_back(Owned::Hashed(job.run()));
        }
        if self.lazy.as_mut().is_some_and(|prng| prng.chance(1, 2)) {
            return hashed;
        }
        let Node { stores, inputs, by_hand, .. } = &mut self.nodes[node];
        let mut all = Vec::new();
        let most = if self.lazy.is_some() { 1 } else { usize::MAX };
        for _ in 0..most {
            let worked = stores.work(&mut |done| all.push(done));
            let sync = if *by_hand { None } else { stores.next_sync().map(|job| all.push(job.run())) };
            if !worked && sync.is_none() {
                break;
            }
        }
        let some = hashed || !all.is_empty();
        for done in all {
            inputs[usize::from(done.shard.0)].push_back(Owned::Disk(done));
        }
        some
    }

    /// Runs the next job of a node whose disk leaves such jobs to the test; `meanwhile`, once its answer is on the way:
    /// what it brought about is heard of by its disk only then.
    pub(crate) fn beside(
        &mut self,
        node: usize,
        before: impl FnOnce(&mut World),
        meanwhile: impl FnOnce(&mut World),
    ) {
        let job = (0..1000).find_map(|_| {
            self.step();
            self.nodes[node].stores.next_sync()
        });
        before(self);
        job.expect("something is to be done").run_then(|done| {
            self.nodes[node].inputs[usize::from(done.shard.0)].push_back(Owned::Disk(done));
            meanwhile(self);
        });
    }

    fn carry(&mut self, node: usize, shard: u16, output: Output) {
        log::trace!("{:?} node {node} shard {shard}: {output:?}", self.now);
        let inputs = |world: &mut World, shard: u16, input| {
            world.nodes[node].inputs[usize::from(shard)].push_back(input)
        };
        match output {
            Output::Dial { conn, to, tls: _ } => self.connect(End { node, shard, conn }, to),
            Output::Send(conn) => self.write_all(End { node, shard, conn }),
            Output::Datagram { via, to, data } => self.send_datagram(node, via, to, data),
            Output::Sockets(sockets) => self.nodes[node].sockets = sockets,
            Output::Reachable(reachable) => self.nodes[node].reachable = *reachable,
            Output::Resolve { id, host } => {
                let known = self.names.entry(host.to_string()).or_default();
                known.1 += 1;
                let result = if known.0.is_empty() { Err(NetError::NoSuchName) } else { Ok(known.0.clone()) };
                inputs(self, shard, Owned::Resolved(id, result));
            }
            Output::Read(_) => {}
            Output::Close(conn) => self.close(End { node, shard, conn }),
            Output::HandOver { conn, to, arrival } => {
                // It may have ended in the same turn.
                let Some(pipe) = self.pipes.remove(&End { node, shard, conn }) else {
                    return self.nodes[node].shards[usize::from(shard)].stranded();
                };
                let now = self.now;
                let adopted = self.nodes[node].shards[usize::from(to.0)].adopt(now, &arrival);
                let Some(conn) = adopted else {
                    if let Some(other) = pipe.other.and_then(|other| self.pipes.get_mut(&other)) {
                        other.ended = true;
                    }
                    return;
                };
                let end = End { node, shard: to.0, conn };
                if let Some(other) = pipe.other.and_then(|other| self.pipes.get_mut(&other)) {
                    other.other = Some(end);
                }
                self.pipes.insert(end, pipe);
            }
            Output::Disk(job) => {
                self.nodes[node].loads += usize::from(matches!(job.task, Task::Load { .. }));
                self.nodes[node].stores.submit(job);
            }
            Output::Hash(job) if self.nodes[node].hangs => self.nodes[node].hashing.push_back(job),
            Output::Hash(job) => inputs(self, shard, Owned::Hashed(job.run())),
            Output::Mail { to, mail } => inputs(self, to.0, Owned::Mail(ShardId(shard), mail)),
            Output::Event(event) => self.nodes[node].events.push(event),
            Output::Reply { id, reply } => {
                let old = self.nodes[node].replies.insert(id, reply);
                assert!(old.is_none(), "a command is answered once");
            }
            Output::Finished => self.nodes[node].finished += 1,
        }
    }

    /// A datagram of the DHT: it arrives, unless nobody is there.
    fn deliver(&mut self, from: SocketAddr, to: SocketAddr, data: Vec<u8>) {
        if let Some(datagrams) = &mut self.datagrams {
            datagrams.push((from, to, data.clone()));
        }
        if let Some(node) = self.nodes.iter_mut().find(|node| node.addr == to && node.finished == 0) {
            node.inputs[0].push_back(Owned::Datagram(Via::Session, from, data));
        }
    }
}
