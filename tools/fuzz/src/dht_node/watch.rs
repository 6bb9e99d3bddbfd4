//! What must hold of a node, seen from outside.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use tide_base::{Instant, addr};
use tide_dht::krpc::{Body, Message};
use tide_dht::limits::DATAGRAM_OUT_MAX;
use tide_dht::{Config, Event, Family, Limits, Node, QueryId};

/// Bytes of an answer with an item: a value of 1000 bytes, its signature, and nodes beside it. More than BEP 32 has for
/// others, less than an Ethernet frame.
const ITEM_OUT_MAX: usize = 1400;

/// Lookups that get the node into a network, one each: they wait for no other, since without them no other finds anybody.
const JOINING: usize = 2;

/// What was seen.
pub(super) struct Watch {
    limits: Limits,
    families: tide_dht::Families,
    began: Instant,
    /// Who sent something in this turn, and has not been answered.
    heard: Option<SocketAddr>,
    /// Bytes of answers, ever.
    answered: u64,
    /// Requests, ever.
    asked: u64,
    /// Queries of the owner that must end once.
    open: BTreeSet<QueryId>,
    /// Announces that are kept up.
    standing: BTreeSet<QueryId>,
    /// Peers that each query told of.
    found: BTreeMap<QueryId, usize>,
    /// Write tokens that were given, and to which address.
    given: BTreeSet<(IpAddr, Vec<u8>)>,
    /// Whether what came in this turn has a token that its sender was given.
    may_store: bool,
    /// Peers and items that were stored when the turn began.
    stored: (usize, usize),
}

impl Watch {
    pub(super) fn new(now: Instant, config: &Config) -> Watch {
        Watch {
            limits: config.limits,
            families: config.families,
            began: now,
            heard: None,
            answered: 0,
            asked: 0,
            open: BTreeSet::new(),
            standing: BTreeSet::new(),
            found: BTreeMap::new(),
            given: BTreeSet::new(),
            may_store: false,
            stored: (0, 0),
        }
    }

    pub(super) fn begins(&mut self, id: QueryId) {
        assert!(!self.standing.contains(&id) && self.open.insert(id), "two queries have one name");
        self.found.remove(&id);
    }

    pub(super) fn stands(&mut self, id: QueryId) {
        assert!(!self.open.contains(&id) && self.standing.insert(id), "two queries have one name");
    }

    pub(super) fn receives(&mut self, from: SocketAddr, datagram: &[u8]) {
        self.heard = Some(from);
        let mut tokens = self.given.iter().filter(|(to, _)| *to == from.ip()).map(|(_, token)| token);
        self.may_store = tokens.any(|token| datagram.windows(token.len()).any(|window| window == token));
    }

    /// The node sends something; whether it is a question.
    pub(super) fn sends(&mut self, to: SocketAddr, datagram: &[u8], message: &Message<'_>) -> bool {
        assert!(!addr::is_bogus(to), "nobody is at {to}");
        assert!(self.families.has(Family::of(to.ip())), "{to} is of a network that we are not in");
        let has_item = match &message.body {
            Body::Query(_) => {
                self.asked += 1;
                return true;
            }
            Body::Reply(reply) => {
                self.given.extend(reply.token.map(|token| (to.ip(), token.to_vec())));
                reply.value.is_some()
            }
            Body::Error(_) => false,
        };
        // One answer at most for a datagram, to its sender, of a bounded length: that is all the amplification there is.
        assert_eq!(self.heard.take(), Some(to), "an answer to nobody's question");
        let most = if has_item { ITEM_OUT_MAX } else { DATAGRAM_OUT_MAX };
        assert!(datagram.len() <= most, "an answer of {} bytes", datagram.len());
        self.answered += datagram.len() as u64;
        false
    }

    pub(super) fn tells(&mut self, event: &Event) {
        match event {
            Event::Peers { query, peers } => {
                assert!(self.open.contains(query) || self.standing.contains(query), "{query:?} has ended");
                assert!(!peers.is_empty() && peers.iter().all(|peer| !addr::is_bogus(*peer)));
                let found = self.found.entry(*query).or_default();
                *found += peers.len();
                assert!(*found <= self.limits.peers_found, "too many peers for {query:?}");
            }
            Event::Item { query, .. } => assert!(self.open.contains(query), "{query:?} has ended"),
            Event::Round { query, .. } => {
                assert!(self.standing.contains(query), "{query:?} is not kept up");
                self.found.remove(query);
            }
            Event::Done { query, .. } => {
                assert!(self.open.remove(query) || self.standing.remove(query), "{query:?} ended twice");
                self.found.remove(query);
            }
            Event::Joined { .. } => {}
            Event::Address(ip) => assert!(!addr::is_bogus(SocketAddr::new(*ip, 1)), "nobody is at {ip}"),
        }
    }

    pub(super) fn turn_ends(&mut self, now: Instant, node: &Node) {
        self.heard = None;
        let (wake, why) = node.wake_at();
        assert!(wake > now, "it would be woken at once, again and again: {why:?}");
        let (stats, limits) = (node.stats(), &self.limits);
        assert!(
            stats.calls <= limits.calls && stats.torrents <= limits.torrents && stats.items <= limits.items
        );
        assert!(stats.peers <= limits.peers_total && stats.peers <= limits.peers * 2 * stats.torrents);
        assert!(
            stats.queries <= limits.active + JOINING + limits.waiting && stats.announces <= limits.waiting
        );
        assert_eq!(stats.announces, self.standing.len());
        let is_more = stats.peers > self.stored.0 || stats.items > self.stored.1;
        assert!(self.may_store || !is_more, "somebody stored something without leave");
        (self.stored, self.may_store) = ((stats.peers, stats.items), false);
        let nanos = u128::from(now.since(self.began).as_nanos() as u64);
        let flow = |(rate, burst): (u64, u64)| {
            u128::from(burst) + (nanos * u128::from(rate)).div_ceil(1_000_000_000)
        };
        assert!(u128::from(self.asked) <= flow(limits.requests), "more questions than a second has");
        assert!(u128::from(self.answered) <= flow(limits.answers), "{} bytes of answers", self.answered);
    }

    /// After a long silence.
    pub(super) fn ends(&self) {
        assert!(self.open.is_empty(), "asked and never ended: {:?}", self.open);
    }
}
