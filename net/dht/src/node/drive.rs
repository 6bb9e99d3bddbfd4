//! Quests on their way: begun, asked for, told, ended.

use super::asks::Holder;
use super::quest::{Goal, Joining, News, Quest};
use super::upkeep::SHORTEST;
use super::{Node, Purpose};
use crate::calls::Late;
use crate::event::{Event, Failure, Outcome, QueryId};
use crate::krpc::{Ask, Want};
use crate::limits::{K, VALUES_MAX};
use crate::lookup::Lookup;
use tide_base::addr::Family;
use tide_base::{Instant, SlotKey};

impl Node {
    /// Begins queries that wait while there are few under way.
    pub(super) fn admit(&mut self, now: Instant) {
        while self.quests.len() < self.config.limits.active {
            let Some((goal, name)) = self.waiting.pop_front() else { return };
            let key = self.begin(now, goal, Some(name));
            self.names.insert(name, Holder::Quest(key));
        }
    }

    /// Begins rounds of announces that are due.
    pub(super) fn begin_rounds(&mut self, now: Instant) {
        while self.quests.len() < self.config.limits.active {
            let Some(&(at, id)) = self.due.first() else { return };
            if at > now {
                return;
            }
            self.due.pop_first();
            let standing = self.standing.get(&id).expect("what is due is kept");
            let (info_hash, announce) = (standing.info_hash, Some(standing.announce));
            let key = self.begin(now, Goal::Peers { info_hash, announce, scrape: false }, Some(id));
            let standing = self.standing.get_mut(&id).expect("what is due is kept");
            (standing.quest, standing.next) = (Some(key), Instant::NEVER);
        }
    }

    /// Begins a quest, with whom we know closest; where that is hardly anybody, with routers and saved nodes, too.
    pub(super) fn begin(&mut self, now: Instant, goal: Goal, name: Option<QueryId>) -> SlotKey {
        let target = goal.target();
        let mut quest = Quest::new(goal, name, now);
        for family in Family::ALL {
            let Some(half) = self.half(family).filter(|_| quest.goal.is_in(family)) else { continue };
            let mut lookup = Lookup::new(half.table.own(), target, self.config.locals, self.config.limits);
            let closest = half.table.closest(&target, 2 * K);
            closest.iter().for_each(|node| lookup.offer(*node, 0));
            if closest.len() < K {
                half.table.bad().take(2 * K).for_each(|node| lookup.offer(node, 0));
                half.saved.iter().for_each(|node| lookup.offer(*node, 0));
                let routers = self.routers.iter().filter(|addr| Family::of(addr.ip()) == family);
                routers.for_each(|addr| lookup.seed(*addr));
            }
            quest.lookups[family as usize] = Some(lookup);
        }
        let news = self.consult(now, &mut quest);
        self.tell_news(name, news);
        let key = self.quests.insert(quest);
        self.ready.insert(key);
        key
    }

    /// What is wanted may have been stored with ourselves: nobody else would tell us.
    fn consult(&mut self, now: Instant, quest: &mut Quest) -> News {
        let limits = self.config.limits;
        match &quest.goal {
            Goal::Peers { info_hash, announce, .. } => {
                let (info_hash, no_seeds) = (*info_hash, announce.is_some_and(|announce| announce.is_seed));
                let of = |family| {
                    let count = limits.peers_found.min(VALUES_MAX);
                    self.peers.some(now, &info_hash, family, no_seeds, count, &mut self.prng)
                };
                let known = Family::ALL.map(of).concat();
                quest.count_own(|| self.peers.filters(&info_hash));
                quest.take_peers(known, limits.peers_found)
            }
            Goal::Get(_) => match self.items.get(now, &quest.goal.target()) {
                Some(item) => quest.take_own(item),
                None => News::None,
            },
            Goal::Nodes(..) | Goal::Put { .. } => News::None,
        }
    }

    /// Sends what quests and the table want to send, as far as limits allow, and ends quests that are over.
    pub(super) fn drive(&mut self, now: Instant) {
        self.resume_at = Instant::NEVER;
        for key in core::mem::take(&mut self.ready) {
            self.drive_one(now, key);
        }
        while let Some(&to) = self.verify.front() {
            if !self.may_ask(now) {
                return;
            }
            self.verify.pop_front();
            self.ask(now, to, Purpose::Verify, Ask::Ping, Want::Same);
        }
    }

    fn drive_one(&mut self, now: Instant, key: SlotKey) {
        loop {
            let Some(quest) = self.quests.get_mut(key) else { return };
            if quest.advance() {
                return self.end(now, key);
            }
            if !quest.is_ready() {
                return;
            }
            if !self.may_ask(now) {
                self.ready.insert(key);
                return;
            }
            self.send_one(now, key);
        }
    }

