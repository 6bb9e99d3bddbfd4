//! Where torrents come from: files, standard input, the web; and links, whose torrents peers have.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use tide::metainfo::{Error, Limits, Magnet, Torrent};
use tide::{InfoHash, InfoHashes};
use tide_base::id::unhex;

use crate::exit::Failure;
use crate::fetch;

/// What names a torrent on the command line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Source {
    /// A .torrent file.
    File(PathBuf),
    /// A .torrent file on standard input.
    Stdin,
    /// A .torrent file on the web.
    Url(String),
    /// A magnet link.
    Magnet(String),
    /// An info-hash in hexadecimal.
    Hash(String),
}

/// What a source brings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Subject {
    /// A torrent.
    Torrent(Box<Torrent>),
    /// A link to one.
    Link(Magnet),
}

impl Source {
    /// What an operand means. A file that exists goes before an info-hash of the same name.
    pub(crate) fn of(word: &OsStr) -> Source {
        let path = || Source::File(PathBuf::from(word));
        let Some(text) = word.to_str() else { return path() };
        let begins = |with: &str| text.get(..with.len()).is_some_and(|head| head.eq_ignore_ascii_case(with));
        if text == "-" {
            Source::Stdin
        } else if begins("magnet:") {
            Source::Magnet(text.to_owned())
        } else if begins("http://") || begins("https://") {
            Source::Url(text.to_owned())
        } else if (unhex::<20>(text).is_some() || unhex::<32>(text).is_some()) && !Path::new(text).exists() {
            Source::Hash(text.to_owned())
        } else {
            path()
        }
    }

    /// The torrent, or the link to it.
    ///
    /// # Errors
    /// It cannot be read or is not valid.
    pub(crate) fn subject(&self, input: &mut dyn Read) -> Result<Subject, Failure> {
        let link = match self {
            Source::Magnet(link) => magnet(link)?,
            Source::Hash(text) => {
                Magnet { hashes: InfoHashes { v1: unhex(text).map(InfoHash), v2: None }, ..Magnet::default() }
            }
            source => return Ok(Subject::Torrent(Box::new(source.torrent(input)?))),
        };
        match link.hashes.v1 {
            Some(_) => Ok(Subject::Link(link)),
            None => Err(v2_only().of(self)),
        }
    }

    /// The torrent.
    ///
    /// # Errors
    /// It cannot be read or is not valid; or it is a link, whose torrent would have to come from peers.
    pub(crate) fn torrent(&self, input: &mut dyn Read) -> Result<Torrent, Failure> {
        let bytes = match self {
            Source::File(path) => read_file(path)?,
            Source::Stdin => bounded(input).map_err(|error| Failure::file(self, &error))?,
            Source::Url(url) => fetch::get(url, Limits::default().bytes)?,
            Source::Magnet(link) => {
                magnet(link)?;
                return Err(no_metadata("a magnet link"));
            }
            Source::Hash(_) => return Err(no_metadata("an info-hash")),
        };
        parse(&bytes).map_err(|failure| failure.of(self))
    }
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Source::File(path) => path.display().fmt(f),
            Source::Stdin => f.write_str("standard input"),
            Source::Url(text) | Source::Magnet(text) | Source::Hash(text) => f.write_str(text),
        }
    }
}

/// The torrent in these bytes.
pub(crate) fn parse(bytes: &[u8]) -> Result<Torrent, Failure> {
    let torrent = Torrent::parse(bytes, &Limits::default());
    torrent.map_err(|error| match error {
        Error::V2Only => v2_only(),
        error => Failure { kind: "torrent", ..Failure::data(format!("not a valid .torrent file: {error}")) },
    })
}

/// Nothing is wrong with such a torrent or link.
fn v2_only() -> Failure {
    let message = "torrents of version 2 alone (BEP 52) are not supported yet";
    Failure { kind: "unsupported", ..Failure::other(message) }
}

/// What a magnet link says.
pub(crate) fn magnet(link: &str) -> Result<Magnet, Failure> {
    Magnet::parse(link, &Limits::default()).map_err(|error| Failure {
        kind: "magnet",
        ..Failure::data(format!("not a valid magnet link: {error}"))
    })
}

/// The bytes of a file, one more than a .torrent may have at the most.
pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>, Failure> {
    let bytes = File::open(path).and_then(|mut file| bounded(&mut file));
    bytes.map_err(|error| Failure::file(path.display(), &error))
}

fn bounded(input: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.take(u64::from(Limits::default().bytes) + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn no_metadata(what: &str) -> Failure {
    let message =
        format!("{what} names a torrent that only peers have: tide magnet --fetch gets its .torrent file");
    Failure { kind: "unsupported", ..Failure::other(message) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;

    #[test]
    fn words_mean_what_they_look_like() {
        let hash = "0123456789abcdef0123456789abcdef01234567";
        assert_eq!(Source::of("-".as_ref()), Source::Stdin);
        assert_eq!(Source::of("a.torrent".as_ref()), Source::File("a.torrent".into()));
        assert_eq!(Source::of("HTTPS://x/y".as_ref()), Source::Url("HTTPS://x/y".into()));
        assert_eq!(Source::of("Magnet:?xt=1".as_ref()), Source::Magnet("Magnet:?xt=1".into()));
        assert_eq!(Source::of(hash.as_ref()), Source::Hash(hash.into()));
        assert_eq!(Source::of(hash[1..].as_ref()), Source::File(hash[1..].into()));
    }

    #[test]
    fn what_brings_no_torrent_says_why() {
        let failure = |source: Source| source.torrent(&mut io::empty()).expect_err("no torrent").exit;
        assert_eq!(failure(Source::Magnet("magnet:?".into())), Exit::Data);
        let link = "magnet:?xt=urn:btih:0123456789abcdef0123456789abcdef01234567";
        assert_eq!(failure(Source::Magnet(link.into())), Exit::Other);
        assert_eq!(failure(Source::Hash("00".into())), Exit::Other);
        assert_eq!(failure(Source::Stdin), Exit::Data);
        assert_eq!(failure(Source::File("/nowhere/at/all".into())), Exit::Other);
        assert_eq!(failure(Source::File("/".into())), Exit::Other);
        let of = |source: Source| source.subject(&mut io::empty());
        let hash = "0123456789abcdef0123456789abcdef01234567";
        for source in [Source::Magnet(link.into()), Source::Hash(hash.into())] {
            let Ok(Subject::Link(link)) = of(source) else { panic!("a link") };
            assert_eq!(link.hashes.v1, unhex(hash).map(InfoHash));
        }
        let newer = format!("magnet:?xt=urn:btmh:1220{}", "ab".repeat(32));
        for source in [Source::Magnet(newer), Source::Hash("ab".repeat(32))] {
            assert_eq!(of(source).expect_err("a newer torrent").kind, "unsupported");
        }
        assert_eq!(of(Source::Magnet("magnet:?".into())).expect_err("no link").exit, Exit::Data);
    }
}
