//! The session's part in the DHT (BEP 5): one node, on shard 0, over the session's UDP sockets.
//!
//! ```text
//! words.rs      what is said with the application and the torrents    limits.rs   bounds, with reasons
//! keeping.rs    the state in a file                                   rota.rs     when which torrent is announced
//! entrances.rs  routers and torrents' nodes, by name                  queries.rs  what the application has asked
//! ```
//! The node itself is [`tide_dht`]; this file holds the parts together and routes. The node begins when it is known what
//! an earlier run left and on which sockets we are. Torrents say when they want to be announced
//! ([`Torrent`](crate::torrent::Torrent)); what is found they are told by [`ToTorrent::Found`]. Private torrents never
//! say anything (BEP 27).

mod entrances;
mod keeping;
mod limits;
mod queries;
mod rota;
pub mod words;

use core::net::{IpAddr, SocketAddr};
use std::collections::BTreeMap;

use tide_base::{Instant, Prng, ShardId};
use tide_dht::{Announce, Event, Families, Node, Output as NodeOutput, Port, QueryId};
use tide_disk::{Outcome, Trouble};

use self::entrances::Entrances;
use self::keeping::Keeping;
use self::queries::Queries;
use self::rota::{Ended, Rota};
use self::words::{DhtAnswer, DhtCommand, DhtSetup, DhtStats, DhtSurvey, ToDht};
use crate::border::{NetError, Output, Via};
use crate::command::{Answer, CommandError, CommandId};
use crate::desk::Desk;
use crate::desk::gates::SessionErrand;
use crate::id::TorrentKey;
use crate::mail::{Mail, ToTorrent};
use crate::torrent::book::Sources;

/// The session's part in the DHT.
#[derive(Debug)]
pub struct Dht {
    setup: DhtSetup,
    prng: Prng,
    node: Option<Box<Node>>,
    keeping: Keeping,
    entrances: Entrances,
    rota: Rota,
    queries: Queries,
    /// Whose lookup it is, of those for torrents.
    lookups: BTreeMap<QueryId, TorrentKey>,
    last_query: u64,
    /// Whether the node has ever found its place in a network.
    joined: bool,
    external: [Option<IpAddr>; 2],
    /// What of [`external`](Self::external) is news.
    seen: Vec<IpAddr>,
    /// Whether something has happened that the node has not decided about.
    stirred: bool,
    ending: bool,
}

impl Dht {
    /// A part that has not begun. All that is random follows from `prng`.
    pub fn new(setup: &DhtSetup, prng: Prng, now: Instant) -> Dht {
        Dht {
            node: None,
            keeping: Keeping::new(setup.state.clone(), now),
            entrances: Entrances::new(now, &setup.routers),
            rota: Rota::new(&setup.limits, prng.split("rota")),
            queries: Queries::default(),
            lookups: BTreeMap::new(),
            last_query: 0,
            joined: false,
            external: [None, None],
            seen: Vec::new(),
            stirred: false,
            ending: false,
            prng,
            setup: setup.clone(),
        }
    }

    /// A torrent, or its crew, says something.
    pub fn told(&mut self, now: Instant, what: ToDht) {
        match what {
            ToDht::Seek { torrent, info_hash, wish } => self.rota.seek(now, torrent, info_hash, wish),
            ToDht::Cease(torrent) => self.forget(torrent),
            ToDht::Nodes(nodes) => self.entrances.name(now, &nodes),
            ToDht::Node(at) => {
                if let Some(node) = &mut self.node {
                    node.add_node(now, at);
                    self.stirred = true;
                }
            }
        }
    }

    /// A torrent is not announced any more.
    pub fn forget(&mut self, torrent: TorrentKey) {
        let Some(query) = self.rota.cease(torrent) else { return };
        self.lookups.remove(&query);
        if let Some(node) = &mut self.node {
            node.cancel(query);
            self.stirred = true;
        }
    }

