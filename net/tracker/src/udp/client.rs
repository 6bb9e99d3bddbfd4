//! Everything that is asked of one UDP tracker address: the connection id, what is under way, what waits.

use super::packet::{self, Action, Reader};
use crate::error::Error;
use crate::limits::UdpLimits;
use crate::request::{Announce, Answer};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::SocketAddr;
use tide_base::addr::Family;
use tide_base::{Duration, InfoHash, Instant, Prng, addr};

/// The caller's name for a request; it comes back with the answer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RequestId(pub u64);

/// What is asked of a UDP tracker.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Request {
    /// An announce.
    Announce {
        /// What it says.
        ask: Box<Announce>,
        /// The URL's path and query ([`TrackerUrl::target`](crate::TrackerUrl::target)), sent along by BEP 41.
        target: Box<str>,
    },
    /// The numbers of these swarms, at most [`SCRAPE_MAX`](crate::limits::SCRAPE_MAX) of which are asked for.
    Scrape(Vec<InfoHash>),
}

impl Request {
    fn action(&self) -> Action {
        match self {
            Request::Announce { .. } => Action::Announce,
            Request::Scrape(_) => Action::Scrape,
        }
    }
}

/// A request under way. Its transaction id stays the same when it is sent again, so that a late answer counts.
#[derive(Debug)]
struct Active {
    id: RequestId,
    request: Request,
    transaction: u32,
    /// How often it, or a connect on its behalf, was sent since the tracker was last heard.
    tries: u32,
    /// Whether it was sent at all: only then can it be answered.
    sent: bool,
    resend_at: Instant,
    give_up_at: Instant,
    /// Whether the tracker has given a connection id since this request was taken up, or just before.
    heard: bool,
    /// Whether the tracker has already once refused the connection id under it.
    reconnected: bool,
}

#[derive(Clone, Copy, Debug)]
enum Connection {
    None,
    Asked { transaction: u32, resend_at: Instant },
    Open { id: u64, until: Instant },
}

/// One UDP tracker address and all that is asked of it.
#[derive(Debug)]
pub struct UdpClient {
    address: SocketAddr,
    limits: UdpLimits,
    prng: Prng,
    connection: Connection,
    active: Vec<Active>,
    waiting: VecDeque<(RequestId, Request)>,
    done: VecDeque<(RequestId, Result<Answer, Error>)>,
}

impl UdpClient {
    /// A client of the tracker at `address`; transaction ids are drawn from `prng`.
    pub fn new(address: SocketAddr, limits: UdpLimits, prng: Prng) -> UdpClient {
        UdpClient {
            address: addr::canonical(address),
            limits,
            prng,
            connection: Connection::None,
            active: Vec::new(),
            waiting: VecDeque::new(),
            done: VecDeque::new(),
        }
    }

    /// The address that is asked, in canonical form.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether nothing is asked and nothing waits to be fetched.
    pub fn is_idle(&self) -> bool {
        self.active.is_empty() && self.waiting.is_empty() && self.done.is_empty()
    }

    /// Takes a request on. It ends with exactly one [`poll_done`](Self::poll_done), unless it is cancelled.
    ///
    /// # Errors
    /// [`Error::Busy`] if [`UdpLimits::queue`] requests wait already.
    pub fn submit(&mut self, now: Instant, id: RequestId, request: Request) -> Result<(), Error> {
        if self.waiting.len() >= self.limits.queue {
            return Err(Error::Busy);
        }
        self.waiting.push_back((id, request));
        self.admit(now);
        Ok(())
    }

    /// Forgets a request; an answer to it will be ignored. Returns whether it was still open.
    pub fn cancel(&mut self, now: Instant, id: RequestId) -> bool {
        let before = self.active.len() + self.waiting.len() + self.done.len();
        self.active.retain(|active| active.id != id);
        self.waiting.retain(|waiting| waiting.0 != id);
        self.done.retain(|done| done.0 != id);
        self.admit(now);
        self.active.len() + self.waiting.len() + self.done.len() < before
    }

