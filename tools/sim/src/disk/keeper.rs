//! The disk threads of one volume, as the shell has them, at simulated times: one that owns the files, and one beside
//! it for what may take seconds.

use std::collections::{BTreeSet, VecDeque};

use tide_base::{Duration, Instant, Prng, ShardId, buffer};
use tide_disk::{Done, Job, JobId, Limits, Outcome, Stores, SyncJob, Task};

use super::medium::Medium;
use crate::dice::Dice;
use crate::mishap::{Mishap, Tally};

/// Calls after which a process that is killed may end in the midst of a job, at most.
const LAST_CALLS: u64 = 12;

/// How long jobs take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pace {
    /// What every run of the disk thread takes at least.
    pub least: Duration,
    /// What it takes beyond that on average, exponentially distributed.
    pub mean: Duration,
    /// Bytes a second that are read or written; 0 is as many as anybody wants.
    pub rate: u64,
    /// What a job beside takes at least.
    pub sync_least: Duration,
    /// What it takes beyond that on average, exponentially distributed.
    pub sync_mean: Duration,
    /// What a run or a job takes in addition on average if it is a slow one: from a stutter to minutes.
    pub slow: Duration,
}

impl Default for Pace {
    /// A good disk, which when it is slow stands for some seconds.
    fn default() -> Pace {
        Pace {
            least: Duration::from_micros(20),
            mean: Duration::from_micros(200),
            rate: 200_000_000,
            sync_least: Duration::from_millis(1),
            sync_mean: Duration::from_millis(20),
            slow: Duration::from_secs(5),
        }
    }
}

/// The job that runs beside.
struct Running {
    stage: Stage,
    /// When it happens.
    at: Instant,
    /// When it is answered.
    end: Instant,
}

enum Stage {
    Begun(SyncJob<Medium>),
    Happened(Done),
}

/// The disk threads of one volume. A chance for `DiskSlow` is a run of the disk thread, or a job beside.
///
/// What the disk thread does happens when it begins with it, and is answered when it would be through. What runs beside
/// happens at a moment drawn between its beginning and its end, and is answered at its end: what is written after that
/// moment is not synced by it.
pub struct Keeper {
    medium: Medium,
    stores: Stores<Medium>,
    dice: Dice,
    pace: Pace,
    /// When the disk thread has time for the next run; whether it may find one.
    free_at: Instant,
    awake: bool,
    answers: VecDeque<(Instant, Done)>,
    beside: VecDeque<SyncJob<Medium>>,
    running: Option<Running>,
    /// Closings that are not answered: their answers come after those of all that ran beside for their store.
    closings: BTreeSet<(ShardId, JobId)>,
    submitted: u64,
    answered: u64,
    slow_until: Instant,
    hung: bool,
}

/// What happens next, the first of those that happen at the same time first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Next {
    BesideHappens,
    BesideEnds,
    Answer,
    Run,
}

impl Keeper {
    /// The threads of a volume, with nothing to do.
    pub fn new(medium: Medium, limits: Limits, dice: Dice, pace: Pace) -> Keeper {
        Keeper {
            stores: Stores::new(medium.clone(), limits),
            medium,
            dice,
            pace,
            free_at: Instant::ZERO,
            awake: false,
            answers: VecDeque::new(),
            beside: VecDeque::new(),
            running: None,
            closings: BTreeSet::new(),
            submitted: 0,
            answered: 0,
            slow_until: Instant::ZERO,
            hung: false,
        }
    }

    /// Takes a job in.
    pub fn submit(&mut self, now: Instant, job: Job) {
        if let Task::Close = job.task {
            self.closings.insert((job.shard, job.id));
        }
        self.submitted += 1;
        self.stores.submit(job);
        self.wake(now);
    }

    fn wake(&mut self, now: Instant) {
        self.awake = true;
        self.free_at = self.free_at.max(now);
    }

    /// Jobs that are not answered yet.
    pub fn pending(&self) -> usize {
        (self.submitted - self.answered) as usize
    }

    /// When something happens next.
    pub fn next_at(&self) -> Instant {
        self.next().map_or(Instant::NEVER, |(at, _)| at)
    }

    fn next(&self) -> Option<(Instant, Next)> {
        if self.hung {
            return None;
        }
        let beside = self.running.as_ref().map(|running| match running.stage {
            Stage::Begun(_) => (running.at, Next::BesideHappens),
            Stage::Happened(_) => (running.end, Next::BesideEnds),
        });
        let answer = self.answers.front().map(|&(at, _)| (at, Next::Answer));
        let run = self.awake.then_some((self.free_at, Next::Run));
        [beside, answer, run].into_iter().flatten().min()
    }

    /// The next answer that is there by `now`. To be called until there is none.
    pub fn poll(&mut self, now: Instant) -> Option<Done> {
        while let Some((at, next)) = self.next().filter(|&(at, _)| at <= now) {
            self.medium.set_now(at);
            match next {
                Next::BesideHappens => self.happen(at),
                Next::Run => self.run(at),
                Next::BesideEnds => {
                    let running = self.running.take();
                    self.begin_beside(at);
                    if let Some(Running { stage: Stage::Happened(done), .. }) = running {
                        self.answered += 1;
                        return Some(done);
                    }
                }
                Next::Answer => {
                    self.answered += 1;
                    return self.answers.pop_front().map(|(_, done)| done);
                }
            }
        }
        None
    }

