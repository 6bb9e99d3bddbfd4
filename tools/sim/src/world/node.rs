//! A session without its shell: born, killed, reborn.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};

use tide_base::{Duration, Instant, Prng, ShardId, WallClock};
use tide_disk::{Done, Hashed, VolumeId};
use tide_engine::{
    Command, CommandId, ConnKey, Event, Gateway, Input, Listening, Mail, NetError, Networks, OwnAddress,
    Reachable, Reply, ResolveId, Setup, Shard, Via,
};

use super::court::Docket;
use super::pool::{Hashers, Pool};
use super::post::{Letter, Post};
use super::scars::Scars;
use super::users::UserTorrent;
use super::{Asker, Canary, Due, Holder, NodeId, Resident, World};
use crate::actor::EndId;
use crate::dice::{Dice, Odds};
use crate::disk::{Keeper, Medium, MediumSpec, Pace};
use crate::mishap::{Mishap, Tally};
use crate::net::{HostId, HostSpec};

/// How large turns are and how far apart.
#[derive(Clone, Copy, Debug)]
pub struct TurnSpec {
    /// The most inputs taken in one turn.
    pub inputs: u32,
    /// The most bytes read from one stream in a turn.
    pub bytes: u32,
    /// The longest time between an input and its turn.
    pub gap: Duration,
}

/// What a node is made of.
#[derive(Clone, Debug)]
pub struct NodeSpec {
    /// How it is connected.
    pub host: HostSpec,
    /// Where it listens, on all its addresses.
    pub port: u16,
    /// Its engine.
    pub setup: Setup,
    /// Its turns.
    pub turns: TurnSpec,
    /// How long mail between its shards takes at most.
    pub mail: Duration,
    /// Its hash pool.
    pub hashers: Hashers,
    /// How fast its disks are.
    pub pace: Pace,
    /// What its disk is.
    pub medium: MediumSpec,
    /// The bounds of its disk threads.
    pub disk: tide_disk::Limits,
    /// Its gateway and its own address behind it, if it has one to ask for ports.
    pub gateway: Option<(IpAddr, IpAddr)>,
}

impl TurnSpec {
    /// Turns as a machine takes them that is not busy.
    pub fn ordinary() -> TurnSpec {
        TurnSpec { inputs: 1000, bytes: 1 << 20, gap: Duration::from_micros(50) }
    }
}

impl NodeSpec {
    /// An ordinary machine on an [ordinary line](HostSpec::ordinary): one shard, real limits, a good disk. It listens
    /// at port 6881. All nodes of a world have addresses of their own, and peer ids that follow from these.
    pub fn ordinary(ip: impl Into<IpAddr>) -> NodeSpec {
        let ip = ip.into();
        let mut random = [0; 12];
        Prng::new(0).split(&ip.to_string()).fill(&mut random);
        NodeSpec {
            host: HostSpec::ordinary(ip),
            port: 6881,
            setup: Setup {
                peer_id: tide_peer::client::our_id(random),
                epoch: WallClock(1_700_000_000),
                ..Setup::plain(1)
            },
            turns: TurnSpec::ordinary(),
            mail: Duration::from_micros(5),
            hashers: Hashers { threads: 1, rate: 1 << 30 },
            pace: Pace::default(),
            medium: MediumSpec::default(),
            disk: tide_disk::Limits::default(),
            gateway: None,
        }
    }
}

/// Inputs that wait for their turn.
#[derive(Debug)]
pub(super) enum Owned {
    Accepted { end: EndId, from: SocketAddr, at: SocketAddr },
    Connected { conn: ConnKey, local: SocketAddr },
    Closed { conn: ConnKey, why: NetError },
    Datagram { via: Via, from: SocketAddr, data: Vec<u8> },
    Resolved { id: ResolveId, result: Result<Vec<IpAddr>, NetError> },
    Disk(Done),
    Hashed(Hashed),
    Mail { from: ShardId, mail: Mail },
    HandOver { arrival: Box<tide_engine::Arrival>, end: EndId },
    Command { id: CommandId, command: Box<Command> },
    Listening(Listening),
    Networks(Networks),
}

