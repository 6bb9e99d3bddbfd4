//! Trackers, asked and asking: what they answer over HTTP and UDP, and what strangers send to ours.
//!
//! The first step is what this is about, a letter: `h` an announce over HTTP, `s` a scrape, `u` everything over UDP, `v` our
//! own tracker, `l` a URL. Each has its own steps, told in its file.

mod http;
mod server;
mod udp;
mod url;

use crate::Target;
use crate::script::steps;
use tide_base::addr::is_bogus;
use tide_base::{InfoHash, PeerId};
use tide_tracker::limits::{PEERS_MAX, SCRAPE_MAX, TEXT_MAX, TRACKER_ID_MAX};
use tide_tracker::{Announce, Answer, Error, Event};

pub(crate) const TARGET: Target = Target {
    name: "tracker",
    run,
    input_max: 1 << 13,
    // A body as it comes and as it is inflated, twice since two exchanges stand side by side; a thousand peers.
    memory: 1 << 20,
    // The table of tokens of a reply.
    memory_per_byte: 64,
};

fn run(data: &[u8]) {
    let mut steps = steps(data);
    let first = steps.next().unwrap_or_default();
    let rest = first.get(1..).unwrap_or_default();
    match first.first() {
        Some(b'h') => http::run(http::Asked::Announce, rest, steps),
        Some(b's') => http::run(http::Asked::Scrape, rest, steps),
        Some(b'u') => udp::run(steps),
        Some(b'v') => server::run(steps),
        Some(b'l') => url::run(rest),
        _ => {}
    }
}

const HASHES: [InfoHash; 2] = [InfoHash([b'a'; 20]), InfoHash([b'b'; 20])];

fn ask() -> Announce {
    Announce {
        info_hash: HASHES[0],
        peer_id: PeerId([1; 20]),
        port: 6881,
        uploaded: 1,
        downloaded: 2,
        left: 3,
        corrupt: 0,
        event: Event::Started,
        key: 7,
        want: 50,
        tracker_id: None,
        ipv4: None,
        ipv6: None,
    }
}

/// What comes back is bounded and fit to be shown.
fn check(result: &Result<Answer, Error>) {
    match result {
        Ok(Answer::Announced(reply)) => {
            assert!(reply.peers.len() <= PEERS_MAX && !reply.peers.iter().any(|peer| is_bogus(*peer)));
            assert!(reply.tracker_id.as_ref().is_none_or(|id| id.len() <= TRACKER_ID_MAX));
            assert!(reply.warning.iter().all(|text| is_shown(text)));
        }
        Ok(Answer::Scraped(swarms)) => {
            assert!(swarms.len() <= SCRAPE_MAX);
            assert!(swarms.iter().all(|swarm| HASHES.contains(&swarm.info_hash)), "nobody asked for that");
        }
        Err(error) => assert!(!error.to_string().contains(is_harmful), "{error:?}"),
    }
}

fn is_shown(text: &str) -> bool {
    text.len() <= TEXT_MAX && !text.contains(is_harmful)
}

fn is_harmful(c: char) -> bool {
    c.is_control() && c != '\n' && c != '\t'
}
