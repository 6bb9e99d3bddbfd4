//! The `tide` program, driven by its command line and heard through its `--json` lines.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{BufRead as _, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::process::{self, Guard, Signal};
use crate::{InfoHash, TempDir, wait};

/// A line of `--json`.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Sockets are open.
    Listening {
        /// Where peers can connect.
        tcp: Vec<SocketAddr>,
        /// Where datagrams arrive.
        udp: Vec<SocketAddr>,
    },
    /// A torrent is known by its file.
    Added {
        /// Which.
        info_hash: InfoHash,
        /// Its name.
        name: String,
        /// Bytes in all; 0 while only peers know.
        size: u64,
        /// How many pieces; 0 while only peers know.
        pieces: u64,
    },
    /// A torrent's info dictionary has come from peers.
    Metadata {
        /// Which.
        info_hash: InfoHash,
        /// Its name.
        name: String,
        /// Bytes in all.
        size: u64,
    },
    /// What is there is being hashed.
    Checking {
        /// Which.
        info_hash: InfoHash,
        /// Bytes hashed.
        done: u64,
        /// Bytes to hash.
        total: u64,
    },
    /// Once a second.
    Progress {
        /// Which.
        info_hash: InfoHash,
        /// Bytes it has.
        done: u64,
        /// Bytes it wants.
        total: u64,
        /// Connected peers.
        peers: u64,
        /// Payload bytes sent.
        uploaded: u64,
        /// The whole line: rates, seeds, eta.
        line: Value,
    },
    /// Everything wanted is verified and written.
    Complete {
        /// Which.
        info_hash: InfoHash,
        /// Bytes in all.
        bytes: u64,
        /// Bytes that came from peers.
        downloaded: u64,
        /// How long it took.
        seconds: f64,
    },
    /// Content is served.
    Seeding {
        /// Which.
        info_hash: InfoHash,
    },
    /// Now and then, if it takes part in the DHT.
    Dht {
        /// Nodes that answered lately.
        nodes: u64,
    },
    /// Something went wrong.
    Error {
        /// With which torrent, if with one.
        info_hash: Option<InfoHash>,
        /// A word for programs.
        kind: String,
        /// A sentence for people.
        message: String,
    },
    /// Ports that gateways have opened for it, or not any more.
    Portmap {
        /// Each open port: `tcp` or `udp`, and the number outside.
        mapped: Vec<(String, u16)>,
        /// The whole line: addresses, gateways, ways, an error.
        line: Value,
    },
    /// How the world sees it.
    Address(Value),
    /// The last line.
    Summary(Value),
    /// A kind of line that this driver does not know.
    Other(Value),
    /// Not a JSON object with a known shape: the contract is broken.
    Broken(String),
}

impl Event {
    /// Reads one line.
    #[must_use]
    pub fn parse(line: &str) -> Self {
        let known = serde_json::from_str(line).ok().and_then(|value: Value| Self::of(&value));
        known.unwrap_or_else(|| Self::Broken(line.to_owned()))
    }

    fn of(line: &Value) -> Option<Self> {
        let number = |key: &str| line.get(key)?.as_u64();
        let word = |key: &str| line.get(key)?.as_str().map(str::to_owned);
        let unknown = |key: &str| line.get(key)?.is_null().then_some(0);
        let info_hash = || Some(InfoHash::from_hex(line.get("info_hash")?.as_str()?));
        Some(match line.get("event")?.as_str()? {
            "listening" => {
                Self::Listening { tcp: addresses(line.get("tcp")?)?, udp: addresses(line.get("udp")?)? }
            }
            "added" => Self::Added {
                info_hash: info_hash()?,
                name: word("name")?,
                size: number("size").or_else(|| unknown("size"))?,
                pieces: number("pieces").or_else(|| unknown("pieces"))?,
            },
            "metadata" => {
                Self::Metadata { info_hash: info_hash()?, name: word("name")?, size: number("size")? }
            }
            "checking" => {
                Self::Checking { info_hash: info_hash()?, done: number("done")?, total: number("total")? }
            }
            "progress" => Self::Progress {
                info_hash: info_hash()?,
                done: number("done")?,
                total: number("total")?,
                peers: number("peers")?,
                uploaded: number("uploaded")?,
                line: line.clone(),
            },
            "complete" => Self::Complete {
                info_hash: info_hash()?,
                bytes: number("bytes")?,
                downloaded: number("downloaded")?,
                seconds: line.get("seconds")?.as_f64()?,
            },
            "seeding" => Self::Seeding { info_hash: info_hash()? },
            "dht" => Self::Dht { nodes: number("nodes")? },
            "error" => Self::Error { info_hash: info_hash(), kind: word("kind")?, message: word("message")? },
            "portmap" => Self::Portmap { mapped: ports(line.get("mapped")?)?, line: line.clone() },
            "address" => Self::Address(line.clone()),
            "summary" => Self::Summary(line.clone()),
            _ => Self::Other(line.clone()),
        })
    }
}

