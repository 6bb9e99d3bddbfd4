//! Memory is short: chunks of unfinished pieces go to the disk, coldest first, and come back when a block for them
//! arrives or their piece is hashed. Whoever finds no memory is not read meanwhile; TCP tells the sender.

use std::collections::BTreeSet;

use tide_base::{Chunk, Instant, PieceIndex};
use tide_disk::{Outcome, Task, Trouble};
use tide_peer::Want;

use super::Crew;
use super::lease::{Place, Stage};
use super::member::{Member, Parked};
use crate::desk::gates::{CrewErrand, Errand, LeaseRef};
use crate::desk::{Desk, Stock};
use crate::mail::ToTorrent;

impl Crew {
    /// Frees memory for members that are not read for lack of it, or lets them go on if there is some.
    pub(super) fn relieve(&mut self, desk: &mut Desk, now: Instant) {
        if !self.starved {
            return;
        }
        let starving = self.parked(Parked::Memory) + self.starving_jobs();
        self.starved = starving > 0;
        if !self.starved {
            return;
        }
        desk.wait_for_shares(self.key);
        for _ in self.leaving..starving {
            let Some((piece, chunk)) = self.coldest() else { break };
            self.page_out(desk, piece, chunk);
        }
        let chunk_len = u64::from(desk.limits.chunk_len);
        if desk.purses.has(Stock::Memory, chunk_len) {
            self.retry_paging(desk);
        }
        if desk.purses.has(Stock::Memory, chunk_len) {
            self.unpark(desk, now, |parked| parked == Parked::Memory);
        }
    }

    /// Somebody else is short of memory: brings a chunk to the disk, one at a time. False if there is none.
    pub fn give_way(&mut self, desk: &mut Desk) -> bool {
        if self.leaving == 0
            && let Some((piece, chunk)) = self.coldest()
        {
            self.page_out(desk, piece, chunk);
        }
        self.leaving > 0
    }

    fn coldest(&self) -> Option<(PieceIndex, usize)> {
        self.leases.coldest(&self.awaited())
    }

    /// The chunks that members write into as soon as they are read: each has begun a block there. What has come back
    /// for one of them must not leave before he was read, else two who lack memory drive each other's out for ever.
    fn awaited(&self) -> BTreeSet<(PieceIndex, usize)> {
        let awaits = |member: &Member| {
            let Want::Payload { span, at: 0 } = member.session.want() else { return None };
            let block = self.facts.layout.block(span)?;
            let lease = self.leases.get(span.piece).filter(|lease| lease.needs(block.block))?;
            // Whoever waits for memory anywhere is not read before there is some, and perhaps this is it.
            (member.parked != Some(Parked::Memory)).then(|| (span.piece, lease.chunk_of(block.block).0))
        };
        self.roster.iter().filter_map(|(_, member)| awaits(member)).collect()
    }

    fn parked(&self, why: Parked) -> u32 {
        self.roster.iter().filter(|(_, member)| member.parked == Some(why)).count() as u32
    }

    fn starving_jobs(&self) -> u32 {
        self.waiting_in.len() as u32
    }

    fn page_out(&mut self, desk: &mut Desk, piece: PieceIndex, chunk: usize) {
        let (key, store, volume) = (self.key, self.facts.store, self.facts.volume);
        let Some(lease) = self.leases.get_mut(piece) else { return };
        let id = lease.id;
        let memory = lease.take_held(chunk, Place::Leaving);
        lease.jobs += 1;
        self.leaving += 1;
        let task = Task::Write { piece, offset: lease.chunk_start(chunk), chunks: vec![memory] };
        desk.gates.disk(volume, store, task, Errand::Crew(key, CrewErrand::PageOut(id, chunk as u32)));
    }

