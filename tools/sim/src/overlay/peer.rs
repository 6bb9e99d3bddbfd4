//! A node of the DHT on its machine: what a shell does for it, and a user; it leaves without a word and comes back.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use tide_base::{Duration, InfoHash, Instant, Prng};
use tide_dht::{
    Announce, Config, Counters, Effort, Event, Families, Item, Limits, Node, NodeId, Outcome, Output, Port,
    QueryId, Reach, Saved, Wanted,
};

use super::Canary;
use super::plan::{HiddenBy, PeerPlan, Plan, ROUTERS};
use crate::actor::{Actor, Hands, Heard};
use crate::judge::places::Place;
use crate::trail::Trail;

/// Between two looks of the judge at what a node holds.
const LOOK: Duration = Duration::from_secs(60);
/// The name of the announce that is kept up.
const ANNOUNCE: QueryId = QueryId(1);
/// Of three that come back two have what they saved.
const KEEPS: (u64, u64) = (2, 3);

/// What a user asks.
#[derive(Clone, Debug)]
pub(super) enum Question {
    /// Who shares a torrent? Somebody does at this address.
    Peers(InfoHash, SocketAddr),
    /// How many share it?
    Scrape(InfoHash),
    /// Are you there?
    Ping(SocketAddr),
    /// What do you know?
    Sample(SocketAddr),
    /// Keep this.
    Put(Item),
    /// What is kept there?
    Get(Wanted),
    /// A question that is taken back at once.
    Nothing(InfoHash),
}

/// A lookup that has ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ended {
    pub(super) query: QueryId,
    /// Whether what is known to be stored was found.
    pub(super) found: bool,
    pub(super) effort: Effort,
}

/// A node and all around it.
pub(super) struct Peer {
    plan: PeerPlan,
    stays: (Duration, Duration),
    pauses: (Duration, Duration),
    torrent: Option<InfoHash>,
    routers: Vec<SocketAddr>,
    private: Arc<[InfoHash]>,
    canary: Option<Canary>,
    limits: Limits,
    is_router: bool,
    prng: Prng,
    node: Option<Node>,
    saved: Vec<u8>,
    /// When it comes or leaves next.
    change_at: Instant,
    look_at: Instant,
    /// When all have come, and have looked up once what they did not hear of (`Limits::fresh`).
    ripe_at: Instant,
    /// When it begins to announce.
    announce_at: Instant,
    up_since: Instant,
    up_for: Duration,
    lives: u32,
    /// Whether anybody keeps what it announced in this life.
    is_stored: bool,
    next_query: u64,
    /// Lookups for what is known to be stored, and whether it was found.
    looked_for: BTreeMap<QueryId, (SocketAddr, bool)>,
    ended: Vec<Ended>,
    place: Place,
    trail: Trail,
    past: Counters,
}

impl Peer {
    /// The `number`th of a plan.
    pub(super) fn new(plan: &Plan, number: usize, private: Arc<[InfoHash]>, mut prng: Prng) -> Peer {
        let own = &plan.peers[number];
        let is_router = number < ROUTERS;
        let limits = Limits::default();
        let mut judged = limits;
        match plan.canary {
            Some(Canary::Hoards) => judged.torrents = 1,
            Some(Canary::Wanders) => judged.lookup_sends = 10,
            _ => {}
        }
        let growth = plan.growth.as_nanos() as u64;
        let first = if is_router { 0 } else { prng.below(growth) };
        Peer {
            stays: plan.stays,
            pauses: plan.pauses,
            torrent: own.torrent.map(|torrent| plan.torrents[torrent]),
            routers: plan.routers().into_iter().filter(|router| *router != own.at).collect(),
            private,
            canary: plan.canary,
            limits,
            is_router,
            prng,
            node: None,
            saved: Vec::new(),
            change_at: Instant::ZERO + Duration::from_nanos(first),
            look_at: Instant::NEVER,
            ripe_at: Instant::ZERO + plan.growth + plan.settling * 3 / 4,
            announce_at: Instant::NEVER,
            up_since: Instant::ZERO,
            up_for: Duration::ZERO,
            lives: 0,
            is_stored: false,
            next_query: ANNOUNCE.0 + 1,
            looked_for: BTreeMap::new(),
            ended: Vec::new(),
            place: Place::new(judged),
            trail: Trail::default(),
            past: Counters::default(),
            plan: own.clone(),
        }
    }

    /// What it announces, if it does and if it is known to be kept by somebody: which, and where it is.
    pub(super) fn stored(&self) -> Option<(InfoHash, SocketAddr)> {
        let torrent = self.torrent.filter(|_| self.is_stored && self.node.is_some())?;
        Some((torrent, SocketAddr::new(self.plan.at.ip(), PEERS)))
    }

