//! `tide show`: what a .torrent or a magnet link says.

use std::ffi::OsStr;

use tide::metainfo::{FileKind, Magnet, Torrent};
use tide::{InfoHashes, WallClock};

use crate::args::Flag;
use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::json::Json;
use crate::run::Context;
use crate::source::{self, Source};
use crate::table::Table;
use crate::units;

pub(crate) const FLAGS: &[Flag] = &[
    Flag::yes("files", "the files: number, size, path").short('f'),
    Flag::yes("trackers", "the trackers, one a line").short('t'),
    Flag::yes("magnet", "the magnet link").short('m'),
    Flag::yes("info-hash", "the info-hash alone"),
];

pub(crate) fn run(context: &mut Context<'_>) -> Result<Exit, Failure> {
    let source = Source::of(context.matches.operands.first().map_or(OsStr::new("-"), |word| word));
    let shown = match &source {
        Source::Magnet(link) => Shown::Link(source::magnet(link)?),
        source => Shown::File(Box::new(source.torrent(context.input)?)),
    };
    if context.console.json() {
        context.console.emit(&shown.json());
        return Ok(Exit::Done);
    }
    let for_people = context.console.window().is_some();
    let only: Vec<&str> =
        FLAGS.iter().map(|flag| flag.long).filter(|flag| context.matches.has(flag)).collect();
    if only.is_empty() {
        let tables = shown.everything(for_people);
        for (at, table) in tables.iter().filter(|table| !table.is_empty()).enumerate() {
            if at > 0 && for_people {
                context.console.answer("");
            }
            print(&mut context.console, table);
        }
    }
    for part in only {
        match part {
            "files" => print(&mut context.console, &shown.files(for_people)),
            "trackers" => shown.trackers().iter().flatten().for_each(|url| context.console.answer(url)),
            "magnet" => context.console.answer(&shown.magnet().to_string()),
            _ => context.console.answer(&info_hash(shown.hashes())),
        }
    }
    Ok(Exit::Done)
}

fn print(console: &mut Console<'_>, table: &Table) {
    if !table.is_empty() {
        let text = if console.window().is_some() { table.aligned() } else { table.tabbed() };
        console.answer(&text);
    }
}

/// The table of a torrent's files, with their numbers from one. Padding is left out, but counted.
pub(crate) fn file_table(torrent: &Torrent, for_people: bool) -> Table {
    let mut table = Table::new(&[0, 1]);
    for (at, file) in torrent.info.files().iter().enumerate() {
        if file.kind == FileKind::Padding {
            continue;
        }
        let size = if for_people { units::size(file.length) } else { file.length.to_string() };
        let link = match &file.kind {
            FileKind::Link(target) => format!(" → {}", target.as_str()),
            FileKind::DeadLink => " → (nowhere)".to_owned(),
            _ => String::new(),
        };
        table.row([(at + 1).to_string(), size, format!("{}{link}", file.path.as_str())]);
    }
    table
}

/// The hash that the torrent is known by, in hexadecimal.
pub(crate) fn info_hash(hashes: InfoHashes) -> String {
    let v2 = || hashes.v2.map(|hash| hash.to_string()).unwrap_or_default();
    hashes.v1.map_or_else(v2, |hash| hash.to_string())
}

enum Shown {
    File(Box<Torrent>),
    Link(Magnet),
}

impl Shown {
    fn hashes(&self) -> InfoHashes {
        match self {
            Shown::File(torrent) => torrent.info.info_hashes(),
            Shown::Link(magnet) => magnet.hashes,
        }
    }

    fn magnet(&self) -> Magnet {
        match self {
            Shown::File(torrent) => Magnet::of(torrent),
            Shown::Link(magnet) => magnet.clone(),
        }
    }

    /// Tiers of trackers; in a link each is one of its own.
    fn trackers(&self) -> Vec<Vec<String>> {
        match self {
            Shown::File(torrent) => torrent.trackers.clone(),
            Shown::Link(magnet) => magnet.trackers.iter().map(|url| vec![url.clone()]).collect(),
        }
    }

    fn files(&self, for_people: bool) -> Table {
        match self {
            Shown::File(torrent) => file_table(torrent, for_people),
            Shown::Link(_) => Table::default(),
        }
    }

