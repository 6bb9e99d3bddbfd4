//! Hashing all pieces of some files, on several threads, several pieces side by side on each: what making a torrent
//! and checking one have in common.

use std::fs::{self, File};
use std::io;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

use crossbeam_channel::Sender;
use tide_base::{Layout, PieceIndex};
use tide_disk::FileTable;
use tide_hash::{Hasher, Message};

/// Memory for pieces on each thread, unless a single piece is larger.
const BATCH_BYTES: usize = 32 << 20;

/// The most threads: what reads and hashes has enough with far fewer.
const MOST_THREADS: usize = 256;

/// How far it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// Bytes hashed.
    pub done: u64,
    /// Bytes to hash.
    pub total: u64,
}

/// A file that could not be read.
#[derive(Debug)]
pub(crate) struct Unread {
    /// Its number in the table.
    pub(crate) file: usize,
    /// Why.
    pub(crate) source: io::Error,
}

/// What becomes of a piece.
pub(crate) type Digest = Result<[u8; 20], Unread>;

/// Files on this machine: where each of a table is.
#[derive(Clone, Copy)]
pub(crate) struct Content<'a> {
    /// Their lengths and order.
    pub(crate) table: &'a FileTable,
    /// Their paths, number for number.
    pub(crate) paths: &'a [PathBuf],
    /// How their bytes are cut.
    pub(crate) layout: Layout,
}

/// How many threads to use if nobody says.
pub(crate) fn default_threads() -> usize {
    thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// Hashes every piece, on `threads` threads if the system gives so many, and hands each digest to `each` on this one, in
/// no order, until it breaks off.
pub(crate) fn hash_all(
    content: Content<'_>,
    threads: usize,
    each: &mut dyn FnMut(PieceIndex, Digest) -> ControlFlow<()>,
) {
    let next = AtomicU32::new(0);
    let stop = AtomicBool::new(false);
    let hasher = Hasher::detect();
    let fit = BATCH_BYTES / content.layout.piece_len() as usize;
    let batch = u32::try_from(hasher.lanes().min(fit).max(1)).expect("lanes are few");
    let busy = content.layout.pieces().div_ceil(batch) as usize;
    let threads = threads.min(busy).clamp(1, MOST_THREADS);
    thread::scope(|scope| {
        let (results, mut digests) = crossbeam_channel::bounded(64);
        let worker = |results| Worker { content, hasher, open: None, results };
        let (next, stop) = (&next, &stop);
        for running in 0..threads {
            let another = worker(results.clone());
            let run = move || another.run(next, batch, stop);
            if let Err(error) = thread::Builder::new().spawn_scoped(scope, run) {
                log::warn!("{running} threads hash, and not {threads}: {error}");
                if running == 0 {
                    // Nobody reads meanwhile, so there is room for all of it.
                    let pieces = content.layout.pieces() as usize;
                    let (results, later) = crossbeam_channel::bounded(pieces);
                    worker(results).run(next, batch, stop);
                    digests = later;
                }
                break;
            }
        }
        drop(results);
        for (piece, digest) in digests {
            if each(piece, digest).is_break() {
                stop.store(true, Ordering::Relaxed);
                // Dropping the receiver lets those go on to their end who wait for room.
                break;
            }
        }
    });
}

/// One thread of it.
struct Worker<'a> {
    content: Content<'a>,
    hasher: Hasher,
    /// The file read last: most pieces are in one file.
    open: Option<(usize, File)>,
    results: Sender<(PieceIndex, Digest)>,
}

impl Worker<'_> {
    fn run(mut self, next: &AtomicU32, batch: u32, stop: &AtomicBool) {
        let layout = self.content.layout;
        let mut memory: Vec<Vec<u8>> = vec![Vec::new(); batch as usize];
        while !stop.load(Ordering::Relaxed) {
            let Ok(first) = next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |first| {
                (first < layout.pieces()).then(|| first.saturating_add(batch))
            }) else {
                return;
            };
            let pieces = (first..first.saturating_add(batch).min(layout.pieces())).map(PieceIndex);
            let read: Vec<(PieceIndex, Result<(), Unread>)> =
                pieces.zip(&mut memory).map(|(piece, memory)| (piece, self.read(piece, memory))).collect();
            if !self.hash(&memory, read) {
                return;
            }
        }
    }

    /// Reads a piece.
    fn read(&mut self, piece: PieceIndex, memory: &mut Vec<u8>) -> Result<(), Unread> {
        let (start, len) = (self.content.layout.start(piece), self.content.layout.len_of(piece));
        memory.clear();
        memory.resize(len as usize, 0);
        let table = self.content.table;
        for at in table.touched(start, u64::from(len)) {
            let file = &table.files()[at];
            if file.padding {
                continue; // zeros, as the memory is
            }
            let from = start.max(file.offset);
            let to = (start + u64::from(len)).min(file.offset + file.len);
            // Both lie within the piece.
            let into = &mut memory[(from - start) as usize..(to - start) as usize];
            self.read_file(at, from - file.offset, into).map_err(|source| Unread { file: at, source })?;
        }
        Ok(())
    }

    fn read_file(&mut self, at: usize, offset: u64, into: &mut [u8]) -> io::Result<()> {
        if self.open.as_ref().is_none_or(|(open, _)| *open != at) {
            let path = &self.content.paths[at];
            // Opening a pipe waits for somebody who writes.
            only_file(fs::metadata(path)?)?;
            self.open = Some((at, File::open(path)?));
        }
        let (_, file) = self.open.as_ref().expect("it has just been opened");
        read_exact_at(file, into, offset)
    }

    /// Hashes what was read and sends all results; false if nobody wants them any more.
    fn hash(&self, memory: &[Vec<u8>], read: Vec<(PieceIndex, Result<(), Unread>)>) -> bool {
        let parts: Vec<[&[u8]; 1]> = memory[..read.len()].iter().map(|memory| [&memory[..]]).collect();
        let messages: Vec<Message<'_>> = parts.iter().map(|parts| Message { parts }).collect();
        let mut digests = vec![[0; 20]; messages.len()];
        self.hasher.sha1_batch(&messages, &mut digests);
        read.into_iter()
            .zip(digests)
            .all(|((piece, read), digest)| self.results.send((piece, read.map(|()| digest))).is_ok())
    }
}

/// What is known of a file, if it is one.
pub(crate) fn only_file(meta: fs::Metadata) -> io::Result<fs::Metadata> {
    // Whatever else it is, it stands where the file should be.
    if meta.is_file() { Ok(meta) } else { Err(io::ErrorKind::IsADirectory.into()) }
}

#[cfg(unix)]
fn read_exact_at(file: &File, into: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, into, offset)
}

#[cfg(not(unix))]
fn read_exact_at(mut file: &File, into: &mut [u8], offset: u64) -> io::Result<()> {
    use std::io::{Read, Seek, SeekFrom};
    file.seek(SeekFrom::Start(offset))?;
    file.read_exact(into)
}
