//! How swarms do on lines with loss and long round trips: a table that is kept with the source, so that a change to
//! picker, choker or pipelines shows in its diff.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;

use tide_base::{Duration, Instant, ShardId};
use tide_engine::{Answer, Command, Happening};
use tide_sim::disk::{Content, ContentSpec};
use tide_sim::net::{HostSpec, NetSpec};
use tide_sim::world::{Holding, NodeId, NodeSpec};
use tide_sim::{Mishap, Odds, World};

/// Bytes of the content.
const CONTENT: u64 = 8 << 20;
/// Bytes in a piece.
const PIECE: u32 = 256 << 10;
/// Bytes a second, each way, of every line: slow, so that what is measured is not only the first rounds of choking.
const RATE: u64 = 250_000;
/// Nobody waits longer.
const PATIENCE: Duration = Duration::from_secs(4 * 3600);

/// One row: so many machines, one of them a seed, all on equal lines.
#[derive(Clone, Copy)]
struct Case {
    peers: u32,
    rtt: u64,
    /// Packets lost, in millionths.
    loss: u32,
}

/// What came of it.
struct Played {
    /// When each leech was complete, in order; who never was is missing.
    times: Vec<Duration>,
    leeches: usize,
    /// Bytes on the wire.
    wire: u64,
    /// Content bytes that were sent.
    sent: u64,
}

/// What is to be done with the table.
#[derive(Debug)]
pub(super) struct SnapshotPlan {
    pub(super) jobs: usize,
    /// Compared with this file; otherwise printed.
    pub(super) with: Option<PathBuf>,
}

/// Makes the table, and prints it or what is different about it.
pub(super) fn snapshot(plan: &SnapshotPlan) -> ExitCode {
    let Some(file) = &plan.with else {
        say!("{}", table(plan.jobs).trim_end());
        return ExitCode::SUCCESS;
    };
    let old = match std::fs::read_to_string(file) {
        Ok(old) => old,
        Err(error) => {
            eprintln!("tide-sim: {}: {error}", file.display());
            return ExitCode::from(2);
        }
    };
    let new = table(plan.jobs);
    let differ: Vec<(&str, &str)> = old.lines().zip(new.lines()).filter(|(a, b)| !is_close(a, b)).collect();
    if differ.is_empty() && old.lines().count() == new.lines().count() {
        say!("swarms do as {} says", file.display());
        return ExitCode::SUCCESS;
    }
    differ.iter().for_each(|(old, new)| say!("- {old}\n+ {new}"));
    say!("Swarms do otherwise than {} says. If that is meant, keep it:", file.display());
    say!("cargo run --profile sim -p tide-sim -- snapshot > {}", file.display());
    ExitCode::FAILURE
}

/// Whether two lines say nearly the same: no number differs by more than a tenth, or by more than a tenth of what is
/// ideal. Whatever changes the order of anything shifts them all a little.
fn is_close(old: &str, new: &str) -> bool {
    let mut words = old.split_whitespace().zip(new.split_whitespace());
    let near = |(a, b): (&str, &str)| match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(a), Ok(b)) => (a - b).abs() <= 0.1 * a.abs().max(1.0),
        _ => a == b,
    };
    old.split_whitespace().count() == new.split_whitespace().count() && words.all(near)
}

/// The whole table; `jobs` swarms are played at a time.
fn table(jobs: usize) -> String {
    let mut cases = Vec::new();
    for peers in [2, 10, 50] {
        for rtt in [10, 100, 300] {
            cases.extend([0, 1_000, 10_000].map(|loss| Case { peers, rtt, loss }));
        }
    }
    // The longest first, so that none is waited for in the end.
    let todo = Mutex::new(cases.iter().copied().enumerate());
    let lines = Mutex::new(vec![String::new(); cases.len()]);
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                loop {
                    let next = todo.lock().expect("nobody panics with it").next_back();
                    let Some((i, case)) = next else { break };
                    let line = line(case, &play(case));
                    lines.lock().expect("nobody panics with it")[i] = line;
                }
            });
        }
    });
    HEAD.to_owned() + &lines.into_inner().expect("nobody panics with it").concat()
}

const HEAD: &str = "\
# One seed and its leeches, 8 MiB in pieces of 256 KiB, 250 kB/s each way, real limits. Written by
# `tide-sim snapshot`; what the columns mean is in docs/simulation.md.
peers  rtt ms  loss %     first    median      last    wire   waste  fairness
";

