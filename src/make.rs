//! Making a torrent of a file or a folder.

use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use tide_base::{Layout, WallClock};
use tide_disk::{FileEntry, FileTable};
use tide_metainfo::{
    Contents, CreateError, FileKind, NewFile, Recipe, Torrent as Metainfo, create, piece_length_for,
};

use crate::error::Error;
pub use crate::hashing::Progress;
use crate::hashing::{Content, default_threads, hash_all};
use crate::shell::clock::Clock;

/// Folders in folders that are followed: the depth that readers accept.
const DEPTH: usize = 100;

/// What goes into a torrent besides its content.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// Its name; `None` is that of the file or folder.
    pub name: Option<String>,
    /// Bytes in a piece; `None` chooses by the size of the content.
    pub piece_len: Option<u32>,
    /// Trackers in tiers.
    pub trackers: Vec<Vec<String>>,
    /// Web seeds.
    pub web_seeds: Vec<String>,
    /// Whether peers may come from trackers alone.
    pub private: bool,
    /// Where the torrent is at home; changes the info-hash.
    pub source: Option<String>,
    /// A word to whoever reads it.
    pub comment: Option<String>,
    /// The program that makes it; default: this one.
    pub created_by: Option<String>,
    /// When; default: now.
    pub date: Option<WallClock>,
    /// Threads that read and hash: as many of them as there is work for and the system gives. Default: one a core.
    pub threads: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            name: None,
            piece_len: None,
            trackers: Vec::new(),
            web_seeds: Vec::new(),
            private: false,
            source: None,
            comment: None,
            created_by: Some(concat!("tide ", env!("CARGO_PKG_VERSION")).to_owned()),
            date: Some(Clock::start().epoch()),
            threads: default_threads(),
        }
    }
}

/// A torrent that was made.
#[derive(Clone, Debug)]
pub struct Made {
    /// The .torrent file.
    pub bytes: Vec<u8>,
    /// What it says.
    pub torrent: Metainfo,
}

/// Makes a torrent of the file or folder at `path`. `progress` is called on this thread, after each piece.
///
/// Links to files and folders are followed, in a circle never; what is neither is left out. A name that those who read the
/// torrent would change is refused, since they would not find the content ([`CreateError::Misread`]). No file may change
/// meanwhile: one that becomes shorter is an error, and other changes make a torrent that nobody can complete.
///
/// # Errors
/// [`Error::File`] for what cannot be read, [`Error::Create`] for content or options that make no torrent.
pub fn make(path: &Path, options: &Options, progress: &mut dyn FnMut(Progress)) -> Result<Made, Error> {
    let found = Found::at(path)?;
    let total = found.contents.total()?;
    if total == 0 {
        return Err(CreateError::Empty.into());
    }
    let piece_len = options.piece_len.unwrap_or_else(|| piece_length_for(total));
    let recipe = Recipe {
        name: options.name.as_ref().map_or(&found.name, |name| name.as_bytes()),
        contents: &found.contents,
        piece_len,
        pieces: &[],
        private: options.private,
        source: options.source.as_deref(),
        trackers: &options.trackers,
        web_seeds: &options.web_seeds,
        comment: options.comment.as_deref(),
        created_by: options.created_by.as_deref(),
        date: options.date,
    };
    // Not after an hour of hashing.
    check_names(&recipe)?;
    let layout = Layout::new(total, piece_len, piece_len.max(1)).ok_or(CreateError::PieceLength)?;
    let hashes = hash(&found, layout, options.threads, progress)?;
    let bytes = create(&Recipe { pieces: &hashes, ..recipe })?;
    let torrent = Metainfo::parse(&bytes, &tide_metainfo::Limits::default())?;
    Ok(Made { bytes, torrent })
}

/// Whether readers find every file where it is, whatever the pieces say.
fn check_names(recipe: &Recipe<'_>) -> Result<(), Error> {
    let blank = vec![0; recipe.check()? as usize * 20];
    let bytes = create(&Recipe { pieces: &blank, ..recipe.clone() })?;
    let torrent = Metainfo::parse(&bytes, &tide_metainfo::Limits::default())?;
    for (at, file) in torrent.info.files().iter().enumerate() {
        let found = match recipe.contents {
            Contents::File(_) => recipe.name.to_vec(),
            Contents::Folder(files) => [recipe.name, &files[at].path].join(&b'/'),
        };
        let is_content = file.kind == FileKind::Regular;
        if !is_content || file.path.as_str().as_bytes() != found {
            let found = String::from_utf8_lossy(&found).into_owned();
            let read = is_content.then(|| file.path.to_string());
            return Err(CreateError::Misread { found, read }.into());
        }
    }
    Ok(())
}

