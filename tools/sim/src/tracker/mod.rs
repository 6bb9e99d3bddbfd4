//! Trackers over HTTP and UDP, and the resolver of their names.
//!
//! ```text
//! streams ─▶ http (bytes → Asked) ─┐                                     ┌─▶ http (Reply → bytes) ─▶ stream (in parts)
//! datagrams ─▶ udp ────────────────┴─▶ garbage, or office (registry, log) ┴─▶ udp
//! ```

mod ask;
mod garbage;
mod http;
pub mod log;
pub mod names;
mod office;
mod serve;
mod spec;
mod stream;
#[cfg(test)]
mod tests;
mod udp;
mod weather;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use tide_base::{Duration, Instant};
use tide_engine::NetError;

use self::office::Office;
use self::stream::Streams;
use self::weather::{Met, Weather};
use crate::actor::{Actor, EndId, Hands, Heard};
use crate::dice::Dice;
use crate::mishap::{Mishap, Tally};

pub use log::{Carrier, Line, Log, Seen, Told, Visit};
pub use names::Names;
pub use office::{CROWD, Statement};
pub use spec::TrackerSpec;
pub use weather::SPELL;

/// Streams that are open at a time; more are reset.
const STREAMS: usize = 4096;
/// Datagrams over which a slow tracker thinks at a time; more are dropped.
const DATAGRAMS: usize = 4096;
/// How long a stream may wait for a request to come in.
const IDLE: Duration = Duration::from_secs(120);

/// A datagram that will be answered later.
#[derive(Debug)]
struct Letter {
    from: SocketAddr,
    at: SocketAddr,
    data: Vec<u8>,
}

/// A tracker: one host, asked over streams and datagrams at all of its addresses.
///
/// Mishaps, each with a chance a request (an HTTP request, or a datagram: connect, announce, scrape) unless said
/// otherwise: `tracker-slow`, `tracker-error`, `tracker-garbage`, `tracker-redirect` (HTTP only); a chance an answered
/// announce: `tracker-interval-zero`, `tracker-interval-huge`, and unless it is `stopped` `tracker-names-us`,
/// `tracker-bogons`, `tracker-crowd`; a chance a [`SPELL`] that it is up: `tracker-down`.
///
/// In the second act a tracker of the core is up and honest, also over what it was already thinking about (at most
/// five minutes). The weather over any other stands still, so one that is down stays down; its habits remain.
#[derive(Debug)]
pub struct Tracker {
    spec: TrackerSpec,
    dice: Dice,
    office: Office,
    weather: Weather,
    streams: Streams,
    letters: BTreeMap<(Instant, u64), Letter>,
    numbered: u64,
    /// From which connection ids follow.
    secret: u64,
}

impl Tracker {
    /// One that nobody has asked yet.
    pub fn new(spec: TrackerSpec, mut dice: Dice) -> Tracker {
        let secret = dice.prng().next_u64();
        Tracker {
            office: Office::new(&spec, &mut dice),
            weather: Weather::new(&dice),
            spec,
            dice,
            streams: Streams::default(),
            letters: BTreeMap::new(),
            numbered: 0,
            secret,
        }
    }

    /// What it is.
    pub fn spec(&self) -> &TrackerSpec {
        &self.spec
    }

    /// What it saw of those who asked.
    pub fn log(&self) -> &Log {
        &self.office.log
    }

    /// Whom it has named as peers of which torrent since last time.
    pub fn take_named(&mut self) -> Vec<(tide_base::InfoHash, std::net::SocketAddr)> {
        std::mem::take(&mut self.office.named)
    }

    /// What peers have said of themselves since last time, however it was answered.
    pub fn take_said(&mut self) -> Vec<Statement> {
        std::mem::take(&mut self.office.said)
    }

    /// Whether it is down now. (Streams to it are reset at once, or are never answered.)
    pub fn is_down(&self) -> bool {
        !self.weather.is_up()
    }
}

impl Actor for Tracker {
    fn hear(&mut self, now: Instant, what: Heard<'_>, hands: &mut Hands<'_>) {
        match what {
            Heard::Accepted { end, from, at } => match self.weather.meet(&mut self.dice) {
                Met::Open if self.spec.http && self.streams.len() < STREAMS => {
                    self.streams.open(end, from, at, now + IDLE);
                }
                Met::Open | Met::Refusal => hands.reset(end),
                Met::Silence => {}
            },
            Heard::Bytes { end, data } => self.received(now, end, data, hands),
            Heard::Closed { end, why } => self.closed(now, end, why, hands),
            Heard::Datagram { from, at, data } => {
                if self.spec.udp && self.weather.meet(&mut self.dice) == Met::Open {
                    self.datagram(now, from, at, data, hands);
                }
            }
            // It never dials.
            Heard::Connected { .. } => {}
        }
    }

    fn wake_at(&self) -> Instant {
        let letter = self.letters.first_key_value().map_or(Instant::NEVER, |((at, _), _)| *at);
        self.weather.next_at().min(self.streams.next_at()).min(letter)
    }

    fn wake(&mut self, now: Instant, hands: &mut Hands<'_>) {
        if self.weather.turn(now, &mut self.dice) {
            self.go_down(hands);
        }
        while let Some(end) = self.streams.due(now) {
            self.look_at(now, end, hands);
        }
        while let Some(entry) = self.letters.first_entry().filter(|entry| entry.key().0 <= now) {
            let Letter { from, at, data } = entry.remove();
            self.answer(now, from, at, &data, hands);
        }
    }

    fn tally(&self) -> Tally<Mishap> {
        self.dice.tally().clone()
    }

    fn calm(&mut self, core: bool) {
        self.weather.calm(core);
        if core {
            self.dice.calm();
        }
    }
}

impl Tracker {
    /// The tracker's end of all streams is gone, and so is what it was thinking about.
    fn go_down(&mut self, hands: &mut Hands<'_>) {
        let open = self.streams.drain();
        let idle = open.is_empty() && self.letters.is_empty();
        self.letters.clear();
        // Where nobody was, nobody has noticed.
        if !idle && self.weather.meet(&mut self.dice) == Met::Refusal {
            open.into_iter().for_each(|end| hands.reset(end));
        }
    }

    fn closed(&mut self, now: Instant, end: EndId, why: NetError, hands: &mut Hands<'_>) {
        let Some(stream) = self.streams.get_mut(end) else { return };
        if why == NetError::Ended {
            // What it asked before is still answered.
            stream.ended = true;
            self.advance(now, end, hands);
        } else {
            self.streams.forget(end);
        }
    }
}
