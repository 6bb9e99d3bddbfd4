//! The announcer against bytes written by hand, with a manual clock.
#![cfg_attr(not(feature = "http"), allow(dead_code, reason = "most is for streams"))]

mod datagrams;
mod queue;
mod storm;
mod streams;

use core::net::{IpAddr, SocketAddr};

use tide_base::{Duration, InfoHash, Instant, PeerId, Prng, ShardId, SlotKey, WallClock};
use tide_tracker::limits::ScheduleLimits;
use tide_tracker::{Announce, Answer, Error, Event, Family, Policy, Reply, Schedule, TrackerKey, TrackerUrl};

use super::Announcer;
use crate::border::{NetError, Output, ResolveId, Via};
use crate::command::{RateLimits, Setup};
use crate::desk::{Asker, Desk, Role};
use crate::id::{ConnKey, TorrentKey};
use crate::limits::Limits;
use crate::mail::{AnnounceJob, Announced, Mail, Question, ToTorrent};
use crate::shard::Slices;

const BODY: &[u8] = b"d8:intervali900e5:peers6:\x01\x02\x03\x04\x1a\xe1e";

fn at(text: &str) -> SocketAddr {
    text.parse().expect(text)
}

fn torrent(number: u64) -> TorrentKey {
    TorrentKey { shard: ShardId::FIRST, slot: SlotKey::from_bits(number) }
}

fn tracker_key(url: &TrackerUrl) -> TrackerKey {
    let mut schedule = Schedule::new(ScheduleLimits::default(), Policy::EachTier, &[], Prng::new(0));
    schedule.add(Instant::ZERO, url.clone(), 0).expect("room for one")
}

fn job(number: u64, url: &str, event: Event) -> AnnounceJob {
    let url = TrackerUrl::parse(url).expect(url);
    AnnounceJob {
        torrent: torrent(number),
        number,
        tracker: tracker_key(&url),
        url,
        family: Family::V4,
        question: Question::Announce(Box::new(Announce {
            info_hash: InfoHash([0xa5; 20]),
            peer_id: PeerId(*b"-TI0100-abcdefghijkl"),
            port: 6881,
            uploaded: 0,
            downloaded: 0,
            left: 9,
            corrupt: 0,
            event,
            key: 7,
            want: 50,
            tracker_id: None,
            ipv4: None,
            ipv6: None,
        })),
    }
}

impl Announcer {
    /// Whether nothing is under way and nothing waits.
    pub fn is_idle(&self) -> bool {
        self.requests.is_empty()
    }
}

/// The announcer, its desk and its clock.
struct World {
    desk: Desk,
    announcer: Announcer,
    now: Instant,
    outputs: Vec<Output>,
}

impl World {
    fn new() -> World {
        let setup = Setup {
            shards: 1,
            seed: 1,
            peer_id: PeerId(*b"-TI0100-abcdefghijkl"),
            tracker_key: 7,
            client: "tide/0.1".to_owned(),
            rates: RateLimits::default(),
            limits: Limits::default(),
            epoch: WallClock(0),
            announce_port: None,
            local: None,
            mapping: None,
            picker: None,
            trackers: true,
            dht: None,
            pex: true,
            now: Instant::ZERO,
        };
        World {
            desk: Desk::new(ShardId::FIRST, &setup),
            announcer: Announcer::new(&setup, Prng::new(2)),
            now: Instant::ZERO,
            outputs: Vec::new(),
        }
    }

    fn submit(&mut self, job: AnnounceJob) {
        self.announcer.submit(&mut self.desk, self.now, job);
    }

    /// The outputs for which `pick` has something, taken out; the others stay.
    fn take<T>(&mut self, pick: impl Fn(&Output) -> Option<T>) -> Vec<T> {
        self.outputs.extend(std::iter::from_fn(|| self.desk.take()));
        let mut picked = Vec::new();
        self.outputs.retain(|output| pick(output).map(|found| picked.push(found)).is_none());
        picked
    }

    fn lookups(&mut self) -> Vec<(ResolveId, String)> {
        self.take(|output| match output {
            Output::Resolve { id, host } => Some((*id, host.to_string())),
            _ => None,
        })
    }

    fn resolve(&mut self, host: &str, ips: &[&str]) {
        let lookups = self.lookups();
        let [(id, name)] = &lookups[..] else { panic!("one lookup: {lookups:?}") };
        assert_eq!(name, host);
        let ips: Vec<IpAddr> = ips.iter().map(|ip| ip.parse().expect(ip)).collect();
        self.answer_lookup(*id, &Ok(ips));
    }

