//! What streams do with packets that come, and which they send.

use tide_base::{Duration, Instant};
use tide_engine::NetError;

use super::agenda::{Event, Kind, Packet};
use super::sender::{Ack, Due, Segment};
use super::stream::{App, Silence};
use super::way::TCP_HEADER;
use super::{Net, News};
use crate::actor::EndId;
use crate::mishap::Mishap;

/// A stream whose other side does not answer breaks after so long (Linux: `tcp_retries2`).
const PATIENCE: Duration = Duration::from_secs(924);
/// The same, once its owner has closed it (Linux: `tcp_orphan_retries`).
const ORPHAN_PATIENCE: Duration = Duration::from_secs(127);

impl Net {
    /// Sends what may be sent.
    pub(super) fn pump(&mut self, end: EndId) {
        loop {
            let now = self.now;
            let Some(stream) = self.streams.get_mut(&end.stream) else { return };
            let (from, to) = (stream.side(end).host, stream.side(end.other()).host);
            let Some(segment) = stream.side_mut(end).out.sender.next(now) else { break };
            let size = segment.len + TCP_HEADER;
            self.follow(end, Packet { from, to, size, kind: Kind::Segment(end, segment) });
        }
        self.arm(end);
    }

    /// Sets the timer of what an end sends, if it must be.
    pub(super) fn arm(&mut self, end: EndId) {
        let Some(stream) = self.streams.get_mut(&end.stream) else { return };
        if let Some(at) = stream.side_mut(end).out.sender.arm() {
            self.schedule(at, Event::Timer(end, at));
        }
    }

    /// A timer has come.
    pub(super) fn timer(&mut self, end: EndId, set_for: Instant) {
        let now = self.now;
        let Some(stream) = self.streams.get_mut(&end.stream) else { return };
        let side = stream.side_mut(end);
        let owned = side.app == App::Open;
        let patience = if owned { PATIENCE } else { ORPHAN_PATIENCE };
        match side.out.sender.timer(now, set_for, patience) {
            Due::Nothing => self.arm(end),
            Due::Resend => self.pump(end),
            Due::GiveUp if owned => self.fail(end, NetError::TimedOut),
            Due::GiveUp => {
                side.out.sender.kill();
                self.bury(end);
            }
        }
    }

    /// Breaks a stream for the other side.
    pub(super) fn send_rst(&mut self, end: EndId) {
        let Some(stream) = self.streams.get(&end.stream) else { return };
        let (from, to) = (stream.side(end).host, stream.side(end.other()).host);
        self.follow(end, Packet { from, to, size: TCP_HEADER, kind: Kind::Rst(end) });
    }

    /// The other side, whose end it is, breaks the stream.
    pub(super) fn rst(&mut self, from: EndId) {
        let Some(stream) = self.streams.get_mut(&from.stream) else { return };
        let end = from.other();
        match stream.side(end).app {
            App::Dialling => self.fail(end, NetError::Refused),
            App::Open => self.fail(end, NetError::Reset),
            _ => {}
        }
        if let Some(stream) = self.streams.get_mut(&from.stream) {
            stream.kill();
        }
        self.bury(end);
    }

    /// An end is gone, and its owner is told.
    pub(super) fn fail(&mut self, end: EndId, why: NetError) {
        let Some(stream) = self.streams.get_mut(&end.stream) else { return };
        let side = stream.side_mut(end);
        side.app = App::Dying;
        side.out.sender.kill();
        let host = side.host;
        stream.inward_mut(end).receiver.swallow();
        self.news.push_back(News::Closed { host, end, why });
    }

    /// An end is gone for its owner.
    pub(super) fn forget(&mut self, end: EndId) {
        let Some(stream) = self.streams.get_mut(&end.stream) else { return };
        let side = stream.side_mut(end);
        if matches!(side.app, App::Gone | App::Absent) {
            return;
        }
        side.app = App::Gone;
        let host = side.host;
        stream.inward_mut(end).receiver.swallow();
        stream.inward_mut(end).trim();
        self.host_mut(host).ends.remove(&end);
        self.bury(end);
    }

    /// Forgets a stream that nobody will ask for.
    pub(super) fn bury(&mut self, end: EndId) {
        if self.streams.get(&end.stream).is_some_and(|stream| stream.is_over()) {
            self.streams.remove(&end.stream);
        }
    }

