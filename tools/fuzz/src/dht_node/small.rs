//! Bounds of a handful each, so that a script of a few lines reaches them.

use tide_base::Duration;
use tide_dht::Limits;

pub(super) fn limits() -> Limits {
    Limits {
        alpha: 2,
        lookup_sends: 8,
        candidates: 6,
        peers_found: 5,
        active: 2,
        waiting: 4,
        calls: 6,
        replacements: 2,
        per_subnet: 2,
        upkeep_pings: 2,
        verify: 3,
        seeds: 4,
        torrents: 3,
        peers: 2,
        peers_total: 4,
        peers_per_host: 3,
        items: 3,
        items_per_host: 2,
        flood: 20,
        flood_block: Duration::from_secs(30),
        flood_hosts: 4,
        requests: (5, 5),
        answers: (2048, 4096),
        outputs: 64,
        votes: 2,
        ..Limits::default()
    }
}
