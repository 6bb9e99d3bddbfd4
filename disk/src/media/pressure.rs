//! Whether pages are better read into buffers than lent, since one lent now may be gone before it is sent.
//!
//! A page that is evicted in between would be a major fault on the thread that sends, which must take none. Two signs
//! say that it may happen.
//!
//! A run that is not in memory when it is wanted: content is larger than the memory there is for it, or has not been
//! read yet. Its pages, and those that the kernel reads ahead, are the next to go, and a slow peer may take its time.
//! So that run and some after it are read. It costs little: what is in nobody's memory is as fast as the device, and
//! reads are easier for the kernel to read ahead of than faults. This sign comes at once, and everywhere.
//!
//! Where pages that were used often go too, the kernel says itself how short memory is: the share of time that tasks
//! wait for it (pressure stall information, Linux 4.20), of our control group if it has a number of its own, else of
//! the machine. It says so some seconds late. How much memory is "available" says less, since a page cache that fills
//! a group to its limit is normal. Where neither is told, memory counts as ample.
//!
//! There is no clock here, so the question is asked anew every so many runs of reads: at a rate where that takes long,
//! the time between lending and sending is too short to matter.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;

/// Runs of reads between two looks. A look costs some five microseconds.
const READS_A_LOOK: u32 = 64;
/// Runs that are read into buffers after one that was not in memory; at most 8 MiB.
const READS_A_MISS: u32 = 64;
/// From this share of time on, in hundredths of a percent over ten seconds, memory is short.
const SHORT: u32 = 500;
/// Below this share it is ample again: less, so that it does not change with each look.
const AMPLE: u32 = 100;

/// The state of memory, as last looked at.
#[derive(Debug)]
pub(super) struct Pressure {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    source: Option<File>,
    reads: u32,
    short: bool,
    /// Runs still to be read into buffers because one was not in memory.
    cold: u32,
}

impl Pressure {
    pub(super) fn new() -> Pressure {
        let group = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let group = group_path(&group).and_then(|path| File::open(path.join("memory.pressure")).ok());
        let source = group.or_else(|| File::open("/proc/pressure/memory").ok());
        Pressure { state: Mutex::new(State { source, reads: 0, short: false, cold: 0 }) }
    }

    /// Whether memory is short, as far as is known; asked once a run of reads.
    pub(super) fn is_short(&self) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.reads.is_multiple_of(READS_A_LOOK) {
            state.look();
        }
        state.reads = state.reads.wrapping_add(1);
        let cold = state.cold > 0;
        state.cold = state.cold.saturating_sub(1);
        state.short || cold
    }

    /// A run was not in memory.
    pub(super) fn missed(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).cold = READS_A_MISS;
    }
}

impl State {
    fn look(&mut self) {
        let mut text = [0; 256];
        let Some(len) = self.source.as_ref().and_then(|file| file.read_at(&mut text, 0).ok()) else { return };
        if let Some(share) = stalled(&String::from_utf8_lossy(&text[..len])) {
            self.short = share >= if self.short { AMPLE } else { SHORT };
        }
    }
}

/// The folder of our control group (version 2), from the text of `/proc/self/cgroup`.
fn group_path(text: &str) -> Option<PathBuf> {
    let path = Path::new(text.lines().find_map(|line| line.strip_prefix("0::/"))?);
    let plain = path.components().all(|component| matches!(component, Component::Normal(_)));
    plain.then(|| Path::new("/sys/fs/cgroup").join(path))
}

/// The share of time in which some task waited for memory, in hundredths of a percent, over the last ten seconds.
fn stalled(text: &str) -> Option<u32> {
    let line = text.lines().find_map(|line| line.strip_prefix("some "))?;
    let number = line.split(' ').find_map(|field| field.strip_prefix("avg10="))?;
    let (whole, part) = number.split_once('.')?;
    let part = part.get(..2)?;
    whole.parse::<u32>().ok()?.checked_mul(100)?.checked_add(part.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_words_are_read() {
        let text = "some avg10=12.34 avg60=0.00 avg300=0.00 total=5\nfull avg10=1.00 avg60=0.00 avg300=0.00 total=1\n";
        assert_eq!(stalled(text), Some(1234));
        for text in
            ["", "some", "some avg10=x.00", "some avg10=1", "full avg10=1.00", "some avg10=99999999999.00"]
        {
            assert_eq!(stalled(text), None, "{text}");
        }
        assert_eq!(group_path("1:cpu:/x\n0::/a/b\n"), Some(PathBuf::from("/sys/fs/cgroup/a/b")));
        assert_eq!(group_path("0::/\n"), Some(PathBuf::from("/sys/fs/cgroup/")));
        assert_eq!(group_path("0::/../x\n"), None);
        assert_eq!(group_path("1:cpu:/x\n"), None);
    }

    #[test]
    fn what_follows_a_run_that_was_not_in_memory_is_read() {
        let state = State { source: None, reads: 0, short: false, cold: 0 };
        let pressure = Pressure { state: Mutex::new(state) };
        assert!(!pressure.is_short());
        pressure.missed();
        let read = (0..1_000).take_while(|_| pressure.is_short()).count();
        assert_eq!(read, READS_A_MISS as usize);
    }

    #[test]
    fn short_stays_short_until_it_is_clearly_over() {
        let file = tempfile::tempfile().expect("a file");
        let mut state =
            State { source: Some(file.try_clone().expect("a handle")), reads: 0, short: false, cold: 0 };
        for (share, short) in
            [("0.00", false), ("4.99", false), ("5.00", true), ("1.00", true), ("0.99", false)]
        {
            file.write_all_at(format!("some avg10={share} x").as_bytes(), 0).expect("writes");
            state.look();
            assert_eq!(state.short, short, "{share}");
        }
    }
}
