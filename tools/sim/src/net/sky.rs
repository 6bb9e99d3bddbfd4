//! Where the weather comes from: every few seconds something may come up, for seconds or minutes.

use std::collections::BTreeSet;

use tide_base::{Duration, Instant};

use super::agenda::Event;
use super::weather::Pair;
use super::{HostId, Net};
use crate::mishap::Mishap;

/// What the weather can do.
const KINDS: [Mishap; 4] = [Mishap::Partition, Mishap::PartitionOneWay, Mishap::Clog, Mishap::Swizzle];
/// The weather may change so often: after one of these and ten times it.
const TICK: Duration = Duration::from_secs(1);
/// No more partitions at a time: every packet looks at all of them.
const PARTITIONS: usize = 4;
/// Something lasts for less than twice two to the power of less than this many seconds: four minutes.
const LAST_BITS: u64 = 7;
/// No more links at a time are swizzled.
const SWIZZLED: u64 = 6;

impl Net {
    /// The weather may change in a while, if it ever does.
    pub(super) fn next_tick(&mut self) {
        if KINDS.iter().any(|&kind| self.dice.knows(kind)) {
            let after = TICK * (1 + self.dice.prng().below(10) as u32);
            self.schedule(self.now + after, Event::Tick);
        }
    }

    /// The weather may change.
    pub(super) fn tick(&mut self) {
        if self.weather.is_settled() {
            return;
        }
        if self.hosts.len() > 1 {
            for kind in KINDS {
                if self.dice.strikes(kind) {
                    self.come_up(kind);
                }
            }
        }
        self.next_tick();
    }

    fn come_up(&mut self, kind: Mishap) {
        match kind {
            Mishap::Partition | Mishap::PartitionOneWay => self.part(kind == Mishap::PartitionOneWay),
            Mishap::Clog => {
                let (pair, until) = (self.draw_pair(), self.now + self.draw_time());
                self.weather.clog(pair, until, Mishap::Clog);
                self.schedule(until, Event::Thaw(pair));
            }
            _ => self.swizzle(),
        }
    }

    /// One host against all others, or any group.
    fn part(&mut self, one_way: bool) {
        if self.weather.partitions() >= PARTITIONS {
            return;
        }
        let hosts = self.hosts.len();
        let prng = self.dice.prng();
        let style = prng.below(3);
        let one = prng.index(hosts);
        let group: BTreeSet<HostId> = (0..hosts)
            .filter(|&host| match style {
                0 => host == one,
                1 => host != one,
                _ => host == one || prng.chance(1, 2),
            })
            .map(|host| HostId(host as u32))
            .collect();
        let id = self.weather.part(group, one_way);
        let until = self.now + self.draw_time();
        self.schedule(until, Event::Heal(id));
    }

    /// Some links are clogged one after another, and freed in another order.
    fn swizzle(&mut self) {
        let links = 2 + self.dice.prng().below(SWIZZLED - 1);
        let mut ends = Vec::new();
        let mut start = self.now;
        let mut pairs = Vec::new();
        for _ in 0..links {
            pairs.push((self.draw_pair(), start));
            start += Duration::from_nanos(self.dice.prng().below(2_000_000_000));
        }
        for _ in 0..links {
            start += Duration::from_nanos(self.dice.prng().below(2_000_000_000));
            ends.push(start);
        }
        self.dice.prng().shuffle(&mut ends);
        for ((pair, start), end) in pairs.into_iter().zip(ends) {
            self.schedule(start, Event::Clog(pair, end));
        }
    }

    /// A link is clogged in its turn.
    pub(super) fn swizzle_clog(&mut self, pair: Pair, until: Instant) {
        self.weather.clog(pair, until, Mishap::Swizzle);
        self.schedule(until, Event::Thaw(pair));
    }

    /// From one host to another; to one that it has a stream with, if it has any.
    fn draw_pair(&mut self) -> Pair {
        let hosts = self.hosts.len();
        let prng = self.dice.prng();
        let near = prng.index(hosts);
        let far = (near + 1 + prng.index(hosts - 1)) % hosts;
        let turn = prng.chance(1, 2);
        let lot = prng.next_u64();
        let ends = &self.hosts[near].ends;
        let known = match ends.len() {
            0 => None,
            len => ends.iter().nth((lot % len as u64) as usize),
        };
        let known = known.and_then(|end| Some(self.streams.get(&end.stream)?.side(end.other()).host));
        let near = HostId(near as u32);
        let far = known.filter(|&far| far != near).unwrap_or(HostId(far as u32));
        if turn { (far, near) } else { (near, far) }
    }

    fn draw_time(&mut self) -> Duration {
        let prng = self.dice.prng();
        let least = 1_000_000_000 << prng.below(LAST_BITS);
        Duration::from_nanos(least + prng.below(least))
    }
}
