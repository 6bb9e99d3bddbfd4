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
    /// How often faults were raised that a vice provokes, in runs in which it showed.
    raised: Tally<Vice>,
    oracles: Tally<Oracle>,
}

impl Table {
    /// Adds a run.
    pub(super) fn add(&mut self, outcome: &Outcome) {
        self.mishaps.merge(&outcome.mishaps);
        self.faults.merge(&outcome.faults);
        self.vices.merge(&outcome.vices);
        self.oracles.merge(&outcome.oracles);
        for (vice, _) in outcome.vices.iter().filter(|(_, shown)| *shown > 0) {
            self.raised.add(vice, raised(vice, outcome));
        }
    }

    /// All there is, also what was never exercised: a page of four tables.
    pub(super) fn whole(&self) -> String {
        let mut text = String::new();
        let mishaps = Mishap::ALL.iter().map(|&what| row(what.name(), self.mishaps.of(what)));
        section(&mut text, &["mishap", "times"], mishaps);
        let faults = Fault::ALL.iter().map(|&fault| row(&format!("{fault:?}"), self.faults.of(fault)));
        section(&mut text, &["fault", "raised"], faults);
        let vices = Vice::ALL.iter().map(|&vice| {
            let found: Vec<String> = vice.provokes().iter().map(|fault| format!("{fault:?}")).collect();
            let raised = if found.is_empty() { String::new() } else { self.raised.of(vice).to_string() };
            vec![vice.name().to_owned(), self.vices.of(vice).to_string(), found.join(", "), raised]
        });
        section(&mut text, &["mutant", "shown", "found as", "raised"], vices);
        let oracles = Oracle::ALL.iter().map(|&oracle| row(oracle.name(), self.oracles.of(oracle)));
        section(&mut text, &["oracle", "comparisons"], oracles);
        text
    }

    /// What was never exercised.
    pub(super) fn missing(&self) -> Vec<String> {
        let mut missing = Vec::new();
        let mut look = |kind: &str, name: &str, times: u64| {
            if times == 0 {
                missing.push(format!("{kind} {name}"));
            }
        };
        Mishap::ALL.iter().for_each(|&what| look("mishap", what.name(), self.mishaps.of(what)));
        Fault::ALL.iter().for_each(|&what| look("fault", &format!("{what:?}"), self.faults.of(what)));
        Oracle::ALL.iter().for_each(|&what| look("oracle", what.name(), self.oracles.of(what)));
        for &vice in Vice::ALL {
            look("mutant", vice.name(), self.vices.of(vice));
            if !vice.provokes().is_empty() {
                look("found mutant", vice.name(), self.raised.of(vice));
            }
        }
        missing
    }
}

/// How often faults were raised in a run that this vice provokes.
fn raised(vice: Vice, outcome: &Outcome) -> u64 {
    vice.provokes().iter().map(|&fault| outcome.faults.of(fault)).sum()
}

fn row(name: &str, times: u64) -> Vec<String> {
    vec![name.to_owned(), times.to_string()]
}

fn section(text: &mut String, heads: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    let lines: Vec<String> = heads.iter().map(|_| "---".to_owned()).collect();
    let heads: Vec<String> = heads.iter().map(|&head| head.to_owned()).collect();
    for cells in [heads, lines].into_iter().chain(rows) {
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    text.push('\n');
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
