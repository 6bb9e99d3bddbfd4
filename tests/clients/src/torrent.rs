//! A torrent file as the tests need it: where it is and what its info-hash is.

use std::fmt;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A v1 info-hash: 40 lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct InfoHash(String);

impl InfoHash {
    /// From hexadecimal digits in any case.
    ///
    /// # Panics
    /// When it is not 40 of them.
    #[must_use]
    pub fn from_hex(hex: &str) -> Self {
        assert!(hex.len() == 40 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()), "an info-hash: {hex:?}");
        Self(hex.to_ascii_lowercase())
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As it stands in the query of an announce: every byte percent-encoded.
    #[must_use]
    pub fn percent_encoded(&self) -> String {
        self.0.as_bytes().chunks(2).map(|pair| format!("%{}", String::from_utf8_lossy(pair))).collect()
    }
}

impl fmt::Display for InfoHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A .torrent file that a program of others has made.
#[derive(Clone, Debug)]
pub struct Torrent {
    /// Where it is.
    pub file: PathBuf,
    /// SHA-1 of its info dictionary, as `sha1sum` says.
    pub info_hash: InfoHash,
    /// How many pieces it has.
    pub pieces: usize,
}

impl Torrent {
    /// Reads what a trusted program wrote; this is not a parser for hostile files.
    ///
    /// # Panics
    /// When the file is not there or not a v1 torrent.
    #[must_use]
    pub fn read(file: &Path) -> Self {
        let bytes = fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let info = value_of(&bytes, b"info").expect("an info dictionary");
        let pieces = value_of(info, b"pieces").expect("piece hashes");
        let digits = pieces.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let pieces = (pieces.len() - digits - 1) / 20;
        Self { file: file.to_owned(), info_hash: InfoHash::from_hex(&sha1(info)), pieces }
    }

    /// The bytes of the file.
    ///
    /// # Panics
    /// When it is gone.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        fs::read(&self.file).expect("the torrent file is still there")
    }

    /// The bencoded info dictionary.
    ///
    /// # Panics
    /// When the file is gone.
    #[must_use]
    pub fn info(&self) -> Vec<u8> {
        value_of(&self.bytes(), b"info").expect("read before").to_owned()
    }
}

/// The bencoded value of `key` in the dictionary at the start of `bytes`.
fn value_of<'a>(bytes: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let mut rest = bytes.strip_prefix(b"d")?;
    while *rest.first()? != b'e' {
        let (name, after) = rest.split_at_checked(length(rest)?)?;
        let (value, next) = after.split_at_checked(length(after)?)?;
        let colon = name.iter().position(|byte| *byte == b':')?;
        if &name[colon + 1..] == key {
            return Some(value);
        }
        rest = next;
    }
    None
}

/// How many bytes the bencoded value at the start of `bytes` takes.
fn length(bytes: &[u8]) -> Option<usize> {
    match *bytes.first()? {
        b'i' => Some(bytes.iter().position(|byte| *byte == b'e')? + 1),
        b'l' | b'd' => {
            let mut at = 1;
            while *bytes.get(at)? != b'e' {
                at += length(&bytes[at..])?;
            }
            Some(at + 1)
        }
        _ => {
            let colon = bytes.iter().position(|byte| *byte == b':')?;
            let count: usize = std::str::from_utf8(&bytes[..colon]).ok()?.parse().ok()?;
            Some(colon + 1 + count)
        }
    }
}

fn sha1(bytes: &[u8]) -> String {
    let mut child = Command::new("sha1sum")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("sha1sum is there");
    child.stdin.take().expect("stdin is piped").write_all(bytes).expect("sha1sum reads to the end");
    let output = child.wait_with_output().expect("our own child can be waited for");
    String::from_utf8_lossy(&output.stdout).split_whitespace().next().expect("a digest").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TempDir;

    #[test]
    fn finds_the_info_dictionary_and_its_hash() {
        let dir = TempDir::new("torrent");
        let info =
            b"d6:lengthi40e4:name1:x12:piece lengthi32e6:pieces40:aaaaaaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbbbbbe";
        let file = dir.join("x.torrent");
        fs::write(&file, [b"d8:announce3:url4:info".as_slice(), info, b"e"].concat()).unwrap();
        let torrent = Torrent::read(&file);
        assert_eq!(torrent.pieces, 2);
        assert_eq!(torrent.info(), info);
        assert_eq!(torrent.info_hash.as_str(), sha1(info));
        assert_eq!(sha1(b"abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
    }
}
