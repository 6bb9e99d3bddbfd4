//! A large DHT, told as it goes.

use std::process::ExitCode;

use tide_base::Instant;
use tide_sim::overlay::{Canary, Plan, run};

use super::one::summary;
use super::seeds::Seed;
use super::swarm::clock;
use super::table;

/// Which.
#[derive(Clone, Copy, Debug)]
pub(super) struct OverlayPlan {
    pub(super) seed: Seed,
    pub(super) nodes: usize,
    pub(super) canary: Option<Canary>,
}

/// Nodes, if it is not said how many.
pub(super) const NODES: usize = 2000;

/// One run.
pub(super) fn overlay(what: OverlayPlan) -> ExitCode {
    let began = clock();
    let plan = Plan { canary: what.canary, ..Plan::draw(what.seed.0, what.nodes) };
    say!("seed      {}\n{plan}", what.seed);
    let report = run(&plan, &mut |at: Instant, text: &str| say!("{:>9} {text}", format!("{at:?}")));
    say!("\n{}\n{}", report.figures, table::of(&report.outcome).trim_end());
    say!("verdict   {}\ntrail     {}", report.outcome.verdict, report.outcome.trail);
    say!("{}", summary(&report.outcome));
    eprintln!("took      {:.1} s", clock().duration_since(began).as_secs_f64());
    ExitCode::from(report.outcome.verdict.exit_code())
}
