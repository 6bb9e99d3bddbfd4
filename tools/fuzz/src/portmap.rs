//! Gateways, and neighbours who play one: PCP, NAT-PMP, and UPnP with its searches, descriptions and answers.
//!
//! A script that begins with `=` is one message, read by everything that reads messages. Otherwise the first step is no
//! matter, and the others begin with a letter each:
//!
//! * `d`, a host, bytes: a datagram of that host.
//! * `r`, a number, pairs of bytes: a good answer to the request with that number, of the last eight, in which each
//!   pair sets the byte at a place.
//! * `c`, `x`, a number: a stream stands, ends. `b`, a number, bytes: they come over it. `B`, a number, bytes: they
//!   are the body of an answer that is in order.
//! * `w`, `W`, a number: a port is wanted, or not any more. `n`, a number: which networks are there. `s`: all is given up.
//! * `i`, a host: it is told that nobody listens there.
//! * `t`, a [time](Bytes::time): time passes.

mod messages;
mod replies;

use crate::Target;
use crate::script::{Bytes, steps};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use tide_base::addr::is_local;
use tide_base::{Duration, Instant, Prng};
use tide_portmap::limits::Limits;
use tide_portmap::{Mapper, Network, Output, Protocol, StreamId, Want, ssdp};

pub(crate) const TARGET: Target = Target {
    name: "portmap",
    run,
    input_max: 1 << 13,
    // Heads and bodies of a few streams, descriptions, tasks of six ports in two networks.
    memory: 384 << 10,
    memory_per_byte: 64,
};

const STEPS: usize = 256;
/// Requests that can still be answered.
const SENT: usize = 8;
/// Things that one input may make us do: for each of six ports in two networks a few.
const OUTPUTS: usize = 64;

fn run(data: &[u8]) {
    if let Some(message) = data.strip_prefix(b"=") {
        return messages::read(message);
    }
    let mut scene = Scene::new();
    for step in steps(data).skip(1).take(STEPS) {
        scene.step(step);
    }
    scene.ends();
}

struct Scene {
    now: Instant,
    began: Instant,
    limits: Limits,
    mapper: Mapper,
    networks: Vec<Network>,
    wants: BTreeSet<Want>,
    /// Requests, the newest last.
    sent: Vec<(SocketAddr, Vec<u8>)>,
    streams: BTreeMap<StreamId, Stream>,
    last_stream: u64,
    /// Inputs, and times that it woke.
    inputs: u64,
    wakes: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stream {
    Connecting,
    Open,
}

/// The gateway's ports for requests and searches, a neighbour, the gateway of the other family, and a stranger.
fn host(number: u8) -> SocketAddr {
    match number % 6 {
        0 => SocketAddr::from(([192, 168, 1, 1], 5351)),
        1 => SocketAddr::from(([192, 168, 1, 1], 1900)),
        2 => SocketAddr::from(([192, 168, 1, 66], 1900)),
        3 => SocketAddrV6::new([0xfe80, 0, 0, 0, 0, 0, 0, 1].into(), 5351, 0, 3).into(),
        4 => SocketAddrV6::new([0xfe80, 0, 0, 0, 0, 0, 0, 1].into(), 1900, 0, 3).into(),
        _ => SocketAddr::from(([8, 8, 8, 8], 5351)),
    }
}

fn networks() -> [Network; 2] {
    [
        Network { gateway: host(0).ip(), scope: 0, local: IpAddr::from([192, 168, 1, 2]) },
        Network { gateway: host(3).ip(), scope: 3, local: IpAddr::from([0x2001, 0xdb9, 0, 0, 0, 0, 0, 2]) },
    ]
}

impl Scene {
    fn new() -> Scene {
        let limits = Limits { wants: 6, candidates: 3, conflicts: 3, ..Limits::default() };
        let now = Instant::from_secs(1000);
        let mut scene = Scene {
            now,
            began: now,
            limits,
            mapper: Mapper::new(limits, Prng::new(1)),
            networks: networks().to_vec(),
            wants: BTreeSet::new(),
            sent: Vec::new(),
            streams: BTreeMap::new(),
            last_stream: 0,
            inputs: 0,
            wakes: 0,
        };
        scene.mapper.set_networks(now, &networks());
        scene.want(0);
        scene
    }

    fn step(&mut self, step: &[u8]) {
        let mut bytes = Bytes(step);
        self.inputs += 1;
        match bytes.byte() {
            b'd' => {
                let from = host(bytes.byte());
                self.mapper.receive(self.now, from, bytes.0);
            }
            b'r' => self.reply(bytes.byte(), bytes.0),
            b'c' => {
                self.stream(bytes.byte(), Stream::Connecting, |mapper, now, id| mapper.connected(now, id))
            }
            b'x' => self.closed(bytes.byte()),
            b'b' => {
                let number = bytes.byte();
                self.stream(number, Stream::Open, |mapper, now, id| mapper.read(now, id, bytes.0));
            }
            b'B' => {
                let number = bytes.byte();
                let answer = replies::http(bytes.0);
                self.stream(number, Stream::Open, |mapper, now, id| mapper.read(now, id, &answer));
            }
            b'w' => self.want(bytes.byte()),
            b'W' => {
                let want = want(bytes.byte());
                self.mapper.unwant(self.now, want);
                self.wants.remove(&want);
            }
            b'n' => {
                self.networks = networks()[..usize::from(bytes.byte() % 3)].to_vec();
                self.mapper.set_networks(self.now, &self.networks);
            }
            b's' => {
                self.mapper.stop(self.now);
                self.wants.clear();
            }
            b'i' => self.mapper.unreachable(self.now, host(bytes.byte())),
            b't' => self.pass(bytes.time()),
            _ => {}
        }
        self.drain();
    }

