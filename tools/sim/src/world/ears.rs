//! What is overheard of what engines say: which torrent a stream is about, which pieces peers are told of, and what is
//! said to UDP trackers and by them.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use tide_base::{Duration, InfoHash, Instant, PieceIndex};

use super::{NodeId, World};
use crate::actor::EndId;
use crate::judge::Said;
use crate::mutants::speaker::{Ear, Word};

/// One who listens at a stream.
#[derive(Debug, Default)]
struct Listener {
    /// None if it was no BitTorrent.
    ear: Option<Ear>,
    torrent: Option<InfoHash>,
}

/// What a peer is told that judges want to know.
enum Told {
    /// We have a piece.
    Have(PieceIndex),
    /// We are a node of the DHT.
    Node,
    /// We tell of our peers, and would hear of others.
    Peers,
}

/// What came of an announce.
#[derive(Clone, Copy, Debug)]
pub(super) enum Response {
    /// The tracker asks to be left alone so long.
    Interval(Duration),
    /// It refused, or said nothing until it was given up.
    Failure,
    /// Nobody but the engine knows which answer it goes by.
    Doubtful,
}

/// All that is overheard of one process.
#[derive(Debug, Default)]
pub(super) struct Ears {
    streams: BTreeMap<EndId, Listener>,
    /// Announces over UDP without an answer: the tracker and the transaction; the torrent, and since when it waits.
    announces: BTreeMap<(SocketAddr, u32), (InfoHash, Instant)>,
    /// The transactions of announces so far: the same again is a repeat.
    said: BTreeMap<(SocketAddr, u32), InfoHash>,
    /// At which port UDP trackers were last told that torrents are served, and when.
    ports: BTreeMap<(SocketAddr, InfoHash), (u16, Instant)>,
    /// When a gateway last opened other ports for the process.
    moved: Instant,
    /// When its user last wanted the trackers of a torrent to be asked.
    by_hand: BTreeMap<InfoHash, Instant>,
    /// UDP trackers that were asked for a connection: the transaction, since when, and when it was given.
    connects: BTreeMap<SocketAddr, Connect>,
}

/// A connection to a UDP tracker.
#[derive(Clone, Copy, Debug)]
struct Connect {
    transaction: u32,
    since: Instant,
    given: Option<Instant>,
}

impl Ears {
    /// The torrent for which a stream is, once the process has said so.
    pub(super) fn torrent(&self, end: EndId) -> Option<InfoHash> {
        self.streams.get(&end)?.torrent
    }

    /// A stream is gone.
    pub(super) fn forget(&mut self, end: EndId) {
        self.streams.remove(&end);
    }

    /// Ports are open elsewhere: trackers may be told at once.
    pub(super) fn moved(&mut self, now: Instant) {
        self.moved = now;
    }

    /// Its user wants the trackers of a torrent to be asked.
    pub(super) fn wanted(&mut self, now: Instant, torrent: InfoHash) {
        self.by_hand.insert(torrent, now);
    }

    /// Bytes go out; what the other side is told.
    fn hear(&mut self, end: EndId, bytes: &[u8]) -> Vec<(InfoHash, Told)> {
        let new = || Listener { ear: Some(Ear::default()), torrent: None };
        let listener = self.streams.entry(end).or_insert_with(new);
        let Some(ear) = &mut listener.ear else { return Vec::new() };
        let Ok(words) = ear.hear(bytes) else {
            listener.ear = None;
            return Vec::new();
        };
        let mut told = Vec::new();
        for word in words {
            match (word, listener.torrent) {
                (Word::Greeting(torrent, _), _) => listener.torrent = Some(torrent),
                (Word::Have(piece), Some(torrent)) => told.push((torrent, Told::Have(PieceIndex(piece)))),
                (Word::Port, Some(torrent)) => told.push((torrent, Told::Node)),
                (Word::Hello(numbers), Some(torrent)) if numbers.pex.is_some() => {
                    told.push((torrent, Told::Peers));
                }
                _ => {}
            }
        }
        told
    }
}

/// Bytes of an announce over UDP (BEP 15).
const ANNOUNCE: usize = 98;
/// Its number as an action, in announces and in answers to them.
const ACTION: u32 = 1;
/// The number of an error as an action.
const ERROR: u32 = 3;
/// Bytes of the request for a connection, and its number as an action.
const CONNECT: (usize, u32) = (16, 0);
/// What is sent so soon after a connection was given has waited for it.
const AT_ONCE: Duration = Duration::from_secs(5);
/// No process gives a request up that has waited for less (less than the first of the waits between repeats).
const PATIENCE: Duration = Duration::from_secs(10);

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4).map(|word| u32::from_be_bytes(word.try_into().expect("four bytes")))
}

/// A number for each tracker and family.
fn number_of(tracker: SocketAddr) -> u64 {
    match tracker.ip() {
        IpAddr::V4(ip) => u64::from(ip.to_bits()),
        IpAddr::V6(ip) => ip.to_bits() as u64 | 1 << 63,
    }
}

impl World {
    fn ears(&mut self, id: NodeId) -> Option<&mut Ears> {
        self.nodes[id.0 as usize].life.as_mut().map(|life| &mut life.docket.ears)
    }

