//! A node of the DHT that does harm, in one way each. It introduces itself to its victims, so that it gets into their
//! tables, and answers whoever asks.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};

use tide_base::{Duration, InfoHash, Instant, Prng};
use tide_dht::krpc::{Ask, Body, Complaint, Message, Port, Query, Reply, Want, code, read};
use tide_dht::{Contact, NodeId, secure};

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
    /// It is somebody else in each answer, anywhere, and says the same of others.
    WrongId,
    /// It sits beside one place, in a /24 of such ones who know nobody else, and keeps nothing that it is given.
    Beside,
    /// It leads everybody to hosts that have nothing to do with the DHT, and asks in their name.
    Reflect,
    /// It has a proper id, gives leave to store and then refuses, and stores without leave.
    Tokens,
}

impl Lie {
    /// All there are.
    pub const ALL: [Lie; 8] = [
        Lie::Poison,
        Lie::Garbage,
        Lie::Flood,
        Lie::Sybil,
        Lie::WrongId,
        Lie::Beside,
        Lie::Reflect,
        Lie::Tokens,
    ];

    /// The first few. What is drawn among them stays what it is when there is one more.
    pub fn first() -> &'static [Lie] {
        &Lie::ALL[..4]
    }
}

impl fmt::Display for Lie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Lie::Poison => "poisons",
            Lie::Garbage => "answers garbage",
            Lie::Flood => "floods",
            Lie::Sybil => "is everybody",
            Lie::WrongId => "has wrong ids",
            Lie::Beside => "crowds a place",
            Lie::Reflect => "names bystanders",
            Lie::Tokens => "takes nothing",
        })
    }
}

/// Between two introductions.
const WAKE: Duration = Duration::from_secs(20);
/// Questions at once of one who floods: more than a node takes of one host in its ten seconds.
const BURST: u64 = 150;
/// Questions at once in the name of bystanders, one each.
const FORGED: usize = 5;
/// Bits that who crowds a place shares with it: nobody honest comes as close.
const CLOSE: usize = 100;
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
    /// Hosts that have nothing to do with it.
    bystanders: Vec<SocketAddr>,
    /// Bytes that it spent on them.
    spent: u64,
    wake_at: Instant,
    prng: Prng,
}

impl Liar {
    /// One at `at`, with an eye on these.
    pub fn new(lie: Lie, at: SocketAddr, victims: Vec<SocketAddr>, mut prng: Prng) -> Liar {
        let id = match lie {
            Lie::Tokens => secure::id_for(at.ip(), &mut prng),
            _ => NodeId::random(&mut prng),
        };
        let (bystanders, wake_at) = (Vec::new(), Instant::ZERO);
        Liar { lie, at, victims, id, bystanders, spent: 0, wake_at, prng }
    }

    /// It sits beside this place.
    #[must_use]
    pub fn beside(mut self, place: NodeId) -> Liar {
        self.id = place.random_beside(CLOSE, &mut self.prng);
        self
    }

    /// These are whom it leads everybody to.
    #[must_use]
    pub fn against(mut self, bystanders: Vec<SocketAddr>) -> Liar {
        self.bystanders = bystanders;
        self
    }

