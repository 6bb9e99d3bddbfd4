//! One network: which way its gateway is asked, and what follows from what it says.
//!
//! Ways are *tried in turn* for mappings: PCP, NAT-PMP, UPnP, the first that grants or refuses for a time is kept. In
//! parallel they would get in each other's way: many gateways keep one table for all three, so that the second way
//! is told that the port is taken by the first, and both would have to be removed. The *search* for UPnP devices,
//! which changes nothing, goes on beside PCP from the beginning, since a way that is not spoken is mostly met with
//! silence: with a device found, silence is believed after a short head start and not after half a minute.

use super::port::PortLane;
use super::table::Table;
use super::task::{Ctx, Outcome, Task, Then};
use super::upnp::UpnpLane;
use super::{Mapped, Network, Reason};
use crate::limits::Limits;
use crate::natpmp;
use crate::pcp::Nonce;
use crate::types::{Failure, Want, Way};
use core::net::{IpAddr, SocketAddr};
use tide_base::{Duration, Instant};

/// Steps of one call at most; each ends in a wait for the network, so that a handful is usual.
const STEPS_MAX: usize = 256;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// Nothing is wanted.
    Idle,
    /// The gateway has not answered yet to anything that is of use.
    Trying { way: Way, since: Instant },
    /// It does what it is asked in this way.
    Settled(Way),
    /// Nothing worked; all is tried again then.
    Resting { until: Instant },
}

impl Stage {
    fn way(self) -> Option<Way> {
        match self {
            Stage::Trying { way, .. } | Stage::Settled(way) => Some(way),
            Stage::Idle | Stage::Resting { .. } => None,
        }
    }
}

#[derive(Debug)]
pub(super) struct Link {
    pub(super) network: Network,
    stage: Stage,
    port: PortLane,
    /// Of IPv4 networks only.
    upnp: Option<UpnpLane>,
    table: Table,
    fails: u32,
    /// The most telling of the failures of this round.
    why: Failure,
    restarted: Option<Instant>,
    /// When this round of tries began.
    begun: Instant,
}

impl Link {
    pub(super) fn new(network: Network, now: Instant) -> Link {
        let upnp = match network.local {
            IpAddr::V4(local) => Some(UpnpLane::new(network, local, now)),
            IpAddr::V6(_) => None,
        };
        Link {
            network,
            stage: Stage::Idle,
            port: PortLane::new(network),
            upnp,
            table: Table::new(network),
            fails: 0,
            why: Failure::NoGateway,
            restarted: None,
            begun: now,
        }
    }

    pub(super) fn want(&mut self, ctx: &mut Ctx<'_>, want: Want, nonce: Nonce) {
        self.table.add(ctx.now, want, nonce);
        self.advance(ctx);
    }

    pub(super) fn unwant(&mut self, ctx: &mut Ctx<'_>, want: Want) {
        self.table.remove(want);
        self.advance(ctx);
    }

