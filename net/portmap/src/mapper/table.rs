//! The mappings of one network: what is wanted, what is held and until when, what is to be removed.

use super::task::{Ask, Ctx, Task};
use super::{Event, Mapped, Network};
use crate::pcp::Nonce;
use crate::types::{Failure, Want, Way};
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use tide_base::{Duration, Instant};

#[derive(Clone, Copy, Debug)]
struct Held {
    ip: Option<IpAddr>,
    port: u16,
    until: Instant,
    way: Way,
}

#[derive(Debug)]
struct Entry {
    want: Want,
    nonce: Nonce,
    /// The external port to suggest.
    port: u16,
    due: Instant,
    held: Option<Held>,
    /// Ports in a row that were taken.
    conflicts: u32,
    /// Refusals in a row.
    fails: u32,
    /// What the application was told why it does not work.
    told: Option<Failure>,
}

impl Entry {
    fn ask(&self) -> Ask {
        Ask { want: self.want, nonce: self.nonce, port: self.port, ip: self.held.and_then(|held| held.ip) }
    }
}

#[derive(Debug)]
pub(super) struct Table {
    network: Network,
    entries: Vec<Entry>,
    removals: Vec<(Ask, Way)>,
    /// The external address, as the gateway tells it apart from mappings.
    address: Option<IpAddr>,
    address_due: Instant,
}

impl Table {
    pub(super) fn new(network: Network) -> Table {
        Table {
            network,
            entries: Vec::new(),
            removals: Vec::new(),
            address: None,
            address_due: Instant::ZERO,
        }
    }

    pub(super) fn add(&mut self, now: Instant, want: Want, nonce: Nonce) {
        self.entries.push(Entry {
            want,
            nonce,
            port: want.port,
            due: now,
            held: None,
            conflicts: 0,
            fails: 0,
            told: None,
        });
    }

