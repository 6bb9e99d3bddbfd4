//! `tide create`: a .torrent of a file or a folder.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tide::make::{Made, Options, make};
use tide::metainfo::Magnet;

use crate::args::{Flag, Matches, Takes};
use crate::exit::{Exit, Failure};
use crate::json::Json;
use crate::meter::Meter;
use crate::run::Context;
use crate::show::info_hash;
use crate::units;

pub(crate) const FLAGS: &[Flag] = &[
    Flag::with("output", Takes::FILE, "the file to write, - for standard output [NAME.torrent]").short('o'),
    Flag::with("tracker", Takes::TIER, "a tier of trackers, with commas between them").short('t').repeat(),
    Flag::with("web-seed", Takes::WEB, "where the content is on the web").short('w').repeat(),
    Flag::with("comment", Takes::TEXT, "a word to whoever reads it").short('c'),
    Flag::with("name", Takes::NAME, "the torrent's name [that of PATH]").short('n'),
    Flag::yes("private", "peers may come from the trackers alone").short('p'),
    Flag::with("source", Takes::TEXT, "where it is at home; changes the info-hash"),
    Flag::with("piece-length", Takes::PIECE, "bytes in a piece [auto]").short('l'),
    Flag::yes("v1", "a v1 torrent, as it is anyway"),
    Flag::yes("no-date", "do not say when it was made"),
    Flag::yes("no-created-by", "do not say what made it"),
    Flag::yes("force", "replace the file if it exists").short('f'),
    Flag::yes("dry-run", "hash and tell, but write nothing"),
    Flag::yes("magnet", "print the magnet link too"),
];

/// Where the .torrent goes.
#[derive(PartialEq, Eq)]
enum Target {
    Nowhere,
    Stdout,
    File(PathBuf),
}

pub(crate) fn run(context: &mut Context<'_>) -> Result<Exit, Failure> {
    let path = PathBuf::from(context.matches.operands.first().cloned().unwrap_or_default());
    let options = options(&context.matches);
    if options.private && options.trackers.is_empty() {
        context.console.warn("a private torrent without a tracker: nobody will find peers");
    }
    let target = target(&context.matches, &path)?;
    if target == Target::Stdout && context.console.json() {
        return Err(Failure::usage("--output - and --json both want standard output"));
    }
    let made = made(context, &path, &options)?;
    context.console.clear();
    match &target {
        Target::Nowhere => {}
        Target::Stdout => context.console.bytes(&made.bytes),
        Target::File(file) => {
            write(file, &made.bytes, context.matches.has("force"))
                .map_err(|error| Failure::file(file.display(), &error))?;
        }
    }
    tell(context, &made, &target);
    Ok(Exit::Done)
}

/// Hashes, and shows how far it is.
pub(crate) fn made(context: &mut Context<'_>, path: &Path, options: &Options) -> Result<Made, Failure> {
    let (console, clock) = (&mut context.console, context.clock);
    let started = clock.elapsed();
    let mut meter = Meter::new("hashing", None);
    let made = make(path, options, &mut |progress| {
        meter.at(console, clock.elapsed() - started, progress.done, progress.total);
    });
    Ok(made?)
}

fn options(matches: &Matches) -> Options {
    let texts = |flag: &str| matches.texts(flag).into_iter().map(str::to_owned);
    let tiers = matches.texts("tracker").into_iter();
    let plain = Options::default();
    Options {
        name: texts("name").next(),
        piece_len: matches
            .number("piece-length")
            .and_then(|len| u32::try_from(len).ok())
            .filter(|len| *len > 0),
        trackers: tiers.map(|tier| tier.split(',').map(|url| url.trim().to_owned()).collect()).collect(),
        web_seeds: texts("web-seed").collect(),
        private: matches.has("private"),
        source: texts("source").next(),
        comment: texts("comment").next(),
        created_by: plain.created_by.filter(|_| !matches.has("no-created-by")),
        date: plain.date.filter(|_| !matches.has("no-date")),
        threads: plain.threads,
    }
}

/// Where to write; an obstacle is found before an hour has been hashed.
fn target(matches: &Matches, path: &Path) -> Result<Target, Failure> {
    let file = match matches.path("output") {
        _ if matches.has("dry-run") => return Ok(Target::Nowhere),
        Some(file) if file == Path::new("-") => return Ok(Target::Stdout),
        Some(file) => file.to_owned(),
        None => {
            let found = || fs::canonicalize(path).map_err(|error| Failure::file(path.display(), &error));
            let named = match (matches.text("name"), path.file_name()) {
                (Some(name), _) => Some(name.into()),
                (None, Some(name)) => Some(name.to_owned()),
                (None, None) => found()?.file_name().map(ToOwned::to_owned),
            };
            let mut name = named.ok_or_else(|| Failure::usage("a name is needed: --name"))?;
            name.push(".torrent");
            PathBuf::from(name)
        }
    };
    if file.exists() && !matches.has("force") {
        let message = format!("{} exists already; --force replaces it", file.display());
        return Err(Failure { kind: "exists", ..Failure::other(message) });
    }
    Ok(Target::File(file))
}

/// Writes the whole file or nothing: beside it first, then in its place.
pub(crate) fn write(file: &Path, bytes: &[u8], force: bool) -> io::Result<()> {
    if !force {
        // Nobody may have come before us meanwhile.
        let mut new = File::create_new(file)?;
        return new.write_all(bytes).inspect_err(|_| {
            // The error is the one to be told; the half file must go.
            let _ = fs::remove_file(file);
        });
    }
    let mut beside = file.as_os_str().to_owned();
    beside.push(format!(".{}.part", std::process::id()));
    let beside = PathBuf::from(beside);
    let written = fs::write(&beside, bytes).and_then(|()| fs::rename(&beside, file));
    written.inspect_err(|_| {
        let _ = fs::remove_file(&beside);
    })
}

fn tell(context: &mut Context<'_>, made: &Made, target: &Target) {
    let info = &made.torrent.info;
    let (hash, magnet) = (info_hash(info.info_hashes()), Magnet::of(&made.torrent).to_string());
    let pieces = info.pieces();
    let file = match target {
        Target::File(file) => Some(file.display().to_string()),
        _ => None,
    };
    context.console.emit(&Json::event(
        "created",
        [
            ("info_hash", hash.as_str().into()),
            ("name", info.name().into()),
            ("size", info.total().into()),
            ("pieces", pieces.into()),
            ("piece_length", info.piece_len().into()),
            ("file", file.as_deref().into()),
            ("magnet", magnet.as_str().into()),
        ],
    ));
    if *target == Target::Stdout {
        return;
    }
    let what = file.unwrap_or_else(|| "nothing written".to_owned());
    context.console.say(&format!(
        "{what}: {}, {} in {pieces} pieces of {}, info-hash {hash}",
        info.name(),
        units::size(info.total()),
        units::size(info.piece_len().into()),
    ));
    if context.matches.has("magnet") {
        context.console.answer(&magnet);
    }
}
