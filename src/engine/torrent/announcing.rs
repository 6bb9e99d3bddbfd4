//! When to ask which tracker, and what came of it.

use tide_base::Instant;
use tide_tracker::{
    Announce, Answer as TrackerAnswer, Due, Error, Event as TrackerEvent, Family, Need, Reply,
};

use super::Torrent;
use super::book::Sources;
use super::life::Phase;
use super::progress::Totals;
use crate::desk::Desk;
use crate::event::Happening;
use crate::mail::{AnnounceJob, Announced, Question, ToSession};

/// Peers asked for in one announce: what trackers commonly give at the most.
const WANT: u32 = 100;

/// With fewer known addresses than this a torrent that misses pieces asks as soon as it may.
const FEW: u32 = 20;

/// What trackers are told to be missing while nobody knows: a block.
const UNKNOWN_LEFT: u64 = 16 * 1024;

/// What trackers are being told.
#[derive(Debug, Default)]
pub(super) struct Announces {
    /// Those that are not answered, with the number of each.
    pub(super) under_way: Vec<(u64, Due)>,
    /// The last number.
    last: u64,
    /// What had been counted when trackers were last told `started`.
    before: Totals,
}

impl Torrent {
    /// Whether more peers are wanted soon.
    pub(super) fn need(&self) -> Need {
        let short = self.swarm.len() + self.dialling < FEW && self.is_active() && !self.is_complete();
        if short && self.book.deadline() == Instant::NEVER { Need::Peers } else { Need::Nothing }
    }

    /// When a tracker is to be asked.
    pub(super) fn schedule_deadline(&self, need: Need) -> Instant {
        match self.phase {
            Phase::Opening | Phase::Checking | Phase::Gone => Instant::NEVER,
            _ => self.schedule.deadline(need),
        }
    }

    /// Asks the trackers whose time has come.
    pub(super) fn announce(&mut self, desk: &mut Desk, now: Instant) {
        let (need, ports) = (self.need(), desk.announce_ports());
        while let Some(due) = self.schedule.due(now, need, ports) {
            self.ask(desk, due, ports[due.family as usize]);
        }
        while let Some(tracker) = self.schedule.due_scrape() {
            let Some(url) = self.schedule.url(tracker).cloned() else { continue };
            let hash = self.spec.info_hashes.v1.expect("every torrent has a v1 info-hash until v2 comes");
            let family = desk.families().first().copied().unwrap_or(Family::V4);
            let question = Question::Scrape(hash);
            let job = AnnounceJob { torrent: self.key, number: 0, tracker, url, family, question };
            desk.tell_session(ToSession::Announce(Box::new(job)));
        }
    }

    fn ask(&mut self, desk: &mut Desk, due: Due, port: u16) {
        let Some(url) = self.schedule.url(due.tracker).cloned() else { return };
        let totals = self.progress.totals();
        let before = self.announces.before;
        let announce = Announce {
            info_hash: self.spec.info_hashes.v1.expect("every torrent has a v1 info-hash until v2 comes"),
            peer_id: desk.setup.peer_id,
            port,
            uploaded: totals.uploaded.saturating_sub(before.uploaded),
            downloaded: totals.downloaded.saturating_sub(before.downloaded),
            left: self.bytes_missing(),
            corrupt: totals.corrupt.saturating_sub(before.corrupt),
            event: due.event,
            key: desk.setup.tracker_key,
            want: if due.event == TrackerEvent::Stopped { 0 } else { WANT },
            tracker_id: self.schedule.tracker_id(due.tracker).map(Into::into),
            ipv4: None,
            ipv6: None,
        };
        self.announces.last += 1;
        let number = self.announces.last;
        self.announces.under_way.push((number, due));
        let (torrent, tracker, family) = (self.key, due.tracker, due.family);
        let question = Question::Announce(Box::new(announce));
        let job = AnnounceJob { torrent, number, tracker, url, family, question };
        desk.tell_session(ToSession::Announce(Box::new(job)));
    }

    /// Announces begin with `started`, and count from here: each tracker adds up what each session tells.
    pub(super) fn start_announcing(&mut self, now: Instant) {
        if self.schedule.start(now) {
            self.announces.before = self.progress.totals();
        }
    }

    /// Announces end with `stopped`. Answers to what was asked before say nothing any more, above all not that whatever
    /// is told once the torrent has started again was heard.
    pub(super) fn stop_announcing(&mut self, now: Instant) {
        self.schedule.stop(now);
        self.announces.under_way.retain(|(_, due)| due.event == TrackerEvent::Stopped);
    }

    /// Bytes that are missing, also of files that are not wanted: who has a part is no seed (BEP 21). Who does not know how
    /// many says that there are some: nobody tells a seed of seeds.
    fn bytes_missing(&self) -> u64 {
        if self.is_sought() { UNKNOWN_LEFT } else { self.priorities.missing(self.stock.have()) }
    }

    /// A tracker answered, or did not.
    pub(super) fn announced(&mut self, desk: &mut Desk, now: Instant, announced: Announced) {
        if announced.event.is_none() {
            if let Ok(TrackerAnswer::Scraped(swarms)) = &announced.result
                && let Some(numbers) = swarms.first()
            {
                self.schedule.scraped(announced.tracker, numbers);
            }
            return;
        };
        let asked = self.announces.under_way.iter().position(|(number, _)| *number == announced.number);
        let Some(at) = asked else { return };
        let (_, due) = self.announces.under_way.swap_remove(at);
        match announced.result {
            Ok(TrackerAnswer::Announced(reply)) => self.replied(desk, now, due, reply),
            Ok(TrackerAnswer::Scraped(_)) => {
                let error = Error::Malformed("an announce is not answered with a scrape");
                self.refused(desk, now, due, error);
            }
            Err(error) => self.refused(desk, now, due, error),
        }
    }

    fn replied(&mut self, desk: &mut Desk, now: Instant, due: Due, reply: Reply) {
        self.schedule.replied(now, due, &reply);
        if let (Some(warning), Some(url)) = (&reply.warning, self.schedule.url(due.tracker)) {
            let what = Happening::Tracker { url: url.to_string(), message: warning.clone(), failed: false };
            self.event(desk, what);
        }
        log::debug!("{:?}: a tracker knows {} peers", self.key, reply.peers.len());
        for addr in reply.peers {
            let news = !self.book.knows(addr);
            self.book.add(now, addr, Sources::TRACKER, &mut desk.prng);
            // Who dialled us before his tracker told of him is not to be dialled in return while he is here.
            if news && self.swarm.iter().any(|(_, peer)| peer.listed == Some(addr)) {
                self.book.connected(now, addr);
            }
        }
    }

    fn refused(&mut self, desk: &mut Desk, now: Instant, due: Due, error: Error) {
        let told = !matches!(error, Error::NoAddress);
        if let Some(url) = self.schedule.url(due.tracker).filter(|_| told) {
            let what = Happening::Tracker { url: url.to_string(), message: error.to_string(), failed: true };
            self.event(desk, what);
        }
        self.schedule.failed(now, due, error);
    }
}
