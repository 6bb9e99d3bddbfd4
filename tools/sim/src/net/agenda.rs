//! What is still to happen: packets under way, timers, the weather. Of two things at the same moment the seed chooses
//! the first.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::net::SocketAddr;

use tide_base::Instant;
use tide_engine::NetError;

use super::sender::{Ack, Segment};
use super::weather::Pair;
use super::words::HostId;
use crate::actor::EndId;

/// Something on its way from one host to another.
#[derive(Debug)]
pub(super) struct Packet {
    pub(super) from: HostId,
    pub(super) to: HostId,
    /// Its bytes on the line, headers included.
    pub(super) size: u32,
    pub(super) kind: Kind,
}

/// What a packet is. Ends are the ends of those who sent it.
#[derive(Debug)]
pub(super) enum Kind {
    Syn(u64),
    SynAck(u64),
    Segment(EndId, Segment),
    Ack(EndId, Ack),
    Rst(EndId),
    Datagram(Box<Datagram>),
}

impl Kind {
    /// The end that sent it, if it belongs to a stream.
    pub(super) fn sender(&self) -> Option<EndId> {
        match *self {
            Kind::Syn(stream) => Some(EndId { stream, dialler: true }),
            Kind::SynAck(stream) => Some(EndId { stream, dialler: false }),
            Kind::Segment(end, _) | Kind::Ack(end, _) | Kind::Rst(end) => Some(end),
            Kind::Datagram(_) => None,
        }
    }
}

/// A datagram under way.
#[derive(Clone, Debug)]
pub(super) struct Datagram {
    pub(super) from: SocketAddr,
    pub(super) at: SocketAddr,
    pub(super) data: Vec<u8>,
    /// Whether it comes for the second time.
    pub(super) copy: bool,
}

/// Something that is to happen.
#[derive(Debug)]
pub(super) enum Event {
    /// A packet comes to the link of its receiver.
    Cross(Packet),
    /// A packet has come through.
    Arrive(Packet),
    /// The timer of what an end sends, and what it was set for.
    Timer(EndId, Instant),
    /// A dialler tries the n-th time.
    Dial(u64, u32),
    /// A dial fails.
    Fail(u64, NetError),
    /// A datagram was held back long enough; the number tells it from later ones.
    Release(Pair, u64),
    /// The weather may change.
    Tick,
    /// A partition ends.
    Heal(u64),
    /// A pair of hosts is clogged until a moment.
    Clog(Pair, Instant),
    /// A clogged pair may be free.
    Thaw(Pair),
}

struct Entry {
    at: Instant,
    tie: u32,
    number: u64,
    event: Event,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Entry) -> bool {
        self.number == other.number
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Entry) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    /// The earliest is the greatest: a heap gives the greatest first.
    fn cmp(&self, other: &Entry) -> Ordering {
        (other.at, other.tie, other.number).cmp(&(self.at, self.tie, self.number))
    }
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} {:?}", self.at, self.event)
    }
}

/// All that is to happen.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    heap: BinaryHeap<Entry>,
    number: u64,
}

impl Agenda {
    /// `event` is to happen at `at`; `tie` is its lot among those of the same moment.
    pub(super) fn push(&mut self, at: Instant, tie: u32, event: Event) {
        self.number += 1;
        self.heap.push(Entry { at, tie, number: self.number, event });
    }

    /// When the next thing happens.
    pub(super) fn next_at(&self) -> Instant {
        self.heap.peek().map_or(Instant::NEVER, |entry| entry.at)
    }

    /// The next thing that happens until `now`, and when.
    pub(super) fn pop(&mut self, now: Instant) -> Option<(Instant, Event)> {
        if self.next_at() > now || self.heap.is_empty() {
            return None;
        }
        self.heap.pop().map(|entry| (entry.at, entry.event))
    }
}
