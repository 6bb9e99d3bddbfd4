//! Every bound of this crate, with its reason.

/// Bounds of one volume's [`Stores`](crate::Stores). The simulator runs tiny ones through the same code.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Files kept open over all stores of the volume. The usual soft limit of a process is 1,024 and sockets need most
    /// of it; opening a file again costs some microseconds.
    pub open_files: usize,
    /// Slices in one vectored call; Linux takes no more than 1,024.
    pub slices: usize,
    /// Bytes that neighbouring writes are merged up to. Reads wait meanwhile, so it is a matter of a millisecond or
    /// two; beyond some 1 MiB larger writes are not faster.
    pub write_run: u64,
    /// Queued writes that are looked through for neighbours of the next one.
    pub write_search: usize,
    /// Bytes that neighbouring reads are merged up to, and the length of a large pooled buffer: what was measured
    /// to be fast for reads into buffers. Of a mapped file no more than 128 KiB is lent at once.
    pub read_run: u32,
    /// Length of a small pooled buffer: one block, so that a lone block does not hold eight times its memory.
    pub small_buffer: u32,
    /// Idle buffers of each length that are kept for the next read; more are freed. 32 large ones are 4 MiB.
    pub idle_buffers: usize,
    /// Runs of reads that may go first while a write waits: reads are somebody's waiting time, but memory must come
    /// home, too.
    pub reads_before_write: u32,
    /// Runs of anything that may go first while a job waits that needs its store for itself. Such a job may take a
    /// millisecond, but must not wait as long as somebody reads something somewhere.
    pub turns_before_control: u32,
    /// Bytes of content of unwanted files kept in memory where a store has no file for them; beyond it the store is
    /// full. Such content is at most two pieces for each gap between wanted files.
    pub aside_memory: u64,
    /// Length of a resume file that is still read. It may hold a whole .torrent file.
    pub resume_bytes: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            open_files: 256,
            slices: 1024,
            write_run: 4 << 20,
            write_search: 32,
            read_run: 128 << 10,
            small_buffer: 16 << 10,
            idle_buffers: 32,
            reads_before_write: 16,
            turns_before_control: 64,
            aside_memory: 64 << 20,
            resume_bytes: 64 << 20,
        }
    }
}

/// The share of a process's descriptors that a volume's open files take: sockets, folders on the way to a file and resume
/// data need some at the same time.
const SHARE_OF_DESCRIPTORS: u64 = 4;

impl Limits {
    /// The same for a process that may have `descriptors` open; `None` is no limit. A volume that used up all of them
    /// would fail at whatever is opened beside its content.
    #[must_use]
    pub fn within(self, descriptors: Option<u64>) -> Limits {
        let share = descriptors.map_or(u64::MAX, |all| all / SHARE_OF_DESCRIPTORS);
        let share = usize::try_from(share).unwrap_or(usize::MAX).max(1);
        Limits { open_files: self.open_files.min(share), ..self }
    }

    /// The same for this process and the limit that it has at the moment.
    #[must_use]
    pub fn within_process(self) -> Limits {
        self.within(rustix::process::getrlimit(rustix::process::Resource::Nofile).current)
    }
}

/// Bytes of a buffer through which content is copied from one file to another: large enough that calls cost nothing.
pub(crate) const COPY_BYTES: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_descriptors_are_shared() {
        let open_files = |descriptors| Limits::default().within(descriptors).open_files;
        assert_eq!((open_files(None), open_files(Some(1 << 20)), open_files(Some(1024))), (256, 256, 256));
        assert_eq!((open_files(Some(64)), open_files(Some(3))), (16, 1));
    }
}
