//! Reading messages, leniently.

use super::{Ask, Body, Complaint, Filters, Message, Port, PutSigned, Query, Reply, Samples, Want, code};
use crate::bloom::Bloom;
use crate::id::{Contact, NodeId};
use crate::limits::{NODES_IN_MAX, SAMPLES_IN_MAX, TRANSACTION_MAX, VALUES_MAX};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::net::SocketAddr;
use tide_base::{InfoHash, addr};
use tide_bencode::{Limits, Value, decode_prefix};

/// What is wrong with a datagram, and whether its sender can be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Malformed<'b> {
    /// The question's transaction, if it is a question and has one.
    pub question: Option<&'b [u8]>,
    /// The code to answer with.
    pub code: i64,
    /// The rule that it breaks.
    pub rule: &'static str,
}

impl fmt::Display for Malformed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KRPC: {}", self.rule)
    }
}

impl core::error::Error for Malformed<'_> {}

/// A rule, not yet with its transaction.
type Broken = &'static str;

/// Reads a datagram.
///
/// # Errors
/// [`Malformed`] if it is no bencoded dictionary, has no transaction, is none of the three kinds, or lacks what its
/// kind needs.
pub fn read(datagram: &[u8]) -> Result<Message<'_>, Malformed<'_>> {
    let fail = |rule| Malformed { question: None, code: code::PROTOCOL, rule };
    let (document, _) =
        decode_prefix(datagram, Limits::DATAGRAM).map_err(|_| fail("it must be a bencoded dictionary"))?;
    let root = document.root();
    let transaction = root.get(b"t").and_then(Value::as_bytes);
    let transaction = transaction.ok_or_else(|| fail("`t` must be a string"))?;
    if transaction.len() > TRANSACTION_MAX {
        return Err(fail("`t` must be short"));
    }
    let body = match root.get(b"y").and_then(Value::as_bytes) {
        Some(b"q") => Kind::Query,
        Some(b"r") => Kind::Reply,
        Some(b"e") => Kind::Error,
        _ if root.get(b"q").is_some() => Kind::Query,
        _ if root.get(b"r").is_some() => Kind::Reply,
        _ if root.get(b"e").is_some() => Kind::Error,
        _ => return Err(fail("`y` must be q, r or e")),
    };
    let body = match body {
        Kind::Query => query(root).map(Body::Query).map_err(|rule| Malformed {
            question: Some(transaction),
            code: code::PROTOCOL,
            rule,
        })?,
        Kind::Reply => Body::Reply(Box::new(reply(root).map_err(fail)?)),
        Kind::Error => Body::Error(complaint(root)),
    };
    let seen = root.get(b"ip").and_then(Value::as_bytes).and_then(endpoint);
    Ok(Message { transaction, seen, body })
}

enum Kind {
    Query,
    Reply,
    Error,
}

/// A compact address; some nodes leave the port out.
fn endpoint(bytes: &[u8]) -> Option<SocketAddr> {
    match bytes.len() {
        6 => addr::compact_v4(bytes).next(),
        18 => addr::compact_v6(bytes).next(),
        4 => Some(SocketAddr::from((<[u8; 4]>::try_from(bytes).ok()?, 0))),
        16 => Some(addr::canonical(SocketAddr::from((<[u8; 16]>::try_from(bytes).ok()?, 0)))),
        _ => None,
    }
}

fn exact<const N: usize>(dict: Value<'_, '_>, key: &[u8]) -> Option<[u8; N]> {
    dict.get(key)?.as_bytes()?.try_into().ok()
}

fn id(dict: Value<'_, '_>, key: &[u8]) -> Option<NodeId> {
    exact(dict, key).map(NodeId)
}

fn is_set(dict: Value<'_, '_>, key: &[u8]) -> bool {
    dict.get(key).and_then(Value::as_int).is_some_and(|flag| flag != 0)
}

