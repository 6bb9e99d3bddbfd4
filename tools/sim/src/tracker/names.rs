//! The resolver of the world.
//!
//! Every question is answered, as the shell's resolver does (`src/shell/resolver.rs`): the system's call gives up after
//! half a minute, but questions wait for one of four threads, so an answer may come minutes later, in any order. (One
//! that never came would be joined by all later questions for its name, none of which would ever be sent.)

use std::collections::BTreeMap;
use std::net::IpAddr;

use tide_base::{Duration, Instant};
use tide_engine::NetError;

use crate::dice::Dice;
use crate::mishap::Mishap;

/// Addresses of one name that are passed on, as by the shell's resolver.
pub const ADDRESSES: usize = 32;
/// How long a question takes at the most when nothing goes wrong.
const QUICK: Duration = Duration::from_millis(40);
/// How long a lookup takes at the least when it is slow.
const SLOW_LEAST: Duration = Duration::from_secs(1);
/// How long a lookup takes at the most: half a minute, some times over for those that wait for a thread.
pub const SLOWEST: Duration = Duration::from_secs(180);

/// What a name stands for.
pub type Addresses = Result<Vec<IpAddr>, NetError>;

/// Names and their addresses, and questions under way; `T` says who asked.
#[derive(Debug)]
pub struct Names<T> {
    dice: Dice,
    known: BTreeMap<String, Vec<IpAddr>>,
    waiting: BTreeMap<(Instant, u64), (T, Addresses)>,
    asked: u64,
}

impl<T> Names<T> {
    /// No names. Mishaps: [`Mishap::NameFails`] and [`Mishap::NameSlow`], each with a chance a question.
    pub fn new(dice: Dice) -> Names<T> {
        Names { dice, known: BTreeMap::new(), waiting: BTreeMap::new(), asked: 0 }
    }

    /// From now on `name` stands for these addresses; for nothing if there are none.
    pub fn add(&mut self, name: impl Into<String>, addresses: Vec<IpAddr>) {
        self.known.insert(name.into().to_ascii_lowercase(), addresses);
    }

    /// What a name stands for, without asking anybody.
    pub fn known(&self, name: &str) -> &[IpAddr] {
        self.known.get(&name.to_ascii_lowercase()).map_or(&[], Vec::as_slice)
    }

    /// Asks for a name; the answer comes by [`poll`](Names::poll), exactly once, within [`SLOWEST`].
    pub fn ask(&mut self, now: Instant, asker: T, name: &str) {
        let known = self.known.get(&name.to_ascii_lowercase()).filter(|addresses| !addresses.is_empty());
        let mut answer = match known {
            Some(addresses) => Ok(addresses.iter().take(ADDRESSES).copied().collect()),
            None => Err(NetError::NoSuchName),
        };
        if answer.is_ok() && self.dice.hits(Mishap::NameFails) {
            // Its server says no, or all of the resolver's threads wait for others.
            let exhausted = self.dice.prng().chance(1, 4);
            answer = Err(if exhausted { NetError::Exhausted } else { NetError::NoSuchName });
        }
        let takes = if self.dice.hits(Mishap::NameSlow) {
            between(&mut self.dice, SLOW_LEAST, SLOWEST)
        } else {
            between(&mut self.dice, Duration::from_micros(1), QUICK)
        };
        self.asked += 1;
        self.waiting.insert((now + takes, self.asked), (asker, answer));
    }

    /// When the next answer is there; [`Instant::NEVER`] if none is under way.
    pub fn next_at(&self) -> Instant {
        self.waiting.first_key_value().map_or(Instant::NEVER, |((at, _), _)| *at)
    }

    /// The next answer that is there.
    pub fn poll(&mut self, now: Instant) -> Option<(T, Addresses)> {
        let entry = self.waiting.first_entry().filter(|entry| entry.key().0 <= now)?;
        Some(entry.remove())
    }

    /// Names resolve quickly from now on. What is slow already stays so: it is out in less than [`SLOWEST`].
    pub fn calm(&mut self) {
        self.dice.calm();
    }

    /// What went wrong so far.
    pub fn tally(&self) -> &crate::mishap::Tally<Mishap> {
        self.dice.tally()
    }
}

