//! Answering questions.

use super::Node;
use crate::config::Reach;
use crate::id::{Contact, NodeId};
use crate::item::{Item, ItemError, Signed, mutable_target};
use crate::krpc::{Ask, Body, Complaint, Message, Port, PutSigned, Query, Reply, Want, code};
use crate::limits::{DATAGRAM_OUT_MAX, K, SALT_MAX, VALUE_MAX};
use crate::store::Refused;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::SocketAddr;
use tide_base::addr::Family;
use tide_base::{InfoHash, Instant};

/// Bytes of an answer beside its lists: the frame, both ids, the longest transaction, the address, the token.
const FRAME: usize = 180;

/// Longest answer with an item. A value of 1000 bytes with key and signature does not fit the 1024 of BEP 32, and BEP
/// 44 wants nodes beside it; this much crosses any Ethernet and tunnels.
const ITEM_OUT_MAX: usize = 1400;

/// Below so many bytes of answers, none is made: hardly any would be sent.
const ANSWER_MIN: u64 = 256;

/// The bytes of a compact node or, without the id, peer in a list.
fn node_bytes(family: Family) -> usize {
    if family == Family::V4 { 26 } else { 38 }
}

fn peer_bytes(family: Family) -> usize {
    if family == Family::V4 { 8 } else { 21 }
}

/// The nodes of an answer, by family.
type Nodes = [Option<Vec<Contact>>; 2];

fn bytes_of(nodes: &Nodes) -> usize {
    let lists = Family::ALL.iter().zip(nodes);
    lists.map(|(family, list)| list.as_ref().map_or(0, |list| list.len() * node_bytes(*family))).sum()
}

fn refuse<T>(code: i64, text: &'static str) -> Result<T, Refused> {
    Err(Refused { code, text })
}

impl Node {
    /// Somebody asks.
    pub(super) fn question(&mut self, now: Instant, from: SocketAddr, transaction: &[u8], query: &Query<'_>) {
        self.counters.queries_in += 1;
        if !self.is_welcome(now, from) || self.config.reach == Reach::ReadOnly {
            return;
        }
        if !query.read_only {
            self.heard(now, Contact { id: query.id, addr: from });
        }
        if self.answers.available(now) < ANSWER_MIN || self.out.len() >= self.config.limits.outputs {
            self.counters.unanswered += 1;
            return;
        }
        match self.answer(now, from, transaction, query) {
            Ok(datagram) => self.put_answer(now, from, datagram),
            Err(refused) => self.complain(now, from, transaction, refused.code, refused.text),
        }
    }

    fn write(&self, to: SocketAddr, transaction: &[u8], reply: Reply<'_>) -> Vec<u8> {
        let body = Body::Reply(Box::new(reply));
        Message { transaction, seen: Some(to), body }.write(&self.config.version)
    }

    fn answer(
        &mut self,
        now: Instant,
        from: SocketAddr,
        transaction: &[u8],
        query: &Query<'_>,
    ) -> Result<Vec<u8>, Refused> {
        let family = Family::of(from.ip());
        let own = self.id(family).expect("only datagrams of our networks come here");
        let reply = match &query.ask {
            Ask::Ping => Reply::new(own),
            Ask::FindNode { target } | Ask::Other { target: Some(target), .. } => {
                self.with_nodes(Reply::new(own), self.nodes(family, query.want, target))
            }
            Ask::Other { target: None, .. } => return refuse(code::UNKNOWN, "there is no such query"),
            Ask::GetPeers { info_hash, no_seeds, scrape } => {
                let token = self.tokens.issue(now, from.ip(), &NodeId::from(*info_hash));
                let token = self.peers.has_room(info_hash, family).then_some(&token[..]);
                let reply = Reply { token, ..Reply::new(own) };
                let filters = scrape.then(|| self.peers.filters(info_hash)).flatten();
                let reply = Reply { filters, ..reply };
                let reply = self.with_peers(now, reply, family, query.want, info_hash, *no_seeds);
                return Ok(self.write(from, transaction, reply));
            }
            Ask::Announce { info_hash, port, is_seed, token } => {
                self.take_announce(now, from, info_hash, *port, *is_seed, token)?;
                Reply::new(own)
            }
            Ask::Get { target, newer_than } => {
                let token = self.tokens.issue(now, from.ip(), target);
                let reply = Reply { token: Some(&token), ..Reply::new(own) };
                let nodes = self.nodes(family, query.want, target);
                let reply = self.with_item(now, reply, target, *newer_than, nodes);
                return Ok(self.write(from, transaction, reply));
            }
            Ask::Put { token, value, signed } => {
                self.take_item(now, from, own, token, value, signed.as_ref())?;
                Reply::new(own)
            }
            Ask::Sample { target } => {
                let nodes = self.nodes(family, query.want, target);
                let mut samples = self.peers.sample(now, &mut self.prng);
                samples.hashes.truncate((DATAGRAM_OUT_MAX - FRAME - bytes_of(&nodes)) / 20);
                self.with_nodes(Reply { samples: Some(samples), ..Reply::new(own) }, nodes)
            }
        };
        Ok(self.write(from, transaction, reply))
    }

    /// The closest nodes to `target` that a question over `family` wants (BEP 32).
    fn nodes(&self, family: Family, want: Want, target: &NodeId) -> Nodes {
        Family::ALL.map(|of| {
            let is_wanted = match want {
                Want::Same => of == family,
                Want::V4 => of == Family::V4,
                Want::V6 => of == Family::V6,
                Want::Both => true,
            };
            let half = is_wanted.then(|| self.half(of)).flatten();
            half.map(|half| half.table.closest(target, K))
        })
    }

