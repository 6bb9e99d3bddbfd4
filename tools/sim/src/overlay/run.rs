//! The story of a large DHT: everybody comes, announces, and then it is counted what is found, while they go on leaving
//! and coming back. In the end it is said what it came to.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use tide_base::{Duration, InfoHash, Instant, Prng};
use tide_dht::{Effort, Family, Item, QueryId, Wanted};

use super::engines::Engines;
use super::figures::{Figures, Spread};
use super::peer::{Peer, Question};
use super::plan::Plan;
use crate::actor::{Actor, Hands, Heard};
use crate::judge::{Finding, Oracle, places};
use crate::liar::Liar;
use crate::mishap::Tally;
use crate::net::HostSpec;
use crate::run::{Outcome, Verdict, alarm};
use crate::world::{ActorId, World};

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Report {
    /// As of any run.
    pub outcome: Outcome,
    /// And in numbers.
    pub figures: Figures,
}

/// Between two looks at what everybody's judge has found.
const SLICE: Duration = Duration::from_secs(5);
/// A node's lookups count once it has been there for so long.
const AT_HOME: Duration = Duration::from_secs(60);
/// Of each turn of this many engines one is looked at closely.
const LOOKS: u32 = 50;
/// Simulated time between two questions of users that are not counted, times the number of nodes.
const IDLE: Duration = Duration::from_secs(400);

/// Runs a plan; `note` is told of its chapters.
pub fn run(plan: &Plan, note: &mut dyn FnMut(Instant, &str)) -> Report {
    alarm::listen(false);
    let mut play = match alarm::caught(|| Play::new(plan)) {
        Ok(play) => play,
        Err(panic) => {
            let outcome = Outcome::of_nothing(Verdict::Crash(panic));
            return Report { outcome, figures: Figures::default() };
        }
    };
    let verdict = match alarm::caught(|| play.all(note)) {
        Ok(Ok(())) => Verdict::Passed,
        Ok(Err(verdict)) => verdict,
        Err(panic) => Verdict::Crash(panic),
    };
    play.report(verdict)
}

type Step = Result<(), Verdict>;

/// A host that has nothing to do with it.
#[derive(Debug, Default)]
struct Bystander(u64);

impl Actor for Bystander {
    fn hear(&mut self, _now: Instant, what: Heard<'_>, _hands: &mut Hands<'_>) {
        if let Heard::Datagram { data, .. } = what {
            self.0 += data.len() as u64;
        }
    }
}

struct Play<'p> {
    plan: &'p Plan,
    world: World,
    engines: Engines,
    peers: Vec<ActorId>,
    liars: Vec<ActorId>,
    bystanders: Vec<ActorId>,
    prng: Prng,
    /// Lookups that count and have not ended.
    open: BTreeSet<(usize, QueryId)>,
    found: usize,
    efforts: Vec<Effort>,
    tries: usize,
    tally: Tally<Oracle>,
    next_idle: Instant,
}

