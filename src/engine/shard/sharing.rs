//! Whose turn it is to take what there is little of: shares of rates and of memory, upload slots, dials.

use std::collections::BTreeSet;
use std::ops::Bound;

use tide_base::{Duration, Instant};

use super::Shard;
use crate::crew::{FLOW, Turn};
use crate::desk::{Flow, Owner, Reason, Stock};

/// The least that a crew is allowed to read at a time: a usual block, or all time would go into small reads.
const RATION_MIN: u64 = 16 * 1024;

/// How often it is looked, at the most, who holds memory for uploads and does not read.
const LOOK: Duration = Duration::from_secs(1);

impl Shard {
    /// Those who wait for shares may find some. It is the next one's turn to look first, or the first would take all
    /// there is each time, and the others never get any.
    pub(super) fn wake_waiting(&mut self) {
        let mut waiting = self.desk.take_waiting();
        if let Some(next) = next_after(&waiting, Bound::Excluded(self.first)) {
            self.first = next;
        }
        self.touched.append(&mut waiting);
    }

    /// Whoever is to be settled next.
    pub(super) fn next_touched(&mut self) -> Option<Owner> {
        let next = next_after(&self.touched, Bound::Included(self.first))?;
        self.touched.remove(&next);
        Some(next)
    }

    pub(super) fn deal_out_slots(&mut self, now: Instant) {
        while let Some(slot) = self.desk.next_in_line() {
            let torrent = self.torrents.get_mut(slot).expect("whoever leaves waits no more");
            torrent.slot_came(now);
            self.touched.insert(Owner::Torrent(slot));
        }
    }

    pub(super) fn deal_out_dials(&mut self, now: Instant) {
        while let Some(slot) = self.desk.next_to_dial(now) {
            let crew = self.crews.get_mut(slot).expect("whoever disbands waits no more");
            crew.dial_next(&mut self.desk, now);
        }
    }

    pub(super) fn deal_out_reads(&mut self, now: Instant) {
        while let Some(slot) = self.desk.servers.next() {
            let crew = self.crews.get_mut(slot).expect("whoever disbands waits no more");
            if crew.serve_turn(&mut self.desk, now) == Turn::Kept {
                return self.desk.servers.keep_turn(slot);
            }
        }
    }

    /// Room for metadata goes to whoever waits longest. While somebody waits, whoever has had his turn makes way.
    pub(super) fn deal_out_metadata(&mut self, now: Instant) {
        while let Some(slot) = self.desk.seekers.next() {
            let torrent = self.torrents.get_mut(slot).expect("whoever leaves waits no more");
            let bytes = torrent.metadata_lacking();
            let may = bytes == 0 || self.desk.may_keep_metadata(bytes);
            if !may || !self.desk.purses.take(Stock::Metadata, bytes) {
                self.desk.seekers.keep_turn(slot);
                break;
            }
            torrent.metadata_room_came(bytes);
            self.touched.insert(Owner::Torrent(slot));
        }
        let desk = &mut self.desk;
        if desk.purses.is_pressed(Stock::Metadata) {
            let mut torrents = self.torrents.iter_mut();
            let made =
                torrents.find_map(|(slot, torrent)| torrent.make_way_for_metadata(desk, now).then_some(slot));
            self.touched.extend(made.map(Owner::Torrent));
        }
    }

    /// Those who wait to read get equal rations of what there is. Who has not used its ration by the next turn leaves it
    /// to the others.
    pub(super) fn deal_out_rations(&mut self, now: Instant) {
        let unlimited = self.desk.purses.unlimited(Flow::Down);
        let mut left = self.desk.purses.at_hand(now, Flow::Down).saturating_sub(self.rationed);
        let ration = (left / self.desk.readers.len().max(1) as u64).max(RATION_MIN);
        while left > 0
            && let Some(slot) = self.desk.readers.next()
        {
            let ration = if unlimited { u64::MAX } else { ration.min(left) };
            let crew = self.crews.get_mut(slot).expect("whoever disbands waits no more");
            crew.resume(&mut self.desk, now, ration);
            if !unlimited {
                left -= ration;
                self.rationed += ration;
            }
        }
        if !self.desk.readers.is_empty() {
            self.desk.purses.want(now, Flow::Down, FLOW);
        }
    }

    /// Somebody is short of memory: a crew that has some it does not need at once gives way, lest a torrent without
    /// peers hold what others wait for.
    pub(super) fn ease_memory(&mut self) {
        let desk = &mut self.desk;
        if desk.purses.is_pressed(Stock::Memory) && desk.memory.out() > 0 {
            let _ = self.crews.iter_mut().any(|(_, crew)| crew.give_way(desk));
        }
    }

    /// Somebody is short of memory for uploads: whoever holds some and does not read makes room.
    pub(super) fn ease_uploads(&mut self, now: Instant) {
        let desk = &mut self.desk;
        let stock = Stock::UploadMemory;
        if desk.purses.used(stock) == 0 || !desk.purses.is_pressed(stock) {
            return;
        }
        if self.hoarders_at <= now {
            self.hoarders_at = Instant::NEVER;
            for (slot, crew) in self.crews.iter_mut() {
                let (next, gone) = crew.part_hoarders(desk, now);
                self.hoarders_at = self.hoarders_at.min(next);
                self.touched.extend(gone.then_some(Owner::Crew(slot)));
            }
            // Who begins to hoard meanwhile is late no sooner.
            self.hoarders_at = self.hoarders_at.min(now + desk.limits.upload_wait).max(now + LOOK);
        }
        desk.timers.arm(Owner::Session, self.hoarders_at, Reason::Refill);
    }
}

/// The next in the order of keys, which goes on with the first after the last.
fn next_after(owners: &BTreeSet<Owner>, from: Bound<Owner>) -> Option<Owner> {
    owners.range((from, Bound::Unbounded)).next().or_else(|| owners.first()).copied()
}
