//! What was asked for.

use std::path::PathBuf;
use std::time::Duration;

use lexopt::prelude::*;
use tide_sim::overlay;
use tide_sim::world::Canary;

use super::big::Big;
use super::hunt::HuntPlan;
use super::one::Options;
use super::overlay::{NODES, OverlayPlan};
use super::seeds::{self, Seed};
use super::snapshot::SnapshotPlan;
use super::swarm::{self, CorpusPlan, EachPlan, SwarmPlan, TrailsPlan};

pub(super) const HELP: &str = "\
Runs whole swarms in a simulated world.

Usage:
  tide-sim run [SEED|COMMIT]      one run; without a seed, of a new one
  tide-sim swarm --for TIME       runs of new seeds, side by side, for so long (60s, 10m, 1h)
  tide-sim replay SEED            a run again, in more detail
      --trace events|full           what to tell of: notable events, or all that the engine logs
      --pcap FILE                   what went over the net, for Wireshark
      --cut THING,THING…            without these, as 'shrink' says
  tide-sim check SEED             a run twice: both trails must be equal
  tide-sim each [NAME]            a small world for each mishap, each mutant and some judges, or for one of them
  tide-sim hunt --sound PROGRAM --from TEXT --limit N
                                  the first of N seeds that fails here, and not in this program without a bug
  tide-sim trails --count N --from TEXT
                                  the trails of N seeds, to be compared with those of another run
  tide-sim shrink SEED            the smallest scenario that fails as this one does
  tide-sim corpus FILE            every seed of a list
      --fresh N --from COMMIT       and N seeds that follow from a commit
      --complete                    and all that 'each' runs: then nothing may be left unexercised
  tide-sim snapshot               how swarms do with loss and long round trips
      --compare FILE                says only what differs from FILE, and fails if anything does
  tide-sim big swarm|torrent|idle what a large world costs
  tide-sim overlay [SEED]         a DHT of thousands of nodes with churn, NATs and liars; without a seed, of a new one
      --nodes N                     so many (2000; 40 at the least)

Options:
  --jobs N       runs side by side (as many as there are cores)
  --limit N      swarm: so many runs at the most
  --from TEXT    swarm: the seeds that follow from this, instead of new ones
  --table        what was exercised, and how often

A SEED is a number, or 40 hexadecimal digits of a commit.
Exit status: 0 all was well; 127 the engine broke down; 128 somebody did not complete who should have;
129 something was wrong that must never be; 2 the command line is wrong.
";

/// What to do.
#[derive(Debug)]
pub(super) enum Job {
    Help,
    Run { seed: Seed, options: Options },
    Check(Seed),
    Swarm(SwarmPlan),
    Corpus(CorpusPlan),
    Trails(TrailsPlan),
    Snapshot(SnapshotPlan),
    Big(Big),
    Overlay(OverlayPlan),
    Each(EachPlan),
    Hunt(HuntPlan),
    Kind(Seed),
    Shrink { seed: Seed, canary: Option<Canary> },
}

#[derive(Default)]
struct Given {
    command: Option<String>,
    what: Option<String>,
    options: Options,
    time: Option<Duration>,
    jobs: Option<usize>,
    limit: Option<u64>,
    table: bool,
    compare: Option<PathBuf>,
    fresh: Option<u64>,
    count: Option<u64>,
    complete: bool,
    nodes: Option<usize>,
    /// Something is wrong on purpose, by this name.
    canary: Option<String>,
    sound: Option<PathBuf>,
    from: Option<String>,
    /// The options, by their names.
    named: Vec<&'static str>,
}

