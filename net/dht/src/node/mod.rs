//! The node: its tables, and the turn.
//!
//! Each file beside this one has one concern: `asks` takes the owner's queries on, `inbox` sorts datagrams, `serve`
//! answers questions, `drive` moves quests on, `upkeep` gets into the networks and stays there.

mod asks;
mod drive;
mod inbox;
mod quest;
mod serve;
mod stats;
mod upkeep;

pub use quest::{Announce, Wanted};
pub use stats::{Counters, Stats};

use crate::calls::Calls;
use crate::config::Config;
use crate::config::Reach;
use crate::event::{Event, Output, QueryId, Reason};
use crate::flood::Floods;
use crate::id::{Contact, NodeId};
use crate::krpc::{Ask, Body, Message, Query, Want};
use crate::saved::Saved;
use crate::secure;
use crate::store::{Items, Peers};
use crate::table::Table;
use crate::token::Tokens;
use crate::votes::Votes;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use asks::{Holder, Standing};
use core::net::SocketAddr;
use quest::{Goal, Quest};
use tide_base::addr::Family;
use tide_base::meter::Bucket;
use tide_base::{Duration, Instant, Prng, SlotKey, Slots};

/// One node, in one or both networks.
pub struct Node {
    config: Config,
    halves: [Option<Half>; 2],
    calls: Calls<Purpose>,
    quests: Slots<Quest>,
    /// Quests that wait until there are fewer under way.
    waiting: VecDeque<(Goal, QueryId)>,
    /// Quests that may have something to send, or may have ended.
    ready: BTreeSet<SlotKey>,
    names: BTreeMap<QueryId, Holder>,
    standing: BTreeMap<QueryId, Standing>,
    due: BTreeSet<(Instant, QueryId)>,
    peers: Peers,
    items: Items,
    tokens: Tokens,
    floods: Floods,
    requests: Bucket,
    answers: Bucket,
    /// Addresses to be pinged, and those that are or wait to be.
    verify: VecDeque<SocketAddr>,
    verifying: BTreeSet<SocketAddr>,
    routers: Vec<SocketAddr>,
    out: VecDeque<Output>,
    counters: Counters,
    /// When anybody last answered.
    heard_at: Instant,
    upkeep_at: Instant,
    /// When a request may be sent again, if one waits for that.
    resume_at: Instant,
    prng: Prng,
    transactions: Prng,
}

/// What a node has of one network.
struct Half {
    table: Table,
    votes: Votes,
    /// Nodes of an earlier run, until they were tried.
    saved: Vec<Contact>,
    /// When to try to get in next.
    join_at: Instant,
    join_wait: Duration,
    joining: Option<SlotKey>,
    is_joined: bool,
}

/// Who waits for an answer.
#[derive(Clone, Copy, Debug)]
enum Purpose {
    /// A lookup.
    Lookup(SlotKey, Family),
    /// A quest that tells the closest.
    Store(SlotKey),
    /// A query whether a node is there.
    Ping(QueryId),
    /// A query for info-hashes.
    Sample(QueryId),
    /// The table.
    Verify,
}

impl Node {
    /// A node that knows whom `config` names. All that is random about it follows from `prng`.
    pub fn new(config: Config, mut prng: Prng, now: Instant) -> Node {
        let limits = config.limits;
        let random = NodeId::random(&mut prng);
        let mut saved = config.saved.nodes.clone();
        let halves = Family::ALL.map(|family| {
            let own = config.saved.ids[family as usize].unwrap_or(random);
            let of_family = saved.extract_if(.., |node| Family::of(node.addr.ip()) == family);
            let of_family: Vec<Contact> = of_family.take(crate::limits::SAVED_MAX).collect();
            config.families.has(family).then(|| Half {
                table: Table::new(own, config.locals, limits, now),
                votes: Votes::default(),
                join_at: if of_family.is_empty() { Instant::NEVER } else { now },
                saved: of_family,
                join_wait: limits.bootstrap.0,
                joining: None,
                is_joined: false,
            })
        });
        let mut secrets = prng.split("secrets");
        let mut drawn = [0; 16];
        secrets.fill(&mut drawn);
        let secret = config.secret.unwrap_or(drawn);
        let key = u64::from_be_bytes(secret[8..].try_into().expect("half of sixteen"));
        let mut node = Node {
            halves,
            calls: Calls::new(limits),
            quests: Slots::new(),
            waiting: VecDeque::new(),
            ready: BTreeSet::new(),
            names: BTreeMap::new(),
            standing: BTreeMap::new(),
            due: BTreeSet::new(),
            peers: Peers::new(limits, now),
            items: Items::new(limits, now),
            tokens: Tokens::new(secret, limits.token_life),
            floods: Floods::new(limits.flood_hosts, limits.flood, limits.flood_block, key),
            requests: Bucket::new(now, Some(limits.requests.0), limits.requests.1),
            answers: Bucket::new(now, Some(limits.answers.0), limits.answers.1),
            verify: VecDeque::new(),
            verifying: BTreeSet::new(),
            routers: Vec::new(),
            out: VecDeque::new(),
            counters: Counters::default(),
            heard_at: now,
            upkeep_at: now + limits.upkeep,
            resume_at: Instant::NEVER,
            transactions: prng.split("transactions"),
            prng,
            config,
        };
        for router in core::mem::take(&mut node.config.routers) {
            node.add_router(now, router);
        }
        node
    }

    /// Our id in a network that we are in.
    pub fn id(&self, family: Family) -> Option<NodeId> {
        self.half(family).map(|half| half.table.own())
    }

