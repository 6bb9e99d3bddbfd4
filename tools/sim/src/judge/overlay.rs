//! The DHT: it is never told of private torrents, and what it holds is bounded.

use tide_base::InfoHash;
use tide_engine::Survey;

use super::oracle::{Compared, ensure};

/// Queries of the application that may wait: as in `src/engine/session/dht/limits.rs`.
const QUERIES: usize = 64;

/// Bytes that a node may take at the very worst, as its crate promises.
pub(super) const MEMORY: usize = 14 << 20;

/// A datagram that a node sends does not name a private torrent.
pub(super) fn names_nobody(datagram: &[u8], private: &[InfoHash]) -> Compared {
    for hash in private {
        ensure(!datagram.windows(20).any(|part| part == hash.0), || {
            format!("{hash} is private, and a node of the DHT is told of it")
        })?;
    }
    Ok(private.len() as u64)
}

/// No private torrent stands among those to be announced, not even while its letter is on its way.
pub(super) fn announces_no_private(surveys: &[Survey]) -> Compared {
    let Some(dht) = surveys.iter().find_map(|survey| survey.dht.as_ref()) else { return Ok(0) };
    let private = surveys.iter().flat_map(|survey| &survey.torrents).filter(|torrent| torrent.private);
    let mut compared = 0;
    for torrent in private {
        ensure(dht.torrents.iter().all(|(key, _)| *key != torrent.key), || {
            format!("{:?} is private, and announced by the DHT", torrent.key)
        })?;
        compared += 1;
    }
    Ok(compared)
}

/// What the part in the DHT holds is within its limits.
pub(super) fn overlay_bounded(survey: &Survey) -> Compared {
    let Some(dht) = &survey.dht else { return Ok(0) };
    ensure(dht.queries <= QUERIES, || format!("{} queries of the DHT wait of {QUERIES}", dht.queries))?;
    ensure(dht.memory <= MEMORY, || format!("a node of the DHT takes {} bytes of {MEMORY}", dht.memory))?;
    ensure(dht.under_way <= dht.torrents.len(), || {
        format!("{} lookups for {} torrents", dht.under_way, dht.torrents.len())
    })?;
    Ok(1)
}
