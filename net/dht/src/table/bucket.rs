//! Some of a table's nodes: those that stand at one depth.

use crate::id::{Contact, NodeId};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use tide_base::Instant;

/// A node that has answered us.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) contact: Contact,
    /// When it last answered.
    pub(super) answered: Instant,
    /// When it last sent anything.
    pub(super) heard: Instant,
    /// When upkeep last asked it.
    pub(super) asked: Instant,
    /// Requests in a row that it did not answer.
    pub(super) fails: u8,
    /// Whether its id follows from its address (BEP 42), or need not.
    pub(super) is_secure: bool,
}

/// Nodes of one depth, and who would take the place of one that falls silent.
#[derive(Debug, Default)]
pub(super) struct Bucket {
    pub(super) live: Vec<Entry>,
    /// The newest is last.
    pub(super) waiting: VecDeque<Contact>,
    pub(super) changed: Instant,
}

impl Bucket {
    pub(super) fn find(&self, id: &NodeId) -> Option<usize> {
        self.live.iter().position(|entry| entry.contact.id == *id)
    }

    /// Whose place a newcomer takes in a full bucket: the worst of the bad nodes; or, if the newcomer's id follows from
    /// its address, the longest silent of those whose does not.
    pub(super) fn victim(&self, fails_bad: u8, newcomer_is_secure: bool) -> Option<usize> {
        let among = |test: &dyn Fn(&Entry) -> bool| {
            let places = self.live.iter().enumerate().filter(|(_, entry)| test(entry));
            places
                .max_by_key(|(_, entry)| (entry.fails, core::cmp::Reverse(entry.answered)))
                .map(|(at, _)| at)
        };
        among(&|entry| entry.fails >= fails_bad)
            .or_else(|| newcomer_is_secure.then(|| among(&|entry| !entry.is_secure)).flatten())
    }

    pub(super) fn wait(&mut self, contact: Contact, most: usize) {
        self.waiting.retain(|waiting| waiting.addr != contact.addr && waiting.id != contact.id);
        self.waiting.push_back(contact);
        if self.waiting.len() > most {
            self.waiting.pop_front();
        }
    }
}
