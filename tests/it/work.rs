//! What the tests of the program share: content, a torrent of it that the program made, and its command lines.

use std::ffi::OsStr;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tide_test_clients::{Event, InfoHash, Payload, TempDir, Tide, TideCommand, Torrent, compare, net};

/// How long the program may take to leave after a signal: its own budget, and as much again for a loaded machine.
pub(crate) const LEAVE: Duration = Duration::from_secs(20);

/// A command line of the program.
pub(crate) fn tide<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> TideCommand {
    TideCommand::new(env!("CARGO_BIN_EXE_tide"), arguments)
}

/// Content and a torrent of it.
pub(crate) struct Work {
    pub(crate) dir: TempDir,
    pub(crate) payload: Payload,
    pub(crate) torrent: Torrent,
}

impl Work {
    /// Content of a shape, a torrent of it with pieces of 32 KiB, and no tracker.
    pub(crate) fn new(shape: impl FnOnce(&Path, u64) -> Payload) -> Work {
        Work::with(shape, &[])
    }

    /// The same, made with these flags of `tide create`.
    pub(crate) fn with(shape: impl FnOnce(&Path, u64) -> Payload, flags: &[&str]) -> Work {
        let dir = TempDir::new("program");
        let payload = shape(&dir.folder("seed"), 1);
        let torrent = create(&payload, &dir.join("t.torrent"), flags);
        Work { dir, payload, torrent }
    }

    pub(crate) fn hash(&self) -> &InfoHash {
        &self.torrent.info_hash
    }

    /// `tide seed` of the content, at an address of its own.
    pub(crate) fn seed_command(&self) -> TideCommand {
        seed_command(&self.torrent, self.payload.parent())
    }

    /// The same, serving.
    pub(crate) fn seed(&self) -> Seed {
        Seed::start(&self.seed_command(), self.hash())
    }

    /// `tide get` of the torrent into `folder`, at an address of its own.
    pub(crate) fn get(&self, folder: &Path) -> TideCommand {
        get(&self.torrent, folder)
    }

    /// The folder of a downloader, which need not exist.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Whether `folder` holds what was seeded, asked of the files themselves.
    pub(crate) fn assert_same(&self, folder: &Path) {
        compare::same(self.payload.root(), &folder.join(self.payload.name()));
    }
}

/// A torrent of content, made by the program itself, with pieces of 32 KiB unless the flags have `-l`.
pub(crate) fn create(payload: &Payload, file: &Path, flags: &[&str]) -> Torrent {
    let pieces: &[&str] = if flags.contains(&"-l") { &[] } else { &["-l", "32k"] };
    let command = tide(["create", "-q"]).args(pieces).args(flags).arg("-o").arg(file).arg(payload.root());
    command.run().expect_code(0);
    Torrent::read(file)
}

/// `tide seed` of content in `folder`, at an address of its own.
pub(crate) fn seed_command(torrent: &Torrent, folder: &Path) -> TideCommand {
    at_fresh(tide(["seed"]).arg(&torrent.file).arg("-d").arg(folder))
}

/// `tide get` into `folder`, at an address of its own.
pub(crate) fn get(torrent: &Torrent, folder: &Path) -> TideCommand {
    at_fresh(tide(["get"]).arg(&torrent.file).arg("-d").arg(folder))
}

/// With an address that no other program has.
pub(crate) fn at_fresh(command: TideCommand) -> TideCommand {
    command.args(["--listen", &net::fresh().to_string()])
}

/// A program that serves, and where.
pub(crate) struct Seed {
    pub(crate) tide: Tide,
    pub(crate) addr: SocketAddr,
}

impl Seed {
    /// Starts it and waits until it serves the torrent.
    pub(crate) fn start(command: &TideCommand, hash: &InfoHash) -> Seed {
        let tide = command.start();
        let addr = tide.listening();
        tide.seeding(hash);
        Seed { tide, addr }
    }

    /// Its address, as `--peer` takes it.
    pub(crate) fn peer(&self) -> String {
        self.addr.to_string()
    }
}

/// The exit code that the last line tells of; asserts that it is the last line, and that every line is one of the
/// contract's.
pub(crate) fn summary_code(events: &[Event]) -> Option<u64> {
    let strange = events.iter().find(|event| matches!(event, Event::Broken(_) | Event::Other(_)));
    assert_eq!(strange, None, "{events:#?}");
    match events.last() {
        Some(Event::Summary(line)) => line["exit"].as_u64(),
        _ => panic!("no summary at the end: {events:#?}"),
    }
}

/// Names of all files below a folder, sorted, relative to it.
pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).into_iter().flatten().flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else {
                found.push(entry.path().strip_prefix(folder).expect("it is below").to_owned());
            }
        }
    }
    found.sort();
    found
}
