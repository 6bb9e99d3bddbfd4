//! `--on-complete`: a command for each torrent that is complete.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::console::Console;
use crate::signals::Stop;

/// How long a signal may go unnoticed while commands are waited for.
const GLANCE: Duration = Duration::from_millis(50);

/// Commands that have been started.
#[derive(Debug, Default)]
pub(crate) struct Hooks {
    running: Vec<(String, Child)>,
}

impl Hooks {
    /// Runs `command` in the shell for the torrent called `name`. Its output goes where ours for people goes.
    pub(crate) fn start(
        &mut self,
        command: &str,
        name: &str,
        dir: &Path,
        hash: &str,
        console: &mut Console<'_>,
    ) {
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(command).stdin(Stdio::null());
        shell.env("TIDE_NAME", name).env("TIDE_DIR", dir).env("TIDE_HASH", hash);
        if console.json() {
            shell.stdout(Stdio::from(std::io::stderr()));
        }
        console.clear();
        match shell.spawn() {
            Ok(child) => self.running.push((name.to_owned(), child)),
            Err(error) => console.warn(&format!("--on-complete for {name}: {error}")),
        }
    }

    /// Waits for all of them, or until somebody wants the program to end.
    pub(crate) fn finish(&mut self, stop: &Stop, console: &mut Console<'_>) {
        while self.glance(console) && stop.asked().is_none() {
            std::thread::sleep(GLANCE);
        }
    }

    /// Takes note of those that have ended; whether some have not.
    pub(crate) fn glance(&mut self, console: &mut Console<'_>) -> bool {
        self.running.retain_mut(|(name, child)| match child.try_wait() {
            Ok(None) => true,
            Ok(Some(status)) if status.success() => false,
            Ok(Some(status)) => {
                console.warn(&format!("--on-complete for {name}: {status}"));
                false
            }
            Err(error) => {
                console.warn(&format!("--on-complete for {name}: {error}"));
                false
            }
        });
        !self.running.is_empty()
    }
}
