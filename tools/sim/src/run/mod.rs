//! A run: a scenario's world in two acts, and a verdict.
//!
//! ```text
//! first act    everything goes wrong; nothing may ever be false      users.rs    what users and machines do (askers.rs: of the DHT)
//! second act   a core is healed, the rest frozen; the core completes finale.rs   who, and when it is reached
//! rest         nobody has anything to do, so nobody does anything    verdict.rs  how it ended
//! end          everybody ends in good order and leaves nothing       alarm.rs    errors in the log, panics
//! ```

pub(crate) mod alarm;
mod askers;
mod finale;
mod users;
mod verdict;

use tide_base::{Duration, Instant, Prng};
use tide_engine::Faults;

use crate::dice::Dice;
use crate::judge::Oracle;
use crate::mishap::{Mishap, Tally};
use crate::mutants::Vice;
use crate::scenario::{Cast, Scenario, build};
use crate::trail::Trail;
use crate::world::{Canary, Counts, NodeId, World};

use askers::Askers;
use users::Users;
pub use verdict::Verdict;

/// How a run is watched.
#[derive(Default)]
pub struct Watch<'a> {
    /// Is told each notable event as it happens.
    pub note: Option<&'a mut dyn FnMut(&Note)>,
    /// Whether all that the engine logs is written to standard error.
    pub echo: bool,
    /// Takes the packets of the net, if they are wanted.
    pub packets: Option<&'a mut dyn FnMut(crate::net::Tapped)>,
    /// What is wrong on purpose: the run must fail.
    pub canary: Option<Canary>,
}

/// A notable event.
#[derive(Clone, Debug)]
pub struct Note {
    /// When.
    pub at: Instant,
    /// To which node, if to one.
    pub node: Option<NodeId>,
    /// What, in a word.
    pub what: &'static str,
    /// And in more words.
    pub text: String,
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// How it ended.
    pub verdict: Verdict,
    /// Equal for equal runs.
    pub trail: Trail,
    /// What happened, in numbers.
    pub counts: Counts,
    /// How long it took in the world.
    pub simulated: Duration,
    /// How often each mishap changed something.
    pub mishaps: Tally<Mishap>,
    /// How often each rule was broken, as the engines saw it.
    pub faults: Faults,
    /// How often each vice showed.
    pub vices: Tally<Vice>,
    /// How often each oracle compared something.
    pub oracles: Tally<Oracle>,
}

/// Runs a scenario.
pub fn run(scenario: &Scenario, watch: &mut Watch<'_>) -> Outcome {
    alarm::listen(watch.echo);
    let mut play = match alarm::caught(|| Play::new(scenario)) {
        Ok(play) => play,
        Err(panic) => return Outcome::of_nothing(Verdict::Crash(panic)),
    };
    play.world.tap(watch.packets.is_some());
    if let Some(canary @ Canary::LostWrites) = watch.canary {
        play.world.release(canary);
    }
    let ended = alarm::caught(|| play.all(watch));
    // What came right before it broke tells most.
    play.report(watch);
    let verdict = match ended {
        Ok(Ok(())) if play.core.lost.is_empty() => Verdict::Passed,
        Ok(Ok(())) => Verdict::Excused(format!("no disk has all of {:?}", play.core.lost)),
        Ok(Err(verdict)) => verdict,
        Err(panic) => Verdict::Crash(panic),
    };
    play.outcome(verdict)
}

/// A run under way.
struct Play<'s> {
    scenario: &'s Scenario,
    world: World,
    cast: Cast,
    users: Users,
    askers: Askers,
    prng: Prng,
    core: finale::Core,
}

type Step = Result<(), Verdict>;

/// Of how many who wait a verdict tells.
const TOLD: usize = 3;

/// How long everybody gets to come to rest, and then rests.
const REST: Duration = Duration::from_secs(1800);

/// How long an orderly end may take, with disks and trackers as slow as they are.
const END: Duration = Duration::from_secs(600);

