//! The traffic of one connection: its parts, and the routes between them.
//!
//! Methods come in four families. *In*: [`want`](Session::want), [`filled`](Session::filled),
//! [`receive`](Session::receive), which return what the peer did. *Commands* queue messages and keep the legal state
//! (`commands.rs`). *Out*: [`outgoing`](Session::outgoing), [`slices`](Session::slices), [`sent`](Session::sent).
//! *Time*: [`due`](Session::due), [`deadline`](Session::deadline).

mod absorb;
mod commands;
mod time;

use crate::asks::Asks;
use crate::choking::Choking;
use crate::depth::Depth;
use crate::event::{Event, Sent, Want};
use crate::extension::{Numbers, REGISTERED_MAX};
use crate::fast::Fast;
use crate::fault::Fault;
use crate::limits::Limits;
use crate::liveness::Liveness;
use crate::opening::Met;
use crate::out::Out;
use crate::pieces::Pieces;
use crate::serves::Serves;
use crate::temper::{Offence, Temper};
use crate::wire::frame::{Reader, take};
use crate::wire::handshake::{Handshake, Reserved};
use crate::wire::message::Bounds;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use tide_base::meter::Meter;
use tide_base::{Bits, Instant, Layout, PieceIndex, Span};

/// What all sessions of an engine have in common.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SessionConfig {
    /// The bounds.
    pub limits: Limits,
    /// Names of extensions (BEP 10) that the caller understands, beyond those of this crate (`lt_donthave` and
    /// `upload_only`, which must not be named). At most [`REGISTERED_MAX`]; each once.
    pub extensions: Vec<String>,
}

/// A block that is coming in.
#[derive(Clone, Copy, Debug)]
struct Arrival {
    span: Span,
    at: u32,
    asked: bool,
}

/// One connection behind its handshakes.
#[derive(Clone, Debug)]
pub struct Session {
    config: Arc<SessionConfig>,
    layout: Layout,
    bounds: Bounds,
    theirs: Handshake,
    /// How many requests the peer lets wait.
    reqq: u32,
    upload_only: bool,
    reader: Reader,
    arrival: Option<Arrival>,
    choking: Choking,
    /// When we last choked the peer.
    choked_at: Instant,
    pieces: Pieces,
    asks: Asks,
    depth: Depth,
    /// Asks rejected since a block came last.
    refusals: u32,
    /// Until when nothing is asked, because too many were.
    shy_until: Option<Instant>,
    serves: Serves,
    fast: Fast,
    numbers: Numbers,
    out: Out,
    sent: Meter,
    liveness: Liveness,
    temper: Temper,
}

impl Session {
    /// The session that follows the handshakes. What of ours was not sent yet is sent first.
    pub fn new(now: Instant, config: &Arc<SessionConfig>, layout: Layout, met: &Met) -> Session {
        assert!(config.extensions.len() <= REGISTERED_MAX, "more extensions than numbers");
        let common = met.common();
        let limits = &config.limits;
        let mut out = Out::new();
        out.raw(met.unsent());
        Session {
            bounds: bounds(limits, &layout, common),
            layout,
            theirs: met.theirs,
            reqq: limits.asks_unsaid,
            upload_only: false,
            reader: Reader::new(),
            arrival: None,
            choking: Choking::default(),
            choked_at: now,
            pieces: Pieces::new(layout.pieces()),
            asks: Asks::new(now),
            depth: Depth::new(now),
            refusals: 0,
            shy_until: None,
            serves: Serves::new(),
            fast: Fast::new(),
            numbers: Numbers::new(config.extensions.len()),
            out,
            sent: Meter::new(),
            liveness: Liveness::new(now),
            temper: Temper::new(now),
            config: Arc::clone(config),
        }
    }

    /// Where the next bytes from the peer belong.
    pub fn want(&self) -> Want {
        match self.arrival {
            Some(Arrival { span, at, asked: true }) if at < span.len => Want::Payload { span, at },
            _ => Want::Control,
        }
    }

    /// How many bytes can be read before the content of the next block that was asked for, whatever comes. Whoever reads
    /// no more at a time never has content with nowhere to put it.
    pub fn before_content(&self) -> usize {
        match self.arrival {
            Some(Arrival { span, at, asked: true }) if at < span.len => 0,
            Some(Arrival { span, at, .. }) => (span.len - at) as usize + self.reader.before_content(),
            None => self.reader.before_content(),
        }
    }

