//! The streams of a tracker: how far each has come, and when it must be looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use tide_base::{Duration, Instant, Prng};

use super::http::Request;
use crate::actor::EndId;

/// Bytes of a filler that are sent at once.
const FILLER_PART: usize = 64 << 10;
/// The pause after them.
const FILLER_GAP: Duration = Duration::from_millis(10);
/// Parts of a reply, at the most.
const PARTS: usize = 32;

/// What becomes of a stream when all is said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// It carries another request.
    Keep,
    Close,
    Reset,
}

/// Something that is sent over and over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Filler {
    block: Vec<u8>,
    times: usize,
}

impl Filler {
    /// `pattern`, until about `bytes` are sent.
    pub(super) fn new(pattern: &[u8], bytes: usize) -> Filler {
        let block = pattern.repeat((FILLER_PART / pattern.len()).max(1));
        Filler { times: bytes.div_ceil(block.len()), block }
    }
}

/// A reply on its way out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Output {
    bytes: Vec<u8>,
    sent: usize,
    part: usize,
    gap: Duration,
    filler: Option<Filler>,
    /// What follows it.
    pub(super) end: End,
}

impl Output {
    /// All at once.
    pub(super) fn whole(bytes: Vec<u8>, end: End) -> Output {
        Output { part: bytes.len(), bytes, sent: 0, gap: FILLER_GAP, filler: None, end }
    }

    /// All at once, or in a few dozen parts with pauses in between.
    pub(super) fn in_parts(prng: &mut Prng, bytes: Vec<u8>, end: End) -> Output {
        let mut output = Output::whole(bytes, end);
        if prng.chance(1, 2) {
            let len = output.bytes.len();
            output.part = prng.index(len + 1).max(len.div_ceil(PARTS));
            output.gap = Duration::from_micros(1 + prng.below(30_000));
        }
        output
    }

    /// With something behind it that is sent over and over.
    pub(super) fn filled(self, filler: Filler) -> Output {
        Output { filler: Some(filler), ..self }
    }

    /// The next part; none when all is sent.
    pub(super) fn next_part(&mut self) -> Option<Vec<u8>> {
        if self.sent < self.bytes.len() {
            let end = (self.sent + self.part.max(1)).min(self.bytes.len());
            let part = self.bytes[self.sent..end].to_vec();
            self.sent = end;
            return Some(part);
        }
        let filler = self.filler.as_mut().filter(|filler| filler.times > 0)?;
        filler.times -= 1;
        Some(filler.block.clone())
    }

    /// Whether all is sent.
    pub(super) fn is_sent(&self) -> bool {
        self.sent == self.bytes.len() && self.filler.as_ref().is_none_or(|filler| filler.times == 0)
    }

    /// The pause until the next part.
    pub(super) fn gap(&self) -> Duration {
        self.gap
    }
}

/// How far a stream has come.
#[derive(Clone, Debug)]
pub(super) enum Stage {
    /// A request comes in.
    Reading,
    /// The tracker takes its time over one.
    Thinking(Request),
    /// The reply goes out.
    Writing(Output),
}

/// A stream.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) from: SocketAddr,
    pub(super) at: SocketAddr,
    /// Received and not yet read.
    pub(super) input: Vec<u8>,
    pub(super) stage: Stage,
    /// Whether the other side has ended its direction.
    pub(super) ended: bool,
    due: Instant,
}

/// All streams of a tracker.
#[derive(Debug, Default)]
pub(super) struct Streams {
    table: BTreeMap<EndId, Stream>,
    agenda: BTreeSet<(Instant, EndId)>,
}

impl Streams {
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// A new one that is reading, to be looked at when it is `due`.
    pub(super) fn open(&mut self, end: EndId, from: SocketAddr, at: SocketAddr, due: Instant) {
        self.forget(end);
        let stream = Stream { from, at, input: Vec::new(), stage: Stage::Reading, ended: false, due };
        self.table.insert(end, stream);
        self.agenda.insert((due, end));
    }

    pub(super) fn get_mut(&mut self, end: EndId) -> Option<&mut Stream> {
        self.table.get_mut(&end)
    }

    /// Lets a stream be looked at when it is `due`, and not before.
    pub(super) fn arm(&mut self, end: EndId, due: Instant) {
        if let Some(stream) = self.table.get_mut(&end) {
            self.agenda.remove(&(stream.due, end));
            stream.due = due;
            self.agenda.insert((due, end));
        }
    }

    pub(super) fn forget(&mut self, end: EndId) {
        if let Some(stream) = self.table.remove(&end) {
            self.agenda.remove(&(stream.due, end));
        }
    }

    /// Takes out all, in order.
    pub(super) fn drain(&mut self) -> Vec<EndId> {
        self.agenda.clear();
        std::mem::take(&mut self.table).into_keys().collect()
    }

    /// When the first must be looked at.
    pub(super) fn next_at(&self) -> Instant {
        self.agenda.first().map_or(Instant::NEVER, |(due, _)| *due)
    }

    /// One that must be looked at now. Whoever gets it arms or forgets it.
    pub(super) fn due(&self, now: Instant) -> Option<EndId> {
        self.agenda.first().filter(|(due, _)| *due <= now).map(|(_, end)| *end)
    }
}
