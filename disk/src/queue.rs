//! Which job is next. Knows jobs and their order; carries none out.
//!
//! Each store has a lane. A job that needs the store for itself (open, close, select, move, delete …) waits in its lane
//! until all earlier ones are answered, and later ones wait behind it. All others go straight to the queue of their
//! class, so that their order is kept for each piece only:
//!
//! * a read of a piece that a queued write touches queues behind it, among the writes;
//! * a write of a piece that a queued read touches waits until that read is done, which is soon: reads go first.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

use tide_base::{Layout, PieceIndex, buffer};

use crate::job::{Class, Job, StoreKey, Task};
use crate::limits::Limits;

/// What kind of run [`Queue::next`] found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Turn {
    /// Either one load, or reads of one piece that follow each other without a gap.
    Read,
    /// Writes of one store that follow each other without a gap, in their order.
    Write,
    /// One job that has its store for itself.
    Control,
}

#[derive(Debug, Default)]
struct Lane {
    /// Jobs of this store in the queues, or being carried out.
    running: usize,
    /// Whether the one that is running has the store for itself.
    fenced: bool,
    /// Whether something of this store runs beside.
    beside: bool,
    /// Jobs that wait for the fence, in their order; the first is the next fence.
    held: VecDeque<Job>,
    /// Known while the store is open: where pieces begin.
    layout: Option<Layout>,
}

/// All jobs that are waiting.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    lanes: BTreeMap<StoreKey, Lane>,
    reads: VecDeque<Job>,
    writes: VecDeque<Job>,
    controls: VecDeque<Job>,
    slow: VecDeque<Job>,
    /// How many of `reads` touch a piece.
    reading: BTreeMap<(StoreKey, PieceIndex), u32>,
    /// How many of `writes` touch a piece.
    writing: BTreeMap<(StoreKey, PieceIndex), u32>,
    since_write: u32,
    since_control: u32,
}

/// Whether a job may take seconds and so runs beside the others.
fn is_slow(task: &Task) -> bool {
    task.class() == Class::Sync || matches!(task, Task::Move(_) | Task::Delete)
}

/// Whether a job needs its store for itself.
fn is_fence(task: &Task) -> bool {
    task.class() == Class::Control
}

fn piece(job: &Job) -> Option<(StoreKey, PieceIndex)> {
    match job.task {
        Task::Read(span) => Some((job.store, span.piece)),
        Task::Load { piece, .. } | Task::Write { piece, .. } => Some((job.store, piece)),
        _ => None,
    }
}

fn count(table: &mut BTreeMap<(StoreKey, PieceIndex), u32>, job: &Job) {
    if let Some(key) = piece(job) {
        *table.entry(key).or_default() += 1;
    }
}

fn uncount(table: &mut BTreeMap<(StoreKey, PieceIndex), u32>, job: &Job) {
    if let Some(key) = piece(job)
        && let Some(count) = table.get_mut(&key)
    {
        *count -= 1;
        if *count == 0 {
            table.remove(&key);
        }
    }
}

impl Queue {
    /// Takes a job in.
    pub(crate) fn submit(&mut self, job: Job) {
        let store = job.store;
        let lane = self.lanes.entry(store).or_default();
        if lane.fenced || !lane.held.is_empty() || is_fence(&job.task) {
            lane.held.push_back(job);
            self.advance(store);
        } else {
            lane.running += 1;
            self.route(job);
        }
    }

    fn route(&mut self, job: Job) {
        if is_slow(&job.task) {
            return self.slow.push_back(job);
        }
        match job.task.class() {
            Class::Read if piece(&job).is_none_or(|key| !self.writing.contains_key(&key)) => {
                count(&mut self.reading, &job);
                self.reads.push_back(job);
            }
            Class::Read | Class::Write => {
                count(&mut self.writing, &job);
                self.writes.push_back(job);
            }
            Class::Control | Class::Sync => self.controls.push_back(job),
        }
    }

    /// Lets jobs of a lane go that need wait no longer.
    fn advance(&mut self, store: StoreKey) {
        while let Some(lane) = self.lanes.get_mut(&store) {
            let Some(front) = lane.held.front() else {
                if lane.running == 0 && lane.layout.is_none() {
                    self.lanes.remove(&store);
                }
                return;
            };
            let fence = is_fence(&front.task);
            if lane.fenced || (fence && lane.running > 0) {
                return;
            }
            lane.fenced = fence;
            lane.running += 1;
            let job = lane.held.pop_front().expect("there is a front");
            self.route(job);
        }
    }

    /// A job of this store that was handed out has been answered.
    pub(crate) fn finished(&mut self, store: StoreKey) {
        if let Some(lane) = self.lanes.get_mut(&store) {
            lane.running -= 1;
            lane.fenced &= lane.running > 0;
        }
        self.advance(store);
    }

    /// A job of this store that ran beside has been answered.
    pub(crate) fn finished_beside(&mut self, store: StoreKey) {
        if let Some(lane) = self.lanes.get_mut(&store) {
            lane.beside = false;
        }
        self.finished(store);
    }

