//! Carries out the announces of all torrents. The torrents decide when which tracker is asked; here are names, streams,
//! datagrams, and how much of it happens at a time.
//!
//! ```text
//! submit ─▶ lane ─▶ name ─▶ addresses ─┬─▶ stream: dial, ask, perhaps a redirect ─▶ name …
//!                                      └─▶ UDP client of the address
//! ```
//! Each announce is answered exactly once, by [`ToTorrent::Announced`], unless its torrent is
//! [forgotten](Announcer::forget) or tells the same tracker `stopped` meanwhile. When a tracker turns out to be silent, those that wait for it get its error too: a
//! dead tracker costs its time once, not once a torrent.

#[cfg_attr(not(feature = "http"), path = "no_exchange.rs")]
mod exchange;
mod http;
mod lane;
pub mod limits;
mod names;
mod request;
#[cfg(test)]
mod tests;
mod udp;

use core::net::{IpAddr, SocketAddr};
use std::collections::BTreeSet;

use tide_base::timers::Timers;
use tide_base::{Instant, Prng, ShardId, SlotKey, Slots};
use tide_tracker::{Answer, Error, Event, Host, Scheme};

use self::exchange::Ask;
use self::lane::{Lanes, Way};
use self::limits::RESOLVE_TIMEOUT;
use self::request::{Hearer, Request, Stage};
use self::udp::Clients;
use crate::border::NetError;
use crate::command::Setup;
use crate::desk::{Asker, Desk};
use crate::id::TorrentKey;
use crate::mail::{AnnounceJob, Announced, Mail, ToTorrent};

/// Whose deadline it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Owner {
    Request(SlotKey),
    Client(SocketAddr),
}

/// The announces of all torrents, under way and waiting.
#[derive(Debug)]
pub struct Announcer {
    agent: Box<str>,
    requests: Slots<Request>,
    of_torrent: BTreeSet<(TorrentKey, SlotKey)>,
    lanes: Lanes,
    clients: Clients,
    timers: Timers<Owner, ()>,
    /// Which trackers said what of our address.
    seen: Vec<(IpAddr, IpAddr)>,
}

impl Announcer {
    /// Nothing to be announced yet. Transaction ids are drawn from `prng`.
    pub fn new(setup: &Setup, prng: Prng) -> Announcer {
        Announcer {
            agent: setup.client.as_str().into(),
            requests: Slots::new(),
            of_torrent: BTreeSet::new(),
            lanes: Lanes::new(setup.limits.announces as usize),
            clients: Clients::new(prng),
            timers: Timers::new(),
            seen: Vec::new(),
        }
    }

    /// Takes an announce on. `stopped` ones go before all others.
    pub fn submit(&mut self, desk: &mut Desk, now: Instant, job: AnnounceJob) {
        let torrent = job.torrent;
        if job.question.event() == Some(Event::Stopped) {
            self.give_up(desk, now, &job);
        }
        let request = Request::new(job, now);
        let (door, urgency) = (request.door.clone(), request.urgency());
        let possible = match door.way() {
            _ if !request.job.url.allows(request.job.family) => Err(Error::NoAddress),
            Way::Stream => Ask::available(),
            Way::Datagram => Ok(()),
        };
        let key = self.requests.insert(request);
        self.of_torrent.insert((torrent, key));
        match possible {
            Ok(()) => self.lanes.push(&door, key, urgency),
            Err(error) => self.end(desk, key, Err(error)),
        }
        self.pump(desk, now);
    }

    /// A tracker is to be told `stopped`: whatever else it was to be told for this torrent is given up without an answer.
    /// Repeated behind it, a `started` would bring us back.
    fn give_up(&mut self, desk: &mut Desk, now: Instant, stopped: &AnnounceJob) {
        for key in self.requests_of(stopped.torrent) {
            let Some(request) = self.requests.get_mut(key) else { continue };
            let same = (request.job.tracker, request.job.family) == (stopped.tracker, stopped.family);
            let event = request.job.question.event();
            if !same || event.is_none_or(|event| event == Event::Stopped) {
                continue;
            }
            request.hearer = Hearer::Nobody;
            if matches!(request.stage, Stage::Datagrams) {
                self.clients.cancel(now, key);
            }
            self.end(desk, key, Err(Error::TimedOut));
        }
    }

