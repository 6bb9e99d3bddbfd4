//! What we asked the peer for: the order, the times, how long answers take, which are overdue.
//!
//! Peers answer in the order they were asked, so an answer is looked for from the front: one step when all is well.

use crate::limits::Limits;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use tide_base::{Duration, Instant, PieceIndex, Span};

#[derive(Clone, Copy, Debug)]
struct Ask {
    span: Span,
    at: Instant,
    overdue: bool,
}

/// Requests of ours that are not answered yet, oldest first.
#[derive(Clone, Debug)]
pub struct Asks {
    table: VecDeque<Ask>,
    /// Asks that we gave up but that may still be answered: so many strays are forgiven.
    late: u32,
    latency: Latency,
    /// When content last came, or when the first ask was made after there was none.
    moved_at: Instant,
    /// When a block was last whole, or when the first ask was made after there was none.
    block_at: Instant,
}

/// How long answers take (RFC 6298's estimator, which has no floats).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Latency {
    smoothed: Duration,
    deviation: Duration,
}

/// What a reject meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rejected {
    /// An ask, which is no longer in the table.
    Asked,
    /// Something that we gave up.
    Late,
    /// Nothing that we know of.
    Unasked,
}

impl Asks {
    /// Nothing asked.
    pub fn new(now: Instant) -> Asks {
        Asks { table: VecDeque::new(), late: 0, latency: Latency::default(), moved_at: now, block_at: now }
    }

    /// How many are not answered.
    pub fn len(&self) -> u32 {
        self.table.len() as u32
    }

    /// Whether everything is answered.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// How long an answer takes, smoothed; `None` before the first.
    pub fn latency(&self) -> Option<Duration> {
        (self.latency != Latency::default()).then_some(self.latency.smoothed)
    }

    /// Everything that is not answered, oldest first.
    pub fn spans(&self) -> impl Iterator<Item = Span> + '_ {
        self.table.iter().map(|ask| ask.span)
    }

    /// Records an ask.
    pub fn ask(&mut self, now: Instant, span: Span) {
        debug_assert!(self.position(span).is_none(), "{span:?} was asked for twice");
        if self.table.is_empty() {
            self.moved_at = now;
            self.block_at = now;
        }
        self.table.push_back(Ask { span, at: now, overdue: false });
    }

    /// Whether this was asked for.
    pub fn contains(&self, span: Span) -> bool {
        self.position(span).is_some()
    }

    /// Records that some bytes of an asked block came.
    pub fn moved(&mut self, now: Instant) {
        self.moved_at = now;
    }

    /// Records that an asked block is whole.
    pub fn arrived(&mut self, now: Instant, span: Span) {
        if let Some(ask) = self.take(span) {
            self.latency.sample(now.since(ask.at));
            self.moved_at = now;
            self.block_at = now;
        }
    }

    /// Gives an ask up, of which an answer may still come; returns whether there was one.
    pub fn give_up(&mut self, span: Span, limits: &Limits) -> bool {
        let was = self.take(span).is_some();
        if was {
            self.expect_late(1, limits);
        }
        was
    }

    /// Takes an ask out of which no answer can come any more.
    pub fn forget(&mut self, span: Span) {
        self.take(span);
    }

    /// Records a reject.
    pub fn rejected(&mut self, span: Span) -> Rejected {
        if self.take(span).is_some() {
            Rejected::Asked
        } else if self.stray() {
            Rejected::Late
        } else {
            Rejected::Unasked
        }
    }

    /// Records an answer to nothing that stands in the table; whether it was to be expected.
    pub fn stray(&mut self) -> bool {
        let expected = self.late > 0;
        self.late = self.late.saturating_sub(1);
        expected
    }

    /// Gives up everything that `which` picks; what that was, oldest first.
    pub fn lose(&mut self, limits: &Limits, which: impl Fn(PieceIndex) -> bool) -> Vec<Span> {
        let lost: Vec<Span> = self.spans().filter(|span| which(span.piece)).collect();
        self.table.retain(|ask| !which(ask.span.piece));
        self.expect_late(lost.len() as u32, limits);
        lost
    }

    /// When the next ask becomes overdue. `arriving` is the block that is coming in now, which is late at worst.
    pub fn overdue_at(&self, limits: &Limits, arriving: Option<Span>) -> Instant {
        let next = self.table.iter().find(|ask| !ask.overdue && Some(ask.span) != arriving);
        next.map_or(Instant::NEVER, |ask| self.deadline(ask, limits))
    }

    /// Marks the oldest ask that is overdue and was not marked before.
    pub fn overdue(&mut self, now: Instant, limits: &Limits, arriving: Option<Span>) -> Option<Span> {
        if self.overdue_at(limits, arriving) > now {
            return None;
        }
        let ask = self.table.iter_mut().find(|ask| !ask.overdue && Some(ask.span) != arriving)?;
        ask.overdue = true;
        Some(ask.span)
    }

    /// When the peer begins to snub us, if it owes us anything.
    pub fn snub_at(&self, limits: &Limits) -> Instant {
        if self.table.is_empty() { Instant::NEVER } else { self.block_at + limits.snub }
    }

    /// An ask is overdue when nothing has come for a while, or when it is much older than answers take.
    fn deadline(&self, ask: &Ask, limits: &Limits) -> Instant {
        let quiet = self.moved_at.max(ask.at) + limits.asks_quiet;
        let age = match self.latency() {
            Some(smoothed) => smoothed + 4 * self.latency.deviation,
            None => limits.ask_age_max,
        };
        quiet.min(ask.at + age.clamp(limits.ask_age_min, limits.ask_age_max))
    }

    fn expect_late(&mut self, n: u32, limits: &Limits) {
        self.late = self.late.saturating_add(n).min(limits.asks);
    }

    fn position(&self, span: Span) -> Option<usize> {
        self.table.iter().position(|ask| ask.span == span)
    }

    fn take(&mut self, span: Span) -> Option<Ask> {
        if self.table.front().is_some_and(|ask| ask.span == span) {
            return self.table.pop_front();
        }
        let at = self.position(span)?;
        self.table.remove(at)
    }
}