    /// Reads a datagram that came from `from`. What is not from the tracker's own address, or answers nothing that was
    /// asked, is ignored: anybody can send datagrams. Returns whether it was an answer.
    pub fn receive(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) -> bool {
        if addr::canonical(from) != self.address {
            return false;
        }
        let mut reader = Reader(datagram);
        let (Some(action), Some(transaction)) = (reader.u32().and_then(Action::from_code), reader.u32())
        else {
            return false;
        };
        match self.connection {
            Connection::Asked { transaction: asked, .. } if asked == transaction => {
                self.connected(now, action, reader.0)
            }
            _ => self.answered(now, action, transaction, reader.0),
        }
    }

    /// Appends the next datagram to be sent to `out`; false if there is none now. To be called until it is false after
    /// every other call.
    pub fn poll_send(&mut self, now: Instant, out: &mut Vec<u8>) -> bool {
        self.expire(now);
        if self.active.is_empty() {
            return false;
        }
        match self.connection {
            Connection::None => self.send_connect(now, out),
            Connection::Asked { resend_at, .. } if resend_at <= now => self.send_connect(now, out),
            Connection::Asked { .. } => return false,
            Connection::Open { until, .. } if until <= now => {
                if !self.active.iter().any(|active| active.resend_at <= now) {
                    return false;
                }
                self.send_connect(now, out);
            }
            Connection::Open { id, .. } => return self.send_request(now, id, out),
        }
        true
    }

    /// Takes the next request that has come to an end.
    pub fn poll_done(&mut self) -> Option<(RequestId, Result<Answer, Error>)> {
        self.done.pop_front()
    }

    /// When [`poll_send`](Self::poll_send) or [`expire`](Self::expire) will next have something to do; a moment that
    /// has passed if at once.
    pub fn deadline(&self) -> Instant {
        let give_up = self.active.iter().map(|active| active.give_up_at).min();
        let resend = match self.connection {
            _ if self.active.is_empty() => None,
            Connection::None => Some(Instant::ZERO),
            Connection::Asked { resend_at, .. } => Some(resend_at),
            Connection::Open { .. } => self.active.iter().map(|active| active.resend_at).min(),
        };
        give_up.unwrap_or(Instant::NEVER).min(resend.unwrap_or(Instant::NEVER))
    }

    /// Ends the requests that were under way for too long, with [`Error::TimedOut`]. If the tracker was not heard at
    /// all in that time, those that wait behind end with them: else a dead tracker would use up its time once for each
    /// windowful.
    pub fn expire(&mut self, now: Instant) {
        let late = |active: &mut Active| active.give_up_at <= now;
        let mut is_dead = false;
        for active in self.active.extract_if(.., late) {
            is_dead |= !active.heard;
            self.done.push_back((active.id, Err(Error::TimedOut)));
        }
        if is_dead {
            let waiting = self.waiting.drain(..).map(|(id, _)| (id, Err(Error::TimedOut)));
            self.done.extend(waiting);
        }
        self.admit(now);
        if self.active.is_empty() && matches!(self.connection, Connection::Asked { .. }) {
            self.connection = Connection::None;
        }
    }

    /// Moves waiting requests up while there is room.
    fn admit(&mut self, now: Instant) {
        while self.active.len() < self.limits.window.max(1) {
            let Some((id, request)) = self.waiting.pop_front() else { break };
            let transaction = self.fresh_transaction();
            self.active.push(Active {
                id,
                request,
                transaction,
                tries: 0,
                sent: false,
                resend_at: now,
                give_up_at: now + self.limits.patience(),
                heard: matches!(self.connection, Connection::Open { .. }),
                reconnected: false,
            });
        }
    }

