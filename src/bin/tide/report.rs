//! What is said when nothing else works any more, and where the log goes.

use std::ffi::OsString;
use std::io::Write;
use std::panic;

use log::LevelFilter;

/// From now on a panic is reported in words that a person can pass on.
pub(crate) fn on_panic() {
    panic::set_hook(Box::new(|info| {
        let thread = std::thread::current();
        let what = info.payload();
        let what = what.downcast_ref::<&str>().copied().or(what.downcast_ref::<String>().map(String::as_str));
        let place = info.location().map_or(String::new(), |place| format!(" at {place}"));
        last_words(&format!(
            "a bug in tide {}{place}, in the thread {:?}: {}\n\
             tide: everything that was complete is safe; please report the line above, with RUST_BACKTRACE=1 set if you can",
            env!("CARGO_PKG_VERSION"),
            thread.name().unwrap_or("?"),
            what.unwrap_or("of a kind without words"),
        ));
        let trace = std::backtrace::Backtrace::capture();
        if trace.status() == std::backtrace::BacktraceStatus::Captured {
            last_words(&trace.to_string());
        }
    }));
}

/// Says something on standard error, if that is possible.
pub(crate) fn last_words(words: &str) {
    // There is nobody left to tell that it did not work.
    let _ = writeln!(std::io::stderr(), "tide: {words}");
}

/// Sends the log to standard error: errors alone if `quiet`, warnings, and more for each `-v`, unless `RUST_LOG`,
/// which is `directives`, says otherwise.
pub(crate) fn start_log(quiet: bool, verbose: usize, directives: Option<OsString>) {
    let level = match (quiet, verbose) {
        (_, 3..) => LevelFilter::Trace,
        (_, 2) => LevelFilter::Debug,
        (_, 1) => LevelFilter::Info,
        (true, 0) => LevelFilter::Error,
        (false, 0) => LevelFilter::Warn,
    };
    let mut builder = env_logger::Builder::new();
    match directives.as_ref().and_then(|text| text.to_str()) {
        Some(directives) => builder.parse_filters(directives),
        None => builder.filter_level(level),
    };
    if directives.is_none() && verbose == 0 {
        // What the engine warns of comes as an event too, and is told from there.
        builder.filter_module("tide_engine", LevelFilter::Error);
    }
    // Fails only where a log has been set up already: in tests that run the program several times.
    let _ = builder.try_init();
}
