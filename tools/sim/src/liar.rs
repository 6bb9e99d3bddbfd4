//! A node of the DHT that does harm, in one way each. It introduces itself to its victims, so that it gets into their
//! tables, and answers whoever asks.
//!
//! A network of thousands of nodes with such ones is in `net/dht/tests/network`; here their harm is the swarms'.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};

use tide_base::{Duration, InfoHash, Instant, Prng};
use tide_dht::krpc::{Ask, Body, Message, Port, Query, Reply, Want, read};
use tide_dht::{Contact, NodeId};

use crate::actor::{Actor, Hands, Heard};

/// The harm that one does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lie {
    /// It knows peers and nodes for everything, all made up.
    Poison,
    /// What it answers is cut off, changed, or somebody else's.
    Garbage,
    /// It asks as much as its line takes, and announces without leave.
    Flood,
    /// It is somebody else in each answer, close to whatever is looked for, and leads back to itself.
    Sybil,
}

impl Lie {
    /// All there are.
    pub const ALL: [Lie; 4] = [Lie::Poison, Lie::Garbage, Lie::Flood, Lie::Sybil];
}

impl fmt::Display for Lie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Lie::Poison => "poisons",
            Lie::Garbage => "answers garbage",
            Lie::Flood => "floods",
            Lie::Sybil => "is everybody",
        })
    }
}

/// Between two introductions.
const WAKE: Duration = Duration::from_secs(20);
/// Questions at once of one who floods: more than a node takes of one host in its ten seconds.
const BURST: u64 = 150;
/// Lies in one answer.
const NODES: u32 = 8;
const VERSION: &[u8; 4] = b"LI\x00\x00";

/// A node that does harm.
#[derive(Debug)]
pub struct Liar {
    lie: Lie,
    at: SocketAddr,
    victims: Vec<SocketAddr>,
    id: NodeId,
    wake_at: Instant,
    prng: Prng,
}

impl Liar {
    /// One at `at`, with an eye on these.
    pub fn new(lie: Lie, at: SocketAddr, victims: Vec<SocketAddr>, mut prng: Prng) -> Liar {
        Liar { lie, at, victims, id: NodeId::random(&mut prng), wake_at: Instant::ZERO, prng }
    }

    /// An address at which nobody is.
    fn nobody(&mut self) -> SocketAddr {
        let ip = Ipv4Addr::from_bits(99 << 24 | self.prng.next_u32() >> 8);
        SocketAddr::from((ip, 1 + self.prng.below(60_000) as u16))
    }

    fn question(&mut self) -> Vec<u8> {
        let info_hash = InfoHash(NodeId::random(&mut self.prng).0);
        let ask = match self.prng.below(4) {
            0 => Ask::Ping,
            1 => Ask::GetPeers { info_hash, no_seeds: false, scrape: true },
            2 if self.lie == Lie::Flood => {
                Ask::Announce { info_hash, port: Port::Named(1), is_seed: true, token: b"none" }
            }
            _ => Ask::FindNode { target: NodeId::from(info_hash) },
        };
        let query = Query { id: self.id, read_only: false, want: Want::Both, ask };
        Message { transaction: b"li", seen: None, body: Body::Query(query) }.write(VERSION)
    }

    fn answer(&mut self, from: SocketAddr, transaction: &[u8], target: Option<NodeId>) -> Vec<u8> {
        let target = target.unwrap_or_else(|| NodeId::random(&mut self.prng));
        let close = |prng: &mut Prng| target.random_beside(20 + prng.index(100), prng);
        let id = if self.lie == Lie::Sybil { close(&mut self.prng) } else { self.id };
        let mut reply = Reply { token: Some(b"token"), ..Reply::new(id) };
        match self.lie {
            Lie::Poison => {
                reply.values = (0..NODES * 4).map(|_| self.nobody()).collect();
                let node = |liar: &mut Liar| Contact { id: close(&mut liar.prng), addr: liar.nobody() };
                reply.nodes = Some((0..NODES).map(|_| node(self)).collect());
            }
            Lie::Sybil => {
                let at = |port: u16| SocketAddr::new(self.at.ip(), port);
                let node = |n: u32, prng: &mut Prng| Contact { id: close(prng), addr: at(7000 + n as u16) };
                let nodes = (0..NODES).map(|n| node(n, &mut self.prng)).collect();
                if self.at.is_ipv4() {
                    reply.nodes = Some(nodes);
                }
            }
            Lie::Garbage | Lie::Flood => {}
        }
        let body = Body::Reply(Box::new(reply));
        Message { transaction, seen: Some(from), body }.write(VERSION)
    }

    /// Makes an answer what it must not be.
    fn spoil(&mut self, mut answer: Vec<u8>) -> Vec<u8> {
        match self.prng.below(4) {
            0 => answer.truncate(self.prng.index(answer.len())),
            1 => {
                let at = self.prng.index(answer.len());
                answer[at] ^= 1 << self.prng.below(8);
            }
            2 => answer.extend_from_slice(b"e"),
            _ => answer = [b"d1:rd".as_slice(), &b"l".repeat(self.prng.index(900)), b"ee"].concat(),
        }
        answer
    }
}

impl Actor for Liar {
    fn hear(&mut self, _now: Instant, what: Heard<'_>, hands: &mut Hands<'_>) {
        let Heard::Datagram { from, at, data } = what else { return };
        let Ok(message) = read(data) else { return };
        let Body::Query(query) = &message.body else { return };
        let target = match &query.ask {
            Ask::FindNode { target } | Ask::Get { target, .. } | Ask::Sample { target } => Some(*target),
            Ask::GetPeers { info_hash, .. } => Some(NodeId::from(*info_hash)),
            _ => None,
        };
        let mut answer = self.answer(from, message.transaction, target);
        if self.lie == Lie::Garbage {
            answer = self.spoil(answer);
        }
        hands.datagram(at, from, answer);
    }

    fn wake_at(&self) -> Instant {
        self.wake_at
    }

    fn wake(&mut self, now: Instant, hands: &mut Hands<'_>) {
        self.wake_at = now + WAKE;
        for victim in self.victims.clone() {
            let times = if self.lie == Lie::Flood { BURST } else { 1 };
            for _ in 0..times {
                hands.datagram(self.at, victim, self.question());
            }
        }
    }

    fn calm(&mut self, _core: bool) {
        // Whoever is to be reached now is not kept from it by new harm; what it answers stays as it is.
        self.wake_at = Instant::NEVER;
    }
}
