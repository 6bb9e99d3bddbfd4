//! Members are not read while a rate is used up: the torrent's own, or the session's, of which each crew gets its ration.

use tide_base::{Instant, SlotKey};

use super::Crew;
use super::member::Parked;
use super::serving::REFILL;
use crate::desk::{Desk, Flow, Owner, Reason};

impl Crew {
    /// What may be read from a member now.
    pub(super) fn readable(&mut self, desk: &Desk, now: Instant) -> u64 {
        self.down.available(now).min(desk.purses.at_hand(now, Flow::Down)).min(self.ration)
    }

    /// So much was read from a member.
    pub(super) fn has_read(&mut self, desk: &mut Desk, now: Instant, len: u64) {
        desk.purses.draw(now, Flow::Down, len);
        self.down.take(now, len);
        self.ration = self.ration.saturating_sub(len);
    }

    /// A member is not read until the rate has refilled.
    pub(super) fn throttle(&mut self, desk: &mut Desk, now: Instant, key: SlotKey) {
        if let Some(member) = self.roster.get_mut(key) {
            member.park(now, Parked::Rate);
            self.throttled = true;
            // It may be between two turns: the next one sees who waits in line.
            desk.timers.arm(Owner::Crew(self.key), now + REFILL, Reason::Refill);
        }
    }

    /// A crew whose own rate has refilled waits for the session's.
    pub(super) fn wake_throttled(&mut self, desk: &mut Desk, now: Instant) {
        if !self.throttled || self.disbanding {
            return;
        }
        if self.down.available(now) > 0 {
            desk.readers.join(self.key);
        } else {
            desk.timers.arm(Owner::Crew(self.key), now + REFILL, Reason::Refill);
        }
    }

    /// The crew may read `ration` bytes of what the session has: its members are read again.
    pub fn resume(&mut self, desk: &mut Desk, now: Instant, ration: u64) {
        self.ration = ration;
        self.throttled = false;
        self.unpark(desk, now, |parked| parked == Parked::Rate);
    }
}