    pub(super) fn mapped(&self) -> impl Iterator<Item = Mapped> + '_ {
        self.table.mapped()
    }

    /// The network is gone: nobody can be told.
    pub(super) fn gone(&mut self, ctx: &mut Ctx<'_>) {
        self.table.gone(ctx);
        self.close(ctx);
    }

    /// All wants are gone and nothing new begins: what may have been asked for is taken back.
    pub(super) fn stop(&mut self, ctx: &mut Ctx<'_>) {
        if !matches!(self.stage, Stage::Settled(_)) {
            self.port.abandon(ctx);
            self.table.forget_removals();
            self.close(ctx);
            self.stage = Stage::Idle;
        }
        self.advance(ctx);
    }

    /// Ends what is under way.
    pub(super) fn close(&mut self, ctx: &mut Ctx<'_>) {
        if let Some(upnp) = &mut self.upnp {
            upnp.close(ctx);
        }
    }

    /// Whether nothing is left to remove.
    pub(super) fn is_done(&self) -> bool {
        let busy = match self.stage.way() {
            Some(Way::Upnp) => self.upnp.as_ref().is_some_and(|upnp| !upnp.is_ready()),
            Some(_) => !self.port.is_free(),
            None => false,
        };
        self.table.is_empty() && !busy
    }

    pub(super) fn receive(&mut self, ctx: &mut Ctx<'_>, from: SocketAddr, bytes: &[u8]) {
        if !self.network.is_gateway(from) || from.port() != natpmp::PORT {
            if let (Some(upnp), Some(_)) = (&mut self.upnp, self.stage.way()) {
                upnp.receive(ctx, from.ip().to_canonical(), bytes);
                self.advance(ctx);
            }
            return;
        }
        let heard = self.port.receive(ctx, bytes);
        let fresh = self.restarted.is_none_or(|before| before + ctx.limits.restarts <= ctx.now);
        if let Stage::Resting { until } = self.stage
            && heard.spoken
            && fresh
        {
            // It is back, or has learnt to speak.
            self.restarted = Some(ctx.now);
            self.stage = Stage::Resting { until: until.min(ctx.now + ctx.part_of(ctx.limits.recovery)) };
        }
        if let Some(way @ (Way::Pcp | Way::NatPmp)) = self.stage.way() {
            if heard.restarted && fresh {
                self.restarted = Some(ctx.now);
                self.table.ask_anew(ctx, ctx.limits.recovery);
            }
            if let Some(outcome) = heard.outcome {
                self.apply(ctx, way, outcome);
            }
        }
        self.advance(ctx);
    }

    /// The host says that nobody listens at the gateway's port.
    pub(super) fn unreachable(&mut self, ctx: &mut Ctx<'_>) {
        if let Some(way @ (Way::Pcp | Way::NatPmp)) = self.stage.way()
            && !self.port.is_free()
        {
            self.apply(ctx, way, Outcome::Dead(Failure::Silent(way)));
            self.advance(ctx);
        }
    }

    /// Something happened on a stream; what, is `on`.
    pub(super) fn stream(
        &mut self,
        ctx: &mut Ctx<'_>,
        on: impl FnOnce(&mut UpnpLane, &mut Ctx<'_>) -> Option<Outcome>,
    ) {
        let Some(upnp) = &mut self.upnp else { return };
        if let Some(outcome) = on(upnp, ctx) {
            self.apply(ctx, Way::Upnp, outcome);
        }
        self.advance(ctx);
    }

    /// Does all that is due.
    pub(super) fn advance(&mut self, ctx: &mut Ctx<'_>) {
        self.table.expire(ctx);
        for _ in 0..STEPS_MAX {
            if !self.step(ctx) {
                break;
            }
        }
    }

    /// Does one thing that is due; false if there is none.
    fn step(&mut self, ctx: &mut Ctx<'_>) -> bool {
        match self.stage {
            Stage::Idle if self.table.is_empty() || ctx.stopping => false,
            Stage::Resting { .. } if self.table.is_empty() || ctx.stopping => {
                self.stage = Stage::Idle;
                true
            }
            Stage::Resting { until } if until > ctx.now => false,
            Stage::Idle | Stage::Resting { .. } => {
                self.begin(ctx);
                true
            }
            Stage::Trying { way, .. } | Stage::Settled(way) => {
                if let (Stage::Trying { .. }, Some(upnp)) = (self.stage, &mut self.upnp) {
                    upnp.search(ctx);
                }
                if self.head_start_ends(ctx.limits) <= ctx.now {
                    self.turn_to(ctx.now, Way::Upnp);
                    return true;
                }
                self.drive(ctx, way)
            }
        }
    }

    /// Tries all ways from the first on.
    fn begin(&mut self, ctx: &mut Ctx<'_>) {
        self.why = Failure::NoGateway;
        self.port.speak(Way::Pcp);
        if let Some(upnp) = &mut self.upnp {
            upnp.restart(ctx);
        }
        self.table.ask_anew(ctx, Duration::ZERO);
        self.begun = ctx.now;
        self.stage = Stage::Trying { way: Way::Pcp, since: ctx.now };
    }

    /// When port 5351 has been silent for long enough to use a device that has been found.
    fn head_start_ends(&self, limits: &Limits) -> Instant {
        match (self.stage, &self.upnp) {
            (Stage::Trying { way: Way::Pcp | Way::NatPmp, since }, Some(upnp)) if upnp.has_device() => {
                since + limits.head_start
            }
            _ => Instant::NEVER,
        }
    }

    fn drive(&mut self, ctx: &mut Ctx<'_>, way: Way) -> bool {
        let outcome = match (way, &mut self.upnp) {
            (Way::Upnp, Some(upnp)) => upnp.wake(ctx),
            _ => self.port.wake(ctx),
        };
        if let Some(outcome) = outcome {
            self.apply(ctx, way, outcome);
            return true;
        }
        if !self.is_free(way) {
            return false;
        }
        if self.table.is_empty() {
            self.stage = Stage::Idle;
            return false;
        }
        let Some(task) = self.table.next_task(ctx.now, way) else { return false };
        match (way, &mut self.upnp) {
            (Way::Upnp, Some(upnp)) => upnp.start(ctx, task),
            _ => self.port.start(ctx, task),
        }
        true
    }

    fn is_free(&self, way: Way) -> bool {
        match way {
            Way::Upnp => self.upnp.as_ref().is_some_and(UpnpLane::is_ready),
            Way::Pcp | Way::NatPmp => self.port.is_free(),
        }
    }

    fn turn_to(&mut self, now: Instant, way: Way) {
        let since = match self.stage {
            Stage::Trying { since, .. } => since,
            _ => now,
        };
        // A request under way is forgotten; one that was heard all the same is renewed or runs out.
        self.port.speak(if way == Way::Upnp { Way::Pcp } else { way });
        self.stage = Stage::Trying { way, since };
    }

    fn apply(&mut self, ctx: &mut Ctx<'_>, way: Way, outcome: Outcome) {
        match outcome {
            Outcome::Address(ip) => {
                self.settle(way);
                self.table.told_address(ctx, ip);
            }
            Outcome::Mapped { ask, ip, port, life } => {
                self.settle(way);
                self.fails = 0;
                self.table.granted(ctx, ask, way, (ip, port), life);
            }
            Outcome::Unmapped => self.settle(way),
            Outcome::Refused { task: Task::Map(ask), why, then } => {
                self.why = why.clone();
                match then {
                    Then::Again => {}
                    Then::OtherPort => self.table.conflict(ctx, ask.want),
                    Then::OtherWay if !self.table.holds_any() => self.next_way(ctx, way),
                    // Others are granted in this way; they must not be lost for the one that is not.
                    Then::OtherWay => self.table.refused(ctx, ask.want, why, ctx.limits.first_retry),
                    Then::Later(wait) => {
                        self.settle(way);
                        self.table.refused(ctx, ask.want, why, wait);
                    }
                }
            }
            Outcome::Refused { task: Task::Address, why, then: Then::OtherWay } => {
                self.why = why;
                self.next_way(ctx, way);
            }
            Outcome::Refused { then, .. } => {
                let wait = if let Then::Later(wait) = then { wait } else { ctx.limits.address };
                self.table.no_address(ctx.now + wait);
            }
            Outcome::Dead(why) => {
                // That one of three ways is met with silence says less than a refusal in another.
                if !matches!(why, Failure::Silent(_) | Failure::NoGateway) {
                    self.why = why;
                }
                self.next_way(ctx, way);
            }
        }
    }

    fn settle(&mut self, way: Way) {
        self.stage = Stage::Settled(way);
    }

    fn next_way(&mut self, ctx: &mut Ctx<'_>, way: Way) {
        if ctx.stopping {
            self.table.forget_removals();
            self.close(ctx);
            self.port.speak(Way::Pcp);
            self.stage = Stage::Idle;
            return;
        }
        match (self.stage, way) {
            // It worked for a time: perhaps the gateway was changed. All from the beginning.
            (Stage::Settled(_), _) if self.begun + ctx.limits.first_retry <= ctx.now => self.begin(ctx),
            (Stage::Settled(_), _) => self.rest(ctx),
            (_, Way::Pcp) => self.turn_to(ctx.now, Way::NatPmp),
            (_, Way::NatPmp) if self.upnp.is_some() => self.turn_to(ctx.now, Way::Upnp),
            _ => self.rest(ctx),
        }
    }

    /// Nothing worked.
    fn rest(&mut self, ctx: &mut Ctx<'_>) {
        let wait = ctx.limits.first_retry.saturating_mul(1 << self.fails.min(16));
        let wait = wait.min(ctx.limits.longest_retry);
        self.fails += 1;
        self.close(ctx);
        self.port.speak(Way::Pcp);
        self.stage = Stage::Resting { until: ctx.now + wait + ctx.part_of(wait / 4) };
        let why = self.why.clone();
        self.table.all_failed(ctx, &why);
    }

    /// When something is due, and what.
    pub(super) fn wake_at(&self, limits: &Limits) -> (Instant, Reason) {
        let mut first = (self.table.expires_at(), Reason::Expiry);
        let mut consider = |at: Instant, why: Reason| {
            if at < first.0 {
                first = (at, why);
            }
        };
        match self.stage {
            Stage::Idle => {}
            Stage::Resting { until } => consider(until, Reason::Retry),
            Stage::Trying { way, .. } | Stage::Settled(way) => {
                match (way, &self.upnp) {
                    (Way::Upnp, Some(upnp)) => consider(upnp.deadline(), Reason::Stream),
                    _ => consider(self.port.again_at(), Reason::Retransmission),
                }
                if let (Stage::Trying { .. }, Some(upnp)) = (self.stage, &self.upnp) {
                    consider(upnp.search_at(), Reason::Search);
                }
                consider(self.head_start_ends(limits), Reason::HeadStart);
                if self.is_free(way) {
                    let (at, is_mapping) = self.table.due_at(way);
                    consider(at, if is_mapping { Reason::Renewal } else { Reason::Address });
                }
            }
        }
        first
    }
}
