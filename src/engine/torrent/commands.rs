//! What the application wants of a torrent.

use tide_base::Instant;
use tide_tracker::TrackerUrl;
use tide_tracker::limits::ScheduleLimits;

use super::Torrent;
use super::book::Sources;
use super::life::{Leave, Phase, picker};
use super::words::Priority;
use crate::command::{Answer, CommandError, CommandId, RateLimits, Reply, TorrentCommand};
use crate::desk::Desk;
use crate::desk::gates::TorrentErrand;
use crate::event::Happening;
use crate::mail::ToCrew;

impl Torrent {
    /// Carries a command out; its answer may come later.
    pub fn command(&mut self, desk: &mut Desk, now: Instant, id: CommandId, command: TorrentCommand) {
        if matches!(self.phase, Phase::Leaving(_) | Phase::Gone) {
            return desk.reply(id, Err(CommandError::Gone));
        }
        if let Some(reply) = self.carry_out_command(desk, now, id, command) {
            desk.reply(id, reply);
        }
    }

    fn carry_out_command(
        &mut self,
        desk: &mut Desk,
        now: Instant,
        id: CommandId,
        command: TorrentCommand,
    ) -> Option<Reply> {
        let ok = Some(Ok(Answer::Ok));
        match command {
            TorrentCommand::Remove(content) => {
                self.leave(desk, now, Leave::Removed, content);
                self.removal.command = Some(id);
                None
            }
            TorrentCommand::Pause => {
                self.pause(desk, now);
                ok
            }
            TorrentCommand::Resume => {
                self.unpause(desk, now);
                ok
            }
            TorrentCommand::Recheck if matches!(self.phase, Phase::Moving) => {
                Some(Err(CommandError::Invalid("a torrent that is being moved cannot be checked")))
            }
            TorrentCommand::Recheck | TorrentCommand::SetPriorities(_) if self.is_sought() => {
                Some(Err(CommandError::Invalid("nothing is known of the files before the metadata has come")))
            }
            TorrentCommand::Recheck => {
                self.retry_for_somebody();
                self.halt(desk, now);
                self.doubt(now);
                self.reopen();
                ok
            }
            TorrentCommand::Move { to, volume } => self.begin_move(desk, now, id, to, volume),
            TorrentCommand::Reannounce => {
                self.schedule.reannounce(now);
                ok
            }
            TorrentCommand::Scrape => {
                self.schedule.want_scrape();
                ok
            }
            TorrentCommand::AddTracker(url) => Some(self.add_tracker(desk, now, &url)),
            TorrentCommand::RemoveTracker(url) => Some(self.remove_tracker(now, &url)),
            TorrentCommand::AddPeers(addrs) => {
                for addr in addrs {
                    self.book.add(now, addr, Sources::MANUAL, &mut desk.prng);
                }
                ok
            }
            TorrentCommand::SetLimits(limits) => {
                self.set_limits(desk, now, limits);
                ok
            }
            TorrentCommand::SetPriorities(given) => self.set_priorities(desk, now, id, &given),
            TorrentCommand::SetSequential(sequential) => {
                self.set_sequential(desk, now, sequential);
                ok
            }
            TorrentCommand::Learn { facts, web_seeds } => Some(self.metadata_given(*facts, web_seeds)),
            TorrentCommand::Peers => self.ask_members(desk, id),
            TorrentCommand::Stats => Some(Ok(Answer::Stats(Box::new(self.stats(now))))),
            TorrentCommand::Pieces => Some(Ok(Answer::Pieces(self.pieces()))),
            TorrentCommand::Files => Some(Ok(Answer::Files(self.file_infos()))),
            TorrentCommand::Metainfo => Some(Ok(Answer::Metainfo(self.metainfo()))),
            TorrentCommand::Trackers => Some(Ok(Answer::Trackers(self.tracker_infos(now)))),
        }
    }

    fn set_limits(&mut self, desk: &mut Desk, now: Instant, limits: RateLimits) {
        self.spec.limits = Some(limits);
        self.tell_crew(desk, ToCrew::Limits(limits));
        self.checkpoint.touched(now);
    }

    pub(super) fn set_sequential(&mut self, desk: &Desk, now: Instant, sequential: bool) {
        self.spec.sequential = Some(sequential);
        let copies: Vec<_> =
            self.swarm.iter().map(|(_, peer)| peer.has.clone()).filter(|has| !has.all()).collect();
        let picker = picker(desk, sequential, self.spec.layout.pieces());
        self.stock.set_picker(picker, &self.priorities, &copies);
        self.checkpoint.touched(now);
    }

