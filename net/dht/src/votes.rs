//! Our address, as others see it (BEP 42).

use crate::host::Subnet;
use alloc::collections::VecDeque;
use core::net::IpAddr;

/// Words that are remembered; the newest ones, one a neighbourhood.
const REMEMBERED: usize = 16;

/// What neighbourhoods last said our address is.
#[derive(Debug, Default)]
pub(crate) struct Votes {
    said: VecDeque<(Subnet, IpAddr)>,
    decided: Option<IpAddr>,
}

impl Votes {
    /// A node at `voter`, which we asked something, says that our address is `ip`. Returns it if that decides for
    /// another address than before: at least `least` neighbourhoods, and more than half, say so.
    pub(crate) fn add(&mut self, voter: IpAddr, ip: IpAddr, is_local: bool, least: usize) -> Option<IpAddr> {
        let voter = Subnet::of(voter);
        // Local nodes are neighbours of one another, but in a network of one's own there are no others.
        if !is_local {
            self.said.retain(|(other, _)| *other != voter);
        }
        self.said.push_back((voter, ip));
        if self.said.len() > REMEMBERED {
            self.said.pop_front();
        }
        let agree = self.said.iter().filter(|(_, said)| *said == ip).count();
        if self.decided == Some(ip) || agree < least || agree * 2 <= self.said.len() {
            return None;
        }
        self.decided = Some(ip);
        self.decided
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_neighbourhoods_must_agree() {
        let (a, b) = (IpAddr::from([9, 9, 9, 9]), IpAddr::from([8, 8, 8, 8]));
        let voter = |net: u8, last: u8| IpAddr::from([net, 1, 1, last]);
        let mut votes = Votes::default();
        for last in 0..100 {
            assert_eq!(votes.add(voter(1, last), b, false, 4), None, "one neighbourhood is one voice");
        }
        assert_eq!(votes.add(voter(2, 0), a, false, 4), None);
        assert_eq!(votes.add(voter(3, 0), a, false, 4), None);
        assert_eq!(votes.add(voter(4, 0), a, false, 4), None);
        assert_eq!(votes.add(voter(5, 0), a, false, 4), Some(a));
        assert_eq!(votes.add(voter(6, 0), a, false, 4), None, "that is known");
        let turned = (10..30).filter_map(|net| votes.add(voter(net, 0), b, false, 4)).count();
        assert_eq!((turned, votes.decided), (1, Some(b)));
    }
}
