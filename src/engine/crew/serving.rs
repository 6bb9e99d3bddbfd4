//! Requests of members: neighbours are read together, the blocks are lent to the session, and what was sent is given
//! back to the allowance.

use tide_base::{Instant, Payload, SlotKey, Span};
use tide_disk::{Outcome, Task, Trouble};

use super::Crew;
use super::member::Parked;
use crate::border::Output;
use crate::desk::gates::{CrewErrand, Errand};
use crate::desk::{Desk, Flow, Owner, Reason, Stock};
use crate::mail::ToTorrent;
use crate::shard::Slices;
use tide_base::Duration;

/// How long a member waits for a used-up rate to refill before it is looked at again.
const REFILL: Duration = Duration::from_millis(25);

/// Bytes of a flow that are asked for at a time; the treasury gives as much of it as the rate allows at once.
const FLOW: u64 = 1 << 20;

impl Crew {
    /// Reads what members wait for, as far as the allowances go.
    pub(super) fn serve_all(&mut self, desk: &mut Desk, now: Instant) {
        for key in core::mem::take(&mut self.unserved) {
            self.roster.busy(key);
        }
        for key in self.roster.take_busy() {
            while self.serve_next(desk, now, key) {}
            self.serve_metadata(now, key);
            self.offer(desk, key);
            self.rearm(desk, key);
        }
    }

    /// Begins one read for a member; false if there is nothing to read for it now.
    fn serve_next(&mut self, desk: &mut Desk, now: Instant, key: SlotKey) -> bool {
        let ahead = u64::from(desk.limits.upload_ahead);
        let Some(member) = self.roster.get_mut(key) else { return false };
        if !member.waits() || member.lent >= ahead {
            return false;
        }
        let most = u64::from(desk.limits.read_len)
            .min(self.up.available(now))
            .min(desk.purses.at_hand(now, Flow::Up));
        let block = u64::from(self.facts.layout.block_len());
        if most < block && (!desk.purses.unlimited(Flow::Up) || self.up.rate().is_some()) {
            desk.purses.want(now, Flow::Up, FLOW);
            desk.wait_for_shares(self.key);
            desk.timers.arm(Owner::Crew(self.key), now + REFILL, Reason::Refill);
            self.unserved.push(key);
            return false;
        }
        if !desk.purses.take(Stock::UploadMemory, u64::from(desk.limits.read_len)) {
            desk.wait_for_shares(self.key);
            self.unserved.push(key);
            return false;
        }
        let (cover, spans) = member.take_run(most as u32);
        desk.purses.give(Stock::UploadMemory, u64::from(desk.limits.read_len - cover.len));
        if !self.have.has(cover.piece.0) {
            let member = self.roster.get_mut(key).expect("it was there");
            for span in spans {
                member.session.refuse(now, span);
            }
            desk.purses.give(Stock::UploadMemory, u64::from(cover.len));
            return true;
        }
        self.up.take(now, u64::from(cover.len));
        desk.purses.draw(now, Flow::Up, u64::from(cover.len));
        let member = self.roster.get_mut(key).expect("it was there");
        member.lent += u64::from(cover.len);
        member.reading += u64::from(cover.len);
        self.reads += 1;
        let errand = Errand::Crew(self.key, CrewErrand::Serve { member: key, cover, spans });
        desk.gates.disk(self.facts.volume, self.facts.store, Task::Read(cover), errand);
        true
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
            member.lent -= sent.payload;
            member.up.add(now, sent.payload);
            desk.purses.give(Stock::UploadMemory, sent.payload);
            self.traffic.uploaded += sent.payload;
        }
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

    /// A member is not read until the rate has refilled.
    pub(super) fn throttle(&mut self, desk: &mut Desk, now: Instant, key: SlotKey) {
        desk.purses.want(now, Flow::Down, FLOW);
        desk.wait_for_shares(self.key);
        desk.timers.arm(Owner::Crew(self.key), now + REFILL, Reason::Refill);
        if let Some(member) = self.roster.get_mut(key) {
            member.park(now, Parked::Rate);
            self.throttled = true;
        }
    }

    /// Lets members be read again once their rate has refilled.
    pub(super) fn wake_throttled(&mut self, desk: &mut Desk, now: Instant) {
        if !self.throttled {
            return;
        }
        let some = self.down.available(now).min(desk.purses.at_hand(now, Flow::Down)) > 0;
        if some {
            self.throttled = false;
            self.unpark(desk, now, |parked| parked == Parked::Rate);
        } else {
            // What was granted may have expired while the torrent's own limit held its use back.
            desk.purses.want(now, Flow::Down, FLOW);
            desk.wait_for_shares(self.key);
            desk.timers.arm(Owner::Crew(self.key), now + REFILL, Reason::Refill);
        }
    }
}

fn part(content: &Payload, cover: Span, span: Span) -> Payload {
    let from = (span.offset - cover.offset) as usize;
    content.slice(from..from + span.len as usize)
}
