//! What a test needs from the machine, and what happens when it is not there.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Something that `tools/setup-tests` installs, or that the machine must allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// libtorrent-rasterbar 2.1 with its Python binding.
    LibTorrent,
    /// Transmission's daemon.
    Transmission,
    /// aria2.
    Aria2,
    /// The tracker `opentracker`.
    OpenTracker,
    /// mktorrent, which makes torrents.
    Mktorrent,
    /// The right to mount file systems.
    Mounts,
    /// The right to make network namespaces, and `ip`.
    Namespaces,
    /// miniupnpd for nftables, a gateway for a namespace, with `nft`.
    Miniupnpd,
    /// FUSE file systems: the device, its library and the Python binding, and the right to mount.
    Fuse,
}

impl Tool {
    /// The name by which people know it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::LibTorrent => "libtorrent 2.1 (Python)",
            Self::Transmission => "transmission-daemon",
            Self::Aria2 => "aria2c",
            Self::OpenTracker => "opentracker",
            Self::Mktorrent => "mktorrent",
            Self::Mounts => "the right to mount",
            Self::Namespaces => "network namespaces (root, ip)",
            Self::Miniupnpd => "miniupnpd (root, nft)",
            Self::Fuse => "FUSE (/dev/fuse, fusermount3, mfusepy)",
        }
    }

    /// The program to run, or `None` where it cannot be had.
    #[must_use]
    pub fn path(self) -> Option<PathBuf> {
        match self {
            Self::LibTorrent => python_with("libtorrent"),
            Self::Transmission => find("transmission-daemon"),
            Self::Aria2 => find("aria2c"),
            Self::OpenTracker => find("opentracker"),
            Self::Mktorrent => find("mktorrent"),
            Self::Mounts => root().then(|| find("mount")).flatten(),
            Self::Namespaces => find("ip").filter(|_| crate::lab::possible()),
            Self::Miniupnpd => {
                Self::Namespaces.path()?;
                find("nft")?;
                find("miniupnpd")
            }
            Self::Fuse => {
                Self::Mounts.path()?;
                find("fusermount3")?;
                Path::new("/dev/fuse").exists().then(|| python_with("mfusepy")).flatten()
            }
        }
    }

    /// The program to run.
    ///
    /// # Panics
    /// Where it cannot be had: ask [`have`] first.
    #[must_use]
    pub fn expect(self) -> PathBuf {
        self.path().unwrap_or_else(|| panic!("no {}: run tools/setup-tests", self.name()))
    }
}

/// Whether all of `tools` are there. If not, names what is missing on stderr (past the capture of the test runner), and
/// the test should return.
///
/// # Panics
/// When something is missing under `CI=true`: there, nothing is skipped.
#[must_use]
pub fn have(tools: &[Tool]) -> bool {
    let missing: Vec<_> = tools.iter().filter(|tool| tool.path().is_none()).map(|tool| tool.name()).collect();
    if missing.is_empty() {
        return true;
    }
    let missing = missing.join(", ");
    assert!(
        std::env::var_os("CI").is_none_or(|ci| ci != "true"),
        "CI lacks {missing}: run tools/setup-tests"
    );
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let _ = writeln!(std::io::stderr(), "SKIPPED {test}: no {missing} (tools/setup-tests)");
    false
}

/// A program on the PATH, or in the folders of the system's own programs.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}

/// The Python of the tests' own virtual environment, if it has `module`.
fn python_with(module: &str) -> Option<PathBuf> {
    let home = match (std::env::var_os("TIDE_TESTS_HOME"), std::env::var_os("XDG_CACHE_HOME")) {
        (Some(home), _) => PathBuf::from(home),
        (None, Some(cache)) => PathBuf::from(cache).join("tide-tests"),
        (None, None) => PathBuf::from(std::env::var_os("HOME")?).join(".cache/tide-tests"),
    };
    let python = home.join("venv/bin/python");
    let packages = home.join("venv/lib");
    let holds = |folder: PathBuf| {
        let site = folder.join("site-packages");
        site.join(module).exists() || site.join(format!("{module}.py")).exists()
    };
    let found = std::fs::read_dir(packages).ok()?.flatten().any(|version| holds(version.path()));
    (python.is_file() && found).then_some(python)
}

fn root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout == b"0\n")
}
