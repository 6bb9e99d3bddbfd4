//! The tracker's side of BEP 15: a datagram in, a datagram out, nothing remembered in between.

use super::registry::{Registry, Visit};
use super::siphash::siphash;
use crate::limits::{CONNECTION_EPOCH, CONNECTION_LIFE, SCRAPE_MAX};
use crate::request::Event;
use crate::udp::{Action, PROTOCOL, Reader};
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use tide_base::addr::Family;
use tide_base::{InfoHash, Instant, addr};

/// Spans after the one in which a connection id was given that it must be taken in, however late in that one it was.
const LATER: u64 = CONNECTION_LIFE.as_secs().div_ceil(CONNECTION_EPOCH.as_secs());

/// Answers datagrams out of a [`Registry`].
///
/// Connection ids are a keyed hash of the asker's address and the time, so there is no table to fill. Without a valid
/// one nothing is answered but a connect, with a reply no larger than its request: the tracker cannot be used to
/// flood others.
#[derive(Debug)]
pub struct UdpServer {
    secret: [u8; 16],
    previous: [u8; 16],
}

impl UdpServer {
    /// A server whose connection ids follow from `secret`, which should be drawn from true entropy.
    pub fn new(secret: [u8; 16]) -> UdpServer {
        UdpServer { secret, previous: secret }
    }

    /// Replaces the secret, say every hour; ids made from the one before remain valid while their time lasts.
    pub fn rotate(&mut self, secret: [u8; 16]) {
        self.previous = core::mem::replace(&mut self.secret, secret);
    }

    /// Answers the datagram that came from `from`: appends what is to be sent back to `out`. False if that is nothing.
    pub fn answer(
        &self,
        registry: &mut Registry,
        now: Instant,
        from: SocketAddr,
        datagram: &[u8],
        out: &mut Vec<u8>,
    ) -> bool {
        self.try_answer(registry, now, addr::canonical(from), datagram, out).is_some()
    }

    fn try_answer(
        &self,
        registry: &mut Registry,
        now: Instant,
        from: SocketAddr,
        datagram: &[u8],
        out: &mut Vec<u8>,
    ) -> Option<()> {
        let mut reader = Reader(datagram);
        let connection = reader.u64()?;
        let action = Action::from_code(reader.u32()?)?;
        let transaction = reader.u32()?;
        let mut header = |action: Action| {
            out.extend_from_slice(&action.code().to_be_bytes());
            out.extend_from_slice(&transaction.to_be_bytes());
        };
        if action == Action::Connect {
            if connection != PROTOCOL {
                return None;
            }
            header(action);
            out.extend_from_slice(&connection_id(&self.secret, epoch(now), from).to_be_bytes());
            return Some(());
        }
        if !self.is_valid(connection, now, from) {
            return None;
        }
        match action {
            Action::Announce => {
                let visit = read_announce(&mut reader, from)?;
                match registry.announce(now, &visit) {
                    Ok(announced) => {
                        header(action);
                        let interval =
                            u32::try_from(registry.limits().interval.as_secs().max(1)).unwrap_or(u32::MAX);
                        let counts = announced.counts;
                        for number in [interval, counts.leechers, counts.seeds] {
                            out.extend_from_slice(&number.to_be_bytes());
                        }
                        let peers = match Family::of(from.ip()) {
                            Family::V4 => announced.v4,
                            Family::V6 => announced.v6,
                        };
                        peers.into_iter().for_each(|peer| addr::write_compact(peer, out));
                    }
                    Err(_) => {
                        header(Action::Error);
                        out.extend_from_slice(b"the tracker is full");
                    }
                }
            }
            Action::Scrape => {
                header(action);
                write_scrape(registry, reader, out);
            }
            Action::Connect | Action::Error => return None,
        }
        Some(())
    }

    fn is_valid(&self, id: u64, now: Instant, from: SocketAddr) -> bool {
        let epoch = epoch(now);
        let given = epoch.saturating_sub(LATER)..=epoch;
        given.rev().any(|epoch| {
            [self.secret, self.previous].iter().any(|secret| id == connection_id(secret, epoch, from))
        })
    }
}

fn epoch(now: Instant) -> u64 {
    now.as_nanos() / CONNECTION_EPOCH.as_nanos() as u64
}

fn connection_id(secret: &[u8; 16], epoch: u64, from: SocketAddr) -> u64 {
    let mut bytes = Vec::with_capacity(26);
    bytes.extend_from_slice(&epoch.to_le_bytes());
    addr::write_compact(from, &mut bytes);
    siphash(secret, &bytes)
}

/// The fields behind the transaction id. Address, key and options (BEP 41) are of no use here.
fn read_announce(reader: &mut Reader<'_>, from: SocketAddr) -> Option<Visit> {
    let info_hash = InfoHash(reader.array()?);
    let _peer_id: [u8; 20] = reader.array()?;
    let _downloaded = reader.u64()?;
    let left = reader.u64()?;
    let _uploaded = reader.u64()?;
    let code = reader.u32()?;
    // As over HTTP, a word that we do not know is none: partial seeds (BEP 21) say 4, for which BEP 15 has no meaning, in
    // every announce, and try again in vain when nobody answers.
    let event = [Event::Completed, Event::Started, Event::Stopped]
        .into_iter()
        .find(|event| event.code() == code)
        .unwrap_or(Event::None);
    let _ip_and_key = reader.u64()?;
    // Negative means as many as is usual.
    let want = usize::try_from(reader.u32()? as i32).ok();
    let port = reader.u16()?;
    let ip: IpAddr = from.ip();
    Some(Visit { info_hash, peer: SocketAddr::new(ip, port), left, event, want })
}

fn write_scrape(registry: &Registry, mut reader: Reader<'_>, out: &mut Vec<u8>) {
    for _ in 0..SCRAPE_MAX {
        let Some(hash) = reader.array() else { break };
        let counts = registry.scrape(InfoHash(hash)).unwrap_or_default();
        for number in [counts.seeds, counts.downloads, counts.leechers] {
            out.extend_from_slice(&number.to_be_bytes());
        }
    }
}