    /// A process has said something on a stream.
    pub(super) fn overhear(&mut self, id: NodeId, end: EndId, bytes: &[u8]) {
        if self.trackers.contains(&end) {
            return;
        }
        let told = self.ears(id).map(|ears| ears.hear(end, bytes)).unwrap_or_default();
        for (torrent, told) in told {
            match told {
                Told::Have(piece) => self.judge_have(id, torrent, piece),
                Told::Node => self.judge_private(id, torrent, "its peers are told of a node of the DHT"),
                Told::Peers => {
                    self.judge_private(id, torrent, "its peers are asked for others, and told of them")
                }
            }
        }
    }

    /// A process sends a datagram. (Of trackers only those over UDP are judged: their answers come in one piece, and
    /// whether one came is no matter of opinion.)
    pub(super) fn overhear_announce(&mut self, id: NodeId, to: SocketAddr, data: &[u8]) {
        let now = self.now;
        if let (CONNECT, Some(transaction)) = ((data.len(), word(data, 8).unwrap_or(ACTION)), word(data, 12))
        {
            let Some(ears) = self.ears(id) else { return };
            let connect = Connect { transaction, since: now, given: None };
            let known = ears.connects.entry(to).or_insert(connect);
            if known.transaction != transaction {
                // Another one in place of one that was never given goes on with the wait.
                *known = Connect { since: if known.given.is_some() { now } else { known.since }, ..connect };
            }
            return;
        }
        let hash = data.get(16..36).filter(|_| data.len() >= ANNOUNCE && word(data, 8) == Some(ACTION));
        let (Some(hash), Some(transaction)) = (hash, word(data, 12)) else { return };
        let hash = InfoHash(hash.try_into().expect("twenty bytes"));
        let Some(ears) = self.ears(id) else { return };
        let waited = ears.connects.get(&to).filter(|known| known.given.is_none_or(|at| at + AT_ONCE > now));
        let since = waited.map_or(now, |known| known.since);
        if ears.said.insert((to, transaction), hash).is_none() {
            ears.announces.insert((to, transaction), (hash, since));
            let port = u16::from_be_bytes([data[96], data[97]]);
            let last = ears.ports.insert((to, hash), (port, now));
            let asked = ears.by_hand.get(&hash);
            let wanted = last.is_some_and(|(before, at)| {
                port != before || ears.moved >= at || asked.is_some_and(|&asked| asked >= at)
            });
            let said = match word(data, 80) {
                Some(0) if wanted => Said::ByHand,
                Some(0) => Said::Nothing,
                _ => Said::Event,
            };
            self.judge_announce(id, hash, number_of(to), said);
        }
    }

    /// A process has told its user that a tracker did not answer. What it asked before is no longer waited for.
    pub(super) fn overhear_failure(&mut self, id: NodeId, torrent: InfoHash, url: &str) {
        let name = url.strip_prefix("udp://").and_then(|rest| rest.split([':', '/']).next());
        let ips = name.map(|name| self.names.known(name).to_vec()).unwrap_or_default();
        let Some(ears) = self.ears(id) else { return };
        let given_up = |(at, of): (SocketAddr, InfoHash)| of == torrent && ips.contains(&at.ip());
        let failed: Vec<SocketAddr> = ears
            .announces
            .iter()
            .map(|((at, _), (of, _))| (*at, *of))
            .filter(|&one| given_up(one))
            .map(|(at, _)| at)
            .collect();
        ears.announces.retain(|(at, _), (of, _)| !given_up((*at, *of)));
        for at in failed {
            self.judge_answer(id, torrent, number_of(at), Response::Failure);
        }
    }

    /// A datagram reaches a process.
    pub(super) fn overhear_answer(&mut self, id: NodeId, from: SocketAddr, data: &[u8]) {
        let now = self.now;
        let Some(ears) = self.ears(id) else { return };
        let (Some(action), Some(transaction)) = (word(data, 0), word(data, 4)) else { return };
        if let Some(known) = ears.connects.get_mut(&from).filter(|known| known.transaction == transaction) {
            known.given.get_or_insert(now);
        }
        if ![ACTION, ERROR].contains(&action) {
            return;
        }
        let peer = if from.is_ipv4() { 6 } else { 18 };
        // One that was cut off may be taken for an answer or not: nothing is held against anybody.
        let whole = action == ERROR || data.len() >= 20 && (data.len() - 20).is_multiple_of(peer);
        let Some(&hash) = ears.said.get(&(from, transaction)) else { return };
        let since = ears.announces.remove(&(from, transaction)).map(|(_, since)| since);
        // Stopped and started in one breath, a torrent has several announces under way; whichever is answered first tells
        // how long to wait.
        ears.announces.retain(|(at, _), (of, _)| (*at, *of) != (from, hash));
        // One that comes late may come too late: then nobody but the engine knows which answer it goes by.
        let sure = whole && since.is_some_and(|since| now.since(since) < PATIENCE);
        let response = match (action, word(data, 8)) {
            _ if !sure => Response::Doubtful,
            (ACTION, Some(seconds)) => Response::Interval(Duration::from_secs(u64::from(seconds))),
            _ => Response::Failure,
        };
        self.judge_answer(id, hash, number_of(from), response);
    }
}
