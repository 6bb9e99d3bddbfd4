//! A small tracker in memory, for a LAN and for tests: HTTP and UDP, one thread.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Registry as Watch, Token, Waker};
use tide_base::{Instant, Prng, SlotKey, Slots};
use tide_tracker::server::http::{Served, serve};
use tide_tracker::server::{Registry, UdpServer};

pub use tide_tracker::limits::ServerLimits;

use crate::error::Error;
use crate::shell::clock::Clock;
use crate::shell::udp::UdpReceiver;
use crate::shell::{entropy, listener, udp};

/// Requests under way at once; beyond, the oldest is cut off, for it is the likeliest to be nobody's.
const CONNECTIONS: usize = 512;
/// How long a request and its answer may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long connection ids of BEP 15 follow from one secret.
const SECRET_FOR: Duration = Duration::from_secs(3600);
/// Connections accepted in a turn.
const ACCEPTS: usize = 64;
/// The longest datagram there is.
const DATAGRAM: usize = 64 << 10;
/// The tokens of what is not a connection count down from here.
const BELL: usize = usize::MAX;

/// Where a tracker listens, and its bounds.
#[derive(Clone, Debug)]
pub struct TrackerConfig {
    /// Addresses for HTTP.
    pub http: Vec<SocketAddr>,
    /// Addresses for UDP (BEP 15).
    pub udp: Vec<SocketAddr>,
    /// Its bounds and habits, the announce interval among them.
    pub limits: ServerLimits,
}

/// A running tracker; dropping it ends it.
#[derive(Debug)]
pub struct Tracker {
    http: Vec<SocketAddr>,
    udp: Vec<SocketAddr>,
    stop: Arc<AtomicBool>,
    waker: Waker,
    thread: Option<JoinHandle<()>>,
}

impl Tracker {
    /// Binds, and starts its thread.
    ///
    /// # Errors
    /// [`Error::Listen`], [`Error::Resources`].
    pub fn start(config: TrackerConfig) -> Result<Tracker, Error> {
        let refused = |addr| move |source| Error::Listen { addr, source };
        let mut doors = Vec::new();
        for addr in config.http {
            doors.push(listener::listen(addr).map(TcpListener::from_std).map_err(refused(addr))?);
        }
        let mut sockets = Vec::new();
        for addr in config.udp {
            sockets.push(udp::bind(addr).map(UdpReceiver::new).map_err(refused(addr))?);
        }
        let seed = || entropy::seed().map_err(Error::Resources);
        let random = Prng::new(seed()?);
        let desk = Desk::new(doors, sockets, Registry::new(config.limits, random.split("peers")), random);
        let (mut desk, addrs) =
            desk.and_then(|desk| desk.addrs().map(|addrs| (desk, addrs))).map_err(Error::Resources)?;
        let waker = Waker::new(desk.poll.registry(), Token(BELL)).map_err(Error::Resources)?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let run = move || {
            if let Err(error) = desk.run(&stopped) {
                log::error!("the tracker has failed: {error}");
            }
        };
        let thread = std::thread::Builder::new().name("tide-tracker".into()).spawn(run);
        let thread = Some(thread.map_err(Error::Resources)?);
        Ok(Tracker { http: addrs.0, udp: addrs.1, stop, waker, thread })
    }

    /// Where it answers HTTP.
    pub fn http(&self) -> &[SocketAddr] {
        &self.http
    }

    /// Where it answers UDP.
    pub fn udp(&self) -> &[SocketAddr] {
        &self.udp
    }
}

impl Drop for Tracker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if self.waker.wake().is_ok()
            && let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            log::error!("the tracker has panicked");
        }
    }
}

/// One request over HTTP.
#[derive(Debug)]
struct Conn {
    stream: TcpStream,
    from: SocketAddr,
    input: Vec<u8>,
    output: Vec<u8>,
    written: usize,
}

/// What a request still needs.
#[derive(PartialEq, Eq)]
enum Needs {
    More,
    Nothing,
}

/// All that the tracker's thread owns.
struct Desk {
    poll: Poll,
    clock: Clock,
    registry: Registry,
    server: UdpServer,
    random: Prng,
    renew: Instant,
    doors: Vec<(TcpListener, bool)>,
    sockets: Vec<UdpReceiver>,
    conns: Slots<Conn>,
    /// By slot, for tokens.
    keys: Vec<Option<SlotKey>>,
    /// When each runs out of patience, in order; some are gone already.
    patience: VecDeque<(Instant, SlotKey)>,
}

