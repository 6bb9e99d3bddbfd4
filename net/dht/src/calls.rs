//! Requests under way: each has a transaction, and is answered by the address that was asked, or by nobody.

use crate::limits::Limits;
use alloc::collections::{BTreeMap, BTreeSet};
use core::net::SocketAddr;
use tide_base::{Duration, Instant, Prng};

/// One request under way.
#[derive(Debug)]
pub(crate) struct Call<P> {
    pub(crate) to: SocketAddr,
    /// Who waits for the answer.
    pub(crate) purpose: P,
    pub(crate) sent: Instant,
    /// Whether it has taken long.
    pub(crate) is_slow: bool,
    due: Instant,
}

/// What the time has brought.
#[derive(Debug)]
pub(crate) enum Late<P> {
    /// The request takes long: whoever waits may ask somebody else meanwhile.
    Slow(SocketAddr, P),
    /// It will not be answered any more.
    Dead(Call<P>),
}

/// All requests under way. A transaction is random and a number of this table's own; an old answer finds nothing.
#[derive(Debug)]
pub(crate) struct Calls<P> {
    map: BTreeMap<u32, Call<P>>,
    by_time: BTreeSet<(Instant, u32)>,
    pace: Pace,
    limits: Limits,
}

/// How long answers take (smoothed as in RFC 6298).
#[derive(Debug)]
struct Pace {
    mean: Duration,
    deviation: Duration,
}

impl Pace {
    fn note(&mut self, took: Duration) {
        let off = took.abs_diff(self.mean);
        self.deviation = (self.deviation * 3 + off) / 4;
        self.mean = (self.mean * 7 + took) / 8;
    }
}

impl<P: Clone> Calls<P> {
    pub(crate) fn new(limits: Limits) -> Calls<P> {
        // The first guess: such that the first requests wait as long as any.
        let pace = Pace { mean: limits.slow.1 / 2, deviation: limits.slow.1 / 8 };
        Calls { map: BTreeMap::new(), by_time: BTreeSet::new(), pace, limits }
    }

    /// How long a request counts as under way before another one is sent: as long as nearly all answers take.
    pub(crate) fn patience(&self) -> Duration {
        (self.pace.mean + self.pace.deviation * 4).clamp(self.limits.slow.0, self.limits.slow.1)
    }

    pub(crate) fn has_room(&self) -> bool {
        self.map.len() < self.limits.calls
    }

    /// Enters a request and returns its transaction.
    pub(crate) fn begin(&mut self, now: Instant, to: SocketAddr, purpose: P, prng: &mut Prng) -> [u8; 4] {
        let mut number = prng.next_u32();
        while self.map.contains_key(&number) {
            number = number.wrapping_add(1);
        }
        let due = now + self.patience();
        self.map.insert(number, Call { to, purpose, sent: now, is_slow: false, due });
        self.by_time.insert((due, number));
        number.to_be_bytes()
    }

    fn remove(&mut self, number: u32) -> Option<Call<P>> {
        let call = self.map.remove(&number)?;
        self.by_time.remove(&(call.due, number));
        Some(call)
    }

    /// The request that `from` answers with this transaction. An answer of another address is none.
    pub(crate) fn answered(&mut self, now: Instant, from: SocketAddr, transaction: &[u8]) -> Option<Call<P>> {
        let number = u32::from_be_bytes(transaction.try_into().ok()?);
        if self.map.get(&number)?.to != from {
            return None;
        }
        let call = self.remove(number)?;
        self.pace.note(now.since(call.sent));
        Some(call)
    }

    /// The next request that has become slow or dead.
    pub(crate) fn late(&mut self, now: Instant) -> Option<Late<P>> {
        let &(due, number) = self.by_time.first()?;
        if due > now {
            return None;
        }
        self.by_time.pop_first();
        let call = self.map.get_mut(&number).expect("both tables hold the same requests");
        if call.is_slow || call.sent + self.limits.dead <= now {
            return self.map.remove(&number).map(Late::Dead);
        }
        call.is_slow = true;
        call.due = call.sent + self.limits.dead;
        self.by_time.insert((call.due, number));
        Some(Late::Slow(call.to, call.purpose.clone()))
    }

    /// When the next request becomes slow or dead.
    pub(crate) fn next(&self) -> Instant {
        self.by_time.first().map_or(Instant::NEVER, |(due, _)| *due)
    }

    pub(crate) fn len(&self) -> usize {
        self.map.len()
    }

    /// Bytes of memory that its contents take, about.
    pub(crate) fn memory(&self) -> usize {
        self.map.len() * 2 * (size_of::<(u32, Call<P>)>() + size_of::<(Instant, u32)>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_address_that_was_asked_answers_and_only_once() {
        let mut calls = Calls::new(Limits::default());
        let (a, b) = (SocketAddr::from(([1, 1, 1, 1], 1)), SocketAddr::from(([1, 1, 1, 1], 2)));
        let mut prng = Prng::new(1);
        let tid = calls.begin(Instant::ZERO, a, 'a', &mut prng);
        assert!(calls.answered(Instant::ZERO, b, &tid).is_none());
        assert!(calls.answered(Instant::ZERO, a, &tid[..3]).is_none());
        assert_eq!(calls.answered(Instant::ZERO, a, &tid).map(|call| call.purpose), Some('a'));
        assert!(calls.answered(Instant::ZERO, a, &tid).is_none());
        assert_eq!((calls.len(), calls.next()), (0, Instant::NEVER));
    }

    #[test]
    fn a_request_is_slow_first_then_dead_and_between_them_answers_count() {
        let limits = Limits::default();
        let mut calls = Calls::new(limits);
        let to = SocketAddr::from(([1, 1, 1, 1], 1));
        let mut prng = Prng::new(1);
        let tid = calls.begin(Instant::ZERO, to, 'a', &mut prng);
        calls.begin(Instant::ZERO, to, 'b', &mut prng);
        let soon = calls.next();
        assert!(soon > Instant::ZERO && soon <= Instant::ZERO + limits.slow.1);
        assert!(calls.late(soon - Duration::from_nanos(1)).is_none());
        assert!(matches!(calls.late(soon), Some(Late::Slow(..))));
        assert!(matches!(calls.late(soon), Some(Late::Slow(..))));
        assert!(calls.late(soon).is_none());
        assert!(calls.answered(soon, to, &tid).is_some_and(|call| call.is_slow));
        let end = Instant::ZERO + limits.dead;
        assert_eq!(calls.next(), end);
        assert!(matches!(calls.late(end), Some(Late::Dead(call)) if call.purpose == 'b'));
    }

    #[test]
    fn patience_follows_what_answers_take_within_its_bounds() {
        let limits = Limits::default();
        let mut calls = Calls::new(limits);
        let to = SocketAddr::from(([1, 1, 1, 1], 1));
        let mut prng = Prng::new(1);
        let mut ask = |took: u64| {
            for n in 0..100 {
                let now = Instant::from_secs(n * 60);
                let tid = calls.begin(now, to, (), &mut prng);
                calls.answered(now + Duration::from_millis(took), to, &tid);
            }
            calls.patience()
        };
        assert_eq!(ask(30), limits.slow.0);
        let patience = ask(900);
        assert!(
            patience >= Duration::from_millis(900) && patience < Duration::from_millis(1000),
            "{patience:?}"
        );
        assert_eq!(ask(9000), limits.slow.1);
    }
}
