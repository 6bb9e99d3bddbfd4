//! What a tracker is to be, as the scenario draws it.

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;

use tide_base::Duration;

/// A tracker, drawn and not yet there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrackerSpec {
    /// Its host's name, lower case.
    pub name: String,
    /// Where it listens, over whatever it speaks; IPv4, IPv6 or both.
    pub at: Vec<SocketAddr>,
    /// Whether it speaks HTTP (BEP 3).
    pub http: bool,
    /// Whether it speaks UDP (BEP 15).
    pub udp: bool,
    /// How long until it wants to be asked again. Whole seconds, at least one.
    pub interval: Duration,
    /// The least that must lie between two announces, if it says so; HTTP only.
    pub min_interval: Option<Duration>,
    /// Where its redirects may lead, besides to itself and to nonsense: URLs of other trackers.
    pub elsewhere: Vec<String>,
}

impl TrackerSpec {
    /// One that speaks both, under `name` at `at`, and wants to be asked every `interval`.
    pub fn new(name: impl Into<String>, at: Vec<SocketAddr>, interval: Duration) -> TrackerSpec {
        TrackerSpec {
            name: name.into(),
            at,
            http: true,
            udp: true,
            interval,
            min_interval: None,
            elsewhere: Vec::new(),
        }
    }

    /// The URLs under which it is announced to: one for each port and way to speak, HTTP first.
    pub fn urls(&self) -> Vec<String> {
        let ports: BTreeSet<u16> = self.at.iter().map(SocketAddr::port).collect();
        let schemes = [(self.http, "http"), (self.udp, "udp")];
        let spoken = schemes.into_iter().filter(|(speaks, _)| *speaks);
        spoken
            .flat_map(|(_, scheme)| {
                ports.iter().map(move |port| format!("{scheme}://{}:{port}/announce", self.name))
            })
            .collect()
    }
}

impl fmt::Display for TrackerSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ways = match (self.http, self.udp) {
            (true, true) => "http+udp",
            (true, false) => "http",
            (false, true) => "udp",
            (false, false) => "mute",
        };
        write!(f, "tracker {} {ways} every {:?}", self.name, self.interval)?;
        if let Some(least) = self.min_interval {
            write!(f, " (least {least:?})")?;
        }
        self.at.iter().try_for_each(|at| write!(f, " {at}"))?;
        self.elsewhere.iter().try_for_each(|url| write!(f, " →{url}"))
    }
}
