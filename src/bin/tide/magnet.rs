//! `tide magnet`: the links of .torrent files.

use tide::metainfo::Magnet;

use crate::exit::{Exit, Failure};
use crate::json::Json;
use crate::run::Context;
use crate::show::info_hash;
use crate::source::Source;

pub(crate) fn run(context: &mut Context<'_>) -> Result<Exit, Failure> {
    let mut exit = Exit::Done;
    for word in std::mem::take(&mut context.matches.operands) {
        match Source::of(&word).torrent(context.input) {
            Ok(torrent) => {
                let link = Magnet::of(&torrent).to_string();
                let hash = info_hash(torrent.info.info_hashes());
                let fields = [("info_hash", Json::from(hash)), ("magnet", Json::from(link.as_str()))];
                context.console.emit(&Json::Object(fields.into()));
                context.console.answer(&link);
            }
            Err(failure) => {
                context.console.fail(&failure, None);
                exit = if exit == Exit::Done { failure.exit } else { exit };
            }
        }
    }
    Ok(exit)
}
