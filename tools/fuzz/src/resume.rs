//! Files of our own that somebody else may have written: resume data of torrents, the DHT's state.

use crate::Target;
use std::collections::BTreeSet;
use tide_base::{InfoHash, InfoHashes};
use tide_dht::Saved;
use tide_dht::limits::{SAVED_BYTES_MAX, SAVED_MAX};
use tide_disk::resume::{Checkpoint, MAX_PEERS, MAX_TRACKERS};

pub(crate) const TARGET: Target = Target {
    name: "resume",
    run,
    input_max: 1 << 13,
    memory: 48 << 10,
    // Tokens, and what is read and written of them.
    memory_per_byte: 96,
};

fn run(data: &[u8]) {
    assert!(
        Checkpoint::decode(data, None).is_err() || data.len() >= 20,
        "what has no check behind it is torn"
    );
    // Whoever can write the file can write the check behind it.
    let file = [data, &tide_hash::sha1(&[data])].concat();
    if let Ok(checkpoint) = Checkpoint::decode(&file, None) {
        check(&checkpoint, &file);
    }
    if let Ok(saved) = Saved::decode(data) {
        assert!(data.len() <= SAVED_BYTES_MAX && saved.nodes.len() <= 2 * SAVED_MAX);
        assert_eq!(Saved::decode(&saved.encode()), Ok(saved));
    }
}

fn check(read: &Checkpoint, file: &[u8]) {
    assert!(read.peers.len() <= MAX_PEERS);
    assert!(read.trackers.iter().map(Vec::len).sum::<usize>() <= MAX_TRACKERS);
    assert!(read.trackers.iter().all(|tier| !tier.is_empty()));
    let foreign = InfoHashes::v1(InfoHash([0xa5; 20]));
    assert!(read.info_hashes == foreign || Checkpoint::decode(file, Some(&foreign)).is_err());
    let again = Checkpoint::decode(&read.encode(), None).expect("what we write can be read");
    let peers = |checkpoint: &Checkpoint| checkpoint.peers.iter().copied().collect::<BTreeSet<_>>();
    assert_eq!(peers(&again), peers(read));
    // Families are written apart, so peers may come back in another order.
    assert_eq!(Checkpoint { peers: read.peers.clone(), ..again }, *read);
}
