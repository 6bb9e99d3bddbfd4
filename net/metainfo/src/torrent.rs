//! The whole .torrent file: the info dictionary, and what stands around it.

use crate::error::Error;
use crate::info::Info;
use crate::limits::Limits;
use crate::text::{self, HostPort};
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use tide_base::WallClock;
use tide_bencode::{Value, decode};

/// A torrent as its file describes it. What surrounds the info dictionary has no bearing on the info-hash and may be
/// changed at will.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Torrent {
    /// What is shared.
    pub info: Info,
    /// Trackers in tiers (BEP 12), in the order of the file; no tier is empty and no URL stands twice. From `announce`
    /// if there is no usable `announce-list`. What can be no tracker's URL is left out.
    pub trackers: Vec<Vec<String>>,
    /// Web seeds (BEP 19): http and https, escaped, ending in a slash if the torrent is a folder.
    pub web_seeds: Vec<String>,
    /// Nodes to enter the DHT by (BEP 5).
    pub nodes: Vec<HostPort>,
    /// What the maker says of it. Safe to show, may have several lines.
    pub comment: Option<String>,
    /// The program that made it. Safe to show.
    pub created_by: Option<String>,
    /// When it was made.
    pub creation_date: Option<WallClock>,
    /// The encoding that strings without a `.utf-8` variant are said to have. It is not converted from.
    pub encoding: Option<String>,
}

impl Torrent {
    /// Reads a .torrent file.
    ///
    /// # Errors
    /// The rule that it breaks. What stands around the info dictionary never makes it unusable.
    pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Torrent, Error> {
        let document = decode(bytes, limits.bencode())?;
        let root = document.root();
        if root.as_dict().is_none() {
            return Err(Error::NotADict);
        }
        let info = Info::read(root.get(b"info").ok_or(Error::Info)?, limits)?;
        Ok(Torrent {
            trackers: trackers(root, limits),
            web_seeds: web_seeds(root, info.is_folder(), limits),
            nodes: nodes(root, limits),
            comment: text::field(root, b"comment"),
            created_by: text::field(root, b"created by"),
            creation_date: root.get(b"creation date").and_then(Value::as_int).map(WallClock),
            encoding: text::field(root, b"encoding"),
            info,
        })
    }
}

fn trackers(root: Value<'_, '_>, limits: &Limits) -> Vec<Vec<String>> {
    let mut tiers = Tiers { tiers: Vec::new(), known: BTreeSet::new(), limits };
    for tier in root.get(b"announce-list").and_then(Value::as_list).into_iter().flatten() {
        match tier.as_list() {
            Some(urls) => tiers.add(urls),
            // Some writers forget the inner list.
            None => tiers.add([tier]),
        }
    }
    if tiers.tiers.is_empty() {
        tiers.add(root.get(b"announce"));
    }
    tiers.tiers
}

struct Tiers<'l> {
    tiers: Vec<Vec<String>>,
    known: BTreeSet<String>,
    limits: &'l Limits,
}

impl Tiers<'_> {
    /// Adds a tier of those URLs that can be a tracker's and are new.
    fn add<'t, 'b: 't>(&mut self, urls: impl IntoIterator<Item = Value<'t, 'b>>) {
        let mut tier = Vec::new();
        for url in urls {
            if self.known.len() >= self.limits.trackers as usize {
                break;
            }
            let url = url.as_bytes().and_then(|url| text::tracker_url(url, self.limits));
            tier.extend(url.filter(|url| self.known.insert(url.clone())));
        }
        if !tier.is_empty() {
            self.tiers.push(tier);
        }
    }
}

fn web_seeds(root: Value<'_, '_>, folder: bool, limits: &Limits) -> Vec<String> {
    let mut seeds = Vec::new();
    let Some(value) = root.get(b"url-list") else {
        return seeds;
    };
    let urls = value.as_list().map_or_else(|| vec![value], Iterator::collect);
    for url in urls.into_iter().filter_map(Value::as_bytes) {
        if let Some(url) = text::web_seed_url(url, folder, limits) {
            text::add_new(&mut seeds, url, limits.web_seeds);
        }
    }
    seeds
}

fn nodes(root: Value<'_, '_>, limits: &Limits) -> Vec<HostPort> {
    let mut nodes = Vec::new();
    for pair in root.get(b"nodes").and_then(Value::as_list).into_iter().flatten() {
        let mut parts = pair.as_list().into_iter().flatten();
        let host = parts.next().and_then(Value::as_str);
        let port = parts.next().and_then(Value::as_int).and_then(|port| u16::try_from(port).ok());
        if let Some(node) = host.zip(port).and_then(|(host, port)| HostPort::new(host, port)) {
            text::add_new(&mut nodes, node, limits.nodes);
        }
    }
    nodes
}
