//! The streams of one shard, by the engine's keys.

use std::io;

use mio::{Interest, Registry, Token};
use tide_engine::ConnKey;

use crate::shell::pump::Ready;
use crate::shell::transport::Transport;

/// How far a stream is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    /// Connecting or shaking hands; every edge asks again.
    Opening,
    /// Bytes may flow.
    Open,
}

/// One stream.
#[derive(Debug)]
pub(crate) struct Socket {
    /// The stream.
    pub(crate) stream: Box<dyn Transport>,
    /// What it can do.
    pub(crate) ready: Ready,
    /// How far it is.
    pub(crate) phase: Phase,
    key: ConnKey,
    to_read: bool,
    to_write: bool,
}

/// Streams by key, and which of them have something to be done.
///
/// A stream's token is its key's slot number. An event for a stream that is gone may so reach its successor in the
/// slot: it sets a bit that one `WouldBlock` clears again.
#[derive(Debug, Default)]
pub(crate) struct Sockets {
    table: Vec<Option<Socket>>,
    to_read: Vec<ConnKey>,
    to_write: Vec<ConnKey>,
}

impl Sockets {
    /// Takes a stream in and watches it.
    ///
    /// # Errors
    /// What the system says; the stream is closed then.
    pub(crate) fn add(
        &mut self,
        registry: &Registry,
        key: ConnKey,
        mut stream: Box<dyn Transport>,
        phase: Phase,
    ) -> io::Result<()> {
        let at = key.0.index();
        // Whoever is accepted or adopted may get the place of somebody whom the engine has closed in the same turn, and
        // of whom it has not said so yet.
        if let Some(old) = self.table.get(at).and_then(|place| place.as_ref()).map(|socket| socket.key) {
            assert_ne!(old, key, "two connections by one name");
            drop(self.remove(registry, old));
        }
        registry.register(stream.source(), Token(at), Interest::READABLE | Interest::WRITABLE)?;
        if self.table.len() <= at {
            self.table.resize_with(at + 1, || None);
        }
        // Nothing is known of an open stream: the first `WouldBlock` will tell.
        let open = phase == Phase::Open;
        let ready = Ready { readable: open, writable: open };
        let socket = Socket { stream, ready, phase, key, to_read: false, to_write: false };
        self.table[at] = Some(socket);
        if open {
            self.read(key);
        }
        Ok(())
    }

    /// The stream with this key, unless it is gone.
    pub(crate) fn get(&mut self, key: ConnKey) -> Option<&mut Socket> {
        self.table.get_mut(key.0.index())?.as_mut().filter(|socket| socket.key == key)
    }

    /// Takes the stream out and watches it no more.
    pub(crate) fn remove(&mut self, registry: &Registry, key: ConnKey) -> Option<Box<dyn Transport>> {
        self.get(key)?;
        let mut socket = self.table[key.0.index()].take()?;
        if let Err(error) = registry.deregister(socket.stream.source()) {
            log::debug!("{key:?} cannot be unwatched: {error}");
        }
        Some(socket.stream)
    }

    /// An edge for the stream with this token: its key, if it is there.
    pub(crate) fn edge(&mut self, token: Token, readable: bool, writable: bool) -> Option<ConnKey> {
        let socket = self.table.get_mut(token.0)?.as_mut()?;
        let key = socket.key;
        if socket.phase == Phase::Open {
            socket.ready.readable |= readable;
            socket.ready.writable |= writable;
        }
        if readable {
            self.read(key);
        }
        if writable {
            self.write(key);
        }
        Some(key)
    }

    /// Has the stream read, soon, if there is anything to read.
    pub(crate) fn read(&mut self, key: ConnKey) {
        if let Some(socket) = self.get(key)
            && socket.ready.readable
            && !std::mem::replace(&mut socket.to_read, true)
        {
            self.to_read.push(key);
        }
    }

    /// Has the stream written, soon, if it takes anything.
    pub(crate) fn write(&mut self, key: ConnKey) {
        if let Some(socket) = self.get(key)
            && socket.ready.writable
            && !std::mem::replace(&mut socket.to_write, true)
        {
            self.to_write.push(key);
        }
    }

    /// Whether a stream is to be read or written.
    pub(crate) fn busy(&self) -> bool {
        !self.to_read.is_empty() || !self.to_write.is_empty()
    }

    /// The streams to be read, longest waiting first; they are not any more. Whoever stops before the end hands what
    /// is left to [`put_back`](Self::put_back).
    pub(crate) fn take_reads(&mut self) -> Vec<ConnKey> {
        std::mem::take(&mut self.to_read)
    }

    /// Streams that were taken and not looked at go before those that came since.
    pub(crate) fn put_back(&mut self, mut rest: Vec<ConnKey>) {
        rest.append(&mut self.to_read);
        self.to_read = rest;
    }

    /// The streams to be written; they are not any more.
    pub(crate) fn take_writes(&mut self) -> Vec<ConnKey> {
        let keys = std::mem::take(&mut self.to_write);
        for &key in &keys {
            if let Some(socket) = self.get(key) {
                socket.to_write = false;
            }
        }
        keys
    }

    /// The stream, about to be read.
    pub(crate) fn reading(&mut self, key: ConnKey) -> Option<&mut Socket> {
        let socket = self.get(key)?;
        socket.to_read = false;
        Some(socket)
    }
}
