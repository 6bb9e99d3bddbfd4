//! Whom nobody of the session talks to, and until when.

use core::net::IpAddr;
use std::collections::BTreeMap;

use tide_base::Instant;

/// Bans that are kept: the oldest end first. A swarm of liars larger than this is no swarm.
const BANS: usize = 4096;

/// Addresses that are not talked to, until when.
#[derive(Debug, Default)]
pub struct Bans {
    until: BTreeMap<IpAddr, Instant>,
}

impl Bans {
    /// Nobody is banned.
    pub fn new() -> Bans {
        Bans::default()
    }

    /// An address is banned until then.
    pub fn ban(&mut self, ip: IpAddr, until: Instant) {
        if self.until.len() >= BANS
            && let Some((&first, _)) = self.until.iter().min_by_key(|(_, until)| **until)
        {
            self.until.remove(&first);
        }
        self.until.insert(ip, until);
    }

    /// Whether an address is not to be talked to.
    pub fn is_banned(&self, now: Instant, ip: IpAddr) -> bool {
        self.until.get(&ip).is_some_and(|&until| until > now)
    }

    /// All that are banned, until when.
    pub fn iter(&self) -> impl Iterator<Item = (IpAddr, Instant)> + '_ {
        self.until.iter().map(|(&ip, &until)| (ip, until))
    }

    /// Forgets bans that are over.
    pub fn expire(&mut self, now: Instant) {
        if self.until.values().any(|&until| until <= now) {
            self.until.retain(|_, until| *until > now);
        }
    }
}
