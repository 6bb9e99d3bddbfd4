//! The sending half of one direction of a stream: what is under way, what is lost, and how much may be under way at a
//! time. Slow start and congestion avoidance as in Reno, with selective acknowledgement, and a timer for when nothing is
//! acknowledged at all.
//!
//! Packets of one direction never overtake one another, so that a packet is known as lost once a later one is
//! acknowledged. The end of a stream takes part as one byte after the last.

use std::collections::{BTreeMap, VecDeque};

use tide_base::{Duration, Instant};

/// The timer before anything was measured (RFC 6298).
const FIRST_RTO: Duration = Duration::from_secs(1);
/// The timer exceeds the round trip by no less.
const MIN_VARIANCE: Duration = Duration::from_millis(200);
/// The timer waits no longer.
const MAX_RTO: Duration = Duration::from_secs(60);
/// The first window in bytes, if that is between two and ten packets (RFC 6928).
const FIRST_WINDOW: u64 = 14_600;

/// A packet of a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Segment {
    /// Counts what was sent, repetitions included.
    pub(super) tx: u64,
    /// When it was sent.
    pub(super) sent_at: Instant,
    /// The offset of its first byte.
    pub(super) offset: u64,
    /// How many bytes it has.
    pub(super) len: u32,
    /// Whether the stream ends after them.
    pub(super) fin: bool,
}

impl Segment {
    fn end(&self) -> u64 {
        self.offset + u64::from(self.len) + u64::from(self.fin)
    }
}

/// What the receiver says of a packet, and of how much it has room for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Ack {
    /// Which packet; 0 if it is about room only.
    pub(super) tx: u64,
    /// When that was sent; the time of the acknowledgement itself if it is about room only.
    pub(super) sent_at: Instant,
    /// Everything before has arrived.
    pub(super) upto: u64,
    /// There is room for everything before.
    pub(super) edge: u64,
}

/// What is to be done after the timer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Due {
    /// Nothing.
    Nothing,
    /// Something is to be sent again.
    Resend,
    /// The other side has not answered for too long.
    GiveUp,
}

/// The sending half.
#[derive(Debug)]
pub(super) struct Sender {
    mss: u64,
    written: u64,
    fin: bool,
    sent: u64,
    fin_sent: bool,
    acked: u64,
    edge: u64,
    flight: VecDeque<Segment>,
    flight_bytes: u64,
    lost: BTreeMap<u64, (u32, bool)>,
    window: u64,
    threshold: u64,
    next_tx: u64,
    recover: u64,
    rtt: Option<(Duration, Duration)>,
    backoff: u32,
    due_at: Instant,
    armed_for: Instant,
    probe: bool,
    unanswered: Option<Instant>,
    dead: bool,
}

impl Sender {
    /// A half that sends at most `mss` bytes a packet to a receiver that has room for `edge`.
    pub(super) fn new(mss: u32, edge: u64) -> Sender {
        let mss = u64::from(mss.max(1));
        Sender {
            mss,
            written: 0,
            fin: false,
            sent: 0,
            fin_sent: false,
            acked: 0,
            edge,
            flight: VecDeque::new(),
            flight_bytes: 0,
            lost: BTreeMap::new(),
            window: FIRST_WINDOW.clamp(2 * mss, 10 * mss),
            threshold: u64::MAX,
            next_tx: 1,
            recover: 0,
            rtt: None,
            backoff: 0,
            due_at: Instant::NEVER,
            armed_for: Instant::NEVER,
            probe: false,
            unanswered: None,
            dead: false,
        }
    }

    /// How many bytes were written and are not acknowledged.
    pub(super) fn pending(&self) -> u64 {
        self.written - self.acked.min(self.written)
    }

    /// Before which offset all bytes are acknowledged.
    pub(super) fn acked(&self) -> u64 {
        self.acked.min(self.written)
    }

    /// So many bytes more are to be sent.
    pub(super) fn wrote(&mut self, len: usize) {
        debug_assert!(!self.fin, "nothing is written after the end");
        self.written += len as u64;
    }

    /// The stream ends after what was written.
    pub(super) fn finish(&mut self) {
        self.fin = true;
    }

    /// Nothing is sent any more.
    pub(super) fn kill(&mut self) {
        self.dead = true;
        self.flight.clear();
        self.flight_bytes = 0;
        self.lost.clear();
    }

    /// Whether it has nothing to do ever again.
    pub(super) fn is_over(&self) -> bool {
        self.dead || (self.fin && self.acked > self.written)
    }

    /// What may be sent now.
    pub(super) fn next(&mut self, now: Instant) -> Option<Segment> {
        if self.dead {
            return None;
        }
        let (offset, len, fin) = self.repeat().or_else(|| self.fresh())?;
        let segment = Segment { tx: self.next_tx, sent_at: now, offset, len, fin };
        self.next_tx += 1;
        if self.flight.is_empty() {
            self.due_at = now + self.rto();
        }
        self.flight.push_back(segment);
        self.flight_bytes += u64::from(len);
        Some(segment)
    }

