//! `tide verify`: whether content is what its torrent says.

use std::ffi::OsStr;

use tide::verify::{FileVerdict, verify};

use crate::console::{Console, Ink};
use crate::exit::{Exit, Failure};
use crate::json::Json;
use crate::meter::Meter;
use crate::run::Context;
use crate::show::info_hash;
use crate::source::Source;

pub(crate) fn run(context: &mut Context<'_>) -> Result<Exit, Failure> {
    let source = Source::of(context.matches.operands.first().map_or(OsStr::new("-"), |word| word));
    let torrent = source.torrent(context.input)?;
    let dir = context.matches.dir();
    let hash = info_hash(torrent.info.info_hashes());
    let (console, clock) = (&mut context.console, context.clock);
    let started = clock.elapsed();
    let mut meter = Meter::new("verifying", Some(hash.clone()));
    let verdict = verify(&torrent, &dir, None, &mut |progress| {
        meter.at(console, clock.elapsed() - started, progress.done, progress.total);
    });
    verdict.files.iter().for_each(|file| tell(console, file));
    let ok = verdict.is_ok();
    console.emit(&Json::event(
        "summary",
        [
            ("info_hash", hash.into()),
            ("ok", ok.into()),
            ("files", (verdict.files.len() as u64).into()),
            ("pieces", verdict.pieces.into()),
            ("bad", verdict.bad.into()),
        ],
    ));
    let good = verdict.pieces - verdict.bad;
    console.say(&format!("{}: {good} of {} pieces are good", torrent.info.name(), verdict.pieces));
    Ok(if ok { Exit::Done } else { Exit::Data })
}

fn tell(console: &mut Console<'_>, file: &FileVerdict) {
    let path = file.path.display().to_string();
    console.emit(&Json::event(
        "file",
        [
            ("path", path.as_str().into()),
            ("ok", file.is_ok().into()),
            ("size", file.size.into()),
            ("found", file.found.into()),
            ("pieces", file.pieces.into()),
            ("bad", file.bad.into()),
            ("trouble", file.trouble.as_ref().map(|trouble| trouble.kind.name()).into()),
        ],
    ));
    if file.is_ok() {
        let word = console.paint(Ink::Good, "OK ");
        console.answer(&format!("{word} {path}"));
        return;
    }
    let why = match (&file.trouble, file.found) {
        (Some(trouble), _) => trouble.to_string(),
        (None, None) => "missing".to_owned(),
        (None, Some(found)) if found != file.size => format!("{found} bytes instead of {}", file.size),
        (None, Some(_)) => "of the right size".to_owned(),
    };
    let word = console.paint(Ink::Bad, "BAD");
    console.answer(&format!("{word} {path}: {} of {} pieces bad, {why}", file.bad, file.pieces));
}
