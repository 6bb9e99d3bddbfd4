//! Processes that cannot outlive their test.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::{tool, wait};

/// A killed process is gone within this time, unless the kernel holds it in a call that does not return (a hung mount);
/// then it is left to end when that mount does.
const LAST_RESPITE: Duration = Duration::from_secs(10);
/// How much of a log is shown when a test fails.
const SHOWN_LINES: usize = 30;

/// A signal that a test may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// A polite end.
    Terminate,
    /// The end, at once, with nothing written any more.
    Kill,
    /// Read your configuration again.
    HangUp,
    /// Stand still until [`Signal::Continue`].
    Stop,
    /// Go on.
    Continue,
}

impl Signal {
    fn name(self) -> &'static str {
        match self {
            Self::Interrupt => "INT",
            Self::Terminate => "TERM",
            Self::Kill => "KILL",
            Self::HangUp => "HUP",
            Self::Stop => "STOP",
            Self::Continue => "CONT",
        }
    }
}

/// A running process; killed and reaped on drop, and with the thread that started it. When that happens in a failing test, the end of its log is shown.
#[derive(Debug)]
pub struct Guard {
    child: Child,
    name: String,
    log: PathBuf,
}

impl Guard {
    /// Starts `command` with its stderr (and its stdout, unless it is piped by [`Guard::spawn_talking`]) in a log file in
    /// `folder`, its stdin closed.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn spawn(name: &str, command: &mut Command, folder: &Path) -> Self {
        let (log, file) = log_file(name, folder);
        command.stdin(Stdio::null()).stdout(file.try_clone().expect("a second handle of the log"));
        Self::start(name, command.stderr(file), log)
    }

    /// The same with stdin and stdout as the command has them.
    pub(crate) fn spawn_with(name: &str, command: &mut Command, folder: &Path) -> Self {
        let (log, file) = log_file(name, folder);
        Self::start(name, command.stderr(file), log)
    }

    /// The same with stdin and stdout as pipes to the test.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn spawn_talking(
        name: &str,
        command: &mut Command,
        folder: &Path,
    ) -> (Self, ChildStdin, ChildStdout) {
        let (log, file) = log_file(name, folder);
        let mut guard =
            Self::start(name, command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(file), log);
        let stdin = guard.child.stdin.take().expect("stdin is piped");
        let stdout = guard.child.stdout.take().expect("stdout is piped");
        (guard, stdin, stdout)
    }

    fn start(name: &str, command: &mut Command, log: PathBuf) -> Self {
        let child = command.spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        Self { child, name: name.to_owned(), log }
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal; a process that is gone already does not mind.
    pub fn signal(&self, signal: Signal) {
        let kill = format!("kill -{} {}", signal.name(), self.child.id());
        let _ = Command::new("sh").args(["-c", &kill]).stderr(Stdio::null()).status();
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("our own child can be waited for")
    }

    /// Waits until it has ended.
    ///
    /// # Panics
    /// When it does not end within `limit`.
    pub fn wait_end(&mut self, limit: Duration) -> ExitStatus {
        let what = format!("{} ends", self.name);
        wait::until_within(limit, &what, || self.ended())
    }

    /// What it has written to its log so far.
    #[must_use]
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// # Panics
    /// When the process has ended, showing its log: a client that is meant to serve must be there.
    pub fn assert_alive(&mut self) {
        if let Some(status) = self.ended() {
            panic!("{} ended ({status}):\n{}", self.name, self.log());
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<_> = log.lines().collect();
            let shown = &lines[lines.len().saturating_sub(SHOWN_LINES)..];
            eprintln!("── the end of {}'s log\n{}\n──", self.name, shown.join("\n"));
        }
        let _ = self.child.kill();
        let _ = wait::try_until(LAST_RESPITE, || self.child.try_wait().ok().flatten());
    }
}

fn log_file(name: &str, folder: &Path) -> (PathBuf, File) {
    let log = folder.join(format!("{name}.log"));
    let file = File::create(&log).expect("a log file in a temporary folder");
    (log, file)
}

/// A command that dies with the thread that starts it, where the machine has `setpriv`: a test run that is killed leaves
/// no daemons behind.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let Some(setpriv) = tool::find("setpriv") else { return Command::new(program) };
    let mut command = Command::new(setpriv);
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}