    /// The job beside happens.
    fn happen(&mut self, now: Instant) {
        if let Some(Running { at, end, stage: Stage::Begun(job) }) = self.running.take() {
            let stage = Stage::Happened(job.run());
            self.running = Some(Running { stage, at, end });
        }
        // Others may have waited for it.
        self.wake(now);
    }

    /// One run of the disk thread.
    fn run(&mut self, now: Instant) {
        let mut done = Vec::new();
        self.awake = self.stores.work(&mut |answer| done.push(answer));
        while let Some(job) = self.stores.next_sync() {
            self.beside.push_back(job);
        }
        self.begin_beside(now);
        if !self.awake {
            return;
        }
        let bytes: u64 = done.iter().map(bytes_of).sum();
        let cost =
            self.pace.least + exponential(self.dice.prng(), self.pace.mean) + self.pace.transfer(bytes);
        self.free_at = now + cost + self.slowness(now + cost);
        for done in done {
            let mut at = self.answers.back().map_or(self.free_at, |&(last, _)| last.max(self.free_at));
            if self.closings.remove(&(done.shard, done.id))
                && let Some(Running { stage: Stage::Happened(before), end, .. }) = &self.running
                && before.store == done.store
            {
                at = at.max(*end);
            }
            self.answers.push_back((at, done));
        }
    }

    /// The thread beside takes its next job, if it has time and there is one.
    fn begin_beside(&mut self, now: Instant) {
        if self.running.is_some() {
            return;
        }
        let Some(job) = self.beside.pop_front() else { return };
        let cost = self.pace.sync_least + exponential(self.dice.prng(), self.pace.sync_mean);
        let cost = cost + self.slowness(now + cost);
        let nanos = u64::try_from(cost.as_nanos()).unwrap_or(u64::MAX);
        // Half of them happen at their end: what was written meanwhile is covered as well.
        let at = if self.dice.prng().chance(1, 2) { nanos } else { self.dice.prng().below(nanos.max(1)) };
        let at = now + Duration::from_nanos(at);
        self.running = Some(Running { stage: Stage::Begun(job), at, end: now + cost });
    }

    /// What is to be added to something that would end at `end`.
    fn slowness(&mut self, end: Instant) -> Duration {
        if !self.dice.hits(Mishap::DiskSlow) {
            return Duration::ZERO;
        }
        let slowness = exponential(self.dice.prng(), self.pace.slow);
        self.slow_until = self.slow_until.max(end + slowness);
        slowness
    }

    /// From now on nothing happens and nothing is answered, until [`calm`](Keeper::calm) of the core.
    pub fn hang(&mut self) {
        self.hung = true;
    }

    /// The second act: no new mishaps. In the core whatever is slow is over soon; elsewhere what is slow now hangs for
    /// good.
    pub fn calm(&mut self, now: Instant, core: bool) {
        self.dice.calm();
        if !core {
            self.hung |= self.slow_until > now;
            return;
        }
        self.hung = false;
        self.slow_until = now;
        let soon = now + self.pace.least;
        self.free_at = self.free_at.min(soon);
        if let Some(running) = &mut self.running {
            running.end = running.end.min(now + self.pace.sync_least).max(soon);
            running.at = running.at.min(running.end);
        }
        let end = self.running.as_ref().map_or(soon, |running| running.end);
        for (at, _) in &mut self.answers {
            *at = (*at).min(end);
        }
    }

    /// The process dies at `now`, perhaps in the midst of a job: some of its last calls still happen. When this was
    /// said to all keepers of the process, [`Medium::kill`] or [`Medium::crash`] must follow.
    pub fn kill(mut self, now: Instant) {
        if self.hung {
            return;
        }
        self.medium.set_now(now);
        let calls = self.dice.prng().below(LAST_CALLS);
        self.medium.stop_after(calls);
        if let Some(Running { stage: Stage::Begun(job), .. }) = self.running.take() {
            // Nobody hears of it.
            drop(job.run());
        }
        if self.awake {
            self.stores.work(&mut drop);
        }
    }

    /// How often each mishap has changed something.
    pub fn tally(&self) -> &Tally<Mishap> {
        self.dice.tally()
    }
}

impl Pace {
    /// How long so many bytes take.
    fn transfer(&self, bytes: u64) -> Duration {
        let nanos = (u128::from(bytes) * 1_000_000_000).checked_div(u128::from(self.rate)).unwrap_or(0);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

fn bytes_of(done: &Done) -> u64 {
    let read = if let Ok(Outcome::Read(bytes)) = &done.result { bytes.len() as u64 } else { 0 };
    read + buffer::total_len(&done.chunks)
}

/// A span that is exponentially distributed around `mean`, roughly: logarithms of whole numbers are the same on every
/// machine.
fn exponential(prng: &mut Prng, mean: Duration) -> Duration {
    let drawn = prng.next_u64() | 1;
    let halvings = u128::from(drawn.leading_zeros());
    let fraction = u128::from((drawn << drawn.leading_zeros()) << 1 >> 48);
    // In 1/65,536 of a halving; there are 1.44 of these on average, and with straight lines between them 1.5.
    let log = (halvings << 16) + ((1 << 16) - fraction);
    let nanos = (mean.as_nanos() * log * 2 / 3) >> 16;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}
