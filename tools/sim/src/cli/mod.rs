//! The command line.
//!
//! ```text
//! args.rs      what was asked for       table.rs   what was exercised, and how often
//! seeds.rs     seeds, commits, corpus   swarm.rs   many runs, side by side
//! one.rs       a run, told as it goes   shrink.rs  the smallest scenario that still fails
//! snapshot.rs  how swarms do on lines   big.rs     what large worlds cost
//! hunt.rs      is a planted bug found   overlay.rs a large DHT
//! ```

/// Says a line to whoever reads the standard output; see [`said`].
macro_rules! say {
    ($($words:tt)*) => { crate::cli::said(&format!($($words)*)) };
}

mod args;
mod big;
mod hunt;
mod one;
mod overlay;
mod seeds;
mod shrink;
mod snapshot;
mod swarm;
mod table;

use std::io::{self, Write};
use std::process::ExitCode;

use args::Job;

/// The whole program.
pub(crate) fn main() -> ExitCode {
    match args::read() {
        Ok(Job::Help) => {
            say!("{}", args::HELP.trim_end());
            ExitCode::SUCCESS
        }
        Ok(Job::Run { seed, options }) => one::run(seed, &options),
        Ok(Job::Check(seed)) => one::check(seed),
        Ok(Job::Swarm(plan)) => swarm::swarm(&plan),
        Ok(Job::Corpus(plan)) => swarm::corpus(&plan),
        Ok(Job::Each(plan)) => swarm::directed(&plan),
        Ok(Job::Hunt(plan)) => hunt::hunt(&plan),
        Ok(Job::Kind(seed)) => hunt::tell(seed),
        Ok(Job::Trails(plan)) => swarm::trails(&plan),
        Ok(Job::Snapshot(plan)) => snapshot::snapshot(&plan),
        Ok(Job::Big(world)) => big::big(world),
        Ok(Job::Overlay(what)) => overlay::overlay(what),
        Ok(Job::Shrink { seed, canary }) => shrink::shrink(seed, canary),
        Err(error) => {
            eprintln!("tide-sim: {error}\nTry 'tide-sim --help'.");
            ExitCode::from(2)
        }
    }
}

/// Says a line. If nobody reads on there is nobody to work for, and the program ends.
fn said(line: &str) {
    let mut out = io::stdout().lock();
    if out.write_all(line.as_bytes()).and_then(|()| out.write_all(b"\n")).is_err() {
        std::process::exit(1);
    }
}
