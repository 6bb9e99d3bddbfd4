//! Where strangers come in, on shard 0: accepting connections whatever happens to descriptors and interfaces, and
//! receiving datagrams.

use std::fs::File;
use std::io;
use std::net::SocketAddr;

use mio::{Interest, Registry, Token};
use tide_base::{Duration, Instant};
use tide_engine::Listening;

use crate::shell::failure::{is_exhausted, is_out_of_files};
use crate::shell::listener::{self, Bound};
use crate::shell::tcp::Tcp;
use crate::shell::transport::Transport;
use crate::shell::udp::UdpReceiver;

/// Connections accepted in a turn: a flood of them does not starve the streams that stand.
const ACCEPTS: usize = 64;
/// How long to leave a socket alone at first when the system cannot get on with it; twice as long each time.
const RETRY: Duration = Duration::from_secs(1);
/// How long at the most.
const RETRY_MOST: Duration = Duration::from_secs(60);
/// The front's tokens count down from here.
const TOKENS: usize = usize::MAX - 1;

/// A socket that listens, or is to be bound again.
#[derive(Debug)]
struct Gate {
    addr: SocketAddr,
    socket: Option<mio::net::TcpListener>,
    /// No accept has said `WouldBlock` since the last edge.
    ready: bool,
    rest_until: Option<Instant>,
    backoff: Duration,
}

/// What an accept came to.
enum Accepted {
    One(mio::net::TcpStream, SocketAddr),
    /// One that is gone already, or had to be turned away.
    Lost,
    None,
}

/// Where connections and datagrams come in.
#[derive(Debug)]
pub(crate) struct Front {
    gates: Vec<Gate>,
    udp: [Option<UdpReceiver>; 2],
    udp_addrs: [Option<SocketAddr>; 2],
    /// A descriptor in hand for when there are no more: without it a connection that cannot be accepted could not be
    /// refused either, and would report itself for ever.
    reserve: Option<File>,
    said_so: bool,
    moved: bool,
}

impl Front {
    /// A front of sockets that are bound.
    pub(crate) fn new(bound: Bound) -> Front {
        let listening = bound.listening();
        let gate = |(addr, socket)| Gate {
            addr,
            socket: Some(mio::net::TcpListener::from_std(socket)),
            ready: true,
            rest_until: None,
            backoff: RETRY,
        };
        Front {
            gates: listening.tcp.into_iter().zip(bound.tcp).map(gate).collect(),
            udp: [bound.udp_v4.map(UdpReceiver::new), bound.udp_v6.map(UdpReceiver::new)],
            udp_addrs: [listening.udp_v4, listening.udp_v6],
            reserve: spare(),
            said_so: false,
            moved: false,
        }
    }

    /// Has all sockets watched.
    pub(crate) fn open(&mut self, registry: &Registry, now: Instant) {
        for at in 0..self.gates.len() {
            self.watch(registry, at, now);
        }
        for (at, udp) in self.udp.iter_mut().enumerate() {
            if let Some(receiver) = udp
                && let Err(error) =
                    registry.register(&mut receiver.socket, Token(TOKENS - at), Interest::READABLE)
            {
                log::error!("UDP cannot be watched: {error}");
                *udp = None;
            }
        }
    }

    fn watch(&mut self, registry: &Registry, at: usize, now: Instant) {
        let gate = &mut self.gates[at];
        let token = Token(TOKENS - self.udp.len() - at);
        if let Some(socket) = &mut gate.socket
            && let Err(error) = registry.register(socket, token, Interest::READABLE)
        {
            gate.give_up(&error, now);
        }
    }

    /// Takes an edge, if the token is the front's.
    pub(crate) fn edge(&mut self, token: Token) -> bool {
        let at = TOKENS.wrapping_sub(token.0);
        if let Some(udp) = self.udp.get_mut(at) {
            if let Some(receiver) = udp {
                receiver.readable = true;
            }
            return true;
        }
        let gate = at.checked_sub(self.udp.len()).and_then(|at| self.gates.get_mut(at));
        gate.map(|gate| gate.ready = true).is_some()
    }

