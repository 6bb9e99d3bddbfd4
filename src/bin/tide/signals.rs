//! Ctrl-C, SIGTERM and a terminal that is closed: the first asks for a clean end, the second ends at once.

use std::fs;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

use crate::exit::Exit;

/// How long the first signal may go unnoticed by whoever waits for a second one.
const GLANCE: Duration = Duration::from_millis(50);
/// How long after the first signal another one still is the same wish: `timeout` and some supervisors signal a process
/// and then its group, which is the process again.
const SAME_WISH: Duration = Duration::from_millis(300);

/// Whether somebody wants the program to end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop {
    /// The signal that came; zero for none.
    came: Arc<AtomicUsize>,
    /// Whether the next signal ends the program where it stands.
    at_once: Arc<AtomicBool>,
}

impl Stop {
    /// Listens to signals. They end the program at once, as if nobody listened but with our exit codes, until
    /// [`be_gentle`](Self::be_gentle).
    pub(crate) fn of_signals() -> io::Result<Stop> {
        let stop = Stop::default();
        stop.at_once.store(true, Ordering::SeqCst);
        for signal in [SIGINT, SIGTERM].into_iter().chain(may_hang_up().then_some(SIGHUP)) {
            let code = i32::from(Exit::Interrupted(signal).code());
            flag::register_conditional_shutdown(signal, code, Arc::clone(&stop.at_once))?;
            flag::register_usize(signal, Arc::clone(&stop.came), signal.unsigned_abs() as usize)?;
        }
        Ok(stop)
    }

    /// From now on the first signal is only told by [`asked`](Self::asked), and the next one that is a wish of its own
    /// ends the program: for commands that have something to leave in order.
    pub(crate) fn be_gentle(&self) {
        self.at_once.store(false, Ordering::SeqCst);
        let (came, at_once) = (Arc::clone(&self.came), Arc::downgrade(&self.at_once));
        // A thread of its own: whatever the others hang in, a second signal ends the program.
        let watch = move || {
            while came.load(Ordering::SeqCst) == 0 && at_once.strong_count() > 0 {
                thread::sleep(GLANCE);
            }
            thread::sleep(SAME_WISH);
            if let Some(at_once) = at_once.upgrade() {
                at_once.store(true, Ordering::SeqCst);
            }
        };
        if let Err(error) = thread::Builder::new().name("tide-signals".into()).spawn(watch) {
            log::warn!("{error}: a second signal will not end the program at once");
        }
    }

    /// How to exit, if a signal has come.
    pub(crate) fn asked(&self) -> Option<Exit> {
        match self.came.load(Ordering::SeqCst) {
            0 => None,
            signal => i32::try_from(signal).ok().map(Exit::Interrupted),
        }
    }

    /// As if a signal had come.
    #[cfg(test)]
    pub(crate) fn interrupt(&self) {
        self.came.store(SIGINT.unsigned_abs() as usize, Ordering::SeqCst);
    }
}

/// Whether the end of the terminal is to be the end of the program: not if whoever started it had that ignored, as
/// `nohup` does. Where the system does not say, its own way with the signal stays.
fn may_hang_up() -> bool {
    fs::read_to_string("/proc/self/status")
        .is_ok_and(|status| ignored(&status).is_some_and(|set| set & HANGUP == 0))
}

/// The bit of SIGHUP in a set of signals.
const HANGUP: u64 = 1 << (SIGHUP - 1);

/// The set of signals that a process ignores, as its status tells it.
fn ignored(status: &str) -> Option<u64> {
    let set = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(set.trim(), 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ignored_is_read_from_the_status() {
        assert_eq!(ignored("Name:\ttide\nSigBlk:\t00ff\nSigIgn:\t0000000000001001\n"), Some(0x1001));
        assert_eq!(ignored("Name:\ttide\n"), None);
        assert_eq!(ignored("SigIgn:\tnone\n"), None);
    }
}
