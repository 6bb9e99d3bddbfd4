//! UPnP: find the device, fetch its description, call its actions one after another.

use super::Network;
use super::StreamId;
use super::exchange::Exchange;
use super::search::Search;
use super::task::{Ask, Ctx, Outcome, Task, Then};
use crate::description::{self, Service, ServiceType};
use crate::http::{self, Message};
use crate::place::Place;
use crate::soap::{self, Action, Entry, Fields};
use crate::types::{Failure, Protocol, Way};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};
use tide_base::{Duration, Instant};

/// What people read in the gateway's list of mappings.
const DESCRIPTION: &str = "tide";

#[derive(Debug)]
enum State {
    /// No device is known.
    Looking,
    Fetching {
        exchange: Exchange,
        from: Place,
    },
    Ready,
    Calling {
        exchange: Exchange,
        task: Task,
    },
}

#[derive(Debug)]
pub(super) struct UpnpLane {
    network: Network,
    local: Ipv4Addr,
    search: Search,
    state: State,
    /// What the device offers and has not refused altogether; the first is used.
    services: Vec<Service>,
    /// Whether mappings have no end here.
    permanent: bool,
    /// Whether the gateway may choose the port by itself.
    any_port: bool,
    last: Option<Failure>,
}

impl UpnpLane {
    pub(super) fn new(network: Network, local: Ipv4Addr, now: Instant) -> UpnpLane {
        UpnpLane {
            network,
            local,
            search: Search::new(network, now),
            state: State::Looking,
            services: Vec::new(),
            permanent: false,
            any_port: true,
            last: None,
        }
    }

    /// Forgets the device and searches anew.
    pub(super) fn restart(&mut self, ctx: &mut Ctx<'_>) {
        self.close(ctx);
        *self = UpnpLane::new(self.network, self.local, ctx.now);
    }

    /// Ends the stream under way.
    pub(super) fn close(&mut self, ctx: &mut Ctx<'_>) {
        match core::mem::replace(&mut self.state, State::Looking) {
            State::Fetching { exchange, .. } | State::Calling { exchange, .. } => exchange.close(ctx),
            State::Looking | State::Ready => {}
        }
    }

    /// Whether a device has answered that may be used now.
    pub(super) fn has_device(&self) -> bool {
        self.search.has_any()
    }

    pub(super) fn is_ready(&self) -> bool {
        matches!(self.state, State::Ready)
    }

    /// The search is worth its next datagrams.
    pub(super) fn search(&mut self, ctx: &mut Ctx<'_>) {
        if matches!(self.state, State::Looking) {
            self.search.wake(ctx);
        }
    }

    pub(super) fn search_at(&self) -> Instant {
        if matches!(self.state, State::Looking) { self.search.wake_at() } else { Instant::NEVER }
    }

    pub(super) fn deadline(&self) -> Instant {
        match &self.state {
            State::Fetching { exchange, .. } | State::Calling { exchange, .. } => exchange.deadline,
            State::Looking | State::Ready => Instant::NEVER,
        }
    }

    /// Takes a datagram in that may answer the search.
    pub(super) fn receive(&mut self, ctx: &Ctx<'_>, from: IpAddr, bytes: &[u8]) {
        if matches!(self.state, State::Looking) {
            self.search.receive(ctx, from, bytes);
        }
    }

    /// Goes on towards a device that can be called, and gives up what takes too long.
    pub(super) fn wake(&mut self, ctx: &mut Ctx<'_>) -> Option<Outcome> {
        if self.deadline() <= ctx.now {
            return self.ended(ctx, Err(Failure::Silent(Way::Upnp)));
        }
        if !matches!(self.state, State::Looking) {
            return None;
        }
        if let Some(from) = self.search.take() {
            let request = http::request("GET", &from, "", "");
            let exchange = Exchange::open(ctx, self.network.local, from.addr, request);
            self.state = State::Fetching { exchange, from };
            return None;
        }
        let dead = || Outcome::Dead(self.last.clone().unwrap_or(Failure::NoGateway));
        self.search.is_exhausted().then(dead)
    }

    pub(super) fn start(&mut self, ctx: &mut Ctx<'_>, task: Task) {
        let Some(service) = self.services.first() else { return };
        let action = self.action(ctx, &task, service.kind);
        let headers = format!(
            "Content-Type: text/xml; charset=\"utf-8\"\r\nSOAPAction: {}\r\n",
            action.header(service.kind)
        );
        let request = http::request("POST", &service.control, &headers, &action.body(service.kind));
        let exchange = Exchange::open(ctx, self.network.local, service.control.addr, request);
        self.state = State::Calling { exchange, task };
    }

    fn action(&self, ctx: &Ctx<'_>, task: &Task, service: ServiceType) -> Action {
        let entry = |ask: &Ask| Entry {
            protocol: ask.want.protocol,
            external: ask.port,
            internal: ask.want.port,
            client: self.local,
            description: String::from(DESCRIPTION),
            lease: self.lease(ctx).map_or(0, |lease| lease.as_secs() as u32),
        };
        match task {
            Task::Address => Action::ExternalAddress,
            Task::Map(ask) if self.chooses(service) => Action::AddAny(entry(ask)),
            Task::Map(ask) => Action::Add(entry(ask)),
            Task::Unmap(Ask { want, port, .. }) => {
                let protocol: Protocol = want.protocol;
                Action::Delete { protocol, external: *port }
            }
        }
    }