    /// Whether there is more to be taken in without waiting for an edge.
    pub(crate) fn busy(&self) -> bool {
        let udp = self.udp.iter().flatten().any(|receiver| receiver.readable);
        udp || self.gates.iter().any(|gate| gate.rest_until.is_none() && gate.ready)
    }

    /// When a socket is to be tried again.
    pub(crate) fn wake_at(&self) -> Option<Instant> {
        self.gates.iter().filter_map(|gate| gate.rest_until).min()
    }

    /// Accepts what has come, some of it. `take` gets the stream, its other end and ours.
    pub(crate) fn accept(
        &mut self,
        now: Instant,
        mut take: impl FnMut(Box<dyn Transport>, SocketAddr, SocketAddr),
    ) {
        for at in 0..self.gates.len() {
            for _ in 0..ACCEPTS {
                match self.accept_one(at, now) {
                    Accepted::One(stream, from) => {
                        // For a wildcard, each connection has its own answer.
                        let local = stream.local_addr().unwrap_or(self.gates[at].addr);
                        take(Box::new(Tcp::accepted(stream)), from, local);
                    }
                    Accepted::Lost => {}
                    Accepted::None => break,
                }
            }
        }
    }

    fn accept_one(&mut self, at: usize, now: Instant) -> Accepted {
        let gate = &mut self.gates[at];
        let Some(socket) = gate.socket.as_ref().filter(|_| gate.ready && gate.rest_until.is_none()) else {
            return Accepted::None;
        };
        match socket.accept() {
            Ok((stream, from)) => {
                gate.backoff = RETRY;
                return Accepted::One(stream, from);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => gate.ready = false,
            Err(error) if is_out_of_files(&error) && self.reserve.take().is_some() => {
                // Room for one: to take it and turn it away.
                drop(socket.accept());
                self.reserve = spare();
                if !std::mem::replace(&mut self.said_so, true) {
                    log::warn!("out of file descriptors: connections are turned away (raise `ulimit -n`)");
                }
                return Accepted::Lost;
            }
            Err(error) if is_exhausted(&error) => gate.rest(now),
            Err(error) if is_the_strangers(&error) => return Accepted::Lost,
            Err(error) => {
                gate.give_up(&error, now);
                self.moved = true;
            }
        }
        Accepted::None
    }

    /// Takes what datagrams have come, some of them.
    pub(crate) fn receive(&mut self, scratch: &mut [u8], mut take: impl FnMut(SocketAddr, &[u8])) {
        for receiver in self.udp.iter_mut().flatten() {
            receiver.receive(scratch, &mut take);
        }
    }

    /// Tries again what has rested long enough. Where the session listens, if that has changed.
    pub(crate) fn tend(&mut self, registry: &Registry, now: Instant) -> Option<Listening> {
        for at in 0..self.gates.len() {
            let gate = &mut self.gates[at];
            if gate.rest_until.is_none_or(|until| until > now) {
                continue;
            }
            gate.rest_until = None;
            gate.ready = true;
            if gate.socket.is_none() {
                match listener::listen(gate.addr) {
                    Ok(socket) => {
                        log::info!("listening at {} again", gate.addr);
                        gate.socket = Some(mio::net::TcpListener::from_std(socket));
                        self.moved = true;
                        self.watch(registry, at, now);
                    }
                    Err(error) => gate.give_up(&error, now),
                }
            }
        }
        if self.reserve.is_none() {
            self.reserve = spare();
        }
        std::mem::take(&mut self.moved).then(|| self.listening())
    }

    /// Where the session listens.
    pub(crate) fn listening(&self) -> Listening {
        Listening {
            tcp: self.gates.iter().filter(|gate| gate.socket.is_some()).map(|gate| gate.addr).collect(),
            udp_v4: self.udp_addrs[0].filter(|_| self.udp[0].is_some()),
            udp_v6: self.udp_addrs[1].filter(|_| self.udp[1].is_some()),
        }
    }
}

impl Gate {
    /// Leaves the socket alone for a while.
    fn rest(&mut self, now: Instant) {
        self.rest_until = Some(now + self.backoff);
        self.backoff = (self.backoff * 2).min(RETRY_MOST);
    }

