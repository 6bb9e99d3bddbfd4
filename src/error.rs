//! What can go wrong for an application, in kinds that it can act on and words that people understand.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use tide_disk::Trouble;
use tide_engine::CommandError;

/// What this version cannot do with a torrent or a link that has no v1 part.
pub(crate) const V2_ONLY: &str = "a torrent of version 2 alone (BEP 52)";

/// Why something that was asked of the library did not happen.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The bytes are no torrent that can be used; which rule they break.
    Torrent(tide_metainfo::Error),
    /// The link is no magnet link that can be used; which rule it breaks.
    Magnet(tide_metainfo::MagnetError),
    /// This version cannot do that; what.
    Unsupported(&'static str),
    /// A torrent cannot be made of that; which rule is broken.
    Create(tide_metainfo::CreateError),
    /// A file or folder that the application named could not be read or written.
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// An address could not be listened on.
    Listen {
        /// Which.
        addr: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// A value of the configuration, of an [`Add`](crate::Add) or of a call breaks a rule; which one.
    Invalid(&'static str),
    /// A bound of the session is reached; which one.
    Full(&'static str),
    /// The system has no threads, descriptors or randomness for a session.
    Resources(io::Error),
    /// The torrent has been added already.
    Duplicate(crate::InfoHash),
    /// The torrent is not there any more.
    Gone,
    /// A torrent's files make trouble.
    Trouble(Trouble),
    /// It has not happened in the time given.
    TimedOut,
    /// The session takes no part in the DHT, or has no UDP socket for it.
    NoDht,
    /// No node of the DHT answered.
    NoNodes,
    /// The session has ended.
    Ended,
    /// The session has failed: a bug in it, in these words. Everything that was complete is safe.
    Broken(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Torrent(error) => error.fmt(f),
            Error::Magnet(error) => error.fmt(f),
            Error::Unsupported(what) => write!(f, "not supported by this version: {what}"),
            Error::Create(error) => error.fmt(f),
            Error::File { path, source } => write!(f, "{}: {source}", path.display()),
            Error::Listen { addr, source } => write!(f, "cannot listen on {addr}: {source}"),
            Error::Invalid(rule) => write!(f, "not valid: {rule}"),
            Error::Full(bound) => write!(f, "limit reached: {bound}"),
            Error::Resources(source) => write!(f, "the system has no more to give: {source}"),
            Error::Duplicate(hash) => write!(f, "torrent {hash} has been added already"),
            Error::Gone => f.write_str("no such torrent"),
            Error::Trouble(trouble) => trouble.fmt(f),
            Error::TimedOut => f.write_str("it did not happen in time"),
            Error::NoDht => f.write_str("the session takes no part in the DHT"),
            Error::NoNodes => f.write_str("no node of the DHT answered"),
            Error::Ended => f.write_str("the session has ended"),
            Error::Broken(why) => write!(f, "the session has failed, please report this: {why}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Torrent(error) => Some(error),
            Error::Magnet(error) => Some(error),
            Error::Create(error) => Some(error),
            Error::File { source, .. } | Error::Listen { source, .. } | Error::Resources(source) => {
                Some(source)
            }
            Error::Trouble(trouble) => Some(trouble),
            _ => None,
        }
    }
}

impl From<tide_metainfo::Error> for Error {
    fn from(error: tide_metainfo::Error) -> Error {
        match error {
            // Valid, and for others.
            tide_metainfo::Error::V2Only => Error::Unsupported(V2_ONLY),
            error => Error::Torrent(error),
        }
    }
}

impl From<tide_metainfo::MagnetError> for Error {
    fn from(error: tide_metainfo::MagnetError) -> Error {
        Error::Magnet(error)
    }
}

impl From<tide_metainfo::CreateError> for Error {
    fn from(error: tide_metainfo::CreateError) -> Error {
        Error::Create(error)
    }
}

impl From<Trouble> for Error {
    fn from(trouble: Trouble) -> Error {
        Error::Trouble(trouble)
    }
}

impl Error {
    /// The error for an answer of a kind that was not asked for: the engine's bug, not the caller's.
    pub(crate) fn unexpected(answer: &tide_engine::Answer) -> Error {
        Error::Broken(format!("an answer that nobody asked for: {answer:?}"))
    }

    /// The error for a command about the torrent `hash`.
    pub(crate) fn of_command(error: CommandError, hash: crate::InfoHash) -> Error {
        match error {
            CommandError::Gone => Error::Gone,
            CommandError::Duplicate(_) => Error::Duplicate(hash),
            CommandError::Invalid(rule) => Error::Invalid(rule),
            CommandError::Full(bound) => Error::Full(bound),
            CommandError::Trouble(trouble) => Error::Trouble(trouble),
            CommandError::Ending => Error::Ended,
            CommandError::NoDht => Error::NoDht,
            CommandError::NoNodes => Error::NoNodes,
        }
    }
}
