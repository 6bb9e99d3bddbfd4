//! A stream: two ends, and a direction out of each.

use std::collections::VecDeque;
use std::net::SocketAddr;

use tide_base::Instant;

use super::receiver::Receiver;
use super::sender::Sender;
use super::words::{HostId, NetSpec};
use crate::actor::EndId;
use crate::mishap::Mishap;

/// What the owner of an end knows of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum App {
    /// Nothing: it does not exist yet.
    Absent,
    /// It was dialled.
    Dialling,
    /// It stands.
    Open,
    /// It is gone, and the owner will hear so.
    Dying,
    /// It is gone.
    Gone,
}

/// Whether anything gets through at all.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Silence {
    /// Yes.
    None,
    /// No, until calm comes.
    Struck,
    /// Never again: an address is lost.
    Stranded,
}

/// One direction: bytes on their way from a writer to a reader. They are kept once, from when they are written until they
/// are both read and acknowledged.
#[derive(Debug)]
pub(super) struct Flow {
    pub(super) sender: Sender,
    pub(super) receiver: Receiver,
    bytes: VecDeque<u8>,
    base: u64,
    /// What happens after how many bytes.
    pub(super) trips: Vec<(u64, Mishap)>,
    /// When its last packet crosses: none overtakes another.
    pub(super) crosses: Instant,
}

impl Flow {
    fn new(spec: &NetSpec) -> Flow {
        let receiver = Receiver::new(spec.window, spec.mss);
        let sender = Sender::new(spec.mss, u64::from(spec.window.max(1)));
        let (bytes, trips) = (VecDeque::new(), Vec::new());
        Flow { sender, receiver, bytes, base: 0, trips, crosses: Instant::ZERO }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
        self.sender.wrote(bytes.len());
    }

    /// Reads what can be read, `into.len()` bytes at most; how many, and whether the sender should hear of it.
    pub(super) fn read(&mut self, into: &mut [u8]) -> (usize, bool) {
        let len = into.len().min(self.receiver.readable() as usize);
        self.copy(self.receiver.consumed(), &mut into[..len]);
        let wider = self.receiver.read(len);
        self.trim();
        (len, wider)
    }

    fn copy(&self, offset: u64, into: &mut [u8]) {
        let start = (offset - self.base) as usize;
        let (first, second) = self.bytes.as_slices();
        let from_first = first.len().saturating_sub(start).min(into.len());
        let (head, tail) = into.split_at_mut(from_first);
        head.copy_from_slice(&first[first.len().min(start)..][..from_first]);
        let start = (start + from_first).saturating_sub(first.len());
        tail.copy_from_slice(&second[start.min(second.len())..][..tail.len()]);
    }

    /// The bytes of a packet, as far as they are still kept.
    pub(super) fn peek(&self, offset: u64, len: u32) -> Vec<u8> {
        let end = (offset + u64::from(len)).min(self.base + self.bytes.len() as u64);
        let offset = offset.max(self.base);
        let mut bytes = vec![0; end.saturating_sub(offset) as usize];
        if !bytes.is_empty() {
            self.copy(offset, &mut bytes);
        }
        bytes
    }

    /// Forgets what is read and acknowledged.
    pub(super) fn trim(&mut self) {
        let acked = if self.sender.is_over() { u64::MAX } else { self.sender.acked() };
        let gone = acked.min(self.receiver.consumed()).saturating_sub(self.base);
        let gone = (gone as usize).min(self.bytes.len());
        self.base += gone as u64;
        self.bytes.drain(..gone);
        if self.bytes.is_empty() && self.bytes.capacity() > 64 << 10 {
            self.bytes = VecDeque::new();
        }
    }

    /// How many bytes its sender can be handed.
    pub(super) fn room(&self, spec: &NetSpec) -> u64 {
        u64::from(spec.send_buffer.max(1)).saturating_sub(self.sender.pending())
    }
}

/// One end, and what leaves from it.
#[derive(Debug)]
pub(super) struct Side {
    pub(super) host: HostId,
    pub(super) addr: SocketAddr,
    pub(super) app: App,
    pub(super) out: Flow,
    /// A write took less than was offered.
    pub(super) wants_room: bool,
    /// The other side's end has been told of.
    pub(super) told_end: bool,
    /// News that are under way to it.
    pub(super) readable_told: bool,
    pub(super) writable_told: bool,
}

/// A stream.
#[derive(Debug)]
pub(super) struct Stream {
    sides: [Side; 2],
    pub(super) silence: Silence,
    /// Nobody ever answers the dial.
    pub(super) muted: bool,
}

fn index(end: EndId) -> usize {
    usize::from(!end.dialler)
}

impl Stream {
    /// A stream that one host dials to another.
    pub(super) fn new(spec: &NetSpec, from: (HostId, SocketAddr), to: (HostId, SocketAddr)) -> Stream {
        let side = |(host, addr), app| Side {
            host,
            addr,
            app,
            out: Flow::new(spec),
            wants_room: false,
            told_end: false,
            readable_told: false,
            writable_told: false,
        };
        let sides = [side(from, App::Dialling), side(to, App::Absent)];
        Stream { sides, silence: Silence::None, muted: false }
    }

    pub(super) fn side(&self, end: EndId) -> &Side {
        &self.sides[index(end)]
    }

    pub(super) fn side_mut(&mut self, end: EndId) -> &mut Side {
        &mut self.sides[index(end)]
    }

    /// What comes in at an end.
    pub(super) fn inward(&self, end: EndId) -> &Flow {
        &self.sides[1 - index(end)].out
    }

    pub(super) fn inward_mut(&mut self, end: EndId) -> &mut Flow {
        &mut self.sides[1 - index(end)].out
    }

    pub(super) fn flows_mut(&mut self) -> impl Iterator<Item = &mut Flow> {
        self.sides.iter_mut().map(|side| &mut side.out)
    }

    pub(super) fn hosts(&self) -> [HostId; 2] {
        [self.sides[0].host, self.sides[1].host]
    }

    /// Nothing is sent any more in either direction.
    pub(super) fn kill(&mut self) {
        self.flows_mut().for_each(|flow| flow.sender.kill());
    }

    /// Whether nobody will ever ask for it.
    pub(super) fn is_over(&self) -> bool {
        self.sides.iter().all(|side| match side.app {
            App::Absent => true,
            App::Gone => side.out.sender.is_over(),
            _ => false,
        })
    }
}
