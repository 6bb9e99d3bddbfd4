//! SHA-1 of one piece and of a full set of lanes; `cargo bench -p tide-hash` measures every size of batch.

use std::hint::black_box;

use tide_hash::{Hasher, Message};

use crate::timing::{best, report, time};

const PIECE: usize = 256 << 10;
/// Bytes hashed in one timed run.
const RUN: usize = 64 << 20;

pub(crate) fn run() {
    for hasher in Hasher::available() {
        for pieces in [1, 8] {
            let content: Vec<Vec<u8>> = (0..pieces).map(|n| vec![n as u8; PIECE]).collect();
            let parts: Vec<[&[u8]; 1]> = content.iter().map(|piece| [piece.as_slice()]).collect();
            let messages: Vec<Message<'_>> = parts.iter().map(|parts| Message { parts }).collect();
            let mut out = vec![[0; 20]; pieces];
            let batches = RUN / (PIECE * pieces);
            let seconds = best(|| {
                time(|| {
                    for _ in 0..batches {
                        hasher.sha1_batch(black_box(&messages), black_box(&mut out));
                    }
                })
            });
            let name = format!("SHA-1, {}, {pieces} at once", hasher.name());
            report(&name, &format!("{:.0} MiB/s", (RUN >> 20) as f64 / seconds));
        }
    }
}
