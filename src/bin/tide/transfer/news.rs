//! What is told of torrents, to people and to programs.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tide::{Happening, MappedPort, MetadataInfo, Reachable, TorrentStats, Trouble};

use crate::console::Console;
use crate::exit::{Failure, of_trouble};
use crate::json::Json;
use crate::transfer::entry::Entry;
use crate::units;

/// Remembers what has been told, so that it is not told again and again.
#[derive(Debug, Default)]
pub(crate) struct News {
    /// By torrent and tracker, what it said last.
    trackers: BTreeMap<(String, String), String>,
    /// Torrents of which was told how much is there.
    started: BTreeSet<String>,
    /// How the session was said to be reached last.
    reachable: Reachable,
}

fn hash(entry: &Entry) -> (&'static str, Json) {
    ("info_hash", entry.hash.as_str().into())
}

/// A torrent is known.
pub(crate) fn added(console: &mut Console<'_>, entry: &Entry) {
    let fields = [
        hash(entry),
        ("name", entry.name.as_str().into()),
        ("size", entry.pieces.map(|_| entry.size).into()),
        ("pieces", entry.pieces.into()),
    ];
    console.emit(&Json::event("added", fields));
}

/// Its metadata has come.
pub(crate) fn metadata(console: &mut Console<'_>, entry: &Entry) {
    let fields = [hash(entry), ("name", entry.name.as_str().into()), ("size", entry.size.into())];
    console.emit(&Json::event("metadata", fields));
    console.say(&format!("{}: the metadata is here, {}", entry.name, units::size(entry.size)));
}

/// How it stands.
pub(crate) fn progress(console: &mut Console<'_>, entry: &Entry, stats: &TorrentStats) {
    let fields = [
        hash(entry),
        ("done", stats.done.into()),
        ("total", stats.wanted.into()),
        ("down_rate", stats.down_rate.into()),
        ("up_rate", stats.up_rate.into()),
        ("uploaded", stats.uploaded.into()),
        ("peers", stats.peers.into()),
        ("seeds", stats.seeds.into()),
        ("eta", stats.eta.map(|eta| eta.as_secs()).into()),
        ("state", stats.state.name().into()),
        ("metadata", stats.metadata.map_or(Json::Null, of_metadata)),
    ];
    console.emit(&Json::event("progress", fields));
}

/// How far the search for metadata is.
fn of_metadata(metadata: MetadataInfo) -> Json {
    let MetadataInfo { peers, got, pieces } = metadata;
    Json::Object(vec![("peers", peers.into()), ("got", got.into()), ("pieces", pieces.into())])
}

/// All that is wanted is there.
pub(crate) fn complete(
    console: &mut Console<'_>,
    entry: &Entry,
    bytes: u64,
    downloaded: u64,
    took: Duration,
) {
    let fields =
        [hash(entry), ("bytes", bytes.into()), ("downloaded", downloaded.into()), ("seconds", seconds(took))];
    console.emit(&Json::event("complete", fields));
    console.say(&format!("{}: complete, {} in {}", entry.name, units::size(bytes), units::span(took)));
}

/// It is served.
pub(crate) fn seeding(console: &mut Console<'_>, entry: &Entry) {
    console.emit(&Json::event("seeding", [hash(entry)]));
    console.say(&format!("{}: seeding", entry.name));
}

/// Seconds, to the millisecond.
pub(crate) fn seconds(span: Duration) -> Json {
    Json::Float((span.as_secs_f64() * 1000.0).round() / 1000.0)
}

impl News {
    /// Tells what happened, unless others tell it.
    pub(crate) fn happened(&mut self, console: &mut Console<'_>, entry: &Entry, what: &Happening) {
        match what {
            Happening::Checking { done, total } => {
                // The last piece may be shorter; all of them are the size.
                let bytes = |pieces: &u32| (u64::from(*pieces) * entry.piece_len).min(entry.size);
                let fields = [hash(entry), ("done", bytes(done).into()), ("total", bytes(total).into())];
                console.emit(&Json::event("checking", fields));
            }
            Happening::Started { done, total } if *done > 0 && self.started.insert(entry.hash.clone()) => {
                console.say(&format!("{}: {} are there", entry.name, units::size_of(*done, *total)));
            }
            Happening::Stopped(trouble) => console.fail(&failure(entry, trouble), Some(&entry.hash)),
            Happening::Recovered => console.say(&format!("{}: goes on", entry.name)),
            Happening::Tracker { url, message, failed } => {
                self.tracker(console, entry, url, message, *failed);
            }
            Happening::Banned(addr) => log::info!("{}: {addr} is banned for bad data", entry.name),
            _ => {}
        }
    }

    /// Tells how the world sees and reaches the session.
    pub(crate) fn reachable(&mut self, console: &mut Console<'_>, now: &Reachable) {
        let before = std::mem::replace(&mut self.reachable, now.clone());
        if (&before.mapped, &before.trouble) != (&now.mapped, &now.trouble) {
            let ports = now.mapped.iter().map(mapped);
            let fields = [
                ("mapped", Json::List(ports.collect())),
                ("error", now.trouble.as_deref().map_or(Json::Null, Json::from)),
            ];
            console.emit(&Json::event("portmap", fields));
        }
        for port in now.mapped.iter().filter(|port| !before.mapped.contains(port)) {
            let (gateway, way) = (port.gateway, port.way);
            log::info!("{} port {} is open in {gateway} ({way})", port.protocol.word(), port.external_port);
        }
        if let Some(trouble) = now.trouble.as_deref().filter(|_| before.trouble != now.trouble) {
            log::info!("no port is open in the router: {trouble}");
        }
        let addresses = |of: &Reachable| (of.external_v4, of.external_v6);
        if addresses(&before) != addresses(now) {
            let text = |ip: Option<std::net::IpAddr>| ip.map_or(Json::Null, |ip| ip.to_string().into());
            let fields = [("v4", text(now.external_v4)), ("v6", text(now.external_v6))];
            console.emit(&Json::event("address", fields));
            let known: Vec<String> =
                [now.external_v4, now.external_v6].iter().flatten().map(ToString::to_string).collect();
            log::info!("seen from outside as {}", known.join(" and "));
        }
    }

    fn tracker(&mut self, console: &mut Console<'_>, entry: &Entry, url: &str, message: &str, failed: bool) {
        let key = (entry.hash.clone(), url.to_owned());
        if self.trackers.insert(key, message.to_owned()).as_deref() == Some(message) {
            return;
        }
        console.warn(&format!("{}: {url}: {message}", entry.name));
        let kind = if failed { "tracker" } else { "tracker-warning" };
        let message = format!("{url}: {message}");
        console
            .emit(&Json::event("error", [hash(entry), ("kind", kind.into()), ("message", message.into())]));
    }
}

/// A port that a gateway has opened.
fn mapped(port: &MappedPort) -> Json {
    Json::Object(vec![
        ("protocol", port.protocol.word().to_lowercase().into()),
        ("internal", port.internal.to_string().into()),
        ("external_ip", port.external_ip.map_or(Json::Null, |ip| ip.to_string().into())),
        ("external_port", u32::from(port.external_port).into()),
        ("gateway", port.gateway.to_string().into()),
        ("way", port.way.to_string().into()),
    ])
}

fn failure(entry: &Entry, trouble: &Trouble) -> Failure {
    let message = format!("{}: {trouble}", entry.name);
    Failure { exit: of_trouble(trouble), kind: trouble.kind.name(), message }
}
