//! `tide magnet`: the links of .torrent files, and the .torrent files of links.

use std::path::{Path, PathBuf};

use tide::metainfo::Magnet;

use crate::args::{Flag, Takes};
use crate::create;
use crate::exit::{Exit, Failure};
use crate::json::Json;
use crate::run::Context;
use crate::show::info_hash;
use crate::source::{Source, Subject};
use crate::transfer::{Learnt, learn};

pub(crate) const FLAGS: &[Flag] = &[
    Flag::yes("fetch", "ask peers for the .torrent files of links, and write them"),
    Flag::with(
        "output",
        Takes::FILE,
        "with --fetch: the file to write, - for standard output [NAME.torrent]",
    )
    .short('o'),
    Flag::yes("force", "with --fetch: replace the file if it exists").short('f'),
    Flag::with("timeout", Takes::DUR, "with --fetch: give up after so long without progress"),
];

pub(crate) fn run(context: &mut Context<'_>) -> Result<Exit, Failure> {
    let words = std::mem::take(&mut context.matches.operands);
    let fetch = context.matches.has("fetch");
    if !fetch
        && let Some(flag) = ["output", "force", "timeout"].into_iter().find(|flag| context.matches.has(flag))
    {
        return Err(Failure::usage(format!("--{flag} goes with --fetch")));
    }
    let mut exit = Exit::Done;
    let mut links = Vec::new();
    for word in words {
        match Source::of(&word).subject(context.input) {
            Ok(Subject::Torrent(torrent)) if !fetch => tell(context, &Magnet::of(&torrent)),
            Ok(Subject::Torrent(_)) => {
                let word = word.to_string_lossy();
                return Err(Failure::usage(format!("--fetch takes links, and {word} is a .torrent")));
            }
            Ok(Subject::Link(link)) if fetch => links.push(link),
            Ok(Subject::Link(link)) => tell(context, &link),
            Err(failure) => {
                context.console.fail(&failure, None);
                exit = if exit == Exit::Done { failure.exit } else { exit };
            }
        }
    }
    if links.is_empty() {
        return Ok(exit);
    }
    let fetched = fetch_all(context, links)?;
    Ok(if exit == Exit::Done { fetched } else { exit })
}

fn tell(context: &mut Context<'_>, magnet: &Magnet) {
    let (link, hash) = (magnet.to_string(), info_hash(magnet.hashes));
    let fields = [("info_hash", Json::from(hash)), ("magnet", Json::from(link.as_str()))];
    context.console.emit(&Json::Object(fields.into()));
    context.console.answer(&link);
}

/// Gets the torrents of links and writes a file for each.
fn fetch_all(context: &mut Context<'_>, links: Vec<Magnet>) -> Result<Exit, Failure> {
    let output = context.matches.path("output").map(Path::to_owned);
    if output.is_some() && links.len() > 1 {
        return Err(Failure::usage("--output is for one link"));
    }
    let stdout = output.as_deref() == Some(Path::new("-"));
    if stdout && context.console.json() {
        return Err(Failure::usage("--output - and --json both want standard output"));
    }
    // What stands in the way is found before anybody is asked.
    if let Some(file) = output.as_deref().filter(|_| !stdout) {
        refuse_existing(context, file)?;
    }
    let (learnt, exit) = learn::metadata(context, links)?;
    for Learnt { bytes, torrent } in learnt {
        if stdout {
            context.console.bytes(&bytes);
            continue;
        }
        let named = || PathBuf::from(format!("{}.torrent", torrent.info.name()));
        let file = output.clone().unwrap_or_else(named);
        refuse_existing(context, &file)?;
        create::write(&file, &bytes, context.matches.has("force"))
            .map_err(|error| Failure::file(file.display(), &error))?;
        let fields = [
            ("info_hash", Json::from(info_hash(torrent.info.info_hashes()))),
            ("name", torrent.info.name().into()),
            ("size", torrent.info.total().into()),
            ("file", file.display().to_string().into()),
        ];
        context.console.emit(&Json::event("fetched", fields));
        context.console.answer(&file.display().to_string());
    }
    Ok(exit)
}

fn refuse_existing(context: &Context<'_>, file: &Path) -> Result<(), Failure> {
    if file.exists() && !context.matches.has("force") {
        let message = format!("{} exists already; --force replaces it", file.display());
        return Err(Failure { kind: "exists", ..Failure::other(message) });
    }
    Ok(())
}