/// The options of a command, and whether something stands behind it; `None` if there is no such command.
fn takes(command: &str) -> Option<(&'static [&'static str], bool)> {
    Some(match command {
        "help" => (&[], false),
        "run" | "replay" => (&["trace", "pcap", "cut", "canary"], true),
        "check" | "kind" | "big" => (&[], true),
        "shrink" => (&["canary"], true),
        "swarm" => (&["for", "jobs", "limit", "table", "from", "canary"], false),
        "each" => (&["trace", "pcap", "cut", "canary", "jobs", "table"], true),
        "hunt" => (&["sound", "from", "limit", "jobs"], false),
        "trails" => (&["count", "from", "jobs"], false),
        "corpus" => (&["fresh", "from", "complete", "jobs", "table"], true),
        "snapshot" => (&["compare", "jobs"], false),
        "overlay" => (&["nodes", "canary"], true),
        _ => return None,
    })
}

/// Reads the command line.
pub(super) fn read() -> Result<Job, lexopt::Error> {
    let mut parser = lexopt::Parser::from_env();
    let mut given = Given::default();
    while let Some(arg) = parser.next()? {
        match arg {
            Short('h') | Long("help") => return Ok(Job::Help),
            Long(name) => {
                let Some(&name) = OPTIONS.iter().find(|known| **known == name) else {
                    return Err(arg.unexpected());
                };
                given.named.push(name);
                given.option(name, &mut parser)?;
            }
            Value(value) if given.command.is_none() => given.command = Some(value.string()?),
            Value(value) if given.what.is_none() => given.what = Some(value.string()?),
            other => return Err(other.unexpected()),
        }
    }
    given.fits()?;
    given.job()
}

/// All options. The canary is not in the help: it is for those who want to hear the alarm ring.
const OPTIONS: [&str; 15] = [
    "for", "jobs", "limit", "complete", "sound", "table", "fresh", "compare", "nodes", "count", "from",
    "trace", "pcap", "cut", "canary",
];

impl Given {
    /// Takes an option in, with its value if it has one.
    fn option(&mut self, name: &str, parser: &mut lexopt::Parser) -> Result<(), lexopt::Error> {
        match name {
            "complete" => self.complete = true,
            "table" => self.table = true,
            "for" => self.time = Some(span(&parser.value()?.string()?)?),
            "jobs" => self.jobs = Some(parser.value()?.parse()?),
            "limit" => self.limit = Some(parser.value()?.parse()?),
            "sound" => self.sound = Some(PathBuf::from(parser.value()?)),
            "fresh" => self.fresh = Some(parser.value()?.parse()?),
            "compare" => self.compare = Some(PathBuf::from(parser.value()?)),
            "nodes" => self.nodes = Some(parser.value()?.parse()?),
            "count" => self.count = Some(parser.value()?.parse()?),
            "from" => self.from = Some(parser.value()?.string()?),
            "pcap" => self.options.pcap = Some(PathBuf::from(parser.value()?)),
            "canary" => self.canary = Some(parser.value()?.string()?),
            "trace" => match parser.value()?.string()?.as_str() {
                "events" => self.options.events = true,
                "full" => (self.options.events, self.options.full) = (true, true),
                other => return Err(format!("no such trace: {other}").into()),
            },
            _ => {
                for word in parser.value()?.string()?.split(',') {
                    self.options.cuts.push(word.parse()?);
                }
            }
        }
        Ok(())
    }

    /// Whether the command is one that can do something with all that was given.
    fn fits(&self) -> Result<(), String> {
        let Some(command) = self.command.as_deref() else {
            return self.named.first().map_or(Ok(()), |name| Err(format!("--{name} of which command?")));
        };
        let (options, what) = takes(command).ok_or_else(|| format!("no such command: {command}"))?;
        if let Some(name) = self.named.iter().find(|name| !options.contains(name)) {
            return Err(format!("'{command}' does nothing with --{name}"));
        }
        match &self.what {
            Some(more) if !what => Err(format!("'{command}' does nothing with {more}")),
            _ => Ok(()),
        }
    }

    /// What is wrong on purpose.
    fn canary<C>(&self, named: impl Fn(&str) -> Option<C>) -> Result<Option<C>, String> {
        let Some(name) = self.canary.as_deref() else { return Ok(None) };
        named(name).map(Some).ok_or_else(|| format!("no such canary: {name}"))
    }