    /// Whether it has been there for so long.
    pub(super) fn is_up_for(&self, now: Instant, least: Duration) -> bool {
        self.node.is_some() && self.up_since + least <= now
    }

    /// Its address.
    pub(super) fn at(&self) -> SocketAddr {
        self.plan.at
    }

    /// What the judge says.
    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// Its node, while it is there.
    pub(super) fn node(&self) -> Option<&Node> {
        self.node.as_ref()
    }

    /// Times that it came.
    pub(super) fn lives(&self) -> u32 {
        self.lives
    }

    /// All that it heard and said.
    pub(super) fn trail(&self) -> Trail {
        self.trail
    }

    /// How long it was there in all, and what its nodes have counted.
    pub(super) fn record(&self, now: Instant) -> (Duration, Counters) {
        let (mut up, mut counters) = (self.up_for, self.past);
        if let Some(node) = &self.node {
            up += now - self.up_since;
            add(&mut counters, &node.stats().counters);
        }
        (up, counters)
    }

    /// Lookups that have ended since last time.
    pub(super) fn take_ended(&mut self) -> Vec<Ended> {
        std::mem::take(&mut self.ended)
    }

    /// Its user asks something; the name of the query, if it begins.
    pub(super) fn ask(&mut self, now: Instant, question: Question, hands: &mut Hands<'_>) -> Option<QueryId> {
        let node = self.node.as_mut()?;
        let query = QueryId(self.next_query);
        self.next_query += 1;
        let mut wanted = None;
        let taken = match question {
            Question::Peers(torrent, at) => {
                wanted = Some(at);
                node.get_peers(query, torrent, None)
            }
            Question::Nothing(torrent) => node.get_peers(query, torrent, None),
            Question::Scrape(torrent) => node.scrape(query, torrent),
            Question::Ping(at) => node.ping(now, query, at),
            Question::Sample(at) => node.sample(now, query, at, NodeId::random(&mut self.prng)),
            Question::Put(ref item) => node.put(query, item.clone(), None),
            Question::Get(ref what) => node.get(query, what.clone()),
        };
        taken.ok()?;
        if matches!(question, Question::Nothing(_)) {
            node.cancel(query);
        }
        self.place.begun(now, query);
        if let Some(wanted) = wanted {
            self.looked_for.insert(query, (wanted, false));
        }
        self.turn(now, hands);
        Some(query)
    }

    fn comes(&mut self, now: Instant) {
        self.lives += 1;
        let keeps = self.prng.chance(KEEPS.0, KEEPS.1);
        let saved = if keeps { Saved::decode(&self.saved).unwrap_or_default() } else { Saved::default() };
        let config = Config {
            families: Families::V4,
            reach: if self.plan.hidden == Some(HiddenBy::Silence) { Reach::ReadOnly } else { Reach::Open },
            saved,
            routers: self.routers.clone(),
            limits: self.limits,
            ..Config::default()
        };
        let mut node = Node::new(config, self.prng.split(&format!("life {}", self.lives)), now);
        if self.canary == Some(Canary::Leaks) && !self.is_router {
            node.get_peers(QueryId(u64::MAX), self.private[0], None).expect("a new node has room");
        }
        self.place.born(now);
        self.node = Some(node);
        (self.up_since, self.look_at) = (now, now + LOOK);
        self.change_at = if self.is_router { Instant::NEVER } else { now + self.span(self.stays) };
        self.announce_at = if self.torrent.is_some() { now.max(self.ripe_at) } else { Instant::NEVER };
    }

    /// Begins to announce. What is announced while everybody has just come lies with those who are known to somebody
    /// then, and not with those who are the closest once all know each other.
    fn announces(&mut self) {
        let (Some(node), Some(torrent)) = (&mut self.node, self.torrent) else { return };
        let say = Announce::at(Port::Named(PEERS), self.lives.is_multiple_of(2));
        node.announce(ANNOUNCE, torrent, say).expect("it is announced once a life");
        self.announce_at = Instant::NEVER;
    }

    fn leaves(&mut self, now: Instant) {
        let Some(node) = self.node.take() else { return };
        self.saved = node.save().encode();
        add(&mut self.past, &node.stats().counters);
        self.up_for += now - self.up_since;
        self.is_stored = false;
        self.looked_for.clear();
        (self.look_at, self.announce_at) = (Instant::NEVER, Instant::NEVER);
        self.change_at = now + self.span(self.pauses);
    }

