//! Who dials, hears, acts, and when. All that a mutant does unasked is counted and comes to an end.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use tide_base::{Bits, Duration, InfoHash, Instant, Layout, PeerId, Prng, Span};
use tide_engine::NetError;
use tide_peer::Limits;

use super::Vice;
use super::conduct::{Claims, Conduct, Names, When};
use super::data::{self, Answer};
use super::greetings::{Opening, Shaker};
use super::snatch::Snatch;
use super::speaker::{Ear, Word, say};
use super::{floods, wire};
use crate::actor::{Actor, EndId, Hands, Heard};

/// The largest block that is served: what was asked for long ago, and is refused by everybody today.
const BLOCK: u32 = 128 * 1024;
/// How often a mutant throws what its vice has it throw, on one connection.
const THROWS: u32 = 4;
/// How often it waits for the right moment, and how many keep-alives it sends, on one connection.
const WAITS: u32 = 60;
/// Bytes that are sent one by one: enough to be seen doing so.
const DRIPS: usize = 100;
/// Answers of no use, on one connection, after which it leaves.
const ANSWERS: u32 = 1000;
/// Pieces that were taken back, at a time.
const TAKEN: usize = 64;
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
struct Victim {
    at: SocketAddr,
    /// How often it will be dialled yet.
    dials: u32,
    next: Instant,
    /// Connections to it.
    open: u32,
    id: Option<PeerId>,
}

/// One connection.
#[derive(Clone, Debug)]
struct Conn {
    /// Whom it dialled; none if it was dialled.
    victim: Option<usize>,
    ear: Ear,
    /// Its name here.
    id: PeerId,
    /// Whether it said who it is.
    said: bool,
    /// When the victim said who it is.
    greeted: Option<Instant>,
    choked: bool,
    dont_have: Option<u8>,
    /// What is sent a byte at a time, and how fast.
    drip: VecDeque<u8>,
    drip_every: Duration,
    /// Pieces that were taken back and will be claimed again.
    taken: Vec<u32>,
    /// What the victim has, and what it was asked for, if the mutant downloads.
    has: Option<Bits>,
    asked: Vec<u32>,
    shown: bool,
    answers: u32,
    throws: u32,
    waits: u32,
    next: Instant,
    leaves: Instant,
    /// Whether it serves.
    gives: bool,
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
    spec: MutantSpec,
    prng: Prng,
    id: PeerId,
    reformed: bool,
    victims: Vec<Victim>,
    conns: BTreeMap<EndId, Conn>,
    agenda: BTreeSet<(Instant, Chore)>,
    snatch: Option<Snatch>,
    /// When something happened to it last.
    now: Instant,
    shown: u64,
    /// How often it said what it has, and a number drawn in the beginning.
    claims: u64,
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

    fn vice_now(&self) -> Option<Vice> {
        (!self.reformed).then_some(self.vice)
    }

    fn conduct(&self) -> Conduct {
        self.vice_now().map_or(Conduct::SEED, Conduct::of)
    }

