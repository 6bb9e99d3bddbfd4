//! What a message does to the parts, and which event it becomes.

use super::{Arrival, Session};
use crate::asks::Rejected;
use crate::choking::{Choke, Interest};
use crate::early::Kept;
use crate::event::Event;
use crate::extension::{self, Known, dont_have, upload_only};
use crate::fault::Fault;
use crate::pieces::{Stated, TakenBack};
use crate::serves::{Admission, Found};
use crate::temper::Offence;
use crate::wire::extended::Hello;
use crate::wire::message::Message;
use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::vec::Vec;
use tide_base::{Instant, PieceIndex, Span};

pub(super) type Absorbed<'a> = Result<Option<Event<'a>>, Fault>;

impl Session {
    pub(super) fn absorb<'a>(&mut self, now: Instant, message: Message<'a>) -> Absorbed<'a> {
        let message = match self.keep_early(Kept::Message(message))? {
            Some(Kept::Message(message)) => message,
            Some(Kept::Gone(_)) | None => return Ok(None),
        };
        match message {
            Message::KeepAlive => {
                self.spend(now, Offence::KeepAlive)?;
                Ok(Some(Event::KeepAlive))
            }
            Message::Choke => self.choke_came(now, Choke::Choked),
            Message::Unchoke => self.choke_came(now, Choke::Unchoked),
            Message::Interested => self.interest_came(now, Interest::Interested),
            Message::NotInterested => self.interest_came(now, Interest::NotInterested),
            Message::Have(piece) => {
                if self.pieces.have(piece)? {
                    return Ok(Some(Event::Have(piece)));
                }
                self.spend(now, Offence::Have).map(|()| None)
            }
            Message::Bitfield(bytes) => {
                let stated = self.pieces.bitfield(&bytes)?;
                self.stated(now, stated)
            }
            Message::HaveAll => {
                let stated = self.pieces.have_all();
                self.stated(now, stated)
            }
            Message::HaveNone => {
                let stated = self.pieces.have_none();
                self.stated(now, stated)
            }
            Message::Request(span) => self.requested(now, span),
            Message::Block(span) => self.arriving(now, span).map(|()| None),
            Message::Cancel(span) => self.cancelled(now, span),
            Message::Port(port) => Ok(Some(Event::Port(port))),
            Message::Suggest(piece) => {
                if self.knows(piece) && self.fast.suggest(piece, &self.config.limits) {
                    return Ok(Some(Event::Suggested(piece)));
                }
                self.spend(now, Offence::Suggestion).map(|()| None)
            }
            Message::AllowedFast(piece) => {
                if self.knows(piece) && self.fast.allow(piece, &self.config.limits) {
                    return Ok(Some(Event::AllowedFast(piece)));
                }
                self.spend(now, Offence::AllowedFast).map(|()| None)
            }
            Message::Reject(span) => match self.asks.rejected(span) {
                Rejected::Asked => {
                    self.refused(now, span.piece);
                    Ok(Some(Event::Rejected(span)))
                }
                Rejected::Late => Ok(None),
                Rejected::Unasked => self.spend(now, Offence::Reject).map(|()| None),
            },
            Message::Extended { id, body } => self.extended_came(now, id, body),
            Message::Unknown { .. } => self.spend(now, Offence::Unknown).map(|()| None),
        }
    }

    /// The block that is coming in, if it is whole now.
    pub(super) fn arrived(&mut self, now: Instant) -> Option<Event<'static>> {
        let Arrival { span, asked, .. } = self.arrival.take_if(|arrival| arrival.at == arrival.span.len)?;
        if !asked {
            return Some(Event::Unasked { len: span.len });
        }
        let listening = self.liveness.listening(now);
        self.asks.arrived(listening, span);
        self.depth.arrived(listening, span.len);
        self.temper.earn();
        self.refusals = 0;
        Some(Event::Arrived(span))
    }

    /// An ask was rejected. After a row of these, with no block between, the peer is left alone for a while: else it
    /// would be asked again, and reject again, as fast as the path permits. What a choking peer rejects does not count:
    /// it owes us nothing, not even what it allowed fast (BEP 6), and is not asked for that piece again while it chokes.
    fn refused(&mut self, now: Instant, piece: PieceIndex) {
        if self.choking.theirs == Choke::Choked {
            self.fast.withdraw(piece);
            return;
        }
        // Nor what it has taken back meanwhile.
        if !self.may_ask(piece) {
            return;
        }
        self.refusals = self.refusals.saturating_add(1);
        if self.refusals >= self.config.limits.refusals {
            self.depth.snub();
            self.shy_until = now + self.config.limits.refused_wait;
        }
    }

    fn choke_came(&mut self, now: Instant, choke: Choke) -> Absorbed<'static> {
        self.spend(now, Offence::Choke)?;
        if !self.choking.set_theirs(choke) {
            return Ok(None);
        }
        let lost = match choke {
            // BEP 3: a choke drops what was asked. BEP 6: each ask is rejected on its own.
            Choke::Choked if !self.is_fast() => self.asks.lose(&self.config.limits, |_| true),
            _ => Vec::new(),
        };
        Ok(Some(Event::Choked { choke, lost }))
    }

    fn interest_came(&mut self, now: Instant, interest: Interest) -> Absorbed<'static> {
        self.spend(now, Offence::Interest)?;
        Ok(self.choking.set_their_interest(interest).then_some(Event::Interested(interest)))
    }

    fn stated(&mut self, now: Instant, stated: Stated) -> Absorbed<'static> {
        if stated.repeated {
            self.spend(now, Offence::Have)?;
        }
        Ok((!stated.gained.none()).then_some(Event::Has(stated.gained)))
    }

    fn requested(&mut self, now: Instant, span: Span) -> Absorbed<'static> {
        let offence =
            if span.len > self.limits().block_len || !self.layout.is_some_and(|layout| layout.holds(span)) {
                Some(Offence::RequestInvalid)
            } else if self.choking.ours == Choke::Choked && !self.fast.use_up(span.piece) {
                // It may have been sent before our choke arrived.
                if now.since(self.choked_at) < self.limits().choke_grace {
                    self.reject(now, span);
                    return Ok(None);
                }
                Some(Offence::RequestChoked)
            } else {
                match self.serves.request(span, self.config.limits.serves) {
                    Admission::Queued => return Ok(Some(Event::Wanted(span))),
                    // The first of the two is answered; a reject would be taken for its answer.
                    Admission::Duplicate => return self.spend(now, Offence::Request).map(|()| None),
                    Admission::Full => Some(Offence::Request),
                }
            };
        if let Some(offence) = offence {
            self.spend(now, offence)?;
            self.reject(now, span);
        }
        Ok(None)
    }

    fn cancelled(&mut self, now: Instant, span: Span) -> Absorbed<'static> {
        self.spend(now, Offence::Cancel)?;
        let found = self.serves.take(span);
        if found.is_some() {
            self.reject(now, span);
        }
        Ok((found == Some(Found::Reading)).then_some(Event::Withdrawn(span)))
    }

    /// With the fast extension every request is answered (BEP 6); without it, silence is an answer.
    pub(super) fn reject(&mut self, now: Instant, span: Span) {
        if self.is_fast() {
            self.say(now, &Message::Reject(span));
        }
    }

    fn arriving(&mut self, now: Instant, span: Span) -> Result<(), Fault> {
        // While the layout is not known nothing was asked for, so that the block is passed over wherever it lies.
        if self.layout.is_some_and(|layout| !layout.holds(span)) {
            return Err(Fault::BlockOutOfRange);
        }
        let asked = self.asks.contains(span);
        if !asked && !self.asks.stray() {
            self.spend(now, Offence::Unasked)?;
        }
        self.arrival = Some(Arrival { span, at: 0, asked });
        Ok(())
    }

    fn extended_came<'a>(&mut self, now: Instant, id: u8, body: Cow<'a, [u8]>) -> Absorbed<'a> {
        match extension::known(id, self.config.extensions.len(), self.offers) {
            Some(Known::Hello) => self.hello_came(now, &body),
            Some(Known::DontHave) => {
                let piece = dont_have::from_bytes(&body).ok_or(Fault::MessageLength)?;
                self.dont_have_came(now, piece)
            }
            Some(Known::UploadOnly) => {
                let upload_only = upload_only::from_bytes(&body).ok_or(Fault::MessageLength)?;
                self.spend(now, Offence::Hello)?;
                let changed = core::mem::replace(&mut self.upload_only, upload_only) != upload_only;
                Ok(changed.then_some(Event::UploadOnly(upload_only)))
            }
            Some(Known::Metadata) => self.metadata_came(now, body),
            Some(Known::Pex) => self.pex_came(now, &body),
            Some(Known::Registered(kind)) => Ok(Some(Event::Extended { kind, bytes: body })),
            None => self.spend(now, Offence::Unknown).map(|()| None),
        }
    }

    fn hello_came(&mut self, now: Instant, body: &[u8]) -> Absorbed<'static> {
        self.spend(now, Offence::Hello)?;
        let (hello, names) = Hello::from_bytes(body, self.limits())?;
        self.numbers.update(&names, &self.config.extensions);
        if let Some(reqq) = hello.reqq {
            self.reqq = reqq.max(1);
        }
        if let Some(upload_only) = hello.upload_only {
            self.upload_only = upload_only;
        }
        Ok(Some(Event::Hello(Box::new(hello))))
    }

    pub(super) fn dont_have_came(&mut self, now: Instant, piece: PieceIndex) -> Absorbed<'static> {
        if self.keep_early(Kept::Gone(piece))?.is_none() {
            return Ok(None);
        }
        let taken_back = self.pieces.dont_have(piece)?;
        if taken_back != TakenBack::First {
            self.spend(now, Offence::DontHave)?;
        }
        if taken_back == TakenBack::Nothing {
            return Ok(None);
        }
        let lost = if self.is_fast() {
            Vec::new()
        } else {
            self.asks.lose(&self.config.limits, |asked| asked == piece)
        };
        Ok(Some(Event::DontHave { piece, lost }))
    }
}
