//! One shard's thread: the world in, a decision, the world out.
//!
//! A turn: wait for edges, letters or the engine's alarm; read the clock, once; letters, accepted streams, datagrams,
//! bytes in; bytes out where an edge allows them; `settle`; carry out what the engine wants; wake whom we wrote to.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use crossbeam_channel::Sender;
use mio::{Events, Poll, Token};
use tide_base::{Duration, Instant, ShardId};
use tide_disk::HashJob;
use tide_engine::{
    CommandId, ConnKey, Driver, Input, Listening, NetError, Output, Reply, Shard, Slices, Via, Want, turn,
};

use crate::shell::beside::Beside;
use crate::shell::failure::net_error;
use crate::shell::front::Front;
use crate::shell::keeper::Volumes;
use crate::shell::links::{Inbox, Letter, Post, assert_room};
use crate::shell::networks::Watch;
use crate::shell::pump::{self, End};
use crate::shell::resolver::Resolver;
use crate::shell::sockets::{Phase, Sockets};
use crate::shell::threads::Shared;
use crate::shell::transport::{Dial, Transport};
use crate::shell::udp::UdpSender;

/// The token of the bell. Streams have their slots' numbers, the front has those just below.
pub(crate) const BELL: Token = Token(usize::MAX);
/// Letters taken in a turn: the rest waits for one look at the sockets.
const LETTERS: usize = 4096;
/// Edges taken from the system at once.
const EDGES: usize = 1024;
/// Bytes read in a turn over all streams: a millisecond or two, so that alarms and letters do not wait longer.
const TURN_BYTES: usize = 8 << 20;
/// Memory for bytes whose place is not known before they are read: what one read brings beside a block in place.
const SCRATCH: usize = 256 << 10;

/// The longest wait: the system counts milliseconds in 31 bits, and an alarm may be that of a day that never comes.
const LONGEST: Duration = Duration::from_secs(3600);

/// What a poller is given.
pub(crate) struct Parts {
    /// The engine's part.
    pub(crate) shard: Shard,
    /// What the session shares.
    pub(crate) shared: Arc<Shared>,
    /// What to wait on; the inbox's bell is registered.
    pub(crate) poll: Poll,
    /// What arrives.
    pub(crate) inbox: Inbox,
    /// The ways to the other shards.
    pub(crate) post: Post,
    /// The ways to the disk threads.
    pub(crate) volumes: Volumes,
    /// The way to the hash pool.
    pub(crate) hashers: Sender<HashJob>,
    /// How many hash jobs may wait there.
    pub(crate) hash_capacity: usize,
    /// Who looks names up.
    pub(crate) resolver: Resolver,
    /// Who makes connections.
    pub(crate) dial: Arc<dyn Dial>,
    /// How datagrams leave.
    pub(crate) udp: UdpSender,
    /// On shard 0: where connections and datagrams come in.
    pub(crate) front: Option<Front>,
    /// On shard 0, if it matters: which networks the machine is on.
    pub(crate) watch: Option<Watch>,
    /// Bytes read from one stream in a turn.
    pub(crate) read_per_turn: usize,
}

/// One shard's thread.
pub(crate) struct Poller {
    parts: Parts,
    sockets: Sockets,
    /// Datagrams' sockets beside the session's.
    beside: Beside,
    scratch: Box<[u8]>,
    replies: BTreeMap<CommandId, Sender<Reply>>,
    next_command: u64,
    /// Connections that failed while the engine's wishes were carried out; it is told in the next turn.
    failed: Vec<(ConnKey, NetError)>,
    /// The engine was told something since it settled last.
    told: bool,
    /// What the system told last.
    edges: Events,
    /// The engine has nothing left to do.
    finished: bool,
}

/// The engine's end of one stream.
struct Side<'a> {
    shard: &'a mut Shard,
    now: Instant,
    conn: ConnKey,
}

impl End for Side<'_> {
    fn want(&mut self) -> Want<'_> {
        self.shard.want(self.now, self.conn)
    }
    fn filled(&mut self, placed: usize, scratch: &[u8]) {
        self.shard.filled(self.now, self.conn, placed, scratch);
    }
    fn gather<'a>(&'a mut self, out: &mut Slices<'a>) {
        self.shard.gather(self.conn, out);
    }
    fn sent(&mut self, len: usize) {
        self.shard.sent(self.now, self.conn, len);
    }
}

