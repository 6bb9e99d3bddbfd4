//! The traffic of one connection: its parts, and the routes between them.
//!
//! Methods come in four families. *In*: [`want`](Session::want), [`filled`](Session::filled),
//! [`receive`](Session::receive), which return what the peer did. *Commands* queue messages and keep the legal state
//! (`commands.rs`). *Out*: [`outgoing`](Session::outgoing), [`slices`](Session::slices), [`sent`](Session::sent).
//! *Time*: [`due`](Session::due), [`deadline`](Session::deadline).

mod absorb;
mod commands;
mod exchange;
mod learning;
mod time;

use crate::asks::Asks;
use crate::choking::Choking;
use crate::depth::Depth;
use crate::early::Early;
use crate::event::{Event, Sent, Want};
use crate::extension::{Numbers, Offers, REGISTERED_MAX};
use crate::fast::Fast;
use crate::fault::Fault;
use crate::limits::Limits;
use crate::liveness::Liveness;
use crate::opening::Met;
use crate::out::Out;
use crate::pace::Pace;
use crate::pieces::Pieces;
use crate::serves::Serves;
use crate::temper::{Offence, Temper};
use crate::wire::frame::{Reader, take};
use crate::wire::handshake::{Handshake, Reserved};
use crate::wire::message::{Bounds, FieldLen};
use alloc::boxed::Box;
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
    /// Names of extensions (BEP 10) that the caller understands, beyond those of this crate (`lt_donthave`,
    /// `upload_only`, `ut_metadata` and `ut_pex`, which must not be named). At most [`REGISTERED_MAX`]; each once.
    pub extensions: Vec<String>,
    /// The exchanges that sessions begin with. None by default.
    pub offers: Offers,
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
    /// Nothing before the torrent is known.
    layout: Option<Layout>,
    /// What was said meanwhile.
    early: Option<Box<Early>>,
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
    /// Asks rejected by a peer that did not choke us since a block came last.
    refusals: u32,
    /// Until when nothing is asked, because too many were; `ZERO` if no such time is to come or to be told.
    shy_until: Instant,
    serves: Serves,
    fast: Fast,
    numbers: Numbers,
    offers: Offers,
    /// What of it the peer was told.
    offered: Offers,
    /// Pieces of metadata that we asked for and that were not answered, oldest first.
    metadata_asked: Vec<u32>,
    /// How often the peer tells us of its peers.
    pex_pace: Pace,
    /// Milliseconds on hold in which it may have told us of some, less those that have come for it since.
    pex_backlog: u32,
    out: Out,
    sent: Meter,
    liveness: Liveness,
    temper: Temper,
}

impl Session {
    /// The session that follows the handshakes. What of ours was not sent yet is sent first.
    pub fn new(now: Instant, config: &Arc<SessionConfig>, layout: Layout, met: &Met) -> Session {
        let mut session = Session::without_layout(now, config, met);
        session.set_layout(layout);
        session
    }

    /// The session that follows the handshakes when the torrent's pieces are not known (BEP 9: only its info-hash is).
    /// What the peer says about pieces is kept, within bounds, until [`learn`](Session::learn); until then nothing can
    /// be asked for, and what the peer asks for is refused.
    pub fn without_layout(now: Instant, config: &Arc<SessionConfig>, met: &Met) -> Session {
        assert!(config.extensions.len() <= REGISTERED_MAX, "more extensions than numbers");
        let common = met.common();
        let limits = &config.limits;
        let mut out = Out::new();
        out.raw(met.unsent());
        Session {
            bounds: bounds(limits, common),
            layout: None,
            early: Some(Box::new(Early::new())),
            theirs: met.theirs,
            reqq: limits.asks_unsaid,
            upload_only: false,
            reader: Reader::new(),
            arrival: None,
            choking: Choking::default(),
            choked_at: now,
            pieces: Pieces::new(0),
            asks: Asks::new(now),
            depth: Depth::new(now),
            refusals: 0,
            shy_until: Instant::ZERO,
            serves: Serves::new(),
            fast: Fast::new(),
            numbers: Numbers::new(config.extensions.len()),
            offers: config.offers,
            offered: Offers::NONE,
            metadata_asked: Vec::new(),
            pex_pace: Pace::new(),
            pex_backlog: 0,
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

    /// How the torrent is cut, if that is known.
    pub fn layout(&self) -> Option<&Layout> {
        self.layout.as_ref()
    }

    /// The pieces that the peer has; a set over nothing while the torrent is not known.
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

    /// The pieces that we may ask for while choked (BEP 6), without those of which the peer rejected a block while it did.
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

/// The bounds while the number of pieces is not known.
fn bounds(limits: &Limits, common: Reserved) -> Bounds {
    Bounds {
        block: limits.block_len,
        bitfield: FieldLen::AtMost(limits.early_field),
        extended: limits.extended_len,
        other: limits.message_len,
        fast: common.fast(),
        extended_on: common.extended(),
    }
}

#[cfg(test)]
mod tests;