/// A shard and what its thread would hold.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) shard: Shard,
    pub(super) inbox: VecDeque<Owned>,
    pub(super) conns: BTreeMap<ConnKey, EndId>,
    /// Connections to be read.
    pub(super) reads: BTreeSet<ConnKey>,
    /// Connections to be written to.
    pub(super) writes: BTreeSet<ConnKey>,
    pub(super) finished: bool,
}

/// A process.
pub(super) struct Life {
    pub(super) number: u32,
    pub(super) seats: Vec<Seat>,
    pub(super) volumes: BTreeMap<VolumeId, Keeper>,
    pub(super) pool: Pool,
    pub(super) post: Post,
    /// Until then the process stands still.
    pub(super) still: Instant,
    pub(super) docket: Docket,
    /// Datagrams' sockets beside the session's.
    pub(super) sockets: Vec<Via>,
    /// How it said last that it is seen and reached.
    pub(super) reachable: Reachable,
}

/// A machine that runs an engine, or did.
pub struct Node {
    pub(super) id: NodeId,
    pub(super) host: HostId,
    pub(super) spec: NodeSpec,
    pub(super) medium: Medium,
    pub(super) life: Option<Life>,
    pub(super) lives: u32,
    pub(super) dice: Dice,
    /// What it told the application, not yet taken.
    pub(super) events: Vec<(Instant, Event)>,
    pub(super) replies: BTreeMap<CommandId, Reply>,
    pub(super) torrents: Vec<UserTorrent>,
    pub(super) scars: Scars,
    /// Whether files were cut off, deleted or spoilt beneath it.
    pub(super) harmed: bool,
    /// What happened in earlier lives.
    past: Tally<Mishap>,
    pub(super) odds: Odds,
    prng: Prng,
}

impl Node {
    /// Where it listens: its first address.
    pub fn addr(&self) -> SocketAddr {
        SocketAddr::new(self.spec.host.ips[0], self.spec.port)
    }

    /// Where it listens, at all of its addresses.
    pub fn addrs(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.spec.host.ips.iter().map(|&ip| SocketAddr::new(ip, self.spec.port))
    }

    /// Where another node finds it: at the first of its own of a family that both have.
    pub fn addr_for(&self, other: &Node) -> SocketAddr {
        let common = |addr: &SocketAddr| other.addrs().any(|theirs| theirs.is_ipv4() == addr.is_ipv4());
        self.addrs().find(common).unwrap_or_else(|| self.addr())
    }

    /// Its host on the net.
    pub fn host(&self) -> HostId {
        self.host
    }

    /// What it is made of.
    pub fn spec(&self) -> &NodeSpec {
        &self.spec
    }

    /// Its files.
    pub fn medium(&self) -> &Medium {
        &self.medium
    }

    /// Whether its process runs.
    pub fn is_alive(&self) -> bool {
        self.life.is_some()
    }

    /// Whether its process was asked to end, and every shard of it has.
    pub fn is_finished(&self) -> bool {
        self.life.as_ref().is_some_and(|life| life.seats.iter().all(|seat| seat.finished))
    }

    /// Its shards, while it runs.
    pub fn shards(&self) -> impl Iterator<Item = &Shard> {
        self.life.iter().flat_map(|life| life.seats.iter().map(|seat| &seat.shard))
    }

    /// Its torrents, as its user knows them.
    pub fn torrents(&self) -> &[UserTorrent] {
        &self.torrents
    }

    /// Takes out what it told the application, with the times.
    pub fn take_events(&mut self) -> Vec<(Instant, Event)> {
        std::mem::take(&mut self.events)
    }

    pub(super) fn mishaps(&self) -> Tally<Mishap> {
        let mut tally = self.past.clone();
        tally.merge(&self.medium.tally());
        tally.merge(self.dice.tally());
        if let Some(life) = &self.life {
            tally.merge(&life.mishaps());
        }
        tally
    }

    pub(super) fn keeper(&mut self, volume: VolumeId) -> &mut Keeper {
        let life = self.life.as_mut().expect("jobs come from a living process");
        let (medium, spec, odds) = (&self.medium, &self.spec, &self.odds);
        let prng = self.prng.split(&format!("life {}", life.number)).split(&format!("volume {}", volume.0));
        let new = || Keeper::new(medium.clone(), spec.disk.clone(), Dice::new(prng, odds.clone()), spec.pace);
        life.volumes.entry(volume).or_insert_with(new)
    }

