//! All stores of one volume: jobs in, completions out. One thread owns it; it starts none.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crossbeam_channel::{Receiver, Sender, unbounded};
use tide_base::{Chunk, buffer};

use crate::beside::{Back, Head, News, SyncJob, Work};
use crate::claims::Claims;
use crate::desk::Desk;
use crate::job::{Done, Job, Outcome, StoreKey, StoreSpec, Task};
use crate::limits::Limits;
use crate::queue::{Queue, Turn};
use crate::save;
use crate::storage::{Place, Storage};
use crate::store::Store;
use crate::trouble::{Trouble, TroubleKind, blame};
use crate::unsynced::Synced;

/// The stores of one volume and the jobs that wait for them.
///
/// The owner takes jobs in with [`submit`](Stores::submit), and as long as [`work`](Stores::work) finds something to do
/// calls it, looking for new jobs in between, so that a read never waits for more than one run of others. What may take
/// seconds (sync, saving and dropping resume data, move, delete) it takes out with [`next_sync`](Stores::next_sync) and
/// has run beside.
pub struct Stores<S: Storage> {
    desk: Desk<S>,
    queue: Queue,
    open: BTreeMap<StoreKey, Store<S>>,
    claims: Claims,
    news: Receiver<Back>,
    back: Sender<Back>,
    pending: usize,
    /// The run being carried out: kept for its memory.
    run: Vec<Job>,
}

type Answer<'a> = &'a mut dyn FnMut(Done);

/// The answer to a job of a store that is not open.
fn not_open() -> Trouble {
    Trouble { kind: TroubleKind::Missing, path: None, errno: None }
}

impl<S: Storage> Stores<S> {
    /// No stores.
    pub fn new(storage: S, limits: Limits) -> Stores<S> {
        let (back, news) = unbounded();
        Stores {
            desk: Desk::new(storage, limits),
            queue: Queue::default(),
            open: BTreeMap::new(),
            claims: Claims::default(),
            news,
            back,
            pending: 0,
            run: Vec::new(),
        }
    }

    /// Queues a job.
    pub fn submit(&mut self, job: Job) {
        self.hear();
        self.pending += 1;
        self.queue.submit(job);
    }

    /// Jobs that are not answered yet.
    pub fn pending(&self) -> usize {
        self.pending - self.news.len()
    }

    /// Carries out the next run of jobs and answers them: reads that follow each other, or neighbouring writes as one,
    /// or one other job. False if nothing can be done now.
    pub fn work(&mut self, done: &mut dyn FnMut(Done)) -> bool {
        self.hear();
        let mut run = std::mem::take(&mut self.run);
        let turn = self.queue.next(&mut run, &self.desk.limits);
        match turn {
            None => {}
            Some(Turn::Read) => self.read(&mut run, done),
            Some(Turn::Write) => self.write(&mut run, done),
            Some(Turn::Control) => run.drain(..).for_each(|job| self.control(job, done)),
        }
        debug_assert!(run.is_empty(), "every job of a run is answered");
        self.run = run;
        turn.is_some()
    }

    /// Takes the next job out that may take seconds.
    pub fn next_sync(&mut self) -> Option<SyncJob<S>> {
        self.hear();
        let job = self.queue.next_beside()?;
        let head = Head::of(&job);
        let work = self.beside(job.store, job.task).unwrap_or_else(|trouble| Work::Answer(Err(trouble)));
        Some(SyncJob { head, work, storage: self.desk.storage.clone(), back: self.back.clone() })
    }

    fn answer(&mut self, head: Head, chunks: Vec<Chunk>, result: Result<Outcome, Trouble>, done: Answer<'_>) {
        self.queue.finished(head.store);
        self.pending -= 1;
        done(Done { chunks, ..head.done(result) });
    }