    /// Lets the socket go, to bind another in a while.
    fn give_up(&mut self, error: &io::Error, now: Instant) {
        log::warn!("listening at {}: {error}; trying again", self.addr);
        self.socket = None;
        self.rest(now);
    }
}

/// A descriptor to hold.
fn spare() -> Option<File> {
    File::open(if cfg!(unix) { "/dev/null" } else { "NUL" }).ok()
}

/// Whether the error is of the connection that was to be accepted, not of the socket: accept(2) lists them.
fn is_the_strangers(error: &io::Error) -> bool {
    const EPROTO: i32 = 71;
    const EPERM: i32 = 1;
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::Interrupted
            | Kind::ConnectionAborted
            | Kind::ConnectionReset
            | Kind::TimedOut
            | Kind::NetworkDown
            | Kind::NetworkUnreachable
            | Kind::HostUnreachable
    ) || cfg!(unix) && matches!(error.raw_os_error(), Some(EPROTO | EPERM))
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use mio::Poll;

    use super::*;
    use crate::shell::listener::Wish;

    fn front() -> (Poll, Front, SocketAddr) {
        let local = SocketAddr::from(([127, 0, 0, 1], 0));
        let front = Front::new(listener::bind(&Wish::Exactly(vec![local])).expect("loopback"));
        let addr = front.listening().tcp[0];
        (Poll::new().expect("a poll"), front, addr)
    }

    #[test]
    fn connections_are_accepted_a_batch_at_a_time_with_both_ends() {
        let (poll, mut front, addr) = front();
        front.open(poll.registry(), Instant::ZERO);
        let callers: Vec<_> = (0..ACCEPTS + 3).map(|_| TcpStream::connect(addr).expect("a caller")).collect();
        let mut ends = Vec::new();
        front.accept(Instant::ZERO, |_, from, local| ends.push((from, local)));
        assert_eq!(ends.len(), ACCEPTS);
        assert!(front.busy());
        front.accept(Instant::ZERO, |_, from, local| ends.push((from, local)));
        let expected: Vec<_> =
            callers.iter().map(|caller| (caller.local_addr().expect("connected"), addr)).collect();
        assert_eq!(ends, expected);
        assert!(front.gates.iter().all(|gate| !gate.ready));
    }

    #[test]
    fn a_socket_that_was_lost_is_bound_again_after_a_while() {
        let (poll, mut front, addr) = front();
        front.open(poll.registry(), Instant::ZERO);
        front.gates[0].give_up(&io::Error::other("test"), Instant::ZERO);
        front.moved = true;
        let without = front.tend(poll.registry(), Instant::ZERO).expect("it has changed");
        assert_eq!((without.tcp.len(), without.udp_v4), (0, Some(addr)));
        let at = front.wake_at().expect("an alarm");
        assert_eq!(at, Instant::ZERO + RETRY);
        let again = front.tend(poll.registry(), at).expect("it has changed back");
        assert_eq!(again.tcp, [addr]);
        let _caller = TcpStream::connect(addr).expect("a caller");
        let mut count = 0;
        front.accept(at, |_, _, _| count += 1);
        assert_eq!(count, 1);
    }

    #[test]
    fn tokens_are_told_apart_from_streams_and_bell() {
        let (_poll, mut front, _) = front();
        for own in [TOKENS, TOKENS - 1, TOKENS - 2] {
            assert!(front.edge(Token(own)));
        }
        for other in [0, 1, TOKENS - 3, usize::MAX] {
            assert!(!front.edge(Token(other)), "{other}");
        }
    }
}
