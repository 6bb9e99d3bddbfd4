//! Waiting for a state that can be observed; never for time to pass.

use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a state may take to come before a test fails: far beyond what a loaded machine needs.
pub const GENEROUS: Duration = Duration::from_secs(90);

/// Between two looks at the same state.
const PAUSE: Duration = Duration::from_millis(20);

/// A moment after which waiting is given up.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Instant);

impl Deadline {
    /// The moment `limit` from now.
    #[must_use]
    pub fn after(limit: Duration) -> Self {
        Self(now() + limit)
    }

    /// What is left until then; zero when it has passed.
    #[must_use]
    pub fn left(self) -> Duration {
        self.0.saturating_duration_since(now())
    }

    /// Whether it has passed.
    #[must_use]
    pub fn passed(self) -> bool {
        self.left().is_zero()
    }
}

/// Calls `probe` until it returns something, for at most [`GENEROUS`].
///
/// # Panics
/// When the time is up, saying that `what` did not come.
pub fn until<T>(what: &str, probe: impl FnMut() -> Option<T>) -> T {
    until_within(GENEROUS, what, probe)
}

/// Calls `probe` until it returns something, for at most `limit`.
///
/// # Panics
/// When the time is up, saying that `what` did not come.
pub fn until_within<T>(limit: Duration, what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    try_until(limit, &mut probe).unwrap_or_else(|| panic!("waited {limit:?} in vain: {what}"))
}

/// Calls `probe` until it returns something, or `None` after `limit`.
pub fn try_until<T>(limit: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Deadline::after(limit);
    loop {
        if let Some(seen) = probe() {
            return Some(seen);
        }
        if deadline.passed() {
            return None;
        }
        sleep(PAUSE);
    }
}

#[expect(clippy::disallowed_methods, reason = "tests watch other processes, which live by the real clock")]
fn now() -> Instant {
    Instant::now()
}
