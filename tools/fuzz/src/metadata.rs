//! Metadata from peers that say, send and reject whatever they like, while one among them is honest; and ours, served to
//! whoever asks.
//!
//! The first byte says how large the true metadata are, in units of 4 KiB. Steps begin with a letter each:
//!
//! * `c`, a peer, four bytes: it says how large they are; `h` only says the truth.
//! * `m`, a peer, bytes: a message of that peer, any but `h`.
//! * `a`, a number, how: an answer to the ask with that number, of those unanswered. How: `=` the truth, `!` something
//!   else, `-` too short, `+` too long, `~` another size, `r` a reject. `h` tells the truth, or rejects.
//! * `j`: what is to be judged is judged.
//! * `g`, a peer: it is gone.
//! * `t`, a [time](Bytes::time): time passes.
//! * `s`, a piece: somebody asks for ours. `n`: it is answered.

use crate::Target;
use crate::script::{Bytes, steps};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use tide_base::Instant;
use tide_peer::Limits;
use tide_peer::metadata::{Fetch, Message, MetadataLimits, Order, Serve, Taken, Ticket, Verdict, piece_len};

pub(crate) const TARGET: Target = Target {
    name: "metadata",
    run,
    input_max: 1 << 13,
    // What the bounds below allow to be held, what waits to be judged, the truth, and tables for claims of 32 MiB.
    memory: 3 << 20,
    memory_per_byte: 8,
};

const STEPS: usize = 256;
/// The peer that never lies.
const HONEST: u8 = b'h' % 16;
/// Rounds in which the honest peer alone must bring the fetch to its end: seven liars, each with turns that double.
const ROUNDS: usize = 4000;

fn run(data: &[u8]) {
    let (size, script) = data.split_first().map_or((0, data), |(size, script)| (*size, script));
    let mut scene = Scene::new(u32::from(size % 16) * 4096 + 5);
    for step in steps(script).take(STEPS) {
        scene.step(step);
    }
    scene.ends();
}

struct Scene {
    now: Instant,
    limits: Limits,
    truth: Vec<u8>,
    fetch: Fetch<u8>,
    /// What each peer said last, and is not gone.
    sizes: BTreeMap<u8, u32>,
    asks: Vec<(u8, u32)>,
    judge: Vec<(Ticket, Vec<u8>)>,
    done: bool,
    serve: Serve,
    served: u64,
}

impl Scene {
    fn new(size: u32) -> Scene {
        let metadata =
            MetadataLimits { peers: 8, memory: 12 << 14, attempts: 3, ..MetadataLimits::default() };
        let limits = Limits { metadata_len: 6 << 14, metadata, ..Limits::default() };
        Scene {
            now: Instant::from_secs(1000),
            truth: (0..size).map(|at| (at * 7 + at / 256) as u8).collect(),
            fetch: Fetch::new(&limits),
            limits,
            sizes: BTreeMap::new(),
            asks: Vec::new(),
            judge: Vec::new(),
            done: false,
            serve: Serve::new(),
            served: 0,
        }
    }

    fn step(&mut self, step: &[u8]) {
        let mut bytes = Bytes(step);
        match bytes.byte() {
            b'c' => {
                let peer = bytes.byte() % 16;
                let size = if peer == HONEST { self.truth.len() as u32 } else { bytes.four() };
                self.claims(peer, size);
            }
            b'm' => self.message(bytes.byte() % 16, bytes.0),
            b'a' => self.answer(bytes.byte(), bytes.byte()),
            b'j' => self.judge(),
            b'g' => {
                let peer = bytes.byte() % 16;
                self.fetch.gone(peer);
                self.forget(peer);
            }
            b't' => self.now += bytes.time(),
            b's' => self.asked(u32::from(bytes.byte())),
            b'n' => self.serve(),
            _ => {}
        }
        self.orders();
    }

    fn claims(&mut self, peer: u8, size: u32) {
        self.fetch.claims(peer, size);
        // Beyond so many peers, others are not looked at.
        let has_room = self.sizes.len() < self.limits.metadata.peers as usize;
        if size > 0 && size <= self.limits.metadata_len && (has_room || self.sizes.contains_key(&peer)) {
            self.sizes.insert(peer, size);
        }
    }

    fn forget(&mut self, peer: u8) {
        self.sizes.remove(&peer);
        self.asks.retain(|(of, _)| *of != peer);
    }

    /// As a session does it: what was not asked for never comes so far, but an ask may be long ago.
    fn message(&mut self, peer: u8, bytes: &[u8]) {
        let message = Message::from_bytes(Cow::Borrowed(bytes));
        let Ok(message) = message else { return };
        match &message {
            Message::Unknown => {}
            Message::Data { bytes: piece, .. } => assert!(bytes.ends_with(piece)),
            _ => assert_eq!(Message::from_bytes(Cow::Owned(message.to_bytes())).as_ref(), Ok(&message)),
        }
        if peer == HONEST {
            return;
        }
        match message {
            Message::Data { piece, total, bytes } => self.fetch.data(self.now, peer, piece, total, &bytes),
            Message::Reject(piece) => self.fetch.rejected(self.now, peer, piece),
            Message::Request(piece) => self.asked(piece),
            Message::Unknown => {}
        }
    }