    fn want(&mut self, number: u8) {
        let want = want(number);
        if self.mapper.want(self.now, want).is_ok() {
            self.wants.insert(want);
        }
        assert!(self.wants.len() <= self.limits.wants);
        self.drain();
    }

    fn reply(&mut self, number: u8, changes: &[u8]) {
        let at = usize::from(number.wrapping_sub(b'0')) % self.sent.len().max(1);
        let Some((to, request)) = self.sent.get(at) else { return };
        let seconds = self.now.since(self.began).as_secs() as u32;
        let mut reply = replies::datagram(request, seconds);
        for pair in changes.chunks_exact(2) {
            if let Some(byte) = reply.get_mut(usize::from(pair[0] % 64)) {
                *byte = pair[1];
            }
        }
        self.mapper.receive(self.now, *to, &reply);
    }

    /// Does something with one of the streams that are so far.
    fn stream(&mut self, number: u8, stage: Stream, with: impl FnOnce(&mut Mapper, Instant, StreamId)) {
        let so_far: Vec<StreamId> =
            self.streams.iter().filter(|(_, is)| **is == stage).map(|(id, _)| *id).collect();
        let Some(id) = so_far.get(usize::from(number.wrapping_sub(b'0')) % so_far.len().max(1)) else {
            return;
        };
        if stage == Stream::Connecting {
            self.streams.insert(*id, Stream::Open);
        }
        with(&mut self.mapper, self.now, *id);
    }

    fn closed(&mut self, number: u8) {
        let all: Vec<StreamId> = self.streams.keys().copied().collect();
        let Some(id) = all.get(usize::from(number.wrapping_sub(b'0')) % all.len().max(1)) else { return };
        self.streams.remove(id);
        self.mapper.closed(self.now, *id);
    }

    /// Time passes; the mapper wakes when it wants to.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        let mut at_once = 0;
        while self.mapper.wake_at().0 <= end {
            let at = self.now.max(self.mapper.wake_at().0);
            // What came to an end may let something begin that is due.
            at_once = if at == self.now { at_once + 1 } else { 0 };
            assert!(at_once <= 4, "woken at once, again and again: {:?}", self.mapper.wake_at().1);
            self.now = at;
            self.mapper.wake(self.now);
            self.drain();
            self.wakes += 1;
            // Retransmissions double, renewals are minutes apart, what failed rests: twelve mappings take a few each.
            let seconds = self.now.since(self.began).as_secs();
            assert!(
                self.wakes <= 200 + 100 * self.inputs + seconds * 4,
                "{} wakes in {seconds} s",
                self.wakes
            );
        }
        self.now = end;
    }

    /// What it wants done, looked at.
    fn drain(&mut self) {
        let mut count = 0;
        while let Some(output) = self.mapper.poll_output() {
            count += 1;
            assert!(count <= OUTPUTS, "outputs without end");
            match output {
                Output::Datagram { from, to, bytes } => {
                    assert!(self.is_ours(from) && bytes.len() <= 1100);
                    let is_server = networks().iter().any(|network| network.server() == to);
                    let is_search = ssdp::parse_search(&bytes).is_some() && to.port() == 1900;
                    assert!(is_server || is_search, "a datagram to {to}");
                    if is_server {
                        self.sent.push((to, bytes));
                        if self.sent.len() > SENT {
                            self.sent.remove(0);
                        }
                    }
                }
                Output::Connect { stream, from, to } => {
                    assert!(stream.0 > self.last_stream, "a name is used twice");
                    self.last_stream = stream.0;
                    assert!(self.is_ours(from) && is_local(to.ip()), "a stream to {to}");
                    let senders = (0..6).map(|number| host(number).ip());
                    assert!(senders.into_iter().any(|ip| ip == to.ip()), "{to} has said nothing");
                    self.streams.insert(stream, Stream::Connecting);
                }
                Output::Write { stream, bytes } => {
                    assert!(
                        self.streams.get(&stream).is_some_and(|is| *is == Stream::Open),
                        "it does not stand"
                    );
                    replies::check_request(&bytes);
                }
                Output::Close { stream } => {
                    self.streams.remove(&stream);
                }
            }
        }
        assert!(self.streams.len() <= networks().len(), "{} streams at once", self.streams.len());
        let mut events = 0;
        while self.mapper.poll_event().is_some() {
            events += 1;
            assert!(events <= OUTPUTS, "events without end");
        }
        let mapped: Vec<_> = self.mapper.mapped().collect();
        assert!(mapped.len() <= self.limits.wants * networks().len());
        assert!(mapped.iter().all(|mapped| mapped.until > self.now - Duration::from_secs(1)));
    }

    fn is_ours(&self, from: IpAddr) -> bool {
        networks().iter().any(|network| network.local == from)
    }

    /// All is given up, and nothing but silence answers.
    fn ends(mut self) {
        self.mapper.stop(self.now);
        self.drain();
        self.pass(self.limits.stop_budget);
        assert!(self.mapper.is_stopped(), "an exit is held up");
    }
}

fn want(number: u8) -> Want {
    let protocol = if number.is_multiple_of(2) { Protocol::Tcp } else { Protocol::Udp };
    Want { protocol, port: 6881 + u16::from(number / 2 % 5) }
}