/// A span between two bounds, short ones as probable as long ones: each doubling gets the same share.
pub(super) fn between(dice: &mut Dice, least: Duration, most: Duration) -> Duration {
    let (least, most) = (least.as_nanos() as u64, most.as_nanos() as u64);
    let doublings = u64::from((most / least.max(1)).max(1).ilog2());
    let low = least << dice.prng().below(doublings + 1);
    Duration::from_nanos((low + dice.prng().below(low.max(1))).clamp(least, most))
}

#[cfg(test)]
mod tests {
    use tide_base::Prng;

    use super::*;
    use crate::dice::{MILLION, Odds};

    fn names(odds: Odds) -> Names<u32> {
        let mut names = Names::new(Dice::new(Prng::new(1), odds));
        names.add("Tracker.Example", vec![[10, 0, 0, 1].into(), IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])]);
        names.add("many.example", (0..40).map(|i| [10, 0, 1, i].into()).collect());
        names.add("empty.example", vec![]);
        names
    }

    fn answers(names: &mut Names<u32>) -> Vec<(Instant, u32, Addresses)> {
        let mut all = Vec::new();
        while names.next_at() != Instant::NEVER {
            let now = names.next_at();
            assert_eq!(names.poll(now - Duration::from_nanos(1)).map(|(asker, _)| asker), None);
            let (asker, answer) = names.poll(now).expect("it is there");
            all.push((now, asker, answer));
        }
        all
    }

    #[test]
    fn names_are_found_whatever_their_case_and_unknown_ones_are_not() {
        let mut names = names(Odds::calm());
        for (asker, name) in
            [(1, "tracker.example"), (2, "nobody.example"), (3, "many.example"), (4, "empty.example")]
        {
            names.ask(Instant::ZERO, asker, name);
        }
        let mut all = answers(&mut names);
        assert!(all.iter().all(|(at, ..)| *at <= Instant::ZERO + QUICK));
        all.sort_by_key(|(_, asker, _)| *asker);
        let answers: Vec<Addresses> = all.into_iter().map(|(.., answer)| answer).collect();
        assert_eq!(answers[0], Ok(vec![[10, 0, 0, 1].into(), IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])]));
        assert_eq!(answers[1], Err(NetError::NoSuchName));
        assert_eq!(answers[2].as_ref().map(Vec::len), Ok(ADDRESSES));
        assert_eq!(answers[3], Err(NetError::NoSuchName));
    }

    #[test]
    fn failures_and_delays_strike_are_counted_and_end_with_the_calm() {
        let odds = Odds::calm().with(Mishap::NameFails, MILLION / 2).with(Mishap::NameSlow, MILLION / 2);
        let mut names = names(odds);
        (0..1000).for_each(|asker| names.ask(Instant::ZERO, asker, "tracker.example"));
        let all = answers(&mut names);
        assert_eq!(all.len(), 1000);
        let failed = all.iter().filter(|(.., answer)| answer.is_err()).count() as u64;
        let slow = all.iter().filter(|(at, ..)| *at > Instant::ZERO + QUICK).count() as u64;
        assert_eq!((failed, slow), (names.tally().of(Mishap::NameFails), names.tally().of(Mishap::NameSlow)));
        assert!((400..600).contains(&failed) && (400..600).contains(&slow), "{failed} {slow}");
        assert!(all.iter().any(|(at, ..)| *at > Instant::from_secs(90)));
        assert!(all.iter().all(|(at, ..)| *at <= Instant::ZERO + SLOWEST));
        for error in [NetError::NoSuchName, NetError::Exhausted] {
            assert!(all.iter().any(|(.., answer)| *answer == Err(error)));
        }
        // Slow questions are overtaken.
        assert!(all.windows(2).any(|two| two[0].1 > two[1].1));

        names.calm();
        names.ask(Instant::ZERO, 1, "tracker.example");
        assert!(matches!(answers(&mut names)[..], [(at, 1, Ok(_))] if at <= Instant::ZERO + QUICK));
    }

    #[test]
    fn the_same_seed_gives_the_same_answers() {
        let run = || {
            let mut names =
                names(Odds::calm().with(Mishap::NameFails, 300_000).with(Mishap::NameSlow, 300_000));
            (0..50).for_each(|i| names.ask(Instant::from_secs(u64::from(i)), i, "tracker.example"));
            answers(&mut names)
        };
        assert_eq!(run(), run());
    }
}
