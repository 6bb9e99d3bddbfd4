//! A DHT node among hosts that send whatever they like, answer its questions as they like, and let time pass.
//!
//! The first step of a script chooses the node: bits of one byte (1 small bounds, 2 IPv4 only, 4 IPv6 only, 8 read-only,
//! 16 private addresses count like others). What follows begins with a letter each:
//!
//! * `d`, a host, bytes: a datagram from that host. `TTTTTTTT` in it becomes the write token that the host was given
//!   last.
//! * `r`, a number, bytes: an answer to the question of the node with that number, of those unanswered; its `r` holds the
//!   id that the host should have, and the bytes.
//! * `e`, a number, bytes: an error in answer to it.
//! * `t`, a [time](Bytes::time): time passes, with all that the node wants to be woken for in it.
//! * `q`, a kind, a number, a host: the owner asks for something.

mod owner;
mod small;
mod watch;

use crate::Target;
use crate::script::{Bytes, steps};
use std::net::SocketAddr;
use tide_base::{Duration, Instant, Prng};
use tide_dht::krpc::read;
use tide_dht::{Config, Families, Limits, Locals, Node, Output, Reach, secure};
use watch::Watch;

pub(crate) const TARGET: Target = Target {
    name: "dht_node",
    run,
    input_max: 1 << 13,
    // Tables, the counting of floods, lookups and what two thousand datagrams can leave there.
    memory: 2 << 20,
    memory_per_byte: 512,
};

/// Steps that are taken.
const STEPS: usize = 256;
/// Questions that can still be answered.
const ASKED: usize = 64;

fn run(data: &[u8]) {
    let mut steps = steps(data);
    let mut scene = Scene::new(steps.next().unwrap_or_default());
    for step in steps.take(STEPS) {
        scene.step(step);
    }
    scene.rest();
}

/// The node and what is around it.
struct Scene {
    node: Node,
    now: Instant,
    watch: Watch,
    asked: Vec<Question>,
    /// The write token that each host was given last.
    tokens: [[u8; 8]; HOSTS],
}

/// A question of the node.
struct Question {
    to: SocketAddr,
    transaction: Vec<u8>,
}

const HOSTS: usize = 16;

/// Sixteen hosts: letters from `a` name them. Some share a /24, an address or a /64, some are IPv6, one is a neighbour.
fn host(letter: u8) -> SocketAddr {
    let number = letter.wrapping_sub(b'a') % HOSTS as u8;
    match number {
        0..8 => SocketAddr::from(([8, number, 8, 1], 6881)),
        8 => SocketAddr::from(([8, 0, 8, 2], 6881)),
        9 => SocketAddr::from(([8, 0, 8, 1], 6882)),
        10..14 => SocketAddr::from(([0x2001, 0xdb9, 0, u16::from(number), 0, 0, 0, 1], 6881)),
        14 => SocketAddr::from(([0x2001, 0xdb9, 0, 10, 0, 0, 0, 2], 6881)),
        _ => SocketAddr::from(([192, 168, 1, 2], 6881)),
    }
}

impl Scene {
    fn new(header: &[u8]) -> Scene {
        let bits = Bytes(header).byte();
        let has = |bit| bits & bit != 0;
        let config = Config {
            limits: if has(1) { small::limits() } else { Limits::default() },
            families: match (has(2), has(4)) {
                (true, false) => Families::V4,
                (false, true) => Families::V6,
                _ => Families::Both,
            },
            reach: if has(8) { Reach::ReadOnly } else { Reach::Open },
            locals: if has(16) { Locals::Same } else { Locals::Exempt },
            // Nobody can make signatures by chance; here a first byte of `s` is one.
            verify: |_, _, signature| signature[0] == b's',
            routers: vec![host(b'h'), host(b'm')],
            ..Config::default()
        };
        let now = Instant::from_secs(1000);
        let watch = Watch::new(now, &config);
        let node = Node::new(config, Prng::new(1), now);
        let mut scene = Scene { node, now, watch, asked: Vec::new(), tokens: [[0; 8]; HOSTS] };
        scene.turn();
        scene
    }

