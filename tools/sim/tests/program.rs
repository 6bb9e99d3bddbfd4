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
    let senseless: [&[&str]; 10] = [
        &["corpus", "/nonexistent"],
        &["run", "x"],
        &["dance"],
        &["trails", "--count", "many"],
        &["swarm", "5"],
        &["check", "7", "--pcap", "7.pcap"],
        &["--table"],
        &["each", "nothing"],
        &["replay", "7", "--cut", "node:99"],
        &["snapshot", "--compare", "/nonexistent"],
    ];
    for args in senseless {
        let output = program(args).output().expect("the program runs");
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(output.stdout.is_empty(), "{args:?}");
    }
}

/// The packets end with the last before it broke, in a file that says how long each is.
#[test]
fn packets_are_written_to_the_end() {
    let file = std::env::temp_dir().join(format!("tide-sim-{}.pcap", std::process::id()));
    let path = file.to_str().expect("a path of letters");
    let output =
        program(&["replay", "7", "--pcap", path, "--canary", "panic"]).output().expect("the program runs");
    assert_eq!(output.status.code(), Some(127));
    let bytes = std::fs::read(&file).expect("the packets");
    std::fs::remove_file(&file).expect("it was there");
    let (mut at, mut packets, mut last) = (24, 0, 0);
    while at < bytes.len() {
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        (last, packets) = (word(at), packets + 1);
        at += 16 + word(at + 8) as usize;
    }
    assert_eq!(at, bytes.len(), "the last packet is whole");
    assert!(packets > 100 && last > 100, "{packets} packets, the last in second {last}");
    let output = program(&["replay", "7", "--pcap", "/dev/full"]).output().expect("the program runs");
    assert_eq!(output.status.code(), Some(1), "a file that cannot be written is no success");
}

/// What is left of a scenario fails as the whole did, and is seen again by the command that is printed.
#[test]
fn a_failure_is_shrunk_and_seen_again() {
    let output = program(&["shrink", "4", "--canary", "panic"]).output().expect("the program runs");
    assert_eq!(output.status.code(), Some(127));
    let last = text(&output).lines().last().expect("a line");
    let command: Vec<&str> = last.split_whitespace().skip(1).chain(["--canary", "panic"]).collect();
    assert!(command.contains(&"--cut"), "{last}");
    let again = program(&command).output().expect("the program runs");
    assert_eq!(again.status.code(), Some(127), "{last}");
    let seen = |text: &str| text.lines().filter(|line| line.starts_with("          torrent")).count();
    let whole = program(&["replay", "4"]).output().expect("the program runs");
    assert!(seen(text(&again)) < seen(text(&whole)), "nothing was left out");
}
