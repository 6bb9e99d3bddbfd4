//! When which torrent is announced and its peers are looked for.
//!
//! One lookup a torrent at a time does both. So many are under way, and whoever is due longest is next.

use std::collections::{BTreeMap, BTreeSet};

use tide_base::{Duration, InfoHash, Instant, Prng};
use tide_dht::{Limits, QueryId};

use super::limits::{HUNGRY, RESERVED};
use super::words::Wish;
use crate::id::TorrentKey;

/// A torrent that is announced.
#[derive(Debug)]
struct Entry {
    info_hash: InfoHash,
    wish: Wish,
    /// The lookup under way.
    query: Option<QueryId>,
    /// When the last one ended, or before the first.
    last: Instant,
    /// When the next one begins: the entry in the list of what is due, never while one is under way.
    next: Instant,
    /// How long to wait if nobody answers, or while peers are missed.
    wait: Duration,
    /// Whether nobody answered last time.
    is_lost: bool,
    /// Whether what the lookup under way announces is no longer so.
    is_stale: bool,
}

/// How a lookup ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ended {
    /// Somebody answered.
    Reached,
    /// Nobody did.
    Lost,
}

/// When which torrent is announced.
#[derive(Debug)]
pub(super) struct Rota {
    entries: BTreeMap<TorrentKey, Entry>,
    due: BTreeSet<(Instant, TorrentKey)>,
    under_way: usize,
    most: usize,
    /// Between two announces of one torrent.
    announce: Duration,
    /// First wait after nobody answered.
    retry: Duration,
    prng: Prng,
}

impl Rota {
    pub(super) fn new(limits: &Limits, prng: Prng) -> Rota {
        Rota {
            entries: BTreeMap::new(),
            due: BTreeSet::new(),
            under_way: 0,
            most: limits.active.saturating_sub(RESERVED).max(1),
            announce: limits.announce,
            retry: limits.announce_retry.min(limits.announce),
            prng,
        }
    }

    /// A torrent is to be announced from now on, or in another way.
    pub(super) fn seek(&mut self, now: Instant, torrent: TorrentKey, info_hash: InfoHash, wish: Wish) {
        let retry = self.retry;
        let entry = self.entries.entry(torrent).or_insert_with(|| {
            self.due.insert((now, torrent));
            Entry {
                info_hash,
                wish,
                query: None,
                last: now,
                next: now,
                wait: retry,
                is_lost: true,
                is_stale: false,
            }
        });
        let was_hungry = core::mem::replace(&mut entry.wish, wish).is_hungry;
        if wish.is_hungry && !was_hungry && !entry.is_lost {
            entry.wait = HUNGRY.min(self.announce);
            let sooner = (entry.last + entry.wait).max(now);
            if entry.query.is_none() && sooner < entry.next {
                self.due.remove(&(entry.next, torrent));
                entry.next = sooner;
                self.due.insert((sooner, torrent));
            }
        }
    }

    /// A torrent is not announced any more; the lookup that was under way for it.
    pub(super) fn cease(&mut self, torrent: TorrentKey) -> Option<QueryId> {
        let entry = self.entries.remove(&torrent)?;
        self.due.remove(&(entry.next, torrent));
        self.under_way -= usize::from(entry.query.is_some());
        entry.query
    }

    /// The next torrent that is due, if there may be one more lookup; it is under way from now on, as `query`.
    pub(super) fn begin(&mut self, now: Instant, query: QueryId) -> Option<(TorrentKey, InfoHash, Wish)> {
        let &(at, torrent) = self.due.first()?;
        if at > now || self.under_way >= self.most {
            return None;
        }
        self.due.pop_first();
        self.under_way += 1;
        let entry = self.entries.get_mut(&torrent).expect("what is due is announced");
        (entry.query, entry.next, entry.is_stale) = (Some(query), Instant::NEVER, false);
        Some((torrent, entry.info_hash, entry.wish))
    }

    /// A torrent's lookup is over.
    pub(super) fn ended(&mut self, now: Instant, torrent: TorrentKey, how: Ended) {
        let Some(entry) = self.entries.get_mut(&torrent) else { return };
        if entry.query.take().is_none() {
            return;
        }
        self.under_way -= 1;
        entry.last = now;
        let was_lost = core::mem::replace(&mut entry.is_lost, how == Ended::Lost);
        let wait = match how {
            Ended::Lost => Some(if was_lost { entry.wait } else { self.retry }),
            Ended::Reached if entry.is_stale => Some(Duration::ZERO),
            Ended::Reached if entry.wish.is_hungry => Some(if was_lost { HUNGRY } else { entry.wait }),
            Ended::Reached => None,
        };
        let wait = match wait {
            Some(wait) => {
                let wait = wait.min(self.announce);
                entry.wait = (wait * 2).clamp(self.retry, self.announce);
                wait
            }
            None => {
                // Some earlier, some later, so that what began together does not stay so.
                let spread = (self.announce / 8).as_nanos() as u64;
                self.announce - Duration::from_nanos(self.prng.below(spread.max(1)))
            }
        };
        // Time must pass, whatever the limits say.
        entry.next = now + wait.max(Duration::from_millis(1));
        self.due.insert((entry.next, torrent));
    }

    /// Somebody can be asked now: who reached nobody need not wait any longer.
    pub(super) fn hurry(&mut self, now: Instant) {
        for (&torrent, entry) in &mut self.entries {
            if entry.is_lost && entry.query.is_none() && entry.next > now {
                self.due.remove(&(entry.next, torrent));
                (entry.next, entry.wait) = (now, self.retry);
                self.due.insert((now, torrent));
            }
        }
    }