    fn pause(&mut self, desk: &mut Desk, now: Instant) {
        self.spec.paused = Some(true);
        self.checkpoint.touched(now);
        // A crew may still be there that was kept for whoever chooses files.
        let kept = self.unlearnt && matches!(self.phase, Phase::Paused);
        if self.is_active() || kept || matches!(self.phase, Phase::Stopped(_)) {
            self.phase = Phase::Paused;
            self.retried = false;
            self.halt(desk, now);
            self.event(desk, Happening::Paused);
        }
    }

    fn unpause(&mut self, desk: &mut Desk, now: Instant) {
        self.spec.paused = Some(false);
        self.checkpoint.touched(now);
        self.retry_for_somebody();
        match self.phase {
            // What stopped before somebody paused it goes on as after trouble.
            Phase::Paused if self.trouble.is_some() => self.phase = Phase::Stopped(now),
            Phase::Paused => self.resuming = true,
            Phase::Stopped(_) => self.phase = Phase::Stopped(now),
            _ => {}
        }
        if self.resuming && self.is_quiet() {
            self.resuming = false;
            self.start(desk, now);
        }
    }

    /// A session that asks no trackers keeps them for one that does.
    fn add_tracker(&mut self, desk: &Desk, now: Instant, url: &str) -> Reply {
        let parsed = TrackerUrl::parse(url).map_err(|_| CommandError::Invalid("the tracker's URL"))?;
        let mut known = self.spec.tiers().iter().flatten();
        if known.any(|known| TrackerUrl::parse(known).as_ref() == Ok(&parsed)) {
            return Ok(Answer::Ok);
        }
        let full = Err(CommandError::Full("trackers of a torrent"));
        let tiers = self.spec.tiers();
        if tiers.iter().map(Vec::len).sum::<usize>() >= ScheduleLimits::default().trackers {
            return full;
        }
        if desk.setup.trackers && self.schedule.add(now, parsed, tiers.len() as u32).is_none() {
            return full;
        }
        self.spec.tiers_mut().push(vec![url.to_owned()]);
        self.checkpoint.touched(now);
        Ok(Answer::Ok)
    }

    fn remove_tracker(&mut self, now: Instant, url: &str) -> Reply {
        let parsed = TrackerUrl::parse(url).map_err(|_| CommandError::Invalid("the tracker's URL"))?;
        let is_it = |known: &String| TrackerUrl::parse(known).as_ref() == Ok(&parsed);
        if !self.spec.tiers().iter().flatten().any(is_it) {
            return Err(CommandError::Invalid("the torrent has no such tracker"));
        }
        let found = self.schedule.inspect().find(|status| *status.url == parsed).map(|status| status.key);
        // None if the session asks no trackers, or this one of a multitude was never asked.
        if let Some(key) = found {
            self.schedule.remove(key);
            self.announces.under_way.retain(|(_, due)| due.tracker != key);
        }
        let tiers = self.spec.tiers_mut();
        for tier in &mut *tiers {
            tier.retain(|known| !is_it(known));
        }
        tiers.retain(|tier| !tier.is_empty());
        self.checkpoint.touched(now);
        Ok(Answer::Ok)
    }

    fn set_priorities(
        &mut self,
        desk: &mut Desk,
        now: Instant,
        id: CommandId,
        given: &[u8],
    ) -> Option<Reply> {
        let parsed: Option<Vec<(usize, Priority)>> =
            given.iter().enumerate().map(|(i, &given)| Some((i, Priority::new(given)?))).collect();
        let Some(changes) = parsed else { return Some(Err(CommandError::Invalid("a priority is 0 to 7"))) };
        let before = self.wanted_files();
        let Ok(changed) = self.priorities.set_files(&changes) else {
            return Some(Err(CommandError::Invalid("there is one priority a file")));
        };
        self.spec.priorities = Some(self.file_priorities());
        for (piece, priority) in changed {
            if let Some((lease, crew)) = self.stock.prioritise(piece, priority) {
                desk.tell_crew(crew, self.key, ToCrew::Revoke(lease));
            }
        }
        self.tell_crew(desk, ToCrew::Missing(self.stock.missing(&self.priorities)));
        self.checkpoint.touched(now);
        self.selection_changed(desk, now);
        // Behind a move the store is opened anew, for what is wanted then.
        let selects = self.has_store() && !matches!(self.phase, Phase::Moving);
        if self.wanted_files() != before && selects {
            self.chores.push_back(TorrentErrand::Select);
            self.answer_later(id, TorrentErrand::Select);
            return None;
        }
        Some(Ok(Answer::Ok))
    }

    fn selection_changed(&mut self, desk: &mut Desk, now: Instant) {
        if !self.is_active() {
            return;
        }
        if self.is_complete() {
            self.complete(desk, now);
        } else {
            self.completed = false;
            self.choker.set_mode(super::choker::Mode::Leeching);
            self.book.set_seeding(false);
        }
    }
}