    /// The application wants something.
    pub fn command(&mut self, desk: &mut Desk, now: Instant, id: CommandId, what: DhtCommand) {
        if matches!(what, DhtCommand::Stats) {
            return desk.reply(id, Ok(Answer::Dht(DhtAnswer::Stats(Box::new(self.stats())))));
        }
        if self.node.is_none() && families(desk).is_none() {
            return desk.reply(id, Err(CommandError::NoDht));
        }
        let query = self.next_query();
        if let Err(error) = self.queries.take(now, query, id, what) {
            return desk.reply(id, Err(error));
        }
        self.stirred = true;
    }

    fn next_query(&mut self) -> QueryId {
        self.last_query += 1;
        QueryId(self.last_query)
    }

    /// A datagram came in that looks like the DHT's.
    pub fn datagram(&mut self, now: Instant, from: SocketAddr, data: &[u8]) {
        if let Some(node) = &mut self.node {
            node.datagram(now, from, data);
            self.stirred = true;
        }
    }

    /// The name of a way in was looked up.
    pub fn resolved(&mut self, now: Instant, number: u64, result: &Result<Vec<IpAddr>, NetError>) {
        if let Some(node) = &mut self.node {
            self.entrances.resolved(now, node, number, result);
            self.stirred = true;
        }
    }

    /// A job on the state's file is done.
    pub fn disk_done(&mut self, desk: &mut Desk, errand: SessionErrand, result: Result<Outcome, Trouble>) {
        self.keeping.done(desk, errand, result);
    }

    /// Decides what follows, and does it.
    pub fn settle(&mut self, desk: &mut Desk, now: Instant) {
        self.keeping.settle(desk, now);
        self.begin(desk, now);
        if !self.stirred && self.deadline() > now {
            return;
        }
        if let Some(mut node) = self.node.take() {
            self.drive(desk, now, &mut node);
            self.node = Some(node);
        }
        while let Some((query, command, reply)) = self.queries.overdue(now) {
            if let Some(node) = &mut self.node {
                node.cancel(query);
            }
            desk.reply(command, reply);
        }
    }

    /// Begins when it is known what an earlier run left, and where we are.
    fn begin(&mut self, desk: &Desk, now: Instant) {
        let Some(families) = families(desk).filter(|_| self.node.is_none() && !self.ending) else { return };
        let Some(saved) = self.keeping.take_loaded(now) else { return };
        let known = saved.nodes.len();
        let config = tide_dht::Config {
            families,
            reach: self.setup.reach,
            locals: self.setup.locals,
            secret: self.setup.secret,
            saved,
            limits: self.setup.limits,
            ..tide_dht::Config::default()
        };
        let node = Node::new(config, self.prng.split("node"), now);
        log::debug!("the DHT begins as {node:?}, with {known} nodes of an earlier run");
        self.node = Some(Box::new(node));
        self.stirred = true;
    }

    fn drive(&mut self, desk: &mut Desk, now: Instant, node: &mut Node) {
        loop {
            self.stirred = false;
            self.entrances.settle(desk, now, node);
            self.look_up(desk, now, node);
            if self.joined {
                for (command, reply) in self.queries.ask(node, now, desk.listen_ports()) {
                    desk.reply(command, reply);
                }
            }
            if self.keeping.is_due(now) {
                self.keeping.save(desk, now, node.save().encode());
            }
            node.settle(now);
            while let Some(output) = node.poll() {
                match output {
                    NodeOutput::Send { to, datagram } => {
                        desk.put(Output::Datagram { via: Via::Session, to, data: datagram })
                    }
                    NodeOutput::Event(event) => self.happened(desk, now, event),
                }
            }
            // What has happened may let others begin. Each begins once, and later again.
            if !self.stirred {
                return;
            }
        }
    }

    /// Begins the lookups of torrents that are due.
    fn look_up(&mut self, desk: &Desk, now: Instant, node: &mut Node) {
        let ports = desk.listen_ports().map(|ports| ports.map(Port::Named));
        loop {
            let query = self.next_query();
            let Some((torrent, info_hash, wish)) = self.rota.begin(now, query) else { return };
            let announce = ports.map(|ports| Announce { ports, is_seed: wish.is_seed });
            match node.get_peers(query, info_hash, announce) {
                Ok(()) => drop(self.lookups.insert(query, torrent)),
                // The application has asked for all that may be asked at once.
                Err(_) => self.rota.ended(now, torrent, Ended::Lost),
            }
        }
    }

