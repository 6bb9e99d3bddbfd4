//! Many runs, side by side.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tide_sim::overlay;
use tide_sim::world::Canary;
use tide_sim::{Directed, Outcome, Watch, draw, run};

use super::one::{self, Options};
use super::seeds::{self, Seed};
use super::table::Table;

/// New seeds for some time.
#[derive(Debug)]
pub(super) struct SwarmPlan {
    pub(super) time: Duration,
    pub(super) jobs: usize,
    pub(super) limit: Option<u64>,
    pub(super) table: bool,
    pub(super) canary: Option<Canary>,
    pub(super) from: Seed,
}

/// The seeds of a list, and some new ones.
#[derive(Debug)]
pub(super) struct CorpusPlan {
    pub(super) file: PathBuf,
    pub(super) fresh: u64,
    pub(super) from: Seed,
    pub(super) jobs: usize,
    pub(super) table: bool,
    pub(super) complete: bool,
}

/// A world for each thing there is.
#[derive(Debug)]
pub(super) struct EachPlan {
    pub(super) only: Option<String>,
    pub(super) options: Options,
    pub(super) jobs: usize,
    pub(super) table: bool,
}

/// New seeds whose trails are told.
#[derive(Debug)]
pub(super) struct TrailsPlan {
    pub(super) count: u64,
    pub(super) from: Seed,
    pub(super) jobs: usize,
}

/// What became of all runs.
#[derive(Default)]
struct Sum {
    table: Table,
    runs: u64,
    /// By which command each is seen again, and its exit status.
    failed: Vec<(String, u8)>,
    excused: u64,
    events: u64,
    simulated: Duration,
}

impl Sum {
    fn add_directed(&mut self, what: Directed, outcome: &Outcome) {
        self.count(outcome);
        if !outcome.verdict.is_good() {
            self.failed.push((format!("each {what}"), outcome.verdict.exit_code()));
            say!("{what}: {}", outcome.verdict);
        }
    }

    fn add_overlay(&mut self, seed: Seed, outcome: &Outcome) {
        self.count(outcome);
        if !outcome.verdict.is_good() {
            self.failed.push((format!("overlay {seed} --nodes {SMALL}"), outcome.verdict.exit_code()));
            say!("overlay {seed} --nodes {SMALL}: {}", outcome.verdict);
        }
    }

    fn count(&mut self, outcome: &Outcome) {
        self.table.add(outcome);
        self.runs += 1;
        self.events += outcome.counts.events;
        self.simulated += outcome.simulated;
    }

    fn add(&mut self, seed: Seed, outcome: &Outcome) {
        self.count(outcome);
        if !outcome.verdict.is_good() {
            self.failed.push((format!("replay {seed}"), outcome.verdict.exit_code()));
            say!("seed {seed} {}", outcome.verdict);
        } else if outcome.verdict.exit_code() == 0 && outcome.verdict.name() == "excused" {
            self.excused += 1;
        }
    }
}

/// A stopwatch: what the program tells people about its own speed is the only thing that depends on it.
#[expect(
    clippy::disallowed_methods,
    reason = "how fast runs are is measured; nothing in a run follows from it"
)]
pub(super) fn clock() -> std::time::Instant {
    std::time::Instant::now()
}

/// Runs what `next` gives, `jobs` at a time, and sums up.
fn side_by_side(jobs: usize, next: impl FnMut() -> Option<Seed> + Send) -> Sum {
    let mut sum = Sum::default();
    let play = |seed: &Seed| run(&draw(seed.0), &mut Watch::default());
    each(jobs, play, next, |seed, outcome| sum.add(seed, outcome));
    sum
}

/// Runs what `next` gives, `jobs` at a time, and tells what became of each, in whatever order they end.
fn each<T>(
    jobs: usize,
    play: impl Fn(&T) -> Outcome + Sync,
    next: impl FnMut() -> Option<T> + Send,
    told: impl FnMut(T, &Outcome) + Send,
) {
    let (next, told) = (Mutex::new(next), Mutex::new(told));
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                loop {
                    let what = (next.lock().expect("no run panics outside of itself"))();
                    let Some(what) = what else { break };
                    let outcome = play(&what);
                    (told.lock().expect("no run panics outside of itself"))(what, &outcome);
                }
            });
        }
    });
}

fn report(sum: &Sum, began: std::time::Instant, table: bool) -> ExitCode {
    let took = clock().duration_since(began).as_secs_f64().max(0.001);
    if table {
        say!("{}\n", sum.table.whole().trim_end());
    }
    let hours = sum.simulated.as_secs_f64() / 3600.0;
    say!(
        "{} runs, {} failed, {} excused; {took:.0} s: {:.1} runs, {:.1} simulated hours and {:.0} events a second",
        sum.runs,
        sum.failed.len(),
        sum.excused,
        sum.runs as f64 / took,
        hours / took,
        sum.events as f64 / took
    );
    for (command, _) in &sum.failed {
        say!("tide-sim {command}");
    }
    ExitCode::from(sum.failed.first().map_or(0, |(_, code)| *code))
}

