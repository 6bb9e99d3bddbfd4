//! `tide get`: downloads, and exits when everything is there.

use tide::Add;
use tide::metainfo::Torrent;

use crate::args::{Flag, Takes};
use crate::exit::{Exit, Failure};
use crate::json::Json;
use crate::run::Context;
use crate::show::{file_table, files_json, info_hash};
use crate::source::Source;
use crate::transfer::{Plan, Totals, Watch, config, select};

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
    let (torrents, failed) = read(context);
    if context.matches.has("list") {
        torrents.iter().for_each(|torrent| list(context, torrent));
        return Ok(failed.unwrap_or(Exit::Done));
    }
    let mut totals = Totals::default();
    let exit = match (torrents.is_empty(), failed) {
        (true, Some(exit)) => exit,
        (_, failed) => {
            let exit = download(context, &torrents, &mut totals).unwrap_or_else(|failure| {
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

/// Every torrent that can be read, and the first failure among the others.
fn read(context: &mut Context<'_>) -> (Vec<Torrent>, Option<Exit>) {
    let mut failed = None;
    let mut torrents = Vec::new();
    for word in std::mem::take(&mut context.matches.operands) {
        match Source::of(&word).torrent(context.input) {
            Ok(torrent) => torrents.push(torrent),
            Err(failure) => {
                context.console.fail(&failure, None);
                failed = failed.or(Some(failure.exit));
            }
        }
    }
    (torrents, failed)
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

fn download(context: &mut Context<'_>, torrents: &[Torrent], totals: &mut Totals) -> Result<Exit, Failure> {
    let dir = context.matches.dir();
    let mut adds = Vec::new();
    for torrent in torrents {
        let mut add = Add::metainfo(torrent.clone()).sequential(context.matches.has("sequential"));
        add = match select::wanted(torrent, &context.matches)? {
            Some(wanted) => add.select(wanted),
            None => add.priorities([]),
        };
        if context.matches.has("check") {
            add = add.check();
        }
        adds.push(config::add(add, &context.matches, &dir)?);
    }
    let matches = &context.matches;
    let (ratio, time) = (matches.fraction("seed-ratio"), matches.span("seed-time"));
    let plan = Plan {
        seed: matches.has("seed") || ratio.is_some() || time.is_some(),
        ratio,
        time,
        whole: false,
        timeout: matches.span("timeout"),
        on_complete: matches.text("on-complete").map(str::to_owned),
    };
    context.stop.be_gentle();
    let session = config::start(context, &dir)?;
    let mut watch = Watch::new(session, plan, dir, context.clock.elapsed());
    let mut exit = Ok(());
    for (add, torrent) in adds.into_iter().zip(torrents) {
        exit = exit.and_then(|()| watch.add(context, add, torrent));
    }
    let exit = exit.map(|()| watch.run(context));
    *totals = watch.end(context);
    exit
}