/// The hashes of all pieces, in order.
fn hash(
    found: &Found,
    layout: Layout,
    threads: usize,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<u8>, Error> {
    let mut hashes = vec![0; layout.pieces() as usize * 20];
    let mut failed = None;
    let mut done = 0;
    let table = found.table();
    let content = Content { table: &table, paths: &found.paths, layout };
    hash_all(content, threads, &mut |piece, digest| match digest {
        Ok(digest) => {
            hashes[piece.at() * 20..][..20].copy_from_slice(&digest);
            done += u64::from(layout.len_of(piece));
            progress(Progress { done, total: layout.total() });
            ControlFlow::Continue(())
        }
        Err(unread) => {
            failed = Some(Error::File { path: found.paths[unread.file].clone(), source: unread.source });
            ControlFlow::Break(())
        }
    });
    failed.map_or(Ok(hashes), Err)
}

/// Content that was found.
struct Found {
    name: Vec<u8>,
    contents: Contents,
    /// Where the files are, in the order of `contents`.
    paths: Vec<PathBuf>,
}

impl Found {
    fn at(path: &Path) -> Result<Found, Error> {
        let blame = |source| Error::File { path: path.to_owned(), source };
        let meta = fs::metadata(path).map_err(blame)?;
        // The name of `.` or `x/..` is only known where it leads.
        let real = fs::canonicalize(path).map_err(blame)?;
        let named = if path.file_name().is_some() { path } else { &real };
        let name = named.file_name().map(bytes_of).ok_or(CreateError::Name)?;
        if meta.is_file() {
            return Ok(Found { name, contents: Contents::File(meta.len()), paths: vec![path.to_owned()] });
        }
        if !meta.is_dir() {
            let what = io::Error::new(io::ErrorKind::InvalidInput, "neither a file nor a folder");
            return Err(blame(what));
        }
        let mut walk = Walk { files: Vec::new(), above: vec![real] };
        walk.folder(path, &mut Vec::new())?;
        let mut files = walk.files;
        files.sort();
        let paths = files.iter().map(|(_, path, _)| path.clone()).collect();
        let files = files.into_iter().map(|(path, _, length)| NewFile { path, length }).collect();
        Ok(Found { name, contents: Contents::folder(files), paths })
    }

    fn table(&self) -> FileTable {
        let lengths: Vec<u64> = match &self.contents {
            Contents::File(length) => vec![*length],
            Contents::Folder(files) => files.iter().map(|file| file.length).collect(),
        };
        let entry = |(path, len): (&PathBuf, u64)| FileEntry {
            path: path.clone(),
            offset: 0,
            len,
            padding: false,
            executable: false,
        };
        FileTable::new(self.paths.iter().zip(lengths).map(entry).collect())
    }
}

/// A walk through a folder.
struct Walk {
    /// Path in the torrent, path on this machine, length.
    files: Vec<(Vec<u8>, PathBuf, u64)>,
    /// The folders that we are in, by their one true name.
    above: Vec<PathBuf>,
}

impl Walk {
    fn folder(&mut self, path: &Path, below: &mut Vec<u8>) -> Result<(), Error> {
        let blame = |source| Error::File { path: path.to_owned(), source };
        for entry in fs::read_dir(path).map_err(blame)? {
            let entry = entry.map_err(blame)?;
            let length = below.len();
            if length > 0 {
                below.push(b'/');
            }
            below.extend(bytes_of(&entry.file_name()));
            self.entry(&entry.path(), below)?;
            below.truncate(length);
        }
        Ok(())
    }

    fn entry(&mut self, path: &Path, below: &mut Vec<u8>) -> Result<(), Error> {
        let blame = |source| Error::File { path: path.to_owned(), source };
        let meta = fs::metadata(path).map_err(blame)?;
        if meta.is_file() {
            self.files.push((below.clone(), path.to_owned(), meta.len()));
        } else if meta.is_dir() {
            let real = fs::canonicalize(path).map_err(blame)?;
            if self.above.contains(&real) {
                log::warn!("{}: a link to a folder above it is left out", path.display());
                return Ok(());
            }
            if self.above.len() > DEPTH {
                return Err(blame(io::Error::other("too many folders in folders")));
            }
            self.above.push(real);
            self.folder(path, below)?;
            self.above.pop();
        } else {
            log::warn!("{}: neither file nor folder, left out", path.display());
        }
        Ok(())
    }
}

#[cfg(unix)]
fn bytes_of(name: &std::ffi::OsStr) -> Vec<u8> {
    std::os::unix::ffi::OsStrExt::as_bytes(name).to_vec()
}

#[cfg(not(unix))]
fn bytes_of(name: &std::ffi::OsStr) -> Vec<u8> {
    name.to_string_lossy().into_owned().into_bytes()
}

#[cfg(test)]
mod tests {
    use tide_base::PieceIndex;
    use tide_hash::sha1;

    use super::*;

    fn quiet(_: Progress) {}

    #[test]
    fn a_folder_becomes_a_torrent_of_its_files_in_order() {
        let dir = tempfile::tempdir().expect("a folder");
        let root = dir.path().join("content");
        fs::create_dir_all(root.join("b/c")).expect("folders");
        let bytes: Vec<u8> = (0..100_000u32).map(|n| (n * 7) as u8).collect();
        fs::write(root.join("b/c/one"), &bytes[..50_000]).expect("a file");
        fs::write(root.join("b-two"), &bytes[50_000..]).expect("a file");
        fs::write(root.join("empty"), b"").expect("a file");
        #[cfg(unix)]
        std::os::unix::fs::symlink(&root, root.join("circle")).expect("a link");
        let options = Options { piece_len: Some(16384), threads: usize::MAX, ..Options::default() };
        let mut seen = Vec::new();
        let made = make(&root, &options, &mut |progress| seen.push(progress)).expect("a torrent");
        let info = &made.torrent.info;
        let files: Vec<_> = info.files().iter().map(|file| (file.path.as_str(), file.length)).collect();
        assert_eq!(files, [("content/b-two", 50_000), ("content/b/c/one", 50_000), ("content/empty", 0)]);
        let whole = [&bytes[50_000..], &bytes[..50_000]].concat();
        for (at, piece) in (0..).zip(whole.chunks(16384)) {
            assert_eq!(info.hash(PieceIndex(at)), sha1(&[piece]));
        }
        assert_eq!(seen.len(), 7);
        assert_eq!(seen.last(), Some(&Progress { done: 100_000, total: 100_000 }));
    }

    #[test]
    fn a_single_file_is_called_as_it_is_or_as_is_wished() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("one.bin");
        fs::write(&path, b"content").expect("a file");
        let made = make(&path, &Options::default(), &mut quiet).expect("a torrent");
        assert_eq!((made.torrent.info.name(), made.torrent.info.is_folder()), ("one.bin", false));
        let options = Options { name: Some("other".into()), date: None, ..Options::default() };
        let made = make(&path, &options, &mut quiet).expect("a torrent");
        assert_eq!((made.torrent.info.name(), made.torrent.creation_date), ("other", None));
    }

    #[test]
    fn what_makes_no_torrent_says_why() {
        let dir = tempfile::tempdir().expect("a folder");
        let empty = make(dir.path(), &Options::default(), &mut quiet);
        assert!(matches!(empty, Err(Error::Create(CreateError::Empty))));
        let missing = make(&dir.path().join("missing"), &Options::default(), &mut quiet);
        assert!(matches!(missing, Err(Error::File { .. })));
        fs::write(dir.path().join("x"), b"x").expect("a file");
        let zero = Options { piece_len: Some(0), ..Options::default() };
        let zero = make(dir.path(), &zero, &mut quiet);
        assert!(matches!(zero, Err(Error::Create(CreateError::PieceLength))));
        #[cfg(unix)]
        {
            let device = make(Path::new("/dev/null"), &Options::default(), &mut quiet);
            let Err(Error::File { source, .. }) = device else { panic!("no content") };
            assert_eq!(source.to_string(), "neither a file nor a folder");
        }
    }

    #[test]
    fn what_makes_no_torrent_is_refused_before_anything_is_hashed() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("x");
        // One more piece of a byte than readers take.
        fs::write(&path, vec![0; (2 << 20) + 1]).expect("a file");
        let refused = |options: Options| match make(&path, &options, &mut |_| panic!("it was hashed")) {
            Err(Error::Create(error)) => error,
            other => panic!("{other:?}"),
        };
        let many = Options { piece_len: Some(1), ..Options::default() };
        assert_eq!(refused(many), CreateError::TooManyPieces(2 << 20));
        for name in ["", "..", "a/b"] {
            let named = Options { name: Some(name.into()), ..Options::default() };
            assert_eq!(refused(named), CreateError::Name, "{name:?}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_name_that_readers_would_change_is_refused_before_anything_is_hashed() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;
        let refused = |path: &Path| match make(path, &Options::default(), &mut |_| panic!("it was hashed")) {
            Err(Error::Create(CreateError::Misread { found, read })) => (found, read),
            other => panic!("{other:?}"),
        };
        let long = "n".repeat(241);
        let names: [&[u8]; 5] = [long.as_bytes(), b"tab\there", b"back\\slash", b"caf\xe9", b"\xe2\x80\x8bx"];
        for name in names {
            let dir = tempfile::tempdir().expect("a folder");
            let folder = dir.path().join("folder");
            fs::create_dir(&folder).expect("a folder");
            fs::write(folder.join(OsStr::from_bytes(name)), b"x").expect("a name that the system takes");
            let shown = String::from_utf8_lossy(name);
            assert_eq!(refused(&folder.join(OsStr::from_bytes(name))).0, shown);
            let (found, read) = refused(&folder);
            assert_eq!(found, format!("folder/{shown}"));
            assert_ne!(read.expect("another name"), found);
        }
        let dir = tempfile::tempdir().expect("a folder");
        let folder = dir.path().join("folder");
        fs::create_dir_all(folder.join(".pad")).expect("a folder");
        fs::write(folder.join(".pad/3"), b"abc").expect("a file");
        assert_eq!(refused(&folder), ("folder/.pad/3".to_owned(), None));
        fs::remove_file(folder.join(".pad/3")).expect("the file");
        fs::write(folder.join("a"), b"x").expect("a file");
        fs::write(folder.join("A"), b"x").expect("a file");
        let (found, read) = refused(&folder);
        assert!(found.eq_ignore_ascii_case("folder/a") && read.is_some_and(|read| read != found));
    }
}