    fn step(&mut self, step: &[u8]) {
        let mut bytes = Bytes(step);
        match bytes.byte() {
            b'd' => {
                let letter = bytes.byte();
                let datagram = self.with_token(letter, bytes.0);
                self.receive(host(letter), &datagram);
            }
            b'r' => {
                let Some(question) = self.question(bytes.byte()) else { return };
                let id = secure::id_for(question.to.ip(), &mut Prng::new(7));
                let transaction = &question.transaction[..];
                let reply =
                    [b"d1:rd2:id20:", &id.0[..], bytes.0, b"e1:t4:", transaction, b"1:y1:re"].concat();
                self.receive(question.to, &reply);
            }
            b'e' => {
                let Some(question) = self.question(bytes.byte()) else { return };
                let reply = [b"d1:e", bytes.0, b"1:t4:", &question.transaction[..], b"1:y1:ee"].concat();
                self.receive(question.to, &reply);
            }
            b't' => self.pass(bytes.time()),
            b'q' => {
                owner::ask(&mut self.node, &mut self.watch, self.now, bytes);
                self.turn();
            }
            _ => {}
        }
    }

    /// Takes one of the questions that were not answered yet.
    fn question(&mut self, number: u8) -> Option<Question> {
        let at = usize::from(number.wrapping_sub(b'0')) % self.asked.len().max(1);
        (at < self.asked.len()).then(|| self.asked.remove(at))
    }

    fn with_token(&self, letter: u8, bytes: &[u8]) -> Vec<u8> {
        const PLACE: &[u8] = b"TTTTTTTT";
        let mut bytes = bytes.to_vec();
        if let Some(at) = bytes.windows(PLACE.len()).position(|window| window == PLACE) {
            let number = usize::from(letter.wrapping_sub(b'a')) % HOSTS;
            bytes[at..at + PLACE.len()].copy_from_slice(&self.tokens[number]);
        }
        bytes
    }

    fn receive(&mut self, from: SocketAddr, datagram: &[u8]) {
        self.watch.receives(from, datagram);
        self.node.datagram(self.now, from, datagram);
        self.turn();
    }

    /// Time passes; the node is called whenever it wants to be.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        // A node that has something to do every few milliseconds is a busy one, and allowed; a test has an end.
        for _ in 0..64 {
            let (at, _) = self.node.wake_at();
            if at > end {
                break;
            }
            self.now = at;
            self.turn();
        }
        self.now = end;
        self.turn();
    }

    /// What a turn ends with.
    fn turn(&mut self) {
        self.node.settle(self.now);
        while let Some(output) = self.node.poll() {
            match output {
                Output::Send { to, datagram } => self.sends(to, &datagram),
                Output::Event(event) => self.watch.tells(&event),
            }
        }
        self.watch.turn_ends(self.now, &self.node);
    }

    fn sends(&mut self, to: SocketAddr, datagram: &[u8]) {
        let message = read(datagram).expect("what a node sends is a message");
        assert_eq!(message.write(b"TD\0\x01"), datagram, "and in its canonical form");
        let asks = self.watch.sends(to, datagram, &message);
        if asks && self.asked.len() < ASKED {
            self.asked.push(Question { to, transaction: message.transaction.to_vec() });
        }
        if let tide_dht::krpc::Body::Reply(reply) = &message.body
            && let Some(token) = reply.token.and_then(|token| token.try_into().ok())
            && let Some(number) = (0..HOSTS).find(|&number| host(b'a' + number as u8) == to)
        {
            self.tokens[number] = token;
        }
    }

    /// Nobody says anything any more: what the node was asked comes to its end, and the state can be read again.
    fn rest(mut self) {
        let saved = self.node.save();
        assert_eq!(tide_dht::Saved::decode(&saved.encode()).as_ref(), Ok(&saved));
        // Nine lookups in two families, of eight questions each to the dead, six of them at a time for ten seconds.
        for _ in 0..24 {
            self.pass(Duration::from_secs(15));
        }
        self.watch.ends();
    }
}