    fn repeat(&mut self) -> Option<(u64, u32, bool)> {
        let (&offset, &(len, fin)) = self.lost.first_key_value()?;
        if !self.flight.is_empty() && self.flight_bytes + u64::from(len) > self.window {
            return None;
        }
        self.lost.remove(&offset);
        Some((offset, len, fin))
    }

    /// A packet of new bytes: none while it would be a small one only because there is little room.
    fn fresh(&mut self) -> Option<(u64, u32, bool)> {
        if self.fin_sent || !self.lost.is_empty() {
            return None;
        }
        let rest = self.written - self.sent;
        let whole = rest.min(self.mss);
        let len = whole.min(self.edge.saturating_sub(self.sent));
        let fin = self.fin && len == rest;
        let waits = !self.flight.is_empty() && (len < whole || self.flight_bytes + len > self.window);
        if waits || (len == 0 && !fin) {
            return None;
        }
        let offset = self.sent;
        self.sent += len;
        self.fin_sent = fin;
        Some((offset, len as u32, fin))
    }

    /// The receiver has answered.
    pub(super) fn acknowledged(&mut self, now: Instant, ack: Ack) {
        if self.dead {
            return;
        }
        self.edge = self.edge.max(ack.edge);
        let (before, mut arrived, mut struck) = (self.flight_bytes, 0, false);
        while self.flight.front().is_some_and(|first| first.tx <= ack.tx) {
            let first = self.flight.pop_front().expect("looked at");
            self.flight_bytes -= u64::from(first.len);
            if first.tx == ack.tx {
                arrived = u64::from(first.len);
            } else if first.end() > ack.upto {
                self.lost.insert(first.offset, (first.len, first.fin));
                struck |= first.tx >= self.recover;
            }
        }
        self.acked = self.acked.max(ack.upto);
        while self
            .lost
            .first_key_value()
            .is_some_and(|(offset, &(len, fin))| offset + u64::from(len) + u64::from(fin) <= self.acked)
        {
            self.lost.pop_first();
        }
        if struck {
            self.threshold = (before / 2).max(2 * self.mss);
            self.window = self.threshold;
            self.recover = self.next_tx;
        } else if before * 2 >= self.window {
            let slowly = (self.mss * arrived / self.window).max(u64::from(arrived > 0));
            self.window += if self.window < self.threshold { arrived } else { slowly };
        }
        if ack.tx > 0 {
            self.measured(now.since(ack.sent_at));
        }
        self.backoff = 0;
        self.unanswered = None;
        self.due_at = now + self.rto();
    }

    fn measured(&mut self, rtt: Duration) {
        self.rtt = Some(match self.rtt {
            None => (rtt, rtt / 2),
            Some((mean, variance)) => {
                ((mean * 7 + rtt) / 8, (variance * 3 + mean.max(rtt) - mean.min(rtt)) / 4)
            }
        });
    }

    fn rto(&self) -> Duration {
        let once = self.rtt.map_or(FIRST_RTO, |(mean, variance)| mean + (variance * 4).max(MIN_VARIANCE));
        once.saturating_mul(1 << self.backoff.min(16)).min(MAX_RTO)
    }

    /// What the receiver has said did not get through: it will have to be asked.
    pub(super) fn unheard(&mut self, now: Instant) {
        if !self.dead && self.flight.is_empty() && !self.probe {
            self.probe = true;
            self.due_at = now + self.rto();
        }
    }

    /// When the timer must be set, if it must be and is not set for then or earlier; it is taken to be then.
    pub(super) fn arm(&mut self) -> Option<Instant> {
        let wanted = !self.dead && self.due_at < self.armed_for && (self.probe || !self.flight.is_empty());
        if !wanted {
            return None;
        }
        self.armed_for = self.due_at;
        Some(self.due_at)
    }

    /// The timer that was set for `set_for` has come. Gives up if the other side has not answered for `patience`.
    pub(super) fn timer(&mut self, now: Instant, set_for: Instant, patience: Duration) -> Due {
        if set_for != self.armed_for {
            return Due::Nothing;
        }
        self.armed_for = Instant::NEVER;
        if self.dead || now < self.due_at {
            return Due::Nothing;
        }
        let Some(first) = self.flight.front() else {
            if !core::mem::take(&mut self.probe) {
                return Due::Nothing;
            }
            if self.lost.is_empty() {
                self.lost.insert(self.sent, (0, false));
            }
            return Due::Resend;
        };
        let since = *self.unanswered.get_or_insert(first.sent_at);
        if now.since(since) >= patience {
            return Due::GiveUp;
        }
        self.threshold = (self.flight_bytes / 2).max(2 * self.mss);
        self.window = self.mss;
        for segment in self.flight.drain(..) {
            self.lost.insert(segment.offset, (segment.len, segment.fin));
        }
        self.flight_bytes = 0;
        self.recover = self.next_tx;
        self.backoff += 1;
        self.probe = false;
        Due::Resend
    }
}
