//! Whether a mishap strikes: odds that the scenario draws, and for each part of the world dice of its own.

use std::collections::BTreeMap;

use tide_base::Prng;

use crate::mishap::{Mishap, Tally};

/// One in so many is what [`Odds`] count in.
pub const MILLION: u32 = 1_000_000;

/// How probable each mishap is, in millionths a chance it gets. What is not named never happens.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Odds(BTreeMap<Mishap, u32>);

impl Odds {
    /// Nothing goes wrong.
    pub fn calm() -> Odds {
        Odds::default()
    }

    /// The same, but `mishap` strikes `millionths` times in a million; 0 never.
    #[must_use]
    pub fn with(mut self, mishap: Mishap, millionths: u32) -> Odds {
        self.set(mishap, millionths);
        self
    }

    /// `mishap` strikes `millionths` times in a million from now on; 0 never.
    pub fn set(&mut self, mishap: Mishap, millionths: u32) {
        assert!(millionths <= MILLION, "{mishap} cannot strike more often than always");
        if millionths == 0 {
            self.0.remove(&mishap);
        } else {
            self.0.insert(mishap, millionths);
        }
    }

    /// How often `mishap` strikes, in millionths.
    pub fn of(&self, mishap: Mishap) -> u32 {
        self.0.get(&mishap).copied().unwrap_or(0)
    }

    /// What can strike at all.
    pub fn iter(&self) -> impl Iterator<Item = (Mishap, u32)> + '_ {
        self.0.iter().map(|(&mishap, &millionths)| (mishap, millionths))
    }
}

/// The dice of one part of the world: its own randomness, so that another part's throws do not change its own.
#[derive(Clone, Debug)]
pub struct Dice {
    prng: Prng,
    odds: Odds,
    tally: Tally<Mishap>,
}

impl Dice {
    /// Dice that follow from `prng`.
    pub fn new(prng: Prng, odds: Odds) -> Dice {
        Dice { prng, odds, tally: Tally::default() }
    }

    /// Whether `mishap` strikes now. Nothing is drawn for what cannot strike. Whoever asks says [`hit`](Dice::hit) once
    /// the mishap has really changed something: bytes, order, or an outcome.
    pub fn strikes(&mut self, mishap: Mishap) -> bool {
        let odds = self.odds.of(mishap);
        odds > 0 && self.prng.chance(u64::from(odds), u64::from(MILLION))
    }

    /// `mishap` has changed something.
    pub fn hit(&mut self, mishap: Mishap) {
        self.tally.count(mishap);
    }

    /// Whether `mishap` strikes now, and counts: for those that always change something.
    pub fn hits(&mut self, mishap: Mishap) -> bool {
        let strikes = self.strikes(mishap);
        if strikes {
            self.hit(mishap);
        }
        strikes
    }

    /// Whether `mishap` can strike at all.
    pub fn knows(&self, mishap: Mishap) -> bool {
        self.odds.of(mishap) > 0
    }

    /// Everything else that is left to chance.
    pub fn prng(&mut self) -> &mut Prng {
        &mut self.prng
    }

    /// Nothing goes wrong from now on.
    pub fn calm(&mut self) {
        self.odds = Odds::calm();
    }

    /// How often each mishap has changed something.
    pub fn tally(&self) -> &Tally<Mishap> {
        &self.tally
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_strike_neither_strikes_nor_draws() {
        let mut dice = Dice::new(Prng::new(1), Odds::calm().with(Mishap::Reset, MILLION));
        let before = dice.clone().prng().next_u64();
        assert!(!dice.strikes(Mishap::Clog));
        assert_eq!(dice.clone().prng().next_u64(), before);
        assert!(dice.hits(Mishap::Reset));
        dice.calm();
        assert!(!dice.hits(Mishap::Reset));
        assert_eq!(dice.tally().of(Mishap::Reset), 1);
    }
}
