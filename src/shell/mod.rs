//! The shell does what the engine decides: threads, sockets, files, names, time. It knows nothing of BitTorrent.
//!
//! ```text
//!  application ── Session, Torrent (any thread; they wait for replies, and read the board)
//!       │ letters                         ▲ board: at most one event a (torrent, kind)
//!  tide-shard-0 ── tide-shard-1 ── …      │    one Poller each: sockets in, decision, sockets out
//!       │ jobs        ▲ letters ──────────┘
//!  tide-disk-V, tide-sync-V   tide-hash-N   tide-names
//!  two a volume, on demand    a few         up to four, on demand, waited for by nobody
//! ```
//!
//! Shard 0 also holds the front, where connections and datagrams come in, and looks which networks there are ([`networks`]). Letters go through bounded ways and wake their
//! receiver at most once a turn ([`links`]). A panic in any thread ends the session, in words ([`threads`]).
//!
//! The way of a byte: [`front`] or [`tcp`]/[`tls`] → [`sockets`] → [`pump`] → engine → [`keeper`], [`hashers`] and back.

pub(crate) mod beside;
pub(crate) mod board;
pub(crate) mod clock;
pub(crate) mod code;
pub(crate) mod entropy;
pub(crate) mod failure;
pub(crate) mod front;
pub(crate) mod hashers;
pub(crate) mod keeper;
pub(crate) mod links;
pub(crate) mod listener;
#[cfg(target_os = "linux")]
pub(crate) mod netlink;
pub(crate) mod networks;
pub(crate) mod poller;
pub(crate) mod pump;
pub(crate) mod resolver;
pub(crate) mod sockets;
pub(crate) mod tcp;
pub(crate) mod threads;
#[cfg(feature = "tls")]
pub(crate) mod tls;
pub mod transport;
pub(crate) mod udp;
pub(crate) mod volume;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mio::{Poll, Waker};
use tide_base::{Duration, ShardId};
use tide_engine::{Command, CommandError, Listening, Reply, Setup, Shard};

use crate::shell::front::Front;
use crate::shell::keeper::Volumes;
use crate::shell::links::{Bell, COMMANDS, Door, Inbox, Letter, Post};
use crate::shell::listener::{Bound, Refused, Wish};
use crate::shell::networks::Watch;
use crate::shell::poller::{BELL, Parts, Poller};
use crate::shell::resolver::Resolver;
use crate::shell::threads::Shared;
use crate::shell::transport::Dial;
use crate::shell::udp::UdpSender;

/// How long, after the budget of a shutdown, threads have to end that should have nothing left to do.
const GRACE: Duration = Duration::from_secs(1);

/// What a shell is started with.
pub(crate) struct Plan {
    /// The engine's setup.
    pub(crate) setup: Setup,
    /// The session's clock, that `setup` took its first moment from.
    pub(crate) clock: clock::Clock,
    /// Threads of the hash pool.
    pub(crate) hashers: u16,
    /// Where to listen.
    pub(crate) listen: Wish,
    /// Who makes connections; `None` for TCP, and TLS where it is built in.
    pub(crate) dial: Option<Arc<dyn Dial>>,
    /// Where content is kept, and the bounds of the disk threads.
    pub(crate) disk: (keeper::Medium, tide_disk::Limits),
}

/// Why a shell did not start.
#[derive(Debug)]
pub(crate) enum StartError {
    /// An address could not be had.
    Listen(Refused),
    /// The system has no more threads or descriptors.
    Resources(io::Error),
}

impl From<io::Error> for StartError {
    fn from(error: io::Error) -> StartError {
        StartError::Resources(error)
    }
}

/// The session is over.
#[derive(Debug)]
pub(crate) struct Over;

/// A running shell.
pub(crate) struct Shell {
    /// What its threads share.
    pub(crate) shared: Arc<Shared>,
    /// Where it was bound at the start.
    pub(crate) listening: Listening,
    asking: AtomicUsize,
}

impl fmt::Debug for Shell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shell").field("listening", &self.listening).finish_non_exhaustive()
    }
}

impl Shell {
    /// Binds, and starts all threads.
    ///
    /// # Errors
    /// What could not be had; nothing is left running then.
    pub(crate) fn start(plan: Plan) -> Result<Shell, StartError> {
        let bound = listener::bind(&plan.listen).map_err(StartError::Listen)?;
        let listening = bound.listening();
        let mut lines = Vec::new();
        for _ in 0..plan.setup.shards {
            lines.push(line(&plan.setup)?);
        }
        let doors: Arc<[Door]> = lines.iter().map(|(_, door, _)| door.clone()).collect();
        let shared = Shared::new(plan.clock, doors);
        let lines = lines.into_iter().map(|(poll, _, inbox)| (poll, inbox)).collect();
        if let Err(error) = Shell::populate(&shared, plan, bound, lines) {
            shared.halt();
            shared.join("", shared.after(GRACE));
            return Err(error.into());
        }
        shared.board.listening(listening.clone());
        Ok(Shell { shared, listening, asking: AtomicUsize::new(0) })
    }