    fn with_nodes<'b>(&self, reply: Reply<'b>, [nodes, nodes6]: Nodes) -> Reply<'b> {
        Reply { nodes, nodes6, ..reply }
    }

    /// Peers and nodes, beside the filters if there are any, as many as a datagram holds.
    fn with_peers<'b>(
        &mut self,
        now: Instant,
        mut reply: Reply<'b>,
        family: Family,
        want: Want,
        info_hash: &InfoHash,
        no_seeds: bool,
    ) -> Reply<'b> {
        /// Both filters with their keys.
        const FILTERS: usize = 2 * (256 + 10);
        let filters = if reply.filters.is_some() { FILTERS } else { 0 };
        let target = NodeId::from(*info_hash);
        let mut nodes = self.nodes(family, want, &target);
        if FRAME + filters + bytes_of(&nodes) > DATAGRAM_OUT_MAX {
            // BEP 33: then only the mandatory ones.
            nodes = self.nodes(family, Want::Same, &target);
        }
        let room = DATAGRAM_OUT_MAX.saturating_sub(FRAME + filters + bytes_of(&nodes));
        let count = room / peer_bytes(family);
        reply.values = self.peers.some(now, info_hash, family, no_seeds, count, &mut self.prng);
        self.with_nodes(reply, nodes)
    }

    /// The item at `target` if there is one, and as many nodes as fit beside it.
    fn with_item<'b>(
        &'b self,
        now: Instant,
        mut reply: Reply<'b>,
        target: &NodeId,
        newer_than: Option<i64>,
        mut nodes: Nodes,
    ) -> Reply<'b> {
        let mut used = FRAME;
        if let Some(item) = self.items.get(now, target) {
            reply.seq = item.seq();
            let is_known = newer_than.zip(item.seq()).is_some_and(|(known, seq)| seq <= known);
            if !is_known {
                reply.value = Some(&item.value);
                reply.signed = item.signed.as_ref().map(|signed| (signed.key, signed.signature));
                // Key, signature and version with their names.
                used += item.value.len() + 150;
            }
        }
        let most = if used > FRAME { ITEM_OUT_MAX } else { DATAGRAM_OUT_MAX };
        for (family, list) in Family::ALL.into_iter().zip(&mut nodes) {
            if let Some(list) = list {
                list.truncate(most.saturating_sub(used) / node_bytes(family));
                used += list.len() * node_bytes(family);
            }
        }
        self.with_nodes(reply, nodes)
    }

    fn take_announce(
        &mut self,
        now: Instant,
        from: SocketAddr,
        info_hash: &InfoHash,
        port: Port,
        is_seed: bool,
        token: &[u8],
    ) -> Result<(), Refused> {
        if !self.tokens.is_good(now, from.ip(), &NodeId::from(*info_hash), token) {
            return refuse(code::PROTOCOL, "the token is not good");
        }
        let port = match port {
            Port::Named(port) => port,
            Port::Implied(_) => from.port(),
        };
        let peer = SocketAddr::new(from.ip(), port);
        if !self.peers.put(now, *info_hash, peer, is_seed, &mut self.prng) {
            return refuse(code::SERVER, "no room");
        }
        Ok(())
    }

    fn take_item(
        &mut self,
        now: Instant,
        from: SocketAddr,
        own: NodeId,
        token: &[u8],
        value: &[u8],
        signed: Option<&PutSigned<'_>>,
    ) -> Result<(), Refused> {
        if value.len() > VALUE_MAX {
            return refuse(code::VALUE_LENGTH, "the value is longer than 1000 bytes");
        }
        if signed.is_some_and(|signed| signed.salt.len() > SALT_MAX) {
            return refuse(code::SALT_LENGTH, "the salt is longer than 64 bytes");
        }
        // The token first: whoever has none shall not make us verify signatures.
        let target = match signed {
            Some(signed) => mutable_target(&signed.key, signed.salt),
            None => Item { value: value.into(), signed: None }.target(),
        };
        if !self.tokens.is_good(now, from.ip(), &target, token) {
            return refuse(code::PROTOCOL, "the token is not good");
        }
        let item = match signed {
            None => Item::immutable(value),
            Some(&PutSigned { key, salt, seq, signature, .. }) => {
                let signed = Signed { key, salt: salt.into(), seq, signature };
                Item::mutable(value, signed, self.config.verify)
            }
        };
        let item = item.or_else(|error| match error {
            ItemError::Signature => refuse(code::SIGNATURE, "the signature is not the key's"),
            ItemError::Sequence => refuse(code::PROTOCOL, "`seq` must not be negative"),
            _ => refuse(code::PROTOCOL, "`v` must be canonical bencoding"),
        })?;
        let cas = signed.and_then(|signed| signed.cas);
        self.items.put(now, item, cas, from.ip(), &own, &mut self.prng)
    }

    /// Sends an answer if the rate has room for all of it: one that paid less than it costs would let whoever asks for
    /// long ones have several times the rate.
    fn put_answer(&mut self, now: Instant, to: SocketAddr, datagram: Vec<u8>) {
        let cost = datagram.len() as u64;
        if self.answers.available(now) < cost {
            self.counters.unanswered += 1;
            return;
        }
        self.answers.take(now, cost);
        self.send(to, datagram);
    }

    /// Tells somebody what is wrong with its question.
    pub(super) fn complain(
        &mut self,
        now: Instant,
        to: SocketAddr,
        transaction: &[u8],
        code: i64,
        text: &str,
    ) {
        if self.config.reach == Reach::ReadOnly || self.answers.available(now) < ANSWER_MIN {
            self.counters.unanswered += 1;
            return;
        }
        let body = Body::Error(Complaint { code, text: text.as_bytes() });
        let datagram = Message { transaction, seen: Some(to), body }.write(&self.config.version);
        self.put_answer(now, to, datagram);
    }
}
