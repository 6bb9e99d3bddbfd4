//! Transmission's daemon, through its JSON RPC.
//!
//! Transmission does not call peers on 127.0.0.0/8 that a tracker tells it of (it takes them for forged): on loopback
//! the other side must connect to it. Version 3.00 does not create the empty files of a torrent.

use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV4};
use std::path::Path;

use serde_json::{Value, json};

use crate::client::{Client, PeerSeen, State};
use crate::process::{self, Guard};
use crate::{InfoHash, TempDir, Tool, Torrent, http, net, wait};

/// One daemon with a configuration of its own.
#[derive(Debug)]
pub struct Transmission {
    process: Guard,
    address: SocketAddrV4,
    rpc: SocketAddrV4,
    session: String,
    _dir: TempDir,
}

impl Transmission {
    /// Starts a daemon and waits until it answers.
    ///
    /// # Panics
    /// When Transmission is missing or does not start.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(&json!({}))
    }

    /// The same with entries of Transmission's settings.json over those of the driver.
    ///
    /// # Panics
    /// When Transmission is missing or does not start, or `settings` is not an object.
    #[must_use]
    pub fn start_with(settings: &Value) -> Self {
        let dir = TempDir::new("transmission");
        let address = net::fresh();
        let rpc = net::localhost();
        let mut all = json!({
            "bind-address-ipv4": address.ip().to_string(), "bind-address-ipv6": "::1", "peer-port": address.port(),
            "rpc-bind-address": rpc.ip().to_string(), "rpc-port": rpc.port(), "rpc-enabled": true,
            "rpc-authentication-required": false, "rpc-whitelist-enabled": false, "rpc-host-whitelist-enabled": false,
            "dht-enabled": false, "lpd-enabled": false, "pex-enabled": false, "utp-enabled": false,
            "port-forwarding-enabled": false, "encryption": 0, "preallocation": 0, "rename-partial-files": false,
            "ratio-limit-enabled": false, "idle-seeding-limit-enabled": false, "start-added-torrents": true,
        });
        for (key, value) in settings.as_object().expect("settings are an object") {
            all[key] = value.clone();
        }
        fs::write(dir.join("settings.json"), all.to_string()).expect("settings in a temporary folder");
        let mut command = process::command(Tool::Transmission.expect());
        command.args(["--foreground", "--config-dir"]).arg(dir.path());
        let process = Guard::spawn("transmission", &mut command, dir.path());
        let mut this = Self { process, address, rpc, session: String::new(), _dir: dir };
        wait::until("transmission answers", || {
            this.process.assert_alive();
            this.try_call("session-get", &json!({})).ok()
        });
        this
    }

    /// Takes a magnet link in, whose content goes below `folder`.
    pub fn add_link(&mut self, link: &str, folder: &Path) {
        self.call("torrent-add", &json!({"filename": link, "download-dir": folder, "paused": false}));
    }

    /// The process, to stop or kill it.
    pub fn process(&mut self) -> &mut Guard {
        &mut self.process
    }

    /// Calls a method of the RPC and returns its `arguments`.
    ///
    /// # Panics
    /// When it fails.
    pub fn call(&mut self, method: &str, arguments: &Value) -> Value {
        self.try_call(method, arguments).unwrap_or_else(|error| panic!("transmission, {method}: {error}"))
    }

    fn try_call(&mut self, method: &str, arguments: &Value) -> io::Result<Value> {
        let body = json!({"method": method, "arguments": arguments}).to_string();
        // The first answer is a refusal that carries the session's id, against forged requests from web pages.
        for _ in 0..2 {
            let header = format!("X-Transmission-Session-Id: {}\r\n", self.session);
            let answer = http::post(self.rpc, "/transmission/rpc", &header, body.as_bytes())?;
            if answer.status == 409 {
                self.session = answer.header("X-Transmission-Session-Id").unwrap_or_default().to_owned();
                continue;
            }
            let mut said: Value = serde_json::from_slice(&answer.body)?;
            if said["result"] == "success" {
                return Ok(said["arguments"].take());
            }
            return Err(io::Error::other(said["result"].to_string()));
        }
        Err(io::Error::other("the session id is refused"))
    }

    fn torrent(&mut self, torrent: &InfoHash, fields: &[&str]) -> Value {
        let mut answer = self.call("torrent-get", &json!({"ids": [torrent.as_str()], "fields": fields}));
        assert!(answer["torrents"][0].is_object(), "transmission does not know {torrent}");
        answer["torrents"][0].take()
    }
}

impl Client for Transmission {
    fn name(&self) -> &'static str {
        "transmission"
    }

    fn address(&self) -> SocketAddrV4 {
        self.address
    }

    fn add(&mut self, torrent: &Torrent, folder: &Path) {
        self.call("torrent-add", &json!({"filename": torrent.file, "download-dir": folder, "paused": false}));
    }

    fn state(&mut self, torrent: &InfoHash) -> State {
        let fields = ["status", "error", "errorString", "leftUntilDone", "sizeWhenDone"];
        let now = self.torrent(torrent, &fields);
        let (left, total) = (now["leftUntilDone"].as_u64(), now["sizeWhenDone"].as_u64());
        let (left, total) = (left.expect("a number"), total.expect("a number"));
        // 3 is a local error; 1 and 2 are what a tracker said.
        if now["error"] == 3 {
            return State::Failed(now["errorString"].to_string());
        }
        match now["status"].as_u64() {
            Some(1 | 2) => State::Checking,
            Some(6) if left == 0 => State::Seeding,
            _ => State::Downloading { done: total - left, total },
        }
    }

    fn limit(&mut self, torrent: &InfoHash, rate: Option<u32>) {
        // In kB/s.
        let (limited, rate) = (rate.is_some(), rate.unwrap_or(0).div_ceil(1000));
        let limits = json!({
            "ids": [torrent.as_str()], "uploadLimited": limited, "uploadLimit": rate,
            "downloadLimited": limited, "downloadLimit": rate,
        });
        self.call("torrent-set", &limits);
    }

    fn peers(&mut self, torrent: &InfoHash) -> Vec<PeerSeen> {
        let answer = self.torrent(torrent, &["peers"]);
        let peers = answer["peers"].as_array().expect("a list").iter();
        peers
            .map(|peer| {
                let ip: IpAddr = peer["address"].as_str().and_then(|ip| ip.parse().ok()).expect("an address");
                let port = peer["port"].as_u64().and_then(|port| u16::try_from(port).ok()).expect("a port");
                let client = peer["clientName"].as_str().unwrap_or_default().to_owned();
                PeerSeen { address: SocketAddr::new(ip, port), client, peer_id: Vec::new() }
            })
            .collect()
    }
}
