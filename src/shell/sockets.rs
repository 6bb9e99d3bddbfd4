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

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};
    use std::time::Duration;

    use mio::{Events, Poll};
    use tide_base::Slots;

    use super::*;
    use crate::shell::tcp::Tcp;

    /// Both ends of a stream: ours as it is accepted, and the other.
    fn pair(listener: &TcpListener) -> (Box<dyn Transport>, TcpStream) {
        let addr = listener.local_addr().expect("it listens");
        let theirs = TcpStream::connect(addr).expect("somebody listens");
        theirs.set_read_timeout(Some(Duration::from_secs(60))).expect("a time");
        let (ours, _) = listener.accept().expect("somebody called");
        ours.set_nonblocking(true).expect("a socket of ours");
        (Box::new(Tcp::accepted(mio::net::TcpStream::from_std(ours))), theirs)
    }

    /// The engine gives a connection up and its slot to the next one in one turn, and says so of the first afterwards.
    #[test]
    fn a_slot_may_be_given_again_before_its_end_is_told() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let mut poll = Poll::new().expect("a poll");
        let (mut keys, mut sockets) = (Slots::new(), Sockets::default());
        let first = ConnKey(keys.insert(()));
        keys.remove(first.0);
        let second = ConnKey(keys.insert(()));
        assert!(first != second && first.0.index() == second.0.index());

        let (ours, mut gone) = pair(&listener);
        sockets.add(poll.registry(), first, ours, Phase::Open).expect("a new stream");
        let (ours, mut here) = pair(&listener);
        sockets.add(poll.registry(), second, ours, Phase::Open).expect("in the place of the first");
        assert_eq!(gone.read(&mut [0]).expect("an orderly end"), 0);
        assert!(sockets.get(first).is_none() && sockets.reading(first).is_none());
        // Now it is told.
        assert!(sockets.remove(poll.registry(), first).is_none());

        assert_eq!(sockets.take_reads(), [first, second], "what is not there any more is skipped by its key");
        sockets.reading(second).expect("it is there").ready = Ready { readable: false, writable: false };
        here.write_all(b"x").expect("it is open");
        let mut events = Events::with_capacity(8);
        while !sockets.busy() {
            poll.poll(&mut events, Some(Duration::from_secs(60))).expect("a poll");
            assert!(!events.is_empty(), "nothing came in a minute");
            for event in &events {
                let edge = sockets.edge(event.token(), event.is_readable(), event.is_writable());
                assert_eq!(edge, Some(second));
            }
        }
        let socket = sockets.get(second).expect("it is there");
        let mut byte = [0];
        assert_eq!(socket.stream.read(&mut [io::IoSliceMut::new(&mut byte)]).expect("what came"), 1);
        assert_eq!(&byte, b"x");
    }

    #[test]
    #[should_panic(expected = "two connections by one name")]
    fn nobody_is_taken_in_twice() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let poll = Poll::new().expect("a poll");
        let (mut keys, mut sockets) = (Slots::new(), Sockets::default());
        let key = ConnKey(keys.insert(()));
        for _ in 0..2 {
            let (ours, _theirs) = pair(&listener);
            let _ = sockets.add(poll.registry(), key, ours, Phase::Open);
        }
    }
}
