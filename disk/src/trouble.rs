//! What the world did to us: named, with advice, and whether trying again can help.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
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
    /// What peers sent has the info-hash and describes no torrent that could be: whoever made it got it wrong.
    Metadata,
}

/// Whether and when trying again can help.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Retry {
    /// By itself, after this long.
    After(Duration),
    /// Only once a person has done something, or asks.
    OnDemand,
}

impl Trouble {
    /// Trouble of this kind with the file or folder at `path`.
    pub fn with(kind: TroubleKind, path: impl Into<PathBuf>) -> Trouble {
        Trouble { kind, path: Some(path.into()), errno: None }
    }

    /// What the system's error means.
    pub fn from_io(error: &io::Error, path: Option<PathBuf>) -> Trouble {
        let errno = error.raw_os_error();
        let by_number = errno.map(Errno::from_raw_os_error).and_then(kind_of_errno);
        let kind = by_number.unwrap_or_else(|| kind_of(error.kind()));
        Trouble { kind, path, errno }
    }
}

/// Puts the name of a file or folder to an error.
pub(crate) fn blame(path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Trouble {
    move |error| Trouble::from_io(&error, Some(path.as_ref().to_path_buf()))
}

/// Whether closing files can help.
pub(crate) fn is_too_many_files(error: &io::Error) -> bool {
    Trouble::from_io(error, None).kind == TroubleKind::TooManyFiles
}

fn kind_of_errno(errno: Errno) -> Option<TroubleKind> {
    Some(match errno {
        Errno::NOSPC | Errno::DQUOT | Errno::FBIG => TroubleKind::Full,
        Errno::ACCESS | Errno::PERM | Errno::ROFS => TroubleKind::Denied,
        Errno::NOENT => TroubleKind::Missing,
        Errno::NOTDIR | Errno::ISDIR | Errno::EXIST | Errno::LOOP | Errno::NAMETOOLONG | Errno::NOTEMPTY => {
            TroubleKind::Obstructed
        }
        Errno::MFILE | Errno::NFILE => TroubleKind::TooManyFiles,
        Errno::WOULDBLOCK | Errno::TXTBSY | Errno::BUSY => TroubleKind::InUse,
        Errno::TIMEDOUT | Errno::STALE => TroubleKind::Hung,
        Errno::IO => TroubleKind::Io,
        _ => return None,
    })
}

/// For media that are no system and have no numbers.
fn kind_of(kind: io::ErrorKind) -> TroubleKind {
    match kind {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            TroubleKind::Full
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => TroubleKind::Denied,
        io::ErrorKind::NotFound => TroubleKind::Missing,
        io::ErrorKind::UnexpectedEof => TroubleKind::Shrunk,
        io::ErrorKind::AlreadyExists | io::ErrorKind::IsADirectory | io::ErrorKind::NotADirectory => {
            TroubleKind::Obstructed
        }
        io::ErrorKind::WouldBlock | io::ErrorKind::ResourceBusy => TroubleKind::InUse,
        io::ErrorKind::TimedOut => TroubleKind::Hung,
        _ => TroubleKind::Io,
    }
}

impl TroubleKind {
    /// What to do about it, in words for people.
    pub const fn advice(self) -> &'static str {
        match self {
            TroubleKind::Full => "free some space, and the transfer goes on",
            TroubleKind::Denied => "allow this user to read and write there, or choose another folder",
            TroubleKind::Missing => "put the file back, or check the content again",
            TroubleKind::Shrunk => "something else changed the file: check the content again",
            TroubleKind::Obstructed => "move what stands in the way, or choose another folder",
            TroubleKind::InUse => "another torrent or process is using the same content: stop it first",
            TroubleKind::TooManyFiles => {
                "raise the limit of open files (ulimit -n), and the transfer goes on"
            }
            TroubleKind::Io => "check the disk and its cables; then resume",
            TroubleKind::Hung => "the device does not answer: check the mount, and the transfer goes on",
            TroubleKind::Metadata => "no program can use it: ask whoever made the torrent for another one",
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
            | TroubleKind::InUse
            | TroubleKind::Metadata => Retry::OnDemand,
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
            TroubleKind::Metadata => "metadata",
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
            TroubleKind::Metadata => "the metadata is genuine and describes no valid torrent",
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_kinds_mean_the_same() {
        let cases = [
            (Errno::NOSPC, TroubleKind::Full),
            (Errno::DQUOT, TroubleKind::Full),
            (Errno::ACCESS, TroubleKind::Denied),
            (Errno::ROFS, TroubleKind::Denied),
            (Errno::NOENT, TroubleKind::Missing),
            (Errno::NOTDIR, TroubleKind::Obstructed),
            (Errno::LOOP, TroubleKind::Obstructed),
            (Errno::NFILE, TroubleKind::TooManyFiles),
            (Errno::WOULDBLOCK, TroubleKind::InUse),
            (Errno::STALE, TroubleKind::Hung),
            (Errno::IO, TroubleKind::Io),
            (Errno::NXIO, TroubleKind::Io),
        ];
        for (errno, kind) in cases {
            let trouble = Trouble::from_io(&errno.into(), None);
            assert_eq!((trouble.kind, trouble.errno), (kind, Some(errno.raw_os_error())), "{errno:?}");
        }
        for (kind, meant) in [
            (io::ErrorKind::StorageFull, TroubleKind::Full),
            (io::ErrorKind::UnexpectedEof, TroubleKind::Shrunk),
            (io::ErrorKind::Other, TroubleKind::Io),
        ] {
            assert_eq!(Trouble::from_io(&kind.into(), None).kind, meant);
        }
    }

    #[test]
    fn trouble_is_said_in_one_line_with_advice() {
        let trouble = blame("/x/y")(Errno::NOSPC.into());
        let text = "/x/y: no space left (os error 28): free some space, and the transfer goes on";
        assert_eq!(trouble.to_string(), text);
    }
}
