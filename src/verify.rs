//! Checking the content of a torrent without a session.

use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use tide_disk::{Trouble, TroubleKind};
use tide_engine::file_table;
use tide_metainfo::Torrent as Metainfo;

pub use crate::hashing::Progress;
use crate::hashing::{Content, default_threads, hash_all, only_file};

/// How one file stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FileVerdict {
    /// Its path below the folder.
    pub path: PathBuf,
    /// Bytes that it should have.
    pub size: u64,
    /// Bytes that it has; `None` if it is not there.
    pub found: Option<u64>,
    /// Pieces that have bytes of it.
    pub pieces: u32,
    /// Those of them that are wrong or could not be read.
    pub bad: u32,
    /// Why it could not be read, if it is there and that was so; without the path, which stands above.
    pub trouble: Option<Trouble>,
}

impl FileVerdict {
    /// Whether the file is as it should be.
    pub fn is_ok(&self) -> bool {
        self.found == Some(self.size) && self.bad == 0
    }

    /// The file that should have `size` bytes, as it stands there before any is read.
    fn new(path: PathBuf, size: u64, there: io::Result<fs::Metadata>) -> FileVerdict {
        let mut verdict = FileVerdict { path, size, found: None, pieces: 0, bad: 0, trouble: None };
        match there.and_then(only_file) {
            Ok(meta) => verdict.found = Some(meta.len()),
            Err(error) => verdict.blame(&error),
        }
        verdict
    }

    /// Notes why it could not be read, unless its length tells.
    fn blame(&mut self, error: &io::Error) {
        let trouble = Trouble::from_io(error, None);
        if !matches!(trouble.kind, TroubleKind::Missing | TroubleKind::Shrunk) {
            self.trouble.get_or_insert(trouble);
        }
    }
}

/// How a torrent's content stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verdict {
    /// Its files, padding and links left out.
    pub files: Vec<FileVerdict>,
    /// Its pieces.
    pub pieces: u32,
    /// Those of them that are wrong or could not be read.
    pub bad: u32,
}

impl Verdict {
    /// Whether everything is as it should be.
    pub fn is_ok(&self) -> bool {
        self.bad == 0 && self.files.iter().all(FileVerdict::is_ok)
    }
}

/// Hashes all content of `torrent` below the folder `dir`. `progress` is called on this thread, after each piece. What is
/// missing or cannot be read is bad; that is not an error of the check. `threads` of `None` is one a core.
pub fn verify(
    torrent: &Metainfo,
    dir: &Path,
    threads: Option<usize>,
    progress: &mut dyn FnMut(Progress),
) -> Verdict {
    let table = file_table(&torrent.info);
    let paths: Vec<PathBuf> = table.files().iter().map(|file| dir.join(&file.path)).collect();
    // The length of a block plays no part here.
    let layout = torrent.info.layout(torrent.info.piece_len());
    let mut verdicts: Vec<FileVerdict> = table
        .files()
        .iter()
        .zip(&paths)
        .map(|(file, path)| FileVerdict::new(file.path.clone(), file.len, fs::metadata(path)))
        .collect();
    let (mut done, mut bad) = (0, 0);
    let content = Content { table: &table, paths: &paths, layout };
    hash_all(content, threads.unwrap_or_else(default_threads), &mut |piece, digest| {
        let good = match digest {
            Ok(digest) => digest == torrent.info.hash(piece),
            Err(unread) => {
                verdicts[unread.file].blame(&unread.source);
                false
            }
        };
        bad += u32::from(!good);
        let len = u64::from(layout.len_of(piece));
        for at in table.touched(layout.start(piece), len) {
            verdicts[at].pieces += 1;
            verdicts[at].bad += u32::from(!good);
        }
        done += len;
        progress(Progress { done, total: layout.total() });
        ControlFlow::Continue(())
    });
    let real = verdicts.into_iter().zip(table.files()).filter(|(_, file)| !file.padding);
    Verdict { files: real.map(|(verdict, _)| verdict).collect(), pieces: layout.pieces(), bad }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::make::{Options, make};

    #[test]
    fn every_damaged_file_is_named_and_no_other() {
        let dir = tempfile::tempdir().expect("a folder");
        let root = dir.path().join("t");
        fs::create_dir(&root).expect("a folder");
        for (name, len) in [("a", 40_000), ("b", 16_384), ("c", 0), ("d", 100)] {
            fs::write(root.join(name), vec![b'x'; len]).expect("a file");
        }
        let options = Options { piece_len: Some(8192), ..Options::default() };
        let torrent = make(&root, &options, &mut |_| {}).expect("a torrent").torrent;
        let check = || {
            let verdict = verify(&torrent, dir.path(), Some(2), &mut |_| {});
            let files: Vec<_> =
                verdict.files.iter().map(|file| (file.is_ok(), file.pieces, file.bad)).collect();
            (verdict.is_ok(), verdict.bad, files)
        };
        assert_eq!(check(), (true, 0, vec![(true, 5, 0), (true, 3, 0), (true, 0, 0), (true, 1, 0)]));

        let mut bytes = fs::read(root.join("a")).expect("the file");
        bytes[10_000] = b'y';
        fs::write(root.join("a"), bytes).expect("the file");
        fs::remove_file(root.join("c")).expect("the file");
        assert_eq!(check(), (false, 1, vec![(false, 5, 1), (true, 3, 0), (false, 0, 0), (true, 1, 0)]));

        fs::remove_dir_all(&root).expect("the folder");
        let (ok, bad, files) = check();
        assert!(!ok && bad == 7 && files.iter().all(|file| !file.0));
    }
}
