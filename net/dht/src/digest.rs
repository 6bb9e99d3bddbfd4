//! SHA-1 over parts.

use sha1::{Digest, Sha1};

/// The digest of `parts`, one after the other.
pub(crate) fn sha1(parts: &[&[u8]]) -> [u8; 20] {
    let mut hasher = Sha1::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}
