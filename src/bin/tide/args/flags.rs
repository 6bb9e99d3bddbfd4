//! The flags that several commands share.

use crate::args::{Flag, Takes};

/// Flags of every command.
pub(crate) const EVERYWHERE: &[Flag] = &[
    Flag::yes("help", "show help; -h is the short form").short('h'),
    Flag::yes("version", "show the version").short('V'),
    Flag::yes("quiet", "say only what was asked for, and errors").short('q'),
    Flag::yes("verbose", "log more; again for still more (RUST_LOG has the last word)").short('v').repeat(),
    Flag::with("color", Takes::COLOR, "color auto|always|never; NO_COLOR is honoured"),
    Flag::yes("json", "one JSON object a line on stdout; words for people go to stderr"),
];

/// Where content is.
pub(crate) const DIR: &[Flag] =
    &[Flag::with("dir", Takes::DIR, "the folder that holds, or will hold, the content [.]").short('d')];

/// How peers and trackers are reached, and what may be used up.
pub(crate) const NETWORK: &[Flag] = &[
    Flag::with("peer", Takes::HOST, "a peer to ask first").repeat(),
    Flag::with("tracker", Takes::TRACKER, "one more tracker").short('t').repeat(),
    Flag::with("port", Takes::PORT, "the port to listen on [51413, or any]").short('p'),
    Flag::with("listen", Takes::ADDR, "an address to listen on; port 0 is any").repeat(),
    Flag::with("down", Takes::RATE, "limit what comes in"),
    Flag::with("up", Takes::RATE, "limit what goes out"),
    Flag::with("max-peers", Takes::PEERS, "the most connections to peers [500]"),
    Flag::with("dht-node", Takes::HOST, "a node to enter the DHT by, instead of the well-known ones")
        .repeat(),
    Flag::yes("no-trackers", "ask no trackers"),
    Flag::yes("no-dht", "do not use the DHT"),
    Flag::yes("no-pex", "do not exchange peers with peers"),
    Flag::yes("lsd", "look for peers on the local network even if it is loopback alone"),
    Flag::yes("no-lsd", "do not look for peers on the local network"),
    Flag::yes("no-utp", "do not speak to peers over UDP"),
    Flag::yes("no-tcp", "do not speak to peers over TCP"),
    Flag::yes("no-portmap", "do not ask the router to open a port"),
];

/// How the engine is built up.
pub(crate) const ENGINE: &[Flag] = &[
    Flag::with("storage", Takes::STORAGE, "mapped|file|memory: how content is kept [mapped]"),
    Flag::with("shards", Takes::THREADS, "threads for peers [one a core]"),
    Flag::with("hashers", Takes::THREADS, "threads that hash [one for two cores]"),
    Flag::with("memory", Takes::MEMORY, "memory for blocks under way [32MiB]"),
];