/// New seeds for some time.
pub(super) fn swarm(plan: &SwarmPlan) -> ExitCode {
    let began = clock();
    let mut seeds = seeds::after(plan.from);
    let (mut left, end) = (plan.limit.unwrap_or(u64::MAX), began + plan.time);
    say!("seeds after {}", plan.from);
    let next = move || {
        let more = left > 0 && clock() < end;
        left = left.saturating_sub(1);
        more.then(|| seeds.next()).flatten()
    };
    let (mut sum, noticed) = (Sum::default(), AtomicBool::new(false));
    let next = {
        let (noticed, mut next) = (&noticed, next);
        move || if noticed.load(Ordering::Relaxed) { None } else { next() }
    };
    let play = |seed: &Seed| run(&draw(seed.0), &mut Watch { canary: plan.canary, ..Watch::default() });
    each(plan.jobs, play, next, |seed, outcome| {
        sum.add(seed, outcome);
        // That a canary is noticed is all there is to know.
        noticed.fetch_or(plan.canary.is_some() && !outcome.verdict.is_good(), Ordering::Relaxed);
    });
    report(&sum, began, plan.table)
}

/// The seeds of a list, and new ones, and if asked for a world for each thing there is.
pub(super) fn corpus(plan: &CorpusPlan) -> ExitCode {
    let began = clock();
    let listed = match seeds::listed(&plan.file) {
        Ok(listed) => listed,
        Err(error) => {
            eprintln!("tide-sim: {error}");
            return ExitCode::from(2);
        }
    };
    say!("{} seeds of {}, {} after {}", listed.len(), plan.file.display(), plan.fresh, plan.from);
    let mut all = listed.into_iter().chain(seeds::after(plan.from).take(plan.fresh as usize));
    let mut sum = side_by_side(plan.jobs, move || all.next());
    if plan.complete {
        play_directed(plan.jobs, None, &mut sum);
        let fresh = seeds::after(plan.from).take(plan.fresh as usize / SWARMS_AN_OVERLAY);
        play_overlays(plan.jobs, [Seed(DIRECTED)].into_iter().chain(fresh), &mut sum);
    }
    complete(&sum, plan.complete, report(&sum, began, plan.table))
}

/// From which the dice of written worlds follow.
const DIRECTED: u64 = 1;

fn play_directed(jobs: usize, only: Option<&str>, sum: &mut Sum) {
    let mut all = Directed::all().filter(|what| only.is_none_or(|name| what.to_string() == name));
    let play = |what: &Directed| run(&what.scenario(DIRECTED), &mut Watch::default());
    each(jobs, play, move || all.next(), |what, outcome| sum.add_directed(what, outcome));
}

/// Nodes of a large DHT that is one of many worlds: a second's work.
const SMALL: usize = 200;

/// For so many new swarms there is one new DHT.
const SWARMS_AN_OVERLAY: usize = 10;

/// What such a world is called among those of which there is one for each thing.
const OVERLAY: &str = "overlay";

fn play_overlays(jobs: usize, mut seeds: impl Iterator<Item = Seed> + Send, sum: &mut Sum) {
    let play = |seed: &Seed| overlay::run(&overlay::Plan::draw(seed.0, SMALL), &mut |_, _| {}).outcome;
    each(jobs, play, move || seeds.next(), |seed, outcome| sum.add_overlay(seed, outcome));
}

/// Whether there is a small world of this name.
pub(super) fn is_directed(name: &str) -> bool {
    name == OVERLAY || Directed::all().any(|what| what.to_string() == name)
}

/// A small world for each thing there is, so that everything is exercised whatever is drawn elsewhere.
pub(super) fn directed(plan: &EachPlan) -> ExitCode {
    if let Some(what) = Directed::all().find(|what| plan.only.as_deref() == Some(&what.to_string()))
        && plan.options.events
    {
        return one::tell(what.scenario(DIRECTED), &what.to_string(), &plan.options);
    }
    let (began, mut sum) = (clock(), Sum::default());
    play_directed(plan.jobs, plan.only.as_deref(), &mut sum);
    if plan.only.as_deref().is_none_or(|name| name == OVERLAY) {
        play_overlays(plan.jobs, std::iter::once(Seed(DIRECTED)), &mut sum);
    }
    complete(&sum, plan.only.is_none(), report(&sum, began, plan.table))
}

/// Says what was never exercised; if that must not be and nothing worse is, the program ends with 1.
fn complete(sum: &Sum, must: bool, status: ExitCode) -> ExitCode {
    let missing = if must { sum.table.missing() } else { Vec::new() };
    missing.iter().for_each(|line| say!("never: {line}"));
    if sum.failed.is_empty() && !missing.is_empty() { ExitCode::FAILURE } else { status }
}

/// The trails of new seeds, sorted, so that `diff` tells whether another run of the program went another way.
pub(super) fn trails(plan: &TrailsPlan) -> ExitCode {
    let mut seeds = seeds::after(plan.from).take(plan.count as usize);
    let mut lines = Vec::new();
    let play = |seed: &Seed| run(&draw(seed.0), &mut Watch::default());
    each(
        plan.jobs,
        play,
        move || seeds.next(),
        |seed, outcome| {
            lines.push((seed, format!("{} {}", outcome.trail, outcome.verdict.name())));
        },
    );
    lines.sort();
    lines.iter().for_each(|(seed, line)| say!("{seed:>16} {line}"));
    ExitCode::SUCCESS
}
