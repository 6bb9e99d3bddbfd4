//! The program: that a run is the same in another process, and that the alarm rings as it should.

use std::process::{Command, Output};

use tide_sim::{Watch, draw, run};

fn program(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tide-sim"));
    command.args(args);
    command
}

fn text(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).expect("words")
}

/// Twice in this process, and once in another, in another place and with other manners.
#[test]
fn a_run_follows_from_its_seed_alone() {
    let mut elsewhere = program(&["trails", "--count", "2", "--from", "f", "--jobs", "2"]);
    elsewhere.current_dir("/").env_clear().env("TZ", "Asia/Tokyo").env("LC_ALL", "tr_TR.UTF-8");
    let output = elsewhere.output().expect("the program runs");
    assert!(output.status.success());
    let lines: Vec<&str> = text(&output).lines().collect();
    assert_eq!(lines.len(), 2);
    for line in lines {
        let seed: u64 = line.split_whitespace().next().expect("a seed").parse().expect("a number");
        for time in ["first", "second"] {
            let outcome = run(&draw(seed), &mut Watch::default());
            let here = format!("{seed:>16} {} {}", outcome.trail, outcome.verdict.name());
            assert_eq!(here, line, "the {time} run in this process");
        }
    }
}

/// Something is wrong on purpose: how the program ends. It always says how to see that again.
fn rings(canary: &str) -> Option<i32> {
    let args = ["swarm", "--limit", "20", "--for", "1h", "--jobs", "1", "--from", "ring", "--canary", canary];
    let output = program(&args).output().expect("the program runs");
    assert!(text(&output).contains("tide-sim replay "), "{}", text(&output));
    output.status.code()
}

#[test]
fn the_exit_status_tells_crash_liveness_and_safety_apart() {
    assert_eq!(rings("panic"), Some(127));
    assert_eq!(rings("lost-hashes"), Some(128));
    assert_eq!(rings("lost-writes"), Some(129));
}

#[test]
fn what_makes_no_sense_is_no_verdict() {
    for args in [&["corpus", "/nonexistent"][..], &["run", "x"], &["dance"], &["trails", "--count", "many"]] {
        let output = program(args).output().expect("the program runs");
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(output.stdout.is_empty(), "{args:?}");
    }
}