    /// Bytes of datagrams that name bystanders, or come in their name.
    pub fn spent(&self) -> u64 {
        self.spent
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
            2 if matches!(self.lie, Lie::Flood | Lie::Tokens) => {
                Ask::Announce { info_hash, port: Port::Named(1), is_seed: true, token: b"none" }
            }
            _ => Ask::FindNode { target: NodeId::from(info_hash) },
        };
        let query = Query { id: self.id, read_only: false, want: Want::Both, ask };
        Message { transaction: b"li", seen: None, body: Body::Query(query) }.write(VERSION)
    }

    /// Whom it tells of, as close to what is looked for as can be, or somewhere.
    fn told(&mut self, close: &mut impl FnMut(&mut Prng) -> NodeId) -> Option<Vec<Contact>> {
        let mut some = |prng: &mut Prng, addr| Contact { id: close(prng), addr };
        Some(match self.lie {
            Lie::Poison => {
                let nobody = |_| {
                    let id = some(&mut self.prng, self.at).id;
                    Contact { id, addr: self.nobody() }
                };
                (0..NODES).map(nobody).collect()
            }
            Lie::Sybil if self.at.is_ipv4() => {
                let at = |n: u32| SocketAddr::new(self.at.ip(), 7000 + n as u16);
                (0..NODES).map(|n| some(&mut self.prng, at(n))).collect()
            }
            Lie::WrongId if !self.victims.is_empty() => {
                let victim = |_| {
                    let addr = self.victims[self.prng.index(self.victims.len())];
                    Contact { id: NodeId::random(&mut self.prng), addr }
                };
                (0..NODES).map(victim).collect()
            }
            Lie::Beside => {
                let SocketAddr::V4(at) = self.at else { return None };
                let net = at.ip().to_bits() & !0xff;
                let other = |_| {
                    let ip = Ipv4Addr::from_bits(net | (1 + self.prng.below(250) as u32));
                    let addr = SocketAddr::from((ip, at.port()));
                    Contact { id: self.id.random_beside(CLOSE, &mut self.prng), addr }
                };
                (0..NODES).map(other).collect()
            }
            Lie::Reflect => {
                self.bystanders.iter().take(NODES as usize).map(|&addr| some(&mut self.prng, addr)).collect()
            }
            _ => return None,
        })
    }

    fn answer(&mut self, from: SocketAddr, transaction: &[u8], target: Option<NodeId>) -> Vec<u8> {
        let target = target.unwrap_or_else(|| NodeId::random(&mut self.prng));
        let mut close = |prng: &mut Prng| target.random_beside(20 + prng.index(100), prng);
        let id = match self.lie {
            Lie::Sybil => close(&mut self.prng),
            Lie::WrongId => NodeId::random(&mut self.prng),
            _ => self.id,
        };
        let mut reply = Reply { token: Some(b"token"), ..Reply::new(id) };
        match self.lie {
            Lie::Poison => reply.values = (0..NODES * 4).map(|_| self.nobody()).collect(),
            Lie::Reflect => reply.values = self.bystanders.clone(),
            _ => {}
        }
        reply.nodes = self.told(&mut close);
        let body = Body::Reply(Box::new(reply));
        Message { transaction, seen: Some(from), body }.write(VERSION)
    }

    fn refusal(from: SocketAddr, transaction: &[u8]) -> Vec<u8> {
        let body = Body::Error(Complaint { code: code::PROTOCOL, text: b"the token is not good" });
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
        let stores = matches!(query.ask, Ask::Announce { .. } | Ask::Put { .. });
        let mut answer = match self.lie {
            Lie::Tokens if stores => Liar::refusal(from, message.transaction),
            _ => self.answer(from, message.transaction, target),
        };
        match self.lie {
            Lie::Garbage => answer = self.spoil(answer),
            Lie::Reflect => self.spent += answer.len() as u64,
            _ => {}
        }
        hands.datagram(at, from, answer);
    }

    fn wake_at(&self) -> Instant {
        self.wake_at
    }

    fn wake(&mut self, now: Instant, hands: &mut Hands<'_>) {
        // An alarm that was set before it was calmed still rings.
        if now < self.wake_at {
            return;
        }
        self.wake_at = now + WAKE;
        for victim in self.victims.clone() {
            let times = if self.lie == Lie::Flood { BURST } else { 1 };
            for _ in 0..times {
                hands.datagram(self.at, victim, self.question());
            }
            for i in 0..FORGED.min(self.bystanders.len()) {
                let question = self.question();
                self.spent += question.len() as u64;
                hands.datagram(self.bystanders[i], victim, question);
            }
        }
    }

    fn calm(&mut self, _core: bool) {
        // Whoever is to be reached now is not kept from it by new harm; what it answers stays as it is.
        self.wake_at = Instant::NEVER;
    }
}
