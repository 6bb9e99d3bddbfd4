//! Trackers, driven by hand, by the engine's own clients, and by strangers.

mod http;
mod mishaps;
mod udp;

use std::net::SocketAddr;

use tide_base::{Duration, InfoHash, Instant, PeerId, Prng};
use tide_engine::NetError;
use tide_tracker::http::{Exchange, Progress, Terms};
use tide_tracker::limits::{HttpLimits, UdpLimits};
use tide_tracker::udp::{Request, RequestId, UdpClient};
use tide_tracker::{Announce, Answer, Error, Event, Reply, TrackerUrl};

use super::*;
use crate::actor::Deed;
use crate::dice::{MILLION, Odds};

const HASH: InfoHash = InfoHash([0xa5; 20]);

fn at(text: &str) -> SocketAddr {
    text.parse().expect(text)
}

fn spec() -> TrackerSpec {
    let at = vec![at("10.9.0.1:80"), at("[2001:db9::9]:80")];
    let spec = TrackerSpec::new("t.example", at, Duration::from_secs(1800));
    TrackerSpec { elsewhere: vec!["http://other.example/announce".into()], ..spec }
}

fn ask(peer: u8, left: u64, event: Event) -> Announce {
    Announce {
        info_hash: HASH,
        peer_id: PeerId([peer; 20]),
        port: 7000 + u16::from(peer),
        uploaded: 11,
        downloaded: 22,
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

/// What came over a stream, and how it ended.
#[derive(Debug, Default, PartialEq, Eq)]
struct Said {
    parts: Vec<Vec<u8>>,
    end: Option<Deed>,
}

impl Said {
    fn bytes(&self) -> Vec<u8> {
        self.parts.concat()
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes()).into_owned()
    }
}

/// A tracker, a clock, and streams.
struct Lab {
    tracker: Tracker,
    now: Instant,
    next: u64,
    deeds: Vec<(Instant, Deed)>,
}

impl Lab {
    fn new(spec: TrackerSpec, odds: Odds, seed: u64) -> Lab {
        let tracker = Tracker::new(spec, Dice::new(Prng::new(seed), odds));
        let mut lab = Lab { tracker, now: Instant::ZERO, next: 0, deeds: Vec::new() };
        lab.with(|tracker, now, hands| tracker.wake(now, hands));
        lab
    }

    fn with(&mut self, act: impl FnOnce(&mut Tracker, Instant, &mut Hands<'_>)) {
        let mut streams = 0;
        let mut hands = Hands::new(&mut streams);
        act(&mut self.tracker, self.now, &mut hands);
        let now = self.now;
        self.deeds.extend(hands.take().into_iter().map(|deed| (now, deed)));
    }

    fn hear(&mut self, what: Heard<'_>) {
        self.with(|tracker, now, hands| tracker.hear(now, what, hands));
    }

    /// Lets the clock run until `until`, with all wake-ups on the way.
    fn run(&mut self, until: Instant) {
        while self.tracker.wake_at() <= until {
            self.now = self.now.max(self.tracker.wake_at());
            self.with(|tracker, now, hands| tracker.wake(now, hands));
        }
        self.now = self.now.max(until);
    }

    fn open(&mut self, from: &str) -> EndId {
        let end = EndId { stream: self.next, dialler: false };
        self.next += 1;
        let from = at(from);
        let own = if from.is_ipv4() { self.tracker.spec().at[0] } else { self.tracker.spec().at[1] };
        self.hear(Heard::Accepted { end, from, at: own });
        end
    }

    fn bytes(&mut self, end: EndId, data: &[u8]) {
        self.hear(Heard::Bytes { end, data });
    }

    /// What was said over a stream so far.
    fn said(&self, end: EndId) -> Said {
        let mut said = Said::default();
        for (_, deed) in &self.deeds {
            match deed {
                Deed::Send { end: of, data } if *of == end => {
                    assert_eq!(said.end, None, "nothing is said after the end");
                    said.parts.push(data.clone());
                }
                Deed::Close { end: of } | Deed::Reset { end: of } if *of == end => {
                    assert_eq!(said.end, None, "a stream ends once");
                    said.end = Some(deed.clone());
                }
                _ => {}
            }
        }
        said
    }

    /// One request over a stream of its own, and all that comes of it within ten minutes.
    fn http(&mut self, from: &str, request: &[u8]) -> Said {
        let end = self.open(from);
        self.bytes(end, request);
        self.run(self.now + Duration::from_secs(600));
        self.said(end)
    }

    /// An announce by the engine's own client.
    fn exchange(&mut self, from: &str, ask: &Announce) -> Result<Reply, Error> {
        let limits = HttpLimits { total: Duration::from_secs(100_000), ..HttpLimits::default() };
        let terms = Terms { agent: "test".into(), keep_alive: false, limits };
        let url = TrackerUrl::parse(&self.tracker.spec().urls()[0]).expect("a URL");
        let mut exchange = Exchange::announce(self.now, &url, ask, &terms)?;
        loop {
            let mut request = Vec::new();
            exchange.write(&mut request);
            let said = self.http(from, &request);
            let mut progress = Progress::More;
            for part in &said.parts {
                progress = exchange.receive(self.now, part, false)?;
                if progress != Progress::More {
                    break;
                }
            }
            if progress == Progress::More {
                progress = exchange.receive(self.now, &[], true)?;
            }
            match progress {
                Progress::Done(Answer::Announced(reply)) => return Ok(reply),
                Progress::Redirect(url) => exchange = exchange.follow(&url)?,
                other => panic!("{other:?}"),
            }
        }
    }

    /// The datagrams that were sent since `mark` deeds.
    fn datagrams(&self, mark: usize) -> Vec<(SocketAddr, SocketAddr, Vec<u8>)> {
        let sent = self.deeds[mark..].iter().filter_map(|(_, deed)| match deed {
            Deed::Datagram { from, to, data } => Some((*from, *to, data.clone())),
            _ => None,
        });
        sent.collect()
    }

    /// Requests by the engine's own UDP client, all ends of them, in order of the requests.
    fn udp(&mut self, from: &str, requests: Vec<Request>) -> Vec<Result<Answer, Error>> {
        let from = at(from);
        let own = if from.is_ipv4() { self.tracker.spec().at[0] } else { self.tracker.spec().at[1] };
        let mut client = UdpClient::new(own, UdpLimits::default(), Prng::new(5));
        let count = requests.len();
        for (id, request) in requests.into_iter().enumerate() {
            client.submit(self.now, RequestId(id as u64), request).expect("room");
        }
        let mut ends = BTreeMap::new();
        while ends.len() < count {
            let mark = self.deeds.len();
            let mut out = Vec::new();
            while client.poll_send(self.now, &mut out) {
                self.hear(Heard::Datagram { from, at: own, data: &out });
                out.clear();
            }
            for (sender, to, data) in self.datagrams(mark) {
                assert_eq!((sender, to), (own, from));
                client.receive(self.now, sender, &data);
            }
            while let Some((id, end)) = client.poll_done() {
                ends.insert(id.0, end);
            }
            let next = client.deadline().min(self.tracker.wake_at());
            if next != Instant::NEVER && next > self.now {
                let mark = self.deeds.len();
                self.run(next);
                for (sender, _, data) in self.datagrams(mark) {
                    client.receive(self.now, sender, &data);
                }
            }
        }
        ends.into_values().collect()
    }

    fn udp_announce(&mut self, from: &str, ask: &Announce) -> Result<Reply, Error> {
        let request = Request::Announce { ask: Box::new(ask.clone()), target: "/announce".into() };
        match self.udp(from, vec![request]).remove(0)? {
            Answer::Announced(reply) => Ok(reply),
            Answer::Scraped(_) => panic!("a scrape's answer to an announce"),
        }
    }

    fn hits(&self, mishap: Mishap) -> u64 {
        self.tracker.tally().of(mishap)
    }
}

fn calm() -> Lab {
    Lab::new(spec(), Odds::calm(), 1)
}

fn always(mishap: Mishap, seed: u64) -> Lab {
    Lab::new(spec(), Odds::calm().with(mishap, MILLION), seed)
}

#[test]
fn a_spec_says_what_it_is_and_where_it_is_asked() {
    assert_eq!(spec().urls(), ["http://t.example:80/announce", "udp://t.example:80/announce"]);
    let least = Some(Duration::from_secs(60));
    let other = TrackerSpec { http: false, at: vec![at("1.2.3.4:5")], min_interval: least, ..spec() };
    assert_eq!(other.urls(), ["udp://t.example:5/announce"]);
    assert_eq!(
        other.to_string(),
        "tracker t.example udp every 1800s (least 60s) 1.2.3.4:5 →http://other.example/announce"
    );
}