impl Poller {
    /// A poller of these parts.
    pub(crate) fn new(parts: Parts) -> Poller {
        Poller {
            parts,
            sockets: Sockets::default(),
            beside: Beside::default(),
            scratch: vec![0; SCRATCH].into_boxed_slice(),
            replies: BTreeMap::new(),
            next_command: 0,
            failed: Vec::new(),
            told: true,
            edges: Events::with_capacity(EDGES),
            finished: false,
        }
    }

    /// Takes turns until the engine has finished or the session is halted.
    pub(crate) fn run(mut self, listening: &Listening) {
        let now = self.parts.shared.clock.now();
        self.parts.shard.handle(now, Input::Listening(listening.clone()));
        if let Some(front) = &mut self.parts.front {
            front.open(self.parts.poll.registry(), now);
        }
        if let Some(watch) = &mut self.parts.watch {
            watch.open(self.parts.poll.registry());
        }
        let mut wait = Some(Duration::ZERO);
        while !self.parts.shared.halted() {
            if let Err(error) = self.parts.poll.poll(&mut self.edges, wait) {
                assert!(error.kind() == io::ErrorKind::Interrupted, "a poll cannot fail: {error}");
                self.edges.clear();
            }
            let now = self.parts.shared.clock.now();
            turn(&mut self, now);
            self.pump_out(now);
            self.parts.post.flush();
            if self.finished {
                break;
            }
            wait = self.wait(now);
        }
    }

    /// How long nothing need be done.
    fn wait(&self, now: Instant) -> Option<Duration> {
        let front = self.parts.front.as_ref();
        let busy = self.told
            || self.sockets.busy()
            || !self.failed.is_empty()
            || !self.parts.inbox.letters.is_empty()
            || self.beside.busy()
            || front.is_some_and(Front::busy);
        if busy {
            return Some(Duration::ZERO);
        }
        let alarm = self.parts.shard.wake_at().map(|(at, _)| at);
        let retry = front.and_then(Front::wake_at);
        let look = self.parts.watch.as_ref().and_then(Watch::wake_at);
        alarm.into_iter().chain(retry).chain(look).min().map(|at| now.until(at).min(LONGEST))
    }

    fn take_letters(&mut self, now: Instant) {
        // First: whoever sends after we have looked must ring again.
        self.parts.inbox.bell.answer();
        for _ in 0..LETTERS {
            let Ok(letter) = self.parts.inbox.letters.try_recv() else {
                break;
            };
            self.take_letter(now, letter);
        }
    }

    fn take_letter(&mut self, now: Instant, letter: Letter) {
        let shard = &mut self.parts.shard;
        match letter {
            Letter::Mail { from, mail } => shard.handle(now, Input::Mail { from, mail }),
            Letter::Disk(done) => shard.handle(now, Input::Disk(done)),
            Letter::Hashed(hashed) => shard.handle(now, Input::Hashed(hashed)),
            Letter::Resolved { id, result } => shard.handle(now, Input::Resolved { id, result }),
            Letter::Listening(listening) => shard.handle(now, Input::Listening(listening)),
            Letter::Command { command, reply } => {
                self.next_command += 1;
                let id = CommandId(self.next_command);
                self.replies.insert(id, reply);
                shard.handle(now, Input::Command { id, command });
            }
            Letter::HandOver { arrival, stream } => {
                if let Some(conn) = shard.adopt(now, &arrival) {
                    self.add(now, conn, stream, Phase::Open);
                }
            }
        }
    }

    fn take_edges(&mut self, now: Instant) {
        let edges = std::mem::replace(&mut self.edges, Events::with_capacity(0));
        for event in &edges {
            let readable = event.is_readable() || event.is_read_closed() || event.is_error();
            let writable = event.is_writable() || event.is_write_closed() || event.is_error();
            if event.token() == BELL {
                continue;
            }
            if let Some(front) = &mut self.parts.front
                && front.edge(event.token())
            {
                continue;
            }
            if let Some(watch) = &mut self.parts.watch
                && watch.edge(event.token(), now)
            {
                continue;
            }
            if self.beside.edge(event.token()) {
                continue;
            }
            if let Some(conn) = self.sockets.edge(event.token(), readable, writable) {
                self.open(now, conn);
            }
        }
        self.edges = edges;
    }

