//! The bounds of peer exchange, with their reasons.

use tide_base::Duration;

/// The bounds of peer exchange.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PexLimits {
    /// Contacts taken from one message as added, both families together; what is beyond is not looked at. BEP 11 has 50,
    /// and more in a first message: libtorrent sends up to 100, Transmission some hundred.
    pub added_in: u32,
    /// Contacts taken from one message as dropped.
    pub dropped_in: u32,
    /// How often a peer may send a message (BEP 11: a minute at least). Half of it, since clocks and clients differ.
    pub every_in: Duration,
    /// Messages that it may send at once, when it has not sent any for long. 6 as libtorrent, which disconnects when more
    /// come within a minute.
    pub burst_in: u32,
    /// Messages beyond that which may have piled up while the session was on hold: one for each `every_in` of it, but never
    /// more than this, since each costs a look at some hundred contacts. 120 are what a peer sends in two hours at BEP
    /// 11's one a minute.
    pub backlog_in: u32,
    /// How long after one message the next is sent (BEP 11: a minute at least; some seconds more, so that the path's
    /// jitter does not bring two within one of the receiver's).
    pub interval: Duration,
    /// When to look again whether there is something to tell, while nothing has been told yet.
    pub first_look: Duration,
    /// Contacts added by one message, and dropped by one (BEP 11: 50).
    pub most: u32,
    /// Contacts added by the first message. BEP 11 lets it have more; 100 introduce a swarm, in 700 bytes of IPv4.
    pub most_first: u32,
    /// Contacts that one receiver knows of us, at most: each costs 32 bytes until it is dropped. More than anybody
    /// connects to.
    pub told: u32,
}

impl Default for PexLimits {
    fn default() -> PexLimits {
        PexLimits {
            added_in: 200,
            dropped_in: 200,
            every_in: Duration::from_secs(30),
            burst_in: 6,
            backlog_in: 120,
            interval: Duration::from_secs(65),
            first_look: Duration::from_secs(5),
            most: 50,
            most_first: 100,
            told: 200,
        }
    }
}
