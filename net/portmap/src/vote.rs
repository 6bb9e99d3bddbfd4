//! Which address the world knows us by, by vote: trackers (BEP 24), peers (`yourip`, BEP 10), DHT nodes (BEP 42) and
//! gateways each say something, and any of them may be wrong or lie.
//!
//! Voters of one neighbourhood (an IPv4 /24, an IPv6 /48) have one vote in each capacity, the newest counts. Votes age. What
//! one kind of source can weigh is capped. A believed address stays until another is clearly heavier.

use crate::limits::VoteLimits;
use alloc::collections::{BTreeMap, VecDeque};
use core::net::{IpAddr, Ipv6Addr, SocketAddr};
use tide_base::{Instant, addr};

/// In which capacity an address is told.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Source {
    /// The DHT: its nodes vote among themselves, and what they come to is one word here.
    Dht,
    /// A peer.
    Peer,
    /// A tracker: the user or a torrent's author chose it, and all see the same of it.
    Tracker,
    /// A gateway: it is near, but may stand behind another.
    Gateway,
}

impl Source {
    /// What one vote of it weighs.
    pub const fn weight(self) -> u32 {
        match self {
            Source::Peer => 1,
            Source::Dht => 2,
            Source::Tracker => 3,
            Source::Gateway => 4,
        }
    }
}