fn addresses(list: &Value) -> Option<Vec<SocketAddr>> {
    list.as_array()?.iter().map(|address| address.as_str()?.parse().ok()).collect()
}

fn ports(list: &Value) -> Option<Vec<(String, u16)>> {
    let port = |port: &Value| {
        let number = u16::try_from(port.get("external_port")?.as_u64()?).ok()?;
        Some((port.get("protocol")?.as_str()?.to_owned(), number))
    };
    list.as_array()?.iter().map(port).collect()
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Exit {
    /// The exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// What it printed, unless it was read as events.
    pub stdout: String,
    /// What it said to people.
    pub stderr: String,
}

impl Exit {
    /// # Panics
    /// When the exit code is another, showing what the program said.
    pub fn expect_code(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }
}

/// A command line of `tide`, not yet run. Home and the XDG folders point into a temporary folder, so that no run sees the
/// state of another.
#[derive(Clone, Debug)]
pub struct TideCommand {
    binary: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    home: Option<PathBuf>,
    folder: Option<PathBuf>,
    stdin: Option<Vec<u8>>,
    /// The program that becomes this one, with its arguments; none if it is started itself.
    through: Vec<String>,
}

impl TideCommand {
    /// `binary`, usually `env!("CARGO_BIN_EXE_tide")`, with these arguments.
    #[must_use]
    pub fn new<A: AsRef<OsStr>>(binary: impl AsRef<Path>, arguments: impl IntoIterator<Item = A>) -> Self {
        Self {
            binary: binary.as_ref().to_owned(),
            arguments: arguments.into_iter().map(|argument| argument.as_ref().to_owned()).collect(),
            environment: Vec::new(),
            home: None,
            folder: None,
            stdin: None,
            through: Vec::new(),
        }
    }

    /// One more argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// More arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// A variable of its environment.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Keeps its state in this folder, which outlives the run: for runs that go on where another stopped.
    #[must_use]
    pub fn home(mut self, home: &Path) -> Self {
        self.home = Some(home.to_owned());
        self
    }

    /// Runs it in this folder.
    #[must_use]
    pub fn folder(mut self, folder: &Path) -> Self {
        self.folder = Some(folder.to_owned());
        self
    }

    /// Runs it in this network namespace.
    #[must_use]
    pub fn inside(mut self, space: &str) -> Self {
        self.through = ["ip", "netns", "exec", space].map(str::to_owned).into();
        self
    }

    /// Runs it as a terminal does that may hang up, however the tests were started.
    #[must_use]
    pub fn in_a_terminal(mut self) -> Self {
        self.through = ["env", "--default-signal=HUP"].map(str::to_owned).into();
        self
    }

    /// Runs it as `nohup` does.
    #[must_use]
    pub fn without_hangups(mut self) -> Self {
        self.through = ["env", "--ignore-signal=HUP"].map(str::to_owned).into();
        self
    }

    /// What it reads from stdin (only for [`TideCommand::run`]).
    #[must_use]
    pub fn stdin(mut self, bytes: &[u8]) -> Self {
        self.stdin = Some(bytes.to_owned());
        self
    }

    /// Runs it to its end.
    ///
    /// # Panics
    /// When it cannot be started or does not end within [`wait::GENEROUS`].
    #[must_use]
    pub fn run(&self) -> Exit {
        let dir = TempDir::new("tide");
        let (stdin, stdout) = (dir.join("stdin"), dir.join("stdout"));
        fs::write(&stdin, self.stdin.as_deref().unwrap_or_default()).expect("a file in a temporary folder");
        let file = fs::File::create(&stdout).expect("a file in a temporary folder");
        let mut command = self.command(&self.arguments, dir.path());
        let stdin = fs::File::open(&stdin).expect("written just now");
        let mut process =
            Guard::spawn_with("tide", command.stdin(Stdio::from(stdin)).stdout(file), dir.path());
        let status = process.wait_end(wait::GENEROUS);
        let stdout = fs::read(&stdout).expect("a file of ours");
        exit(status, String::from_utf8_lossy(&stdout).into_owned(), &process)
    }

    /// Starts it with `--json` after the name of the command, and listens to what it says. It is killed when the thread
    /// that calls this ends.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(&self) -> Tide {
        let dir = TempDir::new("tide");
        let mut arguments = self.arguments.clone();
        arguments.insert(1.min(arguments.len()), "--json".into());
        let mut command = self.command(&arguments, dir.path());
        let (process, stdin, stdout) = Guard::spawn_talking("tide", &mut command, dir.path());
        drop(stdin);
        let events = Arc::new(Mutex::new(Heard::default()));
        let heard = Arc::clone(&events);
        thread::spawn(move || listen(stdout, &heard));
        Tide { process, events, _dir: dir }
    }

    fn command(&self, arguments: &[OsString], own_home: &Path) -> Command {
        let home = self.home.as_deref().unwrap_or(own_home);
        let mut command = match self.through.split_first() {
            Some((program, arguments)) => {
                let mut command = process::command(program);
                command.args(arguments).arg(&self.binary);
                command
            }
            None => process::command(&self.binary),
        };
        command.args(arguments).env_remove("RUST_LOG").env("HOME", home).env("NO_COLOR", "1");
        for (variable, folder) in [
            ("XDG_STATE_HOME", "state"),
            ("XDG_CONFIG_HOME", "config"),
            ("XDG_DATA_HOME", "data"),
            ("XDG_CACHE_HOME", "cache"),
        ] {
            command.env(variable, home.join(folder));
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.current_dir(self.folder.as_deref().unwrap_or(own_home));
        command
    }
}

/// What the listening thread has collected.
#[derive(Debug, Default)]
struct Heard {
    events: Vec<Event>,
    /// stdout is closed: nothing will come any more.
    ended: bool,
}

fn listen(stdout: impl Read, heard: &Mutex<Heard>) {
    for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
        let event = Event::parse(&String::from_utf8_lossy(&line));
        heard.lock().unwrap_or_else(PoisonError::into_inner).events.push(event);
    }
    heard.lock().unwrap_or_else(PoisonError::into_inner).ended = true;
}

