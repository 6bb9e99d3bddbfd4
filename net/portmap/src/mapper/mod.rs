//! Opens ports in the gateways of our networks, and keeps them open.
//!
//! The owner tells which networks there are and what is wanted, carries datagrams and streams, and calls
//! [`wake`](Mapper::wake) when the time has come. Streams are plain TCP without TLS, to the local network only.

mod exchange;
mod link;
mod port;
mod search;
mod table;
mod task;
mod upnp;

use crate::limits::Limits;
use crate::natpmp;
use crate::pcp::Nonce;
use crate::types::{Failure, Fault, Want, Way};
use alloc::collections::{BTreeSet, VecDeque};
use alloc::format;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr, SocketAddrV6};
use link::Link;
use task::Ctx;
use tide_base::{Instant, Prng, addr};

/// A way out: a default gateway, and the address of ours that it knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Network {
    /// The default gateway. One that is not on a local network is not asked.
    pub gateway: IpAddr,
    /// The interface, for a gateway whose address is link-local IPv6 (as it nearly always is); otherwise 0.
    pub scope: u32,
    /// Our address: of IPv4 the one behind the translation, of IPv6 the global one.
    pub local: IpAddr,
}

impl Network {
    /// Where PCP and NAT-PMP are spoken.
    pub fn server(&self) -> SocketAddr {
        match self.gateway {
            IpAddr::V4(ip) => SocketAddr::new(ip.into(), natpmp::PORT),
            IpAddr::V6(ip) => SocketAddrV6::new(ip, natpmp::PORT, 0, self.scope).into(),
        }
    }

    fn is_gateway(&self, from: SocketAddr) -> bool {
        let scope = match from {
            SocketAddr::V4(_) => 0,
            SocketAddr::V6(from) => from.scope_id(),
        };
        from.ip().to_canonical() == self.gateway && (scope == self.scope || scope == 0)
    }

    /// Whether mapping ports can be of use: the gateway is near, and of one family with an address that needs it.
    fn is_useful(&self) -> bool {
        self.gateway.is_ipv4() == self.local.is_ipv4()
            && addr::is_local(self.gateway)
            && (self.local.is_ipv6() || addr::is_local(self.local))
    }
}

/// A stream of the owner's, by the name that the mapper gave it; names are not used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct StreamId(pub u64);

/// What the owner is to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Output {
    /// Send a datagram, from a socket bound to `from` with a port of the system's choice, and hand in what comes to
    /// that socket. Multicast leaves through the interface that has this address.
    Datagram {
        /// Our address.
        from: IpAddr,
        /// Where to.
        to: SocketAddr,
        /// What.
        bytes: Vec<u8>,
    },
    /// Open a TCP stream from an address of ours; then call [`Mapper::connected`], or [`Mapper::closed`].
    Connect {
        /// Its name.
        stream: StreamId,
        /// Our address.
        from: IpAddr,
        /// Where to.
        to: SocketAddr,
    },
    /// Write to it.
    Write {
        /// Its name.
        stream: StreamId,
        /// What.
        bytes: Vec<u8>,
    },
    /// Close it at once, whatever its state; it may be closed already.
    Close {
        /// Its name.
        stream: StreamId,
    },
}

/// A port that the world can reach through a gateway.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mapped {
    /// What was wanted.
    pub want: Want,
    /// Who opened it.
    pub gateway: IpAddr,
    /// Our end of it.
    pub internal: SocketAddr,
    /// The gateway's outer address, if it tells one. A local address means that there is another gateway behind.
    pub external_ip: Option<IpAddr>,
    /// The gateway's outer port.
    pub external_port: u16,
    /// How long it holds if it is not renewed; [`Instant::NEVER`] for gateways that know no end.
    pub until: Instant,
    /// How the gateway was asked.
    pub way: Way,
}

impl Mapped {
    /// Where the world reaches us, if it does: known and not a local address.
    pub fn external(&self) -> Option<SocketAddr> {
        let ip = self.external_ip.filter(|ip| !addr::is_local(*ip))?;
        Some(SocketAddr::new(ip, self.external_port))
    }
}