/// Where voters share a vote.
fn neighbourhood(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            IpAddr::from([a, b, c, 0])
        }
        IpAddr::V6(ip) => {
            let [a, b, c, ..] = ip.segments();
            Ipv6Addr::from([a, b, c, 0, 0, 0, 0, 0]).into()
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Vote {
    source: Source,
    voter: IpAddr,
    told: IpAddr,
    at: Instant,
}

/// The votes for one family.
#[derive(Debug, Default)]
struct Ballot {
    /// The oldest first.
    votes: VecDeque<Vote>,
    believed: Option<IpAddr>,
}

impl Ballot {
    fn add(&mut self, limits: &VoteLimits, vote: Vote) {
        self.votes.retain(|old| (old.source, old.voter) != (vote.source, vote.voter));
        self.votes.push_back(vote);
        while self.votes.len() > limits.votes.max(1) {
            self.votes.pop_front();
        }
    }

    /// The weight of each address told since `oldest`.
    fn weights(&self, limits: &VoteLimits, oldest: Instant) -> BTreeMap<IpAddr, u32> {
        let mut by_source: BTreeMap<(IpAddr, Source), u32> = BTreeMap::new();
        for vote in self.votes.iter().filter(|vote| vote.at >= oldest) {
            *by_source.entry((vote.told, vote.source)).or_default() += vote.source.weight();
        }
        let mut weights = BTreeMap::new();
        for ((told, _), weight) in by_source {
            *weights.entry(told).or_default() += weight.min(limits.source_max);
        }
        weights
    }

    /// Counts; whether another address is believed now.
    fn count(&mut self, limits: &VoteLimits, oldest: Instant) -> bool {
        let weights = self.weights(limits, oldest);
        let Some((&best, &weight)) = weights.iter().max_by_key(|(_, weight)| **weight) else { return false };
        let held = self.believed.and_then(|ip| weights.get(&ip)).copied().unwrap_or(0);
        let wins = weight >= limits.quorum && weight > held + held / limits.margin.max(1);
        if !wins || self.believed == Some(best) {
            return false;
        }
        self.believed = Some(best);
        true
    }
}

/// The votes of both families, and what they come to.
#[derive(Debug)]
pub struct Votes {
    limits: VoteLimits,
    v4: Ballot,
    v6: Ballot,
}

impl Votes {
    /// No votes.
    pub fn new(limits: VoteLimits) -> Votes {
        Votes { limits, v4: Ballot::default(), v6: Ballot::default() }
    }

    fn ballot(&mut self, ip: IpAddr) -> &mut Ballot {
        if ip.is_ipv4() { &mut self.v4 } else { &mut self.v6 }
    }

    /// `voter` says that our address is `told`. The address that is believed by that, if it is another one than before.
    ///
    /// Local and impossible addresses are no votes: a tracker in the same house sees one, and so does a gateway behind
    /// another gateway.
    pub fn add(&mut self, now: Instant, source: Source, voter: IpAddr, told: IpAddr) -> Option<IpAddr> {
        let told = told.to_canonical();
        if addr::is_local(told) || addr::is_bogus(SocketAddr::new(told, 1)) {
            return None;
        }
        let limits = self.limits;
        let vote = Vote { source, voter: neighbourhood(voter), told, at: now };
        let ballot = self.ballot(told);
        ballot.add(&limits, vote);
        let changed = ballot.count(&limits, now - limits.life);
        ballot.believed.filter(|_| changed)
    }

    /// The IPv4 address that is believed, if any.
    pub fn v4(&self) -> Option<IpAddr> {
        self.v4.believed
    }

    /// The IPv6 address that is believed, if any.
    pub fn v6(&self) -> Option<IpAddr> {
        self.v6.believed
    }

    /// The network is another one: all votes were about what we no longer are.
    pub fn clear(&mut self) {
        (self.v4, self.v6) = (Ballot::default(), Ballot::default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use tide_base::Duration;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect(text)
    }

    fn votes() -> Votes {
        Votes::new(VoteLimits::default())
    }

    const HOME: &str = "1.1.1.1";
    const LIE: &str = "9.9.9.9";

    #[test]
    fn a_tracker_suffices_and_a_single_stranger_does_not() {
        let mut v = votes();
        assert_eq!(v.add(Instant::ZERO, Source::Peer, ip("5.5.5.5"), ip(HOME)), None);
        assert_eq!(v.add(Instant::ZERO, Source::Peer, ip("5.5.5.99"), ip(HOME)), None, "the same /24");
        assert_eq!(v.add(Instant::ZERO, Source::Peer, ip("6.5.5.5"), ip(HOME)), Some(ip(HOME)));
        let mut v = votes();
        assert_eq!(
            v.add(Instant::ZERO, Source::Dht, ip("0.0.0.0"), ip(HOME)),
            Some(ip(HOME)),
            "many nodes agree"
        );
        let mut v = votes();
        assert_eq!(v.add(Instant::ZERO, Source::Tracker, ip("5.5.5.5"), ip(HOME)), Some(ip(HOME)));
        assert_eq!(v.add(Instant::ZERO, Source::Tracker, ip("5.5.5.5"), ip(HOME)), None, "nothing new");
    }

    #[test]
    fn families_are_counted_apart_and_mapped_addresses_are_unwrapped() {
        let mut v = votes();
        let mapped = v.add(Instant::ZERO, Source::Tracker, ip("2a00::1"), ip("::ffff:1.1.1.1"));
        assert_eq!(mapped, Some(ip(HOME)));
        let v6 = v.add(Instant::ZERO, Source::Tracker, ip("5.5.5.5"), ip("2a00:1::7"));
        assert_eq!(v6, Some(ip("2a00:1::7")));
        assert_eq!((v.v4(), v.v6()), (Some(ip(HOME)), v6));
        for told in ["10.0.0.1", "0.0.0.0", "::", "fe80::1", "224.0.0.1", "::ffff:127.0.0.1"] {
            assert_eq!(v.add(Instant::ZERO, Source::Gateway, ip("10.0.0.1"), ip(told)), None, "{told}");
        }
    }

    #[test]
    fn a_crowd_of_one_kind_does_not_outvote_the_others() {
        let mut v = votes();
        v.add(Instant::ZERO, Source::Tracker, ip("5.5.5.5"), ip(HOME));
        v.add(Instant::ZERO, Source::Gateway, ip("10.0.0.1"), ip(HOME));
        for n in 0..50 {
            assert_eq!(v.add(Instant::ZERO, Source::Peer, ip(&format!("7.7.{n}.1")), ip(LIE)), None);
        }
        assert_eq!(v.v4(), Some(ip(HOME)));
    }

    #[test]
    fn an_address_that_really_changed_wins_and_equal_camps_do_not_swing() {
        let mut v = votes();
        let mut now = Instant::ZERO;
        for n in 0..6 {
            v.add(now, Source::Peer, ip(&format!("7.7.{n}.1")), ip(HOME));
            v.add(now, Source::Peer, ip(&format!("8.8.{n}.1")), ip(LIE));
            assert_eq!(v.v4(), (n > 0).then(|| ip(HOME)));
        }
        now += VoteLimits::default().life + Duration::from_secs(1);
        assert_eq!(v.v4(), Some(ip(HOME)), "silence changes nothing");
        v.add(now, Source::Peer, ip("7.7.0.1"), ip(LIE));
        assert_eq!(v.add(now, Source::Peer, ip("7.7.1.1"), ip(LIE)), Some(ip(LIE)));
    }
}
