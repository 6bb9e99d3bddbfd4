//! The torrents of a shard that wait for an upload slot, whoever waits longest first. Slots are dealt out in this order
//! and one at a time, so that a torrent with a hundred peers waits no less than one with a single peer.

use std::collections::{BTreeSet, VecDeque};

use tide_base::SlotKey;

/// Torrents that wait, each once.
#[derive(Clone, Debug, Default)]
pub struct Line {
    order: VecDeque<SlotKey>,
    members: BTreeSet<SlotKey>,
}

impl Line {
    /// Joins at the end, unless it waits already.
    pub fn join(&mut self, torrent: SlotKey) {
        if self.members.insert(torrent) {
            self.order.push_back(torrent);
        }
    }

    /// Waits no more.
    pub fn leave(&mut self, torrent: SlotKey) {
        if self.members.remove(&torrent) {
            self.order.retain(|&waiting| waiting != torrent);
        }
    }

    /// Takes out whoever waits longest.
    pub fn next(&mut self) -> Option<SlotKey> {
        let torrent = self.order.pop_front()?;
        self.members.remove(&torrent);
        Some(torrent)
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Whether anybody but this one waits.
    pub fn has_others(&self, torrent: SlotKey) -> bool {
        self.members.iter().any(|&waiting| waiting != torrent)
    }
}
