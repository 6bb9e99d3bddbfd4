//! How the book stands, as plain data.

use core::net::IpAddr;

use super::Book;
use super::entry::State;
use crate::survey::{AddressState, AddressSurvey};

impl Book {
    /// All addresses, in order.
    pub fn survey(&self) -> Vec<AddressSurvey> {
        let state = |state| match state {
            State::Idle { from } => AddressState::Idle(from),
            State::Dialling => AddressState::Dialling,
            State::Connected { links } => AddressState::Connected(links),
            State::Ours => AddressState::Ours,
        };
        let entries = self.entries.iter();
        entries
            .map(|(&addr, entry)| AddressSurvey {
                addr,
                sources: entry.sources,
                failures: entry.failures,
                state: state(entry.state),
            })
            .collect()
    }

    /// The IPs that are banned.
    pub fn banned(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.banned.keys().copied()
    }
}
