//! Magnet links: any text.

use crate::Target;
use tide_metainfo::{Limits, Magnet};

pub(crate) const TARGET: Target = Target {
    name: "magnet",
    run,
    input_max: 1 << 17,
    // Ten thousand selected files and the tables of five hundred trackers.
    memory: 192 << 10,
    // The link decoded, a run of files for two bytes (`0,`), and everything in its list and once more while that grows.
    memory_per_byte: 24,
};

/// A highest index that a link may select (BEP 53), and no more of them than that.
const SELECTED: u32 = 10_000;

fn run(data: &[u8]) {
    // What is no UTF-8 comes as replacement characters, as from a command line that is read so.
    let link = String::from_utf8_lossy(data);
    let limits = Limits::default();
    let Ok(magnet) = Magnet::parse(&link, &limits) else { return };
    assert!(magnet.hashes.v1.is_some() || magnet.hashes.v2.is_some(), "a link to nothing");
    assert!(magnet.trackers.len() <= limits.trackers as usize);
    assert!(magnet.web_seeds.len() <= limits.web_seeds as usize);
    assert!(magnet.peers.len() <= limits.nodes as usize);
    let urls = magnet.trackers.iter().chain(&magnet.web_seeds);
    assert!(urls.clone().all(|url| url.len() <= limits.url_len as usize));
    assert!(urls.clone().all(|url| !url.contains(char::is_control)), "a URL that writes on terminals");
    assert!(magnet.select.is_sorted_by(|one, other| one < other), "files out of order");
    assert!(magnet.select.last().is_none_or(|last| *last <= SELECTED));
    let is_harmful = |c: char| c.is_control() && c != '\n' && c != '\t';
    assert!(!magnet.name.iter().any(|name| name.is_empty() || name.contains(is_harmful)));
    let again = Magnet::parse(&magnet.to_string(), &limits);
    // What was decoded may be longer when it is written in full, and then too long for a link.
    let may_be_long = magnet.to_string().len() > link.trim().len();
    assert!(
        again.as_ref() == Ok(&magnet) || again.is_err() && may_be_long,
        "{magnet:?} came back as {again:?}"
    );
}
