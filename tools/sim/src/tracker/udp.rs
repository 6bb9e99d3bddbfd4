//! BEP 15 as a tracker speaks it: datagrams in, datagrams out.

use std::net::SocketAddr;

use tide_base::{Duration, InfoHash, Instant, PeerId, Prng, addr};
use tide_tracker::limits::SCRAPE_MAX;
use tide_tracker::server::Registry;
use tide_tracker::{Event, Family};

use super::ask::{Announce, Asked};
use super::office::Reply;

/// In place of a connection id in a connect.
const PROTOCOL: u64 = 0x0417_2710_1980;
/// Connection ids are made anew so often, and taken for as long again.
const EPOCH: Duration = Duration::from_secs(60);
/// The largest datagram that IPv4 carries.
const DATAGRAM_MAX: usize = 65_507;

/// What a datagram asks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Wanted {
    /// A connection id.
    Connect,
    /// Something, under a connection id.
    Ask(u64, Asked),
}

/// A datagram, taken apart.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Packet {
    pub(super) transaction: u32,
    pub(super) wanted: Wanted,
}

struct Reader<'b>(&'b [u8]);

impl Reader<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*head)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }
}

/// Reads a datagram; `None` if it is none of BEP 15's.
pub(super) fn read(datagram: &[u8]) -> Option<Packet> {
    let mut reader = Reader(datagram);
    let connection = reader.u64()?;
    let action = reader.u32()?;
    let transaction = reader.u32()?;
    let wanted = match action {
        0 => (connection == PROTOCOL).then_some(Wanted::Connect)?,
        1 => Wanted::Ask(connection, Asked::Announce(read_announce(&mut reader)?)),
        2 => {
            let hashes = reader.0.chunks_exact(20).take(SCRAPE_MAX);
            let hashes = hashes.map(|hash| InfoHash(hash.try_into().expect("chunks of twenty")));
            Wanted::Ask(connection, Asked::Scrape(hashes.collect()))
        }
        _ => return None,
    };
    Some(Packet { transaction, wanted })
}

fn read_announce(reader: &mut Reader<'_>) -> Option<Announce> {
    let info_hash = InfoHash(reader.array()?);
    let peer_id = PeerId(reader.array()?);
    let (downloaded, left, uploaded) = (reader.u64()?, reader.u64()?, reader.u64()?);
    let event = match reader.u32()? {
        0 => Event::None,
        1 => Event::Completed,
        2 => Event::Started,
        3 => Event::Stopped,
        _ => return None,
    };
    let _ip_and_key = reader.u64()?;
    // Negative for as many as is usual.
    let want = usize::try_from(reader.u32()?.cast_signed()).ok();
    let port = reader.array().map(u16::from_be_bytes)?;
    Some(Announce { info_hash, peer_id, port, uploaded, downloaded, left, event, want, compact: true })
}

/// The connection id that `from` gets in this epoch.
fn connection_id(secret: u64, epoch: u64, from: SocketAddr) -> u64 {
    let mut bytes = Vec::with_capacity(26);
    addr::write_compact(from, &mut bytes);
    bytes.extend_from_slice(&epoch.to_be_bytes());
    let mixed = bytes.iter().fold(secret, |mixed, &byte| {
        (mixed ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(5)
    });
    Prng::new(mixed).next_u64()
}

fn epoch(now: Instant) -> u64 {
    now.as_nanos() / EPOCH.as_nanos() as u64
}

/// Whether `id` was given to `from` one or two minutes ago at the most.
pub(super) fn is_valid(secret: u64, now: Instant, from: SocketAddr, id: u64) -> bool {
    let epoch = epoch(now);
    [Some(epoch), epoch.checked_sub(1)]
        .into_iter()
        .flatten()
        .any(|epoch| connection_id(secret, epoch, from) == id)
}

fn header(action: u32, transaction: u32) -> Vec<u8> {
    [action.to_be_bytes(), transaction.to_be_bytes()].concat()
}

/// Answers a connect.
pub(super) fn connected(secret: u64, now: Instant, from: SocketAddr, transaction: u32) -> Vec<u8> {
    let mut out = header(0, transaction);
    out.extend_from_slice(&connection_id(secret, epoch(now), from).to_be_bytes());
    out
}

/// Answers an announce over `family`; as many peers as a datagram holds.
pub(super) fn announced(reply: &Reply, family: Family, transaction: u32) -> Vec<u8> {
    let mut out = header(1, transaction);
    // The field has no sign and no room for more.
    let interval = u32::try_from(reply.interval).unwrap_or(u32::MAX);
    for number in [interval, reply.counts.leechers, reply.counts.seeds] {
        out.extend_from_slice(&number.to_be_bytes());
    }
    let (peers, size) = match family {
        Family::V4 => (&reply.v4, 6),
        Family::V6 => (&reply.v6, 18),
    };
    let room = (DATAGRAM_MAX - out.len()) / size;
    peers.iter().take(room).for_each(|&peer| addr::write_compact(peer, &mut out));
    out
}

/// Answers a scrape.
pub(super) fn scraped(registry: &Registry, hashes: &[InfoHash], transaction: u32) -> Vec<u8> {
    let mut out = header(2, transaction);
    for hash in hashes {
        let counts = registry.scrape(*hash).unwrap_or_default();
        for number in [counts.seeds, counts.downloads, counts.leechers] {
            out.extend_from_slice(&number.to_be_bytes());
        }
    }
    out
}

/// Refuses.
pub(super) fn error(words: &str, transaction: u32) -> Vec<u8> {
    let mut out = header(3, transaction);
    out.extend_from_slice(words.as_bytes());
    out
}
