//! Who dials, hears, acts, and when. All that a mutant does unasked is counted and comes to an end.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use tide_base::{Bits, Duration, InfoHash, Instant, Layout, PeerId, Prng};
use tide_engine::NetError;
use tide_peer::Limits;

use super::Vice;
use super::conduct::{Conduct, Names};
use super::greetings::{Opening, Shaker};
use super::snatch::Snatch;
use super::speaker::{Ear, say};
use crate::actor::{Actor, EndId, Hands, Heard};

/// How often a mutant throws what its vice has it throw, on one connection.
const THROWS: u32 = 4;
/// How often it waits for the right moment, and how many keep-alives it sends, in each act of the play.
const WAITS: u32 = 100;
/// Bytes that it sends one by one, in each act of the play: enough to be seen doing so.
pub(super) const DRIPS: u32 = 150;
/// Bytes that it throws in each act of the play, on all connections: everybody's patience many times over. Nodes that
/// know it dial it again and again, and would be flooded to the end.
pub(super) const THROWN: usize = 512 << 10;
/// How many connections a crowd is.
const CROWD: u64 = 24;

/// Where the true content of a torrent comes from.
pub trait Bytes: fmt::Debug + Send + Sync {
    /// Fills `into` with what stands `at` so many bytes behind the torrent's beginning.
    fn fill(&self, at: u64, into: &mut [u8]);
}

/// What a mutant knows of the world.
#[derive(Clone, Debug)]
pub struct MutantSpec {
    /// The torrent.
    pub info_hash: InfoHash,
    /// Its pieces and blocks.
    pub layout: Layout,
    /// Its content.
    pub content: Arc<dyn Bytes>,
    /// Whom it dials; it answers everybody.
    pub victims: Vec<SocketAddr>,
    /// Where it is, and can be reached if it listens.
    pub at: SocketAddr,
    /// Whether it tells those whom it dials that it listens. (Whether it does is the network's business.)
    pub listens: bool,
    /// What its victims put up with: that is how it knows how much is too much.
    pub limits: Limits,
}

/// What is needed to make something up.
pub(super) struct Scene<'a> {
    pub(super) layout: &'a Layout,
    pub(super) limits: &'a Limits,
    pub(super) content: &'a dyn Bytes,
    pub(super) prng: &'a mut Prng,
    /// The number under which the victim hears that a piece is taken back, if it does.
    pub(super) dont_have: Option<u8>,
}

/// One who is dialled.
#[derive(Clone, Debug)]
pub(super) struct Victim {
    at: SocketAddr,
    /// How often it will be dialled yet.
    pub(super) dials: u32,
    next: Instant,
    /// Connections to it.
    open: u32,
    id: Option<PeerId>,
}

/// One connection.
#[derive(Clone, Debug)]
pub(super) struct Conn {
    /// Whom it dialled; none if it was dialled.
    pub(super) victim: Option<usize>,
    pub(super) ear: Ear,
    /// Its name here.
    pub(super) id: PeerId,
    /// Whether it said who it is.
    pub(super) said: bool,
    /// When the victim said who it is.
    pub(super) greeted: Option<Instant>,
    pub(super) choked: bool,
    pub(super) dont_have: Option<u8>,
    /// What is sent a byte at a time, and how fast.
    pub(super) drip: VecDeque<u8>,
    pub(super) drip_every: Duration,
    /// Pieces that were taken back and will be claimed again.
    pub(super) taken: Vec<u32>,
    /// What the victim has, and what it was asked for, if the mutant downloads.
    pub(super) has: Option<Bits>,
    pub(super) asked: Vec<u32>,
    pub(super) shown: bool,
    pub(super) answers: u32,
    pub(super) throws: u32,
    pub(super) next: Instant,
    pub(super) leaves: Instant,
    /// Whether it serves.
    pub(super) gives: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Chore {
    Dial(usize),
    Act(EndId),
}

/// A peer that breaks one rule.
#[derive(Debug)]
pub struct Mutant {
    vice: Vice,
    pub(super) spec: MutantSpec,
    pub(super) prng: Prng,
    id: PeerId,
    pub(super) reformed: bool,
    pub(super) victims: Vec<Victim>,
    pub(super) conns: BTreeMap<EndId, Conn>,
    agenda: BTreeSet<(Instant, Chore)>,
    pub(super) snatch: Option<Snatch>,
    /// When something happened to it last.
    pub(super) now: Instant,
    pub(super) shown: u64,
    pub(super) waits: u32,
    pub(super) drips: u32,
    /// Bytes that it may yet throw.
    pub(super) throwable: usize,
    /// How often it said what it has, and a number drawn in the beginning.
    pub(super) claims: u64,
}

impl Mutant {
    /// A peer with that vice. What it draws follows from `prng`.
    pub fn new(vice: Vice, spec: MutantSpec, mut prng: Prng) -> Mutant {
        let id = fresh_id(&mut prng);
        let victim = |&at: &SocketAddr| Victim { at, dials: 0, next: Instant::NEVER, open: 0, id: None };
        let mut mutant = Mutant {
            victims: spec.victims.iter().filter(|&&at| at != spec.at).map(victim).collect(),
            snatch: (vice == Vice::Snatches).then(|| Snatch::new(&spec.layout)),
            vice,
            spec,
            prng,
            id,
            reformed: false,
            conns: BTreeMap::new(),
            agenda: BTreeSet::new(),
            now: Instant::ZERO,
            shown: 0,
            waits: WAITS,
            drips: DRIPS,
            throwable: THROWN,
            claims: 0,
        };
        mutant.claims = mutant.prng.below(2);
        let dials = 2 + mutant.prng_below(4);
        mutant.plan_dials(dials, 30);
        mutant
    }

