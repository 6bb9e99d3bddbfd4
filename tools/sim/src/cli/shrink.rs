//! The smallest scenario that fails as a seed's does: one thing after another is taken out, and stays out if the run
//! still fails in the same way.

use std::process::ExitCode;

use tide_sim::world::Canary;
use tide_sim::{Cut, Outcome, Scenario, Verdict, Watch, draw, run};

use super::seeds::Seed;

/// What makes two failures one.
pub(super) fn kind(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Safety(finding) => format!("safety {}", finding.oracle),
        // Where it broke, not with which numbers.
        Verdict::Crash(text) => {
            let place = text.split_whitespace().find(|word| word.contains(".rs:"));
            format!("crash {}", place.unwrap_or_default())
        }
        other => other.name().to_owned(),
    }
}

fn without(seed: Seed, cuts: &[Cut], canary: Option<Canary>) -> (Scenario, Outcome) {
    let mut scenario = draw(seed.0);
    // Trackers move up when one is taken out, so that the last goes first.
    let mut cuts = cuts.to_vec();
    cuts.sort_by_key(|cut| std::cmp::Reverse(if let Cut::Tracker(i) = cut { *i } else { 0 }));
    cuts.iter().for_each(|&cut| scenario.cut(cut));
    let outcome = run(&scenario, &mut Watch { canary, ..Watch::default() });
    (scenario, outcome)
}

/// Shrinks a seed's scenario.
pub(super) fn shrink(seed: Seed, canary: Option<Canary>) -> ExitCode {
    let (scenario, outcome) = without(seed, &[], canary);
    say!("seed {seed}: {}", outcome.verdict);
    if outcome.verdict.is_good() {
        say!("nothing to shrink");
        return ExitCode::SUCCESS;
    }
    let wanted = kind(&outcome.verdict);
    let mut cuts: Vec<Cut> = Vec::new();
    let mut best = (scenario, outcome);
    for cut in draw(seed.0).cuts() {
        cuts.push(cut);
        let (scenario, outcome) = without(seed, &cuts, canary);
        if kind(&outcome.verdict) == wanted {
            say!("without {cut}: still");
            best = (scenario, outcome);
        } else {
            cuts.pop();
        }
    }
    say!("\n{}\n{}\n", best.0, best.1.verdict);
    let words: Vec<String> = cuts.iter().map(ToString::to_string).collect();
    let cuts = if words.is_empty() { String::new() } else { format!(" --cut {}", words.join(",")) };
    say!("tide-sim replay {seed}{cuts}");
    ExitCode::from(best.1.verdict.exit_code())
}
