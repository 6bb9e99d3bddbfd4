//! HTTP as a tracker speaks it: the bytes of requests in, those of replies out.

use std::net::{IpAddr, SocketAddr};

use tide_base::{InfoHash, PeerId, Prng, addr};
use tide_bencode::{Dict, encode};
use tide_tracker::Event;
use tide_tracker::limits::SCRAPE_MAX;
use tide_tracker::server::{Counts, Registry};

use super::ask::{Announce, Asked};
use super::office::Reply;

/// Bytes of a request, at the most.
pub(super) const REQUEST_MAX: usize = 16 << 10;

/// A request, taken off what was received.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Request {
    /// What is asked, or the status that says why it cannot be.
    pub(super) what: Result<Asked, Wrong>,
    /// Whether the stream carries another one afterwards.
    pub(super) keep: bool,
    /// Whether its path is that of a redirect in circles.
    pub(super) in_circle: bool,
}

/// What is wrong with a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wrong {
    /// It is not HTTP.
    Form,
    /// It is not a GET.
    Method,
    /// The path is none of ours.
    Path,
    /// It is too long.
    Length,
    /// A tracker's rule is broken; said with bencode.
    Rule(&'static str),
}

/// Takes the first request off `input`; `None` if it is not complete.
pub(super) fn take(input: &mut Vec<u8>) -> Option<Request> {
    let end = input.windows(4).take(REQUEST_MAX).position(|window| window == b"\r\n\r\n");
    let Some(end) = end else {
        let too_long = input.len() >= REQUEST_MAX;
        return too_long.then_some(Request { what: Err(Wrong::Length), keep: false, in_circle: false });
    };
    let head: Vec<u8> = input.drain(..end + 4).collect();
    Some(read(&head[..end]))
}

fn read(head: &[u8]) -> Request {
    let mut lines = head.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
    let line = lines.next().unwrap_or_default();
    let words: Vec<&[u8]> = line.split(|&byte| byte == b' ').collect();
    let wrong = |wrong| Request { what: Err(wrong), keep: false, in_circle: false };
    let [method, target, version] = words[..] else { return wrong(Wrong::Form) };
    if !version.starts_with(b"HTTP/1.") || !target.starts_with(b"/") {
        return wrong(Wrong::Form);
    }
    if method != b"GET" {
        return wrong(Wrong::Method);
    }
    let connection = lines.find_map(|line| {
        let at = line.iter().position(|&byte| byte == b':')?;
        line[..at]
            .eq_ignore_ascii_case(b"connection")
            .then(|| line[at + 1..].trim_ascii().to_ascii_lowercase())
    });
    let keep = match connection.as_deref() {
        Some(b"close") => false,
        Some(b"keep-alive") => true,
        _ => version == b"HTTP/1.1",
    };
    let at = target.iter().position(|&byte| byte == b'?').unwrap_or(target.len());
    let query = target.get(at + 1..).unwrap_or_default();
    let path = &target[..at];
    let what = match path {
        b"/announce" | b"/circle" => read_announce(query).map(Asked::Announce).map_err(Wrong::Rule),
        b"/scrape" => read_scrape(query).map(Asked::Scrape).map_err(Wrong::Rule),
        _ => Err(Wrong::Path),
    };
    Request { what, keep, in_circle: path == b"/circle" }
}

fn parameters(query: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    query.split(|&byte| byte == b'&').map(|part| {
        let at = part.iter().position(|&byte| byte == b'=').unwrap_or(part.len());
        (&part[..at], part.get(at + 1..).unwrap_or_default())
    })
}

/// The bytes that an escaped value stands for.
fn unescape(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(&byte) = rest.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|&byte| char::from(byte).to_digit(16));
        let (high, low) = (digit()?, digit()?);
        out.push((high * 16 + low) as u8);
    }
    Some(out)
}

fn id(value: &[u8]) -> Option<[u8; 20]> {
    unescape(value)?.try_into().ok()
}

fn read_announce(query: &[u8]) -> Result<Announce, &'static str> {
    let value =
        |name: &str| parameters(query).find(|(key, _)| *key == name.as_bytes()).map(|(_, value)| value);
    let number =
        |name: &str| value(name).and_then(|text| std::str::from_utf8(text).ok()?.parse::<u64>().ok());
    let event = match value("event") {
        None | Some(b"" | b"empty") => Event::None,
        Some(b"started") => Event::Started,
        Some(b"completed") => Event::Completed,
        Some(b"stopped") => Event::Stopped,
        Some(_) => return Err("no such event"),
    };
    Ok(Announce {
        info_hash: value("info_hash").and_then(id).map(InfoHash).ok_or("info_hash is not 20 bytes")?,
        peer_id: value("peer_id").and_then(id).map(PeerId).ok_or("peer_id is not 20 bytes")?,
        port: number("port").and_then(|port| u16::try_from(port).ok()).ok_or("port is no port")?,
        uploaded: number("uploaded").ok_or("uploaded is no number")?,
        downloaded: number("downloaded").ok_or("downloaded is no number")?,
        left: number("left").ok_or("left is no number")?,
        event,
        want: number("numwant").and_then(|want| usize::try_from(want).ok()),
        compact: value("compact") != Some(b"0"),
    })
}

