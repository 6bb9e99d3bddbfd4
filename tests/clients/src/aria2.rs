//! aria2, through its JSON RPC.
//!
//! aria2 cannot be told of a peer: it finds others through the torrent's tracker, or they connect to it.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV4};
use std::path::Path;

use serde_json::{Value, json};

use crate::client::{Client, PeerSeen, State};
use crate::process::{self, Guard};
use crate::{InfoHash, TempDir, Tool, Torrent, http, net, wait};

const FLAGS: [&str; 17] = [
    "--no-conf",
    "--enable-rpc",
    "--rpc-max-request-size=64M",
    "--rpc-save-upload-metadata=false",
    "--enable-dht6=false",
    "--bt-enable-lpd=false",
    "--enable-peer-exchange=false",
    "--disable-ipv6=true",
    "--check-integrity=true",
    "--allow-overwrite=true",
    "--file-allocation=none",
    "--seed-ratio=0.0",
    "--follow-torrent=mem",
    "--quiet=true",
    "--auto-save-interval=0",
    "--bt-max-peers=0",
    "--no-proxy=*",
];

/// One aria2 process that seeds whatever it has completed.
#[derive(Debug)]
pub struct Aria2 {
    process: Guard,
    address: SocketAddrV4,
    rpc: SocketAddrV4,
    downloads: BTreeMap<InfoHash, String>,
    _dir: TempDir,
}

impl Aria2 {
    /// Starts aria2 and waits until it answers.
    ///
    /// # Panics
    /// When aria2 is missing or does not start.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same with more flags.
    ///
    /// # Panics
    /// When aria2 is missing or does not start.
    #[must_use]
    pub fn start_with(flags: &[&str]) -> Self {
        let dir = TempDir::new("aria2");
        let address = net::fresh();
        let rpc = net::localhost();
        let mut command = process::command(Tool::Aria2.expect());
        command
            .args(FLAGS)
            .arg(format!("--interface={}", address.ip()))
            .arg(format!("--listen-port={}", address.port()))
            // Where it looks for neighbours, if it does.
            .arg(format!("--bt-lpd-interface={}", address.ip()))
            // aria2 asks UDP trackers from the socket of its DHT, or not at all. It knows no other node.
            .arg("--enable-dht=true")
            .arg(format!("--dht-listen-port={}", address.port()))
            .arg(format!("--dht-file-path={}", dir.join("dht").display()))
            .arg(format!("--rpc-listen-port={}", rpc.port()))
            .arg(format!("--dir={}", dir.path().display()))
            .args(flags);
        let process = Guard::spawn("aria2", &mut command, dir.path());
        let mut this = Self { process, address, rpc, downloads: BTreeMap::new(), _dir: dir };
        wait::until("aria2 answers", || {
            this.process.assert_alive();
            this.try_call("aria2.getVersion", &json!([])).ok()
        });
        this
    }

    /// The process, to stop or kill it.
    pub fn process(&mut self) -> &mut Guard {
        &mut self.process
    }

    /// Calls a method of the RPC and returns its `result`.
    ///
    /// # Panics
    /// When it fails.
    pub fn call(&self, method: &str, parameters: &Value) -> Value {
        self.try_call(method, parameters).unwrap_or_else(|error| panic!("aria2, {method}: {error}"))
    }

    fn try_call(&self, method: &str, parameters: &Value) -> io::Result<Value> {
        let body = json!({"jsonrpc": "2.0", "id": "1", "method": method, "params": parameters}).to_string();
        let answer = http::post(self.rpc, "/jsonrpc", "", body.as_bytes())?;
        let mut said: Value = serde_json::from_slice(&answer.body)?;
        match said.get("result") {
            Some(_) => Ok(said["result"].take()),
            None => Err(io::Error::other(said.to_string())),
        }
    }

    fn download(&self, torrent: &InfoHash) -> &str {
        self.downloads.get(torrent).unwrap_or_else(|| panic!("aria2 was not given {torrent}"))
    }
}

impl Client for Aria2 {
    fn name(&self) -> &'static str {
        "aria2"
    }

    fn address(&self) -> SocketAddrV4 {
        self.address
    }

    fn add(&mut self, torrent: &Torrent, folder: &Path) {
        let file = base64(&torrent.bytes());
        let download = self.call("aria2.addTorrent", &json!([file, [], {"dir": folder}]));
        let download = download.as_str().expect("the download's id").to_owned();
        self.downloads.insert(torrent.info_hash.clone(), download);
    }

    fn state(&mut self, torrent: &InfoHash) -> State {
        let keys =
            ["status", "seeder", "completedLength", "totalLength", "verifyIntegrityPending", "errorMessage"];
        let now = self.call("aria2.tellStatus", &json!([self.download(torrent), keys]));
        // aria2's numbers and truths are strings.
        let number = |key: &str| now[key].as_str().and_then(|digits| digits.parse().ok()).unwrap_or(0);
        match now["status"].as_str() {
            Some("active") if now["seeder"] == "true" => State::Seeding,
            Some("active") => {
                State::Downloading { done: number("completedLength"), total: number("totalLength") }
            }
            Some("waiting") => State::Checking,
            _ => State::Failed(now.to_string()),
        }
    }

    fn limit(&mut self, torrent: &InfoHash, rate: Option<u32>) {
        let rate = rate.unwrap_or(0).to_string();
        let limits = json!({"max-upload-limit": rate, "max-download-limit": rate});
        self.call("aria2.changeOption", &json!([self.download(torrent), limits]));
    }

    fn peers(&mut self, torrent: &InfoHash) -> Vec<PeerSeen> {
        let answer = self.call("aria2.getPeers", &json!([self.download(torrent)]));
        let peers = answer.as_array().expect("a list").iter();
        peers
            .map(|peer| {
                let ip: IpAddr = peer["ip"].as_str().and_then(|ip| ip.parse().ok()).expect("an address");
                let port = peer["port"].as_str().and_then(|port| port.parse().ok()).expect("a port");
                let peer_id = percent_decoded(peer["peerId"].as_str().unwrap_or_default());
                PeerSeen { address: SocketAddr::new(ip, port), client: String::new(), peer_id }
            })
            // Until it has shaken hands, aria2 calls it by twenty zeros.
            .filter(|peer| peer.peer_id.iter().any(|byte| *byte != 0))
            .collect()
    }
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let mut word = [0; 4];
        word[1..=group.len()].copy_from_slice(group);
        let word = u32::from_be_bytes(word);
        for place in 0..4 {
            let digit = DIGITS[(word >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= group.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::new();
    while let Some(byte) = bytes.next() {
        let digits = if byte == b'%' { bytes.next().zip(bytes.next()) } else { None };
        let value = digits.and_then(|(high, low)| {
            let digit = |byte| char::from(byte).to_digit(16);
            u8::try_from(digit(high)? * 16 + digit(low)?).ok()
        });
        decoded.push(value.unwrap_or(byte));
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_as_in_rfc_4648() {
        let known = [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")];
        for (plain, encoded) in known {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
    }

    #[test]
    fn percent_encoded_peer_ids_are_bytes() {
        assert_eq!(percent_decoded("%2DTR3000%2Dab%00%ff"), b"-TR3000-ab\0\xff");
    }
}
