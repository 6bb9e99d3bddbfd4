//! What the world did to us: named, with advice, and whether trying again can help.

use std::fmt;
use std::path::PathBuf;

use tide_base::Duration;

/// Something about files that is neither a peer's fault nor ours. It sticks to one torrent; the others go on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trouble {
    /// What kind.
    pub kind: TroubleKind,
    /// Which file or folder, where one is to blame.
    pub path: Option<PathBuf>,
    /// The system's number for it, where it gave one.
    pub errno: Option<i32>,
}

/// The kinds of trouble, by what a person can do about them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum TroubleKind {
    /// No space, or no quota, is left.
    Full,
    /// Permission denied, or a read-only file system.
    Denied,
    /// A file or folder that should be there is not.
    Missing,
    /// A file became shorter while in use.
    Shrunk,
    /// Something of another kind stands where the file or folder should be.
    Obstructed,
    /// Another writer, in this process or another, holds this content.
    InUse,
    /// Too many files are open.
    TooManyFiles,
    /// The device failed to read or write.
    Io,
    /// No answer for too long: a dead network mount, a dying disk.
    Hung,
}

/// Whether and when trying again can help.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Retry {
    /// By itself, after this long.
    After(Duration),
    /// Only once a person has done something, or asks.
    OnDemand,
}

impl TroubleKind {
    /// What to do about it, in words for people.
    pub const fn advice(self) -> &'static str {
        match self {
            TroubleKind::Full => "free some space; the transfer then goes on by itself",
            TroubleKind::Denied => "make the folder writable, or choose another with --dir",
            TroubleKind::Missing => "put the file back, or check the content again",
            TroubleKind::Shrunk => "something else changed the file: check the content again",
            TroubleKind::Obstructed => "move what stands in the way, or choose another folder",
            TroubleKind::InUse => "another torrent or process is using the same content: stop it first",
            TroubleKind::TooManyFiles => {
                "raise the limit of open files (ulimit -n); the transfer then goes on by itself"
            }
            TroubleKind::Io => "check the disk and its cables; then resume",
            TroubleKind::Hung => {
                "the device does not answer: check the mount; the transfer then goes on by itself"
            }
        }
    }

    /// Whether and when trying again can help.
    pub const fn retry(self) -> Retry {
        match self {
            TroubleKind::Full => Retry::After(Duration::from_secs(10)),
            TroubleKind::TooManyFiles => Retry::After(Duration::from_secs(5)),
            TroubleKind::Io | TroubleKind::Hung => Retry::After(Duration::from_secs(60)),
            TroubleKind::Denied
            | TroubleKind::Missing
            | TroubleKind::Shrunk
            | TroubleKind::Obstructed
            | TroubleKind::InUse => Retry::OnDemand,
        }
    }

    /// A short name, stable, for programs.
    pub const fn name(self) -> &'static str {
        match self {
            TroubleKind::Full => "disk-full",
            TroubleKind::Denied => "denied",
            TroubleKind::Missing => "missing",
            TroubleKind::Shrunk => "shrunk",
            TroubleKind::Obstructed => "obstructed",
            TroubleKind::InUse => "in-use",
            TroubleKind::TooManyFiles => "too-many-files",
            TroubleKind::Io => "io",
            TroubleKind::Hung => "hung",
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            TroubleKind::Full => "no space left",
            TroubleKind::Denied => "permission denied",
            TroubleKind::Missing => "not found",
            TroubleKind::Shrunk => "became shorter while in use",
            TroubleKind::Obstructed => "something else is in the way",
            TroubleKind::InUse => "in use by another writer",
            TroubleKind::TooManyFiles => "too many open files",
            TroubleKind::Io => "input/output error",
            TroubleKind::Hung => "no answer from the device",
        };
        if let Some(path) = &self.path {
            write!(f, "{}: ", path.display())?;
        }
        write!(f, "{what}")?;
        if let Some(errno) = self.errno {
            write!(f, " (os error {errno})")?;
        }
        write!(f, ": {}", self.kind.advice())
    }
}

impl std::error::Error for Trouble {}
