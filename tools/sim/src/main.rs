//! `tide-sim`: runs worlds from seeds, and says what became of them.

use std::process::ExitCode;

mod cli;

fn main() -> ExitCode {
    cli::main()
}
