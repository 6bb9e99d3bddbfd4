//! The turn itself: the one function by which a shard is driven, whoever drives it.

use tide_base::Instant;

use crate::border::Output;
use crate::shard::Shard;

/// Who drives a shard: the shell, or a simulated world.
pub trait Driver {
    /// The shard that is driven.
    fn shard(&mut self) -> &mut Shard;

    /// Tells the shard what has happened since the last turn.
    fn tell(&mut self, now: Instant);

    /// Carries out one of the shard's wishes.
    fn carry(&mut self, now: Instant, output: Output);
}

/// One turn: what happened is told, the shard decides once, and all it wants is carried out.
pub fn turn(driver: &mut impl Driver, now: Instant) {
    driver.tell(now);
    driver.shard().settle(now);
    while let Some(output) = driver.shard().poll() {
        driver.carry(now, output);
    }
}
