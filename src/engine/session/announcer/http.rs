//! Announces over streams: one connection a request, one request a connection.

use core::net::SocketAddr;

use tide_base::{Instant, SlotKey};
use tide_tracker::{Answer, Error, Host, Scheme, TrackerUrl};

use super::exchange::{Ask, Progress};
use super::limits::READ;
use super::names::Reach;
use super::request::Stage;
use super::{Announcer, Owner};
use crate::border::{NetError, Output};
use crate::desk::{Desk, Role};
use crate::shard::Slices;

/// What the end of a reply is called in an error if it came too early.
#[derive(Clone, Copy)]
enum End {
    NotYet,
    Came(NetError),
}

impl Announcer {
    /// The connection of a request stands.
    pub fn connected(&mut self, desk: &mut Desk, now: Instant, request: SlotKey) {
        let key = request;
        let Some(request) = self.requests.get_mut(key) else { return };
        let Stage::Dialling { conn, to } = request.stage else { return };
        let ask = match request.ask.take() {
            Some(ask) => Ok(ask),
            None => Ask::begin(now, request.url(), &request.job.question, &self.agent).map(Box::new),
        };
        match ask {
            Ok(mut ask) => {
                request.stage = Stage::Asking { conn, to, out: ask.write(), sent: 0 };
                request.deadline = Instant::NEVER;
                self.timers.arm(Owner::Request(key), ask.deadline(), ());
                request.ask = Some(ask);
                desk.put(Output::Send(conn));
            }
            Err(error) => self.end(desk, key, Err(error)),
        }
        self.pump(desk, now);
    }

    /// The connection of a request is gone, or could not be made. If it never stood, the next address is tried.
    pub fn closed(&mut self, desk: &mut Desk, now: Instant, request: SlotKey, why: NetError) {
        match self.requests.get(request).map(|request| &request.stage) {
            Some(Stage::Dialling { conn, .. }) => {
                desk.forget_conn(*conn);
                let error = Error::Unreachable(why.to_string());
                match why {
                    // Our own want, of which no other address and none of the others that wait is to blame.
                    NetError::Exhausted => self.end(desk, request, Err(error)),
                    _ => self.next_address(desk, now, request, error),
                }
            }
            Some(Stage::Asking { conn, .. }) => {
                desk.forget_conn(*conn);
                self.received(desk, now, request, &[], End::Came(why));
            }
            Some(Stage::Waiting | Stage::Resolving | Stage::Datagrams) | None => {}
        }
        self.pump(desk, now);
    }

    /// How many bytes may be read for a request.
    pub fn want(&self, request: SlotKey) -> usize {
        match self.requests.get(request).and_then(|request| request.conn()) {
            Some(_) => READ,
            None => 0,
        }
    }

    /// Bytes were read for a request.
    pub fn filled(&mut self, desk: &mut Desk, now: Instant, request: SlotKey, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.received(desk, now, request, bytes, End::NotYet);
            self.pump(desk, now);
        }
    }

    /// Names what is still to be sent for a request.
    pub fn gather<'a>(&'a self, request: SlotKey, out: &mut Slices<'a>) {
        if let Some(Stage::Asking { out: bytes, sent, .. }) =
            self.requests.get(request).map(|found| &found.stage)
            && *sent < bytes.len()
        {
            out.push(&bytes[*sent..]);
        }
    }

    /// `len` of the bytes gathered for a request were written.
    pub fn sent(&mut self, request: SlotKey, len: usize) {
        if let Some(Stage::Asking { out, sent, .. }) =
            self.requests.get_mut(request).map(|found| &mut found.stage)
        {
            *sent = (*sent + len).min(out.len());
        }
    }

    /// Connects to an address of the host.
    pub(super) fn dial(&mut self, desk: &mut Desk, now: Instant, key: SlotKey, to: SocketAddr) {
        let Some(request) = self.requests.get_mut(key) else { return };
        let tls = match (request.url().scheme(), request.url().host()) {
            (Scheme::Http | Scheme::Udp, _) => None,
            (Scheme::Https, Host::Name(name)) => Some(name.clone()),
            (Scheme::Https, Host::Ip(ip)) => Some(ip.to_string().into_boxed_str()),
        };
        let conn = desk.conns.insert(to, now, Role::Tracker(key));
        request.stage = Stage::Dialling { conn, to };
        desk.put(Output::Dial { conn, to, tls });
        self.arm(key, now + desk.limits.connect_timeout);
    }

    /// Hands what came in to the exchange.
    fn received(&mut self, desk: &mut Desk, now: Instant, key: SlotKey, bytes: &[u8], end: End) {
        let Some(request) = self.requests.get_mut(key) else { return };
        let (Stage::Asking { to, .. }, Some(ask)) = (&request.stage, &mut request.ask) else { return };
        let tracker = to.ip();
        let from = Reach::of(tracker);
        match ask.receive(now, bytes, matches!(end, End::Came(_))) {
            Ok(Progress::More) => {}
            Ok(Progress::Redirect(url)) => {
                self.lanes.heard(&request.door, now);
                self.redirect(desk, now, key, *url, from);
            }
            Ok(Progress::Done(answer)) => {
                self.lanes.heard(&request.door, now);
                if let Answer::Announced(reply) = &answer
                    && let Some(ip) = reply.external_ip
                {
                    self.seen.push((tracker, ip));
                }
                self.end(desk, key, Ok(answer));
            }
            // What broke the connection says more than that it broke.
            Err(Error::Closed)
                if let End::Came(why) = end
                    && why != NetError::Ended =>
            {
                self.end_silent(desk, key, Error::Unreachable(why.to_string()));
            }
            Err(error @ (Error::Closed | Error::TimedOut)) => self.end_silent(desk, key, error),
            Err(error) => {
                self.lanes.heard(&request.door, now);
                self.end(desk, key, Err(error));
            }
        }
    }

    /// Goes where the tracker, which is `from` far away, says that it is. The request keeps its place in its lane.
    fn redirect(&mut self, desk: &mut Desk, now: Instant, key: SlotKey, url: TrackerUrl, from: Reach) {
        let Some(request) = self.requests.get_mut(key) else { return };
        if let Some(conn) = request.conn() {
            desk.close(conn);
        }
        let Some(ask) = request.ask.take() else { return };
        match ask.follow(&url) {
            Ok(ask) => {
                request.ask = Some(Box::new(ask));
                let farthest = request.redirected.take().map_or(from, |(_, before)| before.max(from));
                request.redirected = Some((url, farthest));
                self.locate(desk, now, key);
            }
            Err(error) => self.end(desk, key, Err(error)),
        }
    }
}
