//! Commands: what we tell the peer. Each keeps the legal state and queues nothing that says nothing.

use super::Session;
use crate::choking::{Choke, Interest};
use crate::event::ExtensionKind;
use crate::extension::{self, HELLO, dont_have, upload_only};
use crate::serves::Found;
use crate::temper::Offence;
use crate::wire::extended::Hello;
use crate::wire::message::Message;
use alloc::borrow::Cow;
use alloc::vec::Vec;
use tide_base::{Bits, Instant, Payload, PieceIndex, Span};

impl Session {
    /// Stops serving the peer: whatever it asked for and was not handed to [`serve`](Session::serve) is dropped, with
    /// the fast extension by a reject each. Granted allowed-fast pieces are still served.
    pub fn choke(&mut self, now: Instant) {
        if !self.choking.set_ours(Choke::Choked) {
            return;
        }
        self.choked_at = now;
        self.say(now, &Message::Choke);
        let (fast, out) = (self.bounds.fast, &mut self.out);
        let granted = &self.fast;
        self.serves.drop_where(
            |piece| !granted.is_granted(piece),
            |span| {
                if fast {
                    out.message(&Message::Reject(span));
                }
            },
        );
    }

    /// Begins to serve the peer.
    pub fn unchoke(&mut self, now: Instant) {
        if self.choking.set_ours(Choke::Unchoked) {
            self.say(now, &Message::Unchoke);
        }
    }

    /// Tells that we want something of the peer.
    pub fn interested(&mut self, now: Instant) {
        if self.choking.set_our_interest(Interest::Interested) {
            self.say(now, &Message::Interested);
        }
    }

    /// Tells that we want nothing of the peer.
    pub fn not_interested(&mut self, now: Instant) {
        if self.choking.set_our_interest(Interest::NotInterested) {
            self.say(now, &Message::NotInterested);
        }
    }

    /// Tells what we have, of `layout.pieces()` pieces. The first message of a session; HAVE tells the rest.
    pub fn have_field(&mut self, now: Instant, pieces: &Bits) {
        let all = self.layout.map(|layout| layout.pieces());
        assert_eq!(Some(pieces.len()), all, "a set of another torrent's pieces");
        match (self.bounds.fast, pieces.all(), pieces.none()) {
            (true, true, _) => self.say(now, &Message::HaveAll),
            (true, _, true) => self.say(now, &Message::HaveNone),
            (false, _, true) => {}
            _ => {
                let mut bytes = Vec::new();
                pieces.to_wire(&mut bytes);
                self.say(now, &Message::Bitfield(Cow::Owned(bytes)));
            }
        }
    }

    /// Tells that we have a piece. Whether the peer [has](Session::has) it too, and need not be told, is the caller's
    /// concern.
    pub fn have(&mut self, now: Instant, piece: PieceIndex) {
        // It may become interested for it, and uninterested when it got the piece elsewhere.
        self.temper.pardon(Offence::Interest, 2);
        self.say(now, &Message::Have(piece));
    }

    /// Tells that we no longer have a piece, if the peer takes such messages (BEP 54), and drops what it asked of it,
    /// with the fast extension by a reject each.
    pub fn dont_have(&mut self, now: Instant, piece: PieceIndex) {
        if let Some(id) = self.numbers.dont_have() {
            let body = dont_have::to_bytes(piece);
            self.say(now, &Message::Extended { id, body: Cow::Borrowed(&body) });
        }
        let mut dropped = Vec::new();
        self.serves.drop_where(|asked| asked == piece, |span| dropped.push(span));
        for span in dropped {
            self.reject(now, span);
        }
    }

    /// How many more blocks should be asked for now. Zero while choked, unless there are allowed-fast pieces; and for
    /// a while after many rejects.
    pub fn room(&mut self, now: Instant) -> u32 {
        if self.choking.theirs == Choke::Choked && self.fast.allowed().is_empty() {
            return 0;
        }
        let Some(layout) = self.layout else { return 0 };
        if now < self.shy_until {
            return 0;
        }
        let listening = self.liveness.listening(now);
        let block = layout.block_len();
        let target = self.depth.target(listening, self.reqq, block, &self.config.limits);
        target.saturating_sub(self.asks.len())
    }

    /// Whether blocks of this piece may be asked for: the peer has it, and does not choke us or allows it fast.
    pub fn may_ask(&self, piece: PieceIndex) -> bool {
        self.pieces.has().has(piece.0)
            && (self.choking.theirs == Choke::Unchoked || self.fast.allowed().contains(&piece))
    }