    /// What it does.
    pub fn vice(&self) -> Vice {
        self.vice
    }

    /// How often it did that so far.
    pub fn shown(&self) -> u64 {
        self.shown
    }

    /// Connections that it has.
    pub fn connections(&self) -> usize {
        self.conns.len()
    }

    /// Bytes that it keeps of what it heard.
    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        self.conns.values().map(|conn| conn.ear.memory() + conn.drip.len()).sum()
    }

    fn prng_below(&mut self, bound: u64) -> u32 {
        self.prng.below(bound) as u32
    }

    pub(super) fn vice_now(&self) -> Option<Vice> {
        (!self.reformed).then_some(self.vice)
    }

    pub(super) fn conduct(&self) -> Conduct {
        self.vice_now().map_or(Conduct::SEED, Conduct::of)
    }

    /// Some time between none and that many seconds from now.
    pub(super) fn within(&mut self, seconds: u64) -> Instant {
        self.now + Duration::from_millis(self.prng.below(seconds * 1000) + 1)
    }

    /// Every victim is to be dialled so many times more, for the first time within so many seconds.
    fn plan_dials(&mut self, dials: u32, seconds: u64) {
        for victim in 0..self.victims.len() {
            let at = self.within(seconds);
            self.victims[victim].dials = dials;
            if self.victims[victim].open == 0 {
                self.plan_dial(victim, at);
            }
        }
    }

    fn plan_dial(&mut self, number: usize, at: Instant) {
        let victim = &mut self.victims[number];
        self.agenda.remove(&(victim.next, Chore::Dial(number)));
        victim.next = at;
        if victim.dials > 0 {
            self.agenda.insert((at, Chore::Dial(number)));
        }
    }

    pub(super) fn plan_act(&mut self, end: EndId, at: Instant) {
        let Some(conn) = self.conns.get_mut(&end) else { return };
        self.agenda.remove(&(conn.next, Chore::Act(end)));
        conn.next = at;
        if at < Instant::NEVER {
            self.agenda.insert((at, Chore::Act(end)));
        }
    }

    fn dial(&mut self, number: usize, hands: &mut Hands<'_>) {
        let victim = &mut self.victims[number];
        victim.dials = victim.dials.saturating_sub(1);
        let (at, names) = (victim.at, self.conduct().names);
        let times = match names {
            Names::Own => 1,
            Names::Twice => 2,
            Names::Fresh => CROWD,
        };
        for _ in 0..times {
            let end = hands.dial(at);
            let id = self.name_for(Some(number), names);
            self.victims[number].open += 1;
            self.conns.insert(end, Conn::new(Some(number), id, THROWS));
        }
        self.shown += u64::from(times > 1);
    }

    /// The name to be used on a connection.
    fn name_for(&mut self, victim: Option<usize>, names: Names) -> PeerId {
        let another =
            || self.victims.iter().enumerate().find_map(|(i, other)| other.id.filter(|_| Some(i) != victim));
        match (self.vice_now(), names) {
            (Some(Vice::AnothersId), _) => another().unwrap_or(self.id),
            (_, Names::Fresh) => fresh_id(&mut self.prng),
            _ => self.id,
        }
    }

    /// A connection is gone.
    fn forget(&mut self, end: EndId) {
        let Some(conn) = self.conns.remove(&end) else { return };
        self.agenda.remove(&(conn.next, Chore::Act(end)));
        if let Some(snatch) = &mut self.snatch {
            snatch.give_up(&conn.asked);
        }
        let Some(number) = conn.victim else { return };
        self.victims[number].open -= 1;
        if self.victims[number].open == 0 {
            let at = self.within(90) + Duration::from_secs(10);
            self.plan_dial(number, at);
        }
    }

    pub(super) fn end(&mut self, end: EndId, hands: &mut Hands<'_>) {
        if self.conns.contains_key(&end) {
            hands.close(end);
            self.forget(end);
        }
    }

    pub(super) fn brk(&mut self, end: EndId, hands: &mut Hands<'_>) {
        if self.conns.contains_key(&end) {
            hands.reset(end);
            self.forget(end);
        }
    }