    fn dies(&mut self, now: Instant) {
        if let Some(life) = self.life.take() {
            self.past.merge(&life.mishaps());
            life.volumes.into_values().for_each(|keeper| keeper.kill(now));
        }
        self.medium.kill();
    }
}

impl Life {
    fn mishaps(&self) -> Tally<Mishap> {
        let mut tally = self.pool.tally().clone();
        tally.merge(self.post.tally());
        self.volumes.values().for_each(|keeper| tally.merge(keeper.tally()));
        tally
    }
}

impl World {
    /// A new machine, not yet running.
    pub fn add_node(&mut self, spec: NodeSpec) -> NodeId {
        let id = NodeId(self.nodes.len() as u32);
        let host = self.host(spec.host.clone(), Resident::Node(id));
        let prng = self.prng.split(&format!("node {}", id.0));
        let node = Node {
            id,
            host,
            medium: Medium::new(spec.medium, prng.split("medium"), self.odds.clone()),
            life: None,
            lives: 0,
            dice: Dice::new(prng.split("dice"), self.odds.clone()),
            events: Vec::new(),
            replies: BTreeMap::new(),
            torrents: Vec::new(),
            scars: Scars::default(),
            harmed: false,
            past: Tally::default(),
            odds: self.odds.clone(),
            prng,
            spec,
        };
        self.nodes.push(node);
        id
    }

    /// A machine.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    /// A machine.
    pub fn node_mut(&mut self, id: NodeId) -> &mut Node {
        &mut self.nodes[id.0 as usize]
    }

    /// All machines.
    pub fn nodes(&self) -> impl Iterator<Item = (NodeId, &Node)> {
        self.nodes.iter().map(|node| (node.id, node))
    }

    /// Starts a machine's program, and adds the torrents that its user has.
    pub fn start(&mut self, id: NodeId) {
        let now = self.now;
        let node = &mut self.nodes[id.0 as usize];
        assert!(node.life.is_none(), "{id:?} runs already");
        node.lives += 1;
        let number = node.lives;
        let prng = node.prng.split(&format!("life {number}"));
        let mut setup = node.spec.setup.clone();
        setup.seed = prng.split("engine").next_u64();
        setup.now = now;
        let seat = |shard| Seat {
            shard: Shard::new(ShardId(shard), &setup),
            inbox: VecDeque::new(),
            conns: BTreeMap::new(),
            reads: BTreeSet::new(),
            writes: BTreeSet::new(),
            finished: false,
        };
        node.life = Some(Life {
            number,
            seats: (0..setup.shards).map(seat).collect(),
            volumes: BTreeMap::new(),
            pool: Pool::new(node.spec.hashers, Dice::new(prng.split("pool"), node.odds.clone())),
            post: Post::new(node.spec.mail, Dice::new(prng.split("post"), node.odds.clone())),
            still: now,
            docket: Docket::default(),
            sockets: Vec::new(),
            reachable: Reachable::default(),
        });
        self.judge_start(id);
        let node = &self.nodes[id.0 as usize];
        let listening = node.listening();
        let (host, port, shards) = (node.host, node.spec.port, node.spec.setup.shards);
        self.net.listen(host, port);
        for shard in 0..shards {
            self.put(id, ShardId(shard), Owned::Listening(listening.clone()));
        }
        let node = &self.nodes[id.0 as usize];
        if node.spec.setup.local.is_some() || node.spec.setup.mapping.is_some() {
            let networks = node.networks();
            self.put(id, ShardId::FIRST, Owned::Networks(networks));
        }
        self.add_torrents(id);
    }

    /// The process is gone in this moment; its machine, if `crash`, too.
    pub fn kill(&mut self, id: NodeId, crash: bool) {
        if !crash {
            return self.end(id);
        }
        self.vanish(id);
        self.nodes[id.0 as usize].medium.crash(self.now);
    }

    /// The process is gone in this moment, because it has ended or because it was killed.
    pub fn end(&mut self, id: NodeId) {
        self.vanish(id);
        let node = &mut self.nodes[id.0 as usize];
        (0..node.torrents.len()).for_each(|number| node.forget_failed_syncs(number));
    }