    /// A store is open, or not any more. To be told before the job that did it is finished.
    pub(crate) fn set_layout(&mut self, store: StoreKey, layout: Option<Layout>) {
        if let Some(lane) = self.lanes.get_mut(&store) {
            lane.layout = layout;
        }
    }

    /// Puts the next run of jobs into `run`, which is empty.
    pub(crate) fn next(&mut self, run: &mut Vec<Job>, limits: &Limits) -> Option<Turn> {
        let control_is_due = self.since_control >= limits.turns_before_control;
        if !self.controls.is_empty() && (control_is_due || (self.reads.is_empty() && self.writes.is_empty()))
        {
            self.since_control = 0;
            run.extend(self.controls.pop_front());
            return Some(Turn::Control);
        }
        self.since_control = self.since_control.saturating_add(1);
        let write_may =
            self.writes.front().and_then(piece).is_some_and(|key| !self.reading.contains_key(&key));
        let write_is_due = write_may && self.since_write >= limits.reads_before_write;
        if !self.reads.is_empty() && !write_is_due {
            self.since_write = self.since_write.saturating_add(1);
            self.take_reads(run, limits.read_run);
            return Some(Turn::Read);
        }
        self.since_write = 0;
        let first = self.writes.pop_front()?;
        if first.task.class() == Class::Read {
            uncount(&mut self.writing, &first);
            run.push(first);
            return Some(Turn::Read);
        }
        self.take_writes(first, run, limits);
        Some(Turn::Write)
    }

    fn take_reads(&mut self, run: &mut Vec<Job>, bound: u32) {
        let Some(first) = self.reads.pop_front() else { return };
        uncount(&mut self.reading, &first);
        let mut last = if let Task::Read(span) = first.task { Some(span) } else { None };
        let (store, mut len) = (first.store, last.map_or(0, |span| span.len));
        run.push(first);
        while let (Some(before), Some(next)) = (last, self.reads.front()) {
            let Task::Read(span) = next.task else { return };
            let follows = next.store == store
                && span.piece == before.piece
                && u64::from(span.offset) == before.end()
                && len.saturating_add(span.len) <= bound;
            if !follows {
                return;
            }
            len += span.len;
            last = Some(span);
            let next = self.reads.pop_front().expect("there is a front");
            uncount(&mut self.reading, &next);
            run.push(next);
        }
    }

    /// Where in its torrent a write goes.
    fn range(&self, job: &Job) -> Option<Range<u64>> {
        let layout = self.lanes.get(&job.store)?.layout?;
        let Task::Write { piece, offset, chunks } = &job.task else { return None };
        let start = layout.start(*piece) + u64::from(*offset);
        Some(start..start + buffer::total_len(chunks))
    }

    /// Finds the neighbours of the first write among those behind it.
    fn take_writes(&mut self, first: Job, run: &mut Vec<Job>, limits: &Limits) {
        let mut chosen: Vec<usize> = Vec::new();
        if let Some(mut whole) = self.range(&first) {
            let mut found = self.disjoint_writes(first.store, &whole, limits.write_search);
            let fits = |whole: &Range<u64>, part: &Range<u64>| {
                whole.end - whole.start + (part.end - part.start) <= limits.write_run
            };
            while let Some(next) = found.iter().position(|(_, part)| {
                (part.start == whole.end || part.end == whole.start) && fits(&whole, part)
            }) {
                let (index, part) = found.swap_remove(next);
                whole = whole.start.min(part.start)..whole.end.max(part.end);
                chosen.push(index);
            }
        }
        run.push(first);
        chosen.sort_unstable();
        for index in chosen.into_iter().rev() {
            run.push(self.writes.remove(index).expect("it was found there"));
        }
        for job in &*run {
            uncount(&mut self.writing, job);
        }
        if run.len() > 1 {
            run.sort_by_key(|job| self.range(job).map_or(0, |range| range.start));
        }
    }

    /// The writes of a store that could go together with one of the range `first`, with their numbers in the queue:
    /// up to the first job whose order with another matters.
    fn disjoint_writes(
        &self,
        store: StoreKey,
        first: &Range<u64>,
        search: usize,
    ) -> Vec<(usize, Range<u64>)> {
        let mut found: Vec<(usize, Range<u64>)> = Vec::new();
        let overlap = |a: &Range<u64>, b: &Range<u64>| a.start < b.end && b.start < a.end;
        for (index, job) in self.writes.iter().enumerate().take(search) {
            if job.store != store {
                continue;
            }
            let Some(range) = self.range(job).filter(|range| !range.is_empty()) else { break };
            let read_first = piece(job).is_some_and(|key| self.reading.contains_key(&key));
            if read_first || overlap(&range, first) || found.iter().any(|(_, other)| overlap(other, &range)) {
                break;
            }
            found.push((index, range));
        }
        found
    }