    /// Records that `len` bytes were read into the place that [`want`](Session::want) named, which must have been
    /// [`Want::Payload`] with room for them. [`Event::Arrived`] when the block is whole.
    pub fn filled(&mut self, now: Instant, len: u32) -> Option<Event<'static>> {
        let arrival = self.arrival.as_mut().filter(|arrival| arrival.asked);
        let arrival = arrival.expect("bytes were read for a block where none was wanted");
        arrival.at += len;
        assert!(arrival.at <= arrival.span.len, "more bytes were read than the block has");
        self.liveness.heard(now);
        self.asks.moved(self.liveness.listening(now));
        self.arrived(now)
    }

    /// Takes one event out of `bytes`, advancing them; `None` when they are used up. To be called until then: the
    /// last byte of a block gives two events.
    ///
    /// # Errors
    /// When the peer broke a rule. The connection must end; the session must not be used again.
    pub fn receive<'a>(&mut self, now: Instant, bytes: &mut &'a [u8]) -> Result<Option<Event<'a>>, Fault> {
        if self.out.control_len() > self.config.limits.control_queued {
            return Err(Fault::NotReading);
        }
        if !bytes.is_empty() {
            self.liveness.heard(now);
        }
        loop {
            if let Some(event) = self.arrived(now) {
                return Ok(Some(event));
            }
            if let Some(arrival) = &mut self.arrival {
                if bytes.is_empty() {
                    return Ok(None);
                }
                let part = take(bytes, (arrival.span.len - arrival.at) as usize);
                let Arrival { span, at, asked } = *arrival;
                arrival.at += part.len() as u32;
                if asked {
                    self.asks.moved(self.liveness.listening(now));
                    return Ok(Some(Event::Payload { span, at, bytes: part }));
                }
                continue;
            }
            let Some(message) = self.reader.next(bytes, &self.bounds)? else { return Ok(None) };
            if let Some(event) = self.absorb(now, message)? {
                return Ok(Some(event));
            }
        }
    }

    /// Bytes that wait to be sent.
    pub fn outgoing(&self) -> usize {
        self.out.len()
    }

    /// Blocks of which some content waits to be sent.
    pub fn outgoing_blocks(&self) -> usize {
        self.out.blocks()
    }

    /// What waits to be sent, in order, as slices for one vectored write; none is empty.
    pub fn slices(&self) -> impl Iterator<Item = &[u8]> {
        self.out.slices()
    }

    /// Fills `slices` from the front with what waits to be sent, `max` bytes at most; how many it filled.
    pub fn gather<'a>(&'a self, slices: &mut [&'a [u8]], max: usize) -> usize {
        let mut left = max;
        let mut filled = 0;
        for (place, slice) in slices.iter_mut().zip(self.out.slices()) {
            if left == 0 {
                break;
            }
            *place = &slice[..slice.len().min(left)];
            left -= place.len();
            filled += 1;
        }
        filled
    }

    /// Records that the first `n` bytes of what waits were sent.
    pub fn sent(&mut self, now: Instant, n: usize) -> Sent {
        let sent = self.out.sent(n);
        if n > 0 {
            self.liveness.drained(now);
        }
        if sent.payload > 0 {
            self.sent.add(now, sent.payload);
        }
        for _ in 0..sent.blocks {
            self.temper.earn();
        }
        sent
    }

    /// What the peer said in its handshake.
    pub fn handshake(&self) -> &Handshake {
        &self.theirs
    }

    /// Whether the fast extension (BEP 6) was agreed on.
    pub fn is_fast(&self) -> bool {
        self.bounds.fast
    }

    /// Whether the extension protocol (BEP 10) was agreed on.
    pub fn is_extended(&self) -> bool {
        self.bounds.extended_on
    }

    /// The four flags.
    pub fn choking(&self) -> Choking {
        self.choking
    }

    /// The pieces that the peer has.
    pub fn has(&self) -> &Bits {
        self.pieces.has()
    }

    /// Whether the peer said that it wants no content (BEP 21).
    pub fn upload_only(&self) -> bool {
        self.upload_only
    }

    /// Whether the peer snubs us.
    pub fn snubbed(&self) -> bool {
        self.depth.snubbed()
    }

    /// The pieces that we may ask for while choked (BEP 6).
    pub fn allowed_fast(&self) -> &[PieceIndex] {
        self.fast.allowed()
    }

    /// What we asked for and did not get, oldest first.
    pub fn asks(&self) -> &Asks {
        &self.asks
    }

    /// What the peer asked for and did not get.
    pub fn serves(&self) -> &Serves {
        &self.serves
    }

    /// Bytes of asked blocks that came a second.
    pub fn rate_in(&mut self, now: Instant) -> u64 {
        let listening = self.liveness.listening(now);
        self.depth.rate(listening)
    }

    /// Bytes of content that left a second.
    pub fn rate_out(&mut self, now: Instant) -> u64 {
        self.sent.rate(now)
    }

    /// Bytes of asked blocks that came ever.
    pub fn total_in(&self) -> u64 {
        self.depth.total()
    }

    /// Bytes of content that left ever.
    pub fn total_out(&self) -> u64 {
        self.sent.total()
    }

    fn limits(&self) -> &Limits {
        &self.config.limits
    }

    /// Queues a message.
    fn say(&mut self, now: Instant, message: &crate::wire::message::Message<'_>) {
        self.liveness.spoke(now, self.out.is_empty());
        self.out.message(message);
    }

    /// Counts a useless message.
    fn spend(&mut self, now: Instant, offence: Offence) -> Result<(), Fault> {
        self.temper.spend(now, offence, &self.config.limits.patience)
    }
}

fn bounds(limits: &Limits, layout: &Layout, common: Reserved) -> Bounds {
    Bounds {
        block: limits.block_len,
        bitfield: layout.pieces().div_ceil(8),
        extended: limits.extended_len,
        other: limits.message_len,
        fast: common.fast(),
        extended_on: common.extended(),
    }
}

#[cfg(test)]
mod tests;