impl Desk {
    fn new(
        doors: Vec<TcpListener>,
        mut sockets: Vec<UdpReceiver>,
        registry: Registry,
        mut random: Prng,
    ) -> io::Result<Desk> {
        let (poll, clock) = (Poll::new()?, Clock::start());
        let mut doors: Vec<_> = doors.into_iter().map(|door| (door, true)).collect();
        for (at, (door, _)) in doors.iter_mut().enumerate() {
            poll.registry().register(door, Token(BELL - 1 - at), Interest::READABLE)?;
        }
        for (at, receiver) in sockets.iter_mut().enumerate() {
            let token = Token(BELL - 1 - doors.len() - at);
            poll.registry().register(&mut receiver.socket, token, Interest::READABLE)?;
        }
        let server = UdpServer::new(secret(&mut random));
        let renew = clock.now() + SECRET_FOR;
        let (conns, keys, patience) = (Slots::new(), Vec::new(), VecDeque::new());
        Ok(Desk { poll, clock, registry, server, random, renew, doors, sockets, conns, keys, patience })
    }

    fn addrs(&self) -> io::Result<(Vec<SocketAddr>, Vec<SocketAddr>)> {
        let http = self.doors.iter().map(|(door, _)| door.local_addr()).collect::<io::Result<_>>()?;
        let udp =
            self.sockets.iter().map(|receiver| receiver.socket.local_addr()).collect::<io::Result<_>>()?;
        Ok((http, udp))
    }

    fn run(&mut self, stop: &AtomicBool) -> io::Result<()> {
        let mut events = Events::with_capacity(256);
        let mut scratch = vec![0; DATAGRAM];
        while !stop.load(Ordering::SeqCst) {
            match self.poll.poll(&mut events, Some(self.wait())) {
                Err(error) if error.kind() == ErrorKind::Interrupted => events.clear(),
                result => result?,
            }
            let now = self.clock.now();
            for event in &events {
                self.edge(now, event.token().0);
            }
            self.accept(now);
            self.datagrams(now, &mut scratch);
            self.tidy(now);
        }
        Ok(())
    }

    fn wait(&self) -> Duration {
        let busy = self.doors.iter().any(|(_, ready)| *ready)
            || self.sockets.iter().any(|receiver| receiver.readable);
        if busy {
            return Duration::ZERO;
        }
        let patience = self.patience.front().map_or(Instant::NEVER, |(at, _)| *at);
        let next = patience.min(self.renew).min(self.registry.deadline());
        self.clock.now().until(next)
    }

    fn edge(&mut self, now: Instant, token: usize) {
        let (doors, sockets) = (self.doors.len(), self.sockets.len());
        match (BELL - token).checked_sub(1) {
            None => {}
            Some(at) if at < doors => self.doors[at].1 = true,
            Some(at) if at < doors + sockets => self.sockets[at - doors].readable = true,
            Some(_) => {
                if let Some(Some(key)) = self.keys.get(token).copied() {
                    self.attend(now, key);
                }
            }
        }
    }

    fn accept(&mut self, now: Instant) {
        for at in 0..self.doors.len() {
            for _ in 0..ACCEPTS {
                if !self.doors[at].1 {
                    break;
                }
                match self.doors[at].0.accept() {
                    Ok((stream, from)) => self.greet(now, stream, from),
                    // Also when out of descriptors: the next caller brings the next edge.
                    Err(error) => {
                        self.doors[at].1 = false;
                        if error.kind() != ErrorKind::WouldBlock {
                            log::warn!("tracker: {error}");
                        }
                    }
                }
            }
        }
    }

    fn greet(&mut self, now: Instant, stream: TcpStream, from: SocketAddr) {
        while self.conns.len() >= CONNECTIONS
            && let Some((_, oldest)) = self.patience.pop_front()
        {
            self.close(oldest);
        }
        let conn = Conn { stream, from, input: Vec::new(), output: Vec::new(), written: 0 };
        let key = self.conns.insert(conn);
        let at = key.index();
        self.keys.resize(self.keys.len().max(at + 1), None);
        self.keys[at] = Some(key);
        self.patience.push_back((now + PATIENCE, key));
        let conn = self.conns.get_mut(key).expect("it has just been put in");
        let interest = Interest::READABLE | Interest::WRITABLE;
        if self.poll.registry().register(&mut conn.stream, Token(at), interest).is_err() {
            self.close(key);
        }
    }

    /// Gets on with a request as far as it goes.
    fn attend(&mut self, now: Instant, key: SlotKey) {
        let Some(conn) = self.conns.get_mut(key) else {
            return;
        };
        match conn.get_on(&mut self.registry, now) {
            Ok(Needs::More) => {}
            Ok(Needs::Nothing) => self.close(key),
            Err(error) => {
                log::debug!("tracker: {}: {error}", conn.from);
                self.close(key);
            }
        }
    }

    fn close(&mut self, key: SlotKey) {
        if let Some(mut conn) = self.conns.remove(key) {
            self.keys[key.index()] = None;
            forget(self.poll.registry(), &mut conn.stream);
        }
    }