fn read_scrape(query: &[u8]) -> Result<Vec<InfoHash>, &'static str> {
    let asked = parameters(query).filter(|(key, _)| *key == b"info_hash").take(SCRAPE_MAX);
    let mut hashes: Vec<InfoHash> = asked
        .map(|(_, value)| id(value).map(InfoHash))
        .collect::<Option<_>>()
        .ok_or("info_hash is not 20 bytes")?;
    if hashes.is_empty() {
        return Err("no info_hash");
    }
    hashes.sort_unstable();
    hashes.dedup();
    Ok(hashes)
}

/// Bencoded words of refusal.
pub(super) fn failure(reason: &str, retry_minutes: Option<i64>) -> Vec<u8> {
    encode(|v| {
        v.dict(|d| {
            d.bytes(b"failure reason", reason.as_bytes());
            if let Some(minutes) = retry_minutes {
                d.int(b"retry in", minutes);
            }
        });
    })
}

fn compact(peers: &[SocketAddr]) -> Vec<u8> {
    let mut out = Vec::with_capacity(peers.len() * 18);
    peers.iter().for_each(|&peer| addr::write_compact(peer, &mut out));
    out
}

/// The body that answers an announce which came from `from`.
pub(super) fn announced(reply: &Reply, from: IpAddr, is_compact: bool) -> Vec<u8> {
    encode(|v| {
        v.dict(|d| {
            d.int(b"complete", i64::from(reply.counts.seeds));
            d.int(b"downloaded", i64::from(reply.counts.downloads));
            match from.to_canonical() {
                IpAddr::V4(ip) => d.bytes(b"external ip", &ip.octets()),
                IpAddr::V6(ip) => d.bytes(b"external ip", &ip.octets()),
            }
            d.int(b"incomplete", i64::from(reply.counts.leechers));
            d.entry(b"interval").raw(format!("i{}e", reply.interval).as_bytes());
            if let Some(least) = reply.least {
                d.entry(b"min interval").raw(format!("i{least}e").as_bytes());
            }
            if is_compact {
                d.bytes(b"peers", &compact(&reply.v4));
                if !reply.v6.is_empty() {
                    d.bytes(b"peers6", &compact(&reply.v6));
                }
            } else {
                long(d, reply);
            }
        });
    })
}

fn long(d: &mut Dict<'_>, reply: &Reply) {
    d.list(b"peers", |list| {
        for peer in reply.v4.iter().chain(&reply.v6) {
            list.dict(|d| {
                d.bytes(b"ip", peer.ip().to_string().as_bytes());
                d.int(b"port", i64::from(peer.port()));
            });
        }
    });
}

/// The body that answers a scrape.
pub(super) fn scraped(registry: &Registry, hashes: &[InfoHash]) -> Vec<u8> {
    encode(|v| {
        v.dict(|d| {
            d.dict(b"files", |files| {
                for hash in hashes {
                    let Some(Counts { seeds, leechers, downloads }) = registry.scrape(*hash) else {
                        continue;
                    };
                    files.dict(&hash.0, |d| {
                        d.int(b"complete", i64::from(seeds));
                        d.int(b"downloaded", i64::from(downloads));
                        d.int(b"incomplete", i64::from(leechers));
                    });
                }
            });
        });
    })
}

/// A whole reply around `body`. How its end is told is left to chance, unless the stream is kept: by its length, in
/// chunks, or by the end of the stream.
pub(super) fn frame(prng: &mut Prng, status: &str, kind: &str, body: &[u8], keep: bool) -> Vec<u8> {
    let connection = if keep { "keep-alive" } else { "close" };
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nConnection: {connection}\r\n");
    let mut out = head.into_bytes();
    match prng.below(if keep { 2 } else { 3 }) {
        0 => {
            out.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
            out.extend_from_slice(body);
        }
        1 => {
            out.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
            let size = 1 + prng.index(body.len() + 1).max(body.len() / 16);
            for chunk in body.chunks(size) {
                out.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                out.extend_from_slice(chunk);
                out.extend_from_slice(b"\r\n");
            }
            out.extend_from_slice(b"0\r\n\r\n");
        }
        _ => {
            out.extend_from_slice(b"\r\n");
            out.extend_from_slice(body);
        }
    }
    out
}
