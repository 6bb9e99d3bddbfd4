//! Jobs under way: who asked for what, and how many may be on the way at a time.
//!
//! The ways to the disk threads and the hash pool are bounded; a job that finds no room waits here. What waits is
//! bounded by the askers: a lease, a serve queue and a torrent each have a bounded number of jobs at a time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use tide_base::{Chunk, Instant, PieceIndex, ShardId, SlotKey, Slots, Span};
use tide_disk::{Class, Digest, HashJob, Job, JobId, StoreKey, Study, Task, VolumeId};
use tide_peer::metadata::Ticket;

use crate::border::Output;
use crate::limits::Limits;
use crate::survey::{JobSurvey, VolumeSurvey};

/// What a job was for.
#[derive(Clone, Debug)]
pub enum Errand {
    /// A torrent's own.
    Torrent(SlotKey, TorrentErrand),
    /// A crew's.
    Crew(SlotKey, CrewErrand),
    /// The session's.
    Session(SessionErrand),
}

/// What the session's parts wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SessionErrand {
    /// The store of the DHT's state to be opened.
    OpenState,
    /// That state.
    LoadState,
    /// That state to be replaced.
    SaveState,
    /// That store closed.
    CloseState,
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
    /// That part written again.
    CheckRewrite(PieceIndex),
    /// Its hash.
    CheckHash(PieceIndex),
    /// What was written to be durable.
    Sync,
    /// The resume file to be replaced.
    Save,
    /// The same before anything is written, since it claims what is not there.
    Withdraw,
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
    /// What may be the torrent's metadata to be judged.
    JudgeMetadata(Ticket),
    /// The metadata in resume data to be judged.
    RecallMetadata,
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

/// What is remembered of a job until it is answered.
#[derive(Debug)]
struct Remembered {
    errand: Errand,
    prompt: bool,
    bytes: u64,
    /// Bytes of memory for blocks that went with it.
    memory: u64,
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
    /// Jobs under way that a working device answers soon: what runs beside the rest, a sync or a move, is none.
    prompt: u32,
    /// Bytes of memory that jobs under way hold.
    bytes: u64,
    /// When the device last answered, or was first asked after a rest.
    heard: Instant,
    /// Whether it was given up.
    hung: bool,
    reads: VecDeque<Job>,
    others: VecDeque<Job>,
}

impl Gate {
    /// Whether a job may go: there is a place for it, and for its bytes.
    fn admits(&self, job: &Job, limits: &Limits) -> bool {
        let places = self.under_way < limits.disk_jobs;
        let bytes = held_by(&job.task);
        places && (self.bytes == 0 || self.bytes + bytes <= limits.disk_bytes || bytes == 0)
    }

    /// The next job that may go: a read before the rest.
    fn next_job(&mut self, limits: &Limits) -> Option<Job> {
        if self.reads.front().is_some_and(|job| self.admits(job, limits)) {
            return self.reads.pop_front();
        }
        if self.others.front().is_some_and(|job| self.admits(job, limits)) {
            return self.others.pop_front();
        }
        None
    }
}

/// Bytes of memory that a job holds until it is answered.
fn held_by(task: &Task) -> u64 {
    match task {
        Task::Load { chunks, .. } | Task::Write { chunks, .. } => tide_base::buffer::total_len(chunks),
        Task::Read(span) => u64::from(span.len),
        _ => 0,
    }
}

/// Bytes of memory that chunks take, full or not.
fn memory_of(chunks: &[Chunk]) -> u64 {
    chunks.iter().map(|chunk| u64::from(chunk.capacity())).sum()
}

/// Whether a working device answers a job soon.
fn is_prompt(task: &Task) -> bool {
    matches!(task.class(), Class::Read | Class::Write)
        || matches!(task, Task::Open(_) | Task::Stat | Task::LoadResume)
}