    /// Some time between none and that many seconds from now.
    fn within(&mut self, seconds: u64) -> Instant {
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

    fn plan_act(&mut self, end: EndId, at: Instant) {
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

    fn end(&mut self, end: EndId, hands: &mut Hands<'_>) {
        if self.conns.contains_key(&end) {
            hands.close(end);
            self.forget(end);
        }
    }

    fn brk(&mut self, end: EndId, hands: &mut Hands<'_>) {
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
    fn met(&mut self, end: EndId, theirs: PeerId, hands: &mut Hands<'_>) {
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

    /// Says what it has, what it can do, and what it wants.
    fn introduce(&mut self, end: EndId, hands: &mut Hands<'_>) {
        let conduct = self.conduct();
        let pieces = self.spec.layout.pieces();
        let mut bytes = Vec::new();
        let either = conduct.throws == When::Anytime && conduct.claims == Claims::All;
        self.claims += 1;
        let claims = if either && self.claims.is_multiple_of(2) { Claims::None } else { conduct.claims };
        match claims {
            Claims::All if conduct.fast && self.prng.chance(1, 2) => bytes.extend(say::plain(14)),
            Claims::All => bytes.extend(say::message(5, &say::full_field(pieces))),
            Claims::None if conduct.fast => bytes.extend(say::plain(15)),
            Claims::None | Claims::Else => {}
        }
        if conduct.extended {
            let port =
                if self.spec.listens { format!("1:pi{}e", self.spec.at.port()) } else { String::new() };
            bytes.extend(say::extended(0, format!("d1:md11:lt_donthavei1ee{port}1:v6:mutante").as_bytes()));
        }
        if conduct.wants {
            bytes.extend(say::plain(2));
        }
        if claims != Claims::None {
            bytes.extend(say::plain(1));
        }
        hands.send(end, bytes);
        let leaves = conduct.leaves.map(|after| self.now + after);
        if let Some(conn) = self.conns.get_mut(&end) {
            conn.gives = claims != Claims::None;
            conn.leaves = leaves.filter(|_| conn.victim.is_some()).unwrap_or(Instant::NEVER);
            if self.snatch.is_some() {
                conn.has = Some(Bits::new(pieces));
            }
        }
        if conduct.throws == When::AtOnce {
            return self.throw(end, hands);
        }
        let at = match conduct.throws {
            When::Choked => self.within(5) + self.spec.limits.choke_grace,
            When::Never => self.within(30),
            // Some do it before others have had time for anything.
            _ if self.prng.chance(1, 2) => self.now + Duration::from_millis(1 + self.prng.below(20)),
            _ => self.within(5),
        };
        self.plan_act(end, at);
    }

    /// Does what its vice has it do of itself.
    fn throw(&mut self, end: EndId, hands: &mut Hands<'_>) {
        let (Some(vice), Some(conn)) = (self.vice_now(), self.conns.get(&end)) else { return };
        let mut scene = Scene {
            layout: &self.spec.layout,
            limits: &self.spec.limits,
            content: &*self.spec.content,
            prng: &mut self.prng,
            dont_have: conn.dont_have,
        };
        let Some(bytes) = floods::throw(vice, &mut scene).or_else(|| wire::throw(vice, &mut scene)) else {
            return;
        };
        if vice == Vice::NeverReads {
            hands.listen(end, false);
        }
        hands.send(end, bytes);
        self.shown += 1;
        let conn = self.conns.get_mut(&end).expect("it was there");
        conn.throws = conn.throws.saturating_sub(1);
        // Whoever still puts up with that hears more of it, but not for ever.
        let at = if conn.throws > 0 && vice != Vice::NeverReads { self.within(20) } else { Instant::NEVER };
        self.plan_act(end, at);
    }

    fn act(&mut self, end: EndId, hands: &mut Hands<'_>) {
        let (now, conduct) = (self.now, self.conduct());
        let Some(conn) = self.conns.get_mut(&end) else { return };
        conn.next = Instant::NEVER;
        if self.reformed && conn.shown {
            return self.brk(end, hands);
        }
        if let Some(byte) = conn.drip.pop_front() {
            hands.send(end, [byte]);
            let at = if conn.drip.is_empty() { Instant::NEVER } else { now + conn.drip_every };
            return self.plan_act(end, at);
        }
        if conn.leaves <= now {
            return self.end(end, hands);
        }
        let taken = std::mem::take(&mut conn.taken);
        let ready = match conduct.throws {
            When::Never => false,
            When::Unchoked => !conn.choked,
            When::Introduced => conn.dont_have.is_some(),
            When::Choked | When::AtOnce | When::Anytime => true,
        };
        if ready && conn.throws > 0 {
            return self.throw(end, hands);
        }
        conn.waits = conn.waits.saturating_sub(1);
        let waits = conn.waits;
        if !taken.is_empty() {
            let again: Vec<u8> = taken.iter().flat_map(|&piece| say::piece(4, piece)).collect();
            hands.send(end, again);
        } else if conduct.throws == When::Never {
            hands.send(end, say::keep_alive());
        }
        if waits > 0 {
            let at = if conduct.throws == When::Never {
                self.within(60) + Duration::from_secs(30)
            } else {
                self.within(10)
            };
            let leaves = self.conns.get(&end).map_or(Instant::NEVER, |conn| conn.leaves);
            self.plan_act(end, at.min(leaves.max(now)));
        }
    }

    fn understand(&mut self, end: EndId, word: Word, hands: &mut Hands<'_>) {
        let Some(conn) = self.conns.get_mut(&end) else { return };
        match word {
            Word::Greeting(theirs) => return self.met(end, theirs, hands),
            Word::Choke => {
                conn.choked = true;
                let asked = std::mem::take(&mut conn.asked);
                if let Some(snatch) = &mut self.snatch {
                    snatch.give_up(&asked);
                }
            }
            Word::Unchoke => {
                conn.choked = false;
                if self.conduct().throws == When::Unchoked {
                    let at = self.within(1);
                    self.plan_act(end, at);
                }
            }
            Word::Hello(dont_have) => conn.dont_have = dont_have,
            Word::Request(span) => self.requested(end, span, hands),
            Word::Have(_) | Word::Bitfield(_) | Word::HaveAll => {
                if let Some(has) = &mut conn.has {
                    learn(has, &word);
                }
            }
            Word::Block(span) | Word::Reject(span) => {
                if let Some(snatch) = &mut self.snatch {
                    let came = matches!(word, Word::Block(_));
                    snatch.answered(&self.spec.layout, &mut conn.asked, span, came);
                }
            }
            Word::Other => {}
        }
        self.snatch_on(end, hands);
    }

    /// Asks for more, or is gone with everything.
    fn snatch_on(&mut self, end: EndId, hands: &mut Hands<'_>) {
        let (Some(snatch), false) = (&mut self.snatch, self.reformed) else { return };
        if snatch.is_done() {
            self.shown += 1;
            self.snatch = None;
            self.victims.iter_mut().for_each(|victim| victim.dials = 0);
            for end in self.conns.keys().copied().collect::<Vec<_>>() {
                self.end(end, hands);
            }
            return;
        }
        let Some(conn) = self.conns.get_mut(&end).filter(|conn| !conn.choked) else { return };
        let Some(has) = &conn.has else { return };
        for span in snatch.more(&self.spec.layout, has, &mut conn.asked) {
            hands.send(end, say::span(6, span));
        }
    }

    /// Counts an answer that was no use to anybody; after so many it has had enough. Whoever asks for the same again
    /// and again would do so for ever.
    fn tire(&mut self, end: EndId, vicious: bool, hands: &mut Hands<'_>) {
        let Some(conn) = self.conns.get_mut(&end).filter(|_| vicious) else { return };
        conn.answers += 1;
        if conn.answers >= ANSWERS {
            self.end(end, hands);
        }
    }

    fn requested(&mut self, end: EndId, span: Span, hands: &mut Hands<'_>) {
        let conduct = self.conduct();
        let vice = self.vice_now();
        let Some(conn) = self.conns.get_mut(&end) else { return };
        if span.len == 0 || span.len > BLOCK || !self.spec.layout.holds(span) || !conn.gives {
            if conduct.fast {
                hands.send(end, say::span(16, span));
            }
            return self.tire(end, true, hands);
        }
        let mut scene = Scene {
            layout: &self.spec.layout,
            limits: &self.spec.limits,
            content: &*self.spec.content,
            prng: &mut self.prng,
            dont_have: conn.dont_have,
        };
        match data::answer(vice, span, conn.shown, &mut scene) {
            Answer::Say(bytes, vicious) => {
                conn.shown |= vicious;
                self.shown += u64::from(vicious);
                hands.send(end, bytes);
                self.tire(end, vicious, hands);
            }
            Answer::TakeBack(bytes) => {
                let again = conn.taken.contains(&span.piece.0) || conn.taken.len() >= TAKEN;
                if again {
                    hands.send(end, say::span(16, span));
                } else {
                    conn.taken.push(span.piece.0);
                    hands.send(end, bytes);
                    self.shown += 1;
                }
                self.tire(end, true, hands);
            }
            Answer::Drip(bytes) => {
                self.shown += 1;
                if conn.shown {
                    return;
                }
                conn.shown = true;
                conn.drip.extend(bytes.into_iter().take(DRIPS));
                conn.drip_every = Duration::from_secs(60);
                let at = self.within(5);
                self.plan_act(end, at);
            }
            Answer::Cut(bytes) => {
                self.shown += 1;
                hands.send(end, bytes);
                if self.prng.chance(1, 2) { self.end(end, hands) } else { self.brk(end, hands) }
            }
            Answer::Nothing => {
                conn.shown = true;
                self.shown += 1;
            }
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
            waits: WAITS,
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
        let dials = 1 + self.prng_below(3);
        self.plan_dials(dials, 60);
    }
}

fn fresh_id(prng: &mut Prng) -> PeerId {
    let mut id = *b"-MU0001-............";
    prng.fill(&mut id[8..]);
    PeerId(id)
}

/// Notes what a victim says to have.
fn learn(has: &mut Bits, word: &Word) {
    match word {
        Word::Have(piece) if *piece < has.len() => drop(has.set(*piece)),
        Word::Bitfield(field) => {
            if let Some(bits) = Bits::from_wire(field, has.len()) {
                has.union_with(&bits);
            }
        }
        Word::HaveAll => has.fill(),
        _ => {}
    }
}