    /// We are reached at another port: what was announced is no longer so.
    pub(super) fn moved(&mut self, now: Instant) {
        for (&torrent, entry) in &mut self.entries {
            if entry.query.is_some() {
                entry.is_stale = true;
            } else if !entry.is_lost && entry.next > now {
                self.due.remove(&(entry.next, torrent));
                entry.next = now;
                self.due.insert((now, torrent));
            }
        }
    }

    /// When the next torrent is due and may begin.
    pub(super) fn deadline(&self) -> Instant {
        let due = self.due.first().filter(|_| self.under_way < self.most);
        due.map_or(Instant::NEVER, |(at, _)| *at)
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn under_way(&self) -> usize {
        self.under_way
    }

    pub(super) fn torrents(&self) -> Vec<(TorrentKey, InfoHash)> {
        self.entries.iter().map(|(key, entry)| (*key, entry.info_hash)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tide_base::{ShardId, SlotKey};

    const CALM: Wish = Wish { is_seed: true, is_hungry: false };
    const HUNGRY_ONE: Wish = Wish { is_seed: false, is_hungry: true };

    fn key(n: u64) -> TorrentKey {
        TorrentKey { shard: ShardId(0), slot: SlotKey::from_bits(n) }
    }

    fn rota(active: usize) -> Rota {
        Rota::new(&Limits { active, ..Limits::default() }, Prng::new(1))
    }

    fn at(secs: u64) -> Instant {
        Instant::from_secs(secs)
    }

    #[test]
    fn so_many_are_under_way_and_the_others_follow_in_their_order() {
        let mut rota = rota(RESERVED + 2);
        for n in 0..5 {
            rota.seek(at(n), key(n), InfoHash([n as u8; 20]), CALM);
        }
        let begun: Vec<_> = (0..9).filter_map(|n| rota.begin(at(9), QueryId(n))).map(|it| it.0).collect();
        assert_eq!((begun, rota.under_way()), (vec![key(0), key(1)], 2));
        assert_eq!(rota.deadline(), Instant::NEVER, "the end of one is what the others wait for");
        rota.ended(at(10), key(1), Ended::Reached);
        assert_eq!(rota.begin(at(10), QueryId(7)).map(|it| it.0), Some(key(2)));
        assert_eq!(rota.cease(key(2)), Some(QueryId(7)));
        assert_eq!((rota.under_way(), rota.len()), (1, 4));
    }

    #[test]
    fn who_has_peers_is_announced_each_quarter_of_an_hour_and_who_has_not_sooner() {
        let next = |rota: &mut Rota, now: &mut Instant| {
            let before = *now;
            *now = rota.deadline();
            rota.begin(*now, QueryId(0)).expect("it is due");
            rota.ended(*now, key(0), Ended::Reached);
            now.since(before).as_secs()
        };
        let mut calm = rota(32);
        let mut now = at(100);
        calm.seek(now, key(0), InfoHash([0; 20]), CALM);
        assert_eq!(next(&mut calm, &mut now), 0);
        for _ in 0..9 {
            let waited = next(&mut calm, &mut now);
            assert!((787..=900).contains(&waited), "{waited}");
        }
        // It misses peers now: the next lookup is a minute after the last one, not another quarter of an hour.
        calm.seek(now + Duration::from_secs(10), key(0), InfoHash([0; 20]), HUNGRY_ONE);
        let waits: Vec<u64> = (0..7).map(|_| next(&mut calm, &mut now)).collect();
        assert_eq!(waits, [60, 60, 120, 240, 480, 900, 900]);
    }

    #[test]
    fn who_reaches_nobody_tries_soon_and_at_once_when_somebody_is_there() {
        let mut rota = rota(32);
        let mut now = at(1);
        rota.seek(now, key(0), InfoHash([0; 20]), CALM);
        let mut waits = Vec::new();
        for _ in 0..8 {
            rota.begin(now, QueryId(0)).expect("it is due");
            rota.ended(now, key(0), Ended::Lost);
            waits.push(rota.deadline().since(now).as_secs());
            now = rota.deadline();
        }
        assert_eq!(waits, [20, 40, 80, 160, 320, 640, 900, 900]);
        rota.begin(now, QueryId(0)).expect("it is due");
        rota.ended(now, key(0), Ended::Lost);
        rota.hurry(now);
        assert_eq!(rota.deadline(), now);
    }

    #[test]
    fn who_is_reached_at_another_port_says_so_at_once() {
        let mut rota = rota(32);
        for n in 0..2 {
            rota.seek(at(1), key(n), InfoHash([n as u8; 20]), CALM);
            rota.begin(at(1), QueryId(n)).expect("it is due");
        }
        rota.ended(at(2), key(0), Ended::Reached);
        rota.moved(at(3));
        assert_eq!(rota.begin(at(3), QueryId(2)).map(|it| it.0), Some(key(0)));
        rota.ended(at(4), key(1), Ended::Reached);
        assert_eq!(
            rota.deadline(),
            at(4) + Duration::from_millis(1),
            "what it announced was of the old port"
        );
        assert_eq!(rota.begin(at(5), QueryId(3)).map(|it| it.0), Some(key(1)));
        rota.ended(at(6), key(1), Ended::Reached);
        rota.ended(at(6), key(0), Ended::Reached);
        assert!(rota.deadline() > at(700));
    }
}