fn line(case: Case, result: &Played) -> String {
    let ideal = CONTENT as f64 / RATE as f64;
    let of_ideal = |time: Option<&Duration>| match time {
        Some(time) => format!("{:.2}", time.as_secs_f64() / ideal),
        None => "never".to_owned(),
    };
    let times = &result.times;
    let wanted = CONTENT as f64 * result.leeches as f64;
    format!(
        "{:>5}  {:>6}  {:>6.1}  {:>8}  {:>8}  {:>8}  {:>6.3}  {:>6.3}  {:>8.4}\n",
        case.peers,
        case.rtt,
        f64::from(case.loss) / 1e4,
        of_ideal(times.first()),
        of_ideal(times.get(result.leeches / 2)),
        of_ideal(times.get(result.leeches - 1)),
        result.wire as f64 / wanted,
        result.sent as f64 / wanted - 1.0,
        jain(times),
    )
}

/// Jain's index of how equal these are: one if they are, and 1/n if one has everything.
fn jain(times: &[Duration]) -> f64 {
    let sum: f64 = times.iter().map(Duration::as_secs_f64).sum();
    let squares: f64 = times.iter().map(|time| time.as_secs_f64().powi(2)).sum();
    if squares == 0.0 { 0.0 } else { sum * sum / (times.len() as f64 * squares) }
}

fn node(number: u32, case: Case) -> NodeSpec {
    let ip = Ipv4Addr::new(60, 1, 0, 1 + number as u8);
    let delay = Duration::from_micros(case.rtt * 1000 / 4);
    let host = HostSpec { up: RATE, down: RATE, delay, ..HostSpec::ordinary(ip) };
    NodeSpec { host, ..NodeSpec::ordinary(ip) }
}

fn play(case: Case) -> Played {
    let odds = Odds::calm().with(Mishap::TcpLoss, case.loss);
    let mut world = World::new(1, odds, NetSpec::default());
    let content = world.add_content(Content::new(ContentSpec::single(1, CONTENT, PIECE, 16 << 10)));
    let nodes: Vec<NodeId> = (0..case.peers).map(|i| world.add_node(node(i, case))).collect();
    let addrs: Vec<_> = nodes.iter().map(|&id| world.node(id).addr()).collect();
    for (i, &id) in nodes.iter().enumerate() {
        let holding = if i == 0 { Holding::Everything } else { Holding::Nothing };
        let mut spec = world.spec_of(content, addrs.clone());
        spec.check = tide_engine::Check::Skip;
        world.add_torrent(id, content, spec, holding);
        world.start(id);
    }
    let complete = |world: &World| nodes.iter().all(|&id| world.node(id).torrents()[0].complete);
    world.run_to(Instant::ZERO + PATIENCE, Duration::from_secs(1), complete);
    let mut played =
        Played { times: Vec::new(), leeches: nodes.len() - 1, wire: world.net_stats().wire_bytes, sent: 0 };
    for &id in &nodes {
        for (at, event) in world.node_mut(id).take_events() {
            if id != nodes[0] && matches!(event.what, Happening::Complete { .. }) {
                played.times.push(at - Instant::ZERO);
            }
        }
        let reply = world.ask(id, ShardId::FIRST, Command::SessionStats, Duration::from_secs(60));
        if let Some(Ok(Answer::Session(stats))) = reply {
            played.sent += stats.uploaded;
        }
    }
    played.times.sort_unstable();
    played
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_close_if_all_their_numbers_are() {
        assert!(is_close("10 300 1.0 3.15 1.286", "10 300 1.0  3.40 1.2"));
        assert!(!is_close("10 300 1.0 3.15 1.286", "10 300 1.0 3.50 1.286"));
        assert!(!is_close("10 300 1.0 3.15 1.286", "10 300 1.0 never 1.286"));
        assert!(!is_close("10 300 1.0 3.15", "10 300 1.0 3.15 1.286"));
        assert!(is_close("0.000", "0.099") && !is_close("0.000", "0.101"));
    }

    #[test]
    fn equal_times_are_fair() {
        let secs = Duration::from_secs;
        assert_eq!(jain(&[secs(3), secs(3), secs(3)]), 1.0);
        assert_eq!(jain(&[secs(1), secs(0)]), 0.5);
        assert_eq!(jain(&[]), 0.0);
    }
}