    fn requests_of(&self, torrent: TorrentKey) -> Vec<SlotKey> {
        let first = (torrent, SlotKey::from_bits(0));
        let its = self.of_torrent.range(first..).take_while(|(of, _)| *of == torrent);
        its.map(|(_, key)| *key).collect()
    }

    /// The torrent is gone and hears of nothing any more. What waits is dropped; what is under way goes on to its end,
    /// and so does a `stopped` that waits: the tracker shall know.
    pub fn forget(&mut self, torrent: TorrentKey) {
        for key in self.requests_of(torrent) {
            self.of_torrent.remove(&(torrent, key));
            let Some(request) = self.requests.get_mut(key) else { continue };
            request.hearer = Hearer::Nobody;
            if matches!(request.stage, Stage::Waiting) && request.job.question.event() != Some(Event::Stopped)
            {
                // Its lane finds the key stale when its turn comes.
                self.requests.remove(key);
            }
        }
    }

    /// The name of a request's host was looked up. An answer that nobody waits for is ignored.
    pub fn resolved(
        &mut self,
        desk: &mut Desk,
        now: Instant,
        key: SlotKey,
        result: &Result<Vec<IpAddr>, NetError>,
    ) {
        if !self.requests.get(key).is_some_and(|request| matches!(request.stage, Stage::Resolving)) {
            return;
        }
        match result {
            Ok(ips) => self.found(desk, now, key, ips),
            Err(NetError::Exhausted) => {
                self.end(desk, key, Err(Error::Unreachable(NetError::Exhausted.to_string())))
            }
            Err(why) => self.end_silent(desk, key, Error::Unreachable(why.to_string())),
        }
        self.pump(desk, now);
    }

    /// Does what is due, deadlines of streams and names and retransmissions.
    pub fn due(&mut self, desk: &mut Desk, now: Instant) {
        while let Some((owner, ())) = self.timers.pop_due(now) {
            match owner {
                Owner::Request(key) => self.overdue(desk, now, key),
                Owner::Client(at) => self.clients.stir(at),
            }
        }
        self.pump(desk, now);
    }

    /// When [`due`](Self::due) must be called, at the latest.
    pub fn deadline(&self) -> Instant {
        self.timers.next().map_or(Instant::NEVER, |(at, ())| at)
    }

    /// Whether somebody waits for an announce. A torrent waits for its `stopped` as long as that may take before it is
    /// gone; what is still under way for one that is gone is out of time.
    pub fn is_awaited(&self) -> bool {
        self.requests.iter().any(|(_, request)| !matches!(request.hearer, Hearer::Nobody))
    }

    /// Which trackers have said what of our address since this was asked last, in that order.
    pub fn take_seen(&mut self) -> Vec<(IpAddr, IpAddr)> {
        core::mem::take(&mut self.seen)
    }

    /// Starts what may start, and lets the UDP clients send and tell what has ended.
    fn pump(&mut self, desk: &mut Desk, now: Instant) {
        loop {
            if let Some((door, key)) = self.lanes.start() {
                match self.requests.get_mut(key) {
                    Some(request) => {
                        request.began = now;
                        self.locate(desk, now, key);
                    }
                    None => self.lanes.end(&door),
                }
            } else if let Some(at) = self.clients.take_stirred() {
                self.drive(desk, now, at);
            } else {
                break;
            }
        }
    }

