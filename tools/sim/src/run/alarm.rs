//! What the engine logs while a world runs: a line at the level of errors fails the run. Each thread has a run of its
//! own, so worlds can run side by side.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use tide_base::Instant;

use crate::world::NodeId;

thread_local! {
    static ERRORS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    static ECHO: Cell<bool> = const { Cell::new(false) };
    /// When, and whose engine has its turn.
    static TURN: Cell<Option<(Instant, NodeId)>> = const { Cell::new(None) };
    /// What the last panic of a run in this thread said; none while no run is under way.
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

struct Alarm;

impl log::Log for Alarm {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() == log::Level::Error || ECHO.get()
    }

    fn log(&self, record: &log::Record<'_>) {
        if record.level() == log::Level::Error {
            ERRORS.with_borrow_mut(|errors| errors.push(record.args().to_string()));
        }
        // Not what a library far from here says of every byte.
        let Some((module, about)) = record.target().split_once("::").filter(|it| it.0.starts_with("tide"))
        else {
            return;
        };
        if ECHO.get() {
            let (at, node) = TURN
                .get()
                .map_or_else(Default::default, |(at, node)| (format!("{at:?}"), format!("node {}", node.0)));
            let place = format!("{}::{about}", module.trim_start_matches("tide_"));
            eprintln!("{at:>20} {node:8} {place:16} {}", record.args());
        }
    }

    fn flush(&self) {}
}

static ONCE: Once = Once::new();

/// Listens from now on. With `echo`, everything is also written to standard error, for this thread.
pub(crate) fn listen(echo: bool) {
    ONCE.call_once(|| {
        // A program that embeds the world may have a logger of its own: then errors are its to notice.
        let _ = log::set_logger(&Alarm);
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let ours = PANIC.with_borrow_mut(|panic| panic.as_mut().map(|text| *text = info.to_string()));
            if ours.is_none() || ECHO.get() {
                usual(info);
            }
        }));
    });
    log::set_max_level(if echo {
        log::LevelFilter::Trace
    } else {
        log::max_level().max(log::LevelFilter::Error)
    });
    ECHO.set(echo);
    ERRORS.with_borrow_mut(Vec::clear);
}

/// An engine has its turn: what is logged from now on is its.
pub(crate) fn turn_of(now: Instant, node: NodeId) {
    TURN.set(Some((now, node)));
}

/// What was logged as an error in this thread since last time.
pub(crate) fn errors() -> Vec<String> {
    ERRORS.take()
}

/// Runs `what`; if it panics, what the panic said, and where.
pub(crate) fn caught<T>(what: impl FnOnce() -> T) -> Result<T, String> {
    PANIC.set(Some(String::new()));
    let result = catch_unwind(AssertUnwindSafe(what));
    let said = PANIC.take().unwrap_or_default();
    result.map_err(|_| said.replace('\n', " "))
}