    /// Gets on with a stream that is not open yet.
    fn open(&mut self, now: Instant, conn: ConnKey) {
        let Some(socket) = self.sockets.get(conn).filter(|socket| socket.phase == Phase::Opening) else {
            return;
        };
        let local = match socket.stream.open() {
            Ok(true) => socket.stream.local_addr().map(Some),
            other => other.map(|_| None),
        };
        match local {
            Ok(None) => {}
            Ok(Some(local)) => {
                socket.phase = Phase::Open;
                socket.ready = pump::Ready { readable: true, writable: true };
                self.parts.shard.handle(now, Input::Connected { conn, local });
                self.sockets.read(conn);
            }
            Err(error) => self.lose(now, conn, net_error(&error)),
        }
    }

    /// Takes a new stream in.
    fn add(&mut self, now: Instant, conn: ConnKey, stream: Box<dyn Transport>, phase: Phase) {
        if let Err(error) = self.sockets.add(self.parts.poll.registry(), conn, stream, phase) {
            self.told = true;
            self.parts.shard.handle(now, Input::Closed { conn, why: net_error(&error) });
        }
    }

    /// Forgets a stream that has ended by itself.
    fn lose(&mut self, now: Instant, conn: ConnKey, why: NetError) {
        if self.sockets.remove(self.parts.poll.registry(), conn).is_some() {
            self.told = true;
            self.parts.shard.handle(now, Input::Closed { conn, why });
        }
    }

    /// Connections and datagrams that came in at the front.
    fn take_arrivals(&mut self, now: Instant) {
        let Some(mut front) = self.parts.front.take() else {
            return;
        };
        front.accept(now, |stream, from, local| {
            if let Some(conn) = self.parts.shard.accept(now, from, local) {
                self.add(now, conn, stream, Phase::Open);
            }
        });
        front.receive(&mut self.scratch, |from, data| {
            self.parts.shard.handle(now, Input::Datagram { via: Via::Session, from, data });
        });
        if let Some(listening) = front.tend(self.parts.poll.registry(), now) {
            self.announce(now, listening);
        }
        self.parts.front = Some(front);
    }

    /// Which networks there are, and what came to the sockets beside the session's.
    fn look_around(&mut self, now: Instant) {
        if let Some(networks) = self.parts.watch.as_mut().and_then(|watch| watch.look(now)) {
            self.parts.shard.handle(now, Input::Networks(networks));
        }
        self.beside.receive(&mut self.scratch, |via, from, data| {
            self.parts.shard.handle(now, Input::Datagram { via, from, data });
        });
    }

    /// Tells everybody where the session listens.
    fn announce(&mut self, now: Instant, listening: Listening) {
        for shard in 0..self.parts.post.shards() {
            if ShardId(shard) != self.parts.shard.id() {
                self.parts.post.send(ShardId(shard), Letter::Listening(listening.clone()));
            }
        }
        self.parts.shared.board.listening(listening.clone());
        self.parts.shard.handle(now, Input::Listening(listening));
    }

    fn pump_in(&mut self, now: Instant) {
        let mut left = TURN_BYTES;
        let mut keys = self.sockets.take_reads().into_iter();
        while left > 0
            && let Some(conn) = keys.next()
        {
            let Some(socket) = self.sockets.reading(conn) else {
                continue;
            };
            let budget = self.parts.read_per_turn.min(left);
            let mut end = Counted { side: Side { shard: &mut self.parts.shard, now, conn }, count: 0 };
            let stop =
                pump::read(socket.stream.as_mut(), &mut socket.ready, &mut end, &mut self.scratch, budget);
            left = left.saturating_sub(end.count);
            match stop {
                pump::Read::Dry | pump::Read::Unwanted => {}
                pump::Read::Again => self.sockets.read(conn),
                pump::Read::Ended => self.lose(now, conn, NetError::Ended),
                pump::Read::Broken(error) => self.lose(now, conn, net_error(&error)),
            }
        }
        self.sockets.put_back(keys.collect());
    }

