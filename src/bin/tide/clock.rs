//! The program's only door to the clock.

use std::time::{Duration, Instant};

/// Time since the program began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: Instant,
}

impl Clock {
    /// A time line that begins now.
    #[expect(clippy::disallowed_methods, reason = "this file is where the program reads the clock")]
    pub(crate) fn start() -> Clock {
        Clock { origin: Instant::now() }
    }

    /// How long it has run.
    pub(crate) fn elapsed(&self) -> Duration {
        self.origin.elapsed()
    }
}