impl<'s> Play<'s> {
    fn new(scenario: &'s Scenario) -> Play<'s> {
        let prng = Prng::new(scenario.seed).split("play");
        let (world, cast) = build(scenario);
        let users = Users::new(Dice::new(prng.split("users"), scenario.odds.clone()), cast.nodes.len());
        let public = scenario.private.iter().enumerate().filter(|(_, private)| !**private);
        let public = public.map(|(content, _)| world.content(content).info_hash()).collect();
        let askers = Askers::new(prng.split("askers"), public);
        Play { scenario, world, cast, users, askers, prng, core: finale::Core::default() }
    }

    fn all(&mut self, watch: &mut Watch<'_>) -> Step {
        self.first(watch)?;
        if !self.scenario.second_act {
            return self.check();
        }
        self.second(watch)?;
        self.rest(watch)?;
        self.end(watch)
    }

    fn first(&mut self, watch: &mut Watch<'_>) -> Step {
        self.note(watch, None, "act", "one: everything goes wrong".to_owned());
        let end = self.world.now() + self.scenario.first_act;
        while self.world.now() < end {
            let share = 1 + self.prng.below(100) as u32;
            self.go(watch, self.world.now() + self.scenario.tick * share / 100)?;
            let done = self.users.tick(&mut self.world);
            self.askers.tick(&mut self.world);
            for (node, mishap) in done {
                self.note(watch, Some(node), mishap.name(), String::new());
            }
        }
        Ok(())
    }

    fn second(&mut self, watch: &mut Watch<'_>) -> Step {
        self.users.calm();
        // What users have begun comes to an end.
        for _ in 0..100 {
            self.go(watch, self.world.now() + Duration::from_secs(1))?;
            self.users.tick(&mut self.world);
        }
        self.core = finale::choose(&self.world, &mut self.prng.split("core"), self.scenario.strangers);
        if let Some(spoilt) = finale::spoilt(&self.world, &self.core) {
            return Err(Verdict::Liveness(spoilt));
        }
        self.note(watch, None, "act", format!("two: {:?} complete {:?}", self.core.nodes, self.core.goals));
        self.world.calm(&self.core.nodes);
        let raised = finale::raise(&mut self.world, &mut self.core, self.scenario.strangers);
        if let Some(canary @ (Canary::LostHashes | Canary::Panic)) = watch.canary {
            self.world.release(canary);
        }
        // A world in which the judges have found something stands still.
        self.check()?;
        raised.map_err(Verdict::Liveness)?;
        let mut progress = (self.world.now(), 0);
        loop {
            self.go(watch, self.world.now() + Duration::from_secs(5))?;
            let (pieces, all) = finale::reached(&self.world, &self.core);
            if all {
                let hashed: Vec<_> = finale::hashed(&self.world, &self.core).collect();
                hashed.iter().for_each(|goal| self.world.judge_all_truth(goal.node, goal.torrent));
                self.check()?;
                self.world.note_completed(self.core.goals.len());
                return Ok(());
            }
            if pieces != progress.1 {
                progress = (self.world.now(), pieces);
            }
            if self.world.now() - progress.0 > self.scenario.stall {
                return self.stalled();
            }
        }
    }

    /// The second act does not get on: whether somebody is to blame.
    fn stalled(&self) -> Step {
        let waits = self.world.waits(&self.core.nodes);
        if waits.is_empty() {
            return Err(Verdict::Liveness(finale::unreached(&self.world, &self.core).join("; ")));
        }
        let (excused, blamed): (Vec<_>, Vec<_>) =
            waits.into_iter().partition(|waiting| waiting.excused().is_some());
        let told = if blamed.is_empty() { &excused } else { &blamed };
        let more = told.len().saturating_sub(TOLD);
        let mut lines: Vec<String> = told.iter().take(TOLD).map(ToString::to_string).collect();
        lines.extend((more > 0).then(|| format!("{more} more wait")));
        let text = lines.join("; ");
        Err(if blamed.is_empty() { Verdict::Excused(text) } else { Verdict::Liveness(text) })
    }

    fn rest(&mut self, watch: &mut Watch<'_>) -> Step {
        self.note(watch, None, "rest", "all have completed".to_owned());
        self.go(watch, self.world.now() + REST)?;
        self.world.begin_quiet(&self.core.nodes);
        self.go(watch, self.world.now() + REST)?;
        self.world.end_quiet().map_err(Verdict::Safety)
    }

    fn end(&mut self, watch: &mut Watch<'_>) -> Step {
        for &node in &self.core.nodes {
            self.world.shut_down(node, users::ENDING);
        }
        let core = &self.core;
        let down = |world: &World| core.nodes.iter().all(|&node| world.node(node).is_finished());
        let end = self.world.now() + END;
        let ended = finale::until(&mut self.world, end, down);
        self.check()?;
        ended.map_err(|()| {
            let left = self.core.nodes.iter().filter(|&&node| !self.world.node(node).is_finished());
            let left: Vec<u32> = left.map(|node| node.0).collect();
            Verdict::Liveness(format!("nodes {left:?} do not end"))
        })?;
        self.go(watch, self.world.now() + Duration::from_secs(60))?;
        self.world.nodes().filter(|(id, _)| self.core.nodes.contains(id)).for_each(|(_, node)| {
            node.shards().for_each(tide_engine::Shard::check_quiet);
        });
        self.note(watch, None, "end", String::new());
        self.check()
    }

    /// Runs until `end`, and looks whether anything was wrong.
    fn go(&mut self, watch: &mut Watch<'_>, end: Instant) -> Step {
        self.world.run_until(end);
        self.report(watch);
        self.check()
    }

    fn check(&mut self) -> Step {
        if let Some(finding) = self.world.take_finding() {
            return Err(Verdict::Safety(finding));
        }
        match alarm::errors().first() {
            Some(error) => Err(Verdict::Crash(format!("an error was logged: {error}"))),
            None => Ok(()),
        }
    }

    /// Tells of what the engines told their users, in the order of time.
    fn report(&mut self, watch: &mut Watch<'_>) {
        let mut told = Vec::new();
        for &node in &self.cast.nodes {
            told.extend(
                self.world.node_mut(node).take_events().into_iter().map(|(at, event)| (at, node, event)),
            );
        }
        if let Some(note) = &mut watch.note {
            told.sort_by_key(|&(at, ..)| at);
            for (at, node, event) in told {
                note(&Note { at, node: Some(node), what: "event", text: format!("{:?}", event.what) });
            }
        }
        if let Some(packets) = watch.packets.as_deref_mut() {
            self.world.net().take_tapped().into_iter().for_each(packets);
        }
    }

    fn note(&self, watch: &mut Watch<'_>, node: Option<NodeId>, what: &'static str, text: String) {
        if let Some(note) = &mut watch.note {
            note(&Note { at: self.world.now(), node, what, text });
        }
    }

    fn outcome(self, verdict: Verdict) -> Outcome {
        let mut mishaps = self.world.mishaps();
        mishaps.merge(self.users.tally());
        let mut trail = self.world.trail();
        trail.bytes(verdict.name().as_bytes());
        Outcome {
            verdict,
            trail,
            counts: self.world.counts(),
            simulated: self.world.now() - Instant::ZERO,
            mishaps,
            faults: self.world.faults(),
            vices: self.world.vices(),
            oracles: self.world.oracles(),
        }
    }
}

impl Outcome {
    pub(crate) fn of_nothing(verdict: Verdict) -> Outcome {
        Outcome {
            verdict,
            trail: Trail::default(),
            counts: Counts::default(),
            simulated: Duration::ZERO,
            mishaps: Tally::default(),
            faults: Faults::default(),
            vices: Tally::default(),
            oracles: Tally::default(),
        }
    }
}
