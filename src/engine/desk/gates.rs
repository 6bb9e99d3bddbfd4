//! Jobs under way: who asked for what, and how many may be on the way at a time.
//!
//! The ways to the disk threads and the hash pool are bounded; a job that finds no room waits here. What waits is
//! bounded by the askers: a lease, a serve queue and a torrent each have a bounded number of jobs at a time.

use std::collections::{BTreeMap, VecDeque};

use tide_base::{Chunk, PieceIndex, ShardId, SlotKey, Slots, Span};
use tide_disk::{Class, Digest, HashJob, Job, JobId, StoreKey, Task, VolumeId};

use crate::border::Output;
use crate::limits::Limits;

/// What a job was for.
#[derive(Clone, Debug)]
pub enum Errand {
    /// A torrent's own.
    Torrent(SlotKey, TorrentErrand),
    /// A crew's.
    Crew(SlotKey, CrewErrand),
}

/// What a torrent wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TorrentErrand {
    /// The store to be opened.
    Open,
    /// The resume file.
    LoadResume,
    /// A part of a piece that is being checked.
    CheckLoad(PieceIndex),
    /// Its hash.
    CheckHash(PieceIndex),
    /// What was written to be durable.
    Sync,
    /// The resume file to be replaced.
    Save,
    /// How the files stand.
    Stat,
    /// Another selection of files.
    Select,
    /// Another folder.
    Move,
    /// The content gone.
    Delete,
    /// The resume file gone.
    DropResume,
    /// The store closed.
    Close,
}

/// What a crew wanted.
#[derive(Clone, Debug)]
pub enum CrewErrand {
    /// The next part of a complete piece hashed.
    Hash(LeaseRef),
    /// The hash of each block of a piece.
    HashBlocks(LeaseRef),
    /// A chunk of an unfinished piece brought to disk to free its memory.
    PageOut(LeaseRef, u32),
    /// A chunk of an unfinished piece brought back.
    PageIn(LeaseRef, u32),
    /// A verified piece, or the chunk of it with this number, written.
    Write(LeaseRef, u32),
    /// Content for a member.
    Serve {
        /// The member.
        member: SlotKey,
        /// What was read.
        cover: Span,
        /// The requests it answers, in order.
        spans: Vec<Span>,
    },
}

/// A piece under lease, and which lease of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct LeaseRef {
    /// The piece.
    pub piece: PieceIndex,
    /// Which lease.
    pub generation: u32,
}

#[derive(Debug, Default)]
struct Gate {
    under_way: u32,
    reads: VecDeque<Job>,
    others: VecDeque<Job>,
}

/// Jobs under way.
#[derive(Debug)]
pub struct Gates {
    shard: ShardId,
    disk_room: u32,
    hash_room: u32,
    errands: Slots<Errand>,
    volumes: BTreeMap<VolumeId, Gate>,
    hashing: u32,
    hash_waiting: VecDeque<HashJob>,
}

impl Gates {
    /// No jobs.
    pub fn new(shard: ShardId, limits: &Limits) -> Gates {
        Gates {
            shard,
            disk_room: limits.disk_jobs,
            hash_room: limits.hash_jobs,
            errands: Slots::new(),
            volumes: BTreeMap::new(),
            hashing: 0,
            hash_waiting: VecDeque::new(),
        }
    }

    /// Hands a disk job in.
    pub fn disk(&mut self, volume: VolumeId, store: StoreKey, task: Task, errand: Errand) {
        let id = JobId(self.errands.insert(errand).to_bits());
        let class = task.class();
        let job = Job { id, shard: self.shard, volume, store, task };
        let gate = self.volumes.entry(volume).or_default();
        match class {
            Class::Read => gate.reads.push_back(job),
            Class::Write | Class::Control | Class::Sync => gate.others.push_back(job),
        }
    }

    /// Hands a hash job in.
    pub fn hash(&mut self, chunks: Vec<Chunk>, digest: Digest, errand: Errand) {
        let id = JobId(self.errands.insert(errand).to_bits());
        self.hash_waiting.push_back(HashJob { id, shard: self.shard, chunks, digest });
    }

    /// A disk job is done: what it was for.
    pub fn disk_done(&mut self, id: JobId, volume: VolumeId) -> Errand {
        let gate = self.volumes.get_mut(&volume).expect("a job was handed in for this volume");
        assert!(gate.under_way > 0, "a disk job was answered twice");
        gate.under_way -= 1;
        self.errand(id)
    }

    /// A hash job is done: what it was for.
    pub fn hash_done(&mut self, id: JobId) -> Errand {
        assert!(self.hashing > 0, "a hash job was answered twice");
        self.hashing -= 1;
        self.errand(id)
    }

    fn errand(&mut self, id: JobId) -> Errand {
        self.errands.remove(SlotKey::from_bits(id.0)).expect("each job is answered exactly once")
    }

    /// The next job that may go: reads before the rest of the same volume.
    pub fn next_job(&mut self) -> Option<Output> {
        for gate in self.volumes.values_mut() {
            if gate.under_way < self.disk_room
                && let Some(job) = gate.reads.pop_front().or_else(|| gate.others.pop_front())
            {
                gate.under_way += 1;
                return Some(Output::Disk(job));
            }
        }
        if self.hashing < self.hash_room
            && let Some(job) = self.hash_waiting.pop_front()
        {
            self.hashing += 1;
            return Some(Output::Hash(job));
        }
        None
    }

    /// Jobs handed in and not yet answered.
    pub fn outstanding(&self) -> usize {
        self.errands.len()
    }
}
