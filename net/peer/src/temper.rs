//! Patience: how many useless messages of each kind a peer has left. Useful work and time earn them back.

use crate::fault::Fault;
use crate::limits::Patience;
use tide_base::Instant;

/// A kind of message that is harmless once and an attack a thousand times.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Offence {
    /// An allowed-fast message that says nothing new.
    AllowedFast,
    /// A cancel.
    Cancel,
    /// A choke or unchoke.
    Choke,
    /// A piece taken back that was not there.
    DontHave,
    /// A piece claimed again.
    Have,
    /// An extension handshake.
    Hello,
    /// A change of interest.
    Interest,
    /// A keep-alive.
    KeepAlive,
    /// A request for metadata.
    MetadataRequest,
    /// Metadata, or a reject of it, that we did not ask for.
    MetadataUnasked,
    /// A reject of what we did not ask.
    Reject,
    /// A request beyond our queue, or made twice.
    Request,
    /// A request that cannot be served.
    RequestInvalid,
    /// A request while choked.
    RequestChoked,
    /// A suggestion that says nothing new.
    Suggestion,
    /// A block nobody asked for.
    Unasked,
    /// A message we do not know.
    Unknown,
}

const KINDS: usize = Offence::Unknown as usize + 1;

/// What a peer has spent of our patience.
#[derive(Clone, Debug)]
pub struct Temper {
    spent: [u16; KINDS],
    forgiven_at: Instant,
}

impl Temper {
    /// Nothing spent.
    pub fn new(now: Instant) -> Temper {
        Temper { spent: [0; KINDS], forgiven_at: now }
    }

    /// Records an offence; the fault if it was one too many.
    pub fn spend(&mut self, now: Instant, offence: Offence, patience: &Patience) -> Result<(), Fault> {
        self.forgive(now, patience);
        let (budget, fault) = rule(offence, patience);
        let spent = &mut self.spent[offence as usize];
        if *spent >= budget {
            return Err(fault);
        }
        *spent += 1;
        Ok(())
    }

    /// Forgives one of each kind: a block moved.
    pub fn earn(&mut self) {
        for spent in &mut self.spent {
            *spent = spent.saturating_sub(1);
        }
    }

    /// Forgives `n` offences of one kind, to which we gave reason.
    pub fn pardon(&mut self, offence: Offence, n: u16) {
        let spent = &mut self.spent[offence as usize];
        *spent = spent.saturating_sub(n);
    }

    fn forgive(&mut self, now: Instant, patience: &Patience) {
        let refill = patience.refill.as_nanos().max(1);
        let steps = now.since(self.forgiven_at).as_nanos() / refill;
        if steps == 0 {
            return;
        }
        let steps = u16::try_from(steps).unwrap_or(u16::MAX);
        for spent in &mut self.spent {
            *spent = spent.saturating_sub(steps);
        }
        self.forgiven_at = now;
    }
}

fn rule(offence: Offence, patience: &Patience) -> (u16, Fault) {
    match offence {
        Offence::AllowedFast => (patience.allowed_fast, Fault::AllowedFastFlood),
        Offence::Cancel => (patience.cancels, Fault::CancelFlood),
        Offence::Choke => (patience.chokes, Fault::ChokeFlapping),
        Offence::DontHave => (patience.dont_haves, Fault::DontHaveFlood),
        Offence::Have => (patience.haves, Fault::HaveFlood),
        Offence::Hello => (patience.hellos, Fault::HelloFlood),
        Offence::Interest => (patience.interests, Fault::InterestFlapping),
        Offence::KeepAlive => (patience.keep_alives, Fault::KeepAliveFlood),
        Offence::MetadataRequest => (patience.metadata_requests, Fault::MetadataFlood),
        Offence::MetadataUnasked => (patience.metadata_unasked, Fault::MetadataUnasked),
        Offence::Reject => (patience.rejects, Fault::RejectFlood),
        Offence::Request => (patience.requests, Fault::RequestFlood),
        Offence::RequestInvalid => (patience.requests_invalid, Fault::RequestsInvalid),
        Offence::RequestChoked => (patience.requests_choked, Fault::RequestsWhileChoked),
        Offence::Suggestion => (patience.suggestions, Fault::SuggestFlood),
        Offence::Unasked => (patience.unasked, Fault::BlocksUnasked),
        Offence::Unknown => (patience.unknown, Fault::UnknownFlood),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_ends_and_is_earned_back_by_work_and_by_time() {
        let patience = Patience { cancels: 2, ..Patience::default() };
        let mut temper = Temper::new(Instant::ZERO);
        let cancel = |temper: &mut Temper, now| temper.spend(now, Offence::Cancel, &patience);
        assert_eq!(cancel(&mut temper, Instant::ZERO), Ok(()));
        assert_eq!(cancel(&mut temper, Instant::ZERO), Ok(()));
        assert_eq!(cancel(&mut temper, Instant::ZERO), Err(Fault::CancelFlood));
        assert_eq!(temper.spend(Instant::ZERO, Offence::Choke, &patience), Ok(()));
        temper.earn();
        assert_eq!(cancel(&mut temper, Instant::ZERO), Ok(()));
        assert_eq!(cancel(&mut temper, Instant::ZERO), Err(Fault::CancelFlood));
        assert_eq!(cancel(&mut temper, Instant::ZERO + patience.refill), Ok(()));
        assert_eq!(cancel(&mut temper, Instant::ZERO + patience.refill), Err(Fault::CancelFlood));
        temper.pardon(Offence::Cancel, 5);
        assert_eq!(cancel(&mut temper, Instant::ZERO + patience.refill), Ok(()));
    }
}