/// Jobs under way.
#[derive(Debug)]
pub struct Gates {
    shard: ShardId,
    limits: Limits,
    errands: Slots<Remembered>,
    volumes: BTreeMap<VolumeId, Gate>,
    hashing: u32,
    hash_waiting: VecDeque<HashJob>,
}

impl Gates {
    /// No jobs.
    pub fn new(shard: ShardId, limits: &Limits) -> Gates {
        Gates {
            shard,
            limits: limits.clone(),
            errands: Slots::new(),
            volumes: BTreeMap::new(),
            hashing: 0,
            hash_waiting: VecDeque::new(),
        }
    }

    /// Hands a disk job in.
    pub fn disk(&mut self, volume: VolumeId, store: StoreKey, task: Task, errand: Errand) {
        let (prompt, bytes) = (is_prompt(&task), held_by(&task));
        let memory = match &task {
            Task::Load { chunks, .. } | Task::Write { chunks, .. } => memory_of(chunks),
            _ => 0,
        };
        let id = JobId(self.errands.insert(Remembered { errand, prompt, bytes, memory }).to_bits());
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
        let memory = memory_of(&chunks);
        let id = JobId(self.errands.insert(Remembered { errand, prompt: false, bytes: 0, memory }).to_bits());
        self.hash_waiting.push_back(HashJob { id, shard: self.shard, chunks, digest });
    }

    /// Hands bytes in that are no memory for blocks, for the hash pool to make something of.
    pub fn study(&mut self, bytes: Vec<u8>, study: Box<dyn Study>, errand: Errand) {
        let job = Remembered { errand, prompt: false, bytes: 0, memory: 0 };
        let id = JobId(self.errands.insert(job).to_bits());
        let (chunks, digest) = (vec![Chunk::holding(bytes)], Digest::Study(study));
        self.hash_waiting.push_back(HashJob { id, shard: self.shard, chunks, digest });
    }

    /// A disk job is done: what it was for.
    pub fn disk_done(&mut self, now: Instant, id: JobId, volume: VolumeId) -> Errand {
        let Remembered { errand, prompt, bytes, .. } = self.errand(id);
        let gate = self.volumes.get_mut(&volume).expect("a job was handed in for this volume");
        assert!(gate.under_way > 0, "a disk job was answered twice");
        gate.under_way -= 1;
        gate.prompt -= u32::from(prompt);
        gate.bytes -= bytes;
        gate.heard = now;
        gate.hung = false;
        errand
    }

    /// Volumes that leave jobs unanswered for too long, each said once; what waits for them is handed back unserved.
    pub fn take_hung(&mut self, now: Instant) -> Vec<(VolumeId, Vec<Job>)> {
        let mut hung = Vec::new();
        for (&volume, gate) in &mut self.volumes {
            if gate.prompt > 0 && !gate.hung && now.since(gate.heard) >= self.limits.hung {
                gate.hung = true;
                let jobs = gate.reads.drain(..).chain(gate.others.drain(..)).collect();
                hung.push((volume, jobs));
            }
        }
        hung
    }

    /// When a volume will have left jobs unanswered for too long.
    pub fn deadline(&self) -> Instant {
        let waits = self.volumes.values().filter(|gate| gate.prompt > 0 && !gate.hung);
        waits.map(|gate| gate.heard + self.limits.hung).min().unwrap_or(Instant::NEVER)
    }

    /// A job that was never sent is given up: what it was for.
    pub fn give_up(&mut self, id: JobId) -> Errand {
        self.errand(id).errand
    }

    /// A hash job is done: what it was for.
    pub fn hash_done(&mut self, id: JobId) -> Errand {
        assert!(self.hashing > 0, "a hash job was answered twice");
        self.hashing -= 1;
        self.errand(id).errand
    }

    fn errand(&mut self, id: JobId) -> Remembered {
        self.errands.remove(SlotKey::from_bits(id.0)).expect("each job is answered exactly once")
    }

