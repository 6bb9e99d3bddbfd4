//! How the program ends: the table of exit codes, and which of them an error means.

use std::io;

use tide::{Error, Trouble, TroubleKind};

/// How the program ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Exit {
    /// Done.
    Done,
    /// Another error.
    Other,
    /// The command line is wrong.
    Usage,
    /// No progress for too long.
    Stalled,
    /// Content that does not match, or a .torrent or magnet link that is not valid.
    Data,
    /// Full, unwritable, in use, I/O error.
    Disk,
    /// Could not listen.
    Network,
    /// A signal, by its number.
    Interrupted(i32),
}

impl Exit {
    /// The number that the shell sees.
    pub(crate) fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Other => 1,
            Exit::Usage => 2,
            Exit::Stalled => 3,
            Exit::Data => 4,
            Exit::Disk => 5,
            Exit::Network => 6,
            Exit::Interrupted(signal) => {
                u8::try_from(signal).map_or(u8::MAX, |signal| signal.saturating_add(128))
            }
        }
    }
}

/// The table, as `--help` shows it.
pub(crate) const TABLE: &[(&str, &str)] = &[
    ("0", "done"),
    ("1", "another error"),
    ("2", "usage"),
    ("3", "gave up: no progress within --timeout"),
    ("4", "data does not match (verify), or a .torrent or magnet link that is not valid"),
    ("5", "disk: full, unwritable, in use, I/O error"),
    ("6", "network: could not listen or bind"),
    ("130/143", "interrupted"),
];

/// Why a command did not do what it was asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Failure {
    /// How the program ends for it.
    pub(crate) exit: Exit,
    /// A short name, stable, for programs.
    pub(crate) kind: &'static str,
    /// For people, in one line.
    pub(crate) message: String,
}

impl Failure {
    /// A failure of no special kind.
    pub(crate) fn other(message: impl Into<String>) -> Failure {
        Failure { exit: Exit::Other, kind: "error", message: message.into() }
    }

    /// A wrong command line.
    pub(crate) fn usage(message: impl Into<String>) -> Failure {
        Failure { exit: Exit::Usage, kind: "usage", message: message.into() }
    }

    /// Something that is not valid or does not match.
    pub(crate) fn data(message: impl Into<String>) -> Failure {
        Failure { exit: Exit::Data, kind: "data", message: message.into() }
    }

    /// The same, said of this.
    pub(crate) fn of(self, what: impl std::fmt::Display) -> Failure {
        Failure { message: format!("{what}: {}", self.message), ..self }
    }

    /// A file, by its name, that could not be read or written.
    pub(crate) fn file(path: impl std::fmt::Display, error: &io::Error) -> Failure {
        let (exit, kind) = of_io(error);
        Failure { exit, kind, message: format!("{path}: {error}") }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        let (exit, kind) = match &error {
            Error::Torrent(_) => (Exit::Data, "torrent"),
            Error::Magnet(_) => (Exit::Data, "magnet"),
            Error::Unsupported(_) => (Exit::Other, "unsupported"),
            Error::Create(_) => (Exit::Other, "create"),
            Error::File { source, .. } => of_io(source),
            Error::Listen { .. } => (Exit::Network, "listen"),
            Error::Invalid(_) => (Exit::Usage, "usage"),
            Error::Full(_) => (Exit::Other, "full"),
            Error::Resources(_) => (Exit::Other, "resources"),
            Error::Duplicate(_) => (Exit::Other, "duplicate"),
            Error::Trouble(trouble) => (of_trouble(trouble), trouble.kind.name()),
            Error::TimedOut => (Exit::Stalled, "timeout"),
            Error::Broken(_) => (Exit::Other, "broken"),
            _ => (Exit::Other, "error"),
        };
        Failure { exit, kind, message: error.to_string() }
    }
}

/// How the program ends if a torrent's files make this trouble.
pub(crate) fn of_trouble(trouble: &Trouble) -> Exit {
    match trouble.kind {
        // The program's own scarcity, not the disk's.
        TroubleKind::TooManyFiles => Exit::Other,
        TroubleKind::Metadata => Exit::Data,
        _ => Exit::Disk,
    }
}

/// Whether to wait for the trouble to pass rather than to end: nobody need do anything about it.
pub(crate) fn passes(trouble: &Trouble) -> bool {
    matches!(trouble.kind, TroubleKind::TooManyFiles | TroubleKind::Hung)
}

/// A file that is not there is a slip of the hand; everything else is the disk's refusal.
fn of_io(error: &io::Error) -> (Exit, &'static str) {
    match error.kind() {
        io::ErrorKind::NotFound
        | io::ErrorKind::InvalidInput
        | io::ErrorKind::InvalidFilename
        | io::ErrorKind::IsADirectory
        | io::ErrorKind::NotADirectory
        | io::ErrorKind::AlreadyExists => (Exit::Other, "missing"),
        _ => (Exit::Disk, Trouble::from_io(error, None).kind.name()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_the_table_is_reached() {
        let exits = [
            Exit::Done,
            Exit::Other,
            Exit::Usage,
            Exit::Stalled,
            Exit::Data,
            Exit::Disk,
            Exit::Network,
            Exit::Interrupted(2),
            Exit::Interrupted(15),
        ];
        assert_eq!(exits.map(Exit::code), [0, 1, 2, 3, 4, 5, 6, 130, 143]);
    }

    #[test]
    fn errors_find_their_code() {
        let file =
            |kind: io::ErrorKind| Failure::from(Error::File { path: "x".into(), source: kind.into() }).exit;
        assert_eq!(file(io::ErrorKind::NotFound), Exit::Other);
        assert_eq!(file(io::ErrorKind::NotADirectory), Exit::Other);
        assert_eq!(file(io::ErrorKind::StorageFull), Exit::Disk);
        assert_eq!(file(io::ErrorKind::PermissionDenied), Exit::Disk);
        let full = Trouble::with(TroubleKind::Full, "/x");
        let failure = Failure::from(Error::Trouble(full.clone()));
        assert_eq!((failure.exit, failure.kind), (Exit::Disk, "disk-full"));
        assert!(!passes(&full) && passes(&Trouble::with(TroubleKind::Hung, "/x")));
        let addr = ([127, 0, 0, 1], 1).into();
        let listen = Error::Listen { addr, source: io::ErrorKind::AddrInUse.into() };
        assert_eq!(Failure::from(listen).exit, Exit::Network);
        assert_eq!(Failure::from(Error::TimedOut).exit, Exit::Stalled);
        assert_eq!(Failure::from(Error::Torrent(tide::metainfo::Error::NotADict)).exit, Exit::Data);
    }
}