    fn happened(&mut self, desk: &mut Desk, now: Instant, event: Event) {
        match event {
            Event::Peers { query, peers } if self.lookups.contains_key(&query) => {
                let torrent = self.lookups[&query];
                let what = ToTorrent::Found { source: Sources::DHT, peers };
                desk.mail(torrent.shard, Mail::ToTorrent { torrent, crew: ShardId::FIRST, what });
            }
            Event::Done { query, outcome } if self.lookups.contains_key(&query) => {
                let torrent = self.lookups.remove(&query).expect("it was there a moment ago");
                log::debug!("{torrent:?}: the DHT says {outcome:?}");
                let is_lost = matches!(outcome, tide_dht::Outcome::Failed(_));
                self.rota.ended(now, torrent, if is_lost { Ended::Lost } else { Ended::Reached });
                self.stirred = true;
            }
            Event::Joined { family, nodes } => {
                log::debug!("the DHT of {family:?} is joined by way of {nodes} nodes");
                self.joined = true;
                self.rota.hurry(now);
                self.stirred = true;
            }
            Event::Address(ip) => {
                self.external[usize::from(ip.is_ipv6())] = Some(ip);
                self.seen.push(ip);
            }
            other => {
                if let Some((command, reply)) = self.queries.hear(other) {
                    desk.reply(command, reply);
                }
            }
        }
    }

    /// What its nodes agree that our addresses are, since this was asked last.
    pub fn take_seen(&mut self) -> Vec<IpAddr> {
        core::mem::take(&mut self.seen)
    }

    /// Peers reach us at another port from now on.
    pub fn moved(&mut self, now: Instant) {
        self.rota.moved(now);
        self.stirred = true;
    }

    /// The session ends: what is worth it is remembered, nobody is asked or answered any more.
    pub fn shut_down(&mut self, desk: &mut Desk, now: Instant) {
        self.ending = true;
        let last = self.node.take().map(|node| node.save().encode());
        self.keeping.end(last);
        for command in self.queries.drain() {
            desk.reply(command, Err(CommandError::Ending));
        }
        self.keeping.settle(desk, now);
    }

    /// Whether nothing is left to be waited for after [`shut_down`](Self::shut_down): the file is written, or cannot be.
    pub fn is_done(&self) -> bool {
        self.keeping.is_done()
    }

    /// When [`settle`](Self::settle) must be called, at the latest.
    pub fn deadline(&self) -> Instant {
        let of_node = match &self.node {
            Some(node) => node.wake_at().0.min(self.entrances.deadline()).min(self.rota.deadline()),
            None => Instant::NEVER,
        };
        if self.ending {
            Instant::NEVER
        } else {
            of_node.min(self.keeping.deadline()).min(self.queries.deadline())
        }
    }

    /// Nodes of both families that answered lately.
    pub fn nodes(&self) -> u32 {
        self.node.as_ref().map_or(0, |node| node.stats().tables.iter().map(|table| table.good as u32).sum())
    }

    /// Figures.
    pub fn stats(&self) -> DhtStats {
        DhtStats {
            nodes: self.nodes(),
            joined: self.joined,
            torrents: self.rota.len() as u32,
            external: self.external,
            node: self.node.as_ref().map(|node| node.stats()).unwrap_or_default(),
        }
    }

    /// How its tables stand.
    pub fn survey(&self) -> DhtSurvey {
        DhtSurvey {
            stats: self.stats(),
            torrents: self.rota.torrents(),
            under_way: self.rota.under_way(),
            queries: self.queries.len(),
            memory: self.node.as_ref().map_or(0, |node| node.memory()),
        }
    }
}

/// The networks that we have sockets for.
fn families(desk: &Desk) -> Option<Families> {
    match (desk.listening.udp_v4, desk.listening.udp_v6) {
        (Some(_), Some(_)) => Some(Families::Both),
        (Some(_), None) => Some(Families::V4),
        (None, Some(_)) => Some(Families::V6),
        (None, None) => None,
    }
}
