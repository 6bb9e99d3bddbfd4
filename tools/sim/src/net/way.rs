//! The way of a packet: out over its sender's link, across the middle, where the weather is, in over its receiver's link.

use tide_base::{Duration, Instant};

use super::agenda::{Event, Kind, Packet};
use super::stream::Silence;
use super::tap::{Flags, Tapped, TappedPacket};
use super::weather::Way;
use super::{HostId, Net};
use crate::mishap::Mishap;

/// Headers of a packet of a stream: IPv4 and TCP without options.
pub(super) const TCP_HEADER: u32 = 40;
/// Headers of a datagram: IPv4 and UDP.
pub(super) const UDP_HEADER: u32 = 28;
/// How long a host's words to itself take.
const LOOPBACK: Duration = Duration::from_micros(20);
/// The smallest step of time: what keeps two packets in order.
const TICK: Duration = Duration::from_nanos(1);
/// Jitter is at most three times the delay of the way, and this.
const MIN_JITTER: Duration = Duration::from_millis(5);

impl Net {
    /// How long a packet is under way that waits nowhere.
    pub(super) fn delay(&self, from: HostId, to: HostId) -> Duration {
        if from == to {
            return LOOPBACK;
        }
        self.host(from).spec.delay.saturating_add(self.host(to).spec.delay)
    }

    /// Sends a packet, to cross the middle no earlier than after `after`; when the last one crosses now.
    pub(super) fn launch(&mut self, packet: Packet, after: Instant) -> Instant {
        let (now, delay) = (self.now, self.delay(packet.from, packet.to));
        let at_least = after + TICK;
        if packet.from == packet.to {
            let at = (now + delay).max(at_least);
            self.count(&packet);
            self.schedule(at, Event::Arrive(packet));
            return at;
        }
        if matches!(packet.kind, Kind::Ack(..)) {
            self.schedule(now + delay, Event::Cross(packet));
            return after;
        }
        self.count(&packet);
        let must = matches!(packet.kind, Kind::Rst(_) | Kind::SynAck(_));
        let Some(left) = self.host_mut(packet.from).up.pass(now, packet.size, must) else {
            return self.lose(Mishap::TailDrop, after);
        };
        let loss = match packet.kind {
            Kind::Datagram(_) => Some(Mishap::UdpLoss),
            Kind::Rst(_) => None,
            _ => Some(Mishap::TcpLoss),
        };
        if let Some(loss) = loss.filter(|&loss| self.dice.strikes(loss)) {
            return self.lose(loss, after);
        }
        let mut at = (left + delay).max(at_least);
        if self.dice.strikes(Mishap::Jitter) {
            let most = delay.saturating_mul(3).saturating_add(MIN_JITTER).as_nanos();
            let most = u64::try_from(most).unwrap_or(u64::MAX);
            let late = left + delay + Duration::from_nanos(1 + self.dice.prng().below(most));
            if late > at {
                self.dice.hit(Mishap::Jitter);
                at = late;
            }
        }
        self.schedule(at, Event::Cross(packet));
        at
    }

    fn count(&mut self, packet: &Packet) {
        self.stats.packets += 1;
        self.stats.wire_bytes += u64::from(packet.size);
    }

    fn lose<T>(&mut self, why: Mishap, result: T) -> T {
        self.stats.lost += 1;
        self.dice.hit(why);
        result
    }

    /// A packet comes to the middle of the net.
    pub(super) fn cross(&mut self, packet: Packet) {
        match self.weather.way((packet.from, packet.to)) {
            Way::Cut(why) => {
                self.dice.hit(why);
                return self.gone(packet);
            }
            Way::Held(why) => {
                self.dice.hit(why);
                return self.weather.hold(packet);
            }
            Way::Open => {}
        }
        let must = matches!(packet.kind, Kind::Rst(_) | Kind::SynAck(_));
        self.enter(packet, must);
    }

    /// What was held in the middle goes on, all of it, whatever the queue.
    pub(super) fn let_go(&mut self, held: Vec<Packet>) {
        for packet in held {
            self.enter(packet, true);
        }
    }

    fn enter(&mut self, packet: Packet, must: bool) {
        if let Kind::Ack(..) = packet.kind {
            return self.arrive(packet);
        }
        let now = self.now;
        match self.host_mut(packet.to).down.pass(now, packet.size, must) {
            Some(at) => self.schedule(at, Event::Arrive(packet)),
            None => self.lose(Mishap::TailDrop, ()),
        }
    }

    /// A packet is lost in the middle. Whoever waits for what an acknowledgement said will have to ask.
    fn gone(&mut self, packet: Packet) {
        let Kind::Ack(end, _) = packet.kind else {
            self.stats.lost += 1;
            return;
        };
        let (now, hears) = (self.now, end.other());
        if let Some(stream) = self.streams.get_mut(&end.stream) {
            stream.side_mut(hears).out.sender.unheard(now);
            self.arm(hears);
        }
    }

    /// A packet has come through.
    pub(super) fn arrive(&mut self, packet: Packet) {
        if let Some(end) = packet.kind.sender() {
            match self.streams.get(&end.stream).map(|stream| stream.silence) {
                Some(Silence::None) => {}
                Some(_) => return self.gone(packet),
                None => return,
            }
        }
        if self.tapped.is_some() {
            self.note(&packet);
        }
        match packet.kind {
            Kind::Syn(stream) => self.syn(stream),
            Kind::SynAck(stream) => self.connected(stream),
            Kind::Segment(end, segment) => self.segment(end, segment),
            Kind::Ack(end, ack) => self.acknowledged(end, ack),
            Kind::Rst(end) => self.rst(end),
            Kind::Datagram(datagram) => self.datagram_comes(packet.from, packet.to, *datagram),
        }
    }

    fn note(&mut self, packet: &Packet) {
        let ack = Flags { ack: true, ..Flags::default() };
        let (flags, offset, len) = match packet.kind {
            Kind::Syn(_) => (Flags { syn: true, ..Flags::default() }, 0, 0),
            Kind::SynAck(_) => (Flags { syn: true, ..ack }, 0, 0),
            Kind::Segment(_, segment) => (Flags { fin: segment.fin, ..ack }, segment.offset, segment.len),
            Kind::Rst(_) => (Flags { rst: true, ..ack }, 0, 0),
            Kind::Ack(..) => return,
            Kind::Datagram(ref datagram) => {
                let what = TappedPacket::Udp { data: datagram.data.clone() };
                let (from, to) = (datagram.from, datagram.at);
                self.tapped.get_or_insert_default().push(Tapped { at: self.now, from, to, what });
                return;
            }
        };
        let Some(end) = packet.kind.sender() else { return };
        let Some(stream) = self.streams.get(&end.stream) else { return };
        let data = stream.side(end).out.peek(offset, len);
        let acked = stream.inward(end).receiver.upto();
        let (from, to) = (stream.side(end).addr, stream.side(end.other()).addr);
        let offset = offset + u64::from(len) - data.len() as u64;
        let what = TappedPacket::Tcp { stream: end.stream, flags, offset, acked, data };
        self.tapped.get_or_insert_default().push(Tapped { at: self.now, from, to, what });
    }
}
