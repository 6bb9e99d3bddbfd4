//! Small files that are replaced whole: after a power cut the old one is there, or the new one, never a mixture.

use std::io::{self, IoSlice, IoSliceMut};
use std::path::{Path, PathBuf};

use crate::storage::{Access, Place, Storage, StorageFile};
use crate::transfer::{read_full, write_all};

/// The new content's name until it is complete.
fn temporary(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_os_string();
    name.push(".new");
    PathBuf::from(name)
}

/// Replaces the file, making its folder if need be.
pub(crate) fn replace(storage: &impl Storage, at: Place<'_>, bytes: &[u8]) -> io::Result<()> {
    storage.make_folders(at.folder())?;
    let below = temporary(at.below);
    let new = Place { below: &below, ..at };
    // A longer one from a replacement that was cut off would leave its tail behind our bytes.
    remove(storage, new)?;
    let written = write_new(storage, new, bytes).and_then(|()| storage.rename(new, at));
    if let Err(error) = written {
        // What is reported is why it failed, not that the remains of it could not be removed either.
        let _ = storage.remove(new);
        return Err(error);
    }
    storage.sync_folder(at.folder())
}

fn write_new(storage: &impl Storage, at: Place<'_>, bytes: &[u8]) -> io::Result<()> {
    let file = storage.open(at, Access::Create { executable: false })?;
    write_all(&file, &mut [IoSlice::new(bytes)], 0, 1)?;
    file.sync()
}

/// The file's bytes, if it is there. One longer than `bound` is none of ours: something else is in the way.
pub(crate) fn load(storage: &impl Storage, at: Place<'_>, bound: u64) -> io::Result<Option<Vec<u8>>> {
    let Some(len) = storage.stat(at)?.len else { return Ok(None) };
    if len > bound {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    let mut bytes = vec![0; len as usize];
    let file = storage.open(at, Access::Read)?;
    let read = read_full(&file, &mut [IoSliceMut::new(&mut bytes)], 0, 1)?;
    bytes.truncate(read as usize);
    Ok(Some(bytes))
}

/// Removes the file if it is there.
pub(crate) fn remove(storage: &impl Storage, at: Place<'_>) -> io::Result<()> {
    match storage.remove(at) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The same, so that no power cut brings the file back.
pub(crate) fn remove_durably(storage: &impl Storage, at: Place<'_>) -> io::Result<()> {
    remove(storage, at)?;
    match storage.sync_folder(at.folder()) {
        // Where there is no folder, nothing comes back.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        synced => synced,
    }
}
