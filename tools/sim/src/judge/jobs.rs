//! Jobs and commands, each answered exactly once; turns that come to an end.

use std::collections::{BTreeMap, BTreeSet};

use tide_base::{Duration, Instant, ShardId};
use tide_disk::JobId;
use tide_engine::survey::Glance;
use tide_engine::{CommandId, Survey};

use super::oracle::{Compared, ensure};

/// What is out and not answered.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    out: BTreeSet<(ShardId, JobId)>,
    /// Since when a shard has always had a job out but in the midst of a turn, and when the last one was answered.
    busy: BTreeMap<ShardId, (Instant, Instant)>,
    commands: BTreeSet<CommandId>,
    replied: BTreeSet<CommandId>,
}

impl Jobs {
    pub(super) fn out(&mut self, now: Instant, shard: ShardId, id: JobId) -> Compared {
        let (since, emptied) = self.busy.get(&shard).copied().unwrap_or((now, now));
        if self.of(shard).next().is_none() && emptied != now {
            self.busy.insert(shard, (now, now));
        } else {
            self.busy.insert(shard, (since, emptied));
        }
        ensure(self.out.insert((shard, id)), || {
            format!("shard {} hands {id:?} out although it is out already", shard.0)
        })?;
        Ok(1)
    }

    pub(super) fn done(&mut self, now: Instant, shard: ShardId, id: JobId) -> Compared {
        ensure(self.out.remove(&(shard, id)), || {
            format!("{id:?} of shard {} is answered and was not out: answered twice, or never asked", shard.0)
        })?;
        if let Some((_, emptied)) = self.busy.get_mut(&shard) {
            *emptied = now;
        }
        Ok(1)
    }

    /// How long a job that goes out now may have waited for others: the way to a disk is bounded.
    pub(super) fn waited(&self, now: Instant, shard: ShardId) -> Duration {
        self.busy.get(&shard).map_or(Duration::ZERO, |&(since, _)| now.since(since))
    }

    /// A shard waits for at least as many jobs as are out.
    pub(super) fn at_most(&self, glance: &Glance) -> Compared {
        let out = self.of(glance.shard).count() as u32;
        ensure(out <= glance.jobs, || {
            format!(
                "{out} jobs of shard {} are out and it waits for {}: it forgot some",
                glance.shard.0, glance.jobs
            )
        })?;
        Ok(u64::from(out))
    }

    /// A shard waits for exactly those jobs that are out.
    pub(super) fn agree(&self, survey: &Survey) -> Compared {
        let awaited: BTreeSet<JobId> =
            survey.desk.jobs.iter().filter(|job| job.sent).map(|job| job.id).collect();
        let out: BTreeSet<JobId> = self.of(survey.shard).collect();
        if let Some(lost) = awaited.difference(&out).next() {
            let errand = survey.desk.jobs.iter().find(|job| job.id == *lost).map(|job| &job.errand);
            return Err(format!(
                "shard {} waits for {lost:?} ({errand:?}), and nobody works on it",
                survey.shard.0
            ));
        }
        if let Some(forgotten) = out.difference(&awaited).next() {
            return Err(format!("{forgotten:?} is out, and shard {} does not wait for it", survey.shard.0));
        }
        Ok(out.len() as u64)
    }

    fn of(&self, shard: ShardId) -> impl Iterator<Item = JobId> + '_ {
        let all = (shard, JobId(0))..=(shard, JobId(u64::MAX));
        self.out.range(all).map(|(_, id)| *id)
    }

    /// An engine that has ended left no job unanswered.
    pub(super) fn left(&self) -> Compared {
        match self.out.first() {
            Some((shard, id)) => Err(format!(
                "it ended while {} jobs were out, {id:?} of shard {} first",
                self.out.len(),
                shard.0
            )),
            None => Ok(1),
        }
    }

    pub(super) fn commanded(&mut self, id: CommandId) -> Compared {
        ensure(self.commands.insert(id) && !self.replied.contains(&id), || {
            format!("the world uses {id:?} twice")
        })?;
        Ok(0)
    }

    pub(super) fn replied(&mut self, id: CommandId) -> Compared {
        ensure(self.commands.remove(&id), || match self.replied.contains(&id) {
            true => format!("{id:?} is answered a second time"),
            false => format!("{id:?} is answered and was never given"),
        })?;
        self.replied.insert(id);
        Ok(1)
    }

    /// An engine that has ended left no command unanswered.
    pub(super) fn unanswered(&self) -> Compared {
        match self.commands.first() {
            Some(id) => {
                Err(format!("it ended and left {} commands unanswered, {id:?} first", self.commands.len()))
            }
            None => Ok(self.replied.len() as u64),
        }
    }
}

/// Turns at one moment of time that are not for ever: a shard's inputs are finite, and mail between shards in circles
/// would be a bug. (Thousands come together where a huge torrent is read byte by byte at one moment, hence not less.)
const SPINS: u64 = 100_000;

/// Turns in a row that a shard may want at once again without an input: a deadline that is due and not dealt with.
const WAKES: u32 = 1000;

/// Turns at one moment.
#[derive(Debug, Default)]
pub(super) struct Spins {
    at: Instant,
    turns: u64,
    wakes: u32,
}

impl Spins {
    pub(super) fn turn(&mut self, now: Instant, glance: &Glance) -> Compared {
        if self.at != now {
            *self = Spins { at: now, turns: 0, wakes: 0 };
        }
        self.turns += 1;
        ensure(self.turns < SPINS, || format!("{} turns at one moment", self.turns))?;
        ensure(glance.outbox == 0, || format!("{} outputs were left over by poll", glance.outbox))?;
        ensure(glance.mail == 0, || format!("{} letters within the shard were left unread", glance.mail))?;
        if let Some((at, reason)) = glance.wake
            && at <= now
        {
            self.wakes += 1;
            ensure(self.wakes < WAKES, || {
                format!("shard {} wants to be woken at {at:?} again and again: {reason:?}", glance.shard.0)
            })?;
        }
        Ok(1)
    }
}