    fn populate(shared: &Arc<Shared>, plan: Plan, bound: Bound, lines: Vec<(Poll, Inbox)>) -> io::Result<()> {
        let Plan { setup, clock, hashers, disk, dial, .. } = plan;
        let listening = bound.listening();
        let dial = dial.unwrap_or_else(|| Arc::new(tcp::Network::new(&listening.tcp)));
        let copy = |socket: &Option<std::net::UdpSocket>| {
            socket.as_ref().map(std::net::UdpSocket::try_clone).transpose()
        };
        let udp = UdpSender::new(copy(&bound.udp_v4)?, copy(&bound.udp_v6)?);
        let mut front = Some(Front::new(bound));
        let looks = setup.local.is_some() || setup.mapping.is_some();
        let mut watch = looks.then(Watch::new);
        let post = Post::new(Arc::clone(&shared.doors));
        let resolver = Resolver::new(clock, Arc::clone(&shared.doors));
        let pool = hashers::start(shared, hashers, &post)?;
        let capacity = |per_shard: u32| usize::from(setup.shards) * per_shard as usize;
        let volumes = Volumes::new(shared, disk, capacity(setup.limits.disk_jobs), post.clone());
        for (number, (poll, inbox)) in (0..setup.shards).zip(lines) {
            let parts = Parts {
                shard: Shard::new(ShardId(number), &setup),
                shared: Arc::clone(shared),
                poll,
                inbox,
                post: post.clone(),
                volumes: volumes.clone(),
                hashers: pool.clone(),
                hash_capacity: capacity(setup.limits.hash_jobs),
                resolver: resolver.clone(),
                dial: Arc::clone(&dial),
                udp: udp.clone(),
                front: front.take(),
                watch: watch.take(),
                read_per_turn: setup.limits.read_per_turn as usize,
            };
            let listening = listening.clone();
            shared.spawn(&format!("tide-shard-{number}"), move || Poller::new(parts).run(&listening))?;
        }
        Ok(())
    }

    /// Asks a shard, and waits for its reply as long as the session lives.
    ///
    /// # Errors
    /// The session is over.
    pub(crate) fn ask(&self, shard: ShardId, command: Command) -> Result<Reply, Over> {
        // Of a session that has failed some threads may not have noticed yet, and answer still.
        if self.shared.board.is_over() {
            return Err(Over);
        }
        struct Seat<'a>(&'a AtomicUsize);
        impl Drop for Seat<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::SeqCst);
            }
        }
        let asking = self.asking.fetch_add(1, Ordering::SeqCst);
        let _seat = Seat(&self.asking);
        if asking >= COMMANDS {
            return Ok(Err(CommandError::Full("commands under way at once")));
        }
        let (reply, answer) = crossbeam_channel::bounded(1);
        let command = Box::new(command);
        self.shared.doors[usize::from(shard.0)].deliver(Letter::Command { command, reply });
        answer.recv().map_err(|_| Over)
    }

    /// Ends all: the engine has `budget` to take its leave, then everything stops. Whether all ended in time.
    pub(crate) fn shutdown(&self, budget: Duration) -> bool {
        let deadline = self.shared.after(budget.saturating_add(GRACE));
        for door in self.shared.doors.iter() {
            // The engine answers with its end.
            let (reply, _) = crossbeam_channel::bounded(1);
            door.deliver(Letter::Command { command: Box::new(Command::Shutdown(budget)), reply });
        }
        let polite = self.shared.join("tide-shard", deadline);
        if !polite {
            log::warn!("the session did not end within {budget:?}; it is cut off");
        }
        self.shared.halt();
        // A shard never waits for anything but its poll: it ends at once now. The others end with what they have
        // in hand, and one that hangs is left behind.
        let rest = self.shared.join("", self.shared.after(GRACE));
        self.shared.board.end();
        polite && rest
    }
}

/// What a shard waits on, the way to it, and its end of the way.
fn line(setup: &Setup) -> io::Result<(Poll, Door, Inbox)> {
    let poll = Poll::new()?;
    let bell = Bell::new(Waker::new(poll.registry(), BELL)?);
    let (door, inbox) = links::way(bell, links::inbox_capacity(&setup.limits, setup.shards));
    Ok((poll, door, inbox))
}
