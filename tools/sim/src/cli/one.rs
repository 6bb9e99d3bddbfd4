//! A run, told as it goes.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use tide_sim::net::{Tapped, TappedPacket};
use tide_sim::pcap::{Kind, Packet, Pcap};
use tide_sim::world::Canary;
use tide_sim::{Cut, Note, Outcome, Scenario, Watch, draw, run as play};

use super::seeds::Seed;
use super::table;

/// How a run is told.
#[derive(Clone, Debug, Default)]
pub(super) struct Options {
    pub(super) events: bool,
    pub(super) full: bool,
    pub(super) pcap: Option<PathBuf>,
    pub(super) canary: Option<Canary>,
    pub(super) cuts: Vec<Cut>,
}

/// One run.
pub(super) fn run(seed: Seed, options: &Options) -> ExitCode {
    tell(draw(seed.0), &seed.to_string(), options)
}

/// A run of any scenario.
pub(super) fn tell(mut scenario: Scenario, name: &str, options: &Options) -> ExitCode {
    if let Err(cut) = take_out(&mut scenario, &options.cuts) {
        eprintln!("tide-sim: there is no {cut} in {name}");
        return ExitCode::from(2);
    }
    say!("seed      {name}\n{scenario}");
    let mut pcap = match options.pcap.as_ref().map(open).transpose() {
        Ok(pcap) => pcap,
        Err(error) => {
            eprintln!("tide-sim: the packets cannot be written: {error}");
            return ExitCode::from(2);
        }
    };
    let mut written = Ok(());
    let mut tap = |tapped: Tapped| {
        if let (Some(pcap), Ok(())) = (&mut pcap, &written) {
            written = pcap.packet(&packet(&tapped));
        }
    };
    let mut note = |note: &Note| say!("{}", line(note));
    let outcome = play(
        &scenario,
        &mut Watch {
            note: options.events.then_some(&mut note),
            echo: options.full,
            packets: options.pcap.is_some().then_some(&mut tap),
            canary: options.canary,
        },
    );
    say!("{}verdict   {}\ntrail     {}", table::of(&outcome), outcome.verdict, outcome.trail);
    say!("{}", summary(&outcome));
    let written = written.and_then(|()| pcap.map_or(Ok(()), |pcap| pcap.into_inner().flush()));
    if let Err(error) = &written {
        eprintln!("tide-sim: the packets could not be written: {error}");
    }
    match outcome.verdict.exit_code() {
        0 if written.is_err() => ExitCode::FAILURE,
        code => ExitCode::from(code),
    }
}

/// A file for packets.
fn open(path: &PathBuf) -> io::Result<Pcap<BufWriter<File>>> {
    Pcap::new(BufWriter::new(File::create(path)?))
}

/// Takes things out of a scenario; the first that is not in it, if there is one.
fn take_out(scenario: &mut Scenario, cuts: &[Cut]) -> Result<(), Cut> {
    let known = scenario.cuts();
    if let Some(&unknown) = cuts.iter().find(|cut| !known.contains(cut)) {
        return Err(unknown);
    }
    cuts.iter().for_each(|&cut| scenario.cut(cut));
    Ok(())
}

/// A packet of the net, for the file.
fn packet(tapped: &Tapped) -> Packet<'_> {
    let (kind, data) = match &tapped.what {
        TappedPacket::Tcp { flags, offset, data, .. } => {
            (Kind::Tcp { offset: *offset, syn: flags.syn, fin: flags.fin, rst: flags.rst }, data)
        }
        TappedPacket::Udp { data } => (Kind::Udp, data),
    };
    Packet { at: tapped.at, from: tapped.from, to: tapped.to, kind, data }
}

/// A run twice.
pub(super) fn check(seed: Seed) -> ExitCode {
    let scenario = draw(seed.0);
    let first = play(&scenario, &mut Watch::default());
    let second = play(&scenario, &mut Watch::default());
    say!("seed {seed} trail {} {}", first.trail, first.verdict.name());
    if first.trail != second.trail {
        say!("seed {seed} trail {} {} the second time", second.trail, second.verdict.name());
        return ExitCode::from(129);
    }
    ExitCode::from(first.verdict.exit_code())
}

/// A line of the story.
fn line(note: &Note) -> String {
    let node = note.node.map_or_else(String::new, |node| format!("node {}", node.0));
    format!("{:>20} {node:8} {:16} {}", format!("{:?}", note.at), note.what, note.text)
}

/// A run in numbers.
pub(super) fn summary(outcome: &Outcome) -> String {
    let counts = outcome.counts;
    let simulated = outcome.simulated.as_secs();
    format!("counts    {} events, {} turns, {simulated} simulated seconds", counts.events, counts.turns)
}
