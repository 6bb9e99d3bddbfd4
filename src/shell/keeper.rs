//! The disk threads: for each volume one that owns its files, and one beside it for what may take seconds. They start
//! when the volume is first needed. A volume that hangs stops its own torrents, and nothing else.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crossbeam_channel::{Receiver, Sender, select};
use tide_disk::{Done, Job, Storage, Stores, SyncJob, System, VolumeId};

use crate::shell::links::{Letter, Post, VOLUMES, assert_room};
use crate::shell::threads::Shared;

/// Jobs looked for between two runs: whoever writes much does not keep a read from being seen.
const JOBS: usize = 1024;

/// Where all content of a session is kept: the system's files, or an embedder's own storage.
#[derive(Clone)]
pub struct Medium(Arc<dyn Start>);

impl Medium {
    /// Content is kept by `storage`. It is cloned for each volume, and called by two threads of that volume at a time.
    pub fn new(storage: impl Storage + Sync) -> Medium {
        Medium(Arc::new(storage))
    }
}

impl Default for Medium {
    /// The system's files.
    fn default() -> Medium {
        Medium::new(System::new())
    }
}

impl fmt::Debug for Medium {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Medium")
    }
}

/// What starts the threads of a volume, whatever the storage's type.
trait Start: Send + Sync {
    fn start(&self, keepers: &Keepers, volume: VolumeId) -> std::io::Result<Sender<Job>>;
}

impl<S: Storage + Sync> Start for S {
    fn start(&self, keepers: &Keepers, volume: VolumeId) -> std::io::Result<Sender<Job>> {
        keepers.start(self.clone(), volume)
    }
}

/// The ways to the disk threads, for everybody.
#[derive(Debug)]
struct Keepers {
    shared: Arc<Shared>,
    ways: Mutex<Vec<Option<Sender<Job>>>>,
    medium: Medium,
    limits: tide_disk::Limits,
    capacity: usize,
    post: Post,
}

/// One shard's ways to the disk threads.
#[derive(Clone, Debug)]
pub(crate) struct Volumes {
    keepers: Arc<Keepers>,
    known: Vec<Option<Sender<Job>>>,
}

impl Volumes {
    /// No disk thread yet. Each takes at most `capacity` jobs, and answers through `post`.
    pub(crate) fn new(
        shared: &Arc<Shared>,
        (medium, limits): (Medium, tide_disk::Limits),
        capacity: usize,
        post: Post,
    ) -> Volumes {
        let ways = Mutex::new(vec![None; VOLUMES]);
        let (shared, limits) = (Arc::clone(shared), limits.within_process());
        let keepers = Keepers { shared, ways, medium, limits, capacity, post };
        Volumes { keepers: Arc::new(keepers), known: vec![None; VOLUMES] }
    }

    /// Hands a job to the thread of its volume.
    ///
    /// # Panics
    /// If that thread cannot be started, or has more jobs than there are tokens: then the session is over.
    pub(crate) fn submit(&mut self, job: Job) {
        let at = usize::from(job.volume.0);
        let way = self.known[at].get_or_insert_with(|| self.keepers.way(job.volume));
        assert_room(way, self.keepers.capacity, "the queue of a disk thread");
        // It ends before its senders are gone only if the session fails, and then nobody waits for the answer.
        let _ = way.send(job);
    }
}

impl Keepers {
    /// The way to a volume's thread, which is started if need be.
    fn way(&self, volume: VolumeId) -> Sender<Job> {
        let mut ways = self.ways.lock().unwrap_or_else(PoisonError::into_inner);
        let way = &mut ways[usize::from(volume.0)];
        let start = || self.medium.0.start(self, volume).expect("a thread for the disk can be started");
        way.get_or_insert_with(start).clone()
    }

    fn start<S: Storage>(&self, storage: S, volume: VolumeId) -> std::io::Result<Sender<Job>> {
        let (jobs, queue) = crossbeam_channel::unbounded();
        // At most one of these a job, and jobs are counted.
        let (slow, slow_queue) = crossbeam_channel::unbounded();
        let (ran, news) = crossbeam_channel::unbounded();
        let post = self.post.clone();
        let name = format!("tide-sync-{}", volume.0);
        self.shared.spawn(&name, move || run_beside(&slow_queue, &ran, post))?;
        let stores = Stores::new(storage, self.limits.clone());
        let keeper =
            Keeper { stores, queue, slow, news, post: self.post.clone(), shared: Arc::clone(&self.shared) };
        self.shared.spawn(&format!("tide-disk-{}", volume.0), move || keeper.run())?;
        Ok(jobs)
    }
}

/// The thread that owns a volume's files.
struct Keeper<S: Storage> {
    stores: Stores<S>,
    queue: Receiver<Job>,
    slow: Sender<SyncJob<S>>,
    news: Receiver<()>,
    post: Post,
    shared: Arc<Shared>,
}

impl<S: Storage> Keeper<S> {
    fn run(mut self) {
        while !self.shared.halted() {
            for job in self.queue.try_iter().take(JOBS) {
                self.stores.submit(job);
            }
            let post = &mut self.post;
            let more = self.stores.work(&mut |done| answer(post, done));
            while let Some(job) = self.stores.next_sync() {
                // The thread beside lives as long as this sender.
                let _ = self.slow.send(job);
            }
            if more {
                // A shard that waits for one of many answers has it now.
                self.post.flush();
            } else if !self.wait() {
                return;
            }
        }
    }

