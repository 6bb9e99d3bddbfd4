//! How much is listened to: announces counted by sender and in all, anew in each gap.

use crate::limits::Limits;
use alloc::collections::BTreeMap;
use core::net::IpAddr;
use tide_base::Instant;

#[derive(Debug, Default)]
pub(crate) struct Floods {
    since: Instant,
    all: u32,
    senders: BTreeMap<IpAddr, u32>,
}

impl Floods {
    /// Whether one more announce of this sender is looked at.
    pub(crate) fn allows(&mut self, now: Instant, limits: &Limits, sender: IpAddr) -> bool {
        if self.since + limits.gap <= now {
            *self = Floods { since: now, ..Floods::default() };
        }
        if self.senders.len() >= limits.senders && !self.senders.contains_key(&sender) {
            return false;
        }
        let count = self.senders.entry(sender).or_default();
        if *count >= limits.from_one || self.all >= limits.from_all {
            return false;
        }
        *count += 1;
        self.all += 1;
        true
    }
}