    fn read(&mut self, run: &mut Vec<Job>, done: Answer<'_>) {
        if let [Job { task: Task::Read(first), .. }, _, ..] = run[..] {
            // Neighbours: one read, and each its part. If it fails, each finds out for itself.
            let len = run.iter().map(|job| if let Task::Read(span) = job.task { span.len } else { 0 }).sum();
            let store = self.open.get_mut(&run[0].store);
            let whole = store.and_then(|store| {
                let start = store.start(first.piece, first.offset, u64::from(len));
                store.read(&mut self.desk, start, len).ok()
            });
            if let Some(whole) = whole {
                for job in run.drain(..) {
                    let Task::Read(span) = job.task else { unreachable!("a run is of reads alone") };
                    let begin = (span.offset - first.offset) as usize;
                    let part = whole.slice(begin..begin + span.len as usize);
                    self.answer(Head::of(&job), Vec::new(), Ok(Outcome::Read(part)), done);
                }
                return;
            }
        }
        for mut job in run.drain(..) {
            let head = Head::of(&job);
            let store = self.open.get_mut(&job.store).ok_or_else(not_open);
            let result = match (&mut job.task, store) {
                (_, Err(trouble)) => Err(trouble),
                (Task::Read(span), Ok(store)) => {
                    let start = store.start(span.piece, span.offset, u64::from(span.len));
                    store.read(&mut self.desk, start, span.len).map(Outcome::Read)
                }
                (Task::Load { piece, offset, chunks }, Ok(store)) => {
                    let start = store.start(*piece, *offset, buffer::total_len(chunks));
                    let loaded = store.load(&mut self.desk, start, chunks);
                    loaded.map(|complete| Outcome::Loaded { complete })
                }
                _ => unreachable!("the queue of reads has nothing else"),
            };
            self.answer(head, take_chunks(job.task), result, done);
        }
    }

    fn write(&mut self, run: &mut Vec<Job>, done: Answer<'_>) {
        let mut result = self.write_run(run);
        if result.is_err() && run.len() > 1 {
            // One of them is to blame: each for itself.
            for job in run.drain(..) {
                let result = self.write_run(std::slice::from_ref(&job));
                let head = Head::of(&job);
                self.answer(head, take_chunks(job.task), result.map(|()| Outcome::Written), done);
            }
            return;
        }
        for job in run.drain(..) {
            let result = std::mem::replace(&mut result, Ok(()));
            let head = Head::of(&job);
            self.answer(head, take_chunks(job.task), result.map(|()| Outcome::Written), done);
        }
    }

    fn write_run(&mut self, run: &[Job]) -> Result<(), Trouble> {
        let store = run.first().and_then(|job| self.open.get_mut(&job.store)).ok_or_else(not_open)?;
        let mut slices = Vec::new();
        let mut start = None;
        for job in run {
            let Task::Write { piece, offset, chunks } = &job.task else {
                unreachable!("a run is of writes alone")
            };
            let at = store.start(*piece, *offset, buffer::total_len(chunks));
            start = start.or(Some(at));
            slices.extend(chunks.iter().map(Chunk::bytes));
        }
        store.write(&mut self.desk, start.unwrap_or(0), &slices)
    }

    fn control(&mut self, job: Job, done: Answer<'_>) {
        let head = Head::of(&job);
        let key = job.store;
        let result = match job.task {
            Task::Open(spec) => self.open(key, *spec),
            Task::Close => {
                self.close(key);
                Ok(Outcome::Closed)
            }
            Task::Select(wanted) => {
                self.opened(key).and_then(|(store, desk)| store.select(desk, wanted)).map(Outcome::Selected)
            }
            Task::Stat => {
                self.opened(key).and_then(|(store, desk)| store.states(&desk.storage)).map(Outcome::Files)
            }
            Task::LoadResume => self.load_resume(key),
            _ => unreachable!("the queue of controls has nothing else"),
        };
        self.answer(head, Vec::new(), result, done);
    }

    fn opened(&mut self, key: StoreKey) -> Result<(&mut Store<S>, &mut Desk<S>), Trouble> {
        self.open.get_mut(&key).map(|store| (store, &mut self.desk)).ok_or_else(not_open)
    }

    fn open(&mut self, key: StoreKey, spec: StoreSpec) -> Result<Outcome, Trouble> {
        if self.open.contains_key(&key) {
            return Err(Trouble::with(TroubleKind::InUse, spec.root));
        }
        let root_name = self.desk.storage.true_name(spec.backing, &spec.root);
        self.claim(key, &root_name, &spec)?;
        let (layout, files) = (spec.layout, spec.files.clone());
        match Store::open(&self.desk.storage, key, spec, root_name.clone()) {
            Ok((store, states)) => {
                self.open.insert(key, store);
                self.queue.set_layout(key, Some(layout));
                Ok(Outcome::Opened(states))
            }
            Err(trouble) => {
                self.claims.release(key, &root_name, &files);
                Err(trouble)
            }
        }
    }

