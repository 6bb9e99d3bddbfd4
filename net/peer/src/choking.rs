//! The four flags of BEP 3: who chokes whom, who wants something of whom.

/// Whether a side refuses requests.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Choke {
    /// Requests are not answered (but see BEP 6's allowed-fast set). The state at the beginning.
    #[default]
    Choked,
    /// Requests are answered.
    Unchoked,
}

/// Whether a side would request something.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Interest {
    /// The other side has nothing that it wants. The state at the beginning.
    #[default]
    NotInterested,
    /// It would request if it were not choked.
    Interested,
}

/// The four flags. Every change tells whether it was one, so that nothing is sent or reported twice.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Choking {
    /// What we do to the peer.
    pub ours: Choke,
    /// What the peer does to us.
    pub theirs: Choke,
    /// Whether we want something of the peer.
    pub our_interest: Interest,
    /// Whether the peer wants something of us.
    pub their_interest: Interest,
}

impl Choking {
    /// Sets what we do to the peer; returns whether that is a change.
    pub fn set_ours(&mut self, choke: Choke) -> bool {
        core::mem::replace(&mut self.ours, choke) != choke
    }

    /// Records what the peer does to us; returns whether that is a change.
    pub fn set_theirs(&mut self, choke: Choke) -> bool {
        core::mem::replace(&mut self.theirs, choke) != choke
    }

    /// Sets whether we want something; returns whether that is a change.
    pub fn set_our_interest(&mut self, interest: Interest) -> bool {
        core::mem::replace(&mut self.our_interest, interest) != interest
    }

    /// Records whether the peer wants something; returns whether that is a change.
    pub fn set_their_interest(&mut self, interest: Interest) -> bool {
        core::mem::replace(&mut self.their_interest, interest) != interest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_begins_choked_and_without_interest_and_repeats_are_no_changes() {
        let mut flags = Choking::default();
        assert!(!flags.set_ours(Choke::Choked) && !flags.set_theirs(Choke::Choked));
        assert!(!flags.set_our_interest(Interest::NotInterested));
        assert!(flags.set_theirs(Choke::Unchoked) && !flags.set_theirs(Choke::Unchoked));
        assert!(flags.set_their_interest(Interest::Interested));
        assert_eq!((flags.ours, flags.theirs), (Choke::Choked, Choke::Unchoked));
    }
}
