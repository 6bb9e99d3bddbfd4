//! Whether a planted bug is found: the first seed whose run fails, and is well without the bug.

use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use tide_sim::{Watch, draw, run};

use super::seeds::{self, Seed};
use super::shrink::kind;

/// New seeds until one fails here and not there.
#[derive(Debug)]
pub(super) struct HuntPlan {
    /// This program, built without the bug.
    pub(super) sound: PathBuf,
    pub(super) from: Seed,
    pub(super) limit: u64,
    pub(super) jobs: usize,
}

/// The verdicts with which nothing is wrong.
const GOOD: [&str; 2] = ["passed", "excused"];

/// In which way a seed's run fails, or that it does not.
pub(super) fn tell(seed: Seed) -> ExitCode {
    let outcome = run(&draw(seed.0), &mut Watch::default());
    say!("{}", kind(&outcome.verdict));
    ExitCode::SUCCESS
}

/// What `sound` says of a seed.
fn without(plan: &HuntPlan, seed: Seed) -> Result<String, String> {
    let output = Command::new(&plan.sound).args(["kind", &seed.to_string()]).output();
    let output = output.map_err(|error| format!("{}: {error}", plan.sound.display()))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Hunts, and prints what found the bug, with which seed, after how many.
pub(super) fn hunt(plan: &HuntPlan) -> ExitCode {
    let over = AtomicBool::new(false);
    let next = Mutex::new(seeds::after(plan.from).take(plan.limit as usize).zip(1..));
    let found = Mutex::new(None::<(u64, Seed, String)>);
    std::thread::scope(|scope| {
        for _ in 0..plan.jobs {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let Some((seed, number)) = next.lock().expect("nobody panics here").next() else { break };
                    let outcome = run(&draw(seed.0), &mut Watch::default());
                    if outcome.verdict.is_good() {
                        continue;
                    }
                    let kind = kind(&outcome.verdict);
                    match without(plan, seed) {
                        Ok(other) if !GOOD.contains(&other.as_str()) => {}
                        Ok(_) => {
                            over.store(true, Ordering::Relaxed);
                            let mut found = found.lock().expect("nobody panics here");
                            if found.as_ref().is_none_or(|(first, ..)| number < *first) {
                                *found = Some((number, seed, format!("{kind} | {}", outcome.verdict)));
                            }
                        }
                        Err(error) => {
                            eprintln!("tide-sim: {error}");
                            over.store(true, Ordering::Relaxed);
                        }
                    }
                }
            });
        }
    });
    match found.into_inner().expect("nobody panics here") {
        Some((number, seed, text)) => {
            say!("{number} | {seed} | {text}");
            ExitCode::SUCCESS
        }
        None => {
            say!("not found by {} seeds after {}", plan.limit, plan.from);
            ExitCode::FAILURE
        }
    }
}