fn query<'b>(root: Value<'_, 'b>) -> Result<Query<'b>, Broken> {
    let method = root.get(b"q").and_then(Value::as_bytes).ok_or("`q` must be a string")?;
    let arguments = root.get(b"a").ok_or("`a` must be a dictionary")?;
    Ok(Query {
        id: id(arguments, b"id").ok_or("`id` must have 20 bytes")?,
        read_only: is_set(root, b"ro"),
        want: want(arguments),
        ask: ask(method, arguments)?,
    })
}

fn want(arguments: Value<'_, '_>) -> Want {
    let Some(want) = arguments.get(b"want") else { return Want::Same };
    let (mut v4, mut v6) = (false, false);
    let mut note = |name: &[u8]| {
        v4 |= name.eq_ignore_ascii_case(b"n4");
        v6 |= name.eq_ignore_ascii_case(b"n6");
    };
    if let Some(name) = want.as_bytes() {
        note(name);
    }
    want.as_list().into_iter().flatten().filter_map(Value::as_bytes).for_each(note);
    match (v4, v6) {
        (false, false) => Want::Same,
        (true, false) => Want::V4,
        (false, true) => Want::V6,
        (true, true) => Want::Both,
    }
}

fn ask<'b>(method: &'b [u8], arguments: Value<'_, 'b>) -> Result<Ask<'b>, Broken> {
    let target = || id(arguments, b"target").ok_or("`target` must have 20 bytes");
    let info_hash = || exact(arguments, b"info_hash").map(InfoHash).ok_or("`info_hash` must have 20 bytes");
    let token = || arguments.get(b"token").and_then(Value::as_bytes).ok_or("`token` must be a string");
    Ok(match method {
        b"ping" => Ask::Ping,
        b"find_node" => Ask::FindNode { target: target()? },
        b"get_peers" => Ask::GetPeers {
            info_hash: info_hash()?,
            no_seeds: is_set(arguments, b"noseed"),
            scrape: is_set(arguments, b"scrape"),
        },
        b"announce_peer" => Ask::Announce {
            info_hash: info_hash()?,
            port: port(arguments)?,
            is_seed: is_set(arguments, b"seed"),
            token: token()?,
        },
        b"get" => Ask::Get { target: target()?, newer_than: arguments.get(b"seq").and_then(Value::as_int) },
        b"put" => Ask::Put {
            token: token()?,
            value: arguments.get(b"v").ok_or("`v` is missing")?.raw(),
            signed: put_signed(arguments)?,
        },
        b"sample_infohashes" => Ask::Sample { target: target()? },
        _ => Ask::Other { method, target: target().ok().or(info_hash().ok().map(NodeId::from)) },
    })
}

fn port(arguments: Value<'_, '_>) -> Result<Port, Broken> {
    let named = arguments.get(b"port").and_then(Value::as_int).and_then(|port| u16::try_from(port).ok());
    if is_set(arguments, b"implied_port") {
        return Ok(Port::Implied(named.unwrap_or(0)));
    }
    named.filter(|&port| port != 0).map(Port::Named).ok_or("`port` must be 1 to 65535")
}

/// All that makes an item mutable, or nothing of it: what has half would otherwise be stored as something else than
/// its sender meant.
fn put_signed<'b>(arguments: Value<'_, 'b>) -> Result<Option<PutSigned<'b>>, Broken> {
    const MARKS: [&[u8]; 5] = [b"k", b"sig", b"seq", b"salt", b"cas"];
    if MARKS.iter().all(|key| arguments.get(key).is_none()) {
        return Ok(None);
    }
    let optional = |key: &[u8]| arguments.get(key);
    Ok(Some(PutSigned {
        key: exact(arguments, b"k").ok_or("`k` must have 32 bytes")?,
        salt: match optional(b"salt") {
            Some(salt) => salt.as_bytes().ok_or("`salt` must be a string")?,
            None => b"",
        },
        seq: optional(b"seq").and_then(Value::as_int).ok_or("`seq` must be a number of 64 bits")?,
        cas: match optional(b"cas") {
            Some(cas) => Some(cas.as_int().ok_or("`cas` must be a number of 64 bits")?),
            None => None,
        },
        signature: exact(arguments, b"sig").ok_or("`sig` must have 64 bytes")?,
    }))
}

