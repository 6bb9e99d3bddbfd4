//! How many requests should be in flight.
//!
//! Too few and the peer waits for us; the number that keeps it busy is the data that it delivers in the time from a
//! request to its answer, which is not known in the beginning and changes. So: begin at a floor; add one for
//! each block that comes (which doubles the pipeline every round trip) until a second brings no more than the second
//! before; from then on hold what the measured rate delivers in [`Limits::asks_queue`]. Never less than the floor
//! while data flows: a window that follows the rate it permits would shrink for ever after the first hiccup. A peer
//! that snubs us gets a single request, which is enough to find out that it changed its mind.

use crate::limits::Limits;
use tide_base::meter::Meter;
use tide_base::{Duration, Instant};

/// How long one look at the rate is while the pipeline grows.
const LOOK: Duration = Duration::from_secs(1);

/// The depth of one peer's pipeline.
#[derive(Clone, Debug)]
pub struct Depth {
    rate: Meter,
    phase: Phase,
    snubbed: bool,
}

#[derive(Clone, Debug)]
enum Phase {
    /// Growing by a block a block.
    Start { depth: u32, look_began: Instant, bytes: u64, before: u64 },
    /// Following the rate.
    Follow,
}

impl Phase {
    fn start(now: Instant) -> Phase {
        Phase::Start { depth: 0, look_began: now, bytes: 0, before: 0 }
    }
}

impl Depth {
    /// The pipeline of a peer that has not sent anything.
    pub fn new(now: Instant) -> Depth {
        Depth { rate: Meter::new(), phase: Phase::start(now), snubbed: false }
    }

    /// Bytes of asked blocks a second.
    pub fn rate(&mut self, now: Instant) -> u64 {
        self.rate.rate(now)
    }

    /// Bytes of asked blocks ever.
    pub fn total(&self) -> u64 {
        self.rate.total()
    }

    /// Whether the peer snubs us.
    pub fn snubbed(&self) -> bool {
        self.snubbed
    }

    /// Records that the peer snubs us.
    pub fn snub(&mut self) {
        self.snubbed = true;
    }

    /// Records a block of `len` bytes that was asked for. It ends a snub, and the pipeline starts anew.
    pub fn arrived(&mut self, now: Instant, len: u32) {
        self.rate.add(now, u64::from(len));
        if core::mem::take(&mut self.snubbed) {
            self.phase = Phase::start(now);
        }
        let Phase::Start { depth, look_began, bytes, before } = &mut self.phase else { return };
        *depth = depth.saturating_add(1);
        *bytes += u64::from(len);
        let looked = now.since(*look_began);
        if looked < LOOK {
            return;
        }
        let rate = (u128::from(*bytes) * 1_000_000_000 / looked.as_nanos()) as u64;
        if *before > 0 && rate < *before + *before / 8 {
            self.phase = Phase::Follow;
            return;
        }
        (*look_began, *bytes, *before) = (now, 0, rate);
    }

    /// How many requests should be in flight, when the peer takes `theirs` at most and blocks have `block_len` bytes.
    pub fn target(&mut self, now: Instant, theirs: u32, block_len: u32, limits: &Limits) -> u32 {
        if self.snubbed {
            return 1;
        }
        let most = limits.asks.min(theirs).max(1);
        let floor = limits.asks_floor.clamp(1, most);
        let depth = match self.phase {
            Phase::Start { depth, .. } => u64::from(floor) + u64::from(depth),
            Phase::Follow => {
                let queue = limits.asks_queue.as_millis().min(u128::from(u32::MAX)) as u64;
                let bytes = self.rate.rate(now).saturating_mul(queue) / 1000;
                bytes.div_ceil(u64::from(block_len.max(1)))
            }
        };
        depth.clamp(u64::from(floor), u64::from(most)) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: u32 = 16 * 1024;

    /// Blocks come at `rate` blocks a second for some seconds.
    fn flow(depth: &mut Depth, from: u64, secs: u64, rate: u64) {
        for i in 0..secs * rate {
            depth.arrived(Instant::from_nanos((from * 1_000_000_000) + i * 1_000_000_000 / rate), BLOCK);
        }
    }

    fn target(depth: &mut Depth, at: u64) -> u32 {
        depth.target(Instant::from_secs(at), 2000, BLOCK, &Limits::default())
    }

    #[test]
    fn it_begins_at_the_floor_grows_with_what_comes_and_then_follows_the_rate() {
        let mut depth = Depth::new(Instant::ZERO);
        assert_eq!(target(&mut depth, 0), 16);
        flow(&mut depth, 0, 1, 50);
        assert_eq!(target(&mut depth, 1), 66);
        flow(&mut depth, 1, 1, 100);
        assert_eq!(target(&mut depth, 2), 166);
        flow(&mut depth, 2, 10, 100);
        let follows = target(&mut depth, 12);
        assert!((260..=305).contains(&follows), "{follows}");
        flow(&mut depth, 12, 10, 1000);
        assert_eq!(target(&mut depth, 22), 1024);
    }

    #[test]
    fn it_never_spirals_below_the_floor_but_a_snub_leaves_one() {
        let mut depth = Depth::new(Instant::ZERO);
        flow(&mut depth, 0, 10, 2);
        assert!(target(&mut depth, 10) >= 16);
        assert!(target(&mut depth, 1000) >= 16);
        depth.snub();
        assert_eq!(target(&mut depth, 1000), 1);
        depth.arrived(Instant::from_secs(1001), BLOCK);
        assert_eq!(target(&mut depth, 1001), 17);
    }

    #[test]
    fn both_sides_bounds_hold() {
        let mut depth = Depth::new(Instant::ZERO);
        let limits = Limits::default();
        assert_eq!(depth.target(Instant::ZERO, 10, BLOCK, &limits), 10);
        assert_eq!(depth.target(Instant::ZERO, 0, BLOCK, &limits), 1);
        let small = Limits { asks: 5, ..limits };
        assert_eq!(depth.target(Instant::ZERO, 2000, BLOCK, &small), 5);
    }
}
