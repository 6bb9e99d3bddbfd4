//! What others have stored with us.

mod items;
mod peers;

pub(crate) use items::{Items, Refused};
pub(crate) use peers::Peers;

use crate::host::Host;
use alloc::collections::BTreeMap;

/// How much of a store each host has.
#[derive(Debug, Default)]
struct Shares(BTreeMap<Host, usize>);

impl Shares {
    fn of(&self, host: Host) -> usize {
        self.0.get(&host).copied().unwrap_or(0)
    }

    fn add(&mut self, host: Host) {
        *self.0.entry(host).or_default() += 1;
    }

    fn sub(&mut self, host: Host) {
        if let Some(count) = self.0.get_mut(&host) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(&host);
            }
        }
    }
}
