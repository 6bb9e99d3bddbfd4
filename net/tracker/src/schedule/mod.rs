//! When a torrent asks which of its trackers (BEP 12, BEP 27).
//!
//! Trackers stand in tiers. Within a tier the order is shuffled once; one that answers moves to the front. A *group* is
//! what one answer satisfies: each tier by itself, or all of them together ([`Policy`]). In each group, over each
//! address family that the torrent listens on, the first tracker that is not failing is the one that counts: when its
//! time has come, those in front of it whose back-off is over are tried first, then itself. Of a private torrent it is the
//! first that is not failing over some family: it alone is asked, over all that it has.

mod line;
mod status;

use crate::error::Error;
use crate::limits::{ScheduleLimits, TRACKER_ID_MAX};
use crate::request::{Event, Reply, Scraped};
use crate::url::TrackerUrl;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use line::Line;
use tide_base::addr::Family;
use tide_base::{Instant, Prng, SlotKey, Slots};

pub use status::{TrackerState, TrackerStatus};

/// One tracker of one torrent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TrackerKey(SlotKey);

/// How many trackers are asked besides each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Policy {
    /// One of each tier: tiers have different peers more often than not.
    EachTier,
    /// One in all: BEP 12 to the letter, and what private torrents must do (BEP 27).
    FirstThatAnswers,
}

/// Whether the torrent would like to be told of more peers before the interval has passed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Need {
    /// It is short of peers: announce as soon as the tracker's minimum interval allows.
    Peers,
    /// It can wait.
    Nothing,
}

/// An announce to be made now. It is handed back when it has succeeded or failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Due {
    /// Whom to ask.
    pub tracker: TrackerKey,
    /// Over which family.
    pub family: Family,
    /// What to tell.
    pub event: Event,
}

#[derive(Debug)]
struct Tracker {
    url: TrackerUrl,
    lines: [Line; 2],
    tracker_id: Option<Box<[u8]>>,
    warning: Option<String>,
    wants_scrape: bool,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Idle,
    Running,
    Stopping { until: Instant },
}

/// A torrent's trackers, and when to ask them.
#[derive(Debug)]
pub struct Schedule {
    limits: ScheduleLimits,
    policy: Policy,
    prng: Prng,
    phase: Phase,
    families: [bool; 2],
    trackers: Slots<Tracker>,
    /// The keys of each tier, by its number, in the order in which they are tried.
    tiers: BTreeMap<u32, Vec<TrackerKey>>,
}

impl Schedule {
    /// A schedule at rest of these tiers, each put into random order. A URL that comes again is left out, and so is
    /// what exceeds [`ScheduleLimits::trackers`]. Until [`listen`](Self::listen) says otherwise, both families are
    /// announced.
    pub fn new(limits: ScheduleLimits, policy: Policy, tiers: &[Vec<TrackerUrl>], prng: Prng) -> Schedule {
        let mut schedule = Schedule {
            limits,
            policy,
            prng,
            phase: Phase::Idle,
            families: [true; 2],
            trackers: Slots::new(),
            tiers: BTreeMap::new(),
        };
        for (tier, urls) in (0..).zip(tiers) {
            for url in urls {
                schedule.add(Instant::ZERO, url.clone(), tier);
            }
        }
        for keys in schedule.tiers.values_mut() {
            schedule.prng.shuffle(keys);
        }
        schedule
    }

    /// Another policy from now on: it has turned out that the torrent is private (BEP 27), say.
    pub fn set_policy(&mut self, policy: Policy) {
        self.policy = policy;
    }

    /// Says over which families announces are made: those that the session listens on.
    pub fn listen(&mut self, families: &[Family]) {
        self.families = Family::ALL.map(|family| families.contains(&family));
    }

    /// Adds a tracker to the end of a tier. Returns the key of the one that has this URL already, if there is one;
    /// `None` if there are too many.
    pub fn add(&mut self, now: Instant, url: TrackerUrl, tier: u32) -> Option<TrackerKey> {
        if let Some((key, _)) = self.trackers.iter().find(|(_, tracker)| tracker.url == url) {
            return Some(TrackerKey(key));
        }
        if self.trackers.len() >= self.limits.trackers {
            return None;
        }
        let lines = [Line::new(now), Line::new(now)];
        let tracker = Tracker { url, lines, tracker_id: None, warning: None, wants_scrape: false };
        let key = TrackerKey(self.trackers.insert(tracker));
        self.tiers.entry(tier).or_default().push(key);
        Some(key)
    }

    /// Forgets a tracker without a word to it; what is under way to it comes to nothing. False if it is gone already.
    pub fn remove(&mut self, key: TrackerKey) -> bool {
        for keys in self.tiers.values_mut() {
            keys.retain(|&other| other != key);
        }
        self.tiers.retain(|_, keys| !keys.is_empty());
        self.trackers.remove(key.0).is_some()
    }

