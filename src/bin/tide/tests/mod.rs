//! The program as a whole, in this process: arguments in, streams and exit code out.

mod args;
mod commands;
mod completions;
mod sources;
mod swarm;

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use crate::env::{Env, Stream, Window};
use crate::exit::Exit;
use crate::run::run;
use crate::signals::Stop;

/// What a run of the program left behind.
pub(super) struct Ran {
    pub(super) exit: Exit,
    pub(super) out: String,
    pub(super) err: String,
}

/// The world of a run.
#[derive(Default)]
pub(super) struct World<'a> {
    input: &'a [u8],
    terminal: Option<fn() -> Window>,
    stop: Stop,
}

impl<'a> World<'a> {
    pub(super) fn input(input: &'a [u8]) -> World<'a> {
        World { input, ..World::default() }
    }

    pub(super) fn terminal() -> World<'a> {
        World { terminal: Some(|| Window { columns: 80, rows: 24 }), ..World::default() }
    }

    pub(super) fn interrupted() -> World<'a> {
        let world = World::default();
        world.stop.interrupt();
        world
    }

    pub(super) fn run(&self, args: &[&str]) -> Ran {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let exit = self.run_on(args, &mut out, &mut err);
        let text = |bytes| String::from_utf8(bytes).expect("text");
        Ran { exit, out: text(out), err: text(err) }
    }

    pub(super) fn run_on(&self, args: &[&str], out: &mut dyn Write, err: &mut dyn Write) -> Exit {
        let mut input = self.input;
        run(Env {
            args: args.iter().map(OsString::from).collect(),
            vars: &|_| None,
            input: &mut input,
            out: Stream { to: out, window: self.terminal },
            err: Stream { to: err, window: self.terminal },
            stop: &self.stop,
        })
    }
}

/// Runs the program with these arguments in a plain world.
pub(super) fn tide(args: &[&str]) -> Ran {
    World::default().run(args)
}

/// A folder called `content` with a few files, in `dir`; its path.
pub(super) fn content(dir: &Path) -> String {
    let root = dir.join("content");
    fs::create_dir_all(root.join("sub")).expect("a folder");
    let bytes: Vec<u8> = (0..70_000u32).map(|n| (n % 251) as u8).collect();
    fs::write(root.join("a.bin"), &bytes).expect("a file");
    fs::write(root.join("sub/b.txt"), &bytes[..1000]).expect("a file");
    fs::write(root.join("z"), b"").expect("a file");
    root.to_str().expect("text").to_owned()
}

/// A .torrent of [`content`], made with these further flags; its path.
pub(super) fn torrent(dir: &Path, flags: &[&str]) -> String {
    let (root, file) = (content(dir), dir.join("x.torrent").to_str().expect("text").to_owned());
    let args = ["create", &root, "-o", &file, "--no-date", "--no-created-by", "-l", "16k", "-f"];
    let ran = tide(&[&args, flags].concat());
    assert_eq!(ran.exit, Exit::Done, "{}", ran.err);
    file
}

/// A stream whose reader has gone.
pub(super) struct Gone;

impl Write for Gone {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
