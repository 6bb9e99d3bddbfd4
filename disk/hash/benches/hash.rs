//! How fast each implementation hashes batches of several sizes: `cargo bench -p tide-hash`, best pinned to one core.
//! A line a case, the best of several runs, because a shared machine only ever makes it slower.
#![expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]

use std::hint::black_box;
use std::time::Instant;

use tide_hash::{Hasher, Message};

const MIB: f64 = 1024.0 * 1024.0;
/// Bytes hashed in one timed run.
const RUN: usize = 128 << 20;
/// Timed runs, of which the best counts.
const RUNS: usize = 7;
/// Bytes in a slice of a piece, as pooled memory has them.
const CHUNK: usize = 64 << 10;

fn main() {
    println!("{:<18} {:>8} {:>7} {:>9} {:>8}", "implementation", "piece", "pieces", "MiB/s", "s/GiB");
    for hasher in Hasher::available() {
        for size in [256 << 10, 1 << 20] {
            for count in [1, 2, 4, 5, 6, 7, 8, 12, 16, 32] {
                let speed = measure(hasher, size, count);
                println!(
                    "{:<18} {:>4} KiB {count:>7} {speed:>9.0} {:>8.3}",
                    hasher.name(),
                    size >> 10,
                    1024.0 / speed
                );
            }
        }
    }
}

/// MiB/s over batches of `count` pieces of `size` bytes.
fn measure(hasher: Hasher, size: usize, count: usize) -> f64 {
    let pieces: Vec<Vec<u8>> =
        (0..count).map(|n| (0..size).map(|i| (i * 31 + n * 97) as u8 ^ (i >> 8) as u8).collect()).collect();
    let parts: Vec<Vec<&[u8]>> = pieces.iter().map(|piece| piece.chunks(CHUNK).collect()).collect();
    let messages: Vec<Message<'_>> = parts.iter().map(|parts| Message { parts }).collect();
    let mut out = vec![[0; 20]; count];
    let batches = (RUN / (size * count)).max(1);
    let mut best = f64::INFINITY;
    for _ in 0..RUNS {
        let start = Instant::now();
        for _ in 0..batches {
            hasher.sha1_batch(black_box(&messages), black_box(&mut out));
        }
        best = best.min(start.elapsed().as_secs_f64());
    }
    (batches * count * size) as f64 / MIB / best
}