/// A running `tide --json`. Killed on drop.
#[derive(Debug)]
pub struct Tide {
    process: Guard,
    events: Arc<Mutex<Heard>>,
    _dir: TempDir,
}

impl Tide {
    /// All it has said so far.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).events.clone()
    }

    /// Waits for the first event, from its start on, of which `pick` makes something.
    ///
    /// # Panics
    /// When the program ends or breaks the contract first, or it takes longer than [`wait::GENEROUS`].
    pub fn wait<T>(&self, what: &str, pick: impl Fn(&Event) -> Option<T>) -> T {
        let what = format!("tide says {what}");
        wait::until(&what, || {
            let heard = self.events.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(found) = heard.events.iter().find_map(&pick) {
                return Some(found);
            }
            let broken = heard.events.iter().find(|event| matches!(event, Event::Broken(_)));
            let events = &heard.events;
            assert!(
                broken.is_none() && !heard.ended,
                "waiting until {what}: {events:?}\n{}",
                self.process.log()
            );
            None
        })
    }

    /// Where peers can connect, once they can: the first address.
    pub fn listening(&self) -> SocketAddr {
        self.wait("listening", |event| match event {
            Event::Listening { tcp, .. } => tcp.first().copied(),
            _ => None,
        })
    }

    /// Waits until it serves a torrent.
    pub fn seeding(&self, torrent: &InfoHash) {
        self.wait("seeding", |event| match event {
            Event::Seeding { info_hash } => (info_hash == torrent).then_some(()),
            _ => None,
        });
    }

    /// Waits until a torrent is complete; says how many bytes came from peers.
    pub fn complete(&self, torrent: &InfoHash) -> u64 {
        self.wait("complete", |event| match event {
            Event::Complete { info_hash, downloaded, .. } => (info_hash == torrent).then_some(*downloaded),
            _ => None,
        })
    }

    /// Waits for an error; returns its kind and message.
    pub fn error(&self) -> (String, String) {
        self.wait("error", |event| match event {
            Event::Error { kind, message, .. } => Some((kind.clone(), message.clone())),
            _ => None,
        })
    }

    /// Waits until a `progress` line tells of at least `bytes` done.
    pub fn progress(&self, torrent: &InfoHash, bytes: u64) {
        self.wait("progress", |event| match event {
            Event::Progress { info_hash, done, .. } => (info_hash == torrent && *done >= bytes).then_some(()),
            _ => None,
        });
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Its process id, to look at it from outside.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// What it has said to people so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        self.process.log()
    }

    /// Waits until it ends by itself, with all events in.
    ///
    /// # Panics
    /// When it does not end within `limit`.
    pub fn wait_exit(&mut self, limit: Duration) -> Exit {
        let status = self.process.wait_end(limit);
        wait::until("the last line is read", || {
            self.events.lock().unwrap_or_else(PoisonError::into_inner).ended.then_some(())
        });
        exit(status, String::new(), &self.process)
    }

    /// `kill -9`, and waits until it is gone.
    ///
    /// # Panics
    /// When the kernel does not let it go.
    pub fn kill(&mut self) {
        self.process.signal(Signal::Kill);
        self.process.wait_end(wait::GENEROUS);
    }
}

fn exit(status: ExitStatus, stdout: String, process: &Guard) -> Exit {
    Exit { code: status.code(), stdout, stderr: process.log() }
}

#[cfg(test)]
mod tests;
