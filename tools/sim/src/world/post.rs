//! Mail between the shards of a node: first in, first out between any two, and in no other order.

use std::collections::{BTreeMap, VecDeque};

use tide_base::{Duration, Instant, ShardId};
use tide_engine::{Arrival, Mail};

use crate::actor::EndId;
use crate::dice::Dice;
use crate::mishap::{Mishap, Tally};

/// What goes from shard to shard.
#[derive(Debug)]
pub(crate) enum Letter {
    /// The engine's mail.
    Mail(Mail),
    /// A connection.
    HandOver {
        /// What its new owner must be told.
        arrival: Box<Arrival>,
        /// The stream.
        end: EndId,
    },
}

/// The longest that a letter takes.
const SLOW: Duration = Duration::from_secs(3);

/// Letters under way between the shards of one node.
#[derive(Debug)]
pub(crate) struct Post {
    dice: Dice,
    delay: Duration,
    ways: BTreeMap<(ShardId, ShardId), VecDeque<(Instant, Letter)>>,
}

impl Post {
    /// No letters; one takes up to `delay` if nothing is wrong.
    pub(crate) fn new(delay: Duration, dice: Dice) -> Post {
        Post { dice, delay, ways: BTreeMap::new() }
    }

    /// Takes a letter in. Its chance: [`Mishap::MailSlow`] a letter.
    pub(crate) fn send(&mut self, now: Instant, from: ShardId, to: ShardId, letter: Letter) {
        let usual = self.delay.as_nanos() as u64;
        let mut at = now + Duration::from_nanos(1 + self.dice.prng().below(usual + 1));
        if self.dice.hits(Mishap::MailSlow) {
            at += SLOW * (1 + self.dice.prng().below(100) as u32) / 100;
        }
        let way = self.ways.entry((from, to)).or_default();
        let at = way.back().map_or(at, |(last, _)| at.max(*last));
        way.push_back((at, letter));
    }

    /// When the next letter arrives.
    pub(crate) fn next_at(&self) -> Instant {
        let firsts = self.ways.values().filter_map(|way| way.front());
        firsts.map(|(at, _)| *at).min().unwrap_or(Instant::NEVER)
    }

    /// A letter that has arrived: from, to, what.
    pub(crate) fn poll(&mut self, now: Instant) -> Option<(ShardId, ShardId, Letter)> {
        let due = |way: &VecDeque<(Instant, Letter)>| way.front().is_some_and(|(at, _)| *at <= now);
        let key = *self.ways.iter().find(|(_, way)| due(way))?.0;
        let (_, letter) = self.ways.get_mut(&key)?.pop_front()?;
        Some((key.0, key.1, letter))
    }

    /// Letters under way.
    pub(crate) fn len(&self) -> usize {
        self.ways.values().map(VecDeque::len).sum()
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
