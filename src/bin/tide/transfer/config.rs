//! A session and a torrent as the flags want them.

use std::ffi::OsString;
use std::net::ToSocketAddrs;
use std::path::{Path, PathBuf};

use tide::metainfo::HostPort;
use tide::{Add, Backing, Config, DhtConfig, Listen, RateLimits, Session, When};
use tide_base::id::hex;

use crate::args::Matches;
use crate::console::Console;
use crate::env::state_home;
use crate::exit::{Exit, Failure};
use crate::json::Json;
use crate::run::Context;

/// Starts a session, for content in `dir` if there is any, and says where it listens.
///
/// # Errors
/// Flags that contradict each other; what the library says.
pub(crate) fn start(context: &mut Context<'_>, dir: Option<&Path>) -> Result<Session, Failure> {
    let config = config(&context.matches)?;
    let state_dir = match (config.backing, dir) {
        // What is gone with the process cannot be resumed.
        (Backing::Memory, _) | (_, None) => None,
        (_, Some(dir)) => state_dir(dir, context.vars, &mut context.console),
    };
    if context.matches.has("no-tcp") {
        context.console.warn("--no-tcp changes nothing yet: TCP is all that this version speaks with peers");
    }
    let state = dht_state(&config, context.vars);
    let dht = config.dht.clone().map(|dht| DhtConfig { state, ..dht });
    let session = Session::start(Config { state_dir, dht, ..config })?;
    let listening = session.listening();
    let tcp = listening.tcp.iter();
    let udp = [listening.udp_v4, listening.udp_v6];
    let fields = [
        ("tcp", Json::list(tcp.map(ToString::to_string))),
        ("udp", Json::list(udp.iter().flatten().map(ToString::to_string))),
    ];
    context.console.emit(&Json::event("listening", fields));
    Ok(session)
}

/// The configuration that the flags mean, without a state folder.
pub(crate) fn config(matches: &Matches) -> Result<Config, Failure> {
    let plain = Config::default();
    let (port, addrs) = (matches.number("port"), matches.addrs("listen"));
    let listen = match (port, addrs.is_empty()) {
        (Some(_), false) => return Err(Failure::usage("--port and --listen exclude each other")),
        (Some(port), true) => Listen::Port(u16::try_from(port).unwrap_or_default()),
        (None, false) => Listen::At(addrs),
        (None, true) => Listen::Default,
    };
    let local_discovery = match (matches.has("lsd"), matches.has("no-lsd")) {
        (true, true) => return Err(Failure::usage("--lsd and --no-lsd exclude each other")),
        (true, false) => When::Always,
        (false, true) => When::Never,
        (false, false) => When::Fitting,
    };
    let routers: Vec<HostPort> = matches.texts("dht-node").into_iter().filter_map(HostPort::parse).collect();
    if matches.has("no-dht") && !routers.is_empty() {
        return Err(Failure::usage("--no-dht and --dht-node exclude each other"));
    }
    let routers = Some(routers).filter(|routers| !routers.is_empty());
    let threads = |flag: &str| matches.number(flag).and_then(|count| u16::try_from(count).ok());
    let peers = matches.number("max-peers").and_then(|count| u32::try_from(count).ok());
    Ok(Config {
        listen,
        shards: threads("shards").unwrap_or(plain.shards),
        hashers: threads("hashers").unwrap_or(plain.hashers),
        memory: matches.number("memory").unwrap_or(plain.memory),
        max_peers: peers.unwrap_or(plain.max_peers),
        rates: RateLimits { down: matches.rate("down"), up: matches.rate("up") },
        trackers: !matches.has("no-trackers"),
        local_discovery,
        port_mapping: if matches.has("no-portmap") { When::Never } else { When::Fitting },
        dht: (!matches.has("no-dht")).then(|| DhtConfig { routers, ..DhtConfig::default() }),
        pex: !matches.has("no-pex"),
        backing: match matches.text("storage") {
            Some("file") => Backing::File,
            Some("memory") => Backing::Memory,
            _ => Backing::Mapped,
        },
        lock_code: true,
        ..plain
    })
}

/// `add` in the folder of the content, with the trackers and peers that the flags name. A run is what its flags say:
/// what an earlier one left in resume data is taken for content alone.
///
/// # Errors
/// A peer's host that has no address.
pub(crate) fn add(add: Add, matches: &Matches, dir: &Path) -> Result<Add, Failure> {
    let own = add.own_trackers();
    let mut add = add.dir(dir).trackers(own).limits(RateLimits::default()).paused(false);
    for url in matches.texts("tracker") {
        add = add.tracker(url);
    }
    for peer in matches.texts("peer") {
        let addrs = peer.to_socket_addrs().map_err(|error| {
            let message = format!("--peer {peer}: {error}");
            Failure { exit: Exit::Other, kind: "resolve", message }
        })?;
        for addr in addrs {
            add = add.peer(addr);
        }
    }
    Ok(add)
}

/// The folder for resume data: one for each folder of content, so that the same torrent can be seeded from one and
/// downloaded into another at the same time. Without one all goes on, but is hashed again the next time.
fn state_dir(
    content: &Path,
    vars: &dyn Fn(&str) -> Option<OsString>,
    console: &mut Console<'_>,
) -> Option<PathBuf> {
    let Some(home) = state_home(vars) else {
        console.warn("neither XDG_STATE_HOME nor HOME is set: no resume data will be written");
        return None;
    };
    let dir = home.join(digest(&absolute(content)));
    match std::fs::create_dir_all(&dir) {
        Ok(()) => Some(dir),
        Err(error) => {
            console.warn(&format!("{}: {error}: no resume data will be written", dir.display()));
            None
        }
    }
}

/// The file of the DHT's state: one for all folders of content, since the network is the same.
fn dht_state(config: &Config, vars: &dyn Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    if config.backing == Backing::Memory {
        return None;
    }
    let home = state_home(vars)?;
    std::fs::create_dir_all(&home).ok()?;
    Some(home.join("dht"))
}

/// One name for a folder, whatever way leads there; as far as it exists already.
fn absolute(path: &Path) -> PathBuf {
    let real = std::fs::canonicalize(path).or_else(|_| std::path::absolute(path));
    real.unwrap_or_else(|_| path.to_owned())
}

/// Sixteen hexadecimal digits of the hash of a path.
fn digest(path: &Path) -> String {
    let bytes = path.as_os_str().as_encoded_bytes();
    hex(&tide_hash::sha1(&[bytes])[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_have_state_of_their_own() {
        assert_eq!(digest(Path::new("/a")).len(), 16);
        assert_ne!(digest(Path::new("/a")), digest(Path::new("/b")));
        assert_eq!(absolute(Path::new("/tmp/../tmp/.")), absolute(Path::new("/tmp")));
    }
}
