//! libtorrent-rasterbar, through a small Python script that obeys JSON lines.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{IpAddr, SocketAddr, SocketAddrV4};
use std::path::Path;
use std::process::{ChildStdin, ChildStdout};

use serde_json::{Value, json};

use crate::client::{Client, PeerSeen, State};
use crate::process::{self, Guard};
use crate::{InfoHash, TempDir, Tool, Torrent, net, wait};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/py/libtorrent_peer.py");

/// One libtorrent session: TCP in the clear, nothing that finds peers by itself but the torrents' trackers.
#[derive(Debug)]
pub struct LibTorrent {
    process: Guard,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    address: SocketAddrV4,
    _dir: TempDir,
}

impl LibTorrent {
    /// Starts a session and waits until it listens.
    ///
    /// # Panics
    /// When libtorrent is missing or does not start.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(&json!({}))
    }

    /// The same with settings of libtorrent's `settings_pack` over those of the driver, by their names.
    ///
    /// # Panics
    /// When libtorrent is missing or does not start, or `settings` is not an object.
    #[must_use]
    pub fn start_with(settings: &Value) -> Self {
        let dir = TempDir::new("libtorrent");
        let address = net::fresh();
        let mut all = json!({
            "listen_interfaces": address.to_string(),
            "outgoing_interfaces": address.ip().to_string(),
        });
        for (key, value) in settings.as_object().expect("settings are an object") {
            all[key] = value.clone();
        }
        let mut command = process::command(Tool::LibTorrent.expect());
        command.args([SCRIPT, &all.to_string()]);
        let (process, stdin, stdout) = Guard::spawn_talking("libtorrent", &mut command, dir.path());
        let mut this = Self { process, stdin, stdout: BufReader::new(stdout), address, _dir: dir };
        wait::until("libtorrent listens", || {
            (this.ask(&json!({"do": "listening"}))["port"] == address.port()).then_some(())
        });
        this
    }

    /// Starts a session that is a node of the DHT, too, and finds into it by this one. All addresses of this machine are
    /// as good to it as any.
    ///
    /// # Panics
    /// When libtorrent is missing or does not start.
    #[must_use]
    pub fn start_with_dht(router: impl Into<SocketAddr>) -> Self {
        Self::start_with(&json!({
            "enable_dht": true,
            "dht_bootstrap_nodes": router.into().to_string(),
            "dht_restrict_routing_ips": false,
            "dht_restrict_search_ips": false,
            "dht_prefer_verified_node_ids": false,
            "dht_ignore_dark_internet": false,
        }))
    }

    /// Has it look for a torrent's peers by the DHT, and announce it there, now.
    pub fn announce_to_dht(&mut self, torrent: &InfoHash) {
        self.ask(&json!({"do": "dht_announce", "torrent": torrent.as_str()}));
    }

    /// How many nodes of the DHT it knows.
    pub fn dht_nodes(&mut self) -> u64 {
        self.ask(&json!({"do": "dht_nodes"}))["nodes"].as_u64().expect("a number of nodes")
    }

    /// Has it store a text as an immutable item of the DHT (BEP 44): its target in hexadecimal digits, and how many nodes
    /// took it.
    pub fn dht_put(&mut self, text: &str) -> (String, u64) {
        let answer = self.ask(&json!({"do": "dht_put", "text": text}));
        let target = answer["target"].as_str().expect("a target").to_owned();
        (target, answer["nodes"].as_u64().expect("a number of nodes"))
    }

    /// The text of an immutable item of the DHT, if it finds it.
    pub fn dht_get(&mut self, target: &str) -> Option<String> {
        let answer = self.ask(&json!({"do": "dht_get", "target": target}));
        answer["text"].as_str().map(str::to_owned)
    }

    /// Has it call a peer.
    pub fn connect(&mut self, torrent: &InfoHash, peer: impl Into<SocketAddr>) {
        let peer = peer.into();
        let (ip, port) = (peer.ip().to_string(), peer.port());
        self.ask(&json!({"do": "connect", "torrent": torrent.as_str(), "ip": ip, "port": port}));
    }

    /// How many pieces it has verified.
    pub fn pieces(&mut self, torrent: &InfoHash) -> u64 {
        self.status(torrent)["pieces"].as_u64().expect("a number of pieces")
    }

    /// Payload bytes it has sent and received.
    pub fn moved(&mut self, torrent: &InfoHash) -> (u64, u64) {
        let status = self.status(torrent);
        (status["uploaded"].as_u64().expect("a number"), status["downloaded"].as_u64().expect("a number"))
    }

    /// What it heard from trackers about this torrent, in its words, oldest first.
    pub fn heard_from_trackers(&mut self, torrent: &InfoHash) -> Vec<String> {
        let status = self.status(torrent);
        let lines = status["tracker"].as_array().expect("a list");
        lines.iter().map(|line| line.as_str().expect("a line").to_owned()).collect()
    }

    /// Has it announce now.
    pub fn reannounce(&mut self, torrent: &InfoHash) {
        self.ask(&json!({"do": "reannounce", "torrent": torrent.as_str()}));
    }

    /// Removes a torrent and parts from its peers; the files stay.
    pub fn remove(&mut self, torrent: &InfoHash) {
        self.ask(&json!({"do": "remove", "torrent": torrent.as_str()}));
    }

    /// The process, to stop or kill it.
    pub fn process(&mut self) -> &mut Guard {
        &mut self.process
    }

    fn status(&mut self, torrent: &InfoHash) -> Value {
        self.ask(&json!({"do": "status", "torrent": torrent.as_str()}))
    }

    fn ask(&mut self, command: &Value) -> Value {
        let mut line = String::new();
        let told = writeln!(self.stdin, "{command}").and_then(|()| self.stdout.read_line(&mut line));
        let answer: Option<Value> = told.ok().and_then(|_| serde_json::from_str(&line).ok());
        let Some(answer) = answer else { panic!("libtorrent does not answer: {}", self.process.log()) };
        assert!(answer.get("failed").is_none(), "libtorrent, asked {command}: {answer}");
        answer
    }
}

