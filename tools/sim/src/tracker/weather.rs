//! Whether a tracker is there at all.

use tide_base::{Duration, Instant};

use super::names::between;
use crate::dice::Dice;
use crate::mishap::Mishap;

/// How long a chance of going down is: the unit of [`Mishap::TrackerDown`]'s odds.
pub const SPELL: Duration = Duration::from_secs(60);
/// The shortest time that a tracker is down.
const DOWN_LEAST: Duration = Duration::from_secs(2);
/// The longest.
const DOWN_MOST: Duration = Duration::from_secs(3600);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Up,
    Down {
        /// Whether nothing at all comes back, as from a host that is off; else streams are reset at once.
        silent: bool,
        /// Whether anybody has noticed.
        felt: bool,
    },
}

/// What a request meets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Met {
    /// Somebody who listens.
    Open,
    /// A host whose tracker does not run.
    Refusal,
    /// Nothing.
    Silence,
}

/// The weather over one tracker.
#[derive(Debug)]
pub(super) struct Weather {
    state: State,
    next: Instant,
}

impl Weather {
    /// Fair, until the first chance comes, which is at once.
    pub(super) fn new(dice: &Dice) -> Weather {
        let next = if dice.knows(Mishap::TrackerDown) { Instant::ZERO } else { Instant::NEVER };
        Weather { state: State::Up, next }
    }

    /// When it may change.
    pub(super) fn next_at(&self) -> Instant {
        self.next
    }

    /// Changes it if it is time; true if the tracker has just gone down.
    pub(super) fn turn(&mut self, now: Instant, dice: &mut Dice) -> bool {
        if self.next > now {
            return false;
        }
        // It has been up for a spell, or its time of being down is over: that ends with a spell of being up.
        let was_up = self.state == State::Up;
        if was_up && dice.strikes(Mishap::TrackerDown) {
            self.state = State::Down { silent: dice.prng().chance(1, 2), felt: false };
            self.next = now + between(dice, DOWN_LEAST, DOWN_MOST);
            return true;
        }
        self.state = State::Up;
        self.next = now + SPELL;
        false
    }

    /// Whether the tracker is there.
    pub(super) fn is_up(&self) -> bool {
        self.state == State::Up
    }

    /// What somebody meets who asks now.
    pub(super) fn meet(&mut self, dice: &mut Dice) -> Met {
        match &mut self.state {
            State::Up => Met::Open,
            State::Down { silent, felt } => {
                // An outage counts once, when it has changed an outcome.
                if !*felt {
                    *felt = true;
                    dice.hit(Mishap::TrackerDown);
                }
                if *silent { Met::Silence } else { Met::Refusal }
            }
        }
    }

    /// Stands still from now on; fair if the tracker belongs to the core.
    pub(super) fn calm(&mut self, core: bool) {
        self.next = Instant::NEVER;
        if core {
            self.state = State::Up;
        }
    }
}
