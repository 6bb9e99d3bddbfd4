//! The world that the program sees: arguments, variables, streams. Collected once in `main`, made up in tests.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::path::PathBuf;

use crate::signals::Stop;

/// Everything that comes from outside and is neither file nor network.
pub(crate) struct Env<'a> {
    /// Arguments, the program's own name left out.
    pub(crate) args: Vec<OsString>,
    /// Environment variables.
    pub(crate) vars: &'a dyn Fn(&str) -> Option<OsString>,
    /// Standard input.
    pub(crate) input: &'a mut dyn Read,
    /// Standard output.
    pub(crate) out: Stream<'a>,
    /// Standard error.
    pub(crate) err: Stream<'a>,
    /// Whether somebody wants the program to end.
    pub(crate) stop: &'a Stop,
}

/// A stream for people or programs.
pub(crate) struct Stream<'a> {
    /// Where to write.
    pub(crate) to: &'a mut dyn Write,
    /// How large the terminal is at the moment; `None` if the stream is no terminal.
    pub(crate) window: Option<fn() -> Window>,
}

/// The size of a terminal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Window {
    /// Characters in a line.
    pub(crate) columns: usize,
    /// Lines.
    pub(crate) rows: usize,
}

impl Window {
    /// What is taken for granted where nothing is known.
    pub(crate) const COMMON: Window = Window { columns: 80, rows: 24 };
}

/// Where the program keeps what it wants to know the next time: `$XDG_STATE_HOME/tide`, or below the home folder.
/// `None` if neither variable tells; a relative one is ignored, as the XDG specification says.
pub(crate) fn state_home(vars: &dyn Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let absolute = |name: &str| vars(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")))?;
    Some(base.join("tide"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_lies_where_xdg_says_or_below_home() {
        let vars = |xdg: &'static str, home: &'static str| {
            move |name: &str| match name {
                "XDG_STATE_HOME" if !xdg.is_empty() => Some(OsString::from(xdg)),
                "HOME" if !home.is_empty() => Some(OsString::from(home)),
                _ => None,
            }
        };
        assert_eq!(state_home(&vars("/x", "/h")), Some(PathBuf::from("/x/tide")));
        assert_eq!(state_home(&vars("relative", "/h")), Some(PathBuf::from("/h/.local/state/tide")));
        assert_eq!(state_home(&vars("", "")), None);
    }
}