impl Client for LibTorrent {
    fn name(&self) -> &'static str {
        "libtorrent"
    }

    fn address(&self) -> SocketAddrV4 {
        self.address
    }

    fn add(&mut self, torrent: &Torrent, folder: &Path) {
        self.ask(&json!({"do": "add", "torrent": torrent.file, "folder": folder}));
    }

    fn state(&mut self, torrent: &InfoHash) -> State {
        let status = self.status(torrent);
        let error = status["error"].as_str().expect("a word");
        if !error.is_empty() {
            return State::Failed(error.to_owned());
        }
        match status["state"].as_str().expect("a word") {
            "seeding" | "finished" if status["flushed"] == true => State::Seeding,
            "checking_files" | "checking_resume_data" => State::Checking,
            _ => State::Downloading {
                done: status["done"].as_u64().expect("a number"),
                total: status["total"].as_u64().expect("a number"),
            },
        }
    }

    fn limit(&mut self, torrent: &InfoHash, rate: Option<u32>) {
        self.ask(&json!({"do": "limit", "torrent": torrent.as_str(), "rate": rate.unwrap_or(0)}));
    }

    fn peers(&mut self, torrent: &InfoHash) -> Vec<PeerSeen> {
        let answer = self.ask(&json!({"do": "peers", "torrent": torrent.as_str()}));
        let peers = answer["peers"].as_array().expect("a list").iter();
        peers
            .map(|peer| {
                let ip: IpAddr = peer["ip"].as_str().and_then(|ip| ip.parse().ok()).expect("an address");
                let port = peer["port"].as_u64().and_then(|port| u16::try_from(port).ok()).expect("a port");
                PeerSeen {
                    address: SocketAddr::new(ip, port),
                    client: peer["client"].as_str().expect("a name").to_owned(),
                    peer_id: unhex(peer["id"].as_str().expect("an id")),
                }
            })
            .collect()
    }
}

fn unhex(hex: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal digits");
    (0..hex.len() / 2).map(|pair| digit(pair * 2)).collect()
}
