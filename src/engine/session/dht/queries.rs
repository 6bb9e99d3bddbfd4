//! What the application has asked of the DHT: answers are collected, in bounded number, and given in bounded time.

use core::net::SocketAddr;
use std::collections::{BTreeMap, BTreeSet};

use tide_base::Instant;
use tide_dht::{Announce, Event, Item, Node, Outcome, Port, QueryId, Refused};

use super::limits::{QUERIES, QUERY};
use super::words::{DhtAnswer, DhtCommand};
use crate::command::{Answer, CommandError, CommandId, Reply};

/// One query that is not answered.
#[derive(Debug)]
struct Query {
    command: CommandId,
    what: DhtCommand,
    /// Whether the node has it; else it waits for the node to find into the network.
    is_asked: bool,
    until: Instant,
    peers: Vec<SocketAddr>,
    item: Option<Box<Item>>,
}

/// The application's queries.
#[derive(Debug, Default)]
pub(super) struct Queries {
    open: BTreeMap<QueryId, Query>,
    by_time: BTreeSet<(Instant, QueryId)>,
}

impl Queries {
    /// Takes a query on.
    ///
    /// # Errors
    /// There are too many.
    pub(super) fn take(
        &mut self,
        now: Instant,
        id: QueryId,
        command: CommandId,
        what: DhtCommand,
    ) -> Result<(), CommandError> {
        if self.open.len() >= QUERIES {
            return Err(CommandError::Full("queries of the DHT at once"));
        }
        let until = now + QUERY;
        self.by_time.insert((until, id));
        self.open.insert(id, Query { command, what, is_asked: false, until, peers: Vec::new(), item: None });
        Ok(())
    }

    /// Asks what waits; `ports` is where peers reach us, over IPv4 and over IPv6. Whoever is refused is answered.
    pub(super) fn ask(
        &mut self,
        node: &mut Node,
        now: Instant,
        ports: Option<[u16; 2]>,
    ) -> Vec<(CommandId, Reply)> {
        let mut answers = Vec::new();
        let waiting: Vec<QueryId> =
            self.open.iter().filter(|(_, query)| !query.is_asked).map(|(id, _)| *id).collect();
        for id in waiting {
            let query = self.open.get_mut(&id).expect("it waits");
            query.is_asked = true;
            if let Err(error) = ask(node, now, id, &query.what, ports) {
                answers.extend(self.close(id).map(|query| (query.command, Err(error))));
            }
        }
        answers
    }

    /// Something happened to a query; its answer, if that is its end.
    pub(super) fn hear(&mut self, event: Event) -> Option<(CommandId, Reply)> {
        match event {
            Event::Peers { query, peers } => {
                if let Some(query) = self.open.get_mut(&query) {
                    // The node counts them: they are no more than one query may find, and each is there once.
                    query.peers.extend(peers);
                }
                None
            }
            Event::Item { query, item } => {
                if let Some(query) = self.open.get_mut(&query) {
                    query.item = Some(Box::new(item));
                }
                None
            }
            Event::Done { query, outcome } => {
                let query = self.close(query)?;
                Some((query.command, finished(query, outcome)))
            }
            Event::Round { .. } | Event::Joined { .. } | Event::Address(_) => None,
        }
    }

    /// A query whose time is over, and its answer: what is known so far.
    pub(super) fn overdue(&mut self, now: Instant) -> Option<(QueryId, CommandId, Reply)> {
        let &(until, id) = self.by_time.first()?;
        if until > now {
            return None;
        }
        let query = self.close(id)?;
        let command = query.command;
        let reply = match (&query.what, query.is_asked) {
            (_, false) => Err(CommandError::NoNodes),
            (DhtCommand::GetPeers(_) | DhtCommand::Announce { .. }, true) => {
                Ok(DhtAnswer::Peers { peers: query.peers, announced: 0 })
            }
            (DhtCommand::Get(_), true) => Ok(DhtAnswer::Item(query.item)),
            (_, true) => Err(CommandError::NoNodes),
        };
        Some((id, command, reply.map(Answer::Dht)))
    }

    /// All commands that are not answered, and never will be.
    pub(super) fn drain(&mut self) -> Vec<CommandId> {
        self.by_time.clear();
        core::mem::take(&mut self.open).into_values().map(|query| query.command).collect()
    }

    /// When the time of a query is over.
    pub(super) fn deadline(&self) -> Instant {
        self.by_time.first().map_or(Instant::NEVER, |(at, _)| *at)
    }

    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    fn close(&mut self, id: QueryId) -> Option<Query> {
        let query = self.open.remove(&id)?;
        self.by_time.remove(&(query.until, id));
        Some(query)
    }
}

fn ask(
    node: &mut Node,
    now: Instant,
    id: QueryId,
    what: &DhtCommand,
    ports: Option<[u16; 2]>,
) -> Result<(), CommandError> {
    let asked = match what {
        DhtCommand::GetPeers(info_hash) => node.get_peers(id, *info_hash, None),
        DhtCommand::Announce { info_hash, port: named } => {
            let Some(ports) = named.map(|port| [port; 2]).or(ports) else {
                return Err(CommandError::Invalid("peers must reach us at some port"));
            };
            let announce = Announce { ports: ports.map(Port::Named), is_seed: false };
            node.get_peers(id, *info_hash, Some(announce))
        }
        DhtCommand::Get(wanted) => node.get(id, wanted.clone()),
        DhtCommand::Put { item, cas } => node.put(id, (**item).clone(), *cas),
        DhtCommand::Scrape(info_hash) => node.scrape(id, *info_hash),
        DhtCommand::Sample { node: to, target } => node.sample(now, id, *to, *target),
        DhtCommand::Stats => return Err(CommandError::Invalid("figures are no query")),
    };
    asked.map_err(|refused| match refused {
        Refused::Busy => CommandError::Full("queries of the DHT at once"),
        Refused::Address => CommandError::Invalid("no node of the DHT can have this address"),
        Refused::NameTaken => CommandError::NoNodes,
    })
}

fn finished(query: Query, outcome: Outcome) -> Reply {
    let answer = match outcome {
        Outcome::Peers { swarm, .. } if matches!(query.what, DhtCommand::Scrape(_)) => {
            DhtAnswer::Swarm(swarm)
        }
        Outcome::Peers { announced, .. } => DhtAnswer::Peers { peers: query.peers, announced },
        Outcome::Item { item, .. } => DhtAnswer::Item(item.map(Box::new)),
        Outcome::Stored { nodes, refused, .. } => DhtAnswer::Stored { nodes, refused },
        Outcome::Sampled { samples, nodes } => DhtAnswer::Sampled { samples, nodes },
        Outcome::Pong { .. } | Outcome::Failed(_) => return Err(CommandError::NoNodes),
    };
    Ok(Answer::Dht(answer))
}
