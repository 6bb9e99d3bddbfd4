//! Datagrams: whose they are, and what answers bring.

use super::quest::News;
use super::{Node, Purpose};
use crate::event::{Event, Failure, Outcome, QueryId};
use crate::flood::Verdict;
use crate::id::Contact;
use crate::krpc::{self, Body, Complaint, Reply};
use crate::limits::ERROR_TEXT_MAX;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use tide_base::addr::Family;
use tide_base::{Instant, SlotKey, addr};

impl Node {
    /// Takes a datagram in that came from `from`. Whatever is in it, it costs bounded time and memory.
    pub fn datagram(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]) {
        let from = addr::canonical(from);
        self.counters.datagrams_in += 1;
        self.counters.bytes_in += bytes.len() as u64;
        let is_ours = self.half(Family::of(from.ip())).is_some();
        if addr::is_bogus(from) || !is_ours || !krpc::is_likely(bytes) {
            self.counters.malformed += 1;
            return;
        }
        if self.floods.is_blocked(now, from.ip()) {
            self.counters.blocked += 1;
            return;
        }
        match krpc::read(bytes) {
            Ok(message) => match message.body {
                Body::Query(query) => self.question(now, from, message.transaction, &query),
                Body::Reply(reply) => self.reply(now, from, message.transaction, message.seen, &reply),
                Body::Error(error) => self.refusal(now, from, message.transaction, error),
            },
            Err(malformed) => {
                self.counters.malformed += 1;
                if self.is_welcome(now, from)
                    && let Some(transaction) = malformed.question
                {
                    self.complain(now, from, transaction, malformed.code, malformed.rule);
                }
            }
        }
    }

    /// Counts something that nobody asked for; false if it was too much.
    pub(super) fn is_welcome(&mut self, now: Instant, from: SocketAddr) -> bool {
        let is_welcome = self.floods.count(now, from.ip()) == Verdict::Pass;
        self.counters.blocked += u64::from(!is_welcome);
        is_welcome
    }

    fn reply(
        &mut self,
        now: Instant,
        from: SocketAddr,
        transaction: &[u8],
        seen: Option<SocketAddr>,
        reply: &Reply<'_>,
    ) {
        let Some(call) = self.calls.answered(now, from, transaction) else {
            self.counters.unsolicited += 1;
            self.is_welcome(now, from);
            return;
        };
        self.counters.answers_in += 1;
        self.learn(now, Contact { id: reply.id, addr: from });
        if let Some(seen) = seen {
            self.vote(now, from.ip(), seen.ip());
        }
        match call.purpose {
            Purpose::Lookup(key, family) => self.found(key, family, from, call.is_slow, reply),
            Purpose::Store(key) => {
                if let Some(quest) = self.quests.get_mut(key) {
                    quest.pending -= 1;
                    quest.stored += 1;
                    self.ready.insert(key);
                }
            }
            Purpose::Ping(id) => {
                let took = now.since(call.sent);
                self.single_ended(id, Outcome::Pong { id: reply.id, took });
            }
            Purpose::Sample(id) => {
                let told = self.told(from, reply);
                let nodes = told.into_iter().flat_map(|(_, nodes)| nodes).collect();
                self.single_ended(id, Outcome::Sampled { samples: reply.samples.clone(), nodes });
            }
            Purpose::Verify => drop(self.verifying.remove(&from)),
        }
    }

    /// The nodes that an answer tells of and that may be believed to exist, by family.
    fn told(&self, from: SocketAddr, reply: &Reply<'_>) -> [(Family, Vec<Contact>); 2] {
        let lists = [(Family::V4, &reply.nodes), (Family::V6, &reply.nodes6)];
        lists.map(|(family, nodes)| {
            let nodes = nodes.iter().flatten().filter(|node| {
                Family::of(node.addr.ip()) == family && self.config.locals.may_tell(from.ip(), node.addr)
            });
            (family, nodes.copied().collect())
        })
    }

    /// A lookup's answer.
    fn found(&mut self, key: SlotKey, family: Family, from: SocketAddr, was_slow: bool, reply: &Reply<'_>) {
        let told = self.told(from, reply);
        let locals = self.config.locals;
        let Some(quest) = self.quests.get_mut(key) else { return };
        let Some(lookup) = quest.lookup(family) else { return };
        let hops = lookup.answered(from, reply.id, reply.token, was_slow);
        let mut others = Vec::new();
        for (family, nodes) in told {
            match quest.lookup(family) {
                Some(lookup) => {
                    nodes.into_iter().for_each(|node| lookup.offer(node, hops.saturating_add(1)));
                }
                None => others.extend(nodes),
            }
        }
        let peers = reply.values.iter().map(|peer| addr::canonical(*peer));
        let peers = peers.filter(|peer| locals.may_tell(from.ip(), *peer)).collect();
        let (most, verify) = (self.config.limits.peers_found, self.config.verify);
        let news = quest.take(from, reply, peers, most, verify);
        let name = quest.name;
        self.ready.insert(key);
        self.tell_news(name, news);
        self.meet(&others);
    }

    /// Progress of a query, if it is the owner's.
    pub(super) fn tell_news(&mut self, name: Option<QueryId>, news: News) {
        match (name, news) {
            (Some(query), News::Peers(peers)) => self.tell(Event::Peers { query, peers }),
            (Some(query), News::Item(item)) => self.tell(Event::Item { query, item }),
            _ => {}
        }
    }

    fn refusal(&mut self, now: Instant, from: SocketAddr, transaction: &[u8], error: Complaint<'_>) {
        let Some(call) = self.calls.answered(now, from, transaction) else {
            self.counters.unsolicited += 1;
            self.is_welcome(now, from);
            return;
        };
        self.counters.answers_in += 1;
        match call.purpose {
            Purpose::Lookup(key, family) => {
                let lookup = self.quests.get_mut(key).and_then(|quest| quest.lookup(family));
                if let Some(lookup) = lookup {
                    lookup.failed(from, call.is_slow);
                    self.ready.insert(key);
                }
            }
            Purpose::Store(key) => {
                if let Some(quest) = self.quests.get_mut(key) {
                    quest.pending -= 1;
                    quest.refused = Some(error.code);
                    self.ready.insert(key);
                }
            }
            Purpose::Ping(id) | Purpose::Sample(id) => {
                let text = &error.text[..error.text.len().min(ERROR_TEXT_MAX)];
                let failure = Failure::Refused { code: error.code, text: text.into() };
                self.single_ended(id, Outcome::Failed(failure));
            }
            Purpose::Verify => drop(self.verifying.remove(&from)),
        }
    }

    fn vote(&mut self, now: Instant, voter: IpAddr, ip: IpAddr) {
        let least = self.config.limits.votes;
        let is_local = self.config.locals.frees(voter);
        // A port that is not 0 makes the question one about the IP alone.
        if Family::of(ip) != Family::of(voter) || addr::is_bogus(SocketAddr::new(ip, 1)) {
            return;
        }
        // A neighbour sees our local address; the world sees another one.
        if self.config.locals.frees(ip) && !is_local {
            return;
        }
        let half = self.half_mut(Family::of(ip));
        if let Some(ip) = half.and_then(|half| half.votes.add(voter, ip, is_local, least)) {
            self.address_decided(now, ip);
        }
    }
}
