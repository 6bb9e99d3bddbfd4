//! Many runs, side by side.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Duration;

use tide_sim::world::Canary;
use tide_sim::{Outcome, Watch, draw, run};

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
    failed: Vec<(Seed, u8)>,
    excused: u64,
    events: u64,
    simulated: Duration,
}

impl Sum {
    fn add(&mut self, seed: Seed, outcome: &Outcome) {
        self.table.add(outcome);
        self.runs += 1;
        self.events += outcome.counts.events;
        self.simulated += outcome.simulated;
        if !outcome.verdict.is_good() {
            self.failed.push((seed, outcome.verdict.exit_code()));
            println!("seed {seed} {}", outcome.verdict);
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
fn clock() -> std::time::Instant {
    std::time::Instant::now()
}

/// Runs what `next` gives, `jobs` at a time, and sums up.
fn side_by_side(jobs: usize, canary: Option<Canary>, next: impl FnMut() -> Option<Seed> + Send) -> Sum {
    let mut sum = Sum::default();
    each(jobs, canary, next, |seed, outcome| sum.add(seed, outcome));
    sum
}

/// Runs what `next` gives, `jobs` at a time, and tells what became of each, in whatever order they end.
fn each(
    jobs: usize,
    canary: Option<Canary>,
    next: impl FnMut() -> Option<Seed> + Send,
    told: impl FnMut(Seed, &Outcome) + Send,
) {
    let (next, told) = (Mutex::new(next), Mutex::new(told));
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                loop {
                    let seed = (next.lock().expect("no run panics outside of itself"))();
                    let Some(seed) = seed else { break };
                    let outcome = run(&draw(seed.0), &mut Watch { canary, ..Watch::default() });
                    (told.lock().expect("no run panics outside of itself"))(seed, &outcome);
                }
            });
        }
    });
}

fn report(sum: &Sum, began: std::time::Instant, table: bool) -> ExitCode {
    let took = clock().duration_since(began).as_secs_f64().max(0.001);
    if table {
        print!("{}", sum.table.whole());
    }
    let hours = sum.simulated.as_secs_f64() / 3600.0;
    println!(
        "{} runs, {} failed, {} excused; {took:.0} s: {:.1} runs, {:.1} simulated hours and {:.0} events a second",
        sum.runs,
        sum.failed.len(),
        sum.excused,
        sum.runs as f64 / took,
        hours / took,
        sum.events as f64 / took
    );
    for (seed, _) in &sum.failed {
        println!("tide-sim replay {seed}");
    }
    ExitCode::from(sum.failed.first().map_or(0, |(_, code)| *code))
}

/// New seeds for some time.
pub(super) fn swarm(plan: &SwarmPlan) -> ExitCode {
    let began = clock();
    let mut seeds = seeds::after(plan.from);
    let (mut left, end) = (plan.limit.unwrap_or(u64::MAX), began + plan.time);
    println!("seeds after {}", plan.from);
    let next = move || {
        let more = left > 0 && clock() < end;
        left = left.saturating_sub(1);
        more.then(|| seeds.next()).flatten()
    };
    let sum = side_by_side(plan.jobs, plan.canary, next);
    report(&sum, began, plan.table)
}

/// The seeds of a list, and new ones; each kind of thing must have been exercised if the table is asked for.
pub(super) fn corpus(plan: &CorpusPlan) -> ExitCode {
    let began = clock();
    let listed = match seeds::listed(&plan.file) {
        Ok(listed) => listed,
        Err(error) => {
            eprintln!("tide-sim: {error}");
            return ExitCode::from(2);
        }
    };
    println!("{} seeds of {}, {} after {}", listed.len(), plan.file.display(), plan.fresh, plan.from);
    let mut all = listed.into_iter().chain(seeds::after(plan.from).take(plan.fresh as usize));
    let sum = side_by_side(plan.jobs, None, move || all.next());
    for line in sum.table.missing() {
        println!("never: {line}");
    }
    report(&sum, began, plan.table)
}

/// The trails of new seeds, sorted, so that `diff` tells whether another run of the program went another way.
pub(super) fn trails(plan: &TrailsPlan) -> ExitCode {
    let mut seeds = seeds::after(plan.from).take(plan.count as usize);
    let mut lines = Vec::new();
    each(plan.jobs, None, move || seeds.next(), |seed, outcome| {
        lines.push((seed, format!("{} {}", outcome.trail, outcome.verdict.name())));
    });
    lines.sort();
    lines.iter().for_each(|(seed, line)| println!("{seed:>16} {line}"));
    ExitCode::SUCCESS
}
