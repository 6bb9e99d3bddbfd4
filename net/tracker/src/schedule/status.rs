//! What a user is shown of a tracker.

use super::line::Line;
use super::{Need, Tracker, TrackerKey};
use crate::error::Error;
use crate::url::TrackerUrl;
use tide_base::Instant;

/// How a tracker fares.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TrackerState {
    /// Not asked in this session: another one of its tier answers, or the torrent is stopped.
    Idle,
    /// An announce is under way.
    Asking,
    /// Its last announce was answered.
    Working,
    /// Its last announce failed, over every family that was tried.
    Failing,
}

/// What is known of a tracker, over both address families.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TrackerStatus<'s> {
    /// Its key.
    pub key: TrackerKey,
    /// Its URL; shown without credentials.
    pub url: &'s TrackerUrl,
    /// Its tier's number.
    pub tier: u32,
    /// How it fares.
    pub state: TrackerState,
    /// Failures in a row.
    pub fails: u32,
    /// Why the last announce failed; none as soon as one over either family is answered.
    pub last_error: Option<&'s Error>,
    /// What it wants the user to know.
    pub warning: Option<&'s str>,
    /// When it will be asked next, if nothing special happens; none if it will not be, or is being asked.
    pub next_announce: Option<Instant>,
    /// Peers that have everything, as it last said.
    pub seeds: Option<u32>,
    /// Peers that do not, as it last said.
    pub leechers: Option<u32>,
    /// Downloads that became complete, as it last said.
    pub downloads: Option<u32>,
}

pub(super) fn of(key: TrackerKey, tracker: &Tracker, tier: u32) -> TrackerStatus<'_> {
    let lines = &tracker.lines;
    let state = if lines.iter().any(|line| line.in_flight().is_some()) {
        TrackerState::Asking
    } else if lines.iter().any(Line::is_working) {
        TrackerState::Working
    } else if lines.iter().any(|line| line.fails > 0) {
        TrackerState::Failing
    } else {
        TrackerState::Idle
    };
    let answered = lines.iter().any(Line::is_working);
    let tried = lines.iter().filter(|line| line.is_working() || line.fails > 0);
    let next = tried.map(|line| line.ready_at(Need::Nothing)).min().filter(|&at| at != Instant::NEVER);
    let worst = lines.iter().max_by_key(|line| (line.fails, line.error != Some(Error::NoAddress)));
    let failing = worst.filter(|_| !answered);
    TrackerStatus {
        key,
        url: &tracker.url,
        tier,
        state,
        fails: failing.map_or(0, |line| line.fails),
        last_error: failing.and_then(|line| line.error.as_ref()),
        warning: tracker.warning.as_deref(),
        next_announce: next.filter(|_| state != TrackerState::Asking),
        seeds: lines.iter().filter_map(|line| line.seeds).max(),
        leechers: lines.iter().filter_map(|line| line.leechers).max(),
        downloads: lines.iter().filter_map(|line| line.downloads).max(),
    }
}
