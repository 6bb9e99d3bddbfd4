//! What commands and flags are.

use crate::args::value::Value;
use crate::exit::{Exit, Failure};
use crate::run::Context;

/// One command of the program.
pub(crate) struct Command {
    /// By which it is called.
    pub(crate) name: &'static str,
    /// What it is for, in a line.
    pub(crate) about: &'static str,
    /// What else to know, in sentences.
    pub(crate) more: &'static str,
    /// What stands beside the flags.
    pub(crate) operands: Operands,
    /// Its flags, in groups.
    pub(crate) flags: &'static [&'static [Flag]],
    /// Command lines that people may want to begin with.
    pub(crate) examples: &'static [&'static str],
    /// Does it.
    pub(crate) run: fn(&mut Context<'_>) -> Result<Exit, Failure>,
}

/// What stands beside the flags.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Operands {
    /// What one is called; empty if there are none.
    pub(crate) name: &'static str,
    /// How many there must be.
    pub(crate) least: usize,
    /// How many there may be.
    pub(crate) most: usize,
    /// What they can be, for completions.
    pub(crate) words: &'static [&'static str],
}

impl Operands {
    /// No operands.
    pub(crate) const NONE: Operands = Operands { name: "", least: 0, most: 0, words: &[] };

    /// Exactly one.
    pub(crate) const fn one(name: &'static str) -> Operands {
        Operands { name, least: 1, most: 1, words: &[] }
    }

    /// One or more.
    pub(crate) const fn some(name: &'static str) -> Operands {
        Operands { name, least: 1, most: usize::MAX, words: &[] }
    }
}

/// One flag.
pub(crate) struct Flag {
    /// Its name, without dashes; by it values are found.
    pub(crate) long: &'static str,
    /// Its letter.
    pub(crate) short: Option<char>,
    /// Another name and letter for it.
    pub(crate) also: Option<(&'static str, char)>,
    /// What follows it.
    pub(crate) takes: Takes,
    /// Whether it may stand more than once.
    pub(crate) repeat: bool,
    /// What it does, in a line.
    pub(crate) help: &'static str,
}

impl Flag {
    /// A flag that says yes.
    pub(crate) const fn yes(long: &'static str, help: &'static str) -> Flag {
        Flag { long, short: None, also: None, takes: Takes::NOTHING, repeat: false, help }
    }

    /// A flag that takes a value.
    pub(crate) const fn with(long: &'static str, takes: Takes, help: &'static str) -> Flag {
        Flag { long, short: None, also: None, takes, repeat: false, help }
    }

    /// With a letter.
    pub(crate) const fn short(self, letter: char) -> Flag {
        Flag { short: Some(letter), ..self }
    }

    /// With another name and letter.
    pub(crate) const fn also(self, long: &'static str, letter: char) -> Flag {
        Flag { also: Some((long, letter)), ..self }
    }

    /// More than once.
    pub(crate) const fn repeat(self) -> Flag {
        Flag { repeat: true, ..self }
    }

    /// Whether it is called so.
    pub(crate) fn is_long(&self, name: &str) -> bool {
        self.long == name || self.also.is_some_and(|(long, _)| long == name)
    }

    /// Whether that is its letter.
    pub(crate) fn is_short(&self, letter: char) -> bool {
        self.short == Some(letter) || self.also.is_some_and(|(_, short)| short == letter)
    }
}

/// What follows a flag.
pub(crate) struct Takes {
    /// What it is called in help; empty for nothing.
    pub(crate) name: &'static str,
    /// What it looks like, for whoever got it wrong.
    pub(crate) like: &'static str,
    /// Reads it; `None` for nothing.
    pub(crate) read: Option<fn(&str) -> Option<Value>>,
    /// Whether it is a path, which need not be UTF-8.
    pub(crate) path: bool,
    /// All that it can be, if that is a short list.
    pub(crate) words: &'static [&'static str],
}

impl std::fmt::Debug for Flag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "--{}", self.long)
    }
}
