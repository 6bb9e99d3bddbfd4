//! Write tokens (BEP 5): who can read what is sent to an address may store something there.

use crate::digest::sha1;
use crate::id::NodeId;
use core::net::IpAddr;
use tide_base::{Duration, Instant};

/// Bytes of a token. Guessing one of 2⁶⁴ within its life is hopeless.
const TOKEN_BYTES: usize = 8;

/// Makes and recognises tokens without remembering any: a keyed digest of address, target and epoch. The epoch is
/// the time divided by the life, so nothing needs to be rotated.
pub(crate) struct Tokens {
    secret: [u8; 16],
    life: Duration,
}

impl Tokens {
    pub(crate) fn new(secret: [u8; 16], life: Duration) -> Tokens {
        Tokens { secret, life: life.max(Duration::from_millis(1)) }
    }

    fn epoch(&self, now: Instant) -> u64 {
        now.as_nanos() / (self.life.as_nanos() as u64).max(1)
    }

    fn make(&self, epoch: u64, ip: IpAddr, target: &NodeId) -> [u8; TOKEN_BYTES] {
        let epoch = epoch.to_be_bytes();
        let digest = match ip {
            IpAddr::V4(ip) => sha1(&[&self.secret, &epoch, &ip.octets(), &target.0]),
            IpAddr::V6(ip) => sha1(&[&self.secret, &epoch, &ip.octets(), &target.0]),
        };
        digest[..TOKEN_BYTES].try_into().expect("a part of the digest")
    }

    /// The token by which `ip` may store something at `target`, for one to two lives from `now`.
    pub(crate) fn issue(&self, now: Instant, ip: IpAddr, target: &NodeId) -> [u8; TOKEN_BYTES] {
        self.make(self.epoch(now), ip, target)
    }

    /// Whether `token` was given to `ip` for `target` not long ago.
    pub(crate) fn is_good(&self, now: Instant, ip: IpAddr, target: &NodeId, token: &[u8]) -> bool {
        let epoch = self.epoch(now);
        token == self.make(epoch, ip, target)
            || epoch.checked_sub(1).is_some_and(|before| token == self.make(before, ip, target))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_of_one_address_one_target_and_two_lives() {
        let tokens = Tokens::new([7; 16], Duration::from_secs(300));
        let (a, b): (IpAddr, IpAddr) = ([1, 2, 3, 4].into(), [1, 2, 3, 5].into());
        let (x, y) = (NodeId([1; 20]), NodeId([2; 20]));
        let now = Instant::from_secs(299);
        let token = tokens.issue(now, a, &x);
        assert!(tokens.is_good(now, a, &x, &token));
        assert!(tokens.is_good(Instant::from_secs(599), a, &x, &token));
        assert!(!tokens.is_good(Instant::from_secs(600), a, &x, &token));
        assert!(!tokens.is_good(now, b, &x, &token) && !tokens.is_good(now, a, &y, &token));
        assert!(!tokens.is_good(now, a, &x, &token[..7]) && !tokens.is_good(now, a, &x, b""));
        assert!(!Tokens::new([8; 16], Duration::from_secs(300)).is_good(now, a, &x, &token));
    }
}