    /// The next job that runs beside the others; one of a store at a time, so that they keep their order.
    pub(crate) fn next_beside(&mut self) -> Option<Job> {
        let lanes = &mut self.lanes;
        let index =
            self.slow.iter().position(|job| lanes.get(&job.store).is_some_and(|lane| !lane.beside))?;
        let job = self.slow.remove(index)?;
        if let Some(lane) = lanes.get_mut(&job.store) {
            lane.beside = true;
        }
        Some(job)
    }
}

#[cfg(test)]
mod tests {
    use tide_base::{Chunk, ShardId, Span};

    use super::*;
    use crate::job::{JobId, VolumeId};

    fn job(id: u64, task: Task) -> Job {
        Job { id: JobId(id), shard: ShardId(0), volume: VolumeId(0), store: StoreKey(id / 1000), task }
    }

    fn read(id: u64, piece: u32, offset: u32) -> Job {
        job(id, Task::Read(Span { piece: PieceIndex(piece), offset, len: 16 }))
    }

    fn write(id: u64, piece: u32, offset: u32) -> Job {
        let mut chunk = Chunk::new(16);
        chunk.set_len(16);
        job(id, Task::Write { piece: PieceIndex(piece), offset, chunks: vec![chunk] })
    }

    fn queue() -> Queue {
        let mut queue = Queue::default();
        for store in 0..3 {
            let lane = queue.lanes.entry(StoreKey(store)).or_default();
            lane.layout = Layout::new(10_000, 32, 16);
        }
        queue
    }

    /// All runs, as the jobs' numbers, each job finished as it comes.
    fn runs(queue: &mut Queue, limits: &Limits) -> Vec<Vec<u64>> {
        let mut all = Vec::new();
        let mut run = Vec::new();
        while queue.next(&mut run, limits).is_some() {
            all.push(run.iter().map(|job| job.id.0).collect());
            for job in run.drain(..) {
                queue.finished(job.store);
            }
        }
        assert!(queue.reading.is_empty() && queue.writing.is_empty());
        all
    }

    #[test]
    fn reads_go_first_and_neighbours_together() {
        let mut queue = queue();
        for job in [write(1, 0, 0), write(2, 2, 0), write(3, 0, 16), write(1004, 1, 0), write(5, 1, 0)] {
            queue.submit(job);
        }
        for job in [read(6, 7, 0), read(7, 7, 16), read(8, 8, 0), read(1009, 7, 32)] {
            queue.submit(job);
        }
        let limits = Limits::default();
        assert_eq!(
            runs(&mut queue, &limits),
            [vec![6, 7], vec![8], vec![1009], vec![1, 3, 5], vec![2], vec![1004]]
        );
    }

    #[test]
    fn a_waiting_write_and_a_waiting_control_get_their_turn() {
        let mut queue = queue();
        queue.submit(write(100, 0, 0));
        queue.submit(job(1000, Task::Stat));
        for id in 0..6 {
            queue.submit(read(id, 10 + id as u32, 0));
        }
        let limits = Limits { reads_before_write: 2, turns_before_control: 4, ..Limits::default() };
        let order: Vec<u64> = runs(&mut queue, &limits).concat();
        assert_eq!(order, [0, 1, 100, 2, 1000, 3, 4, 5]);
    }

    #[test]
    fn order_is_kept_for_each_piece() {
        let mut queue = queue();
        for job in
            [read(1, 0, 0), write(2, 0, 0), read(3, 0, 0), write(4, 0, 16), write(5, 0, 0), read(6, 1, 0)]
        {
            queue.submit(job);
        }
        let limits = Limits { reads_before_write: 0, ..Limits::default() };
        let order = runs(&mut queue, &limits).concat();
        let at = |id| order.iter().position(|&other| other == id).expect("it ran");
        assert!(at(1) < at(2) && at(2) < at(3) && at(3) < at(4) && at(3) < at(5), "{order:?}");
    }

    #[test]
    fn a_fence_waits_for_all_before_it_and_holds_all_behind_it() {
        let mut queue = queue();
        queue.submit(read(1, 0, 0));
        queue.submit(job(2, Task::Sync));
        queue.submit(job(3, Task::Stat));
        queue.submit(read(4, 0, 0));
        queue.submit(read(1005, 0, 0));
        let limits = Limits::default();
        assert_eq!(runs(&mut queue, &limits), [vec![1], vec![1005]]);
        let sync = queue.next_beside().expect("the sync waits");
        assert!(runs(&mut queue, &limits).is_empty());
        queue.finished_beside(sync.store);
        assert_eq!(runs(&mut queue, &limits), [vec![3], vec![4]]);
    }

    #[test]
    fn one_of_a_store_runs_beside_at_a_time() {
        let mut queue = queue();
        for id in [1, 2, 1001] {
            queue.submit(job(id, Task::Sync));
        }
        let mut next = || queue.next_beside().map(|job| job.id.0);
        assert_eq!((next(), next(), next()), (Some(1), Some(1001), None));
        queue.finished_beside(StoreKey(0));
        assert_eq!(queue.next_beside().map(|job| job.id.0), Some(2));
    }
}
