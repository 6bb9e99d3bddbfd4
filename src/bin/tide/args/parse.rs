//! Reading a command line by the tables.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lexopt::{Arg, Parser};

use crate::args::flags::EVERYWHERE;
use crate::args::suggest::nearest;
use crate::args::table::{Command, Flag};
use crate::args::value::{Numbers, Value};
use crate::exit::Failure;
use crate::glob::Glob;

/// What was asked for.
pub(crate) enum Asked {
    /// That command, with these flags and operands.
    Run(&'static Command, Matches),
    /// Help about the program or a command; the long form if true.
    Help(Option<&'static Command>, bool),
    /// The version.
    Version,
}

/// Flags and operands that were given.
#[derive(Debug, Default)]
pub(crate) struct Matches {
    values: Vec<(&'static str, Value)>,
    /// What stood beside the flags.
    pub(crate) operands: Vec<OsString>,
}

/// Reads a command line.
///
/// # Errors
/// A usage failure that names the flag and what it takes, in one line.
pub(crate) fn parse(args: Vec<OsString>, commands: &'static [Command]) -> Result<Asked, Failure> {
    let mut matches = Matches::default();
    match read(args, commands, &mut matches) {
        Ok(Seen::Help(command, long)) => Ok(Asked::Help(command, long)),
        Ok(Seen::Version) => Ok(Asked::Version),
        Ok(Seen::Command(command)) => Ok(Asked::Run(command, matches)),
        Err(Wrong { command, message }) => {
            let called = command.map_or(String::new(), |command| format!("{} ", command.name));
            Err(Failure::usage(format!("{message} (see tide {called}--help)")))
        }
    }
}

enum Seen {
    Command(&'static Command),
    Help(Option<&'static Command>, bool),
    Version,
}

/// What is wrong, and with which command.
struct Wrong {
    command: Option<&'static Command>,
    message: String,
}

fn read(args: Vec<OsString>, commands: &'static [Command], matches: &mut Matches) -> Result<Seen, Wrong> {
    let mut parser = Parser::from_args(args);
    let mut command = None;
    loop {
        let wrong = |message: String| Wrong { command, message };
        let arg = parser.next().map_err(|error| wrong(error.to_string()))?;
        let name = match arg {
            None => break,
            Some(Arg::Value(word)) => {
                match command {
                    Some(_) => matches.operands.push(word),
                    None => command = Some(find(commands, &word).map_err(wrong)?),
                }
                continue;
            }
            Some(Arg::Long(name)) => format!("--{name}"),
            Some(Arg::Short(letter)) => format!("-{letter}"),
        };
        let flag = lookup(command, &name).map_err(wrong)?;
        match flag.long {
            "help" => return Ok(Seen::Help(command, name != "-h")),
            "version" => return Ok(Seen::Version),
            _ => {}
        }
        let value = value_of(&mut parser, flag, &name).map_err(wrong)?;
        if !flag.repeat && flag.takes.read.is_some() && matches.find(flag.long).is_some() {
            return Err(wrong(format!("{name} stands twice")));
        }
        matches.values.push((flag.long, value));
    }
    let Some(command) = command else {
        let message = "a command is missing: ".to_owned() + &names(commands);
        return Err(Wrong { command: None, message });
    };
    let (operands, given) = (command.operands, matches.operands.len());
    if given < operands.least {
        return Err(Wrong { command: Some(command), message: format!("{} is missing", operands.name) });
    }
    if given > operands.most {
        let extra = matches.operands[operands.most].to_string_lossy().into_owned();
        return Err(Wrong { command: Some(command), message: format!("one argument too many: {extra}") });
    }
    Ok(Seen::Command(command))
}

/// What follows the flag, read.
fn value_of(parser: &mut Parser, flag: &Flag, name: &str) -> Result<Value, String> {
    if flag.takes.read.is_none() {
        // Behind a letter there may be another one, behind a name only a mistake.
        return match name.starts_with("--").then(|| parser.optional_value()).flatten() {
            Some(_) => Err(format!("{name} takes no value")),
            None => Ok(Value::Yes),
        };
    }
    let takes = &flag.takes;
    let given = parser.value().map_err(|_| format!("{name} takes {}", takes.like))?;
    takes
        .read(&given)
        .ok_or_else(|| format!("{name} takes {}, and not {:?}", takes.like, given.to_string_lossy()))
}

fn find(commands: &'static [Command], word: &OsString) -> Result<&'static Command, String> {
    let word = word.to_string_lossy();
    commands.iter().find(|command| command.name == word).ok_or_else(|| {
        match nearest(&word, commands.iter().map(|command| command.name)) {
            Some(name) => format!("unknown command {word:?}: did you mean {name}?"),
            None => format!("unknown command {word:?}: the commands are {}", names(commands)),
        }
    })
}

fn names(commands: &[Command]) -> String {
    commands.iter().map(|command| command.name).collect::<Vec<_>>().join(", ")
}

/// The flag called so, with its dashes.
fn lookup(command: Option<&'static Command>, name: &str) -> Result<&'static Flag, String> {
    let groups = command.map_or(&[][..], |command| command.flags);
    let flags = || groups.iter().copied().chain([EVERYWHERE]).flatten();
    let found = match name.strip_prefix("--") {
        Some(long) => flags().find(|flag| flag.is_long(long)),
        None => flags().find(|flag| name.chars().nth(1).is_some_and(|letter| flag.is_short(letter))),
    };
    found.ok_or_else(|| {
        let similar = name.strip_prefix("--").and_then(|long| nearest(long, flags().map(|flag| flag.long)));
        match similar {
            Some(long) => format!("unknown flag {name}: did you mean --{long}?"),
            None => format!("unknown flag {name}"),
        }
    })
}

impl Matches {
    fn find(&self, long: &str) -> Option<&Value> {
        self.values.iter().find(|(name, _)| *name == long).map(|(_, value)| value)
    }

    fn all<'m, T>(&'m self, long: &str, pick: impl Fn(&'m Value) -> Option<T>) -> Vec<T> {
        self.values.iter().filter(|(name, _)| *name == long).filter_map(|(_, value)| pick(value)).collect()
    }

    /// How often the flag was given.
    pub(crate) fn count(&self, long: &str) -> usize {
        self.values.iter().filter(|(name, _)| *name == long).count()
    }

    /// Whether the flag was given.
    pub(crate) fn has(&self, long: &str) -> bool {
        self.find(long).is_some()
    }

    /// The words given.
    pub(crate) fn text(&self, long: &str) -> Option<&str> {
        self.texts(long).first().copied()
    }

    /// All words given.
    pub(crate) fn texts(&self, long: &str) -> Vec<&str> {
        self.all(long, |value| match value {
            Value::Text(text) => Some(text.as_str()),
            _ => None,
        })
    }

    /// The path given.
    pub(crate) fn path(&self, long: &str) -> Option<&Path> {
        match self.find(long)? {
            Value::Path(path) => Some(path),
            _ => None,
        }
    }

    /// The folder of the content: `--dir`, or the current one.
    pub(crate) fn dir(&self) -> PathBuf {
        self.path("dir").unwrap_or(Path::new(".")).to_owned()
    }

    /// The number given.
    pub(crate) fn number(&self, long: &str) -> Option<u64> {
        match self.find(long)? {
            Value::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// The fraction given.
    pub(crate) fn fraction(&self, long: &str) -> Option<f64> {
        match self.find(long)? {
            Value::Fraction(number) => Some(*number),
            _ => None,
        }
    }

    /// The limit given; none, if that is zero.
    pub(crate) fn rate(&self, long: &str) -> Option<u64> {
        match self.find(long)? {
            Value::Rate(rate) => *rate,
            _ => None,
        }
    }

    /// The span given.
    pub(crate) fn span(&self, long: &str) -> Option<Duration> {
        match self.find(long)? {
            Value::Span(span) => Some(*span),
            _ => None,
        }
    }

    /// All addresses given.
    pub(crate) fn addrs(&self, long: &str) -> Vec<SocketAddr> {
        self.all(long, |value| match value {
            Value::Addr(addr) => Some(*addr),
            _ => None,
        })
    }

    /// The numbers of files given.
    pub(crate) fn numbers(&self, long: &str) -> Option<&Numbers> {
        match self.find(long)? {
            Value::Numbers(numbers) => Some(numbers),
            _ => None,
        }
    }

    /// All patterns given.
    pub(crate) fn globs(&self, long: &str) -> Vec<&Glob> {
        self.all(long, |value| match value {
            Value::Glob(glob) => Some(glob),
            _ => None,
        })
    }
}
