//! What goes to standard output and standard error, and in which form: words for people, lines for programs, and a
//! status that is refreshed in place.

use std::io::{self, ErrorKind};

use crate::args::Matches;
use crate::env::{Env, Stream, Window};
use crate::exit::{Exit, Failure};
use crate::json::Json;

/// How much and in which form to speak.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Manner {
    /// Objects on standard output, words on standard error.
    pub(crate) json: bool,
    /// Only what was asked for, and errors.
    pub(crate) quiet: bool,
    /// Colour; `None` if a terminal is there for it.
    pub(crate) color: Option<bool>,
}

impl Manner {
    /// What the flags and `NO_COLOR` say.
    pub(crate) fn of(matches: &Matches, no_color: bool) -> Manner {
        let color = match matches.text("color") {
            Some("always") => Some(true),
            Some("never") => Some(false),
            _ => no_color.then_some(false),
        };
        Manner { json: matches.has("json"), quiet: matches.has("quiet"), color }
    }
}

/// Colours, by what they mean.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ink {
    /// As it should be.
    Good,
    /// Wrong.
    Bad,
    /// To be noticed.
    Notable,
}

/// Both output streams.
pub(crate) struct Console<'a> {
    out: Stream<'a>,
    err: Stream<'a>,
    manner: Manner,
    /// Whether standard output is kept for the answer alone.
    aside: bool,
    /// Lines of the status on the screen.
    shown: usize,
    lost: Option<io::Error>,
}

