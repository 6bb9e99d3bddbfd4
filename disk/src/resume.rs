//! The resume file: what is known of a torrent, so that it can go on where it was.
//!
//! The engine decides what stands in it and what is believed; here is its form: one bencoded dictionary, and behind it
//! the SHA-1 of its bytes, so that a torn file is known as such. Bytes are never trusted: whatever they are, the answer
//! is a checkpoint or a reason why not. Unknown keys are passed over, so that a newer version's file can be read.
//!
//! | key | value |
//! |---|---|
//! | `added`, `completed` | dates, in seconds since 1970 |
//! | `corrupt`, `downloaded`, `uploaded` | bytes of content |
//! | `ending` | 1 after a clean end; otherwise 0 |
//! | `files` | for each file 8 bytes of length (all ones: not there) and 16 of time |
//! | `have`, `unsure`, `pieces` | the bitfields, and how many bits each has |
//! | `info-hash`, `info-hash-2` | the torrent's identities |
//! | `limit-down`, `limit-up` | bytes a second |
//! | `paused`, `sequential` | 0 or 1 |
//! | `peers`, `peers6` | compact addresses |
//! | `priorities` | one byte a file |
//! | `root` | the folder of the content |
//! | `torrent` | the bytes of the .torrent file |
//! | `trackers` | tiers of addresses |
//! | `version` | 1 |

use core::net::SocketAddr;
use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use tide_base::{Bits, InfoHash, InfoHashV2, InfoHashes, WallClock, addr};
use tide_bencode::{Dict, Value};

use crate::table::FileState;

/// The form written here.
const VERSION: u64 = 1;
/// Bytes of the check behind the dictionary.
const CHECK: usize = 20;
/// Bytes that a file's state takes.
const STATE: usize = 24;
/// Addresses of peers that are kept: enough to be back in the swarm at once, few enough to be saved often.
pub const MAX_PEERS: usize = 200;
/// Trackers that are read back, over all tiers. Metainfo's own bound is lower.
pub const MAX_TRACKERS: usize = 1024;

/// Tokens are few, since what there are many of stands packed in strings: the trackers, and some forty others.
const BENCODE: tide_bencode::Limits = tide_bencode::Limits { depth: 8, tokens: 1 << 14, bytes: u32::MAX };

/// How the session that wrote the checkpoint ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Ending {
    /// Not: it was still running. Pieces that are claimed are durable; others may be there, too.
    #[default]
    Open,
    /// Cleanly: nothing was written after the states of files were taken, so a file that stands differently now was
    /// changed by somebody else.
    Clean,
}

/// Bytes of content, over all sessions.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Totals {
    /// Sent to peers.
    pub uploaded: u64,
    /// Received from peers.
    pub downloaded: u64,
    /// Of those received, thrown away because a hash did not match.
    pub corrupt: u64,
}

/// What is known of a torrent.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Checkpoint {
    /// Which torrent.
    pub info_hashes: InfoHashes,
    /// How the session ended.
    pub ending: Ending,
    /// The pieces that are there and durable; `None` while the number of pieces is not known.
    pub have: Option<Bits>,
    /// The pieces that a failed sync may have lost though they can be read: to be written again before they are had.
    /// `None` if there are none. As many as in `have`, without which it is not written.
    pub unsure: Option<Bits>,
    /// How each file stood. Empty if it was not looked at.
    pub files: Vec<FileState>,
    /// The priority of each file; 0 is unwanted. Empty if all are alike.
    pub priorities: Vec<u8>,
    /// Whether pieces are fetched in order.
    pub sequential: bool,
    /// Whether the torrent is paused.
    pub paused: bool,
    /// Bytes sent and received.
    pub totals: Totals,
    /// The torrent's own limit of receiving, bytes a second.
    pub limit_down: Option<u64>,
    /// The torrent's own limit of sending, bytes a second.
    pub limit_up: Option<u64>,
    /// When it was added.
    pub added: Option<WallClock>,
    /// When the last wanted piece came.
    pub completed: Option<WallClock>,
    /// The trackers, by tier.
    pub trackers: Vec<Vec<String>>,
    /// Some peers; more than [`MAX_PEERS`] are not written.
    pub peers: Vec<SocketAddr>,
    /// The folder of the content.
    pub root: PathBuf,
    /// The bytes of the .torrent file, if it is to be found here.
    pub torrent: Option<Vec<u8>>,
}

