//! Announces over datagrams: one client an address, remembered as long as its connection id is good.

use core::net::SocketAddr;
use std::collections::{BTreeMap, BTreeSet};

use tide_base::{Instant, Prng, SlotKey, addr};
use tide_tracker::limits::UdpLimits;
use tide_tracker::udp::{Request as Ask, RequestId, UdpClient};
use tide_tracker::{Answer, Error};

use super::limits::{UDP_CLIENT_KEPT, UDP_CLIENTS};
use super::request::Stage;
use super::{Announcer, Owner};
use crate::border::{Output, Via};
use crate::desk::Desk;
use crate::mail::Question;

#[derive(Debug)]
struct Client {
    udp: UdpClient,
    used: Instant,
}

/// The UDP trackers that are being asked or were lately.
#[derive(Debug)]
pub(super) struct Clients {
    prng: Prng,
    by_address: BTreeMap<SocketAddr, Client>,
    /// Those that may have something to send or to tell.
    stirred: BTreeSet<SocketAddr>,
}

impl Clients {
    /// None.
    pub(super) fn new(prng: Prng) -> Clients {
        Clients { prng, by_address: BTreeMap::new(), stirred: BTreeSet::new() }
    }

    /// This one may have something to send or to tell.
    pub(super) fn stir(&mut self, at: SocketAddr) {
        self.stirred.insert(at);
    }

    /// Nobody waits for this request any more.
    pub(super) fn cancel(&mut self, now: Instant, request: SlotKey) {
        for (&at, client) in &mut self.by_address {
            if client.udp.cancel(now, RequestId(request.to_bits())) {
                self.stirred.insert(at);
            }
        }
    }

    /// One that may have something to send or to tell.
    pub(super) fn take_stirred(&mut self) -> Option<SocketAddr> {
        self.stirred.pop_first()
    }

    /// The client of an address, a new one if need be, and the address of one that had to go for it.
    fn at(&mut self, now: Instant, at: SocketAddr) -> (&mut Client, Option<SocketAddr>) {
        let mut gone = None;
        if !self.by_address.contains_key(&at) && self.by_address.len() >= UDP_CLIENTS {
            let idle = self.by_address.iter().filter(|(_, client)| client.udp.is_idle());
            gone = idle.min_by_key(|(_, client)| client.used).map(|(at, _)| *at);
            if let Some(gone) = gone {
                self.by_address.remove(&gone);
            }
        }
        let prng = &mut self.prng;
        let client = self.by_address.entry(at).or_insert_with(|| {
            let prng = Prng::new(prng.next_u64());
            Client { udp: UdpClient::new(at, UdpLimits::default(), prng), used: now }
        });
        (client, gone)
    }
}

impl Announcer {
    /// A datagram came in; whether it was a tracker's answer to something asked of it.
    pub fn datagram(&mut self, desk: &mut Desk, now: Instant, from: SocketAddr, data: &[u8]) -> bool {
        let from = addr::canonical(from);
        let Some(client) = self.clients.by_address.get_mut(&from) else { return false };
        if !client.udp.receive(now, from, data) {
            return false;
        }
        self.clients.stir(from);
        self.pump(desk, now);
        true
    }

    /// Asks at an address.
    pub(super) fn ask_client(&mut self, desk: &mut Desk, now: Instant, key: SlotKey, at: SocketAddr) {
        let Some(request) = self.requests.get_mut(key) else { return };
        request.stage = Stage::Datagrams;
        request.deadline = Instant::NEVER;
        self.timers.disarm(Owner::Request(key));
        let target = request.url().target().into();
        let ask = match &request.job.question {
            Question::Announce(announce) => Ask::Announce { ask: announce.clone(), target },
            Question::Scrape(hash) => Ask::Scrape(vec![*hash]),
        };
        let (client, gone) = self.clients.at(now, at);
        client.used = now;
        let taken = client.udp.submit(now, RequestId(key.to_bits()), ask);
        self.clients.stir(at);
        if let Some(gone) = gone {
            self.timers.disarm(Owner::Client(gone));
        }
        if let Err(error) = taken {
            self.end(desk, key, Err(error));
        }
    }

    /// Lets a client send what it has to, takes what has ended, and forgets it when it was idle for long.
    pub(super) fn drive(&mut self, desk: &mut Desk, now: Instant, at: SocketAddr) {
        let Some(client) = self.clients.by_address.get_mut(&at) else { return };
        loop {
            let mut data = Vec::new();
            if !client.udp.poll_send(now, &mut data) {
                break;
            }
            desk.put(Output::Datagram { via: Via::Session, to: at, data });
        }
        let mut ended = Vec::new();
        while let Some(end) = client.udp.poll_done() {
            client.used = now;
            ended.push(end);
        }
        if client.udp.is_idle() {
            let until = client.used + UDP_CLIENT_KEPT;
            if until <= now {
                self.clients.by_address.remove(&at);
            } else {
                self.timers.arm(Owner::Client(at), until, ());
            }
        } else {
            self.timers.arm(Owner::Client(at), client.udp.deadline(), ());
        }
        for (id, result) in ended {
            self.answered(desk, now, SlotKey::from_bits(id.0), result);
        }
    }

    /// A request to a UDP tracker has ended. Where no answer came, the next address is tried.
    fn answered(&mut self, desk: &mut Desk, now: Instant, key: SlotKey, result: Result<Answer, Error>) {
        let Some(request) = self.requests.get(key) else { return };
        let result = match result {
            Err(Error::TimedOut) => return self.next_address(desk, now, key, Error::TimedOut),
            Err(error) => Err(error),
            Ok(answer) => Ok(answer),
        };
        self.lanes.heard(&request.door, now);
        self.end(desk, key, result);
    }
}