impl Latency {
    fn sample(&mut self, sample: Duration) {
        let sample = sample.clamp(Duration::from_nanos(1), Duration::from_secs(3600));
        if self.smoothed.is_zero() {
            *self = Latency { smoothed: sample, deviation: sample / 2 };
            return;
        }
        let off = self.smoothed.abs_diff(sample);
        self.deviation = (3 * self.deviation + off) / 4;
        self.smoothed = ((7 * self.smoothed + sample) / 8).max(Duration::from_nanos(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn block(n: u32) -> Span {
        Span { piece: PieceIndex(n / 4), offset: n % 4 * 16, len: 16 }
    }

    fn secs(n: u64) -> Instant {
        Instant::from_secs(n)
    }

    #[test]
    fn answers_settle_asks_in_any_order_and_strays_are_forgiven_by_number() {
        let limits = Limits::default();
        let mut asks = Asks::new(Instant::ZERO);
        for n in 0..6 {
            asks.ask(Instant::ZERO, block(n));
        }
        asks.arrived(secs(1), block(0));
        asks.arrived(secs(1), block(3));
        assert_eq!(asks.latency(), Some(Duration::from_secs(1)));
        assert!(!asks.contains(block(3)));
        assert_eq!(asks.rejected(block(1)), Rejected::Asked);
        assert!(asks.give_up(block(2), &limits) && !asks.give_up(block(2), &limits));
        assert_eq!(asks.rejected(block(2)), Rejected::Late);
        assert_eq!(asks.rejected(block(2)), Rejected::Unasked);
        assert_eq!(asks.lose(&limits, |piece| piece.0 == 1), vec![block(4), block(5)]);
        assert!(asks.stray() && asks.stray() && !asks.stray());
        assert!(asks.is_empty());
    }

    #[test]
    fn a_silent_peer_has_everything_overdue_and_one_that_skipped_a_request_only_that() {
        let limits = Limits::default();
        let mut asks = Asks::new(Instant::ZERO);
        assert_eq!(asks.overdue_at(&limits, None), Instant::NEVER);
        for n in 0..3 {
            asks.ask(secs(10), block(n));
        }
        assert_eq!(asks.overdue_at(&limits, None), secs(30));
        assert_eq!(asks.overdue(secs(29), &limits, None), None);
        assert_eq!(asks.overdue(secs(30), &limits, Some(block(0))), Some(block(1)));
        assert_eq!(asks.overdue(secs(30), &limits, Some(block(0))), Some(block(2)));
        assert_eq!(asks.overdue(secs(30), &limits, Some(block(0))), None);
        assert_eq!(asks.len(), 3);

        let mut asks = Asks::new(Instant::ZERO);
        asks.ask(Instant::ZERO, block(0));
        for n in 1..100 {
            asks.ask(secs(u64::from(n)), block(n));
            asks.arrived(secs(u64::from(n) + 1), block(n));
            if n < 59 {
                assert_eq!(asks.overdue(secs(u64::from(n) + 1), &limits, None), None, "after {n}");
            }
        }
        assert_eq!(asks.overdue(secs(100), &limits, None), Some(block(0)));
        assert_eq!(asks.overdue(secs(100), &limits, None), None);
    }

    #[test]
    fn a_snub_is_counted_from_the_last_block_or_the_first_ask_after_none() {
        let limits = Limits::default();
        let mut asks = Asks::new(Instant::ZERO);
        assert_eq!(asks.snub_at(&limits), Instant::NEVER);
        asks.ask(secs(100), block(0));
        asks.ask(secs(130), block(1));
        assert_eq!(asks.snub_at(&limits), secs(160));
        asks.moved(secs(150));
        assert_eq!(asks.snub_at(&limits), secs(160));
        asks.arrived(secs(155), block(0));
        assert_eq!(asks.snub_at(&limits), secs(215));
    }
}
