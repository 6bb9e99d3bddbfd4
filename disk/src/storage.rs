//! The only door to files: what an embedder implements to keep content elsewhere, and a simulator to make it fail.
//!
//! Two small traits. [`Storage`] knows names, [`StorageFile`] knows bytes. Errors are the system's: an implementation
//! that is no system returns [`io::Error::from_raw_os_error`] or an [`io::ErrorKind`], and both become
//! [`Trouble`](crate::Trouble) by the same table.

use std::io::{self, IoSlice, IoSliceMut};
use std::path::{Path, PathBuf};

use tide_base::Payload;

use crate::job::Backing;
use crate::table::FileState;

/// A name: a folder that somebody chose, and a path below it that came from a torrent.
///
/// `root` is trusted and may lead through symbolic links. `below` is relative, of normal components only, and must
/// never lead through a link: neither in its folders nor at its end. Empty, it names the root itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place<'a> {
    /// Which medium.
    pub backing: Backing,
    /// The folder above.
    pub root: &'a Path,
    /// The path below it.
    pub below: &'a Path,
}

impl<'a> Place<'a> {
    /// The place of the file `path` itself: its folder is the root.
    pub fn of(backing: Backing, path: &'a Path) -> Place<'a> {
        let root = path.parent().unwrap_or(Path::new(""));
        Place { backing, root, below: Path::new(path.file_name().unwrap_or_default()) }
    }

    /// The folder that holds this place.
    pub fn folder(self) -> Place<'a> {
        Place { below: self.below.parent().unwrap_or(Path::new("")), ..self }
    }

    /// Root and path in one.
    pub fn path(self) -> PathBuf {
        self.root.join(self.below)
    }
}

/// How a file is opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// To read; it must exist.
    Read,
    /// To read and write; it must exist.
    Write,
    /// To read and write; it is made if it does not exist. Its folder must exist.
    Create {
        /// Whether a new file shall be executable.
        executable: bool,
    },
}

/// Names: where files are. Clones are the same storage, and may be used from another thread: what takes seconds runs
/// beside everything else.
pub trait Storage: Clone + Send + 'static {
    /// An open file.
    type File: StorageFile;
    /// A lock that is held; dropping it lets go.
    type Lock: Send + 'static;

    /// Opens a file.
    ///
    /// # Errors
    /// `NotFound`, and what else the system says; something other than a regular file is never opened.
    fn open(&self, at: Place<'_>, access: Access) -> io::Result<Self::File>;

    /// How a file stands; a state without length if there is nothing, not even a folder for it.
    ///
    /// # Errors
    /// Whatever is there but no regular file, and what else the system says.
    fn stat(&self, at: Place<'_>) -> io::Result<FileState>;

    /// Gives a file another name, replacing what has it. Both places are of the same backing.
    ///
    /// # Errors
    /// `CrossesDevices` if the two are on different volumes; what else the system says.
    fn rename(&self, from: Place<'_>, to: Place<'_>) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// What the system says.
    fn remove(&self, at: Place<'_>) -> io::Result<()>;

    /// Makes the folder `at` and all above it, root included, that do not exist.
    ///
    /// # Errors
    /// What the system says.
    fn make_folders(&self, at: Place<'_>) -> io::Result<()>;

    /// Removes an empty folder.
    ///
    /// # Errors
    /// `DirectoryNotEmpty`; what else the system says.
    fn remove_folder(&self, at: Place<'_>) -> io::Result<()>;

    /// Makes durable which names are in the folder `at`.
    ///
    /// # Errors
    /// What the system says.
    fn sync_folder(&self, at: Place<'_>) -> io::Result<()>;

    /// Makes and holds a lock file that nobody else, in this process or another, can hold at the same time.
    ///
    /// # Errors
    /// `WouldBlock` if somebody holds it; what else the system says.
    fn lock(&self, at: Place<'_>) -> io::Result<Self::Lock>;

    /// The one name of a folder, however it is spelled and whether or not it exists.
    fn true_name(&self, backing: Backing, folder: &Path) -> PathBuf;
}

/// Bytes: an open file. All of it by position; there is no cursor.
pub trait StorageFile: Send + Sync + 'static {
    /// Reads from `at` on into `into`, in order. Fewer bytes than asked for are fine; none means the end.
    ///
    /// # Errors
    /// What the system says.
    fn read_at(&self, into: &mut [IoSliceMut<'_>], at: u64) -> io::Result<usize>;

    /// Writes `from`, in order, from `at` on. Fewer bytes than given, but at least one, are fine.
    ///
    /// # Errors
    /// What the system says.
    fn write_at(&self, from: &[IoSlice<'_>], at: u64) -> io::Result<usize>;

    /// Reserves space for `len` bytes and makes the file at least so long. A medium that cannot reserve does nothing.
    ///
    /// # Errors
    /// What the system says.
    fn allocate(&self, len: u64) -> io::Result<()>;

    /// Makes durable what the file has, whoever wrote it.
    ///
    /// # Errors
    /// What the system says; `NotFound` if the file has no name any more, so that it will be gone once it is closed.
    fn sync(&self) -> io::Result<()>;

    /// Lends `len` bytes from `at` on without copying them, if that is possible and wise at this moment.
    ///
    /// All of them are resident. Nobody in this process may look into a lent page, for it can vanish with a file
    /// that is truncated: only the kernel does, in a write to a socket, where that is an error and no signal.
    fn lend(&self, at: u64, len: u32) -> Option<Payload> {
        let _ = (at, len);
        None
    }
}