/// What the application or the engine may want to know.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// A port is open, or open at another address, port or in another way than before. Renewals are not told.
    Mapped(Mapped),
    /// A gateway told its outer address; it has changed or is the first.
    ExternalAddress {
        /// Which gateway.
        gateway: IpAddr,
        /// Its outer address.
        ip: IpAddr,
    },
    /// A port that was open is not open any more; it is tried again while it is wanted.
    Lost {
        /// What was wanted.
        want: Want,
        /// Our end of it.
        internal: SocketAddr,
        /// Why.
        why: Failure,
    },
    /// A port cannot be opened for now; told once for each reason, tried again while it is wanted.
    Failed {
        /// What is wanted.
        want: Want,
        /// Our end of it.
        internal: SocketAddr,
        /// Why.
        why: Failure,
    },
}

/// Why the mapper wants to be woken.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Reason {
    /// A datagram was not answered.
    Retransmission,
    /// UPnP devices are searched again, or the search is over.
    Search,
    /// A device was found, and the other ways have had their chance.
    HeadStart,
    /// An HTTP exchange has taken too long.
    Stream,
    /// A mapping is to be made or renewed.
    Renewal,
    /// The outer address is asked for.
    Address,
    /// A mapping runs out.
    Expiry,
    /// After nothing worked, all is tried again.
    Retry,
    /// The budget for removals is used up.
    Stop,
    /// Nothing is due.
    Nothing,
}

/// Keeps wanted ports open in all gateways.
#[derive(Debug)]
pub struct Mapper {
    limits: Limits,
    prng: Prng,
    nonces: Prng,
    wants: BTreeSet<Want>,
    links: Vec<Link>,
    streams: u64,
    out: VecDeque<Output>,
    events: VecDeque<Event>,
    /// While stopping: until when.
    stop_at: Option<Instant>,
}

impl Mapper {
    /// One that knows no network and wants nothing.
    ///
    /// The generator also makes the nonces by which a PCP server knows its client again: whoever hands in the same
    /// seed after a crash gets the old mappings back, and whoever can guess it could take them away.
    pub fn new(limits: Limits, prng: Prng) -> Mapper {
        Mapper {
            limits,
            nonces: prng.split("nonces"),
            prng: prng.split("times"),
            wants: BTreeSet::new(),
            links: Vec::new(),
            streams: 0,
            out: VecDeque::new(),
            events: VecDeque::new(),
            stop_at: None,
        }
    }

    /// Runs `on` for the links and all that they may use.
    fn with<R>(&mut self, now: Instant, on: impl FnOnce(&mut Vec<Link>, &mut Ctx<'_>) -> R) -> R {
        let mut ctx = Ctx {
            now,
            limits: &self.limits,
            prng: &mut self.prng,
            streams: &mut self.streams,
            out: &mut self.out,
            events: &mut self.events,
            stopping: self.stop_at.is_some(),
        };
        on(&mut self.links, &mut ctx)
    }

    fn nonce(&self, network: &Network, want: Want) -> Nonce {
        let mut nonce = Nonce::default();
        let label = format!("{} {} {want}", network.gateway, network.local);
        self.nonces.split(&label).fill(&mut nonce);
        nonce
    }

    /// These networks are there now; others are forgotten, and their mappings lost. Those where a mapping is of no use
    /// (a gateway that is not on a local network, an IPv4 address that is public) and those beyond
    /// [`Limits::networks`] are ignored.
    pub fn set_networks(&mut self, now: Instant, networks: &[Network]) {
        let useful = networks.iter().filter(|network| network.is_useful()).take(self.limits.networks);
        let mut wanted: Vec<Network> = useful.copied().collect();
        self.with(now, |links, ctx| {
            links.retain_mut(|link| {
                let kept = wanted.contains(&link.network);
                if !kept {
                    link.gone(ctx);
                }
                kept
            });
        });
        if self.stop_at.is_some() {
            return;
        }
        wanted.retain(|network| self.links.iter().all(|link| link.network != *network));
        for network in wanted {
            if self.links.iter().any(|link| link.network == network) {
                continue; // told twice
            }
            let nonces: Vec<_> = self.wants.iter().map(|want| (*want, self.nonce(&network, *want))).collect();
            self.with(now, |links, ctx| {
                let mut link = Link::new(network, now);
                for (want, nonce) in nonces {
                    link.want(ctx, want, nonce);
                }
                links.push(link);
            });
        }
    }

    /// Opens a port in all gateways, until [`unwant`](Mapper::unwant). Wanting twice is wanting once.
    ///
    /// # Errors
    /// Port 0, more ports than [`Limits::wants`], or the mapper is stopping.
    pub fn want(&mut self, now: Instant, want: Want) -> Result<(), Fault> {
        if want.port == 0 {
            return Err(Fault("port 0 cannot be mapped"));
        }
        if self.stop_at.is_some() {
            return Err(Fault("the mapper is stopping"));
        }
        if self.wants.len() >= self.limits.wants && !self.wants.contains(&want) {
            return Err(Fault("too many ports are wanted"));
        }
        if self.wants.insert(want) {
            let nonces: Vec<Nonce> = self.links.iter().map(|link| self.nonce(&link.network, want)).collect();
            self.with(now, |links, ctx| {
                for (link, nonce) in links.iter_mut().zip(nonces) {
                    link.want(ctx, want, nonce);
                }
            });
        }
        Ok(())
    }

    /// Closes a port again.
    pub fn unwant(&mut self, now: Instant, want: Want) {
        if self.wants.remove(&want) {
            self.with(now, |links, ctx| links.iter_mut().for_each(|link| link.unwant(ctx, want)));
        }
    }

    /// Takes a datagram in: what came to a socket that sent one, or what came by multicast to
    /// [`natpmp::CLIENT_PORT`]. Whatever is not from a gateway that was asked is ignored.
    pub fn receive(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]) {
        self.with(now, |links, ctx| links.iter_mut().for_each(|link| link.receive(ctx, from, bytes)));
    }

