//! opentracker, HTTP and UDP on one port.
//!
//! Debian builds it with a whitelist: it serves only the torrents named in a file, which it reads again on SIGHUP.

use std::fs;
use std::net::SocketAddrV4;

use crate::process::{self, Guard, Signal};
use crate::{InfoHash, TempDir, Tool, http, net, wait};

const WHITELIST: &str = "whitelist";

/// What the tracker counts for a torrent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scrape {
    /// Peers that have everything.
    pub complete: u64,
    /// Peers that do not.
    pub incomplete: u64,
    /// `completed` events heard.
    pub downloaded: u64,
}

/// One tracker.
#[derive(Debug)]
pub struct OpenTracker {
    process: Guard,
    address: SocketAddrV4,
    allowed: Vec<InfoHash>,
    dir: TempDir,
}

impl OpenTracker {
    /// Starts a tracker that knows no torrent yet, and waits until it answers.
    ///
    /// # Panics
    /// When opentracker is missing or does not start.
    #[must_use]
    pub fn start() -> Self {
        let dir = TempDir::new("opentracker");
        fs::write(dir.join(WHITELIST), "").expect("a file in a temporary folder");
        let address = net::fresh();
        let (ip, port) = (address.ip().to_string(), address.port().to_string());
        let mut command = process::command(Tool::OpenTracker.expect());
        // As root it changes its root to this folder and becomes `nobody`; otherwise it just goes there.
        command.args(["-i", &ip, "-p", &port, "-P", &port, "-w", WHITELIST, "-d"]).arg(dir.path());
        let process = Guard::spawn("opentracker", command.current_dir(dir.path()), dir.path());
        let mut this = Self { process, address, allowed: Vec::new(), dir };
        wait::until("opentracker answers", || {
            this.process.assert_alive();
            http::get(address, "/announce").ok()
        });
        this
    }

    /// Serves this torrent, too; returns when it does.
    ///
    /// # Panics
    /// When it never does.
    pub fn allow(&mut self, torrent: &InfoHash) {
        self.allowed.push(torrent.clone());
        let list: String = self.allowed.iter().map(|hash| format!("{hash}\n")).collect();
        fs::write(self.dir.join(WHITELIST), list).expect("a file in a temporary folder");
        self.process.signal(Signal::HangUp);
        // A peer that says it leaves is answered but not counted.
        let query = torrent.percent_encoded();
        let probe =
            format!("/announce?info_hash={query}&peer_id=-XX0000-probe-probe-&port=9&left=1&event=stopped");
        wait::until("opentracker allows the torrent", || {
            let answer = http::get(self.address, &probe).ok()?;
            (!String::from_utf8_lossy(&answer.body).contains("failure reason")).then_some(())
        });
    }

    /// `http://…/announce`
    #[must_use]
    pub fn http_url(&self) -> String {
        format!("http://{}/announce", self.address)
    }

    /// `udp://…/announce`
    #[must_use]
    pub fn udp_url(&self) -> String {
        format!("udp://{}/announce", self.address)
    }

    /// What it counts for a torrent; `None` until somebody has announced it.
    #[must_use]
    pub fn scrape(&self, torrent: &InfoHash) -> Option<Scrape> {
        let answer =
            http::get(self.address, &format!("/scrape?info_hash={}", torrent.percent_encoded())).ok()?;
        let text = String::from_utf8_lossy(&answer.body);
        let count = |key: &str| -> Option<u64> {
            let (_, after) = text.split_once(&format!("{}:{key}i", key.len()))?;
            after.split('e').next()?.parse().ok()
        };
        Some(Scrape {
            complete: count("complete")?,
            incomplete: count("incomplete")?,
            downloaded: count("downloaded")?,
        })
    }

    /// Waits until the counts are as `wanted`.
    ///
    /// # Panics
    /// When they never are.
    pub fn wait_scrape(&self, torrent: &InfoHash, wanted: impl Fn(&Scrape) -> bool) -> Scrape {
        let mut last = None;
        wait::try_until(wait::GENEROUS, || {
            last = self.scrape(torrent);
            last.filter(&wanted)
        })
        .unwrap_or_else(|| panic!("opentracker counts {last:?}"))
    }

    /// The process, to stop or kill it.
    pub fn process(&mut self) -> &mut Guard {
        &mut self.process
    }
}