    pub(super) fn remove(&mut self, want: Want) {
        let Some(at) = self.entries.iter().position(|entry| entry.want == want) else { return };
        let entry = self.entries.remove(at);
        if let Some(held) = entry.held {
            self.removals.push((Ask { port: held.port, ..entry.ask() }, held.way));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.removals.is_empty()
    }

    /// What was to be removed cannot be.
    pub(super) fn forget_removals(&mut self) {
        self.removals.clear();
    }

    /// What the gateway is to be asked at `now`, if it is asked in this way.
    pub(super) fn next_task(&mut self, now: Instant, way: Way) -> Option<Task> {
        // Made in a way that no longer works: it cannot be removed in another.
        self.removals.retain(|(_, made)| *made == way);
        if let Some((ask, _)) = self.removals.pop() {
            return Some(Task::Unmap(ask));
        }
        if way != Way::Pcp && !self.entries.is_empty() && self.address_due <= now {
            return Some(Task::Address);
        }
        self.entries.iter().find(|entry| entry.due <= now).map(|entry| Task::Map(entry.ask()))
    }

    /// When there is something to ask in this way, and whether it is a mapping.
    pub(super) fn due_at(&self, way: Way) -> (Instant, bool) {
        if !self.removals.is_empty() {
            return (Instant::ZERO, true);
        }
        let mapping = self.entries.iter().map(|entry| entry.due).min().unwrap_or(Instant::NEVER);
        if way != Way::Pcp && !self.entries.is_empty() && self.address_due < mapping {
            return (self.address_due, false);
        }
        (mapping, true)
    }

    /// When the first mapping runs out.
    pub(super) fn expires_at(&self) -> Instant {
        let untils = self.entries.iter().filter_map(|entry| Some(entry.held?.until));
        untils.min().unwrap_or(Instant::NEVER)
    }

    pub(super) fn holds_any(&self) -> bool {
        self.entries.iter().any(|entry| entry.held.is_some())
    }

    fn entry(&mut self, want: Want) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.want == want)
    }

    fn view(&self, entry: &Entry) -> Option<Mapped> {
        let held = entry.held?;
        Some(Mapped {
            want: entry.want,
            gateway: self.network.gateway,
            internal: SocketAddr::new(self.network.local, entry.want.port),
            external_ip: held.ip.or(self.address),
            external_port: held.port,
            until: held.until,
            way: held.way,
        })
    }

    /// All that is held.
    pub(super) fn mapped(&self) -> impl Iterator<Item = Mapped> + '_ {
        self.entries.iter().filter_map(|entry| self.view(entry))
    }

    /// A mapping was granted for `life`, or for ever.
    pub(super) fn granted(
        &mut self,
        ctx: &mut Ctx<'_>,
        ask: Ask,
        way: Way,
        (ip, port): (Option<IpAddr>, u16),
        life: Option<Duration>,
    ) {
        let span = life.unwrap_or(Duration::MAX).clamp(ctx.limits.shortest_life, ctx.limits.longest_life);
        let renew_at = ctx.now + span / 2 + ctx.part_of(span / 8);
        let until = life.map_or(Instant::NEVER, |life| ctx.now + life.max(ctx.limits.shortest_life));
        let Some(at) = self.entries.iter().position(|entry| entry.want == ask.want) else {
            // No longer wanted while it was asked for.
            self.removals.push((Ask { port, ip, ..ask }, way));
            return;
        };
        let before = self.view(&self.entries[at]);
        let entry = &mut self.entries[at];
        entry.held = Some(Held { ip, port, until, way });
        (entry.port, entry.due) = (port, renew_at);
        (entry.conflicts, entry.fails, entry.told) = (0, 0, None);
        if let Some(ip) = ip {
            self.hear_address(ctx, ip);
        }
        let after = self.view(&self.entries[at]);
        let place =
            |mapped: &Option<Mapped>| mapped.as_ref().map(|m| (m.external_ip, m.external_port, m.way));
        if place(&before) != place(&after) {
            ctx.events.extend(after.map(Event::Mapped));
        }
    }

    /// The gateway told its external address, by itself or with a mapping.
    fn hear_address(&mut self, ctx: &mut Ctx<'_>, ip: IpAddr) {
        if self.address != Some(ip) {
            self.address = Some(ip);
            ctx.events.push_back(Event::ExternalAddress { gateway: self.network.gateway, ip });
        }
    }

    /// The gateway told its external address by itself.
    pub(super) fn told_address(&mut self, ctx: &mut Ctx<'_>, ip: IpAddr) {
        self.address_due = ctx.now + ctx.limits.address;
        if self.address == Some(ip) {
            return;
        }
        self.hear_address(ctx, ip);
        let moved = self.entries.iter().filter(|entry| entry.held.is_some_and(|held| held.ip.is_none()));
        ctx.events.extend(moved.filter_map(|entry| self.view(entry)).map(Event::Mapped));
    }

    /// The gateway does not tell its external address now.
    pub(super) fn no_address(&mut self, at: Instant) {
        self.address_due = at;
    }

    /// A mapping was refused; it is asked for again after `wait`, and after each further refusal later.
    pub(super) fn refused(&mut self, ctx: &mut Ctx<'_>, want: Want, why: Failure, wait: Duration) {
        let (now, limits) = (ctx.now, ctx.limits);
        let Some(entry) = self.entry(want) else { return };
        let doubled = wait.saturating_mul(1 << entry.fails.min(16)).min(limits.longest_retry.max(wait));
        entry.fails += 1;
        entry.due = now + doubled;
        if let Some(held) = entry.held {
            // Before it runs out there is time for more tries (RFC 6887, section 11.2.1).
            let half = (now.until(held.until) / 2).max(limits.renew_again);
            entry.due = entry.due.min(now + half);
        }
        self.tell_failed(ctx, want, why);
    }

    fn tell_failed(&mut self, ctx: &mut Ctx<'_>, want: Want, why: Failure) {
        let internal = SocketAddr::new(self.network.local, want.port);
        let Some(entry) = self.entry(want).filter(|entry| entry.held.is_none()) else { return };
        if entry.told.as_ref() != Some(&why) {
            entry.told = Some(why.clone());
            ctx.events.push_back(Event::Failed { want, internal, why });
        }
    }

    /// The external port suggested is taken: another one.
    pub(super) fn conflict(&mut self, ctx: &mut Ctx<'_>, want: Want) {
        let port = 1024 + ctx.prng.below(u64::from(u16::MAX) - 1023) as u16;
        let (now, limits) = (ctx.now, ctx.limits);
        let Some(entry) = self.entry(want) else { return };
        entry.conflicts += 1;
        if entry.conflicts <= limits.conflicts {
            (entry.port, entry.due) = (port, now);
        } else {
            (entry.port, entry.conflicts) = (want.port, 0);
            self.refused(ctx, want, Failure::Conflict, limits.first_retry);
        }
    }

    /// In no way does it work for now.
    pub(super) fn all_failed(&mut self, ctx: &mut Ctx<'_>, why: &Failure) {
        self.removals.clear();
        let wants: Vec<Want> = self.entries.iter().map(|entry| entry.want).collect();
        for want in wants {
            self.tell_failed(ctx, want, why.clone());
        }
    }

    /// Everything is asked for again within `span`.
    pub(super) fn ask_anew(&mut self, ctx: &mut Ctx<'_>, span: Duration) {
        for at in 0..self.entries.len() {
            let due = ctx.now + ctx.part_of(span);
            let entry = &mut self.entries[at];
            entry.due = entry.due.min(due);
        }
        self.address_due = self.address_due.min(ctx.now);
    }

    /// Forgets what has run out.
    pub(super) fn expire(&mut self, ctx: &mut Ctx<'_>) {
        for entry in &mut self.entries {
            if entry.held.is_some_and(|held| held.until <= ctx.now) {
                entry.held = None;
                entry.told = Some(Failure::Expired);
                entry.due = entry.due.min(ctx.now);
                let internal = SocketAddr::new(self.network.local, entry.want.port);
                ctx.events.push_back(Event::Lost { want: entry.want, internal, why: Failure::Expired });
            }
        }
    }

    /// The network is gone.
    pub(super) fn gone(&self, ctx: &mut Ctx<'_>) {
        for entry in self.entries.iter().filter(|entry| entry.held.is_some()) {
            let internal = SocketAddr::new(self.network.local, entry.want.port);
            ctx.events.push_back(Event::Lost { want: entry.want, internal, why: Failure::NetworkGone });
        }
    }
}
