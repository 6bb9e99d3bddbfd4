//! Members are not read while a rate is used up: the torrent's own, or the session's, of which each crew gets its ration.
//!
//! What there is goes round: whoever has waited longest is read first, and no more than its share. Else the one that
//! sends fastest would have all of it, every time, and not even the handshakes of the others be read.

use tide_base::{Instant, SlotKey};

use super::Crew;
use super::member::Parked;
use super::serving::REFILL;
use crate::desk::{Desk, Flow, Owner, Reason};

/// The least that a member is allowed to read at a time, if there is as much: a usual block. Less for more of them at once
/// would only be more reads.
const SHARE: u64 = 16 * 1024;

impl Crew {
    /// What may be read from a member now.
    pub(super) fn readable(&mut self, desk: &Desk, now: Instant, key: SlotKey) -> u64 {
        let all = self.down.available(now).min(desk.purses.at_hand(now, Flow::Down));
        let share = self.roster.get(key).map_or(0, |member| member.ration);
        if all == u64::MAX { all } else { all.min(self.ration).min(share) }
    }

    /// So much was read from a member.
    pub(super) fn has_read(&mut self, desk: &mut Desk, now: Instant, key: SlotKey, len: u64) {
        desk.purses.draw(now, Flow::Down, len);
        self.down.take(now, len);
        self.ration = self.ration.saturating_sub(len);
        if let Some(member) = self.roster.get_mut(key) {
            member.ration = member.ration.saturating_sub(len);
        }
    }

    /// A member is not read until the rate has refilled.
    pub(super) fn throttle(&mut self, desk: &mut Desk, now: Instant, key: SlotKey) {
        if let Some(member) = self.roster.get_mut(key) {
            member.park(now, Parked::Rate);
            self.throttled.push_back(key);
            // It may be between two turns: the next one sees who waits in line.
            self.wait_for_refill(desk, now, self.down.rate());
        }
    }

    /// A crew whose own rate has refilled waits for the session's.
    pub(super) fn wake_throttled(&mut self, desk: &mut Desk, now: Instant) {
        if self.throttled.is_empty() || self.disbanding {
            return;
        }
        if self.down.available(now) > 0 {
            desk.readers.join(self.key);
        } else {
            self.wait_for_refill(desk, now, self.down.rate());
        }
    }

    /// The crew is looked at again when there is more of a rate of its own; never by itself if that is zero.
    pub(super) fn wait_for_refill(&self, desk: &mut Desk, now: Instant, rate: Option<u64>) {
        if rate != Some(0) {
            desk.timers.arm(Owner::Crew(self.key), now + REFILL, Reason::Refill);
        }
    }

    /// The crew may read `ration` bytes of what the session has: those of its members who have waited longest are read
    /// again, as many as that is of use to.
    pub fn resume(&mut self, desk: &mut Desk, now: Instant, ration: u64) {
        self.ration = ration;
        self.throttled.retain(|&key| self.roster.get(key).is_some());
        let all = ration.min(self.down.available(now));
        let waiting = self.throttled.len() as u64;
        let count = (all / SHARE).clamp(1, waiting.max(1));
        let share = if all == u64::MAX { all } else { (all / count).max(1) };
        for _ in 0..count.min(waiting) {
            let key = self.throttled.pop_front().expect("as many wait");
            if let Some(member) = self.roster.get_mut(key) {
                member.ration = share;
                member.unpark(desk, now);
            }
        }
        if !self.throttled.is_empty() {
            self.wait_for_refill(desk, now, self.down.rate());
        }
    }
}
