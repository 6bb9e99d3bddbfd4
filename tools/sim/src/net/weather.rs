//! What stands between hosts for a while: partitions, which lose packets, and clogs, which hold them.

use std::collections::{BTreeMap, BTreeSet};

use tide_base::Instant;

use super::agenda::Packet;
use super::words::HostId;
use crate::mishap::Mishap;

/// From one host to another.
pub(super) type Pair = (HostId, HostId);

/// How it stands with the way from one host to another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Way {
    /// Free.
    Open,
    /// What goes there is lost.
    Cut(Mishap),
    /// What goes there waits.
    Held(Mishap),
}

#[derive(Debug)]
struct Partition {
    id: u64,
    group: BTreeSet<HostId>,
    one_way: bool,
}

#[derive(Debug)]
struct Clog {
    why: Mishap,
    until: Instant,
    held: Vec<Packet>,
}

/// All that stands between hosts.
#[derive(Debug, Default)]
pub(super) struct Weather {
    partitions: Vec<Partition>,
    next_id: u64,
    clogs: BTreeMap<Pair, Clog>,
    core: Option<BTreeSet<HostId>>,
}

impl Weather {
    /// How it stands with a way.
    pub(super) fn way(&self, pair: Pair) -> Way {
        let (from, to) = pair;
        if from == to || self.in_core(pair) {
            return Way::Open;
        }
        for partition in &self.partitions {
            let (near, far) = (partition.group.contains(&from), partition.group.contains(&to));
            match partition.one_way {
                true if near && !far => return Way::Cut(Mishap::PartitionOneWay),
                false if near != far => return Way::Cut(Mishap::Partition),
                _ => {}
            }
        }
        match self.clogs.get(&pair) {
            // What is never let go needs not be kept.
            Some(clog) if self.core.is_some() => Way::Cut(clog.why),
            Some(clog) => Way::Held(clog.why),
            None => Way::Open,
        }
    }

    fn in_core(&self, (from, to): Pair) -> bool {
        self.core.as_ref().is_some_and(|core| core.contains(&from) && core.contains(&to))
    }

    /// Whether nothing changes any more.
    pub(super) fn is_settled(&self) -> bool {
        self.core.is_some()
    }

    /// How many partitions there are.
    pub(super) fn partitions(&self) -> usize {
        self.partitions.len()
    }

    /// Parts `group` from all others, or only its words from them; the partition's number.
    pub(super) fn part(&mut self, group: BTreeSet<HostId>, one_way: bool) -> u64 {
        self.next_id += 1;
        self.partitions.push(Partition { id: self.next_id, group, one_way });
        self.next_id
    }

    /// Ends a partition.
    pub(super) fn heal(&mut self, id: u64) {
        if !self.is_settled() {
            self.partitions.retain(|partition| partition.id != id);
        }
    }

    /// Clogs a way until a moment, or for longer if it is clogged already.
    pub(super) fn clog(&mut self, pair: Pair, until: Instant, why: Mishap) {
        if !self.is_settled() {
            let clog = self.clogs.entry(pair).or_insert(Clog { why, until, held: Vec::new() });
            clog.until = until.max(clog.until);
        }
    }

    /// Keeps a packet until its way is free.
    pub(super) fn hold(&mut self, packet: Packet) {
        if let Some(clog) = self.clogs.get_mut(&(packet.from, packet.to)) {
            clog.held.push(packet);
        }
    }

    /// Frees a way whose time has come; what waited there.
    pub(super) fn thaw(&mut self, now: Instant, pair: Pair) -> Vec<Packet> {
        if self.is_settled() || self.clogs.get(&pair).is_none_or(|clog| clog.until > now) {
            return Vec::new();
        }
        self.clogs.remove(&pair).map(|clog| clog.held).unwrap_or_default()
    }

    /// Nothing stands inside of `core` any more, and everything else stands for good; what waited inside.
    pub(super) fn settle(&mut self, core: &BTreeSet<HostId>) -> Vec<Packet> {
        let mut free = Vec::new();
        self.clogs.retain(|(from, to), clog| {
            let inside = core.contains(from) && core.contains(to);
            let held = core::mem::take(&mut clog.held);
            if inside {
                free.extend(held);
            }
            !inside
        });
        self.core = Some(core.clone());
        free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: HostId = HostId(0);
    const B: HostId = HostId(1);
    const C: HostId = HostId(2);

    #[test]
    fn partitions_cut_both_ways_or_one() {
        let mut weather = Weather::default();
        let id = weather.part([A].into(), true);
        assert_eq!(weather.way((A, B)), Way::Cut(Mishap::PartitionOneWay));
        assert_eq!(weather.way((B, A)), Way::Open);
        assert_eq!(weather.way((B, C)), Way::Open);
        weather.heal(id);
        assert_eq!(weather.way((A, B)), Way::Open);
        weather.part([A, B].into(), false);
        assert_eq!(weather.way((C, B)), Way::Cut(Mishap::Partition));
        assert_eq!(weather.way((A, B)), Way::Open);
        assert_eq!(weather.way((A, A)), Way::Open);
    }

    #[test]
    fn a_settled_weather_is_open_inside_of_the_core_and_stays_outside() {
        let mut weather = Weather::default();
        let id = weather.part([A].into(), false);
        weather.clog((B, C), Instant::from_secs(9), Mishap::Clog);
        assert_eq!(weather.way((B, C)), Way::Held(Mishap::Clog));
        assert!(weather.settle(&[A, B].into()).is_empty());
        weather.heal(id);
        weather.clog((A, B), Instant::from_secs(99), Mishap::Clog);
        assert!(weather.thaw(Instant::from_secs(10), (B, C)).is_empty());
        assert_eq!(weather.way((A, B)), Way::Open);
        assert_eq!(weather.way((A, C)), Way::Cut(Mishap::Partition));
        assert_eq!(weather.way((B, C)), Way::Cut(Mishap::Clog));
    }
}
