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

/// Fills `into` as far as the file goes, at most `bound` slices a call. Returns how many bytes there were; the slices
/// themselves stay as they are.
pub(crate) fn read_full(
    file: &impl StorageFile,
    into: &mut [IoSliceMut<'_>],
    at: u64,
    bound: usize,
) -> io::Result<u64> {
    let len: usize = into.iter().map(|slice| slice.len()).sum();
    let count = into.len().min(bound.max(1));
    let mut done = file.read_at(&mut into[..count], at)?;
    if done == 0 || done == len {
        return Ok(done as u64);
    }
    // It takes more than one call: the rest is read through views that can be advanced.
    let mut views: Vec<_> = into.iter_mut().map(|slice| IoSliceMut::new(slice)).collect();
    let mut rest = &mut views[..];
    IoSliceMut::advance_slices(&mut rest, done);
    while done < len {
        let count = rest.len().min(bound.max(1));
        let read = file.read_at(&mut rest[..count], at + done as u64)?;
        if read == 0 {
            break;
        }
        done += read;
        IoSliceMut::advance_slices(&mut rest, read);
    }
    Ok(done as u64)
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
