//! Someone in the world who is no engine: a tracker, a peer that breaks rules, an embedder's own program. Bytes and time
//! in, deeds out.

use std::net::SocketAddr;

use tide_base::Instant;
use tide_engine::NetError;

/// One end of a stream.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct EndId {
    /// The stream; numbers are never used again.
    pub stream: u64,
    /// Whether this is the end of whoever dialled.
    pub dialler: bool,
}

impl EndId {
    /// The other end of the stream.
    #[must_use]
    pub fn other(self) -> EndId {
        EndId { dialler: !self.dialler, ..self }
    }
}

/// What an actor is told.
#[derive(Clone, Copy, Debug)]
pub enum Heard<'a> {
    /// Somebody connected to it.
    Accepted {
        /// Its end.
        end: EndId,
        /// Where the other end is.
        from: SocketAddr,
        /// Where it was dialled.
        at: SocketAddr,
    },
    /// What it dialled stands.
    Connected {
        /// Its end.
        end: EndId,
    },
    /// Bytes came.
    Bytes {
        /// Its end.
        end: EndId,
        /// The bytes, never none.
        data: &'a [u8],
    },
    /// A stream has ended, or could not be made. (After [`NetError::Ended`] it can still be written to; after anything
    /// else it is gone.)
    Closed {
        /// Its end.
        end: EndId,
        /// Why.
        why: NetError,
    },
    /// A datagram came.
    Datagram {
        /// The sender.
        from: SocketAddr,
        /// Where it was sent to.
        at: SocketAddr,
        /// The whole datagram.
        data: &'a [u8],
    },
}

/// What an actor does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Deed {
    /// Connect to somebody.
    Dial {
        /// Its end from now on.
        end: EndId,
        /// Where to.
        to: SocketAddr,
    },
    /// Send bytes; they leave as fast as the network takes them.
    Send {
        /// Its end.
        end: EndId,
        /// The bytes.
        data: Vec<u8>,
    },
    /// Read no more from a stream, or go on reading.
    Listen {
        /// Its end.
        end: EndId,
        /// Whether it reads from now on.
        reads: bool,
    },
    /// End a stream in an orderly way, once all that was sent has left.
    Close {
        /// Its end.
        end: EndId,
    },
    /// Break a stream.
    Reset {
        /// Its end.
        end: EndId,
    },
    /// Send a datagram.
    Datagram {
        /// Which of its addresses it comes from.
        from: SocketAddr,
        /// The receiver.
        to: SocketAddr,
        /// The whole datagram.
        data: Vec<u8>,
    },
}

/// By which an actor does something.
#[derive(Debug)]
pub struct Hands<'a> {
    next_stream: &'a mut u64,
    deeds: Vec<Deed>,
}

impl<'a> Hands<'a> {
    /// Hands that number streams from `next_stream` on.
    pub fn new(next_stream: &'a mut u64) -> Hands<'a> {
        Hands { next_stream, deeds: Vec::new() }
    }

    /// Connects to somebody; [`Heard::Connected`] or [`Heard::Closed`] will tell.
    pub fn dial(&mut self, to: SocketAddr) -> EndId {
        let end = EndId { stream: *self.next_stream, dialler: true };
        *self.next_stream += 1;
        self.deeds.push(Deed::Dial { end, to });
        end
    }

    /// Sends bytes.
    pub fn send(&mut self, end: EndId, data: impl Into<Vec<u8>>) {
        self.deeds.push(Deed::Send { end, data: data.into() });
    }

    /// Reads no more from a stream, or goes on reading. Who says nothing reads.
    pub fn listen(&mut self, end: EndId, reads: bool) {
        self.deeds.push(Deed::Listen { end, reads });
    }

    /// Ends a stream in an orderly way.
    pub fn close(&mut self, end: EndId) {
        self.deeds.push(Deed::Close { end });
    }

    /// Breaks a stream.
    pub fn reset(&mut self, end: EndId) {
        self.deeds.push(Deed::Reset { end });
    }

    /// Sends a datagram.
    pub fn datagram(&mut self, from: SocketAddr, to: SocketAddr, data: impl Into<Vec<u8>>) {
        self.deeds.push(Deed::Datagram { from, to, data: data.into() });
    }

    /// What was done, in order.
    pub fn take(self) -> Vec<Deed> {
        self.deeds
    }
}

/// Someone in the world who is no engine.
pub trait Actor: std::any::Any + std::fmt::Debug {
    /// Is told something, and does what it does about it.
    fn hear(&mut self, now: Instant, what: Heard<'_>, hands: &mut Hands<'_>);

    /// When it wants to do something unasked; [`Instant::NEVER`] if never.
    fn wake_at(&self) -> Instant {
        Instant::NEVER
    }

    /// The moment of [`wake_at`](Actor::wake_at) has come. Called once in the beginning, too.
    fn wake(&mut self, now: Instant, hands: &mut Hands<'_>) {
        let _ = (now, hands);
    }

    /// All mishaps that it brought about so far, if it is one who does.
    fn tally(&self) -> crate::mishap::Tally<crate::mishap::Mishap> {
        crate::mishap::Tally::default()
    }

    /// The second act begins. Whoever belongs to the core that must suffice does no more harm from now on; all others
    /// stay as they are, for good.
    fn calm(&mut self, core: bool) {
        let _ = core;
    }
}
