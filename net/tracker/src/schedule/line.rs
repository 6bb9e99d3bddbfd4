//! One tracker over one address family: what it was told, when it wants to hear of us again.

use super::Need;
use crate::error::{Error, Retry};
use crate::limits::ScheduleLimits;
use crate::request::{Event, Reply};
use tide_base::{Duration, Instant, Prng};

/// What the tracker knows of our session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Told {
    /// Nothing; the next announce is `started`.
    Nothing,
    /// `started` was sent and perhaps not heard; until it is answered, it is sent again.
    Asked,
    /// It answered `started`.
    Known,
}

#[derive(Debug)]
pub(super) struct Line {
    told: Told,
    owes_completed: bool,
    in_flight: Option<Event>,
    /// The port that the last announce told.
    port: Option<u16>,
    /// Whether peers reach us at another one now.
    outdated: bool,
    /// Failures since the last success.
    pub(super) fails: u32,
    /// Why the last announce failed; cleared by a success.
    pub(super) error: Option<Error>,
    last_try: Instant,
    /// The next announce that nothing special asks for: by interval, or after a failure by back-off.
    regular_at: Instant,
    /// From when on an announce for more peers is allowed.
    soonest_at: Instant,
    /// From when on an announce asked for by hand is allowed.
    by_hand_at: Instant,
    pub(super) seeds: Option<u32>,
    pub(super) leechers: Option<u32>,
    pub(super) downloads: Option<u32>,
}

impl Line {
    /// One that may be asked from `now` on.
    pub(super) fn new(now: Instant) -> Line {
        Line {
            told: Told::Nothing,
            owes_completed: false,
            in_flight: None,
            port: None,
            outdated: false,
            fails: 0,
            error: None,
            last_try: now,
            regular_at: now,
            soonest_at: now,
            by_hand_at: now,
            seeds: None,
            leechers: None,
            downloads: None,
        }
    }

    /// Begins a session anew. What is known of the tracker's health and its minimum interval stays.
    pub(super) fn restart(&mut self, now: Instant) {
        self.told = Told::Nothing;
        self.owes_completed = false;
        self.in_flight = None;
        if self.fails == 0 {
            self.regular_at = now;
        }
    }

    /// The download has become complete.
    pub(super) fn completed(&mut self) {
        // Whoever hears `started` with nothing left to download need not be told (BEP 3).
        self.owes_completed = self.told != Told::Nothing;
    }

    pub(super) fn in_flight(&self) -> Option<Event> {
        self.in_flight
    }

    /// Whether the last announce was answered.
    pub(super) fn is_working(&self) -> bool {
        self.told == Told::Known && self.fails == 0
    }

    /// Whether the tracker may believe that we are here.
    pub(super) fn owes_stopped(&self) -> bool {
        self.told != Told::Nothing && self.in_flight != Some(Event::Stopped)
    }

    /// When the next announce may and should begin.
    pub(super) fn ready_at(&self, need: Need) -> Instant {
        match self.told {
            _ if self.fails > 0 => self.regular_at,
            Told::Known if self.owes_completed => self.last_try,
            Told::Known if self.outdated => self.by_hand_at.min(self.regular_at),
            Told::Known if need == Need::Peers => self.soonest_at.min(self.regular_at),
            Told::Known | Told::Nothing | Told::Asked => self.regular_at,
        }
    }

    /// Brings the next announce forward as far as the tracker allows.
    pub(super) fn by_hand(&mut self, now: Instant, limits: &ScheduleLimits) {
        let allowed = if self.fails > 0 { self.last_try + limits.first_retry } else { self.by_hand_at };
        self.regular_at = self.regular_at.min(allowed.max(now));
    }

    /// Peers reach us at `port`.
    pub(super) fn moved(&mut self, port: u16) {
        self.outdated = self.port.is_some_and(|told| told != port);
    }

    /// An announce of `port` begins; which event it tells.
    pub(super) fn begin(&mut self, now: Instant, port: u16) -> Event {
        let event = match self.told {
            Told::Nothing | Told::Asked => {
                self.told = Told::Asked;
                Event::Started
            }
            Told::Known if self.owes_completed => Event::Completed,
            Told::Known => Event::None,
        };
        self.in_flight = Some(event);
        (self.port, self.outdated) = (Some(port), false);
        self.last_try = now;
        event
    }

    /// The last announce begins; whatever else was under way is no longer waited for.
    pub(super) fn begin_stopped(&mut self, now: Instant) {
        self.in_flight = Some(Event::Stopped);
        self.last_try = now;
    }

    pub(super) fn replied(&mut self, now: Instant, reply: &Reply, limits: &ScheduleLimits, prng: &mut Prng) {
        let Some(event) = self.in_flight.take() else { return };
        self.fails = 0;
        self.error = None;
        self.told = if event == Event::Stopped { Told::Nothing } else { Told::Known };
        if event == Event::Completed {
            self.owes_completed = false;
        }
        let bounded = |span: Option<Duration>| {
            span.filter(|span| !span.is_zero()).map(|span| span.clamp(limits.shortest, limits.longest))
        };
        let least = bounded(reply.min_interval);
        let interval = bounded(reply.interval).unwrap_or(limits.usual).max(least.unwrap_or(Duration::ZERO));
        // Later, never earlier, than asked for; else torrents added together announce together for ever.
        self.regular_at = now + interval + part_of(interval / 10, prng);
        self.soonest_at = now + least.unwrap_or(interval);
        self.by_hand_at = now + least.unwrap_or(interval.min(limits.by_hand));
        if event != Event::Stopped {
            self.seeds = reply.seeds.or(self.seeds);
            self.leechers = reply.leechers.or(self.leechers);
            self.downloads = reply.downloads.or(self.downloads);
        }
    }

    pub(super) fn failed(&mut self, now: Instant, error: Error, limits: &ScheduleLimits, prng: &mut Prng) {
        let Some(event) = self.in_flight.take() else { return };
        if event == Event::Stopped {
            self.told = Told::Nothing;
            return;
        }
        self.fails = self.fails.saturating_add(1);
        let doubled = limits.first_retry.saturating_mul(1 << (self.fails - 1).min(20));
        let wait = match error {
            // Names gain an address of another family rarely.
            Error::NoAddress => limits.longest_retry,
            _ => doubled.min(limits.longest_retry),
        };
        let retry_at = now + wait + part_of(wait / 2, prng);
        self.regular_at = match &error {
            Error::Refused(refusal) => match refusal.retry {
                Some(Retry::Never) => Instant::NEVER,
                Some(Retry::After(span)) => retry_at.max(now + span.min(limits.longest)),
                None => retry_at,
            },
            _ => retry_at,
        };
        self.error = Some(error);
    }
}

/// A random part of `span`.
fn part_of(span: Duration, prng: &mut Prng) -> Duration {
    Duration::from_nanos(prng.below(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX).max(1)))
}
