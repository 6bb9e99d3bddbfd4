//! Requests of members: neighbours are read together, the blocks are lent to the session, and what was sent is given
//! back to the allowance.

use std::collections::BTreeSet;

use tide_base::{Instant, Payload, SlotKey, Span};
use tide_disk::{Outcome, Task, Trouble};

use super::Crew;
use super::member::Member;
use crate::border::{NetError, Output};
use crate::desk::gates::{CrewErrand, Errand};
use crate::desk::{Desk, Flow, Stock};
use crate::mail::{End, ToTorrent};
use crate::shard::Slices;
use tide_base::Duration;

/// How long a member waits for a used-up rate to refill before it is looked at again.
pub(super) const REFILL: Duration = Duration::from_millis(25);

/// Bytes of a flow that are asked for at a time; the treasury gives as much of it as the rate allows at once.
pub const FLOW: u64 = 1 << 20;

/// What a peer took in so many seconds may be ready for it: as long as rates are measured. So it waits for no disk, and
/// whoever reads slowly, or hardly at all, holds little of the memory that all of them share.
const AHEAD: u64 = 4;

/// Blocks that may always be ready for a peer, however little it reads, and whoever waits.
const AHEAD_LEAST: u64 = 2;

/// What came of looking whether there is something to read for a member.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Look {
    /// One read is begun.
    Begun,
    /// There is nothing to be read for it now.
    Idle,
    /// The torrent's own rate is used up.
    Slow,
    /// The session's rate is, or its memory for uploads: others may wait as well.
    Short,
}

/// What came of a crew's turn to serve.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Turn {
    /// It was used, or nobody needed it.
    Over,
    /// It comes again as soon as there is something to be had.
    Kept,
}

impl Crew {
    /// Reads what members wait for, as far as the allowances go; if other crews wait already, when it is this one's
    /// turn.
    pub(super) fn serve_all(&mut self, desk: &mut Desk, now: Instant) {
        let mut waiting = core::mem::take(&mut self.unserved);
        let known: BTreeSet<SlotKey> = waiting.iter().copied().collect();
        waiting.extend(self.roster.take_busy().into_iter().filter(|key| !known.contains(key)));
        let mut others_first = desk.servers.has_others(self.key);
        while let Some(key) = waiting.pop_front() {
            let look =
                if others_first { self.needs(desk, now, key) } else { self.serve_next(desk, now, key) };
            match look {
                // Once round, so that nobody takes it all.
                Look::Begun => waiting.push_back(key),
                Look::Idle => self.served(desk, key),
                Look::Slow | Look::Short => {
                    others_first |= look == Look::Short;
                    self.unserved.push_back(key);
                    self.served(desk, key);
                }
            }
        }
        if others_first && !self.unserved.is_empty() {
            desk.servers.join(self.key);
        }
    }

    /// It is this crew's turn: one read for the member who waits longest.
    pub fn serve_turn(&mut self, desk: &mut Desk, now: Instant) -> Turn {
        while let Some(key) = self.unserved.pop_front() {
            let look = self.serve_next(desk, now, key);
            if look != Look::Short {
                self.served(desk, key);
            }
            match look {
                Look::Begun => {
                    self.unserved.push_back(key);
                    desk.servers.join(self.key);
                    return Turn::Over;
                }
                Look::Idle => {}
                Look::Slow => {
                    self.unserved.push_back(key);
                    return Turn::Over;
                }
                Look::Short => {
                    self.unserved.push_front(key);
                    return Turn::Kept;
                }
            }
        }
        Turn::Over
    }

    fn served(&mut self, desk: &mut Desk, key: SlotKey) {
        self.offer(desk, key);
        self.rearm(desk, key);
    }

    /// Whether a member needs something of which others are to have first.
    fn needs(&mut self, desk: &Desk, now: Instant, key: SlotKey) -> Look {
        let ahead = self.ahead(desk, now, key);
        let needs = |member: &Member| member.waits() || self.metadata_due(member).is_some();
        let needs = self.roster.get(key).is_some_and(|member| member.lent < ahead && needs(member));
        if needs { Look::Short } else { Look::Idle }
    }