/// Why bytes are no checkpoint, or not the one that was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// They are incomplete or changed: the check behind them does not match.
    Torn,
    /// They are no dictionary, or `key` is missing or none that could be.
    Malformed {
        /// Which key.
        key: &'static str,
    },
    /// They are of a version that is not known.
    Version,
    /// They are another torrent's.
    Foreign,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Torn => f.write_str("resume data: it is incomplete or was changed"),
            Refusal::Malformed { key: "" } => f.write_str("resume data: it is no dictionary"),
            Refusal::Malformed { key } => write!(f, "resume data: `{key}` is missing or malformed"),
            Refusal::Version => f.write_str("resume data: its version is not known"),
            Refusal::Foreign => f.write_str("resume data: it is another torrent's"),
        }
    }
}

impl std::error::Error for Refusal {}

impl Checkpoint {
    /// The bytes of the resume file.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = tide_bencode::encode(|one| one.dict(|dict| self.write(dict)));
        let check = tide_hash::sha1(&[&bytes]);
        bytes.extend_from_slice(&check);
        bytes
    }

    fn write(&self, dict: &mut Dict<'_>) {
        let date = |dict: &mut Dict<'_>, key: &[u8], date: Option<WallClock>| {
            if let Some(WallClock(seconds)) = date {
                dict.int(key, seconds);
            }
        };
        let count = |dict: &mut Dict<'_>, key: &[u8], count: Option<u64>| {
            if let Some(count) = count {
                dict.int(key, i64::try_from(count).unwrap_or(i64::MAX));
            }
        };
        let string = |dict: &mut Dict<'_>, key: &[u8], bytes: &[u8]| {
            if !bytes.is_empty() {
                dict.bytes(key, bytes);
            }
        };
        let wire = |bits: Option<&Bits>| {
            let mut wire = Vec::new();
            if let Some(bits) = bits {
                bits.to_wire(&mut wire);
            }
            wire
        };
        let unsure = self.unsure.as_ref().filter(|_| self.have.is_some());
        let (v4, v6) = pack_peers(&self.peers);
        date(dict, b"added", self.added);
        date(dict, b"completed", self.completed);
        count(dict, b"corrupt", Some(self.totals.corrupt));
        count(dict, b"downloaded", Some(self.totals.downloaded));
        dict.int(b"ending", i64::from(self.ending == Ending::Clean));
        string(dict, b"files", &pack_states(&self.files));
        string(dict, b"have", &wire(self.have.as_ref()));
        string(dict, b"info-hash", self.info_hashes.v1.as_ref().map_or(&[], |hash| &hash.0[..]));
        string(dict, b"info-hash-2", self.info_hashes.v2.as_ref().map_or(&[], |hash| &hash.0[..]));
        count(dict, b"limit-down", self.limit_down);
        count(dict, b"limit-up", self.limit_up);
        dict.int(b"paused", i64::from(self.paused));
        string(dict, b"peers", &v4);
        string(dict, b"peers6", &v6);
        count(dict, b"pieces", self.have.as_ref().map(|bits| u64::from(bits.len())));
        string(dict, b"priorities", &self.priorities);
        string(dict, b"root", self.root.as_os_str().as_bytes());
        dict.int(b"sequential", i64::from(self.sequential));
        string(dict, b"torrent", self.torrent.as_deref().unwrap_or_default());
        dict.list(b"trackers", |tiers| {
            for tier in &self.trackers {
                tiers.list(|urls| tier.iter().for_each(|url| urls.bytes(url.as_bytes())));
            }
        });
        string(dict, b"unsure", &wire(unsure));
        count(dict, b"uploaded", Some(self.totals.uploaded));
        count(dict, b"version", Some(VERSION));
    }

    /// Reads a resume file. With `expected` it must be that torrent's: each identity that both have must be the same,
    /// and at least one must be.
    ///
    /// # Errors
    /// Why the bytes are no checkpoint, or not this torrent's.
    pub fn decode(bytes: &[u8], expected: Option<&InfoHashes>) -> Result<Checkpoint, Refusal> {
        let (bytes, check) = bytes.split_last_chunk::<CHECK>().ok_or(Refusal::Torn)?;
        if tide_hash::sha1(&[bytes]) != *check {
            return Err(Refusal::Torn);
        }
        let document = tide_bencode::decode(bytes, BENCODE).map_err(|_| Refusal::Malformed { key: "" })?;
        let root = document.root();
        if root.get(b"version").and_then(Value::as_u64) != Some(VERSION) {
            return Err(Refusal::Version);
        }
        let read = Reader { root };
        let info_hashes = InfoHashes {
            v1: read.array::<20>("info-hash")?.map(InfoHash),
            v2: read.array::<32>("info-hash-2")?.map(InfoHashV2),
        };
        if expected.is_some_and(|expected| !is_same(expected, &info_hashes)) {
            return Err(Refusal::Foreign);
        }
        Ok(Checkpoint {
            info_hashes,
            ending: if read.flag("ending") { Ending::Clean } else { Ending::Open },
            have: read.bits("have")?,
            unsure: match read.bytes("unsure") {
                [] => None,
                _ => read.bits("unsure")?,
            },
            files: read.states()?,
            priorities: read.bytes("priorities").to_vec(),
            sequential: read.flag("sequential"),
            paused: read.flag("paused"),
            totals: Totals {
                uploaded: read.count("uploaded").unwrap_or(0),
                downloaded: read.count("downloaded").unwrap_or(0),
                corrupt: read.count("corrupt").unwrap_or(0),
            },
            limit_down: read.count("limit-down"),
            limit_up: read.count("limit-up"),
            added: read.date("added"),
            completed: read.date("completed"),
            trackers: read.trackers(),
            peers: read.peers(),
            root: PathBuf::from(OsString::from_vec(read.bytes("root").to_vec())),
            torrent: Some(read.bytes("torrent").to_vec()).filter(|bytes| !bytes.is_empty()),
        })
    }
}