    fn answer_lookup(&mut self, id: ResolveId, result: &Result<Vec<IpAddr>, NetError>) {
        for asker in self.desk.names.answered(id) {
            let Asker::Announce(key) = asker else { panic!("only the announcer asks: {asker:?}") };
            self.announcer.resolved(&mut self.desk, self.now, key, result);
        }
    }

    fn dials(&mut self) -> Vec<(ConnKey, SocketAddr, Option<String>)> {
        self.take(|output| match output {
            Output::Dial { conn, to, tls } => Some((*conn, *to, tls.as_deref().map(str::to_owned))),
            _ => None,
        })
    }

    /// The only dial, which goes to `to`.
    fn dialled(&mut self, to: &str) -> ConnKey {
        let dials = self.dials();
        let [(conn, addr, _)] = dials[..] else { panic!("one dial to {to}: {dials:?}") };
        assert_eq!(addr, at(to));
        conn
    }

    fn closes(&mut self) -> Vec<ConnKey> {
        self.take(|output| if let Output::Close(conn) = output { Some(*conn) } else { None })
    }

    fn datagrams(&mut self) -> Vec<(SocketAddr, Vec<u8>)> {
        self.take(|output| match output {
            Output::Datagram { via: Via::Session, to, data } => Some((*to, data.clone())),
            _ => None,
        })
    }

    fn request_of(&self, conn: ConnKey) -> SlotKey {
        match self.desk.conns.get(conn).map(|conn| &conn.role) {
            Some(Role::Tracker(request)) => *request,
            other => panic!("{conn:?} is {other:?}"),
        }
    }

    /// The connection stands; what is sent over it, seven bytes at a time.
    fn connect(&mut self, conn: ConnKey) -> String {
        let request = self.request_of(conn);
        self.announcer.connected(&mut self.desk, self.now, request);
        let sends = self.take(|output| if let Output::Send(conn) = output { Some(*conn) } else { None });
        assert_eq!(sends, [conn]);
        let mut written = Vec::new();
        loop {
            let mut slices = Slices::new();
            self.announcer.gather(request, &mut slices);
            let Some(part) = slices.parts().first() else { break };
            let len = part.len().min(7);
            written.extend_from_slice(&part[..len]);
            self.announcer.sent(request, len);
        }
        String::from_utf8(written).expect("text")
    }

    fn receive(&mut self, conn: ConnKey, bytes: &[u8]) {
        let request = self.request_of(conn);
        assert!(self.announcer.want(request) > 0);
        self.announcer.filled(&mut self.desk, self.now, request, bytes);
    }

    fn close(&mut self, conn: ConnKey, why: NetError) {
        let request = self.request_of(conn);
        self.announcer.closed(&mut self.desk, self.now, request, why);
    }

    /// Lets time pass up to the announcer's next deadline, which must be at `secs`. Earlier ones that were pushed back
    /// end nothing.
    fn wait_until(&mut self, secs: u64) {
        let at = Instant::from_secs(secs);
        while self.announcer.deadline() < at {
            self.now = self.announcer.deadline();
            self.announcer.due(&mut self.desk, self.now);
            assert!(!self.announcer.is_idle(), "over at {:?}", self.now);
        }
        assert_eq!(self.announcer.deadline(), at);
        self.now = at;
        self.announcer.due(&mut self.desk, at);
    }

    fn pass(&mut self, span: Duration) {
        self.now += span;
        self.announcer.due(&mut self.desk, self.now);
        assert!(self.announcer.deadline() > self.now);
    }

    /// What the torrents were told.
    fn told(&mut self) -> Vec<(TorrentKey, Announced)> {
        let mails = std::iter::from_fn(|| self.desk.take_local());
        mails
            .map(|mail| match mail {
                Mail::ToTorrent { torrent, crew: ShardId::FIRST, what: ToTorrent::Announced(said) } => {
                    (torrent, *said)
                }
                other => panic!("{other:?}"),
            })
            .collect()
    }

    /// The only answer.
    fn answer(&mut self) -> Result<Reply, Error> {
        let mut told = self.told();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(self.announcer.is_idle());
        assert!(self.desk.conns.is_empty());
        told.remove(0).1.result.map(|answer| match answer {
            Answer::Announced(reply) => reply,
            Answer::Scraped(_) => panic!("nobody scraped"),
        })
    }
}

fn with_length(status: &str, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
}

fn location(to: &str) -> Vec<u8> {
    with_length(&format!("302 Found\r\nLocation: {to}"), b"")
}