impl<'p> Play<'p> {
    fn new(plan: &'p Plan) -> Play<'p> {
        let prng = Prng::new(plan.seed).split("overlay play");
        let mut world = World::new(plan.seed, plan.odds.clone(), plan.net.clone());
        let engines = Engines::settle(plan, &mut world, &mut prng.split("engines"));
        let mut peers = Vec::new();
        for (i, own) in plan.peers.iter().enumerate() {
            let peer = Peer::new(plan, i, engines.private.clone(), prng.split(&format!("peer {i}")));
            peers.push(world.add_actor(own.host.clone(), &[], Box::new(peer)));
        }
        let mut liars = Vec::new();
        for (i, own) in plan.liars.iter().enumerate() {
            let victims = own.victims.iter().map(|&victim| plan.peers[victim].at).collect();
            let mut liar = Liar::new(own.lie, own.at, victims, prng.split(&format!("liar {i}")));
            if let Some(torrent) = own.beside {
                liar = liar.beside(plan.place(torrent));
            }
            if own.lie == crate::liar::Lie::Reflect {
                liar = liar.against(plan.bystanders.clone());
            }
            liars.push(world.add_actor(own.host.clone(), &[], Box::new(liar)));
        }
        let bystander = |at: &SocketAddr| HostSpec::ordinary(at.ip());
        let bystanders = plan.bystanders.iter();
        let bystanders = bystanders
            .map(|at| world.add_actor(bystander(at), &[], Box::new(Bystander::default())))
            .collect();
        world.judge(LOOKS);
        Play {
            plan,
            world,
            engines,
            peers,
            liars,
            bystanders,
            prng: prng.split("users"),
            open: BTreeSet::new(),
            found: 0,
            efforts: Vec::new(),
            tries: 0,
            tally: Tally::default(),
            next_idle: Instant::ZERO,
        }
    }

    fn all(&mut self, note: &mut dyn FnMut(Instant, &str)) -> Step {
        let plan = self.plan;
        note(self.world.now(), "they come");
        self.go(Instant::ZERO + plan.growth)?;
        note(self.world.now(), "all have come, and some have left");
        self.go(self.world.now() + plan.settling)?;
        note(self.world.now(), "what is stored is looked for");
        let began = self.world.now();
        for n in 0..plan.tries {
            self.go(began + plan.seeking * n as u32 / plan.tries as u32)?;
            self.seek();
        }
        self.go(began + plan.seeking)?;
        note(self.world.now(), "what is under way comes to its end");
        let patience = places::Place::patience(&tide_dht::Limits::default());
        self.go(self.world.now() + patience + AT_HOME)?;
        self.judge_all()
    }

    /// Runs until `end`, with users who ask now and then, and looks whether anything was wrong.
    fn go(&mut self, end: Instant) -> Step {
        while self.world.now() < end {
            let slice = (self.world.now() + SLICE).min(end);
            while self.next_idle <= slice {
                self.world.run_until(self.next_idle);
                self.idle();
                let mean = IDLE.as_nanos() as u64 / self.peers.len() as u64;
                self.next_idle += Duration::from_nanos(1 + self.prng.below(2 * mean));
            }
            self.world.run_until(slice);
            self.engines.tick(&mut self.world);
            self.check()?;
        }
        Ok(())
    }

    fn check(&mut self) -> Step {
        for (node, &id) in self.peers.iter().enumerate() {
            let ended = self.world.with_actor(id, |peer: &mut Peer, _, _| peer.take_ended());
            for ended in ended.into_iter().flatten() {
                if self.open.remove(&(node, ended.query)) {
                    self.found += usize::from(ended.found);
                    self.efforts.push(ended.effort);
                }
            }
            let wrong = self.peer(id).place().wrong().cloned();
            if let Some((oracle, text)) = wrong {
                return Err(Verdict::Safety(Finding { oracle, node, at: self.world.now(), text }));
            }
        }
        if let Some(finding) = self.world.take_finding() {
            return Err(Verdict::Safety(finding));
        }
        match alarm::errors().first() {
            Some(error) => Err(Verdict::Crash(format!("an error was logged: {error}"))),
            None => Ok(()),
        }
    }

    fn peer(&self, id: ActorId) -> &Peer {
        self.world.actor_as(id).expect("it is one")
    }

    /// Some peer that has been there for a while.
    fn somebody(&mut self) -> Option<usize> {
        let now = self.world.now();
        let mut some = (0..20).map(|_| self.prng.index(self.peers.len())).collect::<Vec<_>>().into_iter();
        some.find(|&peer| self.peer(self.peers[peer]).is_up_for(now, AT_HOME))
    }

    /// A torrent that somebody is known to keep, and who announced it.
    fn stored(&mut self) -> Option<(InfoHash, SocketAddr)> {
        let all: Vec<_> = self.peers.iter().filter_map(|&id| self.peer(id).stored()).collect();
        (!all.is_empty()).then(|| all[self.prng.index(all.len())])
    }

    /// Somebody looks for something that is stored.
    fn seek(&mut self) {
        let (Some(seeker), Some((torrent, at))) = (self.somebody(), self.stored()) else { return };
        if let Some(query) = self.ask(seeker, Question::Peers(torrent, at)) {
            self.tries += 1;
            self.open.insert((seeker, query));
        }
    }

    fn ask(&mut self, who: usize, question: Question) -> Option<QueryId> {
        let ask = |peer: &mut Peer, now, hands: &mut Hands<'_>| peer.ask(now, question, hands);
        self.world.with_actor(self.peers[who], ask).flatten()
    }

    /// Somebody asks something that does not count.
    fn idle(&mut self) {
        let Some(who) = self.somebody() else { return };
        let torrent = self.plan.torrents[self.prng.index(self.plan.torrents.len())];
        let other = self.peers[self.prng.index(self.peers.len())];
        let other = self.peer(other).at();
        let value = format!("i{}e", self.prng.below(20));
        let (key, seq) = ([1 + self.prng.below(3) as u8; 32], self.prng.below(9) as i64);
        let item = Item::immutable(value.as_bytes()).expect("a number is a value");
        let question = match self.prng.below(8) {
            0 => Question::Scrape(torrent),
            1 => Question::Ping(other),
            2 => Question::Sample(other),
            3 => Question::Put(item),
            4 => Question::Get(Wanted::Immutable(item.target())),
            5 => Question::Put(Item::sign(&key, b"", seq, value.as_bytes()).expect("a number is a value")),
            6 => Question::Nothing(torrent),
            _ => Question::Peers(torrent, other),
        };
        self.ask(who, question);
    }

    /// What everybody did together.
    fn judge_all(&mut self) -> Step {
        let figures = self.figures();
        let sends = self.efforts.iter().map(|effort| effort.sends as u64).sum();
        let (got, spent) = figures.reflected;
        let all = [
            (Oracle::Bystanders, places::bystanders(got, spent)),
            (Oracle::Lookups, places::short_lookups(sends, self.efforts.len() as u64)),
        ];
        for (oracle, compared) in all {
            match compared {
                Ok(0) => {}
                Ok(_) => self.tally.count(oracle),
                Err(text) => {
                    return Err(Verdict::Safety(Finding { oracle, node: 0, at: self.world.now(), text }));
                }
            }
        }
        let found = places::stored_is_found(self.found, self.efforts.len(), self.plan.torrents.len());
        let found = found.map_err(Verdict::Liveness)?;
        self.tally.add(Oracle::Found, found);
        let incomplete = self.engines.incomplete(&self.world);
        if let Some((engine, torrent)) = incomplete.first() {
            let text = format!("engine {engine} has not completed torrent {torrent}");
            return Err(Verdict::Liveness(text));
        }
        self.world.note_completed(self.engines.nodes.len());
        Ok(())
    }

    fn figures(&self) -> Figures {
        let now = self.world.now();
        let peers = || self.peers.iter().map(|&id| self.peer(id));
        let records: Vec<_> = peers().map(|peer| peer.record(now)).filter(|(up, _)| *up >= AT_HOME).collect();
        let minute = |bytes: u64, up: Duration| (bytes as f64 * 60.0 / up.as_secs_f64()) as u64;
        let nodes = || peers().filter_map(Peer::node);
        let of = |number: fn(&Effort) -> u64| Spread::of(self.efforts.iter().map(number).collect());
        let got = self.bystanders.iter().filter_map(|&id| self.world.actor_as::<Bystander>(id));
        let spent = self.liars.iter().filter_map(|&id| self.world.actor_as::<Liar>(id));
        Figures {
            tries: self.efforts.len(),
            found: self.found,
            given_up: self.tries - self.efforts.len(),
            hops: of(|effort| u64::from(effort.hops)),
            requests: of(|effort| effort.sends as u64),
            took: of(|effort| effort.took.as_millis() as u64),
            said: Spread::of(records.iter().map(|(up, of)| minute(of.bytes_out, *up)).collect()),
            heard: Spread::of(records.iter().map(|(up, of)| minute(of.bytes_in, *up)).collect()),
            memory: Spread::of(nodes().map(|node| node.memory() as u64).collect()),
            known: Spread::of(
                nodes().map(|node| node.stats().tables[Family::V4 as usize].nodes as u64).collect(),
            ),
            asked: Spread::of(peers().map(|peer| u64::from(peer.place().most_asked())).collect()),
            births: peers().map(|peer| u64::from(peer.lives())).sum(),
            blocked: records.iter().map(|(_, of)| of.blocked).sum(),
            reflected: (got.map(|one| one.0).sum(), spent.map(Liar::spent).sum()),
        }
    }

    fn report(self, verdict: Verdict) -> Report {
        let figures = self.figures();
        let mut trail = self.world.trail();
        let mut oracles = self.world.oracles();
        oracles.merge(&self.tally);
        for &id in &self.peers {
            trail.all_of(self.peer(id).trail());
            oracles.merge(self.peer(id).place().tally());
        }
        trail.bytes(verdict.name().as_bytes());
        let outcome = Outcome {
            verdict,
            trail,
            counts: self.world.counts(),
            simulated: self.world.now() - Instant::ZERO,
            mishaps: self.world.mishaps(),
            faults: self.world.faults(),
            vices: self.world.vices(),
            oracles,
        };
        Report { outcome, figures }
    }
}