    fn vanish(&mut self, id: NodeId) {
        let now = self.now;
        let node = &mut self.nodes[id.0 as usize];
        let Some(life) = &node.life else { return };
        life.seats.iter().for_each(|seat| self.past_faults.merge(seat.shard.faults()));
        let shards = life.seats.len() as u16;
        let volumes: Vec<VolumeId> = life.volumes.keys().copied().collect();
        node.dies(now);
        node.replies.clear();
        node.forget_keys();
        self.net.cut_off(now, node.host);
        self.net.set_groups(node.host, BTreeSet::new());
        for shard in 0..shards {
            self.agenda.set(Due::Turn(id, ShardId(shard)), Instant::NEVER);
        }
        for volume in volumes {
            self.agenda.set(Due::Disk(id, volume), Instant::NEVER);
        }
        self.agenda.set(Due::Pool(id), Instant::NEVER);
        self.agenda.set(Due::Post(id), Instant::NEVER);
        let lost = |holder: &Holder| match holder {
            Holder::Conn(node, ..) | Holder::Moving(node) => *node == id,
            Holder::Actor(_) => false,
        };
        self.holders.retain(|_, holder| !lost(holder));
    }

    /// The process stands still until `until`, and then finds that the clock has jumped.
    pub fn pause(&mut self, id: NodeId, until: Instant) {
        if let Some(life) = &mut self.nodes[id.0 as usize].life {
            life.still = life.still.max(until);
        }
    }

    /// Puts an input into a shard's inbox, and has it take a turn soon.
    pub(super) fn put(&mut self, id: NodeId, shard: ShardId, input: Owned) {
        let node = &mut self.nodes[id.0 as usize];
        let Some(life) = &mut node.life else { return };
        life.seats[usize::from(shard.0)].inbox.push_back(input);
        self.soon(id, shard);
    }

    /// Has a shard take a turn soon.
    pub(super) fn soon(&mut self, id: NodeId, shard: ShardId) {
        let node = &mut self.nodes[id.0 as usize];
        let gap = node.spec.turns.gap.as_nanos() as u64;
        let at = self.now + Duration::from_nanos(1 + node.dice.prng().below(gap + 1));
        self.agenda.hasten(Due::Turn(id, shard), at);
    }

    /// Whether the process stands still; then what was due comes later.
    pub(super) fn is_still(&mut self, id: NodeId, due: Due) -> bool {
        let until = self.nodes[id.0 as usize].life.as_ref().map_or(Instant::ZERO, |life| life.still);
        if until > self.now {
            self.agenda.set(due, until);
        }
        until > self.now
    }

    pub(super) fn hear_disk(&mut self, id: NodeId, volume: VolumeId) {
        if self.is_still(id, Due::Disk(id, volume)) {
            return;
        }
        let now = self.now;
        while let Some(done) = self.nodes[id.0 as usize].keeper(volume).poll(now) {
            self.trail.number(done.id.0);
            let shard = done.shard;
            self.put(id, shard, Owned::Disk(done));
        }
        let next = self.nodes[id.0 as usize].keeper(volume).next_at();
        self.agenda.set(Due::Disk(id, volume), next);
    }

    pub(super) fn hear_pool(&mut self, id: NodeId) {
        let now = self.now;
        if self.is_still(id, Due::Pool(id)) {
            return;
        }
        loop {
            let Some(life) = &mut self.nodes[id.0 as usize].life else { return };
            let Some(hashed) = life.pool.poll(now) else {
                let next = life.pool.next_at();
                return self.agenda.set(Due::Pool(id), next);
            };
            let shard = hashed.shard;
            if self.canary != Some(Canary::LostHashes) {
                self.put(id, shard, Owned::Hashed(hashed));
            }
        }
    }

    pub(super) fn hear_post(&mut self, id: NodeId) {
        let now = self.now;
        if self.is_still(id, Due::Post(id)) {
            return;
        }
        loop {
            let Some(life) = &mut self.nodes[id.0 as usize].life else { return };
            let Some((from, to, letter)) = life.post.poll(now) else {
                let next = life.post.next_at();
                return self.agenda.set(Due::Post(id), next);
            };
            let input = match letter {
                Letter::Mail(mail) => Owned::Mail { from, mail },
                Letter::HandOver { arrival, end } => Owned::HandOver { arrival, end },
            };
            self.put(id, to, input);
        }
    }

