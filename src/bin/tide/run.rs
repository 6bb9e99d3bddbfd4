//! From the world to an exit code.

use std::ffi::OsString;
use std::io::Read;

use crate::args::{Asked, Matches, help, parse};
use crate::clock::Clock;
use crate::commands::COMMANDS;
use crate::console::{Console, Manner, refused};
use crate::env::Env;
use crate::exit::Exit;
use crate::report;
use crate::signals::Stop;

/// What a command works with.
pub(crate) struct Context<'a> {
    /// Flags and operands.
    pub(crate) matches: Matches,
    /// Where to speak.
    pub(crate) console: Console<'a>,
    /// Standard input.
    pub(crate) input: &'a mut dyn Read,
    /// Environment variables.
    pub(crate) vars: &'a dyn Fn(&str) -> Option<OsString>,
    /// Whether somebody wants it to end.
    pub(crate) stop: &'a Stop,
    /// Time since the start.
    pub(crate) clock: Clock,
}

/// Runs the program.
pub(crate) fn run(env: Env<'_>) -> Exit {
    match parse(env.args.clone(), COMMANDS) {
        Err(failure) => refused(env, &failure),
        Ok(Asked::Version) => tell(env, concat!("tide ", env!("CARGO_PKG_VERSION"))),
        Ok(Asked::Help(None, long)) => tell(env, help::program(COMMANDS, long).trim_end()),
        Ok(Asked::Help(Some(command), long)) => tell(env, help::command(command, long).trim_end()),
        Ok(Asked::Run(command, matches)) => {
            let no_color = (env.vars)("NO_COLOR").is_some_and(|value| !value.is_empty());
            let manner = Manner::of(&matches, no_color);
            report::start_log(manner.quiet, matches.count("verbose"), (env.vars)("RUST_LOG"));
            let console = Console::new(env.out, env.err, manner);
            let (input, vars, stop) = (env.input, env.vars, env.stop);
            let mut context = Context { matches, console, input, vars, stop, clock: Clock::start() };
            let exit = (command.run)(&mut context).unwrap_or_else(|failure| {
                context.console.fail(&failure, None);
                failure.exit
            });
            context.console.close(exit)
        }
    }
}

fn tell(env: Env<'_>, text: &str) -> Exit {
    let mut console = Console::new(env.out, env.err, Manner::default());
    console.answer(text);
    console.close(Exit::Done)
}
