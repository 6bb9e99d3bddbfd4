//! Names on a real file system: every step below the root is taken through the folder's own handle and follows no
//! link, so that no name, and no link planted between a look and a step, leads outside.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags};
use rustix::fs::{fstat, mkdirat, open, openat, renameat, statat, unlinkat};
use rustix::io::Errno;

use crate::storage::{Access, Place};
use crate::table::FileState;

/// Handles of folders are only for steps from them; where the system can say so, no right to read is needed.
#[cfg(target_os = "linux")]
const STEP: OFlags = OFlags::PATH;
#[cfg(not(target_os = "linux"))]
const STEP: OFlags = OFlags::RDONLY;

/// How often a lock is tried again when its file was removed by the one who held it.
const LOCK_TRIES: usize = 8;

fn step_into(folder: &File, name: &OsStr, flags: OFlags) -> io::Result<File> {
    let flags = flags | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(folder, name, flags, Mode::empty())?.into())
}

fn root(path: &Path, flags: OFlags) -> io::Result<File> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    Ok(open(path, flags | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?.into())
}

/// The components of a path below a root; anything but a name breaks the promise of [`Place`].
fn names(below: &Path) -> io::Result<Vec<&OsStr>> {
    let name = |component| match component {
        Component::Normal(name) => Ok(name),
        _ => Err(io::Error::from(Errno::INVAL)),
    };
    below.components().map(name).collect()
}

/// The folder that holds the place, and the place's name in it.
fn parent(at: Place<'_>) -> io::Result<(File, &OsStr)> {
    let mut names = names(at.below)?;
    let last = names.pop().ok_or(Errno::ISDIR)?;
    let mut folder = root(at.root, STEP)?;
    for name in names {
        folder = step_into(&folder, name, STEP)?;
    }
    Ok((folder, last))
}

pub(super) fn open_file(at: Place<'_>, access: Access) -> io::Result<File> {
    let (folder, name) = parent(at)?;
    let (flags, mode) = match access {
        Access::Read => (OFlags::RDONLY, 0),
        Access::Write => (OFlags::RDWR, 0),
        Access::Create { executable: false } => (OFlags::RDWR | OFlags::CREATE, 0o666),
        Access::Create { executable: true } => (OFlags::RDWR | OFlags::CREATE, 0o777),
    };
    // NONBLOCK: a pipe must not make us wait for its other end. It means nothing to a regular file.
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file: File = openat(&folder, name, flags, Mode::from_raw_mode(mode))?.into();
    must_be_regular(FileType::from_raw_mode(fstat(&file)?.st_mode))?;
    Ok(file)
}

fn must_be_regular(kind: FileType) -> io::Result<()> {
    match kind {
        FileType::RegularFile => Ok(()),
        FileType::Directory => Err(Errno::ISDIR.into()),
        FileType::Symlink => Err(Errno::LOOP.into()),
        _ => Err(Errno::EXIST.into()),
    }
}

pub(super) fn stat(at: Place<'_>) -> io::Result<FileState> {
    let found = parent(at).and_then(|(folder, name)| Ok(statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW)?));
    let stat = match found {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(FileState::default()),
        other => other?,
    };
    must_be_regular(FileType::from_raw_mode(stat.st_mode))?;
    let modified = i128::from(stat.st_mtime) * 1_000_000_000 + i128::from(stat.st_mtime_nsec);
    Ok(FileState { len: Some(u64::try_from(stat.st_size).unwrap_or(0)), modified })
}

pub(super) fn rename(from: Place<'_>, to: Place<'_>) -> io::Result<()> {
    let ((from, from_name), (to, to_name)) = (parent(from)?, parent(to)?);
    Ok(renameat(&from, from_name, &to, to_name)?)
}

pub(super) fn remove(at: Place<'_>) -> io::Result<()> {
    let (folder, name) = parent(at)?;
    Ok(unlinkat(&folder, name, AtFlags::empty())?)
}

pub(super) fn remove_folder(at: Place<'_>) -> io::Result<()> {
    let (folder, name) = parent(at)?;
    Ok(unlinkat(&folder, name, AtFlags::REMOVEDIR)?)
}

pub(super) fn make_folders(at: Place<'_>) -> io::Result<()> {
    if !at.root.as_os_str().is_empty() {
        std::fs::create_dir_all(at.root)?;
    }
    let mut folder = root(at.root, STEP)?;
    for name in names(at.below)? {
        match mkdirat(&folder, name, Mode::from_raw_mode(0o777)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        folder = step_into(&folder, name, STEP)?;
    }
    Ok(())
}

pub(super) fn sync_folder(at: Place<'_>) -> io::Result<()> {
    let opened = match parent(at) {
        Ok((folder, name)) => step_into(&folder, name, OFlags::RDONLY),
        Err(error) if at.below.as_os_str().is_empty() => {
            debug_assert_eq!(error.kind(), io::ErrorKind::IsADirectory);
            root(at.root, OFlags::RDONLY)
        }
        Err(error) => return Err(error),
    };
    let folder = match opened {
        // Content can be read in a folder that may not be listed. Whose name is lost there is missed at the next start.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(()),
        other => other?,
    };
    match rustix::fs::fsync(&folder) {
        // Some network file systems cannot sync a folder; their servers do it with each name. Nor can some that are
        // only read.
        Ok(()) | Err(Errno::INVAL | Errno::ROFS) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// A lock file that is held. Dropping it removes the file while the lock is still held, and then lets go.
#[derive(Debug)]
pub(super) struct FileLock {
    folder: File,
    name: PathBuf,
    _held: File,
}

impl Drop for FileLock {
    fn drop(&mut self) {
        // A lock file that stays behind is held by nobody and in nobody's way.
        let _ = unlinkat(&self.folder, &self.name, AtFlags::empty());
    }
}

pub(super) fn lock(at: Place<'_>) -> io::Result<FileLock> {
    for _ in 0..LOCK_TRIES {
        let file = open_file(at, Access::Create { executable: false })?;
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        let (folder, name) = parent(at)?;
        // Who held it before may have removed the file between our opening and our locking: then we hold a lock on
        // a file without a name, which keeps nobody out.
        let held = fstat(&file)?;
        match statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(named) if (named.st_dev, named.st_ino) == (held.st_dev, held.st_ino) => {
                return Ok(FileLock { folder, name: name.into(), _held: file });
            }
            Ok(_) | Err(Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Errno::WOULDBLOCK.into())
}

/// The folder's name without links, as far as it exists, and the rest of it as it is.
pub(super) fn true_name(folder: &Path) -> PathBuf {
    let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_path_buf());
    for existing in absolute.ancestors() {
        if let Ok(found) = existing.canonicalize() {
            let rest = absolute.strip_prefix(existing).expect("an ancestor is a prefix");
            return if rest.as_os_str().is_empty() { found } else { found.join(rest) };
        }
    }
    absolute
}