    fn datagrams(&mut self, now: Instant, scratch: &mut [u8]) {
        for receiver in &mut self.sockets {
            let mut answers = Vec::new();
            receiver.receive(scratch, |from, data| {
                let mut out = Vec::new();
                if self.server.answer(&mut self.registry, now, from, data, &mut out) {
                    answers.push((from, out));
                }
            });
            for (to, data) in answers {
                if let Err(error) = receiver.socket.send_to(&data, to) {
                    log::debug!("tracker: a datagram to {to}: {error}");
                }
            }
        }
    }

    fn tidy(&mut self, now: Instant) {
        while let Some(&(at, key)) = self.patience.front()
            && (at <= now || !self.conns.contains(key))
        {
            self.patience.pop_front();
            self.close(key);
        }
        if self.registry.deadline() <= now {
            self.registry.expire(now);
        }
        if self.renew <= now {
            self.server.rotate(secret(&mut self.random));
            self.renew = now + SECRET_FOR;
        }
    }
}

impl Conn {
    fn get_on(&mut self, registry: &mut Registry, now: Instant) -> io::Result<Needs> {
        while self.output.is_empty() {
            let mut part = [0; 2048];
            match self.stream.read(&mut part) {
                Ok(0) => return Ok(Needs::Nothing),
                Ok(len) => self.input.extend_from_slice(&part[..len]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Needs::More),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            match serve(registry, now, self.from.ip(), &self.input, &mut self.output) {
                Served::More => {}
                Served::Close => break,
            }
        }
        while self.written < self.output.len() {
            match self.stream.write(&self.output[self.written..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(len) => self.written += len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Needs::More),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Needs::Nothing)
    }
}

fn forget(watch: &Watch, stream: &mut TcpStream) {
    if let Err(error) = watch.deregister(stream) {
        log::debug!("tracker: {error}");
    }
}

fn secret(random: &mut Prng) -> [u8; 16] {
    let mut secret = [0; 16];
    random.fill(&mut secret);
    secret
}

#[cfg(test)]
mod tests {
    use std::net::{TcpStream as Std, UdpSocket};

    use super::*;

    fn tracker() -> Tracker {
        let local = SocketAddr::from(([127, 0, 0, 1], 0));
        let limits = ServerLimits::with_interval(Duration::from_secs(60));
        Tracker::start(TrackerConfig { http: vec![local], udp: vec![local], limits }).expect("a tracker")
    }

    fn get(tracker: &Tracker, path: &str) -> Vec<u8> {
        let mut stream = Std::connect(tracker.http()[0]).expect("a connection");
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
        let (first, rest) = request.split_at(9);
        stream.write_all(first.as_bytes()).expect("it listens");
        stream.write_all(rest.as_bytes()).expect("it listens");
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply).expect("a reply and the end");
        reply
    }

    fn has(reply: &[u8], what: &[u8]) -> bool {
        reply.windows(what.len()).any(|window| window == what)
    }

    #[test]
    fn peers_that_announce_over_http_hear_of_each_other() {
        let tracker = tracker();
        let hash = "%aa".repeat(20);
        let ask = |port: u16| {
            let id = "x".repeat(20);
            let path = format!(
                "/announce?info_hash={hash}&peer_id={id}&port={port}&uploaded=0&downloaded=0&left=9&compact=1&event=started"
            );
            get(&tracker, &path)
        };
        let first = ask(1111);
        assert!(has(&first, b"200 OK") && has(&first, b"5:peers0:"), "{}", first.escape_ascii());
        let second = ask(2222);
        assert!(has(&second, b"5:peers6:\x7f\0\0\x01\x04\x57"), "{}", second.escape_ascii());
        assert!(has(&get(&tracker, "/elsewhere"), b"HTTP/1.1 4"));
    }

    #[test]
    fn a_connect_over_udp_is_answered() {
        let tracker = tracker();
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let mut request = 0x0417_2710_1980_u64.to_be_bytes().to_vec();
        request.extend_from_slice(&[0, 0, 0, 0, 1, 2, 3, 4]);
        socket.send_to(&request, tracker.udp()[0]).expect("sent");
        let mut reply = [0; 64];
        let (len, from) = socket.recv_from(&mut reply).expect("a reply");
        assert_eq!((len, from, &reply[..8]), (16, tracker.udp()[0], &[0, 0, 0, 0, 1, 2, 3, 4][..]));
    }

    #[test]
    fn it_ends_when_it_is_dropped_and_frees_its_address() {
        let tracker = tracker();
        let addr = tracker.http()[0];
        let _hanging = Std::connect(addr).expect("a connection");
        drop(tracker);
        let limits = ServerLimits::with_interval(Duration::from_secs(60));
        let again = Tracker::start(TrackerConfig { http: vec![addr], udp: vec![], limits });
        assert_eq!(again.expect("the address is free").http(), [addr]);
    }
}
