//! The only clock of the measurements, and the form of what they print.

use std::time::Instant;

/// Runs of which the best counts.
const RUNS: usize = 5;

/// Seconds that `work` takes.
pub(crate) fn time(work: impl FnOnce()) -> f64 {
    #[expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}

/// The fewest seconds that `run`, which says how long it took, took.
pub(crate) fn best(mut run: impl FnMut() -> f64) -> f64 {
    (0..RUNS).map(|_| run()).fold(f64::INFINITY, f64::min)
}

/// Prints a line.
pub(crate) fn report(name: &str, figures: &str) {
    println!("{name:<44} {figures}");
}