    /// A packet of the end `from` has come.
    pub(super) fn segment(&mut self, from: EndId, segment: Segment) {
        self.connected(from.stream);
        let end = from.other();
        let Some(stream) = self.streams.get_mut(&from.stream) else { return };
        let side = stream.side(end);
        let owned = side.app == App::Open;
        if !owned && side.out.sender.is_over() && segment.len > 0 {
            return self.send_rst(end);
        }
        let flow = stream.inward_mut(end);
        let new = flow.receiver.take(segment.offset, segment.len, segment.fin);
        self.stats.stream_bytes += new;
        if !owned {
            flow.receiver.swallow();
            flow.trim();
        }
        let struck = new > 0 && owned && self.trip(end);
        if new > 0 {
            self.tell_readable(end);
        }
        match struck {
            true => {
                self.fail(end, NetError::Reset);
                self.send_rst(end);
            }
            false => {
                self.tell_end(end);
                self.acknowledge(end, segment.tx, segment.sent_at);
            }
        }
    }

    /// Whatever strikes after as many bytes as have come; whether the stream is reset.
    fn trip(&mut self, end: EndId) -> bool {
        let Some(stream) = self.streams.get_mut(&end.stream) else { return false };
        let flow = stream.inward_mut(end);
        let arrived = flow.receiver.arrived();
        while flow.trips.first().is_some_and(|&(after, _)| after <= arrived) {
            let (after, what) = flow.trips.remove(0);
            match what {
                Mishap::Silence => {
                    stream.silence = Silence::Struck;
                    self.dice.hit(what);
                    return false;
                }
                _ if flow.receiver.ends_by(after) => continue,
                _ => flow.receiver.cut(after),
            }
            self.dice.hit(what);
            if what == Mishap::Reset {
                return true;
            }
        }
        false
    }

    fn tell_readable(&mut self, end: EndId) {
        let Some(stream) = self.streams.get_mut(&end.stream) else { return };
        let readable = stream.inward(end).receiver.readable() > 0;
        let side = stream.side_mut(end);
        if readable && side.app == App::Open && !side.readable_told {
            side.readable_told = true;
            self.news.push_back(News::Readable { host: side.host, end });
        }
    }

    /// Tells the owner that the other side has ended its direction, once it has read all of it.
    pub(super) fn tell_end(&mut self, end: EndId) {
        let Some(stream) = self.streams.get_mut(&end.stream) else { return };
        let ended = stream.inward(end).receiver.ended();
        let side = stream.side_mut(end);
        if ended && side.app == App::Open && !side.told_end {
            side.told_end = true;
            self.news.push_back(News::Closed { host: side.host, end, why: NetError::Ended });
        }
    }

    /// Tells the other side what has come, and how much more may.
    pub(super) fn acknowledge(&mut self, end: EndId, tx: u64, sent_at: Instant) {
        let Some(stream) = self.streams.get_mut(&end.stream) else { return };
        let (from, to) = (stream.side(end).host, stream.side(end.other()).host);
        let receiver = &mut stream.inward_mut(end).receiver;
        let ack = Ack { tx, sent_at, upto: receiver.upto(), edge: receiver.edge() };
        self.launch(Packet { from, to, size: 0, kind: Kind::Ack(end, ack) }, Instant::ZERO);
    }

    /// The end `from` has acknowledged something.
    pub(super) fn acknowledged(&mut self, from: EndId, ack: Ack) {
        let (now, end) = (self.now, from.other());
        let Some(stream) = self.streams.get_mut(&from.stream) else { return };
        let flow = &mut stream.side_mut(end).out;
        flow.sender.acknowledged(now, ack);
        flow.trim();
        self.pump(end);
        self.offer_room(end);
        self.bury(end);
    }

    /// Tells an owner whose write was cut short that it can go on.
    pub(super) fn offer_room(&mut self, end: EndId) {
        let Some(stream) = self.streams.get_mut(&end.stream) else { return };
        let side = stream.side_mut(end);
        let room = side.out.room(&self.spec);
        let enough = room.saturating_mul(3) >= u64::from(self.spec.send_buffer);
        if side.wants_room && side.app == App::Open && room > 0 && enough && !side.writable_told {
            side.wants_room = false;
            side.writable_told = true;
            self.news.push_back(News::Writable { host: side.host, end });
        }
    }
}