    /// Finds out where the host is that is asked now.
    fn locate(&mut self, desk: &mut Desk, now: Instant, key: SlotKey) {
        let Some(request) = self.requests.get_mut(key) else { return };
        request.stage = Stage::Resolving;
        match request.url().host() {
            Host::Ip(ip) => {
                let ip = *ip;
                self.found(desk, now, key, &[ip]);
            }
            Host::Name(name) => {
                desk.look_up(name, Asker::Announce(key));
                self.arm(key, now + RESOLVE_TIMEOUT);
            }
        }
    }

    /// The host's addresses are known.
    fn found(&mut self, desk: &mut Desk, now: Instant, key: SlotKey, ips: &[IpAddr]) {
        let Some(request) = self.requests.get_mut(key) else { return };
        let from = request.redirected.as_ref().map(|(_, from)| *from);
        match names::addresses(request.url(), request.job.family, ips, from) {
            Ok(addresses) => {
                request.rest = addresses;
                self.next_address(desk, now, key, Error::NoAddress);
            }
            Err(Error::NoAddress) => self.end_silent(desk, key, Error::NoAddress),
            Err(error) => self.end(desk, key, Err(error)),
        }
    }

    /// Asks at the next address, or ends with `error` if there is none left.
    fn next_address(&mut self, desk: &mut Desk, now: Instant, key: SlotKey, error: Error) {
        let Some(request) = self.requests.get_mut(key) else { return };
        let Some(at) = request.rest.pop_front() else { return self.end_silent(desk, key, error) };
        match request.url().scheme() {
            Scheme::Http | Scheme::Https => self.dial(desk, now, key, at),
            Scheme::Udp => self.ask_client(desk, now, key, at),
        }
    }

    /// A request's deadline has passed, or an earlier one that it once had.
    fn overdue(&mut self, desk: &mut Desk, now: Instant, key: SlotKey) {
        let Some(request) = self.requests.get(key) else { return };
        let deadline = request.deadline();
        if deadline > now {
            return self.timers.arm(Owner::Request(key), deadline, ());
        }
        match request.stage {
            Stage::Dialling { conn, .. } if request.ask.as_ref().is_none_or(|ask| ask.deadline() > now) => {
                desk.close(conn);
                self.next_address(desk, now, key, Error::TimedOut);
            }
            Stage::Resolving | Stage::Dialling { .. } | Stage::Asking { .. } => {
                self.end_silent(desk, key, Error::TimedOut);
            }
            Stage::Waiting | Stage::Datagrams => {}
        }
    }

    /// Sets the deadline of a request's stage.
    fn arm(&mut self, key: SlotKey, at: Instant) {
        let Some(request) = self.requests.get_mut(key) else { return };
        request.deadline = at;
        self.timers.arm(Owner::Request(key), request.deadline(), ());
    }

    /// Ends a request because its tracker says nothing; if nobody else has heard of it in that time, all that wait for
    /// it end likewise.
    fn end_silent(&mut self, desk: &mut Desk, key: SlotKey, error: Error) {
        let Some(request) = self.requests.get(key) else { return };
        if self.lanes.is_silent(&request.door, request.began) {
            for waiting in self.lanes.drain(&request.door) {
                self.end(desk, waiting, Err(error.clone()));
            }
        }
        self.end(desk, key, Err(error));
    }

    /// Ends a request, wherever it is, and tells its torrent.
    fn end(&mut self, desk: &mut Desk, key: SlotKey, result: Result<Answer, Error>) {
        let Some(request) = self.requests.remove(key) else { return };
        self.timers.disarm(Owner::Request(key));
        if let Some(conn) = request.conn() {
            desk.close(conn);
        }
        if !matches!(request.stage, Stage::Waiting) {
            self.lanes.end(&request.door);
        }
        let AnnounceJob { torrent, number, tracker, family, question, .. } = request.job;
        self.of_torrent.remove(&(torrent, key));
        if request.hearer == Hearer::Torrent {
            let said = Announced { number, tracker, family, event: question.event(), result };
            let what = ToTorrent::Announced(Box::new(said));
            desk.mail(torrent.shard, Mail::ToTorrent { torrent, crew: ShardId::FIRST, what });
        }
    }
}