    fn chooses(&self, service: ServiceType) -> bool {
        self.any_port && service == ServiceType::Ip2
    }

    fn lease(&self, ctx: &Ctx<'_>) -> Option<Duration> {
        (!self.permanent).then_some(ctx.limits.lifetime)
    }

    fn exchange(&mut self, stream: StreamId) -> Option<&mut Exchange> {
        match &mut self.state {
            State::Fetching { exchange, .. } | State::Calling { exchange, .. } => {
                Some(exchange).filter(|exchange| exchange.stream == stream)
            }
            State::Looking | State::Ready => None,
        }
    }

    pub(super) fn connected(&mut self, ctx: &mut Ctx<'_>, stream: StreamId) {
        if let Some(exchange) = self.exchange(stream) {
            exchange.connected(ctx);
        }
    }

    pub(super) fn read(&mut self, ctx: &mut Ctx<'_>, stream: StreamId, bytes: &[u8]) -> Option<Outcome> {
        let result = self.exchange(stream)?.read(bytes)?;
        self.ended(ctx, result)
    }

    pub(super) fn closed(&mut self, ctx: &mut Ctx<'_>, stream: StreamId) -> Option<Outcome> {
        let result = self.exchange(stream)?.ended();
        self.ended(ctx, result)
    }

    /// The exchange under way has ended.
    fn ended(&mut self, ctx: &mut Ctx<'_>, result: Result<Message, Failure>) -> Option<Outcome> {
        match core::mem::replace(&mut self.state, State::Looking) {
            State::Fetching { exchange, from } => {
                exchange.close(ctx);
                match result.and_then(|message| described(&message, &from)) {
                    Ok(services) => {
                        self.services = services;
                        self.state = State::Ready;
                    }
                    Err(why) => self.last = Some(why),
                }
                None
            }
            State::Calling { exchange, task } => {
                exchange.close(ctx);
                self.state = State::Ready;
                Some(match result {
                    Ok(message) => self.answered(ctx, task, &message),
                    Err(why) => Outcome::Dead(why),
                })
            }
            state => {
                self.state = state;
                None
            }
        }
    }

    fn answered(&mut self, ctx: &Ctx<'_>, task: Task, message: &Message) -> Outcome {
        let fields = match Fields::parse(&message.text()) {
            Ok(fields) => fields,
            Err(fault) => return Outcome::Dead(Failure::Malformed(fault.0)),
        };
        if message.status() != Some(200) {
            let (code, text) = fields.refusal().unwrap_or((message.status().unwrap_or(0), String::new()));
            return self.refused(ctx, task, code, text);
        }
        match task {
            Task::Unmap(_) => Outcome::Unmapped,
            Task::Address => {
                let told = fields.get("NewExternalIPAddress").and_then(|ip| ip.parse::<IpAddr>().ok());
                match told.filter(|ip| !ip.is_unspecified()) {
                    Some(ip) => Outcome::Address(ip),
                    None => Outcome::Refused {
                        task,
                        why: Failure::Malformed("the external address is not known"),
                        then: Then::Later(ctx.limits.address),
                    },
                }
            }
            Task::Map(ask) => {
                let chosen = fields.number("NewReservedPort").filter(|port| *port != 0);
                let port = chosen.unwrap_or(ask.port);
                Outcome::Mapped { ask, ip: None, port, life: self.lease(ctx) }
            }
        }
    }

    fn refused(&mut self, ctx: &Ctx<'_>, task: Task, code: u16, text: String) -> Outcome {
        let why = Failure::Refused { way: Way::Upnp, code, text };
        let Task::Map(ask) = task else {
            return match task {
                Task::Unmap(_) => Outcome::Unmapped,
                _ => Outcome::Refused { task, why, then: Then::Later(ctx.limits.address) },
            };
        };
        let chooses = self.services.first().is_some_and(|service| self.chooses(service.kind));
        let later = Then::Later(ctx.limits.first_retry);
        let then = match code {
            soap::code::CONFLICT => Then::OtherPort,
            soap::code::SAME_PORTS if ask.port != ask.want.port => later,
            soap::code::NO_PORTS => later,
            // Old gateways say one of these three where they take no lease; the last one also for anything else.
            soap::code::ONLY_PERMANENT | soap::code::INVALID_ARGS | soap::code::ACTION_FAILED
                if !self.permanent =>
            {
                self.permanent = true;
                Then::Again
            }
            soap::code::ACTION_FAILED => Then::OtherPort,
            _ if chooses => {
                self.any_port = false;
                Then::Again
            }
            _ if self.services.len() > 1 => {
                self.services.remove(0);
                Then::Again
            }
            _ => Then::OtherWay,
        };
        Outcome::Refused { task, why, then }
    }
}

fn described(message: &Message, from: &Place) -> Result<Vec<Service>, Failure> {
    match message.status() {
        Some(200) => description::parse(&message.text(), from).map_err(|fault| Failure::Malformed(fault.0)),
        status => Err(Failure::Refused { way: Way::Upnp, code: status.unwrap_or(0), text: String::new() }),
    }
}