impl<'a> Console<'a> {
    /// A console on these streams.
    pub(crate) fn new(out: Stream<'a>, err: Stream<'a>, manner: Manner) -> Console<'a> {
        Console { out, err, manner, aside: false, shown: 0, lost: None }
    }

    /// Whether programs are spoken to.
    pub(crate) fn json(&self) -> bool {
        self.manner.json
    }

    /// The terminal that people look at, if there is one.
    pub(crate) fn window(&self) -> Option<Window> {
        let stream = if self.manner.json { &self.err } else { &self.out };
        stream.window.map(|window| window())
    }

    /// `text` in a colour, if colours are wanted.
    pub(crate) fn paint(&self, ink: Ink, text: &str) -> String {
        if !self.manner.color.unwrap_or(self.window().is_some()) {
            return text.to_owned();
        }
        let code = match ink {
            Ink::Good => 32,
            Ink::Bad => 31,
            Ink::Notable => 33,
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    /// Tells programs.
    pub(crate) fn emit(&mut self, value: &Json) {
        if self.manner.json {
            // Both streams may be one terminal.
            if self.out.window.is_some() {
                self.clear();
            }
            let done =
                self.out.to.write_all(format!("{value}\n").as_bytes()).and_then(|()| self.out.to.flush());
            self.note(done);
        }
    }

    /// From now on what is said on the way goes to standard error: whatever reads standard output wants the answer.
    pub(crate) fn speak_aside(&mut self) {
        self.aside = true;
    }

    /// Tells people on the way, also where programs are told the same.
    pub(crate) fn say(&mut self, text: &str) {
        if self.manner.quiet {
            return;
        }
        if self.aside {
            self.grumble(&format!("{text}\n"));
        } else {
            self.clear();
            self.people(&format!("{text}\n"));
        }
    }

    /// Tells people what they asked for; where programs have asked, they are told instead.
    pub(crate) fn answer(&mut self, text: &str) {
        if !self.manner.json {
            self.clear();
            self.people(&format!("{text}\n"));
        }
    }

    /// Writes bytes that were asked for to standard output.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        let done = self.out.to.write_all(bytes).and_then(|()| self.out.to.flush());
        self.note(done);
    }

    /// Tells people what is wrong but ends nothing.
    pub(crate) fn warn(&mut self, text: &str) {
        if !self.manner.quiet {
            let word = self.paint(Ink::Notable, "warning:");
            self.grumble(&format!("tide: {word} {text}\n"));
        }
    }

    /// Tells everybody what went wrong, with the torrent that it concerns.
    pub(crate) fn fail(&mut self, failure: &Failure, info_hash: Option<&str>) {
        let word = self.paint(Ink::Bad, "error:");
        self.grumble(&format!("tide: {word} {}\n", failure.message));
        let mut fields: Vec<_> = info_hash.map(|hash| ("info_hash", Json::from(hash))).into_iter().collect();
        fields.extend([("kind", failure.kind.into()), ("message", failure.message.as_str().into())]);
        self.emit(&Json::event("error", fields));
    }

    /// Shows these lines below everything else, in place of the ones before, where there is a terminal.
    pub(crate) fn status(&mut self, lines: &[String]) {
        if self.manner.quiet || self.window().is_none() {
            return;
        }
        self.clear();
        if !lines.is_empty() {
            self.people(&lines.join("\n"));
            self.shown = lines.len();
        }
    }

    /// Takes the status away.
    pub(crate) fn clear(&mut self) {
        match std::mem::take(&mut self.shown) {
            0 => {}
            1 => self.people("\r\x1b[J"),
            lines => self.people(&format!("\r\x1b[{}A\x1b[J", lines - 1)),
        }
    }

    /// Whether standard output has ended: then there is nobody to work for.
    pub(crate) fn is_lost(&self) -> bool {
        self.lost.is_some()
    }

    /// Ends it: how the program exits, after it wanted to exit with `exit`. A reader that has gone is no error to be
    /// told, but no success either.
    pub(crate) fn close(mut self, exit: Exit) -> Exit {
        self.clear();
        let done = self.out.to.flush();
        self.note(done);
        match self.lost.take() {
            None => exit,
            Some(error) if error.kind() == ErrorKind::BrokenPipe => {
                if exit == Exit::Done {
                    Exit::Other
                } else {
                    exit
                }
            }
            Some(error) => {
                let failure = Failure::file("standard output", &error);
                let word = self.paint(Ink::Bad, "error:");
                self.grumble(&format!("tide: {word} {}\n", failure.message));
                failure.exit
            }
        }
    }

    fn people(&mut self, text: &str) {
        let stream = if self.manner.json { &mut self.err } else { &mut self.out };
        let done = stream.to.write_all(text.as_bytes()).and_then(|()| stream.to.flush());
        if !self.manner.json {
            self.note(done);
        }
    }

    /// Standard error may be closed: that changes nothing.
    fn grumble(&mut self, text: &str) {
        self.clear();
        let _ = self.err.to.write_all(text.as_bytes()).and_then(|()| self.err.to.flush());
    }

    fn note(&mut self, done: io::Result<()>) {
        if let Err(error) = done {
            self.lost.get_or_insert(error);
        }
    }
}

/// The console for a command line that could not be read.
pub(crate) fn refused(env: Env<'_>, failure: &Failure) -> Exit {
    let json = env.args.iter().any(|arg| arg == "--json");
    let mut console = Console::new(env.out, env.err, Manner { json, ..Manner::default() });
    console.fail(failure, None);
    console.close(failure.exit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_on_a_terminal_does_not_stand_behind_the_status() {
        let window = Some((|| Window::COMMON) as fn() -> Window);
        for (out_window, cleared) in [(window, true), (None, false)] {
            let (mut out, mut err) = (Vec::new(), Vec::new());
            let streams = (Stream { to: &mut out, window: out_window }, Stream { to: &mut err, window });
            let manner = Manner { json: true, ..Manner::default() };
            let mut console = Console::new(streams.0, streams.1, manner);
            console.status(&["at work".to_owned()]);
            console.emit(&Json::Null);
            drop(console);
            assert_eq!((out.as_slice(), err.ends_with(b"\r\x1b[J")), (&b"null\n"[..], cleared));
        }
    }
}
