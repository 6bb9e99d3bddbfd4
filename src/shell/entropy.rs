//! The only door to the system's randomness. One seed a session; everything else is drawn from it.

use std::io;

/// A seed that nobody can guess.
///
/// # Errors
/// What the system says; where there is a random device at all, it does not fail.
pub(crate) fn seed() -> io::Result<u64> {
    getrandom::u64().map_err(io::Error::other)
}
