//! The packets of BEP 15, and the options behind an announce (BEP 41).

use crate::error::{Error, Refusal};
use crate::limits::{PEERS_MAX, SCRAPE_MAX};
use crate::request::{Announce, Answer, Reply, Scraped};
use crate::text;
use alloc::vec::Vec;
use tide_base::addr::Family;
use tide_base::{Duration, InfoHash, addr};

/// What a connect request begins with, in place of a connection id.
pub(crate) const PROTOCOL: u64 = 0x0417_2710_1980;

/// What a packet asks or answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Action {
    Connect,
    Announce,
    Scrape,
    Error,
}

impl Action {
    pub(crate) const fn code(self) -> u32 {
        match self {
            Action::Connect => 0,
            Action::Announce => 1,
            Action::Scrape => 2,
            Action::Error => 3,
        }
    }

    pub(crate) fn from_code(code: u32) -> Option<Action> {
        [Action::Connect, Action::Announce, Action::Scrape, Action::Error]
            .into_iter()
            .find(|action| action.code() == code)
    }
}

/// Takes big-endian fields off the front of a packet.
pub(crate) struct Reader<'b>(pub(crate) &'b [u8]);

impl Reader<'_> {
    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*head)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }
}

fn header(connection: u64, action: Action, transaction: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(&connection.to_be_bytes());
    out.extend_from_slice(&action.code().to_be_bytes());
    out.extend_from_slice(&transaction.to_be_bytes());
}

pub(super) fn connect(transaction: u32, out: &mut Vec<u8>) {
    header(PROTOCOL, Action::Connect, transaction, out);
}

/// `target` is the URL's path and query, for BEP 41; nothing is added if it is empty.
pub(super) fn announce(
    connection: u64,
    transaction: u32,
    ask: &Announce,
    target: &str,
    family: Family,
    out: &mut Vec<u8>,
) {
    header(connection, Action::Announce, transaction, out);
    out.extend_from_slice(&ask.info_hash.0);
    out.extend_from_slice(&ask.peer_id.0);
    for number in [ask.downloaded, ask.left, ask.uploaded] {
        out.extend_from_slice(&number.to_be_bytes());
    }
    out.extend_from_slice(&ask.event.code().to_be_bytes());
    // The field cannot hold an IPv6 address and is 0 there (BEP 15).
    let ip = ask.ipv4.filter(|_| family == Family::V4).map_or([0; 4], |ip| ip.octets());
    out.extend_from_slice(&ip);
    out.extend_from_slice(&ask.key.to_be_bytes());
    // Signed on the wire, where -1 means the tracker's default.
    let want = ask.wanted().min(i32::MAX as u32);
    out.extend_from_slice(&want.to_be_bytes());
    out.extend_from_slice(&ask.port.to_be_bytes());
    for part in target.as_bytes().chunks(255) {
        out.extend_from_slice(&[2, part.len() as u8]);
        out.extend_from_slice(part);
    }
}

pub(super) fn scrape(connection: u64, transaction: u32, hashes: &[InfoHash], out: &mut Vec<u8>) {
    header(connection, Action::Scrape, transaction, out);
    for hash in hashes.iter().take(SCRAPE_MAX) {
        out.extend_from_slice(&hash.0);
    }
}

/// What follows action and transaction id in an announce reply.
pub(super) fn read_announce(body: &[u8], family: Family) -> Result<Answer, Error> {
    if body.is_empty() {
        // What opentracker answers for an info-hash that is not on its list.
        return Err(Error::Refused(read_error(body)));
    }
    let mut reader = Reader(body);
    let mut next = || reader.u32().ok_or(Error::Malformed("an announce reply has at least 20 bytes"));
    let (interval, leechers, seeds) = (next()?, next()?, next()?);
    let mut reply = Reply {
        interval: Some(Duration::from_secs(u64::from(interval))),
        seeds: Some(seeds),
        leechers: Some(leechers),
        ..Reply::default()
    };
    let sound = |peer: &_| !addr::is_bogus(*peer);
    match family {
        Family::V4 => reply.peers.extend(addr::compact_v4(reader.0).filter(sound).take(PEERS_MAX)),
        Family::V6 => reply.peers.extend(addr::compact_v6(reader.0).filter(sound).take(PEERS_MAX)),
    }
    Ok(Answer::Announced(reply))
}

/// What follows action and transaction id in a scrape reply: one entry for each info-hash asked for, in order.
pub(super) fn read_scrape(body: &[u8], hashes: &[InfoHash]) -> Result<Answer, Error> {
    let mut reader = Reader(body);
    let mut scraped = Vec::with_capacity(hashes.len().min(SCRAPE_MAX));
    for &info_hash in hashes.iter().take(SCRAPE_MAX) {
        let mut next =
            || reader.u32().ok_or(Error::Malformed("a scrape reply has 12 bytes for each info-hash"));
        let (seeds, downloads, leechers) = (next()?, next()?, next()?);
        scraped.push(Scraped { info_hash, seeds, leechers, downloads });
    }
    Ok(Answer::Scraped(scraped))
}

/// What follows action and transaction id in an error packet: words.
pub(super) fn read_error(body: &[u8]) -> Refusal {
    Refusal { reason: text::sanitise(body), retry: None }
}
