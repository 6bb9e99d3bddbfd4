//! Magnet links (BEP 9, BEP 53).

use crate::error::MagnetError;
use crate::limits::{Limits, MAGNET_LEN, SELECT_MAX};
use crate::percent;
use crate::text::{self, HostPort};
use crate::torrent::Torrent;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;
use tide_base::id::unhex;
use tide_base::{InfoHash, InfoHashV2, InfoHashes};

/// What a magnet link says. At least one info-hash is there when it comes from [`Magnet::parse`] or [`Magnet::of`].
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Magnet {
    /// `xt`: which torrent.
    pub hashes: InfoHashes,
    /// `dn`: what to call it until its info dictionary is here. Safe to show, not mended for a file system.
    pub name: Option<String>,
    /// `tr`: trackers; each is a tier of its own.
    pub trackers: Vec<String>,
    /// `ws`: web seeds, as they stand in the link.
    pub web_seeds: Vec<String>,
    /// `x.pe`: peers to ask first.
    pub peers: Vec<HostPort>,
    /// `so`: the files to download, by their index from zero, in ascending order; all of them if there is none.
    pub select: Vec<u32>,
}

impl Magnet {
    /// The link to a torrent, with its name, its trackers and its web seeds.
    pub fn of(torrent: &Torrent) -> Magnet {
        Magnet {
            hashes: torrent.info.info_hashes(),
            name: Some(String::from(torrent.info.name())),
            trackers: torrent.trackers.iter().flatten().cloned().collect(),
            web_seeds: torrent.web_seeds.clone(),
            ..Magnet::default()
        }
    }

    /// Reads a link. Parameters that are unknown, or no tracker, seed or peer, are left out.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn parse(link: &str, limits: &Limits) -> Result<Magnet, MagnetError> {
        let link = link.trim();
        if link.len() > MAGNET_LEN {
            return Err(MagnetError::TooLong);
        }
        let scheme = link.get(..8).filter(|scheme| scheme.eq_ignore_ascii_case("magnet:?"));
        let query = &link[scheme.ok_or(MagnetError::Scheme)?.len()..];
        let mut magnet = Magnet::default();
        let mut runs = Vec::new();
        for (key, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            match unnumbered(key) {
                "xt" => magnet.topic(&percent::decode(value))?,
                "so" => add_runs(&mut runs, &percent::decode(value)).ok_or(MagnetError::Select)?,
                key => magnet.parameter(key, value, limits),
            }
        }
        if magnet.hashes == InfoHashes::default() {
            return Err(MagnetError::NoHash);
        }
        magnet.select = indices(runs);
        Ok(magnet)
    }

    fn topic(&mut self, topic: &[u8]) -> Result<(), MagnetError> {
        let Ok(topic) = core::str::from_utf8(topic) else {
            return Ok(());
        };
        let after = |prefix: &str| {
            let head = topic.get(..prefix.len())?;
            head.eq_ignore_ascii_case(prefix).then(|| &topic[prefix.len()..])
        };
        if let Some(text) = after("urn:btih:") {
            let hash = unhex(text).or_else(|| unbase32(text)).map(InfoHash).ok_or(MagnetError::HashV1)?;
            agree(&mut self.hashes.v1, hash)
        } else if let Some(text) = after("urn:btmh:") {
            let digits = text.strip_prefix("1220").ok_or(MagnetError::HashV2)?;
            agree(&mut self.hashes.v2, InfoHashV2(unhex(digits).ok_or(MagnetError::HashV2)?))
        } else {
            Ok(()) // a topic of another network
        }
    }

    fn parameter(&mut self, key: &str, value: &str, limits: &Limits) {
        let bytes = percent::decode(value);
        match key {
            "dn" => {
                // Forms write a space as a plus; a plus that is meant comes escaped.
                let name = text::clean(&percent::decode(&value.replace('+', " ")));
                if !name.is_empty() && self.name.is_none() {
                    self.name = Some(name);
                }
            }
            "tr" => {
                if let Some(url) = text::tracker_url(&bytes, limits) {
                    text::add_new(&mut self.trackers, url, limits.trackers);
                }
            }
            "ws" => {
                if let Some(url) = text::web_seed_url(&bytes, false, limits) {
                    text::add_new(&mut self.web_seeds, url, limits.web_seeds);
                }
            }
            "x.pe" => {
                if let Some(peer) = core::str::from_utf8(&bytes).ok().and_then(HostPort::parse) {
                    text::add_new(&mut self.peers, peer, limits.nodes);
                }
            }
            _ => {}
        }
    }
}