    fn claim(&mut self, key: StoreKey, root_name: &Path, spec: &StoreSpec) -> Result<(), Trouble> {
        let claimed = self.claims.take(key, root_name, &spec.files);
        claimed.map_err(|path| Trouble::with(TroubleKind::InUse, path))
    }

    fn close(&mut self, key: StoreKey) {
        self.desk.handles.forget_store(key);
        self.queue.set_layout(key, None);
        if let Some(store) = self.open.remove(&key) {
            self.claims.release(key, &store.root_name, &store.spec.files);
        }
    }

    fn load_resume(&mut self, key: StoreKey) -> Result<Outcome, Trouble> {
        let (store, desk) = self.opened(key)?;
        let Some(path) = &store.spec.resume else { return Ok(Outcome::Resume(None)) };
        let place = Place::of(store.spec.backing, path);
        let loaded = save::load(&desk.storage, place, desk.limits.resume_bytes);
        loaded.map(Outcome::Resume).map_err(blame(path))
    }

    /// All that a job beside needs.
    fn beside(&mut self, key: StoreKey, task: Task) -> Result<Work<S>, Trouble> {
        let (store, desk) = self.opened(key)?;
        let backing = store.spec.backing;
        Ok(match task {
            Task::Sync => match store.unsynced.failed() {
                Some(trouble) => Work::Answer(Err(trouble.clone())),
                None => Work::Sync(store.take_unsynced(desk)),
            },
            Task::SaveResume(bytes) => match store.spec.resume.clone() {
                Some(path) => Work::Save { backing, path, bytes },
                None => Work::Answer(Ok(Outcome::ResumeSaved)),
            },
            Task::DropResume => match store.spec.resume.clone() {
                Some(path) => Work::Drop { backing, path },
                None => Work::Answer(Ok(Outcome::ResumeSaved)),
            },
            Task::Delete => {
                desk.handles.forget_store(key);
                Work::Delete { spec: store.spec.clone() }
            }
            Task::Move(to) => return self.begin_move(key, to),
            _ => unreachable!("the queue of slow jobs has nothing else"),
        })
    }

    fn begin_move(&mut self, key: StoreKey, to: PathBuf) -> Result<Work<S>, Trouble> {
        let (store, desk) = self.opened(key)?;
        let spec = store.spec.clone();
        let root_name = desk.storage.true_name(spec.backing, &to);
        if root_name == store.root_name {
            return Ok(Work::Answer(Ok(Outcome::Moved)));
        }
        desk.handles.forget_store(key);
        self.claim(key, &root_name, &spec)?;
        Ok(Work::Move { spec, to, root_name })
    }

    /// Hears what became of jobs that ran beside.
    fn hear(&mut self) {
        while let Ok(Back { store: key, news }) = self.news.try_recv() {
            self.heed(key, news);
            self.queue.finished_beside(key);
            self.pending -= 1;
        }
    }

    fn heed(&mut self, key: StoreKey, news: News) {
        let Some(store) = self.open.get_mut(&key) else { return };
        match news {
            News::None => {}
            News::Synced(synced) => {
                if let Synced::Failed(_) = synced {
                    self.desk.handles.forget_store(key);
                }
                store.unsynced.came_back(synced);
            }
            News::Moved { root, root_name } => {
                let old = std::mem::replace(&mut store.root_name, root_name);
                store.spec.root = root;
                self.give_up(key, &old);
            }
            News::NotMoved { root_name } => self.give_up(key, &root_name),
        }
    }

    /// Lets go of the files below a root that a store does not lie below, after all.
    fn give_up(&mut self, key: StoreKey, root_name: &Path) {
        let Some(store) = self.open.get(&key) else { return };
        self.claims.release(key, root_name, &store.spec.files);
        // One root may lie below the other, and then the same file may have been meant by two names.
        let kept = self.claims.take(key, &store.root_name, &store.spec.files);
        debug_assert!(kept.is_ok(), "they were ours all the time");
    }
}

fn take_chunks(task: Task) -> Vec<Chunk> {
    match task {
        Task::Load { chunks, .. } | Task::Write { chunks, .. } => chunks,
        _ => Vec::new(),
    }
}
