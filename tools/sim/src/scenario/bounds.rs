//! Limits for runs: tiny ones, drawn, so that wrap-around and back pressure happen all the time; and real ones.

use tide_base::{Duration, Prng};
use tide_engine::Limits;

/// The bounds of nodes of the DHT: mostly hasty ones with small tables and stores.
pub(super) fn overlay(prng: &mut Prng) -> tide_dht::Limits {
    let usual = tide_dht::Limits::default();
    if prng.chance(1, 4) {
        return usual;
    }
    let mut pick = |choices: &[u64]| choices[prng.index(choices.len())];
    let mut secs = |choices: &[u64]| Duration::from_secs(pick(choices));
    let limits = tide_dht::Limits {
        fresh: secs(&[60, 900]),
        upkeep: secs(&[30, 60]),
        bootstrap: (secs(&[2, 5]), secs(&[20, 60])),
        announce: secs(&[60, 300]),
        announce_retry: secs(&[5, 20]),
        token_life: secs(&[30, 300]),
        peer_life: secs(&[120, 2700]),
        item_life: secs(&[120, 7200]),
        flood_block: secs(&[20, 300]),
        ..usual
    };
    let mut pick = |choices: &[usize]| choices[prng.index(choices.len())];
    tide_dht::Limits {
        alpha: pick(&[1, 2, 4]),
        candidates: pick(&[4, 16, 100]),
        active: pick(&[1, 2, 32]),
        calls: pick(&[1, 4, 512]),
        torrents: pick(&[1, 2, 4096]),
        peers: pick(&[2, 8, 1000]),
        peers_total: pick(&[2, 8, 1 << 16]),
        items: pick(&[1, 2, 1024]),
        peers_found: pick(&[2, 8, 1000]),
        outputs: pick(&[8, 64, 8192]),
        ..limits
    }
}

/// Tiny limits around blocks of `block_len` bytes.
pub(super) fn tiny(prng: &mut Prng, block_len: u32) -> Limits {
    let mut pick = |choices: &[u32]| choices[prng.index(choices.len())];
    let chunk_len = block_len * pick(&[1, 2, 4]);
    let limits = Limits {
        block_len,
        chunk_len,
        memory: u64::from(chunk_len * pick(&[2, 3, 8, 64])),
        read_len: block_len * pick(&[1, 2, 4]),
        upload_ahead: block_len * pick(&[1, 2, 8]),
        upload_memory: u64::from(block_len * pick(&[4, 8, 64])),
        leases: pick(&[1, 2, 4, 32]),
        disk_jobs: pick(&[2, 3, 16]),
        disk_bytes: u64::from(block_len * pick(&[1, 4, 64])),
        hash_jobs: pick(&[1, 2, 8]),
        read_per_turn: pick(&[64, 500, 1 << 20]),
        peers: pick(&[6, 12, 100]),
        peers_per_torrent: pick(&[4, 8, 50]),
        half_open: pick(&[2, 8, 32]),
        peers_per_ip: pick(&[2, 4, 8]),
        dials_per_second: pick(&[1, 5, 30]),
        upload_slots: pick(&[3, 8, 100]),
        checkpoint_after: Duration::from_millis(u64::from(pick(&[100, 1000, 5000]))),
        choke_round: Duration::from_secs(u64::from(pick(&[2, 10]))),
        turnover: Duration::from_secs(u64::from(pick(&[20, 300]))),
        // Less than what may be asked for while choked makes us say.
        peer: tide_peer::Limits { control_queued: 8 << 10, ..tide_peer::Limits::tiny(block_len) },
        ..Limits::default()
    };
    let metadata_memory = u64::from(limits.peer.metadata_len) * u64::from(1 + limits.half_open % 3);
    let limits = Limits { strangers: limits.half_open, metadata_memory, ..limits };
    debug_assert_eq!(limits.check(), Ok(()));
    limits
}