    /// The system says that a datagram to this address met a closed port (ICMP). Optional; it saves waiting.
    pub fn unreachable(&mut self, now: Instant, to: SocketAddr) {
        let concerned = |link: &&mut Link| link.network.server() == to;
        self.with(now, |links, ctx| {
            links.iter_mut().filter(concerned).for_each(|link| link.unreachable(ctx));
        });
    }

    /// A stream is open.
    pub fn connected(&mut self, now: Instant, stream: StreamId) {
        self.with(now, |links, ctx| {
            for link in links {
                link.stream(ctx, |upnp, ctx| {
                    upnp.connected(ctx, stream);
                    None
                });
            }
        });
    }

    /// Bytes came over a stream.
    pub fn read(&mut self, now: Instant, stream: StreamId, bytes: &[u8]) {
        self.with(now, |links, ctx| {
            links.iter_mut().for_each(|link| link.stream(ctx, |upnp, ctx| upnp.read(ctx, stream, bytes)));
        });
    }

    /// A stream could not be opened, has ended, or broke.
    pub fn closed(&mut self, now: Instant, stream: StreamId) {
        self.with(now, |links, ctx| {
            links.iter_mut().for_each(|link| link.stream(ctx, |upnp, ctx| upnp.closed(ctx, stream)));
        });
    }

    /// Does all that is due at `now`.
    pub fn wake(&mut self, now: Instant) {
        let over = self.stop_at.is_some_and(|stop_at| stop_at <= now);
        self.with(now, |links, ctx| {
            if over {
                links.iter_mut().for_each(|link| link.close(ctx));
                links.clear();
            }
            links.iter_mut().for_each(|link| link.advance(ctx));
        });
    }

    /// When to call [`wake`](Mapper::wake), and why; [`Instant::NEVER`] if nothing is due.
    pub fn wake_at(&self) -> (Instant, Reason) {
        let links = self.links.iter().map(|link| link.wake_at(&self.limits));
        let stop = self.stop_at.filter(|_| !self.is_stopped()).map(|at| (at, Reason::Stop));
        let first = links.chain(stop).min().unwrap_or((Instant::NEVER, Reason::Nothing));
        if first.0 == Instant::NEVER { (first.0, Reason::Nothing) } else { first }
    }

    /// Removes all mappings, within [`Limits::stop_budget`]. Nothing is wanted afterwards, nor can be.
    pub fn stop(&mut self, now: Instant) {
        if self.stop_at.is_some() {
            return;
        }
        let wants = core::mem::take(&mut self.wants);
        self.stop_at = Some(now + self.limits.stop_budget);
        self.with(now, |links, ctx| {
            for link in links {
                wants.iter().for_each(|want| link.unwant(ctx, *want));
                link.stop(ctx);
            }
        });
    }

    /// Whether [`stop`](Mapper::stop) was called and nothing is left to be done, except for outputs.
    pub fn is_stopped(&self) -> bool {
        self.stop_at.is_some() && self.links.iter().all(Link::is_done)
    }

    /// What is open now.
    pub fn mapped(&self) -> impl Iterator<Item = Mapped> + '_ {
        self.links.iter().flat_map(Link::mapped)
    }

    /// The next thing to do; to be asked for until there is none, after each call above.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// The next thing that happened; to be asked for until there is none, after each call above.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }
}
