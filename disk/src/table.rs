//! The files of a torrent in the order in which their bytes follow each other.

use std::path::PathBuf;
use std::sync::Arc;

/// One file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FileEntry {
    /// Where it lies below the store's root. Relative, and of normal components only: whoever builds the table has
    /// made the names safe, and the store asserts it.
    pub path: PathBuf,
    /// Offset of its first byte in the torrent.
    pub offset: u64,
    /// Bytes in it.
    pub len: u64,
    /// Whether it is padding (BEP 47): all zero, never created, read, or written.
    pub padding: bool,
    /// Whether it shall be executable.
    pub executable: bool,
}

/// The files of a torrent: contiguous, in order, covering every byte. Cheap to share.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FileTable {
    files: Arc<[FileEntry]>,
    total: u64,
}

impl FileTable {
    /// Takes the files' paths, lengths and kinds; offsets follow from the order (those given are overwritten).
    pub fn new(mut files: Vec<FileEntry>) -> FileTable {
        let mut total = 0u64;
        for file in &mut files {
            file.offset = total;
            total =
                total.checked_add(file.len).expect("a torrent's length fits 64 bits: its reader checked it");
        }
        FileTable { files: files.into(), total }
    }

    /// The files.
    pub fn files(&self) -> &[FileEntry] {
        &self.files
    }

    /// Bytes in all files.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The numbers of the files that have bytes in `offset .. offset + len`, ascending; empty files are in none.
    pub fn touched(&self, offset: u64, len: u64) -> impl Iterator<Item = usize> + '_ {
        let end = offset.saturating_add(len);
        let first = self.files.partition_point(|file| file.offset + file.len <= offset);
        (first..self.files.len())
            .take_while(move |&i| self.files[i].offset < end)
            .filter(|&i| self.files[i].len > 0)
    }
}

/// How a file stands on the medium.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FileState {
    /// Its length; `None` if it does not exist.
    pub len: Option<u64>,
    /// When it was last changed, in nanoseconds since 1970; 0 if the medium does not say.
    pub modified: i128,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(lens: &[u64]) -> FileTable {
        let file = |(i, &len): (usize, &u64)| FileEntry {
            path: PathBuf::from(format!("f{i}")),
            offset: 0,
            len,
            padding: false,
            executable: false,
        };
        FileTable::new(lens.iter().enumerate().map(file).collect())
    }

    #[test]
    fn a_run_of_bytes_finds_its_files() {
        let table = table(&[0, 10, 0, 5, 20, 0]);
        let touched = |offset, len| table.touched(offset, len).collect::<Vec<_>>();
        assert_eq!(table.total(), 35);
        assert_eq!(touched(0, 35), [1, 3, 4]);
        assert_eq!(touched(9, 2), [1, 3]);
        assert_eq!(touched(10, 5), [3]);
        assert_eq!(touched(15, u64::MAX), [4]);
        assert_eq!(touched(35, 1), [0usize; 0]);
    }
}