    /// Bytes of which nothing more is read for a member.
    fn ahead(&mut self, desk: &Desk, now: Instant, key: SlotKey) -> u64 {
        let (least, most) = (u64::from(self.facts.layout.block_len()), u64::from(desk.limits.upload_ahead));
        let rate = self.roster.get_mut(key).map_or(0, |member| member.up.rate(now));
        (rate * AHEAD).max(least).min(most)
    }

    /// Others wait for memory for uploads: those who have more than a little of it, and have stopped to read, go. When to
    /// look again, and whether anybody went.
    pub fn part_hoarders(&mut self, desk: &mut Desk, now: Instant) -> (Instant, bool) {
        let (little, wait) =
            (AHEAD_LEAST * u64::from(self.facts.layout.block_len()), desk.limits.upload_wait);
        let hoards = |(key, member): (SlotKey, &Member)| {
            (member.lent - member.reading > little).then_some((key, member.unsent.0 + wait))
        };
        let hoarders: Vec<(SlotKey, Instant)> = self.roster.iter().filter_map(hoards).collect();
        let (mut next, mut gone) = (Instant::NEVER, false);
        for (key, until) in hoarders {
            match until <= now {
                true => self.leave(desk, key, End::Lost(NetError::TimedOut)),
                false => next = next.min(until),
            }
            gone |= until <= now;
        }
        (next, gone)
    }

    /// Bytes of the piece of metadata that a member is to be sent next, if it reads what it was sent.
    fn metadata_due(&self, member: &Member) -> Option<u64> {
        let metadata = self.facts.metadata.as_ref()?;
        let due = member.metadata.due(metadata, member.session.outgoing(), &self.config.limits);
        due.map(u64::from)
    }

    /// Queues one piece of metadata (BEP 9) for a member that waits for one, within the limits of what goes out: it is no
    /// content, and fills the line as much.
    fn serve_metadata(&mut self, desk: &mut Desk, now: Instant, key: SlotKey) -> Look {
        let due = self.roster.get(key).and_then(|member| self.metadata_due(member));
        let (Some(len), Some(member)) = (due, self.roster.get_mut(key)) else { return Look::Idle };
        let missing = len.saturating_sub(member.metadata_paid);
        let own = self.up.available(now).min(missing);
        let paid = desk.purses.draw(now, Flow::Up, own);
        self.up.take(now, paid);
        member.metadata_paid += paid;
        if paid < own {
            desk.purses.want(now, Flow::Up, FLOW);
            return Look::Short;
        }
        if own < missing {
            self.wait_for_refill(desk, now, self.up.rate());
            return Look::Slow;
        }
        // Reads are longer but where limits are tiny, and for a read there is always room in the end.
        let lent = len.min(desk.limits.read_len.into());
        if !desk.purses.take(Stock::UploadMemory, lent) {
            return Look::Short;
        }
        let metadata = self.facts.metadata.as_ref().expect("it is due");
        let piece = member.metadata.next(metadata, member.session.outgoing(), &self.config.limits);
        member.metadata_paid -= len;
        if member.session.answer_metadata(now, &piece.expect("it is due")) {
            member.lent += lent;
            member.metadata_lent += lent;
            member.lends(now);
        } else {
            desk.purses.give(Stock::UploadMemory, lent);
        }
        Look::Begun
    }

