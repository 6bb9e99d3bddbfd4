//! What several tests need.
#![allow(dead_code, reason = "each test takes what it needs")]

use std::net::SocketAddr;
use tide_base::{InfoHash, Instant, PeerId};
use tide_tracker::{Announce, Answer, Event, Reply, TrackerUrl};

pub(crate) fn url(text: &str) -> TrackerUrl {
    TrackerUrl::parse(text).expect(text)
}

pub(crate) fn at(text: &str) -> SocketAddr {
    text.parse().expect(text)
}

pub(crate) fn secs(secs: u64) -> Instant {
    Instant::from_secs(secs)
}

pub(crate) fn ask(port: u16, left: u64, event: Event) -> Announce {
    Announce {
        info_hash: InfoHash([0xa5; 20]),
        peer_id: PeerId(*b"-TI0100-abcdefghijkl"),
        port,
        uploaded: 0,
        downloaded: 0,
        left,
        corrupt: 0,
        event,
        key: 7,
        want: 50,
        tracker_id: None,
        ipv4: None,
        ipv6: None,
    }
}

pub(crate) fn announced(answer: Answer) -> Reply {
    match answer {
        Answer::Announced(reply) => reply,
        Answer::Scraped(_) => panic!("a scrape's answer to an announce"),
    }
}
