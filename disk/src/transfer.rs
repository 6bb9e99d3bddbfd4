//! Whole transfers out of calls that may do a part of one.

use std::io::{self, IoSlice, IoSliceMut};

use crate::limits::COPY_BYTES;
use crate::storage::StorageFile;

/// Writes all of `from`, at most `bound` slices a call.
pub(crate) fn write_all(
    file: &impl StorageFile,
    mut from: &mut [IoSlice<'_>],
    mut at: u64,
    bound: usize,
) -> io::Result<()> {
    while !from.is_empty() {
        let count = from.len().min(bound.max(1));
        let written = file.write_at(&from[..count], at)?;
        if written == 0 && from[..count].iter().any(|slice| !slice.is_empty()) {
            return Err(io::ErrorKind::WriteZero.into());
        }
        at += written as u64;
        IoSlice::advance_slices(&mut from, written);
        // Empty slices at the front are no progress to wait for.
        let empty = from.iter().take_while(|slice| slice.is_empty()).count();
        from = &mut from[empty..];
    }
    Ok(())
}

/// Fills `into` as far as the file goes, at most `bound` slices a call. Returns how many bytes there were.
pub(crate) fn read_full(
    file: &impl StorageFile,
    mut into: &mut [IoSliceMut<'_>],
    at: u64,
    bound: usize,
) -> io::Result<u64> {
    let mut done = 0;
    loop {
        let empty = into.iter().take_while(|slice| slice.is_empty()).count();
        into = &mut into[empty..];
        if into.is_empty() {
            return Ok(done);
        }
        let count = into.len().min(bound.max(1));
        let read = file.read_at(&mut into[..count], at + done)?;
        if read == 0 {
            return Ok(done);
        }
        done += read as u64;
        IoSliceMut::advance_slices(&mut into, read);
    }
}

/// Copies all bytes of `from` into `to`, which is empty.
pub(crate) fn copy(from: &impl StorageFile, to: &impl StorageFile) -> io::Result<()> {
    let mut buffer = vec![0; COPY_BYTES];
    let mut at = 0;
    loop {
        let read = read_full(from, &mut [IoSliceMut::new(&mut buffer)], at, 1)?;
        if read == 0 {
            return Ok(());
        }
        write_all(to, &mut [IoSlice::new(&buffer[..read as usize])], at, 1)?;
        at += read;
    }
}