    fn send_one(&mut self, now: Instant, key: SlotKey) {
        let Some(quest) = self.quests.get_mut(key) else { return };
        if let Some((to, family)) = quest.next_ask() {
            let ask = quest.goal.ask();
            let want = self.want(family);
            return self.ask(now, to, Purpose::Lookup(key, family), ask, want);
        }
        let Some(place) = quest.next_store() else { return };
        let to = place.contact.addr;
        let transaction = self.calls.begin(now, to, Purpose::Store(key), &mut self.transactions);
        let quest = self.quests.get(key).expect("it was there a moment ago");
        if let Some(ask) = quest.store(&place) {
            let datagram = self.written(to, &transaction, ask, Want::Same);
            self.send(to, datagram);
        }
    }

    /// Which nodes to ask for: both kinds while we know hardly any of one (BEP 32).
    fn want(&self, family: Family) -> Want {
        let other = if family == Family::V4 { Family::V6 } else { Family::V4 };
        match self.half(other) {
            Some(half) if half.table.len() < K => Want::Both,
            _ => Want::Same,
        }
    }

    /// What the time has done to requests.
    pub(super) fn expire_calls(&mut self, now: Instant) {
        while let Some(late) = self.calls.late(now) {
            match late {
                Late::Slow(to, Purpose::Lookup(key, family)) => {
                    let lookup = self.quests.get_mut(key).and_then(|quest| quest.lookup(family));
                    if let Some(lookup) = lookup {
                        lookup.took_long(to);
                        self.ready.insert(key);
                    }
                }
                Late::Slow(..) => {}
                Late::Dead(call) => {
                    self.counters.timeouts += 1;
                    self.silent(now, call.to);
                    match call.purpose {
                        Purpose::Lookup(key, family) => {
                            let lookup = self.quests.get_mut(key).and_then(|quest| quest.lookup(family));
                            if let Some(lookup) = lookup {
                                lookup.failed(call.to, call.is_slow);
                                self.ready.insert(key);
                            }
                        }
                        Purpose::Store(key) => {
                            if let Some(quest) = self.quests.get_mut(key) {
                                quest.pending -= 1;
                                self.ready.insert(key);
                            }
                        }
                        Purpose::Ping(id) | Purpose::Sample(id) => {
                            self.single_ended(id, Outcome::Failed(Failure::Timeout));
                        }
                        Purpose::Verify => drop(self.verifying.remove(&call.to)),
                    }
                }
            }
        }
    }

    /// A quest is over.
    fn end(&mut self, now: Instant, key: SlotKey) {
        let Some(quest) = self.quests.remove(key) else { return };
        let effort = quest.effort(now);
        self.counters.lookups += 1;
        self.counters.lookup_sends += effort.sends as u64;
        self.counters.lookup_hops += u64::from(effort.hops);
        if let Goal::Nodes(_, family, Joining::Yes) = quest.goal {
            self.join_ended(now, family, effort.answers);
        }
        let Some(query) = quest.name else { return };
        if let Some(standing) = self.standing.get_mut(&query) {
            let limits = self.config.limits;
            let wait = if quest.stored > 0 {
                standing.retry = limits.announce_retry;
                // Some earlier, some later, so that announces begun together do not stay so.
                let spread = (limits.announce / 8).as_nanos() as u64;
                limits.announce - core::time::Duration::from_nanos(self.prng.below(spread.max(1)))
            } else {
                let wait = standing.retry.max(SHORTEST);
                standing.retry = (wait * 2).min(limits.announce);
                wait
            };
            (standing.quest, standing.next) = (None, now + wait);
            self.due.insert((standing.next, query));
            let (found, announced) = (quest.found(), quest.stored);
            return self.tell(Event::Round { query, found, announced, effort });
        }
        self.names.remove(&query);
        let outcome = match quest.goal {
            _ if effort.answers == 0 && quest.item.is_none() => Outcome::Failed(Failure::NoNodes),
            Goal::Peers { .. } => {
                let (found, announced, swarm) = (quest.found(), quest.stored, quest.swarm());
                Outcome::Peers { found, announced, swarm, effort }
            }
            Goal::Get(_) => Outcome::Item { item: quest.item, effort },
            Goal::Put { .. } => Outcome::Stored { nodes: quest.stored, refused: quest.refused, effort },
            Goal::Nodes(..) => return,
        };
        self.tell(Event::Done { query, outcome });
    }
}
