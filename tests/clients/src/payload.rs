//! Content to share: the same bytes for the same seed, in shapes that hurt.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

/// The piece length that goes with these payloads, as a power of two: 32 KiB, so two blocks a piece.
pub const PIECE_LENGTH_LOG2: u8 = 15;
const PIECE: u64 = 1 << PIECE_LENGTH_LOG2;

/// Files on disk and what was written into them.
#[derive(Clone, Debug)]
pub struct Payload {
    root: PathBuf,
    size: u64,
}

impl Payload {
    /// One file of 160 pieces, the last one short and odd.
    #[must_use]
    pub fn one_file(parent: &Path, seed: u64) -> Self {
        Self::one_file_of(parent, seed, 159 * PIECE + 12_345)
    }

    /// One file of `size` bytes.
    #[must_use]
    pub fn one_file_of(parent: &Path, seed: u64, size: u64) -> Self {
        let root = parent.join(format!("one file {seed}.bin"));
        write(&root, seed, size);
        Self { root, size }
    }

    /// Many files in nested folders, 118 pieces in all: empty ones, one of a single byte, sizes just below, at and above
    /// a block and a piece, many in one piece, and long ones that begin and end within a piece.
    #[must_use]
    pub fn many_files(parent: &Path, seed: u64) -> Self {
        let root = parent.join(format!("many files {seed}"));
        let mut files: Vec<(String, u64)> = [
            ("an empty one first", 0),
            ("b/one byte", 1),
            ("b/block less one", PIECE / 2 - 1),
            ("b/block", PIECE / 2),
            ("b/block and one", PIECE / 2 + 1),
            ("b/deeper/still deeper/piece less one", PIECE - 1),
            ("b/deeper/still deeper/piece", PIECE),
            ("b/deeper/still deeper/piece and one", PIECE + 1),
            ("b/deeper/an empty one between", 0),
            ("long and odd.bin", 41 * PIECE + 4_711),
            ("ünï©ödé – 名前.txt", 3 * PIECE + 99),
            ("the longest", 67 * PIECE + 31_000),
            ("zz an empty one last", 0),
        ]
        .map(|(name, size)| (name.to_owned(), size))
        .into();
        files.extend((0..40).map(|n| (format!("small/{n:02}"), n * 97 % 1_009)));
        for (number, (name, size)) in (0u64..).zip(&files) {
            write(&root.join(name), seed.wrapping_mul(1_000) + number, *size);
        }
        Self { root, size: files.iter().map(|(_, size)| size).sum() }
    }

    /// The file or the folder that is shared.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder it is in: what clients call the download folder.
    ///
    /// # Panics
    /// Never: a payload is made inside a folder.
    #[must_use]
    pub fn parent(&self) -> &Path {
        self.root.parent().expect("made inside a folder")
    }

    /// Its name, which is the torrent's.
    ///
    /// # Panics
    /// Never: the names are ours.
    #[must_use]
    pub fn name(&self) -> &str {
        self.root.file_name().and_then(|name| name.to_str()).expect("a name of ours")
    }

    /// Bytes in all.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }
}

/// Writes a file of bytes that depend on `seed` and their place alone and do not compress.
fn write(path: &Path, seed: u64, size: u64) {
    fs::create_dir_all(path.parent().expect("inside the payload")).expect("a folder for the payload");
    let mut file = BufWriter::new(File::create(path).expect("a file of the payload"));
    // SplitMix64.
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut left = size;
    while left > 0 {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let count = left.min(8);
        file.write_all(&(word ^ (word >> 31)).to_le_bytes()[..count as usize]).expect("room for the payload");
        left -= count;
    }
    file.flush().expect("room for the payload");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{TempDir, compare};

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_another_does_not() {
        let dir = TempDir::new("payload");
        let one = Payload::many_files(&dir.folder("one"), 3);
        let again = Payload::many_files(&dir.folder("again"), 3);
        compare::same(one.root(), again.root());
        assert_eq!(one.size().div_ceil(PIECE), 118);
        let single = Payload::one_file(&dir.folder("one"), 3);
        assert_eq!(fs::metadata(single.root()).unwrap().len(), single.size());
        assert_eq!(single.size().div_ceil(PIECE), 160);
        let other = Payload::one_file(&dir.folder("other"), 4);
        assert!(compare::difference(single.root(), other.root()).is_some());
    }
}
