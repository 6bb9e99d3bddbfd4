//! Figures of a torrent, for people and programs.

use tide_base::{Bits, Instant, PieceIndex};
use tide_tracker::TrackerState;

use super::Torrent;
use super::life::Phase;
use crate::command::{Answer, CommandId, Reply};
use crate::desk::Desk;
use crate::mail::ToCrew;
use crate::stats::{FileInfo, PeerInfo, PieceInfo, State, TorrentStats, TrackerInfo};

impl Torrent {
    /// What it is doing.
    pub fn state(&self) -> State {
        match self.phase {
            Phase::Opening => State::Opening,
            // It is opened anew as soon as nothing is under way any more.
            Phase::Stopped(_) if self.standing_trouble().is_none() => State::Opening,
            Phase::Checking => State::Checking,
            Phase::Active if self.is_sought() => State::Metadata,
            Phase::Active if self.is_complete() => State::Seeding,
            Phase::Active => State::Downloading,
            Phase::Paused => State::Paused,
            Phase::Stopped(_) => State::Stopped,
            Phase::Moving => State::Moving,
            Phase::Leaving(_) | Phase::Gone => State::Leaving,
        }
    }

    /// The torrent's figures.
    pub(super) fn stats(&mut self, now: Instant) -> TorrentStats {
        let (wanted, left) = (self.priorities.wanted_bytes(), self.priorities.left(self.stock.have()));
        let totals = self.progress.totals();
        let (checked, to_check) = self.checker.as_ref().map_or((0, 0), super::check::Checker::progress);
        let copies = self.availability.distributed_copies();
        // How much is left is not known before the metadata is.
        let known = self.is_active() && self.quest.is_none();
        let eta = if known { self.progress.eta(now, left) } else { None };
        TorrentStats {
            info_hashes: self.spec.info_hashes,
            name: self.spec.name.clone(),
            state: self.state(),
            metadata: self.quest.as_ref().map(super::quest::Quest::progress),
            size: self.spec.layout.total(),
            wanted,
            done: wanted - left,
            pieces: self.spec.layout.pieces(),
            pieces_done: self.stock.have().count(),
            checked,
            to_check,
            downloaded: totals.downloaded,
            uploaded: totals.uploaded,
            corrupt: totals.corrupt,
            wasted: totals.wasted,
            down_rate: self.progress.down_rate(now),
            up_rate: self.progress.up_rate(now),
            peers: self.swarm.len(),
            seeds: self.swarm.seeds(),
            connecting: self.dialling,
            known: self.book.len() as u32,
            unchoked: self.swarm.unchoked(),
            copies: (copies.whole, copies.thousandths),
            eta,
            trouble: self.standing_trouble().cloned(),
        }
    }

    /// The torrent's pieces.
    pub(super) fn pieces(&self) -> PieceInfo {
        let pieces = self.spec.layout.pieces();
        let mut active = Bits::new(pieces);
        for piece in self.stock.leased() {
            active.set(piece.0);
        }
        PieceInfo {
            have: self.stock.have().clone(),
            wanted: self.priorities.wanted().clone(),
            active,
            copies: (0..pieces).map(|piece| self.availability.of(PieceIndex(piece))).collect(),
        }
    }

    /// The torrent's files.
    pub(super) fn file_infos(&self) -> Vec<FileInfo> {
        let info = |(i, file): (usize, &tide_disk::FileEntry)| FileInfo {
            path: file.path.clone(),
            size: file.len,
            done: self.priorities.file_progress(i, self.stock.have()),
            priority: self.priorities.file(i).map_or(0, |priority| priority.get()),
            padding: file.padding,
        };
        self.spec.files.files().iter().enumerate().map(info).collect()
    }

    /// The torrent's trackers.
    pub(super) fn tracker_infos(&self, now: Instant) -> Vec<TrackerInfo> {
        let info = |status: tide_tracker::TrackerStatus<'_>| TrackerInfo {
            url: status.url.to_string(),
            tier: status.tier,
            working: matches!(status.state, TrackerState::Working),
            announcing: matches!(status.state, TrackerState::Asking),
            fails: status.fails,
            last_error: status.last_error.map(ToString::to_string),
            warning: status.warning.map(ToString::to_string),
            next_announce: status.next_announce.map(|at| now.until(at)),
            seeds: status.seeds,
            leechers: status.leechers,
            downloads: status.downloads,
        };
        self.schedule.inspect().map(info).collect()
    }

    /// Asks the crew about its members, for a command.
    pub(super) fn ask_members(&mut self, desk: &mut Desk, id: CommandId) -> Option<Reply> {
        if self.crew.is_none() {
            return Some(Ok(Answer::Peers(Vec::new())));
        }
        self.next_answer += 1;
        self.answers.insert(self.next_answer, id);
        self.tell_crew(desk, ToCrew::Inspect(self.next_answer));
        None
    }

    /// A crew tells about its members.
    pub(super) fn members(&mut self, desk: &mut Desk, id: u64, peers: Vec<PeerInfo>) {
        if let Some(id) = self.answers.remove(&id) {
            desk.reply(id, Ok(Answer::Peers(peers)));
        }
    }
}
