//! The program `tide`: the library on the command line. The contract of its commands, flags, codes and lines is in
//! `--help` of each command.

mod args;
mod clock;
mod commands;
mod completions;
mod console;
mod create;
mod demo;
mod env;
mod exit;
mod fetch;
mod get;
mod glob;
mod json;
mod magnet;
mod meter;
mod report;
mod run;
mod seed;
mod show;
mod signals;
mod source;
mod table;
#[cfg(test)]
mod tests;
mod tracker;
mod transfer;
mod units;
mod verify;

use std::io::{self, IsTerminal, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use crate::env::{Env, Stream, Window};
use crate::exit::Exit;
use crate::signals::Stop;

fn main() -> ExitCode {
    report::on_panic();
    let stop = match Stop::of_signals() {
        Ok(stop) => stop,
        Err(error) => {
            report::last_words(&format!("cannot listen to signals: {error}"));
            return ExitCode::from(Exit::Other.code());
        }
    };
    let (mut input, mut out, mut err) = (io::stdin(), io::stdout(), io::stderr());
    // A terminal that says it can do nothing is written to like a file.
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    let window = |terminal: bool| (terminal && !dumb).then_some(window as fn() -> Window);
    let (out_window, err_window) = (window(out.is_terminal()), window(err.is_terminal()));
    let env = Env {
        args: std::env::args_os().skip(1).collect(),
        vars: &|name| std::env::var_os(name),
        input: &mut input,
        out: Stream { to: &mut out, window: out_window },
        err: Stream { to: &mut err, window: err_window },
        stop: &stop,
    };
    // The hook has reported; the code says the rest.
    let exit = catch_unwind(AssertUnwindSafe(|| run::run(env))).unwrap_or(Exit::Other);
    // What cannot be written now, nobody reads.
    let _ = io::stdout().flush();
    ExitCode::from(exit.code())
}

/// How large the terminal is: the one that either stream is.
fn window() -> Window {
    let size =
        rustix::termios::tcgetwinsize(io::stdout()).or_else(|_| rustix::termios::tcgetwinsize(io::stderr()));
    match size {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => {
            Window { columns: size.ws_col.into(), rows: size.ws_row.into() }
        }
        _ => Window::COMMON,
    }
}