    /// A span between two, short rather than long.
    fn span(&mut self, (least, most): (Duration, Duration)) -> Duration {
        let wide = (most - least).as_nanos() as u64;
        let longest = 1 + self.prng.below(wide.max(1));
        least + Duration::from_nanos(self.prng.below(longest))
    }

    fn turn(&mut self, now: Instant, hands: &mut Hands<'_>) {
        let Some(node) = &mut self.node else { return };
        node.settle(now);
        while let Some(output) = self.node.as_mut().and_then(Node::poll) {
            match output {
                Output::Send { to, datagram } => self.sends(now, to, datagram, hands),
                Output::Event(event) => self.hears(now, event),
            }
        }
        if now >= self.look_at {
            self.look_at = now + LOOK;
            self.look(now);
        }
    }

    fn look(&mut self, now: Instant) {
        let Some(node) = &self.node else { return };
        self.place.holds(now, &node.stats(), &node.save().nodes, node.memory());
    }

    fn sends(&mut self, now: Instant, to: SocketAddr, datagram: Vec<u8>, hands: &mut Hands<'_>) {
        let is_question = datagram.windows(6).any(|part| part == b"1:y1:q");
        let times = match self.canary {
            Some(Canary::Repeats) if is_question => 30,
            Some(Canary::Echoes) if !is_question => 10,
            _ => 1,
        };
        for _ in 0..times {
            self.place.sent(now, to, &datagram, &self.private);
            self.trail.number(now.as_nanos());
            self.trail.bytes(&datagram);
            hands.datagram(self.plan.at, to, datagram.clone());
        }
    }

    fn hears(&mut self, now: Instant, event: Event) {
        match event {
            Event::Peers { query, peers } => {
                if let Some((wanted, found)) = self.looked_for.get_mut(&query) {
                    *found |= peers.contains(wanted);
                }
            }
            Event::Round { announced, effort, .. } => {
                self.is_stored |= announced > 0;
                self.place.took(effort);
            }
            Event::Done { query, .. } if query.0 == u64::MAX => {}
            Event::Done { query, .. }
                if self.canary == Some(Canary::LostEnds) && query.0.is_multiple_of(3) => {}
            Event::Done { query, outcome } => {
                self.place.ended(now, query);
                let looked_for = self.looked_for.remove(&query);
                if let Outcome::Peers { effort, .. }
                | Outcome::Item { effort, .. }
                | Outcome::Stored { effort, .. } = outcome
                {
                    self.place.took(effort);
                }
                if let Some((_, found)) = looked_for {
                    let effort = match outcome {
                        Outcome::Peers { effort, .. } => effort,
                        _ => Effort::default(),
                    };
                    self.ended.push(Ended { query, found, effort });
                }
            }
            Event::Item { .. } | Event::Joined { .. } | Event::Address(_) => {}
        }
    }
}

/// The port under which torrents are announced.
const PEERS: u16 = 7777;

fn add(sum: &mut Counters, more: &Counters) {
    sum.datagrams_in += more.datagrams_in;
    sum.datagrams_out += more.datagrams_out;
    sum.bytes_in += more.bytes_in;
    sum.bytes_out += more.bytes_out;
    sum.blocked += more.blocked;
    sum.timeouts += more.timeouts;
    sum.queries_out += more.queries_out;
}

impl Actor for Peer {
    fn hear(&mut self, now: Instant, what: Heard<'_>, hands: &mut Hands<'_>) {
        let Heard::Datagram { from, at, data } = what else { return };
        let Some(node) = self.node.as_mut().filter(|_| at.port() == self.plan.at.port()) else { return };
        let loses = self.canary == Some(Canary::LostStores);
        if loses && data.windows(13).any(|part| part == b"announce_peer") {
            return;
        }
        self.trail.number(now.as_nanos());
        self.trail.bytes(data);
        node.datagram(now, from, data);
        self.turn(now, hands);
    }

    fn wake_at(&self) -> Instant {
        let node = self.node.as_ref().map_or(Instant::NEVER, |node| node.wake_at().0);
        node.min(self.change_at).min(self.announce_at)
    }

    fn wake(&mut self, now: Instant, hands: &mut Hands<'_>) {
        if now >= self.change_at {
            match self.node {
                Some(_) => self.leaves(now),
                None => self.comes(now),
            }
        }
        if now >= self.announce_at {
            self.announces();
        }
        self.turn(now, hands);
    }
}

impl std::fmt::Debug for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Peer").field("at", &self.plan.at).field("node", &self.node).finish_non_exhaustive()
    }
}
