//! The world: engines, and everything around them, on one time line.
//!
//! ```text
//! mod.rs     the agenda and who is called next     node.rs   a session without its shell: born, killed, reborn
//! agenda.rs  one entry an owner, seeded ties       turn.rs   the shell's part of a turn
//! post.rs    mail between shards                   streams.rs  bytes between the net and a shard
//! pool.rs    the hash pool                         stage.rs  actors: trackers, mutants, an embedder's own
//! users.rs   torrents, commands and replies         court.rs    what the judges are told
//! harm.rs    what is done to nodes, and peace         ears.rs     what is overheard of engines
//! datagrams.rs  who has a socket for one
//! ```

mod agenda;
mod court;
mod datagrams;
mod ears;
mod harm;
mod node;
mod pool;
mod post;
mod scars;
mod stage;
mod streams;
mod turn;
mod users;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tide_base::{Duration, Instant, Prng, ShardId};
use tide_disk::VolumeId;
use tide_engine::{ConnKey, Faults, ResolveId};

use crate::actor::EndId;
use crate::dice::{Dice, Odds};
use crate::disk::Content;
use crate::judge::Quiet;
use crate::mishap::{Mishap, Tally};
use crate::net::{HostId, HostSpec, Net, NetSpec, News, Stats};
use crate::tracker::Names;
use crate::trail::Trail;

use agenda::Agenda;
use court::Court;
pub use node::{Node, NodeSpec, TurnSpec};
pub use pool::Hashers;
use stage::Player;
pub use users::{Holding, UserTorrent};

/// Names a node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NodeId(pub u32);

/// Names an actor.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ActorId(pub u32);

/// Who is called when a moment comes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Due {
    Net,
    Names,
    Turn(NodeId, ShardId),
    Disk(NodeId, VolumeId),
    Pool(NodeId),
    Post(NodeId),
    Actor(ActorId),
}

/// Who holds an end of a stream.
#[derive(Clone, Copy, Debug)]
enum Holder {
    /// A shard's connection.
    Conn(NodeId, ShardId, ConnKey),
    /// On its way to a shard of this node.
    Moving(NodeId),
    Actor(ActorId),
}

/// Who lives at a host.
#[derive(Clone, Copy, Debug)]
enum Resident {
    Node(NodeId),
    Actor(ActorId),
}

/// Who asked for a name.
#[derive(Clone, Copy, Debug)]
struct Asker {
    node: NodeId,
    life: u32,
    shard: ShardId,
    id: ResolveId,
}

/// What is wrong with a world on purpose, so that the alarm is known to ring.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Canary {
    /// Disks forget a write now and then, and answer it all the same: something false.
    LostWrites,
    /// The hash pools answer nothing in the second act: nobody gets on.
    LostHashes,
    /// The second act begins with a panic.
    Panic,
}

impl Canary {
    /// The one with this name.
    pub fn named(name: &str) -> Option<Canary> {
        [("lost-writes", Canary::LostWrites), ("lost-hashes", Canary::LostHashes), ("panic", Canary::Panic)]
            .into_iter()
            .find_map(|(known, canary)| (known == name).then_some(canary))
    }
}

/// What happened so far, in numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Events on the agenda.
    pub events: u64,
    /// Turns of shards.
    pub turns: u64,
}

/// Engines, and everything around them.
#[derive(Debug)]
pub struct World {
    now: Instant,
    agenda: Agenda<Due>,
    prng: Prng,
    odds: Odds,
    net: Net,
    names: Names<Asker>,
    contents: Vec<Arc<Content>>,
    nodes: Vec<Node>,
    players: Vec<Player>,
    residents: BTreeMap<HostId, Resident>,
    holders: BTreeMap<EndId, Holder>,
    /// Where trackers are, and our ends of streams to them: these are no peers.
    tracker_ips: BTreeSet<IpAddr>,
    trackers: BTreeSet<EndId>,
    next_stream: u64,
    next_command: u64,
    scratch: Vec<u8>,
    trail: Trail,
    counts: Counts,
    court: Court,
    quiet: BTreeMap<NodeId, Quiet>,
    /// What is wrong with this world on purpose.
    canary: Option<Canary>,
    /// Rules that peers broke in earlier lives of nodes.
    past_faults: Faults,
}

