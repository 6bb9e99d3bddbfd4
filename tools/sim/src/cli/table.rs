//! What runs exercised, and how often.

use std::fmt::Write;

use tide_peer::Fault;
use tide_sim::judge::Oracle;
use tide_sim::mutants::Vice;
use tide_sim::{Mishap, Outcome, Tally};

/// What many runs exercised together.
#[derive(Default)]
pub(super) struct Table {
    mishaps: Tally<Mishap>,
    faults: tide_engine::Faults,
    vices: Tally<Vice>,
    oracles: Tally<Oracle>,
}

impl Table {
    /// Adds a run.
    pub(super) fn add(&mut self, outcome: &Outcome) {
        self.mishaps.merge(&outcome.mishaps);
        self.faults.merge(&outcome.faults);
        self.vices.merge(&outcome.vices);
        self.oracles.merge(&outcome.oracles);
    }

    /// All there is, also what was never exercised.
    pub(super) fn whole(&self) -> String {
        let mut text = String::new();
        let mishaps = Mishap::ALL.iter().map(|&what| (what.name(), self.mishaps.of(what)));
        section(&mut text, "mishaps", mishaps);
        let faults: Vec<(String, u64)> =
            Fault::ALL.iter().map(|&fault| (format!("{fault:?}"), self.faults.of(fault))).collect();
        section(&mut text, "faults", faults.iter().map(|(name, times)| (name.as_str(), *times)));
        section(&mut text, "mutants", Vice::ALL.iter().map(|&vice| (vice.name(), self.vices.of(vice))));
        let oracles = Oracle::ALL.iter().map(|&oracle| (oracle.name(), self.oracles.of(oracle)));
        section(&mut text, "oracles", oracles);
        text
    }

    /// What was never exercised.
    pub(super) fn missing(&self) -> Vec<String> {
        let zero = |line: &&str| line.ends_with(" 0");
        self.whole().lines().filter(zero).map(|line| line.trim().to_owned()).collect()
    }
}

fn section<'a>(text: &mut String, title: &str, lines: impl Iterator<Item = (&'a str, u64)>) {
    let _ = writeln!(text, "{title}");
    for (name, times) in lines {
        let _ = writeln!(text, "  {name:24} {times:>12}");
    }
}

/// What one run exercised.
pub(super) fn of(outcome: &Outcome) -> String {
    let mut text = String::new();
    let mut row = |title: &str, words: Vec<String>| {
        if !words.is_empty() {
            let _ = writeln!(text, "{title:9} {}", words.join(", "));
        }
    };
    row("happened", outcome.mishaps.iter().map(|(what, times)| format!("{what} {times}")).collect());
    row("faults", outcome.faults.iter().map(|(fault, times)| format!("{fault:?} {times}")).collect());
    row("mutants", outcome.vices.iter().map(|(vice, times)| format!("{vice} {times}")).collect());
    row("compared", outcome.oracles.iter().map(|(oracle, times)| format!("{oracle} {times}")).collect());
    text
}