/// A link may say the same thing twice, but not two things.
fn agree<T: PartialEq>(known: &mut Option<T>, found: T) -> Result<(), MagnetError> {
    match known {
        Some(known) if *known != found => Err(MagnetError::TwoHashes),
        _ => {
            *known = Some(found);
            Ok(())
        }
    }
}

/// `tr.2` and `xt.1` are `tr` and `xt`: the number tells several apart and means nothing. So is `amp;tr`, of a link that
/// was copied out of a page's source.
fn unnumbered(key: &str) -> &str {
    let key = key.strip_prefix("amp;").unwrap_or(key);
    match key.rsplit_once('.') {
        Some((key, number)) if !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) => key,
        _ => key,
    }
}

/// Reads the runs of `0,2,6-8`; `None` if it is anything else or an index is above 10,000.
fn add_runs(runs: &mut Vec<(u32, u32)>, text: &[u8]) -> Option<()> {
    let index = |text: &str| {
        let plain = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u32>().ok().filter(|&index| plain && index <= SELECT_MAX)
    };
    for part in core::str::from_utf8(text).ok()?.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let run = (index(first)?, index(last)?);
        if run.0 > run.1 {
            return None;
        }
        runs.push(run);
    }
    Some(())
}

/// Every index of `runs` once, in ascending order. Runs that cover each other cost nothing twice.
fn indices(mut runs: Vec<(u32, u32)>) -> Vec<u32> {
    runs.sort_unstable();
    let mut all = Vec::new();
    let mut next = 0;
    for (first, last) in runs {
        all.extend(first.max(next)..=last);
        next = next.max(last + 1);
    }
    all
}

/// The 20 bytes that 32 digits of base32 (RFC 4648, either case) stand for.
fn unbase32(text: &str) -> Option<[u8; 20]> {
    if text.len() != 32 {
        return None;
    }
    let mut bytes = [0; 20];
    for (group, out) in text.as_bytes().chunks_exact(8).zip(bytes.chunks_exact_mut(5)) {
        let mut bits = 0u64;
        for digit in group {
            let value = match digit.to_ascii_lowercase() {
                letter @ b'a'..=b'z' => letter - b'a',
                number @ b'2'..=b'7' => number - b'2' + 26,
                _ => return None,
            };
            bits = bits << 5 | u64::from(value);
        }
        out.copy_from_slice(&bits.to_be_bytes()[3..]);
    }
    Some(bytes)
}

impl FromStr for Magnet {
    type Err = MagnetError;

    /// Reads a link under the default limits.
    fn from_str(link: &str) -> Result<Magnet, MagnetError> {
        Magnet::parse(link, &Limits::default())
    }
}

impl fmt::Display for Magnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut query = Vec::new();
        if let Some(hash) = self.hashes.v1 {
            query.push(format!("xt=urn:btih:{hash}"));
        }
        if let Some(hash) = self.hashes.v2 {
            query.push(format!("xt=urn:btmh:1220{hash}"));
        }
        query.extend(self.name.iter().map(|name| format!("dn={}", percent::encode(name))));
        query.extend(self.trackers.iter().map(|url| format!("tr={}", percent::encode(url))));
        query.extend(self.web_seeds.iter().map(|url| format!("ws={}", percent::encode(url))));
        query.extend(self.peers.iter().map(|peer| format!("x.pe={}", percent::encode_address(peer))));
        if !self.select.is_empty() {
            query.push(format!("so={}", ranges(&self.select)));
        }
        write!(f, "magnet:?{}", query.join("&"))
    }
}

/// Ascending numbers in the form `0,2,6-8`.
fn ranges(indices: &[u32]) -> String {
    let runs = indices.chunk_by(|a, b| a.checked_add(1) == Some(*b));
    let texts: Vec<_> = runs
        .map(|run| match run {
            [first, .., last] => format!("{first}-{last}"),
            run => run.iter().map(|only| format!("{only}")).collect(),
        })
        .collect();
    texts.join(",")
}
