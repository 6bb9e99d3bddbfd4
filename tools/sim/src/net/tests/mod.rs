//! A net with a manual clock, whose hosts read whatever comes.

mod any;
mod begin;
mod speed;
mod udp;
mod weather;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use tide_base::{Duration, Instant, Prng};
use tide_engine::NetError;

use super::*;
use crate::actor::EndId;
use crate::dice::MILLION;

const PORT: u16 = 6881;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn line(number: u8) -> HostSpec {
    HostSpec {
        ips: vec![[10, 0, 0, number].into()],
        up: 1_000_000,
        down: 10_000_000,
        queue: 100_000,
        delay: ms(10),
        nat: false,
        lan: None,
        sockets: 100,
    }
}

fn at(number: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, number], PORT))
}

/// A net, and what its hosts heard.
struct Lab {
    net: Net,
    now: Instant,
    /// All news with their times, in order.
    news: Vec<(Instant, News)>,
    /// What each end has read.
    read: BTreeMap<EndId, Vec<u8>>,
    /// What each end has yet to write.
    to_write: BTreeMap<EndId, Vec<u8>>,
    /// Whether hosts read what comes.
    reads: bool,
    next: u64,
}

impl Lab {
    /// Hosts 1 to `hosts`, each listening.
    fn new(seed: u64, odds: Odds, spec: NetSpec, hosts: u8) -> Lab {
        let mut lab = Lab::empty(seed, odds, spec);
        for number in 1..=hosts {
            lab.add(line(number));
        }
        lab
    }

    fn empty(seed: u64, odds: Odds, spec: NetSpec) -> Lab {
        let net = Net::new(Prng::new(seed), odds, spec);
        let (news, read, to_write) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        Lab { net, now: Instant::ZERO, news, read, to_write, reads: true, next: 0 }
    }

    fn add(&mut self, spec: HostSpec) -> HostId {
        let host = self.net.add(spec);
        self.net.listen(host, PORT);
        host
    }

    fn dial(&mut self, from: u32, to: SocketAddr) -> EndId {
        let end = EndId { stream: self.next, dialler: true };
        self.next += 1;
        self.net.dial(self.now, HostId(from), end, to);
        end
    }

    /// A stream that stands, from host `from + 1` to host `to`.
    fn stream(&mut self, from: u32, to: u8) -> EndId {
        let end = self.dial(from, at(to));
        self.run(ms(5000));
        assert!(self.heard(end).iter().any(|news| matches!(news, News::Connected { .. })), "no stream");
        end
    }

    fn write(&mut self, end: EndId, bytes: &[u8]) {
        self.to_write.entry(end).or_default().extend(bytes);
        self.push(end);
    }

    fn push(&mut self, end: EndId) {
        if let Some(bytes) = self.to_write.get_mut(&end).filter(|bytes| !bytes.is_empty()) {
            let len = self.net.write(self.now, end, bytes);
            bytes.drain(..len);
        }
    }

    fn drain(&mut self, end: EndId) {
        let mut buffer = [0; 4096];
        while self.net.readable(end) > 0 {
            let len = self.net.read(self.now, end, &mut buffer);
            assert!(len > 0);
            self.read.entry(end).or_default().extend(&buffer[..len]);
        }
    }

    /// Lets all happen that happens within a time.
    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            while let Some(news) = self.net.poll(self.now) {
                match news {
                    News::Readable { end, .. } if self.reads => self.drain(end),
                    News::Accepted { end, .. } | News::Writable { end, .. } => self.push(end),
                    _ => {}
                }
                self.news.push((self.now, news));
            }
            let next = self.net.next_at();
            if next > end {
                break;
            }
            assert!(next >= self.now);
            self.now = next;
        }
        self.now = end;
    }

    fn heard(&self, of: EndId) -> Vec<&News> {
        let about = |news: &&News| match **news {
            News::Accepted { end, .. }
            | News::Connected { end, .. }
            | News::Readable { end, .. }
            | News::Writable { end, .. }
            | News::Closed { end, .. } => end == of,
            News::Datagram { .. } => false,
        };
        self.news.iter().map(|(_, news)| news).filter(about).collect()
    }

    /// How an end has ended, and when.
    fn closed(&self, of: EndId) -> Option<(Instant, NetError)> {
        self.news.iter().rev().find_map(|(at, news)| match *news {
            News::Closed { end, why, .. } if end == of => Some((*at, why)),
            _ => None,
        })
    }

    fn got(&self, end: EndId) -> usize {
        self.read.get(&end).map_or(0, Vec::len)
    }
}

fn bytes(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    Prng::new(len as u64).fill(&mut bytes);
    bytes
}

fn always(mishap: Mishap) -> Odds {
    Odds::calm().with(mishap, MILLION)
}