    /// A chunk has gone to the disk, or not.
    pub(super) fn paged_out(
        &mut self,
        desk: &mut Desk,
        now: Instant,
        id: LeaseRef,
        chunk: u32,
        mut chunks: Vec<Chunk>,
        result: Result<Outcome, Trouble>,
    ) {
        self.leaving -= 1;
        let memory = chunks.pop().expect("a chunk comes back with its job");
        let lease = self.leases.find(id).expect("a lease outlives its jobs");
        lease.jobs -= 1;
        match result {
            Ok(_) => {
                lease.replace(chunk as usize, Place::Away);
                lease.set_on_disk(chunk as usize, true);
                desk.give_chunk(memory);
            }
            Err(trouble) => {
                lease.replace(chunk as usize, Place::Held(memory));
                lease.doomed |= matches!(lease.stage, Stage::Writing);
                desk.tell_torrent(self.torrent, ToTorrent::Trouble(trouble));
            }
        }
        self.after_paging(desk, now, id);
    }

    /// Brings a chunk back into memory, now or when there is some.
    pub(super) fn page_in(&mut self, desk: &mut Desk, id: LeaseRef, chunk: usize) {
        let (key, store, volume) = (self.key, self.facts.store, self.facts.volume);
        let Some(lease) = self.leases.find(id) else { return };
        if !matches!(lease.place(chunk), Place::Away) {
            return;
        }
        let Some(mut memory) = desk.take_chunk(lease.chunk_capacity(chunk)) else {
            self.waiting_in.insert((id, chunk as u32));
            self.starved = true;
            return;
        };
        memory.set_len(lease.chunk_bytes(chunk));
        lease.replace(chunk, Place::Coming);
        lease.jobs += 1;
        let task = Task::Load { piece: id.piece, offset: lease.chunk_start(chunk), chunks: vec![memory] };
        desk.gates.disk(volume, store, task, Errand::Crew(key, CrewErrand::PageIn(id, chunk as u32)));
    }

    fn retry_paging(&mut self, desk: &mut Desk) {
        for (id, chunk) in core::mem::take(&mut self.waiting_in) {
            self.page_in(desk, id, chunk as usize);
        }
    }

    /// A chunk has come back from the disk, or not.
    pub(super) fn paged_in(
        &mut self,
        desk: &mut Desk,
        now: Instant,
        id: LeaseRef,
        chunk: u32,
        mut chunks: Vec<Chunk>,
        result: Result<Outcome, Trouble>,
    ) {
        let memory = chunks.pop().expect("a chunk comes back with its job");
        let lease = self.leases.find(id).expect("a lease outlives its jobs");
        lease.jobs -= 1;
        lease.replace(chunk as usize, Place::Held(memory));
        match result {
            Ok(Outcome::Loaded { complete: true }) => self.after_paging(desk, now, id),
            Ok(_) => self.end_lease(desk, now, id),
            Err(trouble) => {
                desk.tell_torrent(self.torrent, ToTorrent::Trouble(trouble));
                self.end_lease(desk, now, id);
            }
        }
    }

    fn after_paging(&mut self, desk: &mut Desk, now: Instant, id: LeaseRef) {
        let Some(lease) = self.leases.find(id) else { return };
        if lease.doomed {
            if lease.jobs == 0 {
                self.end_lease(desk, now, id);
            }
        } else if matches!(lease.stage, Stage::Writing) {
            self.write_ends(desk, now, id);
        } else if matches!(lease.stage, Stage::Hashing { stream: Some(_), .. }) {
            self.hash_more(desk, id);
        } else if matches!(lease.stage, Stage::Blaming { .. }) {
            self.blame_more(desk, id);
        } else {
            self.unpark_paging(desk, now, id.piece);
        }
    }

    /// Lets members go on that waited for memory of this piece.
    pub(super) fn unpark_paging(&mut self, desk: &mut Desk, now: Instant, piece: PieceIndex) {
        self.unpark(desk, now, |parked| parked == Parked::Paging(piece));
    }

    /// Lets those members be read again whose reason for waiting is gone.
    pub(super) fn unpark(&mut self, desk: &mut Desk, now: Instant, gone: impl Fn(Parked) -> bool) {
        for (_, member) in self.roster.iter_mut() {
            if member.parked.is_some_and(&gone) {
                member.unpark(desk, now);
            }
        }
    }
}
