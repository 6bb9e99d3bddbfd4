//! The tracker's side of BEP 3, 7, 23, 24 and 48: the bytes of an HTTP request in, those of a response out.

use super::registry::{Announced, Registry, Visit};
use crate::limits::SCRAPE_MAX;
use crate::percent;
use crate::request::Event;
use alloc::format;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use tide_base::{InfoHash, Instant, addr};
use tide_bencode::{Dict, encode};

/// What became of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Served {
    /// It is not complete; ask again with more.
    More,
    /// The response has been appended. Send it, then close the stream.
    Close,
}

/// Answers the request in `input`, all that was received so far over a stream from `from`.
///
/// There is one request a stream: announces are far apart. Requests longer than
/// [`ServerLimits::request`](crate::limits::ServerLimits::request) are refused.
pub fn serve(registry: &mut Registry, now: Instant, from: IpAddr, input: &[u8], out: &mut Vec<u8>) -> Served {
    let limit = registry.limits().request;
    let end = input.windows(4).take(limit).position(|window| window == b"\r\n\r\n");
    if end.is_none() && input.len() < limit {
        return Served::More;
    }
    let line = end.and_then(|_| input.split(|&byte| byte == b'\r').next());
    let response = match line.map(request_line) {
        None => respond("431 Request Header Fields Too Large", "text/plain", b"the request is too long\n"),
        Some(None) => respond("400 Bad Request", "text/plain", b"this is not HTTP\n"),
        Some(Some((b"GET", target))) => get(registry, now, from, target),
        Some(Some(_)) => respond("405 Method Not Allowed", "text/plain", b"a tracker is asked with GET\n"),
    };
    out.extend_from_slice(&response);
    Served::Close
}

/// Method and target.
fn request_line(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut words = line.split(|&byte| byte == b' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    (words.next().is_none() && version.starts_with(b"HTTP/1.") && target.starts_with(b"/"))
        .then_some((method, target))
}

fn respond(status: &str, kind: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn get(registry: &mut Registry, now: Instant, from: IpAddr, target: &[u8]) -> Vec<u8> {
    let at = target.iter().position(|&byte| byte == b'?').unwrap_or(target.len());
    let query = target.get(at + 1..).unwrap_or_default();
    let body = match &target[..at] {
        b"/announce" => announce(registry, now, from.to_canonical(), query).unwrap_or_else(failure),
        b"/scrape" => scrape(registry, query).unwrap_or_else(failure),
        _ => return respond("404 Not Found", "text/plain", b"ask /announce or /scrape\n"),
    };
    respond("200 OK", "text/plain", &body)
}

fn failure(reason: &'static str) -> Vec<u8> {
    encode(|v| v.dict(|d| d.bytes(b"failure reason", reason.as_bytes())))
}

/// The parameters of a query with their values as they stand.
fn parameters(query: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    query.split(|&byte| byte == b'&').map(|part| {
        let at = part.iter().position(|&byte| byte == b'=').unwrap_or(part.len());
        (&part[..at], part.get(at + 1..).unwrap_or_default())
    })
}

fn parameter<'q>(query: &'q [u8], name: &str) -> Option<&'q [u8]> {
    parameters(query).find(|(key, _)| *key == name.as_bytes()).map(|(_, value)| value)
}

fn number(query: &[u8], name: &str) -> Option<u64> {
    core::str::from_utf8(parameter(query, name)?).ok()?.parse().ok()
}

fn info_hash(value: &[u8]) -> Option<InfoHash> {
    percent::decode(value)?.try_into().ok().map(InfoHash)
}

fn announce(
    registry: &mut Registry,
    now: Instant,
    from: IpAddr,
    query: &[u8],
) -> Result<Vec<u8>, &'static str> {
    let hash = parameter(query, "info_hash").and_then(info_hash);
    let port = number(query, "port").and_then(|port| u16::try_from(port).ok());
    let event = match parameter(query, "event") {
        Some(b"started") => Event::Started,
        Some(b"completed") => Event::Completed,
        Some(b"stopped") => Event::Stopped,
        // Nothing, "empty", BEP 21's "paused" in every announce of a partial seed, and whatever the next BEP has: the
        // peer is in the swarm, and its `left` tells as what.
        _ => Event::None,
    };
    let visit = Visit {
        info_hash: hash.ok_or("info_hash is not 20 bytes, escaped")?,
        peer: SocketAddr::new(from, port.ok_or("port is not a number below 65536")?),
        // Who does not say has nothing.
        left: number(query, "left").unwrap_or(u64::MAX),
        event,
        want: number(query, "numwant").and_then(|want| usize::try_from(want).ok()),
    };
    let announced = registry.announce(now, &visit).map_err(|_| "the tracker is full")?;
    let is_compact = parameter(query, "compact") != Some(b"0");
    Ok(write_announced(registry, &announced, from, is_compact))
}

fn write_announced(registry: &Registry, announced: &Announced, from: IpAddr, is_compact: bool) -> Vec<u8> {
    let interval = i64::try_from(registry.limits().interval.as_secs().max(1)).unwrap_or(i64::MAX);
    let counts = announced.counts;
    encode(|v| {
        v.dict(|d| {
            d.int(b"complete", i64::from(counts.seeds));
            d.int(b"downloaded", i64::from(counts.downloads));
            match from {
                IpAddr::V4(ip) => d.bytes(b"external ip", &ip.octets()),
                IpAddr::V6(ip) => d.bytes(b"external ip", &ip.octets()),
            }
            d.int(b"incomplete", i64::from(counts.leechers));
            d.int(b"interval", interval);
            if is_compact {
                d.bytes(b"peers", &compact(&announced.v4));
                d.bytes(b"peers6", &compact(&announced.v6));
            } else {
                write_long(d, announced);
            }
        });
    })
}

fn compact(peers: &[SocketAddr]) -> Vec<u8> {
    let mut out = Vec::with_capacity(peers.len() * 18);
    peers.iter().for_each(|&peer| addr::write_compact(peer, &mut out));
    out
}

/// The long form, without peer ids: nothing here remembers them, and nobody needs them.
fn write_long(d: &mut Dict<'_>, announced: &Announced) {
    d.list(b"peers", |list| {
        for peer in announced.v4.iter().chain(&announced.v6) {
            list.dict(|d| {
                d.bytes(b"ip", format!("{}", peer.ip()).as_bytes());
                d.int(b"port", i64::from(peer.port()));
            });
        }
    });
}

/// Only swarms that are asked for are told of: a scrape of everything would be the list of all that is here.
fn scrape(registry: &Registry, query: &[u8]) -> Result<Vec<u8>, &'static str> {
    let asked = parameters(query).filter(|(key, _)| *key == b"info_hash").take(SCRAPE_MAX);
    let hashes: Option<Vec<InfoHash>> = asked.map(|(_, value)| info_hash(value)).collect();
    let mut hashes =
        hashes.filter(|hashes| !hashes.is_empty()).ok_or("info_hash is not 20 bytes, escaped")?;
    hashes.sort_unstable();
    hashes.dedup();
    Ok(encode(|v| {
        v.dict(|d| {
            d.dict(b"files", |files| {
                for hash in hashes {
                    let Some(counts) = registry.scrape(hash) else { continue };
                    files.dict(&hash.0, |d| {
                        d.int(b"complete", i64::from(counts.seeds));
                        d.int(b"downloaded", i64::from(counts.downloads));
                        d.int(b"incomplete", i64::from(counts.leechers));
                    });
                }
            });
        });
    }))
}
