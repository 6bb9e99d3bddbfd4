//! Changing a .torrent file without knowing all that is in it.

use crate::error::Error;
use crate::limits::Limits;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use tide_bencode::{Value, decode, encode};

/// What to change; `None` leaves things as they are.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Changes {
    /// The new trackers in tiers: `announce` and, if there are several, `announce-list`. No URL at all takes both out.
    pub trackers: Option<Vec<Vec<String>>>,
    /// The new web seeds: `url-list`. An empty list takes it out.
    pub web_seeds: Option<Vec<String>>,
    /// The new comment; an empty one takes it out.
    pub comment: Option<String>,
}

/// The .torrent file `bytes` with `changes` made. The info dictionary and every key that is not changed stay byte for
/// byte; the outermost dictionary's keys are put in order, and of a repeated key the first stays.
///
/// # Errors
/// If `bytes` is not a dictionary with an info dictionary. More is not asked, so that a torrent of a kind that cannot
/// be downloaded can still be rewritten.
pub fn rewrite(bytes: &[u8], changes: &Changes, limits: &Limits) -> Result<Vec<u8>, Error> {
    let document = decode(bytes, limits.bencode())?;
    let mut entries: BTreeMap<&[u8], Vec<u8>> = BTreeMap::new();
    for (key, value) in document.root().as_dict().ok_or(Error::NotADict)? {
        entries.entry(key).or_insert_with(|| value.raw().to_vec());
    }
    if document.root().get(b"info").and_then(Value::as_dict).is_none() {
        return Err(Error::Info);
    }
    let mut set = |key: &'static [u8], value: Option<Vec<u8>>| {
        match value {
            Some(value) => entries.insert(key, value),
            None => entries.remove(key),
        };
    };
    if let Some(tiers) = &changes.trackers {
        set(b"announce", announce(tiers).map(|url| encode(|v| v.bytes(url.as_bytes()))));
        set(b"announce-list", announce_list(tiers));
    }
    if let Some(seeds) = &changes.web_seeds {
        set(b"url-list", url_list(seeds));
    }
    if let Some(comment) = &changes.comment {
        set(b"comment", (!comment.is_empty()).then(|| encode(|v| v.bytes(comment.as_bytes()))));
        set(b"comment.utf-8", None);
    }
    Ok(encode(|v| v.dict(|d| entries.iter().for_each(|(key, raw)| d.entry(key).raw(raw)))))
}

/// The URL for `announce`: the first.
pub(crate) fn announce(tiers: &[Vec<String>]) -> Option<&String> {
    tiers.iter().flatten().next()
}

/// The value of `announce-list`, which is there if there are at least two URLs.
pub(crate) fn announce_list(tiers: &[Vec<String>]) -> Option<Vec<u8>> {
    tiers.iter().flatten().nth(1)?;
    Some(encode(|v| {
        v.list(|list| {
            for tier in tiers.iter().filter(|tier| !tier.is_empty()) {
                list.list(|list| tier.iter().for_each(|url| list.bytes(url.as_bytes())));
            }
        });
    }))
}

/// The value of `url-list`: a string for one, a list for several, as is usual.
pub(crate) fn url_list(seeds: &[String]) -> Option<Vec<u8>> {
    match seeds {
        [] => None,
        [seed] => Some(encode(|v| v.bytes(seed.as_bytes()))),
        seeds => Some(encode(|v| v.list(|l| seeds.iter().for_each(|seed| l.bytes(seed.as_bytes()))))),
    }
}
