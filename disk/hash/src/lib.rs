//! SHA-1 over many independent pieces at once.
//!
//! One SHA-1 stream is a chain: each round waits for the one before, and most of a core stands idle. Pieces do not
//! depend on each other, so several are hashed side by side, one a *lane*, and fill what would stand idle. A
//! [`Hasher`] is picked once, by what the CPU can do; [`Hasher::sha1_batch`] takes whatever pieces are ready. Where the
//! CPU has nothing to offer, and for a single message, the `sha1` crate does the work; it is also the oracle that
//! every implementation is tested against.
//!
//! Pure and synchronous: no threads, no clock, no files. The hash pool owns the threads.
#![deny(unsafe_code)]

#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "wide loads and stores, and the call into code compiled for AVX-512")]
mod avx512;
mod batch;
mod feed;
mod hasher;
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "unaligned loads, and the call into code compiled for SHA-NI")]
mod ni;
mod states;

use sha1::Digest as _;

pub use hasher::Hasher;

/// Bytes to be hashed: slices of memory, in order. They may be of any length, also empty. Lanes advance together only
/// as far as all of them have whole blocks of 64 bytes in one place, so slices of some KiB and of a multiple of 64
/// bytes are the fast ones.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// The slices, first to last.
    pub parts: &'a [&'a [u8]],
}

/// The SHA-1 digest of one message, given as slices in order.
pub fn sha1(parts: &[&[u8]]) -> [u8; 20] {
    let mut stream = Sha1Stream::new();
    for part in parts {
        stream.update(part);
    }
    stream.finish()
}

/// SHA-1 over bytes that come in several goes: a piece larger than the memory that may hold it. It can be kept,
/// sent to another thread and cloned between any two goes.
#[derive(Clone, Debug, Default)]
pub struct Sha1Stream {
    inner: sha1::Sha1,
}

impl Sha1Stream {
    /// A stream that has seen nothing.
    pub fn new() -> Sha1Stream {
        Sha1Stream::default()
    }

    /// Appends `bytes`.
    pub fn update(&mut self, bytes: &[u8]) {
        self.inner.update(bytes);
    }

    /// The digest of all bytes appended.
    pub fn finish(self) -> [u8; 20] {
        self.inner.finalize().into()
    }
}

#[cfg(test)]
mod tests;
