//! A home's gateway, as an actor: it opens ports for the one machine behind it, by PCP, NAT-PMP or UPnP, and is switched
//! off now and then.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tide_base::{Duration, Instant, Prng};
use tide_portmap::gateway::{Config, Gateway, HttpStream, Igd};
use tide_portmap::{Want, natpmp, ssdp};

use crate::actor::{Actor, EndId, Hands, Heard};
use crate::net::Forward;

/// How a home's gateway is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HomeSpec {
    /// Its address outside, which is the machine's as the world sees it.
    pub outside: Ipv4Addr,
    /// Which of PCP, NAT-PMP and UPnP it speaks.
    pub speaks: [bool; 3],
    /// Whether it is switched off and on again every few minutes.
    pub restarts: bool,
    /// An outer port that belongs to somebody else.
    pub taken: Option<Want>,
}

/// A home's gateway.
#[derive(Debug)]
pub struct Home {
    spec: HomeSpec,
    inside: Ipv4Addr,
    gateway: Gateway,
    streams: BTreeMap<EndId, (HttpStream, IpAddr)>,
    prng: Prng,
    restart_at: Instant,
}

/// The port of its HTTP server.
const HTTP: u16 = 5000;
/// It is switched off after this long, and up to eight times that.
const RESTART: Duration = Duration::from_secs(60);

impl Home {
    /// One with this address inside.
    pub fn new(spec: HomeSpec, inside: Ipv4Addr, prng: Prng) -> Home {
        let [pcp, natpmp, upnp] = spec.speaks;
        let config = Config {
            pcp,
            natpmp,
            upnp: upnp.then(|| Igd { port: HTTP, ..Igd::default() }),
            ..Config::new(inside.into(), spec.outside)
        };
        let mut home = Home {
            spec,
            inside,
            gateway: Gateway::new(config, Instant::ZERO),
            streams: BTreeMap::new(),
            prng,
            restart_at: Instant::NEVER,
        };
        home.settle_in(Instant::ZERO);
        home
    }

    /// What is so whenever it is switched on.
    fn settle_in(&mut self, now: Instant) {
        if let Some(taken) = self.spec.taken {
            self.gateway.reserve(taken, SocketAddr::new(Ipv4Addr::new(10, 0, 0, 99).into(), taken.port));
        }
        if self.spec.restarts {
            self.restart_at = now + RESTART * (1 + self.prng.below(8) as u32);
        }
    }

    /// Its address inside.
    pub fn inside(&self) -> IpAddr {
        self.inside.into()
    }

    /// Where it accepts streams.
    pub fn ports() -> [u16; 1] {
        [HTTP]
    }

    /// The groups that it hears.
    pub fn groups() -> BTreeSet<SocketAddr> {
        BTreeSet::from([ssdp::GROUP])
    }

    /// What it lets in to the machine.
    pub fn forwards(&self, now: Instant) -> Vec<Forward> {
        let ours = self.gateway.rows(now).filter(|row| Some(row.outer) != self.spec.taken);
        ours.map(|row| Forward {
            protocol: row.outer.protocol,
            outer: row.outer.port,
            inner: row.client.port(),
            until: row.until,
        })
        .collect()
    }
}

impl Actor for Home {
    fn hear(&mut self, now: Instant, what: Heard<'_>, hands: &mut Hands<'_>) {
        match what {
            Heard::Datagram { from, at, data } => {
                let here = SocketAddr::new(self.inside.into(), at.port());
                for answer in self.gateway.receive(now, from, at.port(), data) {
                    hands.datagram(here, from, answer);
                }
            }
            Heard::Accepted { end, from, .. } => {
                self.streams.insert(end, (HttpStream::default(), from.ip()));
            }
            Heard::Bytes { end, data } => {
                let Some((stream, client)) = self.streams.get_mut(&end) else { return };
                if let Some(answer) = self.gateway.read(now, stream, *client, data) {
                    self.streams.remove(&end);
                    hands.send(end, answer);
                    hands.close(end);
                }
            }
            Heard::Closed { end, .. } => {
                if self.streams.remove(&end).is_some() {
                    hands.close(end);
                }
            }
            Heard::Connected { .. } => {}
        }
    }

    fn wake_at(&self) -> Instant {
        self.restart_at
    }

    fn wake(&mut self, now: Instant, hands: &mut Hands<'_>) {
        if self.restart_at > now {
            return;
        }
        self.gateway.restart(now);
        self.settle_in(now);
        let here = SocketAddr::new(self.inside.into(), natpmp::PORT);
        let all = SocketAddr::new(Ipv4Addr::new(224, 0, 0, 1).into(), natpmp::CLIENT_PORT);
        for word in self.gateway.announcements(now) {
            hands.datagram(here, all, word);
        }
    }

    fn calm(&mut self, _core: bool) {
        self.spec.restarts = false;
        self.restart_at = Instant::NEVER;
    }
}
