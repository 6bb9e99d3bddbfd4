//! `tide seed`: checks content, then serves it until stopped.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use tide::Add;
use tide::make::Options;
use tide::metainfo::{Limits, Magnet, Torrent};

use crate::args::{Flag, Takes};
use crate::create::made;
use crate::exit::{Exit, Failure};
use crate::json::Json;
use crate::run::Context;
use crate::show::info_hash;
use crate::source::{self, Source};
use crate::transfer::{Plan, Totals, Watch, config};

pub(crate) const FLAGS: &[Flag] = &[
    Flag::yes("skip-check", "take files of the right size for right"),
    Flag::with("ratio", Takes::RATIO, "until that many times the size has gone out"),
    Flag::with("time", Takes::DUR, "for so long"),
];

/// What to serve.
struct Subject {
    torrent: Torrent,
    dir: PathBuf,
    /// Whether it was hashed just now.
    fresh: bool,
}

pub(crate) fn run(context: &mut Context<'_>) -> Result<Exit, Failure> {
    let mut totals = Totals::default();
    let exit = serve(context, &mut totals).unwrap_or_else(|failure| {
        context.console.fail(&failure, None);
        failure.exit
    });
    totals.tell(context, exit);
    Ok(exit)
}

fn serve(context: &mut Context<'_>, totals: &mut Totals) -> Result<Exit, Failure> {
    let subject = subject(context)?;
    let matches = &context.matches;
    let plan = Plan {
        seed: true,
        ratio: matches.fraction("ratio"),
        time: matches.span("time"),
        whole: true,
        ..Plan::default()
    };
    // Paused until it is checked: whoever seeds does not want anything to be written into his content.
    let add = Add::metainfo(subject.torrent).priorities([]).sequential(false);
    let mut add = config::add(add, matches, &subject.dir)?.paused(true);
    if subject.fresh || matches.has("skip-check") {
        add = add.skip_check();
    }
    context.stop.be_gentle();
    let session = config::start(context, Some(&subject.dir))?;
    let mut watch = Watch::new(session, plan, subject.dir, context.clock.elapsed());
    let exit = watch.add(context, add, &[]).map(|()| watch.run(context));
    *totals = watch.end(context);
    exit
}

/// The torrent that is named, or one made of what is named.
fn subject(context: &mut Context<'_>) -> Result<Subject, Failure> {
    let word = context.matches.operands.first().cloned().unwrap_or_default();
    let Source::File(path) = Source::of(&word) else {
        let torrent = Source::of(&word).torrent(context.input)?;
        return Ok(Subject { torrent, dir: context.matches.dir(), fresh: false });
    };
    if let Some(torrent) = as_torrent(&path)? {
        return Ok(Subject { torrent, dir: context.matches.dir(), fresh: false });
    }
    if context.matches.has("dir") {
        return Err(Failure::usage(format!(
            "--dir is for a .torrent, and {} is content itself",
            path.display()
        )));
    }
    let trackers = context.matches.texts("tracker").into_iter().map(|url| vec![url.to_owned()]).collect();
    let made = made(context, &path, &Options { trackers, ..Options::default() })?;
    context.console.clear();
    let (magnet, hash) = (Magnet::of(&made.torrent).to_string(), info_hash(made.torrent.info.info_hashes()));
    context
        .console
        .emit(&Json::event("created", [("info_hash", hash.into()), ("magnet", magnet.as_str().into())]));
    context.console.answer(&magnet);
    let dir = parent(&path).map_err(|error| Failure::file(path.display(), &error))?;
    Ok(Subject { torrent: made.torrent, dir, fresh: true })
}

/// The torrent in the file, if it is a .torrent by its content, or by its name.
fn as_torrent(path: &Path) -> Result<Option<Torrent>, Failure> {
    let named =
        path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case(OsStr::new("torrent")));
    let meta = std::fs::metadata(path).map_err(|error| Failure::file(path.display(), &error))?;
    if meta.is_dir() || (!named && meta.len() > u64::from(Limits::default().bytes)) {
        return Ok(None);
    }
    match source::parse(&source::read_file(path)?) {
        Ok(torrent) => Ok(Some(torrent)),
        Err(failure) if named => Err(failure.of(path.display())),
        Err(_) => Ok(None),
    }
}

/// The folder that a file or folder is in, also that of `.` and `x/..`.
fn parent(path: &Path) -> std::io::Result<PathBuf> {
    let path =
        if path.file_name().is_some() { std::path::absolute(path)? } else { std::fs::canonicalize(path)? };
    Ok(path.parent().unwrap_or(Path::new("/")).to_owned())
}