    fn pump_out(&mut self, now: Instant) {
        for conn in self.sockets.take_writes() {
            let Some(socket) = self.sockets.get(conn).filter(|socket| socket.phase == Phase::Open) else {
                continue;
            };
            let mut end = Side { shard: &mut self.parts.shard, now, conn };
            let wrote = pump::write(socket.stream.as_mut(), &mut socket.ready, &mut end);
            self.told |= wrote.count > 0;
            if let Some(error) = wrote.broken {
                self.lose(now, conn, net_error(&error));
            }
        }
    }

    fn dial(&mut self, conn: ConnKey, to: std::net::SocketAddr, tls: Option<&str>) {
        let added =
            self.parts.dial.dial(to, tls).and_then(|stream| {
                self.sockets.add(self.parts.poll.registry(), conn, stream, Phase::Opening)
            });
        if let Err(error) = added {
            log::debug!("{to}: {error}");
            self.failed.push((conn, net_error(&error)));
        }
    }
}

impl Driver for Poller {
    fn shard(&mut self) -> &mut Shard {
        &mut self.parts.shard
    }

    fn tell(&mut self, now: Instant) {
        self.take_letters(now);
        for (conn, why) in std::mem::take(&mut self.failed) {
            self.parts.shard.handle(now, Input::Closed { conn, why });
        }
        self.take_edges(now);
        self.take_arrivals(now);
        self.look_around(now);
        self.pump_in(now);
        self.pump_out(now);
        self.told = false;
    }

    fn carry(&mut self, _: Instant, output: Output) {
        match output {
            Output::Dial { conn, to, tls } => self.dial(conn, to, tls.as_deref()),
            Output::Send(conn) => self.sockets.write(conn),
            Output::Read(conn) => self.sockets.read(conn),
            Output::Close(conn) => drop(self.sockets.remove(self.parts.poll.registry(), conn)),
            Output::HandOver { conn, to, arrival } => {
                match self.sockets.remove(self.parts.poll.registry(), conn) {
                    Some(stream) => self.parts.post.send(to, Letter::HandOver { arrival, stream }),
                    None => self.parts.shard.stranded(),
                }
            }
            Output::Datagram { via: Via::Session, to, data } => self.parts.udp.send(to, &data),
            Output::Datagram { via, to, data } => self.beside.send(via, to, &data),
            Output::Sockets(wanted) => self.beside.set(self.parts.poll.registry(), &wanted),
            Output::Reachable(reachable) => self.parts.shared.board.reachable(*reachable),
            Output::Resolve { id, host } => self.parts.resolver.ask(self.parts.shard.id(), id, host),
            Output::Disk(job) => self.parts.volumes.submit(job),
            Output::Hash(job) => {
                assert_room(&self.parts.hashers, self.parts.hash_capacity, "the hash pool's queue");
                // The pool ends after the shards, unless the session fails; then nobody waits for an answer.
                let _ = self.parts.hashers.send(job);
            }
            Output::Mail { to, mail } => {
                let from = self.parts.shard.id();
                self.parts.post.send(to, Letter::Mail { from, mail });
            }
            Output::Event(event) => self.parts.shared.board.post(event),
            Output::Reply { id, reply } => {
                if let Some(asker) = self.replies.remove(&id) {
                    // The asker waits as long as the session lives; if its thread is gone, so is the question.
                    let _ = asker.send(reply);
                }
            }
            Output::Finished => self.finished = true,
        }
    }
}

/// Counts what is read, for the budget of the turn.
struct Counted<E> {
    side: E,
    count: usize,
}

impl<E: End> End for Counted<E> {
    fn want(&mut self) -> Want<'_> {
        self.side.want()
    }
    fn filled(&mut self, placed: usize, scratch: &[u8]) {
        self.count += placed + scratch.len();
        self.side.filled(placed, scratch);
    }
    fn gather<'a>(&'a mut self, out: &mut Slices<'a>) {
        self.side.gather(out);
    }
    fn sent(&mut self, len: usize) {
        self.side.sent(len);
    }
}