fn is_same(a: &InfoHashes, b: &InfoHashes) -> bool {
    let (v1, v2) = (a.v1.zip(b.v1).map(|(a, b)| a == b), a.v2.zip(b.v2).map(|(a, b)| a == b));
    v1.or(v2).is_some() && v1 != Some(false) && v2 != Some(false)
}

fn pack_states(states: &[FileState]) -> Vec<u8> {
    let mut packed = Vec::with_capacity(states.len() * STATE);
    for state in states {
        packed.extend_from_slice(&state.len.unwrap_or(u64::MAX).to_be_bytes());
        packed.extend_from_slice(&state.modified.to_be_bytes());
    }
    packed
}

fn pack_peers(peers: &[SocketAddr]) -> (Vec<u8>, Vec<u8>) {
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    for &peer in peers.iter().take(MAX_PEERS) {
        let peer = addr::canonical(peer);
        addr::write_compact(peer, if peer.is_ipv4() { &mut v4 } else { &mut v6 });
    }
    (v4, v6)
}

/// What stands under the keys of a dictionary. What is only useful counts as absent where it makes no sense; what
/// claims something about content must make sense.
struct Reader<'t, 'b> {
    root: Value<'t, 'b>,
}

impl<'b> Reader<'_, 'b> {
    fn bytes(&self, key: &str) -> &'b [u8] {
        self.root.get(key.as_bytes()).and_then(Value::as_bytes).unwrap_or_default()
    }

    fn array<const N: usize>(&self, key: &'static str) -> Result<Option<[u8; N]>, Refusal> {
        let bytes = self.bytes(key);
        if bytes.is_empty() {
            return Ok(None);
        }
        bytes.try_into().map(Some).map_err(|_| Refusal::Malformed { key })
    }

    fn count(&self, key: &str) -> Option<u64> {
        self.root.get(key.as_bytes()).and_then(Value::as_u64)
    }

    fn flag(&self, key: &str) -> bool {
        self.count(key) == Some(1)
    }

    fn date(&self, key: &str) -> Option<WallClock> {
        self.root.get(key.as_bytes()).and_then(Value::as_int).map(WallClock)
    }

    fn bits(&self, key: &'static str) -> Result<Option<Bits>, Refusal> {
        let Some(pieces) = self.count("pieces") else { return Ok(None) };
        let malformed = Refusal::Malformed { key };
        let pieces = u32::try_from(pieces).map_err(|_| malformed)?;
        Bits::from_wire(self.bytes(key), pieces).map(Some).ok_or(malformed)
    }

    fn states(&self) -> Result<Vec<FileState>, Refusal> {
        let (states, rest) = self.bytes("files").as_chunks::<STATE>();
        if !rest.is_empty() {
            return Err(Refusal::Malformed { key: "files" });
        }
        let state = |packed: &[u8; STATE]| {
            let (len, modified) = packed.split_first_chunk::<8>().expect("24 bytes begin with eight");
            let modified: [u8; 16] = modified.try_into().expect("24 bytes less eight are sixteen");
            let len = Some(u64::from_be_bytes(*len)).filter(|&len| len != u64::MAX);
            FileState { len, modified: i128::from_be_bytes(modified) }
        };
        Ok(states.iter().map(state).collect())
    }

    fn trackers(&self) -> Vec<Vec<String>> {
        let Some(tiers) = self.root.get(b"trackers").and_then(Value::as_list) else { return Vec::new() };
        let mut left = MAX_TRACKERS;
        let mut read = |tier: Value<'_, '_>| {
            let urls = tier.as_list()?.filter_map(Value::as_str).take(left).map(String::from);
            let urls: Vec<String> = urls.collect();
            left -= urls.len();
            (!urls.is_empty()).then_some(urls)
        };
        tiers.filter_map(&mut read).collect()
    }

    fn peers(&self) -> Vec<SocketAddr> {
        addr::compact_v4(self.bytes("peers"))
            .chain(addr::compact_v6(self.bytes("peers6")))
            .take(MAX_PEERS)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn full() -> Checkpoint {
        let mut have = Bits::new(11);
        have.set(0);
        have.set(10);
        Checkpoint {
            info_hashes: InfoHashes { v1: Some(InfoHash([1; 20])), v2: Some(InfoHashV2([2; 32])) },
            ending: Ending::Clean,
            have: Some(have),
            unsure: Some(Bits::full(11)),
            files: vec![
                FileState { len: Some(7), modified: 1_700_000_000_123_456_789 },
                FileState { len: None, modified: 0 },
                FileState { len: Some(0), modified: -1 },
            ],
            priorities: vec![4, 0, 7],
            sequential: true,
            paused: true,
            totals: Totals { uploaded: 1, downloaded: 2, corrupt: 3 },
            limit_down: Some(4),
            limit_up: Some(0),
            added: Some(WallClock(5)),
            completed: Some(WallClock(-6)),
            trackers: vec![vec!["http://a/".into(), "udp://b:1".into()], vec!["http://c/".into()]],
            peers: ["1.2.3.4:5", "6.7.8.9:10", "[2001:db9::1]:11"]
                .map(|a| a.parse().expect("an address"))
                .to_vec(),
            root: PathBuf::from(OsString::from_vec(b"/x/\xff y".to_vec())),
            torrent: Some(b"d4:infode".to_vec()),
        }
    }

    /// `dictionary` with the check that belongs to it.
    fn sealed(dictionary: &[u8]) -> Vec<u8> {
        [dictionary, &tide_hash::sha1(&[dictionary])].concat()
    }

    #[test]
    fn a_checkpoint_goes_both_ways() {
        for checkpoint in [full(), Checkpoint::default()] {
            let bytes = checkpoint.encode();
            assert_eq!(Checkpoint::decode(&bytes, None), Ok(checkpoint));
        }
    }

    #[test]
    fn a_torn_one_is_known_as_such() {
        let bytes = full().encode();
        for len in 0..bytes.len() {
            assert_eq!(Checkpoint::decode(&bytes[..len], None), Err(Refusal::Torn));
        }
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 0x10;
            assert_eq!(Checkpoint::decode(&changed, None), Err(Refusal::Torn));
        }
    }

    #[test]
    fn another_torrents_is_refused() {
        let bytes = full().encode();
        let hashes = |v1: Option<u8>, v2: Option<u8>| InfoHashes {
            v1: v1.map(|byte| InfoHash([byte; 20])),
            v2: v2.map(|byte| InfoHashV2([byte; 32])),
        };
        for (v1, v2, same) in [
            (Some(1), None, true),
            (None, Some(2), true),
            (Some(1), Some(2), true),
            (Some(9), None, false),
            (Some(1), Some(9), false),
            (Some(9), Some(2), false),
            (None, None, false),
        ] {
            let decoded = Checkpoint::decode(&bytes, Some(&hashes(v1, v2)));
            assert_eq!(
                decoded.map(|_| ()),
                if same { Ok(()) } else { Err(Refusal::Foreign) },
                "{v1:?} {v2:?}"
            );
        }
    }

    #[test]
    fn unknown_keys_are_passed_over_and_wrong_claims_refused() {
        let decode = |dictionary: &[u8]| Checkpoint::decode(&sealed(dictionary), None);
        assert_eq!(decode(b"d3:newli1ee7:versioni1ee"), Ok(Checkpoint::default()));
        assert_eq!(decode(b"d7:versioni2ee"), Err(Refusal::Version));
        assert_eq!(decode(b"le"), Err(Refusal::Version));
        assert_eq!(decode(b"x"), Err(Refusal::Malformed { key: "" }));
        let malformed = |key| Err(Refusal::Malformed { key });
        assert_eq!(decode(b"d4:have1:\xff6:piecesi7e7:versioni1ee"), malformed("have"));
        assert_eq!(decode(b"d6:piecesi4294967295e7:versioni1ee"), malformed("have"));
        assert_eq!(decode(b"d4:have1:\xfe6:piecesi7e6:unsure1:\xff7:versioni1ee"), malformed("unsure"));
        assert_eq!(decode(b"d5:files3:abc7:versioni1ee"), malformed("files"));
        assert_eq!(decode(b"d9:info-hash3:abc7:versioni1ee"), malformed("info-hash"));
    }

    #[test]
    fn only_so_many_peers_are_kept() {
        let peers = (1..=300).map(|port| SocketAddr::from(([1, 2, 3, 4], port))).collect();
        let bytes = Checkpoint { peers, ..Checkpoint::default() }.encode();
        let decoded = Checkpoint::decode(&bytes, None).expect("a checkpoint");
        assert_eq!(decoded.peers.len(), MAX_PEERS);
    }

    proptest! {
        #[test]
        fn hostile_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0usize..400) {
            let _ = Checkpoint::decode(&bytes, None);
            let _ = Checkpoint::decode(&sealed(&bytes), None);
            let mut changed = full().encode();
            changed.truncate(changed.len() - CHECK);
            let at = at % changed.len();
            for (old, new) in changed[at..].iter_mut().zip(&bytes[..bytes.len().min(4)]) {
                *old = *new;
            }
            let _ = Checkpoint::decode(&sealed(&changed), None);
        }
    }
}
