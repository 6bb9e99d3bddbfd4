//! How far hashing is: for people on a terminal, and for programs.

use std::time::Duration;

use crate::console::Console;
use crate::json::Json;
use crate::table::cut;
use crate::units;

/// How often a terminal is refreshed.
const REFRESH: Duration = Duration::from_millis(100);
/// How often programs are told.
const TELL: Duration = Duration::from_secs(1);

/// A bar of `cells` characters, filled by `done` of `total`, in eighths.
pub(crate) fn bar(done: u64, total: u64, cells: usize) -> String {
    const EIGHTHS: [char; 9] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];
    let all = cells as u128 * 8;
    let full = if total == 0 { all } else { (u128::from(done.min(total)) * all) / u128::from(total) };
    let cell = |at: usize| EIGHTHS[usize::try_from(full.saturating_sub(at as u128 * 8).min(8)).unwrap_or(8)];
    format!("▕{}▏", (0..cells).map(cell).collect::<String>())
}

/// Tenths of a per cent, rounded down: 100.0 means all.
pub(crate) fn percent(done: u64, total: u64) -> String {
    let thousandths = if total == 0 { 1000 } else { u128::from(done.min(total)) * 1000 / u128::from(total) };
    format!("{}.{}%", thousandths / 10, thousandths % 10)
}

/// Shows progress of hashing.
pub(crate) struct Meter {
    what: String,
    info_hash: Option<String>,
    refreshed: Option<Duration>,
    told: Duration,
}

impl Meter {
    /// For `what`, in a word that fits before a colon; programs are told only of a torrent that has a hash already.
    pub(crate) fn new(what: impl Into<String>, info_hash: Option<String>) -> Meter {
        Meter { what: what.into(), info_hash, refreshed: None, told: Duration::ZERO }
    }

    /// It has come to `done` of `total` bytes, `now` after its start.
    pub(crate) fn at(&mut self, console: &mut Console<'_>, now: Duration, done: u64, total: u64) {
        if let Some(window) = console.window()
            && self.refreshed.is_none_or(|last| now >= last + REFRESH)
        {
            self.refreshed = Some(now);
            let rate = (done as f64 / now.as_secs_f64().max(0.001)) as u64;
            let text = format!(
                "{}: {} {} {}  {}",
                self.what,
                percent(done, total),
                bar(done, total, 20),
                units::size_of(done, total),
                units::rate(rate)
            );
            console.status(&[cut(&text, window.columns.saturating_sub(1))]);
        }
        if let Some(hash) = &self.info_hash
            && now >= self.told + TELL
        {
            self.told = now;
            let fields =
                [("info_hash", hash.as_str().into()), ("done", done.into()), ("total", total.into())];
            console.emit(&Json::event("checking", fields));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_and_percents_are_never_full_too_early() {
        assert_eq!(bar(0, 16, 2), "▕  ▏");
        assert_eq!(bar(9, 16, 2), "▕█▏▏");
        assert_eq!(bar(16, 16, 2), "▕██▏");
        assert_eq!(bar(99, 16, 1), "▕█▏");
        assert_eq!(bar(0, 0, 1), "▕█▏");
        assert_eq!(percent(u64::MAX - 1, u64::MAX), "99.9%");
        assert_eq!(percent(413, 1000), "41.3%");
        assert_eq!(percent(0, 0), "100.0%");
    }
}