    fn answer(&mut self, number: u8, how: u8) {
        let at = usize::from(number.wrapping_sub(b'0')) % self.asks.len().max(1);
        if at >= self.asks.len() {
            return;
        }
        let (peer, piece) = self.asks.remove(at);
        let how = if peer == HONEST && how != b'r' { b'=' } else { how };
        let size = self.sizes.get(&peer).copied().unwrap_or_default();
        let start = (piece as usize * (1 << 14)).min(self.truth.len());
        let end = (start + piece_len(size, piece) as usize).min(self.truth.len());
        let mut bytes = self.truth[start..end].to_vec();
        bytes.resize(piece_len(size, piece) as usize, 0);
        let mut total = Some(size);
        match how {
            b'=' => {}
            b'-' => drop(bytes.pop()),
            b'+' => bytes.push(0),
            b'~' => total = Some(size / 2 + 1),
            b'r' => return self.fetch.rejected(self.now, peer, piece),
            _ => bytes.iter_mut().for_each(|byte| *byte ^= how | 1),
        }
        self.fetch.data(self.now, peer, piece, total, &bytes);
    }

    fn judge(&mut self) {
        let Some((ticket, metadata)) = self.judge.pop() else { return };
        let is_right = metadata == self.truth;
        self.fetch.judged(ticket, if is_right { Verdict::Right } else { Verdict::Wrong });
        if is_right {
            self.done = true;
            self.asks.clear();
        }
    }

    /// Takes all orders, and looks whether they may be given.
    fn orders(&mut self) {
        let mut orders = 0;
        while let Some(order) = self.next_order() {
            orders += 1;
            assert!(orders <= 200, "orders without end");
            match order {
                Order::Ask { peer, piece } => {
                    assert!(!self.done, "asked although all is known");
                    let size = self.sizes.get(&peer).expect("only who has said a size is asked");
                    assert!(piece_len(*size, piece) > 0, "{peer} has {size} bytes and no piece {piece}");
                    self.asks.retain(|ask| *ask != (peer, piece));
                    self.asks.push((peer, piece));
                }
                Order::Judge { ticket, metadata } => {
                    assert!(metadata.len() <= self.limits.metadata_len as usize && !metadata.is_empty());
                    self.judge.push((ticket, metadata));
                    let waiting: BTreeSet<Ticket> = self.judge.iter().map(|(ticket, _)| *ticket).collect();
                    assert_eq!(waiting.len(), self.judge.len(), "two tickets are one");
                }
                Order::Blame(peer) => {
                    assert_ne!(peer, HONEST, "an honest peer is blamed");
                    self.forget(peer);
                }
            }
        }
        let claimed = u64::from(self.limits.metadata.attempts) * u64::from(self.limits.metadata_len);
        assert!(self.fetch.room() <= claimed, "room for {} bytes was asked for", self.fetch.room());
        let most = self.limits.metadata.memory.max(self.limits.metadata_len);
        assert!(self.fetch.memory() <= u64::from(most), "{} bytes are held", self.fetch.memory());
        assert!(self.fetch.progress().peers <= self.limits.metadata.peers);
        assert!(self.fetch.due(self.now) > self.now);
    }

    /// The next order; there is room for whatever is claimed, once it is asked for.
    fn next_order(&mut self) -> Option<Order<u8>> {
        self.fetch.give_back();
        let order = self.fetch.next(self.now);
        let lacking = self.fetch.lacking();
        self.fetch.grant(lacking);
        if order.is_none() && lacking > 0 { self.fetch.next(self.now) } else { order }
    }

    fn asked(&mut self, piece: u32) {
        let size = self.truth.len() as u32;
        let taken = self.serve.request(self.now, piece, Some(size), &self.limits);
        assert!(taken == Taken::Refused || piece_len(size, piece) > 0, "there is no piece {piece}");
    }

    /// Somebody is sent what it asked for, and gets no more than twice the whole at once and a piece a second.
    fn serve(&mut self) {
        let Some(answer) = self.serve.next(&self.truth, 0, &self.limits) else { return };
        let Message::Data { piece, total, bytes } = answer else { panic!("no piece: {answer:?}") };
        assert_eq!(
            (total, bytes.len() as u32),
            (Some(self.truth.len() as u32), piece_len(self.truth.len() as u32, piece))
        );
        self.served += 1;
        let burst = self.truth.len().div_ceil(1 << 14) as u64 * u64::from(self.limits.metadata.serve_factor);
        let seconds = self.now.since(Instant::from_secs(1000)).as_secs();
        assert!(self.served <= burst + seconds + 1, "{} pieces were served", self.served);
    }

    /// The others fall silent. The honest peer, with whom there is a place, brings it to its end.
    fn ends(mut self) {
        let is_full = self.sizes.len() >= self.limits.metadata.peers as usize;
        if self.done || is_full && !self.sizes.contains_key(&HONEST) {
            return;
        }
        self.claims(HONEST, self.truth.len() as u32);
        for _ in 0..ROUNDS {
            self.orders();
            if !self.judge.is_empty() {
                self.judge();
            } else if let Some(at) = self.asks.iter().position(|(peer, _)| *peer == HONEST) {
                self.answer(b'0' + at as u8, b'=');
            } else {
                let due = self.fetch.due(self.now);
                assert!(due < Instant::NEVER, "it waits for nothing: {:?}", self.fetch);
                self.now = due;
            }
            if self.done {
                return;
            }
        }
        panic!("an honest peer is held up for ever: {:?}", self.fetch.progress());
    }
}
