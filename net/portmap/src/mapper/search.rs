//! Which devices of the network may be UPnP gateways.

use super::task::Ctx;
use super::{Network, Output};
use crate::place::Place;
use crate::ssdp;
use alloc::vec::Vec;
use core::net::IpAddr;
use tide_base::addr::is_local;
use tide_base::{Duration, Instant};

#[derive(Debug)]
pub(super) struct Search {
    network: Network,
    rounds: u32,
    gap: Duration,
    next_at: Instant,
    /// From then on nothing more is waited for; [`Instant::NEVER`] while searches are still sent.
    over_at: Instant,
    over: bool,
    candidates: Vec<Place>,
    tried: Vec<Place>,
}

impl Search {
    /// One that begins at `now`.
    pub(super) fn new(network: Network, now: Instant) -> Search {
        Search {
            network,
            rounds: 0,
            gap: Duration::ZERO,
            next_at: now,
            over_at: Instant::NEVER,
            over: false,
            candidates: Vec::new(),
            tried: Vec::new(),
        }
    }

    pub(super) fn wake(&mut self, ctx: &mut Ctx<'_>) {
        self.over |= self.over_at <= ctx.now;
        if self.next_at > ctx.now {
            return;
        }
        if self.has_gateway() {
            (self.next_at, self.over_at) = (Instant::NEVER, ctx.now);
            self.over = true;
            return;
        }
        // All devices answer to the last kind: only where the first searches brought no gateway.
        let targets = if self.rounds == 0 { &ssdp::TARGETS[..2] } else { &ssdp::TARGETS[..] };
        for target in targets {
            let (from, bytes) = (self.network.local, ssdp::search(target));
            ctx.out.push_back(Output::Datagram { from, to: ssdp::GROUP, bytes });
        }
        self.rounds += 1;
        self.gap = if self.rounds == 1 { ctx.limits.search_gap } else { self.gap * 2 };
        if self.rounds < ctx.limits.searches {
            self.next_at = ctx.now + self.gap;
        } else {
            self.next_at = Instant::NEVER;
            self.over_at = ctx.now + self.gap * 2;
        }
    }

    /// Takes an answer in. A device describes itself: what leads to another host than the sender is refused.
    pub(super) fn receive(&mut self, ctx: &Ctx<'_>, from: IpAddr, bytes: &[u8]) {
        let Ok(place) = ssdp::parse_answer(bytes) else { return };
        if place.addr.ip() != from || !is_local(from) {
            return;
        }
        let known = self.candidates.contains(&place) || self.tried.contains(&place);
        if known || self.over || self.tried.len() >= ctx.limits.candidates {
            return;
        }
        if from == self.network.gateway {
            self.candidates.insert(0, place);
            self.candidates.truncate(ctx.limits.candidates);
        } else if self.candidates.len() < ctx.limits.candidates {
            self.candidates.push(place);
        }
    }

    fn has_gateway(&self) -> bool {
        self.candidates.first().is_some_and(|place| place.addr.ip() == self.network.gateway)
    }

    /// Whether a device can be asked: the default gateway at once, others when it has not answered.
    pub(super) fn has_any(&self) -> bool {
        self.has_gateway() || (self.over && !self.candidates.is_empty())
    }

    /// Takes the best one out.
    pub(super) fn take(&mut self) -> Option<Place> {
        let place = self.has_any().then(|| self.candidates.remove(0))?;
        self.tried.push(place.clone());
        Some(place)
    }

    /// Whether nothing can come any more.
    pub(super) fn is_exhausted(&self) -> bool {
        self.over && self.candidates.is_empty()
    }

    /// The next search, or when the last one's answers must have come.
    pub(super) fn wake_at(&self) -> Instant {
        if self.over { Instant::NEVER } else { self.next_at.min(self.over_at) }
    }
}