    /// A transaction id that nothing under way has.
    fn fresh_transaction(&mut self) -> u32 {
        loop {
            let id = self.prng.next_u32();
            let connecting =
                matches!(self.connection, Connection::Asked { transaction, .. } if transaction == id);
            if !connecting && self.active.iter().all(|active| active.transaction != id) {
                return id;
            }
        }
    }

    /// How long the transmission after `tries` others waits: 15 · 2ⁿ seconds (BEP 15).
    fn wait(&self, tries: u32) -> Duration {
        self.limits.first_wait.saturating_mul(1 << tries.min(self.limits.retries).min(16))
    }

    fn send_connect(&mut self, now: Instant, out: &mut Vec<u8>) {
        let transaction = match self.connection {
            Connection::Asked { transaction, .. } => transaction,
            Connection::None | Connection::Open { .. } => self.fresh_transaction(),
        };
        let tries = self.active.iter().map(|active| active.tries).max().unwrap_or(0);
        for active in &mut self.active {
            active.tries = active.tries.saturating_add(1);
        }
        self.connection = Connection::Asked { transaction, resend_at: now + self.wait(tries) };
        packet::connect(transaction, out);
    }

    fn send_request(&mut self, now: Instant, connection: u64, out: &mut Vec<u8>) -> bool {
        let family = Family::of(self.address.ip());
        let Some(at) = self.active.iter().position(|active| active.resend_at <= now) else { return false };
        let wait = self.wait(self.active[at].tries);
        let active = &mut self.active[at];
        active.tries = active.tries.saturating_add(1);
        active.sent = true;
        active.resend_at = now + wait;
        match &active.request {
            Request::Announce { ask, target } => {
                packet::announce(connection, active.transaction, ask, target, family, out);
            }
            Request::Scrape(hashes) => packet::scrape(connection, active.transaction, hashes, out),
        }
        true
    }

    /// The answer to our connect.
    fn connected(&mut self, now: Instant, action: Action, body: &[u8]) -> bool {
        match action {
            Action::Connect => {
                let Some(id) = Reader(body).u64() else { return false };
                self.connection = Connection::Open { id, until: now + self.limits.connection_life };
                for active in &mut self.active {
                    active.tries = 0;
                    active.heard = true;
                    active.resend_at = now;
                }
            }
            Action::Error => {
                let refusal = packet::read_error(body);
                self.connection = Connection::None;
                for active in self.active.drain(..) {
                    self.done.push_back((active.id, Err(Error::Refused(refusal.clone()))));
                }
                self.admit(now);
            }
            Action::Announce | Action::Scrape => return false,
        }
        true
    }

    /// The answer to a request.
    fn answered(&mut self, now: Instant, action: Action, transaction: u32, body: &[u8]) -> bool {
        let Some(at) = self.active.iter().position(|active| active.transaction == transaction) else {
            return false;
        };
        if !self.active[at].sent || (action != Action::Error && action != self.active[at].request.action()) {
            return false;
        }
        let result = match (&self.active[at].request, action) {
            (_, Action::Error) => {
                let refusal = packet::read_error(body);
                if self.reconnect_after(now, at, &refusal.reason) {
                    return true;
                }
                Err(Error::Refused(refusal))
            }
            (Request::Announce { .. }, _) => packet::read_announce(body, Family::of(self.address.ip())),
            (Request::Scrape(hashes), _) => packet::read_scrape(body, hashes),
        };
        let active = self.active.remove(at);
        self.done.push_back((active.id, result));
        self.admit(now);
        true
    }

    /// A tracker that was restarted refuses the connection id it gave. That is no refusal of the request, once.
    fn reconnect_after(&mut self, now: Instant, at: usize, reason: &str) -> bool {
        let about_id = reason.to_ascii_lowercase().contains("connection");
        let active = &mut self.active[at];
        if !about_id || active.reconnected {
            return false;
        }
        active.reconnected = true;
        active.resend_at = now;
        if matches!(self.connection, Connection::Open { .. }) {
            self.connection = Connection::None;
        }
        true
    }
}