    /// Begins one read for a member, if there is something to read for it now.
    fn serve_next(&mut self, desk: &mut Desk, now: Instant, key: SlotKey) -> Look {
        if self.needs(desk, now, key) == Look::Idle {
            return Look::Idle;
        }
        match self.serve_metadata(desk, now, key) {
            Look::Idle if self.roster.get(key).is_some_and(Member::waits) => {}
            look => return look,
        }
        let read = u64::from(desk.limits.read_len);
        let block = u64::from(self.facts.layout.block_len());
        let own = self.up.available(now).min(read).min(self.ahead(desk, now, key).max(block));
        if own < block && self.up.rate().is_some() {
            self.wait_for_refill(desk, now, self.up.rate());
            return Look::Slow;
        }
        let most = own.min(desk.purses.at_hand(now, Flow::Up));
        if most < block && !desk.purses.unlimited(Flow::Up) {
            desk.purses.want(now, Flow::Up, FLOW);
            return Look::Short;
        }
        if !desk.purses.take(Stock::UploadMemory, read) {
            return Look::Short;
        }
        let member = self.roster.get_mut(key).expect("it needs something");
        let (cover, spans) = member.take_run(most as u32);
        desk.purses.give(Stock::UploadMemory, u64::from(desk.limits.read_len - cover.len));
        if !self.have.has(cover.piece.0) {
            let member = self.roster.get_mut(key).expect("it was there");
            for span in spans {
                member.session.refuse(now, span);
            }
            desk.purses.give(Stock::UploadMemory, u64::from(cover.len));
            return Look::Begun;
        }
        self.up.take(now, u64::from(cover.len));
        desk.purses.draw(now, Flow::Up, u64::from(cover.len));
        let member = self.roster.get_mut(key).expect("it was there");
        member.lent += u64::from(cover.len);
        member.reading += u64::from(cover.len);
        self.reads += 1;
        let errand = Errand::Crew(self.key, CrewErrand::Serve { member: key, cover, spans });
        desk.gates.disk(self.facts.volume, self.facts.store, Task::Read(cover), errand);
        Look::Begun
    }

    /// A read for a member is done.
    pub(super) fn read_done(
        &mut self,
        desk: &mut Desk,
        now: Instant,
        key: SlotKey,
        cover: Span,
        spans: &[Span],
        result: Result<Outcome, Trouble>,
    ) {
        let content = match result {
            Ok(Outcome::Read(content)) => Some(content),
            Ok(other) => unreachable!("a read is not answered by {other:?}"),
            Err(trouble) => {
                desk.tell_torrent(self.torrent, ToTorrent::Trouble(trouble));
                None
            }
        };
        let Some(member) = self.roster.get_mut(key) else {
            return desk.purses.give(Stock::UploadMemory, u64::from(cover.len));
        };
        let mut unused = u64::from(cover.len);
        member.reading -= unused;
        for &span in spans {
            let served = match &content {
                Some(content) => member.session.serve(now, span, part(content, cover, span)),
                None => {
                    member.session.refuse(now, span);
                    false
                }
            };
            if served {
                unused -= u64::from(span.len);
            }
        }
        member.lent -= unused;
        member.lends(now);
        desk.purses.give(Stock::UploadMemory, unused);
        self.roster.busy(key);
    }

    /// Names the next bytes for a member's socket.
    pub fn gather<'a>(&'a self, key: SlotKey, out: &mut Slices<'a>) {
        if let Some(member) = self.roster.get(key) {
            for slice in member.session.slices() {
                if !out.push(slice) {
                    break;
                }
            }
        }
    }

    /// That many of the bytes were written.
    pub fn sent(&mut self, desk: &mut Desk, now: Instant, key: SlotKey, len: usize) {
        let Some(member) = self.roster.get_mut(key) else { return };
        let sent = member.session.sent(now, len);
        if sent.payload > 0 {
            member.lent_is_sent(now, sent.payload);
            member.up.add(now, sent.payload);
            desk.purses.give(Stock::UploadMemory, sent.payload);
            self.traffic.uploaded += sent.payload;
        }
        // What is queued of metadata is a part of what is queued.
        let queued = member.metadata_lent.min(member.session.outgoing() as u64);
        let left = core::mem::replace(&mut member.metadata_lent, queued) - queued;
        member.lent_is_sent(now, left);
        desk.purses.give(Stock::UploadMemory, left);
        if member.session.outgoing() == 0 {
            member.offered = false;
        }
        if member.waits() || member.metadata.waits() {
            self.roster.busy(key);
        }
        self.rearm(desk, key);
    }

    /// Offers to the member's socket what has been queued for it.
    fn offer(&mut self, desk: &mut Desk, key: SlotKey) {
        if let Some(member) = self.roster.get_mut(key)
            && member.session.outgoing() > 0
            && !member.offered
        {
            member.offered = true;
            desk.put(Output::Send(member.conn));
        }
    }
}

fn part(content: &Payload, cover: Span, span: Span) -> Payload {
    let from = (span.offset - cover.offset) as usize;
    content.slice(from..from + span.len as usize)
}