    /// Everything: figures, trackers, files.
    fn everything(&self, for_people: bool) -> [Table; 3] {
        let mut figures = Table::default();
        let mut row = |name: &str, value: String| {
            if !value.is_empty() {
                figures.row([name.to_owned(), value]);
            }
        };
        let hashes = self.hashes();
        match self {
            Shown::File(torrent) => {
                let size = |bytes: u64| if for_people { units::size(bytes) } else { bytes.to_string() };
                let info = &torrent.info;
                row("name", info.name().to_owned());
                row("size", size(info.total()));
                row("files", count_files(torrent).to_string());
                row("pieces", info.pieces().to_string());
                row("piece length", size(info.piece_len().into()));
                row("private", if info.is_private() { "yes" } else { "no" }.to_owned());
                row("source", info.source().unwrap_or_default().to_owned());
                row("comment", torrent.comment.clone().unwrap_or_default());
                row("created by", torrent.created_by.clone().unwrap_or_default());
                let date = |WallClock(at)| if for_people { units::date(at) } else { at.to_string() };
                row("creation date", torrent.creation_date.map_or(String::new(), date));
            }
            Shown::Link(magnet) => {
                row("name", magnet.name.clone().unwrap_or_default());
                let numbers = magnet.select.iter().map(|at| (at + 1).to_string()).collect::<Vec<_>>();
                row("selected files", numbers.join(","));
                magnet.peers.iter().for_each(|peer| row("peer", peer.to_string()));
            }
        }
        row("info hash", hashes.v1.map_or(String::new(), |hash| hash.to_string()));
        row("info hash v2", hashes.v2.map_or(String::new(), |hash| hash.to_string()));
        self.web_seeds().iter().for_each(|url| row("web seed", url.clone()));
        self.nodes().into_iter().for_each(|node| row("node", node));
        let mut trackers = Table::default();
        for (tier, urls) in self.trackers().into_iter().enumerate() {
            urls.into_iter()
                .for_each(|url| trackers.row(["tracker".to_owned(), (tier + 1).to_string(), url]));
        }
        [figures, trackers, self.files(for_people).behind("file")]
    }

    fn web_seeds(&self) -> &[String] {
        match self {
            Shown::File(torrent) => &torrent.web_seeds,
            Shown::Link(magnet) => &magnet.web_seeds,
        }
    }

    fn nodes(&self) -> Vec<String> {
        match self {
            Shown::File(torrent) => torrent.nodes.iter().map(ToString::to_string).collect(),
            Shown::Link(_) => Vec::new(),
        }
    }

    fn json(&self) -> Json {
        let hashes = self.hashes();
        let mut fields = vec![("info_hash", Json::from(hashes.v1.map(|hash| hash.to_string())))];
        fields.extend(hashes.v2.map(|hash| ("info_hash_v2", Json::from(hash.to_string()))));
        let trackers = Json::List(self.trackers().into_iter().map(Json::list).collect());
        let web_seeds = Json::list(self.web_seeds().iter().map(String::as_str));
        match self {
            Shown::File(torrent) => {
                let info = &torrent.info;
                fields.extend([
                    ("name", info.name().into()),
                    ("size", info.total().into()),
                    ("pieces", info.pieces().into()),
                    ("piece_length", info.piece_len().into()),
                    ("private", info.is_private().into()),
                    ("files", files_json(torrent)),
                    ("trackers", trackers),
                    ("web_seeds", web_seeds),
                    ("nodes", Json::list(self.nodes())),
                    ("comment", torrent.comment.as_deref().into()),
                    ("created_by", torrent.created_by.as_deref().into()),
                    ("creation_date", torrent.creation_date.map(|WallClock(at)| at).into()),
                    ("source", info.source().into()),
                ]);
            }
            Shown::Link(magnet) => {
                let unknown = ["size", "pieces", "piece_length", "private", "files"];
                fields.push(("name", magnet.name.as_deref().into()));
                fields.extend(unknown.map(|name| (name, Json::Null)));
                fields.extend([
                    ("trackers", trackers),
                    ("web_seeds", web_seeds),
                    ("nodes", Json::List(Vec::new())),
                ]);
                let unknown = ["comment", "created_by", "creation_date", "source"];
                fields.extend(unknown.map(|name| (name, Json::Null)));
                fields.push(("peers", Json::list(magnet.peers.iter().map(ToString::to_string))));
                fields.push(("select", Json::list(magnet.select.iter().map(|at| at + 1))));
            }
        }
        Json::Object(fields)
    }
}

/// The files of a torrent as objects.
pub(crate) fn files_json(torrent: &Torrent) -> Json {
    let object = |file: &tide::metainfo::File| {
        Json::Object(vec![
            ("path", file.path.as_str().into()),
            ("size", file.length.into()),
            ("pad", (file.kind == FileKind::Padding).into()),
        ])
    };
    Json::List(torrent.info.files().iter().map(object).collect())
}

fn count_files(torrent: &Torrent) -> usize {
    torrent.info.files().iter().filter(|file| file.kind != FileKind::Padding).count()
}