    /// Waits for a job, or for one that ran beside and that others may have waited for. False at the end.
    fn wait(&mut self) -> bool {
        self.post.flush();
        select! {
            recv(self.queue) -> job => match job {
                Ok(job) => self.stores.submit(job),
                // No job will come any more; those that wait for one beside are still done.
                Err(_) => return self.stores.pending() > 0 && self.news.recv().is_ok(),
            },
            recv(self.news) -> _ => {}
        }
        true
    }
}

/// Sends an answer home.
fn answer(post: &mut Post, done: Done) {
    post.send(done.shard, Letter::Disk(done));
}

/// The thread beside: sync, resume data, moves and deletions, in their order.
fn run_beside<S: Storage>(jobs: &Receiver<SyncJob<S>>, ran: &Sender<()>, mut post: Post) {
    while let Ok(job) = jobs.recv() {
        // Before its store's later jobs can go on: the answer of a close does not overtake it.
        job.run_then(|done| {
            answer(&mut post, done);
            post.flush();
        });
        // The owner of the files is gone only if the session has failed.
        let _ = ran.send(());
    }
}

#[cfg(test)]
mod tests {
    use mio::{Poll, Token, Waker};
    use tide_base::{Bits, Chunk, Instant, Layout, PieceIndex, ShardId, Span};
    use tide_disk::{Allocation, Backing, FileEntry, FileTable, JobId, Outcome, StoreKey, StoreSpec, Task};

    use super::*;
    use crate::shell::clock::Clock;
    use crate::shell::links::{Bell, Inbox, way};

    /// A shard that talks to disk threads, and a store of one file of 100 bytes in pieces of 50.
    struct Desk {
        _poll: Poll,
        shared: Arc<Shared>,
        volumes: Volumes,
        inbox: Inbox,
        dir: tempfile::TempDir,
    }

    fn desk() -> Desk {
        let poll = Poll::new().expect("a poll");
        let (door, inbox) = way(Bell::new(Waker::new(poll.registry(), Token(0)).expect("a waker")), 1000);
        let doors: Arc<[_]> = [door].into();
        let shared = Shared::new(Clock::start(), Arc::clone(&doors));
        let volumes =
            Volumes::new(&shared, (Medium::default(), tide_disk::Limits::default()), 100, Post::new(doors));
        Desk { _poll: poll, shared, volumes, inbox, dir: tempfile::tempdir().expect("a folder") }
    }

    impl Desk {
        fn send(&mut self, volume: u16, id: u64, task: Task) {
            let (store, volume) = (StoreKey(u64::from(volume)), VolumeId(volume));
            self.volumes.submit(Job { id: JobId(id), shard: ShardId(0), volume, store, task });
        }

        fn open(&mut self, volume: u16, id: u64) {
            let file = FileEntry { path: "f".into(), offset: 0, len: 100, padding: false, executable: false };
            let spec = StoreSpec {
                root: self.dir.path().join(volume.to_string()),
                files: Arc::new(FileTable::new(vec![file])),
                layout: Layout::new(100, 50, 16).expect("a layout"),
                wanted: Bits::full(1),
                aside: None,
                resume: Some(self.dir.path().join(format!("{volume}.resume"))),
                backing: Backing::File,
                allocation: Allocation::Sparse,
            };
            self.send(volume, id, Task::Open(Box::new(spec)));
        }

        fn done(&self) -> (u64, Outcome) {
            let Ok(Letter::Disk(done)) = self.inbox.letters.recv() else { panic!("an answer") };
            (done.id.0, done.result.expect("no trouble"))
        }
    }

    fn write(byte: u8) -> Task {
        let mut chunk = Chunk::new(50);
        chunk.set_len(50);
        chunk.bytes_mut().fill(byte);
        Task::Write { piece: PieceIndex(1), offset: 0, chunks: vec![chunk] }
    }

    #[test]
    fn jobs_are_done_in_order_and_what_runs_beside_lets_the_next_go_on() {
        let mut desk = desk();
        desk.open(0, 1);
        desk.send(0, 2, write(7));
        desk.send(0, 3, Task::Read(Span { piece: PieceIndex(1), offset: 10, len: 3 }));
        for expected in 1..=3 {
            let (id, outcome) = desk.done();
            assert_eq!(id, expected);
            if let Outcome::Read(bytes) = outcome {
                assert_eq!(bytes, [7, 7, 7][..]);
            }
        }
        desk.send(0, 4, Task::Sync);
        desk.send(0, 5, Task::SaveResume(b"resume".to_vec()));
        desk.send(0, 6, Task::Close);
        let mut answers: Vec<_> = (0..3).map(|_| desk.done()).collect();
        assert!(matches!(answers.pop(), Some((6, Outcome::Closed))), "after all before it");
        let saved = std::fs::read(desk.dir.path().join("0.resume")).expect("resume data");
        assert_eq!(saved, b"resume");
    }

    #[test]
    fn volumes_have_threads_of_their_own_that_end_with_their_senders() {
        let mut desk = desk();
        desk.open(0, 1);
        desk.open(1, 2);
        let mut ids = [desk.done().0, desk.done().0];
        ids.sort_unstable();
        assert_eq!(ids, [1, 2]);
        desk.send(1, 3, write(1));
        desk.send(1, 4, Task::Sync);
        let Desk { shared, volumes, inbox, .. } = desk;
        drop(volumes);
        assert!(shared.join("tide-", Instant::NEVER));
        let answered = inbox.letters.try_iter().count();
        assert_eq!(answered, 2, "what was asked is done first");
    }
}