    /// Says who it is, or does not.
    fn open(&mut self, end: EndId, theirs: Option<PeerId>, hands: &mut Hands<'_>) {
        let (vice, conduct) = (self.vice_now(), self.conduct());
        let Some(conn) = self.conns.get_mut(&end) else { return };
        let dialler = conn.victim.is_some();
        let shaker = Shaker {
            vice,
            dialler,
            reserved: say::reserved(conduct.fast, conduct.extended),
            info_hash: self.spec.info_hash,
            id: conn.id,
            theirs,
            prng: &mut self.prng,
        };
        let awaited = vice == Some(Vice::VictimsId) && dialler && theirs.is_some();
        match shaker.opening() {
            Opening::Say(bytes) if awaited => hands.send(end, &bytes[48..]),
            Opening::Say(bytes) => hands.send(end, bytes),
            Opening::Await(bytes) => return hands.send(end, bytes),
            Opening::Drip(bytes) => {
                (conn.drip, conn.drip_every) = (bytes.into(), Duration::from_secs(1));
                self.shown += 1;
                let at = self.within(1);
                self.plan_act(end, at);
            }
            Opening::Silence => self.shown += 1,
        }
        let Some(conn) = self.conns.get_mut(&end) else { return };
        conn.said = true;
        let (garbage, foreign) =
            (vice == Some(Vice::GarbageInstead), vice == Some(Vice::ForeignTorrent) && dialler);
        let other = vice == Some(Vice::AnswersForAnother) && !dialler;
        let id = awaited || (vice == Some(Vice::VictimsId) && !dialler) || vice == Some(Vice::AnothersId);
        self.shown += u64::from(garbage || foreign || other || id);
    }

    /// The victim has said who it is.
    pub(super) fn met(&mut self, end: EndId, theirs: PeerId, hands: &mut Hands<'_>) {
        let now = self.now;
        let Some(conn) = self.conns.get_mut(&end) else { return };
        conn.greeted = Some(now);
        if let Some(victim) = conn.victim {
            self.victims[victim].id = Some(theirs);
        }
        if !conn.said {
            self.open(end, Some(theirs), hands);
        }
        let quiet = matches!(
            self.vice_now(),
            Some(Vice::GarbageInstead | Vice::SlowGreeting | Vice::SaysNothing | Vice::VictimsId)
        );
        if !quiet {
            self.introduce(end, hands);
        }
    }
}

impl Conn {
    fn new(victim: Option<usize>, id: PeerId, throws: u32) -> Conn {
        Conn {
            victim,
            ear: Ear::default(),
            id,
            said: false,
            greeted: None,
            choked: true,
            dont_have: None,
            drip: VecDeque::new(),
            drip_every: Duration::ZERO,
            taken: Vec::new(),
            has: None,
            asked: Vec::new(),
            shown: false,
            answers: 0,
            throws,
            next: Instant::NEVER,
            leaves: Instant::NEVER,
            gives: false,
        }
    }
}

impl Actor for Mutant {
    fn hear(&mut self, now: Instant, what: Heard<'_>, hands: &mut Hands<'_>) {
        self.now = now;
        match what {
            Heard::Accepted { end, .. } => {
                let id = self.name_for(None, Names::Own);
                self.conns.insert(end, Conn::new(None, id, THROWS));
                let early = matches!(
                    self.vice_now(),
                    Some(Vice::GarbageInstead | Vice::SaysNothing | Vice::SlowGreeting)
                );
                if early {
                    self.open(end, None, hands);
                }
            }
            Heard::Connected { end } => self.open(end, None, hands),
            Heard::Bytes { end, data } => {
                let Some(conn) = self.conns.get_mut(&end) else { return };
                match conn.ear.hear(data) {
                    Ok(words) => words.into_iter().for_each(|word| self.understand(end, word, hands)),
                    Err(_) => self.brk(end, hands),
                }
            }
            Heard::Closed { end, why: NetError::Ended } => self.end(end, hands),
            Heard::Closed { end, .. } => self.forget(end),
            Heard::Datagram { .. } => {}
        }
    }

    fn wake_at(&self) -> Instant {
        self.agenda.first().map_or(Instant::NEVER, |(at, _)| *at)
    }

    fn wake(&mut self, now: Instant, hands: &mut Hands<'_>) {
        self.now = now;
        while let Some(&(at, chore)) = self.agenda.first()
            && at <= now
        {
            self.agenda.pop_first();
            match chore {
                Chore::Dial(victim) => self.dial(victim, hands),
                Chore::Act(end) => self.act(end, hands),
            }
        }
    }

    /// In the core it repents: it breaks with everybody and comes back as an honest seed. Outside it goes on, for a
    /// while.
    fn calm(&mut self, core: bool) {
        if core {
            self.reformed = true;
            self.snatch = None;
            for end in self.conns.keys().copied().collect::<Vec<_>>() {
                let at = self.within(5);
                self.conns.get_mut(&end).expect("it is there").shown = true;
                self.plan_act(end, at);
            }
        }
        (self.waits, self.drips, self.throwable) = (WAITS, DRIPS, THROWN);
        let dials = 1 + self.prng_below(3);
        self.plan_dials(dials, 60);
    }
}

fn fresh_id(prng: &mut Prng) -> PeerId {
    let mut id = *b"-MU0001-............";
    prng.fill(&mut id[8..]);
    PeerId(id)
}
