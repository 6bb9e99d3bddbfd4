//! Positional reads and writes of real files, many slices a call.

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut};

use rustix::fs::{FallocateFlags, fallocate, fstat};
use rustix::io::Errno;

pub(super) fn read_at(file: &File, into: &mut [IoSliceMut<'_>], at: u64) -> io::Result<usize> {
    retry(|| rustix::io::preadv(file, into, at))
}

pub(super) fn write_at(file: &File, from: &[IoSlice<'_>], at: u64) -> io::Result<usize> {
    retry(|| rustix::io::pwritev(file, from, at))
}

/// Whether the byte at `at` is in memory, so that it can be had without the device; `true` where nobody can tell.
#[cfg(target_os = "linux")]
pub(super) fn is_cached(file: &File, at: u64) -> bool {
    use rustix::io::{ReadWriteFlags, preadv2};
    let mut byte = [0];
    preadv2(file, &mut [IoSliceMut::new(&mut byte)], at, ReadWriteFlags::NOWAIT) != Err(Errno::AGAIN)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn is_cached(_: &File, _: u64) -> bool {
    true
}

fn retry(mut call: impl FnMut() -> Result<usize, Errno>) -> io::Result<usize> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            other => return Ok(other?),
        }
    }
}

pub(super) fn allocate(file: &File, len: u64) -> io::Result<()> {
    match fallocate(file, FallocateFlags::empty(), 0, len) {
        Ok(()) => Ok(()),
        // Writing zeros instead would take as long as the download and wear the device twice.
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => {
            if file.metadata()?.len() < len {
                file.set_len(len)?;
            }
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

pub(super) fn sync(file: &File) -> io::Result<()> {
    match file.sync_data() {
        // Where nothing can be written some file systems have nothing to sync either.
        Err(error) if matches!(Errno::from_io_error(&error), Some(Errno::INVAL | Errno::ROFS)) => {}
        other => other?,
    }
    if fstat(file)?.st_nlink == 0 {
        return Err(Errno::NOENT.into());
    }
    Ok(())
}
