//! Pages of a file, lent. Only reads go this way: writing through a mapping was measured slower, and turns a full disk
//! into a signal.
//!
//! A file has one window at a time, a mapping of some aligned stretch of it; a run of bytes within the window is lent as
//! a slice of it. When the next run lies elsewhere the window is replaced, and goes when the last slice of it does. So
//! address space, page tables and resident pages are bounded by what is lent and one window a file.
//!
//! Runs that are not in memory are not lent (`pressure.rs`). Of one that is, as far as its first page says, the pages
//! are made resident by a call that fails where a touch would be SIGBUS, because the file became shorter or the device
//! cannot read, and that costs nothing to speak of where they are resident already. Where it fails nothing is lent: the
//! read that follows instead finds out what is wrong.

use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use memmap2::{Advice, Mmap, MmapOptions};
use tide_base::Payload;

/// Stretch of a file that a window begins at a multiple of. Large enough that mapping is rare where reads are in
/// order, small enough that the pages of a window may all be resident.
const WINDOW: u64 = 2 << 20;
/// How far a window reaches into the next stretch, so that a run across the border fits in one of them. The longest
/// run that is lent.
const OVERLAP: u64 = 128 << 10;

/// Whether the kernel cannot make pages resident (Linux before 5.14): then nothing is ever lent.
static UNABLE: AtomicBool = AtomicBool::new(false);

/// The window of one file.
#[derive(Debug, Default)]
pub(super) struct Lender {
    /// Locked by the one thread that reads; a lock only because files are shared with the thread that syncs them.
    window: Mutex<Option<Window>>,
}

#[derive(Clone, Debug)]
struct Window {
    start: u64,
    map: Arc<Mmap>,
    /// The whole window as a payload: slices of it cost no allocation.
    whole: Payload,
}

struct Shared(Arc<Mmap>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Lender {
    /// Lends `len` bytes of `file` from `at` on; `None` if that cannot be done.
    pub(super) fn lend(&self, file: &File, at: u64, len: u32) -> Option<Payload> {
        if u64::from(len) > OVERLAP || len == 0 || UNABLE.load(Ordering::Relaxed) {
            return None;
        }
        let mut slot = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        let start = at - at % WINDOW;
        if slot.as_ref().is_none_or(|window| window.start != start) {
            *slot = Some(Window::new(file, start)?);
        }
        let window = slot.as_ref().expect("it was just filled");
        let begin = (at - start) as usize;
        match make_resident(&window.map, begin, len as usize) {
            Ok(()) => Some(window.whole.slice(begin..begin + len as usize)),
            Err(error) => {
                if error.kind() == std::io::ErrorKind::InvalidInput {
                    UNABLE.store(true, Ordering::Relaxed);
                }
                *slot = None;
                None
            }
        }
    }
}

#[cfg(target_os = "linux")]
fn make_resident(map: &Mmap, at: usize, len: usize) -> std::io::Result<()> {
    map.advise_range(Advice::PopulateRead, at, len)
}

#[cfg(not(target_os = "linux"))]
fn make_resident(_: &Mmap, _: usize, _: usize) -> std::io::Result<()> {
    Err(std::io::ErrorKind::InvalidInput.into())
}

impl Window {
    #[expect(unsafe_code, reason = "mapping a file is unsafe because others can change it: see below")]
    fn new(file: &File, start: u64) -> Option<Window> {
        let mut options = MmapOptions::new();
        options.offset(start).len((WINDOW + OVERLAP) as usize);
        // SAFETY: what makes a mapping of a file unsafe is that its bytes can change, or go, while Rust holds a `&[u8]`
        // to them. No byte of this mapping is ever loaded by Rust code: this module only computes addresses and passes
        // them to `madvise`, and who is lent a slice is bound (`StorageFile::lend`) to hand it to the kernel and never
        // look into it. The kernel reads it as memory of a process, at its own risk, and reports a page that is gone
        // as EFAULT. It is for reading only, so nothing is written through it, and it lives as
        // long as the last slice of it, which holds the `Arc`. It may reach behind the end of the file: such pages are
        // address space without content, and are never lent, since they cannot be made resident.
        let map = Arc::new(unsafe { options.map(file) }.ok()?);
        let whole = Payload::from_owner(Shared(map.clone()));
        Some(Window { start, map, whole })
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    use super::*;

    /// What the kernel finds in a lent run, or its error.
    fn sent(payload: &Payload) -> std::io::Result<Vec<u8>> {
        let (mut a, mut b) = UnixStream::pair()?;
        a.write_all(payload)?;
        drop(a);
        let mut got = Vec::new();
        b.read_to_end(&mut got)?;
        Ok(got)
    }

    #[test]
    fn runs_are_lent_across_windows_and_outlive_them() {
        let mut file = tempfile::tempfile().expect("a file");
        let len = WINDOW + 300_000;
        let content: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
        file.write_all(&content).expect("writes");
        let lender = Lender::default();
        let at = WINDOW - 5_000;
        let Some(across) = lender.lend(&file, at, 16_384) else { return };
        let next = lender.lend(&file, WINDOW + 10, 100).expect("the kernel can");
        let first = lender.lend(&file, 3, 100).expect("the kernel can");
        for (payload, at) in [(across, at), (next, WINDOW + 10), (first, 3)] {
            let begin = at as usize;
            assert_eq!(sent(&payload).expect("resident"), content[begin..begin + payload.len()]);
        }
        assert!(lender.lend(&file, len - 10, 16_384).is_none(), "pages behind the end are not lent");
        assert!(lender.lend(&file, 0, OVERLAP as u32 + 1).is_none());
    }

    #[test]
    fn a_file_cut_while_lent_is_an_error_and_no_signal() {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(&[7; 100_000]).expect("writes");
        let lender = Lender::default();
        let Some(lent) = lender.lend(&file, 40_960, 16_384) else { return };
        file.set_len(10).expect("cuts");
        let error = sent(&lent).expect_err("the page is gone");
        assert_eq!(error.raw_os_error(), Some(rustix::io::Errno::FAULT.raw_os_error()));
        assert!(lender.lend(&file, 40_960, 16_384).is_none());
    }
}
