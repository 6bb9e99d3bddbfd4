//! `tide get`: downloads, and exits when everything is there.

use std::path::Path;

use tide::Add;
use tide::metainfo::{Magnet, Torrent};

use crate::args::{Flag, Takes};
use crate::exit::{Exit, Failure};
use crate::json::Json;
use crate::run::Context;
use crate::show::{file_table, files_json, info_hash};
use crate::source::{Source, Subject};
use crate::transfer::{Plan, Totals, Watch, config, learn, select};

pub(crate) const FLAGS: &[Flag] = &[
    Flag::with("dir", Takes::DIR, "the folder that holds, or will hold, the content [.]")
        .short('d')
        .also("output", 'o'),
    Flag::yes("list", "show the files and leave").short('l'),
    Flag::with("select", Takes::FILES, "only these files, numbered as tide show does").short('s'),
    Flag::with("include", Takes::GLOB, "only files that match").repeat(),
    Flag::with("exclude", Takes::GLOB, "no files that match").repeat(),
    Flag::yes("sequential", "pieces in order, not rarest first"),
    Flag::yes("check", "hash what is there even if resume data vouch for it"),
    Flag::yes("seed", "go on seeding"),
    Flag::with("seed-ratio", Takes::RATIO, "seed until that many times the size has gone out"),
    Flag::with("seed-time", Takes::DUR, "seed for so long"),
    Flag::with("timeout", Takes::DUR, "give up after so long without progress"),
    Flag::with(
        "on-complete",
        Takes::SHELL,
        "run for each torrent, with TIDE_NAME, TIDE_DIR and TIDE_HASH set",
    ),
];

pub(crate) fn run(context: &mut Context<'_>) -> Result<Exit, Failure> {
    let (subjects, failed) = read(context);
    if context.matches.has("list") {
        let exit = list_all(context, subjects)?;
        return Ok(failed.filter(|_| exit == Exit::Done).unwrap_or(exit));
    }
    let mut totals = Totals::default();
    let exit = match (subjects.is_empty(), failed) {
        (true, Some(exit)) => exit,
        (_, failed) => {
            let exit = download(context, subjects, &mut totals).unwrap_or_else(|failure| {
                context.console.fail(&failure, None);
                failure.exit
            });
            failed.filter(|_| !matches!(exit, Exit::Interrupted(_))).unwrap_or(exit)
        }
    };
    if exit == Exit::Disk && totals.any() {
        context.console.say("What is there is kept: the same command goes on from here.");
    }
    totals.tell(context, exit);
    Ok(exit)
}

/// Every torrent and link that can be read, and the first failure among the others.
fn read(context: &mut Context<'_>) -> (Vec<Subject>, Option<Exit>) {
    let mut failed = None;
    let mut subjects = Vec::new();
    for word in std::mem::take(&mut context.matches.operands) {
        match Source::of(&word).subject(context.input) {
            Ok(subject) => subjects.push(subject),
            Err(failure) => {
                context.console.fail(&failure, None);
                failed = failed.or(Some(failure.exit));
            }
        }
    }
    (subjects, failed)
}

/// Lists the files of torrents; those of links when peers have told them.
fn list_all(context: &mut Context<'_>, subjects: Vec<Subject>) -> Result<Exit, Failure> {
    let mut links = Vec::new();
    for subject in subjects {
        match subject {
            Subject::Torrent(torrent) => list(context, &torrent),
            Subject::Link(link) => links.push(link),
        }
    }
    if links.is_empty() {
        return Ok(Exit::Done);
    }
    let (torrents, exit) = learn::metadata(context, links)?;
    torrents.iter().for_each(|learnt| list(context, &learnt.torrent));
    Ok(exit)
}

fn list(context: &mut Context<'_>, torrent: &Torrent) {
    if context.console.json() {
        let info = &torrent.info;
        context.console.emit(&Json::Object(vec![
            ("info_hash", info_hash(info.info_hashes()).into()),
            ("name", info.name().into()),
            ("size", info.total().into()),
            ("files", files_json(torrent)),
        ]));
        return;
    }
    let terminal = context.console.window().is_some();
    let table = file_table(torrent, terminal);
    context.console.answer(&if terminal { table.aligned() } else { table.tabbed() });
}

/// What is added for a torrent or a link, and which files its link names.
fn add(context: &Context<'_>, subject: Subject, dir: &Path) -> Result<(Add, Vec<u32>), Failure> {
    let matches = &context.matches;
    let (add, named) = match subject {
        Subject::Torrent(torrent) => {
            let wanted = select::wanted(&torrent, matches)?;
            let add = Add::metainfo(*torrent);
            (if let Some(wanted) = wanted { add.select(wanted) } else { add.priorities([]) }, Vec::new())
        }
        // Files are chosen when they are known, and none is fetched before.
        Subject::Link(link) => {
            let named = link.select.clone();
            (Add::link(Magnet { select: Vec::new(), ..link })?.priorities([]).choose_files(), named)
        }
    };
    let add = add.sequential(matches.has("sequential"));
    let add = if matches.has("check") { add.check() } else { add };
    Ok((config::add(add, matches, dir)?, named))
}

fn download(context: &mut Context<'_>, subjects: Vec<Subject>, totals: &mut Totals) -> Result<Exit, Failure> {
    let dir = context.matches.dir();
    let mut adds = Vec::new();
    for subject in subjects {
        adds.push(add(context, subject, &dir)?);
    }
    let matches = &context.matches;
    let (ratio, time) = (matches.fraction("seed-ratio"), matches.span("seed-time"));
    let plan = Plan {
        seed: matches.has("seed") || ratio.is_some() || time.is_some(),
        ratio,
        time,
        whole: false,
        learn: false,
        timeout: matches.span("timeout"),
        on_complete: matches.text("on-complete").map(str::to_owned),
    };
    context.stop.be_gentle();
    let session = config::start(context, Some(&dir))?;
    let mut watch = Watch::new(session, plan, dir, context.clock.elapsed());
    let mut exit = Ok(());
    for (add, named) in adds {
        exit = exit.and_then(|()| watch.add(context, add, &named));
    }
    let exit = exit.map(|()| watch.run(context));
    *totals = watch.end(context);
    exit
}
