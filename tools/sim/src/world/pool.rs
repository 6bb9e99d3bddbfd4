//! The hash pool: so many jobs at a time, each with its price, answered in whatever order they end.

use std::collections::BTreeMap;

use tide_base::{Duration, Instant, buffer};
use tide_disk::{Answer, Digest, HashJob, Hashed};

use crate::dice::Dice;
use crate::mishap::{Mishap, Tally};

/// How fast a pool is.
#[derive(Clone, Copy, Debug)]
pub struct Hashers {
    /// Jobs at a time.
    pub threads: u32,
    /// Bytes a second and thread.
    pub rate: u64,
}

/// The longest that the pool does nothing.
const STARVED: Duration = Duration::from_secs(30);

/// The hash pool of a node.
#[derive(Debug)]
pub(crate) struct Pool {
    spec: Hashers,
    dice: Dice,
    /// When each thread is free again.
    free: Vec<Instant>,
    running: BTreeMap<(Instant, u64), HashJob>,
    jobs: u64,
}

impl Pool {
    /// An idle pool.
    pub(crate) fn new(spec: Hashers, dice: Dice) -> Pool {
        assert!(spec.threads > 0 && spec.rate > 0, "a pool that does nothing");
        let free = vec![Instant::ZERO; spec.threads as usize];
        Pool { spec, dice, free, running: BTreeMap::new(), jobs: 0 }
    }

    /// Takes a job in. Its chances: [`Mishap::HashReorder`] and [`Mishap::HashStarve`] a job.
    pub(crate) fn submit(&mut self, now: Instant, job: HashJob) {
        if self.dice.hits(Mishap::HashStarve) {
            let until = now + STARVED * (1 + self.dice.prng().below(100) as u32) / 100;
            self.free.iter_mut().for_each(|free| *free = until.max(*free));
        }
        let (thread, begin) = self.next_free(now);
        let cost = buffer::total_len(&job.chunks).saturating_mul(1_000_000_000) / self.spec.rate;
        let mut end = begin + Duration::from_nanos(1000 + cost);
        self.free[thread] = end;
        if self.dice.strikes(Mishap::HashReorder)
            && let Some(last) = self.running.keys().next_back().map(|(at, _)| *at)
            && last >= end
        {
            // It ends right after one that came earlier should have, or long after.
            end = last + Duration::from_nanos(1 + self.dice.prng().below(1 << 30));
            self.dice.hit(Mishap::HashReorder);
        } else if self.dice.strikes(Mishap::HashReorder) {
            end += Duration::from_nanos(self.dice.prng().below(1 << 30));
        }
        self.jobs += 1;
        self.running.insert((end, self.jobs), job);
    }

    fn next_free(&self, now: Instant) -> (usize, Instant) {
        let at = |(thread, free): (usize, &Instant)| ((*free).max(now), thread);
        let (begin, thread) = self.free.iter().enumerate().map(at).min().expect("a pool has a thread");
        (thread, begin)
    }

    /// When the next job ends.
    pub(crate) fn next_at(&self) -> Instant {
        self.running.keys().next().map_or(Instant::NEVER, |(at, _)| *at)
    }

    /// A job that has ended.
    pub(crate) fn poll(&mut self, now: Instant) -> Option<Hashed> {
        if self.next_at() > now {
            return None;
        }
        let ((_, number), job) = self.running.pop_first()?;
        if self.running.keys().any(|(_, other)| *other < number) {
            self.dice.hit(Mishap::HashReorder);
        }
        Some(hash(job))
    }

    /// Nothing strange happens any more.
    pub(crate) fn calm(&mut self) {
        self.dice.calm();
    }

    /// What happened.
    pub(crate) fn tally(&self) -> &Tally<Mishap> {
        self.dice.tally()
    }
}

fn hash(job: HashJob) -> Hashed {
    let parts = buffer::slices(&job.chunks);
    let answer = match job.digest {
        Digest::Sha1 => Answer::Sha1(tide_hash::sha1(&parts)),
        Digest::Sha1Blocks(len) => {
            let whole = parts.concat();
            let digests = whole.chunks(len as usize).map(|block| tide_hash::sha1(&[block]));
            Answer::Sha1Blocks(digests.collect())
        }
        Digest::Sha1Part(mut stream) => {
            parts.iter().for_each(|part| stream.update(part));
            Answer::Sha1Part(stream)
        }
        Digest::Study(study) => Answer::Studied(study.study(&parts)),
    };
    Hashed { id: job.id, shard: job.shard, chunks: job.chunks, answer }
}