    fn job(mut self) -> Result<Job, lexopt::Error> {
        let seed = |what: &Option<String>| {
            let text = what.as_deref().ok_or("a seed is missing")?;
            seeds::parse(text).ok_or_else(|| lexopt::Error::from(format!("not a seed: {text}")))
        };
        let jobs = self.jobs.unwrap_or_else(seeds::cores).max(1);
        if self.command.as_deref() == Some("overlay") {
            let seed = if self.what.is_none() { seeds::fresh() } else { seed(&self.what)? };
            let canary = self.canary(overlay::Canary::named)?;
            return Ok(Job::Overlay(OverlayPlan { seed, nodes: self.nodes.unwrap_or(NODES), canary }));
        }
        self.options.canary = self.canary(Canary::named)?;
        match self.command.as_deref() {
            None | Some("help") => Ok(Job::Help),
            Some("run") => {
                self.options.events = true;
                let seed = if self.what.is_none() { seeds::fresh() } else { seed(&self.what)? };
                Ok(Job::Run { seed, options: self.options })
            }
            Some("replay") => {
                self.options.events = true;
                Ok(Job::Run { seed: seed(&self.what)?, options: self.options })
            }
            Some("check") => Ok(Job::Check(seed(&self.what)?)),
            Some("shrink") => Ok(Job::Shrink { seed: seed(&self.what)?, canary: self.options.canary }),
            Some("swarm") => {
                let time = self.time.unwrap_or(Duration::from_secs(60));
                let (limit, table, canary) = (self.limit, self.table, self.options.canary);
                let from = self.from.as_deref().map_or_else(seeds::fresh, seeds::of_commit);
                Ok(Job::Swarm(SwarmPlan { time, jobs, limit, table, canary, from }))
            }
            Some("corpus") => {
                let file = PathBuf::from(self.what.ok_or("the list of seeds is missing")?);
                let from = self.from.as_deref().map_or(Seed(0), seeds::of_commit);
                let fresh = self.fresh.unwrap_or(0);
                let (table, complete) = (self.table, self.complete);
                Ok(Job::Corpus(CorpusPlan { file, fresh, from, jobs, table, complete }))
            }
            Some("each") => {
                if let Some(name) = self.what.as_deref().filter(|name| !swarm::is_directed(name)) {
                    return Err(format!("no such small world: {name}").into());
                }
                let (only, options, table) = (self.what, self.options, self.table);
                Ok(Job::Each(EachPlan { only, options, jobs, table }))
            }
            Some("kind") => Ok(Job::Kind(seed(&self.what)?)),
            Some("hunt") => {
                let sound = self.sound.ok_or("the program without the bug is missing")?;
                let from = self.from.as_deref().map_or_else(seeds::fresh, seeds::of_commit);
                Ok(Job::Hunt(HuntPlan { sound, from, limit: self.limit.unwrap_or(300), jobs }))
            }
            Some("snapshot") => Ok(Job::Snapshot(SnapshotPlan { jobs, with: self.compare })),
            Some("big") => {
                let name = self.what.as_deref().unwrap_or_default();
                let world = Big::named(name).ok_or_else(|| format!("no such large world: {name}"))?;
                Ok(Job::Big(world))
            }
            Some("trails") => {
                let from = self.from.as_deref().map_or(Seed(0), seeds::of_commit);
                Ok(Job::Trails(TrailsPlan { count: self.count.unwrap_or(200), from, jobs }))
            }
            Some(other) => Err(format!("no such command: {other}").into()),
        }
    }
}

/// A span of time: a number and `s`, `m` or `h`.
fn span(text: &str) -> Result<Duration, lexopt::Error> {
    let unit = match text.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3600,
        _ => return Err(format!("not a span of time: {text}").into()),
    };
    let number: u64 = text[..text.len() - 1].parse().map_err(|_| format!("not a span of time: {text}"))?;
    Ok(Duration::from_secs(number.saturating_mul(unit)))
}