    pub(super) fn resolved(&mut self, asker: Asker, result: Result<Vec<IpAddr>, NetError>) {
        let Asker { node, life, shard, id } = asker;
        if self.nodes[node.0 as usize].life.as_ref().is_some_and(|now| now.number == life) {
            self.put(node, shard, Owned::Resolved { id, result });
        }
    }
}

impl Node {
    fn listening(&self) -> Listening {
        let at = |ip: &IpAddr| SocketAddr::new(*ip, self.spec.port);
        let tcp: Vec<SocketAddr> = self.spec.host.ips.iter().map(at).collect();
        let udp_v4 = tcp.iter().copied().find(SocketAddr::is_ipv4);
        let udp_v6 = tcp.iter().copied().find(SocketAddr::is_ipv6);
        Listening { tcp, udp_v4, udp_v6 }
    }
}

impl Node {
    /// Its own networks: that of its addresses, and that behind its gateway.
    fn networks(&self) -> Networks {
        let own = |ip: &IpAddr| OwnAddress { ip: *ip, bits: if ip.is_ipv4() { 24 } else { 64 }, index: 2 };
        let way = |(ip, local): (IpAddr, IpAddr)| Gateway { ip, index: 2, local };
        Networks {
            addresses: self.spec.host.ips.iter().map(own).collect(),
            gateways: self.spec.gateway.into_iter().map(way).collect(),
        }
    }

    /// How it said last that it is seen and reached.
    pub fn reachable(&self) -> Option<&Reachable> {
        self.life.as_ref().map(|life| &life.reachable)
    }

    /// Whether it can be dialled: as it stands, or at a port that its gateway opens.
    pub fn can_be_dialled(&self) -> bool {
        !self.spec.host.nat || self.spec.gateway.is_some()
    }
}

impl Owned {
    /// A number for the trail.
    pub(super) fn mark(&self) -> u64 {
        match self {
            Owned::Accepted { end, .. } => 0x100 | end.stream << 16,
            Owned::Connected { conn, .. } => 0x200 | conn.0.to_bits() << 16,
            Owned::Closed { conn, why } => 0x300 | conn.0.to_bits() << 16 | *why as u64,
            Owned::Datagram { data, .. } => 0x400 | (data.len() as u64) << 16,
            Owned::Resolved { id, .. } => 0x500 | id.0 << 16,
            Owned::Disk(done) => 0x600 | done.id.0 << 16 | u64::from(done.result.is_ok()),
            Owned::Hashed(hashed) => 0x700 | hashed.id.0 << 16,
            Owned::Mail { from, .. } => 0x800 | u64::from(from.0) << 16,
            Owned::HandOver { end, .. } => 0x900 | end.stream << 16,
            Owned::Command { id, .. } => 0xa00 | id.0 << 16,
            Owned::Listening(_) => 0xb00,
            Owned::Networks(_) => 0xc00,
        }
    }

    /// As the engine is told of it; `None` for what is no plain input.
    pub(super) fn input(&mut self) -> Option<Input<'_>> {
        Some(match std::mem::replace(self, Owned::Listening(Listening::default())) {
            Owned::Connected { conn, local } => Input::Connected { conn, local },
            Owned::Closed { conn, why } => Input::Closed { conn, why },
            Owned::Resolved { id, result } => Input::Resolved { id, result },
            Owned::Disk(done) => Input::Disk(done),
            Owned::Hashed(hashed) => Input::Hashed(hashed),
            Owned::Mail { from, mail } => Input::Mail { from, mail },
            Owned::Command { id, command } => Input::Command { id, command },
            Owned::Listening(listening) => Input::Listening(listening),
            Owned::Networks(networks) => Input::Networks(networks),
            other => {
                *self = other;
                match self {
                    Owned::Datagram { via, from, data } => Input::Datagram { via: *via, from: *from, data },
                    _ => return None,
                }
            }
        })
    }
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node").field("id", &self.id).field("alive", &self.is_alive()).finish_non_exhaustive()
    }
}
