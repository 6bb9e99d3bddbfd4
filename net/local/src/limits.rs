//! Every bound of this crate, with its reason.

use tide_base::Duration;

/// Bytes of an announce that is sent (BEP 14: no more than 1400, so that it is not fragmented).
pub const SENT_MAX: usize = 1400;

/// Bytes of an announce that is read: what fits one Ethernet frame, and some slack.
pub const READ_MAX: usize = 2048;

/// Info-hashes taken of one announce: as many as fit [`READ_MAX`].
pub const HASHES_MAX: usize = 40;

/// Bytes of a cookie. Known ones have 8 to 16.
pub const COOKIE_MAX: usize = 64;

/// Bounds and habits of [`Discovery`](crate::Discovery).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Torrents announced; with more than about 130, each comes round less often than [`interval`](Limits::interval).
    pub torrents: usize,
    /// How often a torrent is announced (BEP 14: every 5 minutes).
    pub interval: Duration,
    /// What lies between two announces of the session at least (BEP 14: one minute).
    pub gap: Duration,
    /// A new torrent is announced within this long, at random: so that torrents added together share one announce,
    /// and a house whose power returns does not speak all at once.
    pub jitter: Duration,
    /// Announces a sender may make in one [`gap`](Limits::gap): several programs, families and interfaces of a host,
    /// and older ones with one torrent an announce.
    pub from_one: u32,
    /// Senders counted at a time; beyond them strangers wait for the next gap.
    pub senders: usize,
    /// Announces taken from all together in one [`gap`](Limits::gap): a large office.
    pub from_all: u32,
    /// Peers found that wait to be fetched.
    pub found: usize,
    /// Networks of ours whose addresses are believed to be neighbours.
    pub networks: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            torrents: 10_000,
            interval: Duration::from_secs(300),
            gap: Duration::from_secs(60),
            jitter: Duration::from_secs(1),
            from_one: 32,
            senders: 256,
            from_all: 1000,
            found: 1000,
            networks: 32,
        }
    }
}
