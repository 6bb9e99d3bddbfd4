//! Trackers over HTTP and UDP, and the resolver of their names.
//!
//! ```text
//! streams ─▶ http (bytes → Asked) ─┐                                   ┌─▶ http (Reply → bytes, in parts)
//! datagrams ─▶ udp ────────────────┴─▶ mishap, or office (registry, log) ┴─▶ udp
//! ```

mod ask;
pub mod log;
pub mod names;
mod office;
mod spec;
mod weather;

use std::net::SocketAddr;

use tide_base::Instant;

use crate::actor::{Actor, Hands, Heard};
use crate::dice::Dice;
use crate::mishap::{Mishap, Tally};

pub use log::{Carrier, Line, Log, Seen, Told, Visit};
pub use names::Names;
pub use office::CROWD;
pub use spec::TrackerSpec;
pub use weather::SPELL;

/// A tracker: one host, asked over streams and datagrams at all of its addresses.
///
/// Mishaps, each with a chance a request (an HTTP request, or a datagram: connect, announce, scrape) unless said
/// otherwise: `tracker-slow`, `tracker-error`, `tracker-garbage`, `tracker-redirect` (HTTP only); a chance an answered
/// announce: `tracker-interval-zero`, `tracker-interval-huge`, and if it is none with `stopped` `tracker-names-us`,
/// `tracker-bogons`, `tracker-crowd`; a chance a [`SPELL`] that it is up: `tracker-down`.
#[derive(Debug)]
pub struct Tracker {
    spec: TrackerSpec,
    dice: Dice,
    office: office::Office,
    weather: weather::Weather,
}

impl Tracker {
    /// One that nobody has asked yet.
    pub fn new(spec: TrackerSpec, mut dice: Dice) -> Tracker {
        let office = office::Office::new(&spec, &mut dice);
        let weather = weather::Weather::new(&dice);
        Tracker { spec, dice, office, weather }
    }

    /// What it is.
    pub fn spec(&self) -> &TrackerSpec {
        &self.spec
    }

    /// What it saw of those who asked.
    pub fn log(&self) -> &Log {
        &self.office.log
    }

    /// Whether it is down now. (Streams to it are reset at once, or are never answered.)
    pub fn is_down(&self) -> bool {
        !self.weather.is_up()
    }
}

impl Actor for Tracker {
    fn hear(&mut self, now: Instant, what: Heard<'_>, hands: &mut Hands<'_>) {
        let _ = (now, what, hands);
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
