//! How much memory something takes: the system's allocator, which counts.
#![expect(unsafe_code, reason = "an allocator is unsafe to write; this one hands everything on as it is")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, which counts by thread.
#[derive(Debug)]
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    /// Bytes that this thread has taken and not given back; below zero if it gave back what another took.
    static HELD: Cell<isize> = const { Cell::new(0) };
    /// The most that it was.
    static MOST: Cell<isize> = const { Cell::new(0) };
}

fn note(change: isize) {
    let held = HELD.get() + change;
    HELD.set(held);
    MOST.set(MOST.get().max(held));
}

// SAFETY: every call goes to `System` with the arguments that came, which keeps the contract; counting touches two
// cells of the thread and allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size() as isize);
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size() as isize);
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        note(-(layout.size() as isize));
        // SAFETY: as above.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Old and new may stand side by side for a moment.
        note(size as isize);
        note(-(layout.size() as isize));
        // SAFETY: as above.
        unsafe { System.realloc(place, layout, size) }
    }
}

/// Bytes that this thread holds now, from a beginning of its own: for differences.
pub fn held() -> isize {
    HELD.get()
}

/// The most bytes that `work` held at once, as far as it did its work on this thread.
pub fn peak(work: impl FnOnce()) -> usize {
    let before = HELD.get();
    MOST.set(before);
    work();
    MOST.get().saturating_sub(before).max(0) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_that_was_held_at_once_counts() {
        let took = peak(|| {
            drop(vec![1u8; 1000]);
            drop(vec![1u8; 3000]);
        });
        assert_eq!(took, 3000);
        let mut kept = Vec::new();
        let took = peak(|| kept = vec![1u8; 500]);
        assert_eq!((took, kept.len()), (500, 500));
    }
}