    /// The next job that may go: reads before the rest of the same volume.
    pub fn next_job(&mut self, now: Instant) -> Option<Output> {
        for gate in self.volumes.values_mut() {
            if let Some(job) = gate.next_job(&self.limits) {
                let prompt = is_prompt(&job.task);
                if prompt && gate.prompt == 0 {
                    gate.heard = now;
                }
                gate.under_way += 1;
                gate.prompt += u32::from(prompt);
                gate.bytes += held_by(&job.task);
                return Some(Output::Disk(job));
            }
        }
        if self.hashing < self.limits.hash_jobs
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

    /// Hash jobs under way, and those that wait to go.
    pub fn hashing(&self) -> (u32, u32) {
        (self.hashing, self.hash_waiting.len() as u32)
    }

    /// All jobs handed in and not yet answered.
    pub fn jobs(&self) -> Vec<JobSurvey> {
        let disk = self.volumes.values().flat_map(|gate| gate.reads.iter().chain(&gate.others));
        let waiting: BTreeSet<JobId> =
            disk.map(|job| job.id).chain(self.hash_waiting.iter().map(|job| job.id)).collect();
        let job = |(key, job): (SlotKey, &Remembered)| {
            let id = JobId(key.to_bits());
            JobSurvey { id, errand: job.errand.clone(), memory: job.memory, sent: !waiting.contains(&id) }
        };
        self.errands.iter().map(job).collect()
    }

    /// The devices.
    pub fn survey(&self) -> Vec<VolumeSurvey> {
        let device = |(&volume, gate): (&VolumeId, &Gate)| VolumeSurvey {
            volume,
            under_way: gate.under_way,
            bytes: gate.bytes,
            waiting: (gate.reads.len() + gate.others.len()) as u32,
            hung: gate.hung,
        };
        self.volumes.iter().map(device).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VOLUME: VolumeId = VolumeId(3);

    fn gates(disk_bytes: u64) -> Gates {
        Gates::new(ShardId(0), &Limits { disk_bytes, ..Limits::default() })
    }

    fn read(gates: &mut Gates, len: u32) {
        let span = Span { piece: PieceIndex(0), offset: 0, len };
        let errand = Errand::Torrent(SlotKey::from_bits(0), TorrentErrand::Stat);
        gates.disk(VOLUME, StoreKey(1), Task::Read(span), errand);
    }

    fn sent(gates: &mut Gates, now: Instant) -> Option<JobId> {
        match gates.next_job(now)? {
            Output::Disk(job) => Some(job.id),
            other => panic!("not a disk job: {other:?}"),
        }
    }

    #[test]
    fn jobs_under_way_hold_so_many_bytes_and_no_more() {
        let mut gates = gates(100);
        (0..3).for_each(|_| read(&mut gates, 60));
        let now = Instant::ZERO;
        let first = sent(&mut gates, now).expect("one may always go");
        assert_eq!(sent(&mut gates, now), None);
        gates.disk_done(now, first, VOLUME);
        assert!(sent(&mut gates, now).is_some());
        assert_eq!(gates.outstanding(), 2);
    }

    #[test]
    fn a_device_that_does_not_answer_is_given_up_once_and_taken_back_when_it_does() {
        let mut gates = gates(100);
        (0..2).for_each(|_| read(&mut gates, 60));
        let asked = Instant::from_secs(10);
        let first = sent(&mut gates, asked).expect("one may always go");
        let late = gates.deadline();
        assert_eq!(late, asked + Limits::default().hung);
        assert!(gates.take_hung(Instant::from_secs(11)).is_empty());
        let hung = gates.take_hung(late);
        assert_eq!(
            hung.iter().map(|(volume, jobs)| (*volume, jobs.len())).collect::<Vec<_>>(),
            [(VOLUME, 1)]
        );
        gates.give_up(hung[0].1[0].id);
        assert!(gates.take_hung(late).is_empty() && gates.deadline() == Instant::NEVER);
        gates.disk_done(late, first, VOLUME);
        assert_eq!(gates.outstanding(), 0);
    }
}