    /// What to remember for the next run.
    pub fn save(&self) -> Saved {
        let nodes = |family| {
            let half = self.half(family);
            let good = half.into_iter().flat_map(|half| half.table.good());
            // What was not tried yet is not forgotten, either; nor, during an outage, who is silent.
            let old = half.into_iter().flat_map(|half| half.saved.iter().copied());
            let bad = half.into_iter().flat_map(|half| half.table.bad());
            good.chain(old).chain(bad).take(crate::limits::SAVED_MAX)
        };
        let ids = Family::ALL.map(|family| self.id(family));
        Saved { ids, nodes: Family::ALL.into_iter().flat_map(nodes).collect() }
    }

    /// Whether others can reach us; may change at any time.
    pub fn set_reach(&mut self, reach: Reach) {
        self.config.reach = reach;
    }

    fn half(&self, family: Family) -> Option<&Half> {
        self.halves[family as usize].as_ref()
    }

    fn half_mut(&mut self, family: Family) -> Option<&mut Half> {
        self.halves[family as usize].as_mut()
    }

    /// The next thing to send or to hear; to be called until it returns `None` after [`settle`](Self::settle).
    pub fn poll(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// Decides what follows from all that has happened until `now`. Once a turn, after its inputs.
    pub fn settle(&mut self, now: Instant) {
        self.expire_calls(now);
        self.upkeep(now);
        loop {
            self.join(now);
            // Who asks once waits for an answer; rounds can wait a little.
            self.admit(now);
            self.begin_rounds(now);
            self.drive(now);
            // A quest that has just ended can let others begin. Each begins once, so this ends.
            let may_begin = self.quests.len() < self.config.limits.active;
            let waits = !self.waiting.is_empty() || self.due.first().is_some_and(|(at, _)| *at <= now);
            if self.join_due() > now && !(may_begin && waits) {
                return;
            }
        }
    }

    /// When to try to get into a network next.
    fn join_due(&self) -> Instant {
        let halves = self.halves.iter().flatten().filter(|half| half.joining.is_none());
        halves.map(|half| half.join_at).min().unwrap_or(Instant::NEVER)
    }

    /// When to call [`settle`](Self::settle) next if nothing else happens, and why.
    pub fn wake_at(&self) -> (Instant, Reason) {
        let is_known = self.halves.iter().flatten().any(|half| half.table.len() > 0);
        let has_stored = self.peers.counts().0 + self.items.len() > 0;
        let upkeep = if is_known || has_stored { self.upkeep_at } else { Instant::NEVER };
        // While there are as many quests as may be, the end of one is what announces wait for.
        let may_begin = self.quests.len() < self.config.limits.active;
        let due = self.due.first().filter(|_| may_begin).map_or(Instant::NEVER, |(at, _)| *at);
        [
            (self.calls.next(), Reason::Call),
            (self.resume_at, Reason::Rate),
            (due, Reason::Announce),
            (self.join_due(), Reason::Join),
            (upkeep, Reason::Upkeep),
            (Instant::NEVER, Reason::Idle),
        ]
        .into_iter()
        .min_by_key(|(at, why)| if *at == Instant::NEVER { (*at, Reason::Idle) } else { (*at, *why) })
        .map(|(at, why)| if at == Instant::NEVER { (at, Reason::Idle) } else { (at, why) })
        .expect("the list is not empty")
    }

    /// An event for the owner. Who does not poll loses the oldest ones last: new progress is dropped, ends are kept.
    fn tell(&mut self, event: Event) {
        let is_end = matches!(event, Event::Done { .. } | Event::Round { .. });
        if is_end || self.out.len() < self.config.limits.outputs {
            self.out.push_back(Output::Event(event));
        }
    }

    fn send(&mut self, to: SocketAddr, datagram: Vec<u8>) {
        self.counters.datagrams_out += 1;
        self.counters.bytes_out += datagram.len() as u64;
        self.out.push_back(Output::Send { to, datagram });
    }

    /// Whether a request may be sent now; if so, it is counted.
    fn may_ask(&mut self, now: Instant) -> bool {
        if !self.calls.has_room() || self.out.len() >= self.config.limits.outputs {
            return false;
        }
        let may = self.requests.take(now, 1) == 1;
        if may {
            self.counters.queries_out += 1;
        } else {
            self.resume_at = self.requests.ready_at(now, 1);
        }
        may
    }

    /// Sends a request.
    fn ask(&mut self, now: Instant, to: SocketAddr, purpose: Purpose, ask: Ask<'_>, want: Want) {
        let transaction = self.calls.begin(now, to, purpose, &mut self.transactions);
        let datagram = self.written(to, &transaction, ask, want);
        self.send(to, datagram);
    }

    fn written(&self, to: SocketAddr, transaction: &[u8; 4], ask: Ask<'_>, want: Want) -> Vec<u8> {
        let id = self.id(Family::of(to.ip())).expect("only nodes of our networks are asked");
        let read_only = self.config.reach == Reach::ReadOnly;
        let body = Body::Query(Query { id, read_only, want, ask });
        Message { transaction, seen: None, body }.write(&self.config.version)
    }

    /// Others agree on our address: our id must follow from it (BEP 42).
    fn address_decided(&mut self, now: Instant, ip: core::net::IpAddr) {
        let own = secure::id_for(ip, &mut self.prng);
        let is_exempt = self.config.locals.frees(ip);
        if let Some(half) = self.half_mut(Family::of(ip))
            && !is_exempt
            && !secure::conforms(&half.table.own(), ip)
        {
            half.table.move_to(now, own);
            half.join_at = now;
        }
        self.tell(Event::Address(ip));
    }
}

impl core::fmt::Debug for Node {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Node").field("v4", &self.id(Family::V4)).field("v6", &self.id(Family::V6)).finish()
    }
}