impl World {
    /// An empty world, in which everything follows from `seed`.
    pub fn new(seed: u64, odds: Odds, net: NetSpec) -> World {
        let prng = Prng::new(seed).split("world");
        World {
            now: Instant::ZERO,
            agenda: Agenda::new(prng.split("agenda")),
            net: Net::new(prng.split("net"), odds.clone(), net),
            names: Names::new(Dice::new(prng.split("names"), odds.clone())),
            contents: Vec::new(),
            nodes: Vec::new(),
            players: Vec::new(),
            residents: BTreeMap::new(),
            holders: BTreeMap::new(),
            tracker_ips: BTreeSet::new(),
            trackers: BTreeSet::new(),
            next_stream: 1,
            next_command: 1,
            scratch: vec![0; SCRATCH],
            trail: Trail::default(),
            counts: Counts::default(),
            court: Court::default(),
            quiet: BTreeMap::new(),
            canary: None,
            past_faults: Faults::default(),
            prng,
            odds,
        }
    }

    /// The time.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// What happened so far, as one number: equal trails, equal runs.
    pub fn trail(&self) -> Trail {
        self.trail
    }

    /// What happened so far, in numbers.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The network.
    pub fn net(&mut self) -> &mut Net {
        &mut self.net
    }

    /// What the network has carried so far.
    pub fn net_stats(&self) -> Stats {
        self.net.stats()
    }

    /// A name that can be looked up.
    pub fn add_name(&mut self, name: &str, ips: Vec<IpAddr>) {
        self.names.add(name, ips);
    }

    /// Takes a torrent's content in: its number.
    pub fn add_content(&mut self, content: Content) -> usize {
        self.contents.push(Arc::new(content));
        self.contents.len() - 1
    }

    /// The content with this number.
    pub fn content(&self, number: usize) -> &Arc<Content> {
        &self.contents[number]
    }

    /// How often each mishap changed something.
    pub fn mishaps(&self) -> Tally<Mishap> {
        let mut tally = self.net.tally().clone();
        tally.merge(self.names.tally());
        self.nodes.iter().for_each(|node| tally.merge(&node.mishaps()));
        self.players.iter().for_each(|player| tally.merge(&player.actor.tally()));
        tally
    }

    /// Notes every packet that arrives, for [`Net::take_tapped`].
    pub fn tap(&mut self, on: bool) {
        self.net.tap(on);
    }

    /// Runs until the moment `end`; nothing that is due then is left undone. A world in which the judges have found
    /// something stands still.
    pub fn run_until(&mut self, end: Instant) {
        while self.step(end) {}
        self.now = end.max(self.now);
    }

    /// Runs until `done`, looked at every `step`, or until `end`: whether it was done.
    pub fn run_to(&mut self, end: Instant, step: Duration, mut done: impl FnMut(&World) -> bool) -> bool {
        while !done(self) {
            if self.now >= end || self.is_guilty() {
                return false;
            }
            self.run_until((self.now + step).min(end));
        }
        true
    }

    /// Calls whoever is due next; false if nobody is until `end`.
    pub fn step(&mut self, end: Instant) -> bool {
        if self.is_guilty() {
            return false;
        }
        let Some((at, due)) = self.agenda.pop(end) else { return false };
        // Whoever is due since a moment that has passed is called now.
        self.now = at.max(self.now);
        self.counts.events += 1;
        match due {
            Due::Net => self.hear_net(),
            Due::Names => self.hear_names(),
            Due::Turn(node, shard) => self.turn(node, shard),
            Due::Disk(node, volume) => self.hear_disk(node, volume),
            Due::Pool(node) => self.hear_pool(node),
            Due::Post(node) => self.hear_post(node),
            Due::Actor(actor) => self.wake_actor(actor),
        }
        self.agenda.set(Due::Net, self.net.next_at());
        self.agenda.set(Due::Names, self.names.next_at());
        true
    }

    fn hear_net(&mut self) {
        while let Some(news) = self.net.poll(self.now) {
            match news {
                News::Accepted { host, end, from, at } => self.accepted(host, end, from, at),
                News::Connected { end, local, .. } => self.connected(end, local),
                News::Readable { end, .. } => self.readable(end),
                News::Writable { end, .. } => self.writable(end),
                News::Closed { end, why, .. } => self.closed(end, why),
                News::Datagram { host, from, at, data } => self.datagram(host, from, at, &data),
            }
        }
    }

    fn hear_names(&mut self) {
        while let Some((asker, result)) = self.names.poll(self.now) {
            self.resolved(asker, result);
        }
    }

    fn host(&mut self, spec: HostSpec, resident: Resident) -> HostId {
        let host = self.net.add(spec);
        self.residents.insert(host, resident);
        host
    }

    fn dial(&mut self, host: HostId, end: EndId, to: SocketAddr, holder: Holder) {
        self.holders.insert(end, holder);
        self.net.dial(self.now, host, end, to);
    }
}

/// Memory for what a read brings beside a block in place.
const SCRATCH: usize = 256 << 10;
