//! How many upload slots are worth having.

use super::ChokerLimits;

/// How the upload of this torrent goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Upload {
    /// Bytes a second sent.
    pub rate: u64,
    /// Bytes a second that could be sent, if that is known: a limit somebody set. It must not be zero.
    pub capacity: Option<u64>,
}

/// A number of slots that grows while growing pays and shrinks while each gets too little.
#[derive(Clone, Debug)]
pub(super) struct SlotCount {
    limits: ChokerLimits,
    count: u32,
    max: u32,
    growth: Growth,
}

/// What is known of one more slot where nobody told what the link can do.
#[derive(Clone, Copy, Debug)]
enum Growth {
    Untried,
    Tried { rate_before: u64 },
    InVain { rounds_left: u32 },
}

impl SlotCount {
    pub(super) fn new(limits: ChokerLimits) -> SlotCount {
        let max = limits.max_slots;
        SlotCount { limits, count: limits.first_slots.min(max), max, growth: Growth::Untried }
    }

    pub(super) fn get(&self) -> usize {
        self.count.min(self.max) as usize
    }

    /// At most this many are granted from now on.
    pub(super) fn set_max(&mut self, max: u32) {
        self.max = max.min(self.limits.max_slots);
    }

    /// Learns from a round in which `used` slots were in use and `takers` peers wanted one.
    pub(super) fn adapt(&mut self, upload: Upload, used: usize, takers: usize) {
        if used == 0 || used < self.get() {
            return;
        }
        let full = match upload.capacity {
            Some(capacity) => u128::from(upload.rate) * 10 >= u128::from(capacity) * 9,
            None => !self.growing_pays(upload.rate, used as u64),
        };
        if !full && takers > self.get() && self.count < self.max {
            self.growth = Growth::Tried { rate_before: upload.rate };
            self.count += 1;
        } else if full
            && upload.rate / (used as u64) < self.limits.floor
            && self.count > self.limits.min_slots
        {
            self.count -= 1;
        }
    }

    /// Whether one more slot is worth a try: none was tried, or the last brought half of what the others get.
    fn growing_pays(&mut self, rate: u64, used: u64) -> bool {
        match &mut self.growth {
            Growth::Untried => true,
            Growth::Tried { rate_before } if rate > *rate_before + *rate_before / (2 * used) => true,
            Growth::Tried { .. } => {
                self.growth = Growth::InVain { rounds_left: self.limits.hold_rounds };
                false
            }
            Growth::InVain { rounds_left } if *rounds_left > 1 => {
                *rounds_left -= 1;
                false
            }
            Growth::InVain { .. } => {
                self.growth = Growth::Untried;
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots() -> SlotCount {
        SlotCount::new(ChokerLimits::DEFAULT)
    }

    fn after(
        slots: &mut SlotCount,
        rounds: usize,
        rate: impl Fn(usize) -> u64,
        capacity: Option<u64>,
    ) -> usize {
        for _ in 0..rounds {
            let used = slots.get();
            slots.adapt(Upload { rate: rate(used), capacity }, used, 1000);
        }
        slots.get()
    }

    #[test]
    fn slots_grow_while_the_set_capacity_is_not_used() {
        // Each leecher takes 100 KiB/s; 20 of them fill nine tenths of the limit.
        assert_eq!(after(&mut slots(), 100, |used| used as u64 * (100 << 10), Some(2222 << 10)), 20);
    }

    #[test]
    fn slots_shrink_to_where_each_gets_a_block_a_second() {
        let full = Some(64 << 10);
        assert_eq!(after(&mut slots(), 100, |_| 64 << 10, full), 4);
        assert_eq!(after(&mut slots(), 100, |_| 1 << 10, Some(1 << 10)), 2);
    }

    #[test]
    fn without_a_known_capacity_slots_grow_as_long_as_that_pays() {
        let count = after(&mut slots(), 14, |used| (used as u64 * (1 << 20)).min(15 << 20), None);
        assert!((15..=17).contains(&count), "{count}");
        let mut idle = slots();
        assert_eq!(after(&mut idle, 1, |_| 0, None), 9);
        assert_eq!(after(&mut idle, 50, |_| 0, None), 2);
    }

    #[test]
    fn few_takers_and_the_grant_bound_the_count() {
        let mut s = slots();
        for _ in 0..20 {
            s.adapt(Upload { rate: 1 << 30, capacity: Some(1 << 40) }, 8, 8);
        }
        assert_eq!(s.get(), 8);
        s.set_max(0);
        s.adapt(Upload::default(), 0, 10);
        assert_eq!(s.get(), 0);
        s.set_max(1_000_000);
        assert_eq!(after(&mut s, 500, |used| used as u64 * (1 << 20), None), 100);
    }
}