    /// Asks for a block that was not asked for. Returns false, and does nothing, if it [may not](Session::may_ask) be
    /// asked for or as many as either side bears are in flight. [`room`](Session::room) is advice and not enforced
    /// here, so that an endgame may go beyond it.
    #[must_use]
    pub fn ask(&mut self, now: Instant, span: Span) -> bool {
        if !self.may_ask(span.piece) || self.asks.len() >= self.limits().asks.min(self.reqq) {
            return false;
        }
        debug_assert!(self.layout.is_some_and(|layout| layout.holds(span)));
        debug_assert!(span.len <= self.limits().block_len);
        self.asks.ask(self.liveness.listening(now), span);
        self.say(now, &Message::Request(span));
        true
    }

    /// Gives up an ask; returns whether there was one. If it is answered all the same, the block is passed over
    /// without blame. If the block is coming in, nothing is sent, its rest is passed over, and the place that
    /// [`want`](Session::want) named is free at once.
    pub fn cancel(&mut self, now: Instant, span: Span) -> bool {
        if let Some(arrival) = self.arrival.as_mut().filter(|arrival| arrival.asked && arrival.span == span) {
            arrival.asked = false;
            self.asks.forget(span);
            return true;
        }
        let was = self.asks.give_up(span, &self.config.limits);
        if was {
            self.say(now, &Message::Cancel(span));
        }
        was
    }

    /// The next request whose data should be read from disk; to be answered by [`serve`](Session::serve) or
    /// [`refuse`](Session::refuse). How many are taken out at a time is the caller's concern.
    pub fn next_wanted(&mut self) -> Option<Span> {
        self.serves.read_next()
    }

    /// Answers a request with its data. Returns false, and drops the data, if the request was withdrawn meanwhile.
    pub fn serve(&mut self, now: Instant, span: Span, content: Payload) -> bool {
        if self.serves.take(span) != Some(Found::Reading) {
            return false;
        }
        self.liveness.spoke(now, self.out.is_empty());
        self.out.block(span, content);
        true
    }

    /// Answers a request with a reject; without the fast extension, by silence. Returns false if it was withdrawn.
    pub fn refuse(&mut self, now: Instant, span: Span) -> bool {
        let was = self.serves.take(span).is_some();
        if was {
            self.reject(now, span);
        }
        was
    }

    /// Grants pieces that the peer may fetch while choked, and tells it; those beyond
    /// [`Limits::allowed_fast_out`](crate::Limits::allowed_fast_out) are ignored, and all without the fast extension.
    pub fn allow_fast(&mut self, now: Instant, pieces: &[PieceIndex]) {
        if !self.is_fast() {
            return;
        }
        let Some(layout) = self.layout else { return };
        for &piece in pieces {
            if self.fast.grant(piece, &layout, &self.config.limits) {
                self.say(now, &Message::AllowedFast(piece));
            }
        }
    }

    /// Suggests a piece that the peer might ask for; nothing without the fast extension.
    pub fn suggest(&mut self, now: Instant, piece: PieceIndex) {
        if self.is_fast() {
            self.say(now, &Message::Suggest(piece));
        }
    }

    /// Sends our extension handshake, with the names of all that we understand and
    /// [offer](Session::set_offers); nothing if the peer has no extension
    /// protocol. `reqq` should be [`Limits::serves`](crate::Limits::serves).
    pub fn hello(&mut self, now: Instant, hello: &Hello) {
        if self.is_extended() {
            let names = extension::names(&self.config.extensions, self.offers, self.offered);
            let body = hello.to_bytes(&names);
            self.offered = self.offers;
            self.say(now, &Message::Extended { id: HELLO, body: Cow::Owned(body) });
        }
    }

    /// Whether the peer takes messages of a registered extension.
    pub fn takes(&self, kind: ExtensionKind) -> bool {
        self.numbers.registered(kind).is_some()
    }

    /// Sends a message of a registered extension. Returns false, and sends nothing, if the peer does not take it.
    pub fn extended(&mut self, now: Instant, kind: ExtensionKind, body: &[u8]) -> bool {
        let Some(id) = self.numbers.registered(kind) else { return false };
        self.say(now, &Message::Extended { id, body: Cow::Borrowed(body) });
        true
    }

    /// Tells whether we want content, if the peer takes such messages (BEP 21).
    pub fn tell_upload_only(&mut self, now: Instant, upload_only: bool) {
        if let Some(id) = self.numbers.upload_only() {
            let body = upload_only::to_bytes(upload_only);
            self.say(now, &Message::Extended { id, body: Cow::Borrowed(&body) });
        }
    }

    /// Sends a keep-alive. [`due`](Session::due) does so when it is time.
    pub fn keep_alive(&mut self, now: Instant) {
        self.say(now, &Message::KeepAlive);
    }

    /// Tells the UDP port of our DHT node (BEP 5), if the peer has one.
    pub fn port(&mut self, now: Instant, port: u16) {
        if self.theirs.reserved.dht() {
            self.say(now, &Message::Port(port));
        }
    }
}
