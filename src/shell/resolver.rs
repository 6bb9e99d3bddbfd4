//! Looking names up. The system's call blocks for as long as it likes, so a few threads of their own do it; nobody
//! ever waits for them, at the end of a session neither.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use crossbeam_channel::{Receiver, Sender};
use tide_base::{Duration, Instant, ShardId};
use tide_engine::{NetError, ResolveId};

use crate::shell::clock::Clock;
use crate::shell::links::{Door, Letter};

/// Threads at the most. A name server that does not answer holds one for half a minute.
const THREADS: usize = 4;
/// Questions that may wait; more are answered with "out of sockets" at once.
const WAITING: usize = 256;
/// How long an answer holds. The system's call tells no time to live; trackers move rarely.
const FOUND_FOR: Duration = Duration::from_secs(120);
/// How long a failure holds: long enough that a hanging name does not take every thread.
const MISSED_FOR: Duration = Duration::from_secs(10);
/// Answers that are kept.
const KEPT: usize = 1024;
/// Addresses of one name that are passed on.
const ADDRESSES: usize = 32;

/// What a name stands for.
type Answer = Result<Vec<IpAddr>, NetError>;

/// How a name is looked up.
type Lookup = fn(&str) -> Answer;

/// A shard's question.
#[derive(Debug)]
struct Question {
    shard: ShardId,
    id: ResolveId,
    host: Box<str>,
}

#[derive(Debug, Default)]
struct Known {
    answers: BTreeMap<Box<str>, (Instant, Answer)>,
    threads: usize,
    /// Questions without an answer.
    open: usize,
}

#[derive(Debug)]
struct Desk {
    known: Mutex<Known>,
    questions: Receiver<Question>,
    doors: Arc<[Door]>,
    clock: Clock,
    lookup: Lookup,
}

/// The way to the resolver. Threads start when there is something to ask, and end when the last way is dropped.
#[derive(Clone, Debug)]
pub(crate) struct Resolver {
    ask: Sender<Question>,
    desk: Arc<Desk>,
}

impl Resolver {
    /// A resolver that asks the system and answers through `doors`.
    pub(crate) fn new(clock: Clock, doors: Arc<[Door]>) -> Resolver {
        Resolver::with(clock, doors, lookup)
    }

    fn with(clock: Clock, doors: Arc<[Door]>, lookup: Lookup) -> Resolver {
        let (ask, questions) = crossbeam_channel::bounded(WAITING);
        let desk = Desk { known: Mutex::default(), questions, doors, clock, lookup };
        Resolver { ask, desk: Arc::new(desk) }
    }

    /// Asks. The answer arrives as a letter, in any order.
    pub(crate) fn ask(&self, shard: ShardId, id: ResolveId, host: Box<str>) {
        if let Some(known) = self.desk.recall(&host) {
            return self.desk.answer(shard, id, known);
        }
        if self.ask.try_send(Question { shard, id, host }).is_err() {
            return self.desk.answer(shard, id, Err(NetError::Exhausted));
        }
        self.staff();
    }

    /// Sees to it that somebody is there to answer.
    fn staff(&self) {
        let mut known = self.desk.known();
        known.open += 1;
        if known.threads >= known.open.min(THREADS) {
            return;
        }
        let desk = Arc::clone(&self.desk);
        match thread::Builder::new().name("tide-names".into()).spawn(move || desk.work()) {
            Ok(_) => known.threads += 1,
            Err(error) => log::error!("no thread to look names up: {error}"),
        }
    }
}

impl Desk {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn recall(&self, host: &str) -> Option<Answer> {
        let now = self.clock.now();
        self.known().answers.get(host).filter(|(until, _)| *until > now).map(|(_, answer)| answer.clone())
    }

    fn answer(&self, shard: ShardId, id: ResolveId, result: Answer) {
        self.doors[usize::from(shard.0)].deliver(Letter::Resolved { id, result });
    }

    /// A thread's life.
    fn work(&self) {
        while let Ok(Question { shard, id, host }) = self.questions.recv() {
            // It may have been asked twice before the first answer came.
            let answer = self.recall(&host).unwrap_or_else(|| {
                let answer = (self.lookup)(&host);
                self.keep(host, answer.clone());
                answer
            });
            self.known().open -= 1;
            self.answer(shard, id, answer);
        }
    }

    fn keep(&self, host: Box<str>, answer: Answer) {
        let now = self.clock.now();
        let until = now + if answer.is_ok() { FOUND_FOR } else { MISSED_FOR };
        let mut known = self.known();
        if known.answers.len() >= KEPT {
            known.answers.retain(|_, (until, _)| *until > now);
        }
        if known.answers.len() < KEPT {
            known.answers.insert(host, (until, answer));
        }
    }
}

/// Asks the system.
fn lookup(host: &str) -> Answer {
    let found = (host, 0).to_socket_addrs().map_err(|error: io::Error| {
        log::debug!("{host}: {error}");
        NetError::NoSuchName
    })?;
    let mut addrs: Vec<IpAddr> = Vec::new();
    for addr in found {
        let ip = addr.ip().to_canonical();
        if addrs.len() < ADDRESSES && !addrs.contains(&ip) {
            addrs.push(ip);
        }
    }
    if addrs.is_empty() { Err(NetError::NoSuchName) } else { Ok(addrs) }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use mio::{Poll, Token, Waker};

    use super::*;
    use crate::shell::links::{Bell, Inbox, way};

    static LOOKUPS: AtomicUsize = AtomicUsize::new(0);

    fn scripted(host: &str) -> Answer {
        LOOKUPS.fetch_add(1, Ordering::SeqCst);
        if host == "good.example" { Ok(vec![[10, 0, 0, 1].into()]) } else { Err(NetError::NoSuchName) }
    }

    fn inbox() -> (Poll, Arc<[Door]>, Inbox) {
        let poll = Poll::new().expect("a poll");
        let (door, inbox) = way(Bell::new(Waker::new(poll.registry(), Token(0)).expect("a waker")), 100);
        (poll, [door].into(), inbox)
    }

    fn answer(inbox: &Inbox) -> (u64, Answer) {
        match inbox.letters.recv().expect("an answer") {
            Letter::Resolved { id, result } => (id.0, result),
            other => panic!("not an answer: {other:?}"),
        }
    }

    #[test]
    fn answers_come_back_and_are_remembered_failures_too() {
        let (_poll, doors, inbox) = inbox();
        let resolver = Resolver::with(Clock::start(), doors, scripted);
        for (id, host, expected) in [
            (1, "good.example", Ok(vec![IpAddr::from([10, 0, 0, 1])])),
            (2, "bad.example", Err(NetError::NoSuchName)),
            (3, "good.example", Ok(vec![IpAddr::from([10, 0, 0, 1])])),
            (4, "bad.example", Err(NetError::NoSuchName)),
        ] {
            resolver.ask(ShardId(0), ResolveId(id), host.into());
            assert_eq!(answer(&inbox), (id, expected));
        }
        assert_eq!(LOOKUPS.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn this_machine_knows_itself() {
        let found = lookup("localhost").expect("an address");
        assert!(found.iter().all(IpAddr::is_loopback));
    }
}
