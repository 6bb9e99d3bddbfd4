//! Threads that end visibly: a panic in one ends the session, and a hung one is left behind.

use std::any::Any;
use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use tide_base::{Duration, Instant};

use crate::shell::board::Board;
use crate::shell::clock::Clock;
use crate::shell::links::Door;

/// What all threads of a session share. Nothing of the engine's is in here.
#[derive(Debug)]
pub(crate) struct Shared {
    /// The session's time line.
    pub(crate) clock: Clock,
    /// What waits for the application.
    pub(crate) board: Board,
    /// The ways to the shards.
    pub(crate) doors: Arc<[Door]>,
    halted: AtomicBool,
    threads: Mutex<Vec<Thread>>,
}

/// A thread, and a channel that is cut off when it ends.
#[derive(Debug)]
struct Thread {
    name: String,
    handle: JoinHandle<()>,
    gone: Receiver<Infallible>,
}

impl Shared {
    /// Shared state of a session without threads.
    pub(crate) fn new(clock: Clock, doors: Arc<[Door]>) -> Arc<Shared> {
        let (halted, threads) = (AtomicBool::new(false), Mutex::default());
        Arc::new(Shared { clock, board: Board::new(clock), doors, halted, threads })
    }

    /// Whether every thread shall end at once, with whatever it has in hand.
    pub(crate) fn halted(&self) -> bool {
        self.halted.load(Ordering::SeqCst)
    }

    /// Tells every thread to end at once.
    pub(crate) fn halt(&self) {
        self.halted.store(true, Ordering::SeqCst);
        for door in self.doors.iter() {
            door.ring();
        }
    }

    /// Ends the session because of a bug.
    pub(crate) fn fail(&self, why: String) {
        log::error!("the session has failed: {why}");
        self.board.broken(why);
        self.halt();
    }

    /// Starts a thread that belongs to the session. If `body` panics, the session fails.
    ///
    /// # Errors
    /// The system has no more threads.
    pub(crate) fn spawn(
        self: &Arc<Self>,
        name: &str,
        body: impl FnOnce() + Send + 'static,
    ) -> std::io::Result<()> {
        let (alive, gone) = crossbeam_channel::bounded::<Infallible>(0);
        let shared = Arc::clone(self);
        let label = name.to_owned();
        let handle = thread::Builder::new().name(name.to_owned()).spawn(move || {
            let _alive = alive;
            // Whatever a panic left behind belongs to `body` and has been dropped with it.
            if let Err(panic) = catch_unwind(AssertUnwindSafe(body)) {
                shared.fail(format!("thread {label}: {}", words(panic.as_ref())));
            }
        })?;
        self.threads().push(Thread { name: name.to_owned(), handle, gone });
        Ok(())
    }

    fn threads(&self) -> std::sync::MutexGuard<'_, Vec<Thread>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for all threads whose name begins like that, until `deadline`. Whether all have ended.
    pub(crate) fn join(&self, prefix: &str, deadline: Instant) -> bool {
        let all = std::mem::take(&mut *self.threads());
        let (ours, others) = all.into_iter().partition::<Vec<_>, _>(|thread| thread.name.starts_with(prefix));
        self.threads().extend(others);
        let mut late = Vec::new();
        for thread in ours {
            let left = self.clock.now().until(deadline);
            match thread.gone.recv_timeout(left) {
                Err(RecvTimeoutError::Disconnected) => {
                    if thread.handle.join().is_err() {
                        log::error!("thread {} ended in a panic", thread.name);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    log::warn!("thread {} does not end", thread.name);
                    late.push(thread);
                }
                Ok(never) => match never {},
            }
        }
        let complete = late.is_empty();
        self.threads().extend(late);
        complete
    }

    /// The moment that much from now.
    pub(crate) fn after(&self, span: Duration) -> Instant {
        self.clock.now() + span
    }
}

/// What a panic says.
fn words(panic: &(dyn Any + Send)) -> &str {
    if let Some(text) = panic.downcast_ref::<&str>() {
        text
    } else {
        panic.downcast_ref::<String>().map_or("panicked without words", String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::board::{Next, Notice};

    fn shared() -> Arc<Shared> {
        Shared::new(Clock::start(), Arc::from([]))
    }

    #[test]
    fn a_panic_ends_the_session_with_its_words() {
        let shared = shared();
        shared.spawn("test-1", || panic!("{} is wrong", "this")).expect("a thread");
        assert!(shared.join("test-", Instant::NEVER));
        assert!(shared.halted());
        let Next::Notice(_, Notice::Broken(why)) = shared.board.next(None) else { panic!("a notice") };
        assert_eq!(why, "thread test-1: this is wrong");
        assert!(matches!(shared.board.next(None), Next::Over));
    }

    #[test]
    fn a_thread_that_hangs_holds_nobody_up() {
        let shared = shared();
        let (hold, held) = crossbeam_channel::bounded::<()>(0);
        shared.spawn("test-hung", move || assert!(held.recv().is_err())).expect("a thread");
        shared.spawn("test-fine", || {}).expect("a thread");
        shared.spawn("other", || {}).expect("a thread");
        assert!(!shared.join("test-hung", shared.clock.now()));
        assert!(shared.join("test-fine", Instant::NEVER));
        assert!(shared.join("other", Instant::NEVER));
        drop(hold);
        assert!(shared.join("", Instant::NEVER));
    }
}
