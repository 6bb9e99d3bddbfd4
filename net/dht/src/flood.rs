//! Hosts that ask too much.

use crate::host::Host;
use alloc::boxed::Box;
use core::net::IpAddr;
use tide_base::{Duration, Instant};

/// Over how long a host's questions are counted.
const WINDOW: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Default, Debug)]
struct Entry {
    host: u64,
    /// Of which window the count is.
    window: u64,
    count: u32,
    blocked_until: Instant,
}

/// What becomes of a question.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// It is answered.
    Pass,
    /// It is not, nor anything from that host for a while.
    Block,
}

/// Counts questions a host, in a table of fixed size: forged senders cannot make it grow. A host that meets another
/// one in its place first wears down the other's count, so who asks most keeps the place.
#[derive(Debug)]
pub(crate) struct Floods {
    table: Box<[Entry]>,
    key: u64,
    most: u32,
    block: Duration,
}

impl Floods {
    /// `places` is rounded up to a power of two; `key` keeps strangers from choosing whom they meet.
    pub(crate) fn new(places: usize, most: u32, block: Duration, key: u64) -> Floods {
        let table = alloc::vec![Entry::default(); places.max(1).next_power_of_two()].into_boxed_slice();
        Floods { table, key, most, block }
    }

    fn place(&self, host: u64) -> usize {
        let mut x = host ^ self.key;
        x = (x ^ (x >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
        x = (x ^ (x >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93) ^ self.key.rotate_left(31);
        ((x ^ (x >> 32)) as usize) & (self.table.len() - 1)
    }

    /// Whether nothing from `ip` is listened to now.
    pub(crate) fn is_blocked(&self, now: Instant, ip: IpAddr) -> bool {
        let host = Host::of(ip).bits();
        let entry = self.table[self.place(host)];
        entry.host == host && entry.blocked_until > now
    }

    /// Counts one question of `ip`.
    pub(crate) fn count(&mut self, now: Instant, ip: IpAddr) -> Verdict {
        let host = Host::of(ip).bits();
        let window = now.as_nanos() / WINDOW.as_nanos() as u64;
        let place = self.place(host);
        let (most, block) = (self.most, self.block);
        let entry = &mut self.table[place];
        if entry.host != host {
            if entry.blocked_until > now {
                return Verdict::Pass;
            }
            if entry.window == window && entry.count > 0 {
                entry.count -= 1;
                return Verdict::Pass;
            }
            *entry = Entry { host, window, count: 0, blocked_until: Instant::ZERO };
        }
        if entry.window != window {
            (entry.window, entry.count) = (window, 0);
        }
        entry.count += 1;
        if entry.count > most {
            entry.blocked_until = now + block;
            return Verdict::Block;
        }
        Verdict::Pass
    }

    pub(crate) fn memory(&self) -> usize {
        self.table.len() * size_of::<Entry>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_floods_is_blocked_for_a_while_and_nobody_else() {
        let mut floods = Floods::new(1024, 50, Duration::from_secs(60), 7);
        let (loud, calm) = (IpAddr::from([1, 1, 1, 1]), IpAddr::from([2, 2, 2, 2]));
        let now = Instant::from_secs(100);
        let passed = (0..1000).filter(|_| floods.count(now, loud) == Verdict::Pass).count();
        assert_eq!(passed, 50);
        assert!(floods.is_blocked(now, loud) && !floods.is_blocked(now, calm));
        assert_eq!(floods.count(now, calm), Verdict::Pass);
        let later = now + Duration::from_secs(60);
        assert!(!floods.is_blocked(later, loud));
        assert_eq!(floods.count(later, loud), Verdict::Pass);
    }

    #[test]
    fn a_steady_asker_is_never_blocked() {
        let mut floods = Floods::new(1024, 50, Duration::from_secs(60), 7);
        let ip = IpAddr::from([1, 1, 1, 1]);
        for ms in 0..10_000 {
            // Four a second.
            assert_eq!(floods.count(Instant::from_millis(ms * 250), ip), Verdict::Pass);
        }
    }

    #[test]
    fn forged_senders_do_not_hide_a_flood() {
        let mut floods = Floods::new(64, 50, Duration::from_secs(60), 7);
        let loud = IpAddr::from([1, 1, 1, 1]);
        let now = Instant::from_secs(100);
        for n in 0..40_000u32 {
            floods.count(now, IpAddr::from((n | 0x4000_0000).to_be_bytes()));
            floods.count(now, loud);
            floods.count(now, loud);
        }
        assert!(floods.is_blocked(now, loud));
    }
}
