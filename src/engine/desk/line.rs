//! The torrents of a shard that wait for an upload slot, or the crews that wait to dial, whoever waits longest first.
//! Slots and dials are dealt out in this order and one at a time, so that a torrent with a hundred peers, or a hundred
//! addresses where nobody answers, waits no less than one with a single one.

use std::collections::{BTreeSet, VecDeque};

use tide_base::SlotKey;

/// Torrents, or crews, that wait, each once.
#[derive(Clone, Debug, Default)]
pub struct Line {
    order: VecDeque<SlotKey>,
    members: BTreeSet<SlotKey>,
}

impl Line {
    /// Joins at the end, unless it waits already.
    pub fn join(&mut self, who: SlotKey) {
        if self.members.insert(who) {
            self.order.push_back(who);
        }
    }

    /// Waits no more.
    pub fn leave(&mut self, who: SlotKey) {
        if self.members.remove(&who) {
            self.order.retain(|&waiting| waiting != who);
        }
    }

    /// Takes out whoever waits longest.
    pub fn next(&mut self) -> Option<SlotKey> {
        let who = self.order.pop_front()?;
        self.members.remove(&who);
        Some(who)
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Whether anybody but this one waits.
    pub fn has_others(&self, who: SlotKey) -> bool {
        self.members.iter().any(|&waiting| waiting != who)
    }
}
