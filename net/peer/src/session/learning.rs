//! A session that begins before the torrent is known (BEP 9), and what changes when it is.

use super::Session;
use crate::early::{Early, Kept};
use crate::event::Event;
use crate::fault::Fault;
use crate::pieces::Pieces;
use crate::wire::message::{FieldLen, Message};
use alloc::vec::Vec;
use tide_base::{Instant, Layout, PieceIndex};

impl Session {
    /// Tells that we have nothing, as the first message while the torrent is not known: with the fast extension
    /// something has to be said (BEP 6). What we get later is told by [`have`](Session::have).
    pub fn have_nothing(&mut self, now: Instant) {
        if self.is_fast() {
            self.say(now, &Message::HaveNone);
        }
    }

    /// The torrent is known now: what the peer said about pieces is judged as if it came just now. The events are those
    /// that it would have made, except that all its pieces are in one [`Event::Has`], which comes first.
    ///
    /// # Errors
    /// When something that it said does not fit the torrent. The connection must end; the session must not be used
    /// again.
    ///
    /// # Panics
    /// If the torrent was known.
    pub fn learn(&mut self, now: Instant, layout: Layout) -> Result<Vec<Event<'static>>, Fault> {
        assert!(self.layout.is_none(), "the torrent was known");
        let early = self.early.take().unwrap_or_default();
        self.set_layout(layout);
        let mut events = Vec::new();
        for kept in early.iter() {
            let event = match kept {
                Kept::Message(message) => self.absorb(now, message)?,
                Kept::Gone(piece) => self.dont_have_came(now, piece)?,
            };
            match event {
                Some(Event::AllowedFast(piece)) => events.push(Event::AllowedFast(piece)),
                Some(Event::Suggested(piece)) => events.push(Event::Suggested(piece)),
                // Which pieces it has is told at once.
                _ => {}
            }
        }
        if !self.pieces.has().none() {
            events.insert(0, Event::Has(self.pieces.has().clone()));
        }
        Ok(events)
    }

    pub(super) fn set_layout(&mut self, layout: Layout) {
        self.layout = Some(layout);
        self.early = None;
        self.bounds.bitfield = FieldLen::Exactly(layout.pieces().div_ceil(8));
        self.pieces = Pieces::new(layout.pieces());
    }

    /// While the torrent is not known: keeps what is about pieces, and gives back everything else.
    pub(super) fn keep_early<'a>(&mut self, kept: Kept<'a>) -> Result<Option<Kept<'a>>, Fault> {
        let Some(early) = self.early.as_mut().filter(|_| Early::concerns(&kept)) else {
            return Ok(Some(kept));
        };
        early.keep(&kept, &self.config.limits).map(|()| None)
    }

    /// Whether the torrent has this piece.
    pub(super) fn knows(&self, piece: PieceIndex) -> bool {
        self.layout.is_some_and(|layout| layout.contains(piece))
    }
}