    /// The URL of a tracker, unless it is gone.
    pub fn url(&self, key: TrackerKey) -> Option<&TrackerUrl> {
        self.trackers.get(key.0).map(|tracker| &tracker.url)
    }

    /// The tracker id to be handed back in an announce, if the tracker gave one.
    pub fn tracker_id(&self, key: TrackerKey) -> Option<&[u8]> {
        self.trackers.get(key.0)?.tracker_id.as_deref()
    }

    /// Begins a session: every tracker that is asked from now on is told `started`. False, and nothing else, while one
    /// runs.
    pub fn start(&mut self, now: Instant) -> bool {
        if matches!(self.phase, Phase::Running) {
            return false;
        }
        self.phase = Phase::Running;
        for line in self.lines_mut() {
            line.restart(now);
        }
        true
    }

    /// The download has become complete while running: trackers that know us hear `completed`, once.
    pub fn completed(&mut self) {
        for line in self.lines_mut() {
            line.completed();
        }
    }

    /// Ends the session: every tracker that may know us hears `stopped`, once, all at the same time, within
    /// [`ScheduleLimits::stop_budget`]. Other announces under way are to be given up; their results are ignored.
    pub fn stop(&mut self, now: Instant) {
        if matches!(self.phase, Phase::Running) {
            self.phase = Phase::Stopping { until: now + self.limits.stop_budget };
        }
    }

    /// Whether a stop has come to its end: every `stopped` has been answered, has failed, or is out of time.
    pub fn is_stopped(&self, now: Instant) -> bool {
        match self.phase {
            Phase::Idle => true,
            Phase::Running => false,
            Phase::Stopping { until } => {
                now >= until
                    || self
                        .trackers
                        .iter()
                        .flat_map(|(_, tracker)| &tracker.lines)
                        .all(|line| !line.owes_stopped() && line.in_flight() != Some(Event::Stopped))
            }
        }
    }

    /// Asks again as soon as the trackers allow; failing ones too. The user's wish.
    pub fn reannounce(&mut self, now: Instant) {
        let limits = self.limits;
        for line in self.lines_mut() {
            line.by_hand(now, &limits);
        }
    }

    /// Peers reach us at these ports now, over IPv4 and over IPv6: each tracker that was told another one is asked as soon
    /// as it allows.
    pub fn moved(&mut self, ports: [u16; 2]) {
        for (_, tracker) in self.trackers.iter_mut() {
            for (line, port) in tracker.lines.iter_mut().zip(ports) {
                line.moved(port);
            }
        }
    }

    /// The next announce to be made now, which tells the port of `ports` for its family; to be called until there is none.
    pub fn due(&mut self, now: Instant, need: Need, ports: [u16; 2]) -> Option<Due> {
        match self.phase {
            Phase::Idle => None,
            // At rest again: a stop whose time is up must not be a deadline for ever.
            Phase::Stopping { .. } if self.is_stopped(now) => {
                self.phase = Phase::Idle;
                None
            }
            Phase::Stopping { .. } => self.due_stopped(now),
            Phase::Running => {
                let (tracker, family) = self.pick(now, need)?;
                let event = self.line_mut(tracker, family)?.begin(now, ports[family as usize]);
                Some(Due { tracker, family, event })
            }
        }
    }

    /// When [`due`](Self::due) will next have something, or a stop's time is up.
    pub fn deadline(&self, need: Need) -> Instant {
        match self.phase {
            Phase::Idle => Instant::NEVER,
            Phase::Stopping { until } => until,
            Phase::Running => self
                .groups()
                .flat_map(|group| Family::ALL.map(|family| self.group_time(&group, family, need)))
                .min()
                .unwrap_or(Instant::NEVER),
        }
    }

    /// An announce was answered. The tracker moves to the front of its tier.
    pub fn replied(&mut self, now: Instant, due: Due, reply: &Reply) {
        let Some(tracker) = self.trackers.get_mut(due.tracker.0) else { return };
        let line = &mut tracker.lines[due.family as usize];
        if line.in_flight() != Some(due.event) {
            return;
        }
        line.replied(now, reply, &self.limits, &mut self.prng);
        if due.event != Event::Stopped {
            tracker.warning.clone_from(&reply.warning);
        }
        if let Some(id) = reply.tracker_id.as_ref().filter(|id| id.len() <= TRACKER_ID_MAX) {
            tracker.tracker_id = Some(id.clone());
        }
        for keys in self.tiers.values_mut() {
            if let Some(at) = keys.iter().position(|&key| key == due.tracker) {
                keys[..=at].rotate_right(1);
            }
        }
    }

    /// An announce failed. The next one of its group is tried; this one again after a back-off.
    pub fn failed(&mut self, now: Instant, due: Due, error: Error) {
        let Some(tracker) = self.trackers.get_mut(due.tracker.0) else { return };
        let line = &mut tracker.lines[due.family as usize];
        if line.in_flight() == Some(due.event) {
            line.failed(now, error, &self.limits, &mut self.prng);
        }
    }

