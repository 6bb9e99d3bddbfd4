//! Trackers are asked as often as they allow; private torrents meet whom their trackers name.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use tide_base::{Duration, InfoHash, Instant};
use tide_engine::survey::RoleSurvey;
use tide_engine::{Event, Happening, Survey};
use tide_tracker::limits::ScheduleLimits;

use super::oracle::{Compared, ensure};
use super::view::Said;
use crate::tracker::Statement;

/// What a tracker said last, and when it was asked last.
#[derive(Clone, Copy, Debug)]
enum Last {
    /// It answered then: the least wait for a regular announce, and for one by hand.
    Answered(Instant, Duration, Duration),
    /// It failed then.
    Failed(Instant),
}

/// The trackers of one node, and whom they named.
#[derive(Debug, Default)]
pub(super) struct Trackers {
    last: BTreeMap<(InfoHash, u64), Last>,
    named: BTreeMap<InfoHash, BTreeSet<SocketAddr>>,
    /// What was complete at some time, in this life or an earlier one, or may have been without a word.
    complete: BTreeSet<InfoHash>,
    /// Bytes read for peers, in all lives: what resume data keep goes on from there.
    read: BTreeMap<InfoHash, u64>,
}

impl Trackers {
    /// A new process knows nothing of what trackers said to the last one.
    pub(super) fn restarted(&mut self) {
        self.last.clear();
    }

    pub(super) fn event(&mut self, event: &Event) {
        if let (Happening::Complete { .. }, Some(torrent)) = (&event.what, event.info_hashes.v1) {
            self.complete.insert(torrent);
        }
    }

    /// Other files are wanted. It may lack nothing of them from now on, and is complete only when what is under way of the
    /// others has come.
    pub(super) fn wants_else(&mut self, torrent: InfoHash) {
        self.complete.insert(torrent);
    }

    /// So many bytes were read for a peer.
    pub(super) fn read(&mut self, torrent: InfoHash, len: u64) {
        *self.read.entry(torrent).or_default() += len;
    }

    /// What a tracker was told, some time ago: all of this only grows.
    pub(super) fn told(&self, said: &Statement) -> Compared {
        let Statement { info_hash, event, left, uploaded, .. } = *said;
        // A torrent that was paused while it lacked something may lack nothing by the time it says that it is gone.
        let whole = left > 0 || event == tide_tracker::Event::Stopped || self.complete.contains(&info_hash);
        ensure(whole, || {
            format!("{info_hash:?} was never complete, and a tracker is told that it lacks nothing")
        })?;
        let read = self.read.get(&info_hash).copied().unwrap_or(0);
        ensure(uploaded <= read, || {
            format!("a tracker is told of {uploaded} bytes sent of {info_hash:?}; {read} were read")
        })?;
        Ok(u64::from(left == 0 || uploaded > 0))
    }

    pub(super) fn told_of(&mut self, torrent: InfoHash, addrs: impl IntoIterator<Item = SocketAddr>) {
        // A private torrent's resume data name whom its trackers and its user named in an earlier life.
        self.named.entry(torrent).or_default().extend(addrs);
    }

    pub(super) fn announced(&self, now: Instant, torrent: InfoHash, tracker: u64, said: Said) -> Compared {
        let limits = ScheduleLimits::default();
        let allowed = match (self.last.get(&(torrent, tracker)), said) {
            (None, _) | (Some(Last::Answered(..)), Said::Event) => return Ok(0),
            // It may be the last word, and by hand the time of asking counts: nobody knows it here.
            (Some(Last::Failed(_)), Said::Event | Said::ByHand) => return Ok(0),
            (Some(&Last::Answered(at, wait, _)), Said::Nothing) => at + wait,
            (Some(&Last::Answered(at, _, by_hand)), Said::ByHand) => at + by_hand,
            (Some(&Last::Failed(at)), Said::Nothing) => at + limits.first_retry,
        };
        ensure(now + OVERHEARD >= allowed, || {
            format!("{torrent:?} asks tracker {tracker} again at {now:?}, and may from {allowed:?} on")
        })?;
        Ok(1)
    }

    pub(super) fn answered(
        &mut self,
        now: Instant,
        torrent: InfoHash,
        tracker: u64,
        intervals: Option<(Option<Duration>, Duration)>,
    ) {
        let limits = ScheduleLimits::default();
        let bounded = |span: Duration| (!span.is_zero()).then(|| span.clamp(limits.shortest, limits.longest));
        let last = match intervals {
            Some((least, interval)) => {
                let least = least.and_then(bounded);
                let interval = bounded(interval).unwrap_or(limits.usual);
                let by_hand = least.unwrap_or(interval.min(limits.by_hand));
                Last::Answered(now, least.unwrap_or(interval), by_hand)
            }
            None => Last::Failed(now),
        };
        self.last.insert((torrent, tracker), last);
    }

    pub(super) fn unsure(&mut self, torrent: InfoHash, tracker: u64) {
        self.last.remove(&(torrent, tracker));
    }

    /// Whom a private torrent dials was named by its trackers.
    pub(super) fn private(&self, survey: &Survey) -> Compared {
        let mut compared = 0;
        let crews = survey.torrents.iter().filter(|torrent| torrent.private);
        for crew in crews.filter_map(|torrent| survey.crew_of(torrent)) {
            let dials = |role| matches!(role, RoleSurvey::Dialling(of) | RoleSurvey::Greeting(of, true) if of == crew.key);
            let dialled = survey.desk.conns.iter().filter(|conn| dials(conn.role)).map(|conn| conn.addr);
            let members = crew.members.iter().filter(|member| member.outgoing).map(|member| member.addr);
            for addr in dialled.chain(members).chain(crew.to_dial.iter().copied()) {
                let named = self.named.get(&crew.info_hash).is_some_and(|named| named.contains(&addr));
                ensure(named, || {
                    format!(
                        "{:?} is private and meets {addr}, whom neither a tracker nor the user named",
                        crew.torrent
                    )
                })?;
                compared += 1;
            }
        }
        Ok(compared)
    }
}

/// An answer is overheard when its last byte is there; the engine may have known enough of it before.
const OVERHEARD: Duration = Duration::from_secs(1);
