//! How a stream begins: a dial, its answer, and all the reasons why there is none.

use std::net::{Ipv4Addr, SocketAddr};

use tide_base::{Duration, Instant};
use tide_engine::NetError;
use tide_portmap::Protocol;

use super::agenda::{Event, Kind, Packet};
use super::stream::{App, Stream};
use super::way::TCP_HEADER;
use super::{HostId, Net, News};
use crate::actor::EndId;
use crate::mishap::Mishap;

/// A dial is tried so often, each time after twice as long, and fails after 127 seconds: as on Linux.
const TRIES: u32 = 7;
/// A router takes at most so long to say that there is no way.
const UNREACHABLE: Duration = Duration::from_millis(500);
/// A stream is struck after less than twice two to the power of less than this many bytes: 8 MiB.
const STRIKE_BITS: u64 = 23;

impl Net {
    /// A host dials, from an address of the same family. `end` is a dialler's end with a number that was never used;
    /// [`News::Connected`] or [`News::Closed`] of it will come, the latter after 127 seconds if nobody answers.
    pub fn dial(&mut self, now: Instant, host: HostId, end: EndId, to: SocketAddr) {
        assert!(end.dialler && !self.streams.contains_key(&end.stream), "{end:?} was used before");
        self.now = now.max(self.now);
        self.stats.dials += 1;
        let mut to = tide_base::addr::canonical(to);
        let far = if to.ip().is_loopback() { Some(host) } else { self.host_at(to.ip()) };
        let source = self.host_mut(host).source(to.ip());
        let apart = far.filter(|&far| !self.are_near(host, far));
        let inner = apart.and_then(|far| self.host(far).forward(self.now, Protocol::Tcp, to.port()));
        if let Some(inner) = inner {
            to.set_port(inner);
        }
        let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let near = (host, source.unwrap_or(nowhere));
        self.streams.insert(end.stream, Stream::new(&self.spec, near, (far.unwrap_or(host), to)));
        let has_socket = self.host(host).has_socket();
        self.host_mut(host).ends.insert(end);
        if !has_socket || self.dice.strikes(Mishap::NoSockets) {
            self.dice.hit(Mishap::NoSockets);
            return self.fail(end, NetError::Exhausted);
        }
        if source.is_none() {
            return self.fail(end, NetError::Unreachable);
        }
        let Some(far) = far.filter(|_| to.port() != 0) else {
            let silent = self.dice.prng().chance(1, 2);
            let after = Duration::from_nanos(self.dice.prng().below(UNREACHABLE.as_nanos() as u64));
            return self.fail_later(end.stream, NetError::Unreachable, silent, after);
        };
        if apart.is_some() && inner.is_none() && self.host(far).spec.nat {
            self.dice.hit(Mishap::Nat);
            let silent = self.dice.prng().chance(1, 2);
            return self.fail_later(end.stream, NetError::Refused, silent, self.delay(host, far) * 2);
        }
        self.try_dial(end.stream, 0);
    }

    fn fail_later(&mut self, stream: u64, why: NetError, silent: bool, after: Duration) {
        if silent {
            let at = self.now + Duration::from_secs((1 << TRIES) - 1);
            return self.schedule(at, Event::Fail(stream, NetError::TimedOut));
        }
        self.schedule(self.now + after, Event::Fail(stream, why));
    }

    /// A dial that could not succeed is told so.
    pub(super) fn dial_failed(&mut self, stream: u64, why: NetError) {
        let end = EndId { stream, dialler: true };
        if self.streams.get(&stream).is_some_and(|stream| stream.side(end).app == App::Dialling) {
            self.fail(end, why);
        }
    }

    /// Asks again, unless there was an answer.
    pub(super) fn try_dial(&mut self, id: u64, tries: u32) {
        let end = EndId { stream: id, dialler: true };
        let Some(stream) = self.streams.get(&id).filter(|stream| stream.side(end).app == App::Dialling)
        else {
            return;
        };
        if tries >= TRIES {
            return self.fail(end, NetError::TimedOut);
        }
        let [from, to] = stream.hosts();
        self.follow(end, Packet { from, to, size: TCP_HEADER, kind: Kind::Syn(id) });
        self.schedule(self.now + Duration::from_secs(1 << tries), Event::Dial(id, tries + 1));
    }

    /// Sends a packet of a stream, behind those that its end has sent before.
    pub(super) fn follow(&mut self, end: EndId, packet: Packet) {
        let Some(stream) = self.streams.get(&end.stream) else { return };
        let crosses = self.launch(packet, stream.side(end).out.crosses);
        if let Some(stream) = self.streams.get_mut(&end.stream) {
            stream.side_mut(end).out.crosses = crosses;
        }
    }

    /// Somebody knocks.
    pub(super) fn syn(&mut self, id: u64) {
        let end = EndId { stream: id, dialler: false };
        let Some(stream) = self.streams.get(&id).filter(|stream| !stream.muted) else { return };
        let side = stream.side(end);
        let (host, at, from) = (side.host, side.addr, stream.side(end.other()).addr);
        match side.app {
            App::Open => return self.answer(end),
            App::Absent => {}
            _ => return,
        }
        if !self.addr_of(host, at) {
            return;
        }
        if !self.host(host).listens.contains(&at.port()) {
            return self.send_rst(end);
        }
        if !self.host(host).has_socket() || self.dice.strikes(Mishap::NoSockets) {
            return self.dice.hit(Mishap::NoSockets);
        }
        if self.dice.hits(Mishap::ConnectRefused) {
            return self.send_rst(end);
        }
        let muted = self.dice.hits(Mishap::ConnectTimeout);
        let trips = if muted { Vec::new() } else { self.draw_trips() };
        let Some(stream) = self.streams.get_mut(&id) else { return };
        stream.muted = muted;
        if muted {
            return;
        }
        for (dialler, after, what) in trips {
            stream.side_mut(EndId { stream: id, dialler }).out.trips.push((after, what));
        }
        stream.side_mut(end).app = App::Open;
        self.host_mut(host).ends.insert(end);
        self.stats.streams += 1;
        self.news.push_back(News::Accepted { host, end, from, at });
        self.answer(end);
    }

    /// What will happen to a stream: in which direction, after how many bytes.
    fn draw_trips(&mut self) -> Vec<(bool, u64, Mishap)> {
        let mut trips = Vec::new();
        for what in [Mishap::Reset, Mishap::HalfClose, Mishap::Silence] {
            if self.dice.strikes(what) {
                let prng = self.dice.prng();
                let least = 1 << prng.below(STRIKE_BITS);
                trips.push((prng.chance(1, 2), least + prng.below(least), what));
            }
        }
        trips.sort_by_key(|&(_, after, _)| after);
        trips
    }

    fn answer(&mut self, end: EndId) {
        let Some(stream) = self.streams.get(&end.stream) else { return };
        let [to, from] = stream.hosts();
        self.follow(end, Packet { from, to, size: TCP_HEADER, kind: Kind::SynAck(end.stream) });
    }

    /// The dialled host has answered.
    pub(super) fn connected(&mut self, id: u64) {
        let end = EndId { stream: id, dialler: true };
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let side = stream.side_mut(end);
        if side.app == App::Dialling {
            side.app = App::Open;
            self.news.push_back(News::Connected { host: side.host, end, local: side.addr });
            self.offer_room(end);
        }
    }
}