fn reply<'b>(root: Value<'_, 'b>) -> Result<Reply<'b>, Broken> {
    let r = root.get(b"r").ok_or("`r` must be a dictionary")?;
    let mut reply = Reply::new(id(r, b"id").ok_or("`id` must have 20 bytes")?);
    let (mut key, mut signature, mut seeds, mut peers) = (None, None, None, None);
    let (mut interval, mut total, mut hashes) = (None, None, None);
    // One pass and no look back, so that repeated keys cost no more than others.
    for (name, value) in r.as_dict().into_iter().flatten() {
        let bytes = value.as_bytes();
        match name {
            b"nodes" if reply.nodes.is_none() => {
                reply.nodes = bytes.map(|b| Contact::compact_v4(b).take(NODES_IN_MAX).collect());
            }
            b"nodes6" if reply.nodes6.is_none() => {
                reply.nodes6 = bytes.map(|b| Contact::compact_v6(b).take(NODES_IN_MAX).collect());
            }
            b"token" if reply.token.is_none() => reply.token = bytes,
            b"values" if reply.values.is_empty() => reply.values = values(value),
            b"v" if reply.value.is_none() => reply.value = Some(value.raw()),
            b"seq" if reply.seq.is_none() => reply.seq = value.as_int(),
            b"k" if key.is_none() => key = bytes.and_then(|b| b.try_into().ok()),
            b"sig" if signature.is_none() => signature = bytes.and_then(|b| b.try_into().ok()),
            b"BFsd" if seeds.is_none() => seeds = bytes.and_then(Bloom::from_bytes),
            b"BFpe" if peers.is_none() => peers = bytes.and_then(Bloom::from_bytes),
            b"samples" if hashes.is_none() => hashes = bytes,
            b"interval" if interval.is_none() => interval = value.as_u64(),
            b"num" if total.is_none() => total = value.as_u64(),
            _ => {}
        }
    }
    reply.signed = key.zip(signature);
    reply.filters = seeds.zip(peers).map(|(seeds, peers)| Box::new(Filters { seeds, peers }));
    reply.samples = hashes.map(|hashes| samples(hashes, interval, total));
    Ok(reply)
}

/// A list of compact addresses of both families, as it should be; or one string of IPv4 addresses.
fn values(values: Value<'_, '_>) -> Vec<SocketAddr> {
    if let Some(bytes) = values.as_bytes() {
        return addr::compact_v4(bytes).take(VALUES_MAX).collect();
    }
    let list = values.as_list().into_iter().flatten();
    let peers = list.filter_map(Value::as_bytes).filter(|bytes| matches!(bytes.len(), 6 | 18));
    peers.filter_map(endpoint).take(VALUES_MAX).collect()
}

fn samples(bytes: &[u8], interval: Option<u64>, total: Option<u64>) -> Samples {
    /// BEP 51: six hours.
    const INTERVAL_MAX: u64 = 21600;
    let hashes = bytes.chunks_exact(20).take(SAMPLES_IN_MAX);
    let hashes: Vec<InfoHash> =
        hashes.map(|hash| InfoHash(hash.try_into().expect("a chunk of twenty"))).collect();
    Samples {
        interval: interval.unwrap_or(0).min(INTERVAL_MAX) as u32,
        total: total.unwrap_or(hashes.len() as u64),
        hashes,
    }
}

/// `[code, text]`; whatever else stands there is some error, too.
fn complaint<'b>(root: Value<'_, 'b>) -> Complaint<'b> {
    let mut complaint = Complaint { code: code::GENERIC, text: b"" };
    let Some(e) = root.get(b"e") else { return complaint };
    if let Some(text) = e.as_bytes() {
        complaint.text = text;
    }
    for value in e.as_list().into_iter().flatten().take(2) {
        if let Some(code) = value.as_int() {
            complaint.code = code;
        }
        if let Some(text) = value.as_bytes() {
            complaint.text = text;
        }
    }
    complaint
}