    /// Asks for the swarm's numbers of the trackers that answer, or of all while none does.
    pub fn want_scrape(&mut self) {
        let none_works = !self.trackers.iter().any(|(_, tracker)| tracker.lines.iter().any(Line::is_working));
        for (_, tracker) in self.trackers.iter_mut() {
            tracker.wants_scrape |= none_works || tracker.lines.iter().any(Line::is_working);
        }
    }

    /// The next tracker to be scraped; to be called until there is none. A failed scrape needs no report.
    pub fn due_scrape(&mut self) -> Option<TrackerKey> {
        let (key, tracker) = self.trackers.iter_mut().find(|(_, tracker)| tracker.wants_scrape)?;
        tracker.wants_scrape = false;
        Some(TrackerKey(key))
    }

    /// A scrape was answered.
    pub fn scraped(&mut self, key: TrackerKey, numbers: &Scraped) {
        let Some(tracker) = self.trackers.get_mut(key.0) else { return };
        for line in &mut tracker.lines {
            line.seeds = Some(numbers.seeds);
            line.leechers = Some(numbers.leechers);
            line.downloads = Some(numbers.downloads);
        }
    }

    /// What is known of each tracker, tier by tier, in the order in which they are tried.
    pub fn inspect(&self) -> impl Iterator<Item = TrackerStatus<'_>> {
        self.tiers.iter().flat_map(move |(&tier, keys)| {
            keys.iter().filter_map(move |&key| Some(status::of(key, self.trackers.get(key.0)?, tier)))
        })
    }

    fn line(&self, key: TrackerKey, family: Family) -> Option<&Line> {
        let tracker = self.trackers.get(key.0)?;
        let asked = self.families[family as usize] && tracker.url.allows(family);
        asked.then_some(&tracker.lines[family as usize])
    }

    fn line_mut(&mut self, key: TrackerKey, family: Family) -> Option<&mut Line> {
        Some(&mut self.trackers.get_mut(key.0)?.lines[family as usize])
    }

    fn lines_mut(&mut self) -> impl Iterator<Item = &mut Line> {
        self.trackers.iter_mut().flat_map(|(_, tracker)| &mut tracker.lines)
    }

    fn groups(&self) -> impl Iterator<Item = Vec<TrackerKey>> + '_ {
        let all = match self.policy {
            Policy::FirstThatAnswers => Some(self.tiers.values().flatten().copied().collect()),
            Policy::EachTier => None,
        };
        let each = self.tiers.values().filter(move |_| self.policy == Policy::EachTier).cloned();
        all.into_iter().chain(each)
    }

    /// When something is to be done in a group: when the first tracker that is not failing is ready, or, if all fail,
    /// when the first back-off ends. Never while an announce is under way.
    fn group_time(&self, group: &[TrackerKey], family: Family, need: Need) -> Instant {
        let lines = || self.eligible(group).iter().filter_map(|&key| self.line(key, family));
        if lines().any(|line| line.in_flight().is_some()) {
            return Instant::NEVER;
        }
        let counts = lines().find(|line| line.fails == 0).map(|line| line.ready_at(need));
        counts.or_else(|| lines().map(|line| line.ready_at(need)).min()).unwrap_or(Instant::NEVER)
    }

    fn pick(&self, now: Instant, need: Need) -> Option<(TrackerKey, Family)> {
        let ready = |key, family| self.line(key, family).is_some_and(|line| line.ready_at(need) <= now);
        self.groups().find_map(|group| {
            let family =
                Family::ALL.into_iter().find(|&family| self.group_time(&group, family, need) <= now)?;
            let key = self.eligible(&group).iter().copied().find(|&key| ready(key, family))?;
            Some((key, family))
        })
    }

    /// Who of a group may be asked. Where one tracker is asked at a time (BEP 27), none behind the first that does not fail
    /// over every family: it may have no address of the other one.
    fn eligible<'a>(&self, group: &'a [TrackerKey]) -> &'a [TrackerKey] {
        let works = |key: &TrackerKey| {
            let mut lines = Family::ALL.into_iter().filter_map(|family| self.line(*key, family));
            lines.any(|line| line.fails == 0)
        };
        let one = group.iter().position(works).filter(|_| self.policy == Policy::FirstThatAnswers);
        one.map_or(group, |at| &group[..=at])
    }

    fn due_stopped(&mut self, now: Instant) -> Option<Due> {
        let (key, family) = self.trackers.iter().find_map(|(key, tracker)| {
            let family =
                Family::ALL.into_iter().find(|&family| tracker.lines[family as usize].owes_stopped())?;
            Some((TrackerKey(key), family))
        })?;
        self.line_mut(key, family)?.begin_stopped(now);
        Some(Due { tracker: key, family, event: Event::Stopped })
    }
}
