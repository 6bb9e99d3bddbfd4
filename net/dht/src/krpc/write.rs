//! Writing messages, strictly.

use super::{Ask, Body, Message, Port, Query, Reply, Want};
use crate::id::Contact;
use alloc::vec::Vec;
use core::net::SocketAddr;
use tide_base::addr;
use tide_bencode::{Dict, encode};

impl Message<'_> {
    /// The message in its canonical form, with `version` as the sender's `v` (BEP 5: two letters and two bytes).
    pub fn write(&self, version: &[u8; 4]) -> Vec<u8> {
        encode(|v| {
            v.dict(|d| {
                match &self.body {
                    Body::Query(query) => d.dict(b"a", |a| arguments(a, query)),
                    Body::Error(error) => d.list(b"e", |e| {
                        e.int(error.code);
                        e.bytes(error.text);
                    }),
                    Body::Reply(_) => {}
                }
                if let Some(seen) = self.seen {
                    d.bytes(b"ip", &compact(seen));
                }
                let kind: &[u8] = match &self.body {
                    Body::Query(query) => {
                        d.bytes(b"q", method(&query.ask));
                        if query.read_only {
                            d.int(b"ro", 1);
                        }
                        b"q"
                    }
                    Body::Reply(reply) => {
                        d.dict(b"r", |r| values(r, reply));
                        b"r"
                    }
                    Body::Error(_) => b"e",
                };
                d.bytes(b"t", self.transaction);
                d.bytes(b"v", version);
                d.bytes(b"y", kind);
            });
        })
    }
}

fn compact(addr: SocketAddr) -> Vec<u8> {
    let mut out = Vec::with_capacity(18);
    addr::write_compact(addr, &mut out);
    out
}

fn method<'b>(ask: &Ask<'b>) -> &'b [u8] {
    match ask {
        Ask::Ping => b"ping",
        Ask::FindNode { .. } => b"find_node",
        Ask::GetPeers { .. } => b"get_peers",
        Ask::Announce { .. } => b"announce_peer",
        Ask::Get { .. } => b"get",
        Ask::Put { .. } => b"put",
        Ask::Sample { .. } => b"sample_infohashes",
        Ask::Other { method, .. } => method,
    }
}

fn flag(d: &mut Dict<'_>, key: &[u8], is_set: bool) {
    if is_set {
        d.int(key, 1);
    }
}

fn arguments(a: &mut Dict<'_>, query: &Query<'_>) {
    if let Ask::Put { signed: Some(signed), .. } = &query.ask
        && let Some(cas) = signed.cas
    {
        a.int(b"cas", cas);
    }
    a.bytes(b"id", &query.id.0);
    match &query.ask {
        Ask::Ping => {}
        Ask::FindNode { target } | Ask::Sample { target } => a.bytes(b"target", &target.0),
        Ask::GetPeers { info_hash, no_seeds, scrape } => {
            a.bytes(b"info_hash", &info_hash.0);
            flag(a, b"noseed", *no_seeds);
            flag(a, b"scrape", *scrape);
        }
        Ask::Announce { info_hash, port, is_seed, token } => {
            let (port, is_implied) = match *port {
                Port::Named(port) => (port, false),
                Port::Implied(port) => (port, true),
            };
            flag(a, b"implied_port", is_implied);
            a.bytes(b"info_hash", &info_hash.0);
            a.int(b"port", i64::from(port));
            flag(a, b"seed", *is_seed);
            a.bytes(b"token", token);
        }
        Ask::Get { target, newer_than } => {
            if let Some(seq) = newer_than {
                a.int(b"seq", *seq);
            }
            a.bytes(b"target", &target.0);
        }
        Ask::Put { token, value, signed } => {
            if let Some(signed) = signed {
                a.bytes(b"k", &signed.key);
                if !signed.salt.is_empty() {
                    a.bytes(b"salt", signed.salt);
                }
                a.int(b"seq", signed.seq);
                a.bytes(b"sig", &signed.signature);
            }
            a.bytes(b"token", token);
            a.entry(b"v").raw(value);
        }
        Ask::Other { target, .. } => {
            if let Some(target) = target {
                a.bytes(b"target", &target.0);
            }
        }
    }
    let names: &[&[u8]] = match query.want {
        Want::Same => return,
        Want::V4 => &[b"n4"],
        Want::V6 => &[b"n6"],
        Want::Both => &[b"n4", b"n6"],
    };
    a.list(b"want", |want| names.iter().for_each(|name| want.bytes(name)));
}

fn nodes(r: &mut Dict<'_>, key: &[u8], nodes: Option<&Vec<Contact>>) {
    let Some(nodes) = nodes else { return };
    let mut bytes = Vec::with_capacity(nodes.len() * 38);
    nodes.iter().for_each(|node| node.write_compact(&mut bytes));
    r.bytes(key, &bytes);
}

fn values(r: &mut Dict<'_>, reply: &Reply<'_>) {
    if let Some(filters) = &reply.filters {
        r.bytes(b"BFpe", filters.peers.as_bytes());
        r.bytes(b"BFsd", filters.seeds.as_bytes());
    }
    r.bytes(b"id", &reply.id.0);
    if let Some(samples) = &reply.samples {
        r.int(b"interval", i64::from(samples.interval));
    }
    if let Some((key, _)) = &reply.signed {
        r.bytes(b"k", key);
    }
    nodes(r, b"nodes", reply.nodes.as_ref());
    nodes(r, b"nodes6", reply.nodes6.as_ref());
    if let Some(samples) = &reply.samples {
        r.int(b"num", i64::try_from(samples.total).unwrap_or(i64::MAX));
        let hashes: Vec<u8> = samples.hashes.iter().flat_map(|hash| hash.0).collect();
        r.bytes(b"samples", &hashes);
    }
    if let Some(seq) = reply.seq {
        r.int(b"seq", seq);
    }
    if let Some((_, signature)) = &reply.signed {
        r.bytes(b"sig", signature);
    }
    if let Some(token) = reply.token {
        r.bytes(b"token", token);
    }
    if let Some(value) = reply.value {
        r.entry(b"v").raw(value);
    }
    if !reply.values.is_empty() {
        r.list(b"values", |list| reply.values.iter().for_each(|&peer| list.bytes(&compact(peer))));
    }
}
