//! Jobs that may take seconds, carried out beside everything else: on another thread, or whenever a simulator likes.

use std::path::PathBuf;
use std::sync::Arc;

use crossbeam_channel::Sender;
use tide_base::ShardId;

use crate::job::{Backing, Done, Job, JobId, Outcome, StoreKey, StoreSpec, VolumeId};
use crate::relocate;
use crate::save;
use crate::storage::{Access, Place, Storage, StorageFile};
use crate::trouble::{Trouble, TroubleKind, blame};
use crate::unsynced::Synced;

/// A job handed out by [`Stores::next_sync`](crate::Stores::next_sync). It holds all that it needs, and must be run:
/// its store's later jobs may wait for it.
pub struct SyncJob<S: Storage> {
    pub(crate) head: Head,
    pub(crate) work: Work<S>,
    pub(crate) storage: S,
    pub(crate) back: Sender<Back>,
}

/// What comes back from a job untouched.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    pub(crate) id: JobId,
    pub(crate) shard: ShardId,
    pub(crate) volume: VolumeId,
    pub(crate) store: StoreKey,
}

impl Head {
    pub(crate) fn of(job: &Job) -> Head {
        Head { id: job.id, shard: job.shard, volume: job.volume, store: job.store }
    }

    pub(crate) fn done(self, result: Result<Outcome, Trouble>) -> Done {
        let Head { id, shard, volume, store } = self;
        Done { id, shard, volume, store, chunks: Vec::new(), result }
    }
}

pub(crate) enum Work<S: Storage> {
    /// Nothing is left to do but to say so.
    Answer(Result<Outcome, Trouble>),
    Sync(Vec<ToSync<S::File>>),
    Save {
        backing: Backing,
        path: PathBuf,
        bytes: Vec<u8>,
    },
    Drop {
        backing: Backing,
        path: PathBuf,
    },
    Move {
        spec: StoreSpec,
        to: PathBuf,
        root_name: PathBuf,
    },
    Delete {
        spec: StoreSpec,
    },
}

/// A file or folder to make durable.
pub(crate) struct ToSync<F> {
    pub(crate) kind: Kind,
    pub(crate) backing: Backing,
    pub(crate) root: PathBuf,
    pub(crate) below: PathBuf,
    /// The open file, if it is open.
    pub(crate) handle: Option<Arc<F>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    File,
    Folder,
    /// The file for content of unwanted files: it goes when it is empty, and what was in it is durable by then.
    Aside,
}

/// What the owner of the store must know afterwards.
#[derive(Debug)]
pub(crate) struct Back {
    pub(crate) store: StoreKey,
    pub(crate) news: News,
}

#[derive(Debug)]
pub(crate) enum News {
    None,
    Synced(Synced),
    Moved { root: PathBuf, root_name: PathBuf },
    NotMoved { root_name: PathBuf },
}

impl<S: Storage> SyncJob<S> {
    /// Carries the job out. Afterwards [`Stores::work`](crate::Stores::work) should be called, even if it had nothing
    /// to do before: what waited for this job can go on.
    pub fn run(self) -> Done {
        let mut answer = None;
        self.run_then(|done| answer = Some(done));
        answer.expect("every job is answered")
    }

    /// The same, but hands the answer to `deliver` before anything that waited for this job can go on: where answers
    /// leave from two threads, that of a close is then still sent after that of a sync before it.
    pub fn run_then(self, deliver: impl FnOnce(Done)) {
        let SyncJob { head, work, storage, back } = self;
        let (result, news) = work.run(&storage);
        deliver(head.done(result));
        // Whoever is gone needs no news.
        let _ = back.send(Back { store: head.store, news });
    }
}

impl<S: Storage> Work<S> {
    fn run(self, storage: &S) -> (Result<Outcome, Trouble>, News) {
        match self {
            Work::Answer(result) => (result, News::None),
            Work::Sync(items) => match items.into_iter().try_for_each(|item| item.sync(storage)) {
                Ok(()) => (Ok(Outcome::Synced), News::Synced(Synced::All)),
                Err(trouble) if trouble.kind == TroubleKind::TooManyFiles => {
                    (Err(trouble), News::Synced(Synced::NotBegun))
                }
                Err(trouble) => (Err(trouble.clone()), News::Synced(Synced::Failed(trouble))),
            },
            Work::Save { backing, path, bytes } => {
                let saved = save::replace(storage, Place::of(backing, &path), &bytes);
                (saved.map(|()| Outcome::ResumeSaved).map_err(blame(path)), News::None)
            }
            Work::Drop { backing, path } => {
                let dropped = save::remove_durably(storage, Place::of(backing, &path));
                (dropped.map(|()| Outcome::ResumeSaved).map_err(blame(path)), News::None)
            }
            Work::Move { spec, to, root_name } => match relocate::move_content(storage, &spec, &to) {
                Ok(()) => (Ok(Outcome::Moved), News::Moved { root: to, root_name }),
                Err(trouble) => (Err(trouble), News::NotMoved { root_name }),
            },
            Work::Delete { spec } => {
                (relocate::delete_content(storage, &spec).map(|()| Outcome::Deleted), News::None)
            }
        }
    }
}

impl<F: StorageFile> ToSync<F> {
    fn sync<S: Storage<File = F>>(self, storage: &S) -> Result<(), Trouble> {
        let place = Place { backing: self.backing, root: &self.root, below: &self.below };
        let synced = match (self.kind, self.handle) {
            (Kind::Folder, _) => storage.sync_folder(place),
            (_, Some(handle)) => handle.sync(),
            (_, None) => storage.open(place, Access::Read).and_then(|file| file.sync()),
        };
        match synced {
            Err(error) if self.kind == Kind::Aside && error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            other => other.map_err(blame(place.path())),
        }
    }
}
