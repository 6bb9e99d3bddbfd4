//! The command line: flags in tables, from which parsing, help and completions all come.

pub(crate) mod flags;
pub(crate) mod help;
mod parse;
mod suggest;
mod table;
mod value;

pub(crate) use parse::{Asked, Matches, parse};
pub(crate) use table::{Command, Flag, Operands, Takes};
