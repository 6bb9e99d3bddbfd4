//! From request to reply, over streams and datagrams, with whatever goes wrong on the way.

use std::net::SocketAddr;

use tide_base::Instant;
use tide_tracker::Family;

use super::ask::{Announce, Asked, Way};
use super::http::{self, REQUEST_MAX, Request, Wrong};
use super::log::Carrier;
use super::names::between;
use super::stream::{End, Output, Stage};
use super::udp::{self, Wanted};
use super::{DATAGRAMS, IDLE, Letter, Tracker, garbage};
use crate::actor::{EndId, Hands};
use crate::mishap::Mishap;

impl Tracker {
    /// Bytes came over a stream.
    pub(super) fn received(&mut self, now: Instant, end: EndId, data: &[u8], hands: &mut Hands<'_>) {
        // Those that are not known are of a time when the tracker was down.
        let Some(stream) = self.streams.get_mut(end) else { return };
        if stream.input.len() + data.len() > 2 * REQUEST_MAX {
            self.streams.forget(end);
            return hands.reset(end);
        }
        stream.input.extend_from_slice(data);
        self.advance(now, end, hands);
    }

    /// A stream's time has come.
    pub(super) fn look_at(&mut self, now: Instant, end: EndId, hands: &mut Hands<'_>) {
        let Some(stream) = self.streams.get_mut(end) else { return };
        match std::mem::replace(&mut stream.stage, Stage::Reading) {
            Stage::Reading => {
                self.streams.forget(end);
                hands.close(end);
            }
            Stage::Thinking(request) => {
                let way = stream_way(stream.from, stream.at);
                let output = self.respond(now, &way, &request);
                self.write(now, end, output, hands);
            }
            Stage::Writing(output) => self.write(now, end, output, hands),
        }
    }

    /// Takes requests off a stream, as long as there are any that can be answered at once.
    pub(super) fn advance(&mut self, now: Instant, end: EndId, hands: &mut Hands<'_>) {
        while let Some(stream) =
            self.streams.get_mut(end).filter(|stream| matches!(stream.stage, Stage::Reading))
        {
            let way = stream_way(stream.from, stream.at);
            let Some(request) = http::take(&mut stream.input) else {
                if stream.ended {
                    self.streams.forget(end);
                    hands.close(end);
                }
                return;
            };
            if self.dice.hits(Mishap::TrackerSlow) {
                stream.stage = Stage::Thinking(request);
                let due = now + between(&mut self.dice, garbage::SLOW.0, garbage::SLOW.1);
                return self.streams.arm(end, due);
            }
            let output = self.respond(now, &way, &request);
            self.write_part(now, end, output, hands);
        }
    }

    /// Sends a part of a reply; goes on to the next request if it was the last.
    fn write(&mut self, now: Instant, end: EndId, output: Output, hands: &mut Hands<'_>) {
        self.write_part(now, end, output, hands);
        self.advance(now, end, hands);
    }

    fn write_part(&mut self, now: Instant, end: EndId, mut output: Output, hands: &mut Hands<'_>) {
        let Some(stream) = self.streams.get_mut(end) else { return };
        if let Some(part) = output.next_part() {
            hands.send(end, part);
        }
        if !output.is_sent() {
            let due = now + output.gap();
            stream.stage = Stage::Writing(output);
            return self.streams.arm(end, due);
        }
        match output.end {
            End::Keep => {
                stream.stage = Stage::Reading;
                return self.streams.arm(end, now + IDLE);
            }
            End::Close => hands.close(end),
            End::Reset => hands.reset(end),
        }
        self.streams.forget(end);
    }

    /// The reply to an HTTP request.
    fn respond(&mut self, now: Instant, way: &Way, request: &Request) -> Output {
        let asked = match &request.what {
            Ok(asked) => asked,
            Err(wrong) => return self.complain(*wrong),
        };
        let port = way.at.port();
        if request.in_circle && self.dice.knows(Mishap::TrackerRedirect) {
            return garbage::circle(self.dice.prng(), &self.spec, port);
        }
        if self.dice.hits(Mishap::TrackerRedirect) {
            self.office.log.redirected += 1;
            return garbage::redirect(self.dice.prng(), &self.spec, port);
        }
        self.enter(now, way, asked);
        if self.dice.hits(Mishap::TrackerError) {
            return garbage::http_error(self.dice.prng());
        }
        if self.dice.hits(Mishap::TrackerGarbage) {
            let honest = match asked {
                Asked::Announce(ask) => {
                    let readable = garbage::READABLE.map(|text| text.parse().expect("an address"));
                    self.office.name(ask, readable.iter());
                    match self.office.register(now, way, ask) {
                        Some(reply) => http::announced(&reply, way.from.ip(), ask.compact),
                        None => full(),
                    }
                }
                Asked::Scrape(hashes) => http::scraped(&self.office.registry, hashes),
            };
            return garbage::http(self.dice.prng(), &honest);
        }
        let body = match asked {
            Asked::Announce(ask) => match self.office.announce(now, &mut self.dice, way, ask) {
                Some(reply) => http::announced(&reply, way.from.ip(), ask.compact),
                None => full(),
            },
            Asked::Scrape(hashes) => http::scraped(&self.office.registry, hashes),
        };
        let prng = self.dice.prng();
        let framed = http::frame(prng, "200 OK", "text/plain", &body, request.keep);
        Output::in_parts(prng, framed, if request.keep { End::Keep } else { End::Close })
    }

    /// The reply to what is no request of ours.
    fn complain(&mut self, wrong: Wrong) -> Output {
        self.office.log.senseless += 1;
        let (status, body) = match wrong {
            Wrong::Form => ("400 Bad Request", b"this is not HTTP\n".to_vec()),
            Wrong::Method => ("405 Method Not Allowed", b"a tracker is asked with GET\n".to_vec()),
            Wrong::Path => ("404 Not Found", b"ask /announce or /scrape\n".to_vec()),
            Wrong::Length => ("431 Request Header Fields Too Large", b"too long\n".to_vec()),
            Wrong::Rule(rule) => ("200 OK", http::failure(rule, None)),
        };
        let prng = self.dice.prng();
        let framed = http::frame(prng, status, "text/plain", &body, false);
        Output::in_parts(prng, framed, End::Close)
    }

    fn enter(&mut self, now: Instant, way: &Way, asked: &Asked) {
        match asked {
            Asked::Announce(ask) => self.office.enter(now, way, ask),
            Asked::Scrape(_) => self.office.log.scrapes += 1,
        }
    }

    /// A datagram came in.
    pub(super) fn datagram(
        &mut self,
        now: Instant,
        from: SocketAddr,
        at: SocketAddr,
        data: &[u8],
        hands: &mut Hands<'_>,
    ) {
        if self.letters.len() < DATAGRAMS && self.dice.hits(Mishap::TrackerSlow) {
            self.numbered += 1;
            let due = now + between(&mut self.dice, garbage::SLOW.0, garbage::SLOW.1);
            self.letters.insert((due, self.numbered), Letter { from, at, data: data.to_vec() });
            return;
        }
        self.answer(now, from, at, data, hands);
    }

    /// Answers a datagram, if it is one of BEP 15's.
    pub(super) fn answer(
        &mut self,
        now: Instant,
        from: SocketAddr,
        at: SocketAddr,
        data: &[u8],
        hands: &mut Hands<'_>,
    ) {
        let Some(packet) = udp::read(data) else {
            self.office.log.senseless += 1;
            return;
        };
        let transaction = packet.transaction;
        let way = Way { from, at, carrier: Carrier::Udp, transaction: Some(transaction) };
        if let Wanted::Ask(id, asked) = &packet.wanted {
            if !udp::is_valid(self.secret, now, from, *id) {
                self.office.log.strange += 1;
                return hands.datagram(at, from, udp::error("unknown connection id", transaction));
            }
            self.enter(now, &way, asked);
        }
        if self.dice.hits(Mishap::TrackerError) {
            return hands.datagram(at, from, garbage::udp_error(self.dice.prng(), transaction));
        }
        let is_garbage = self.dice.hits(Mishap::TrackerGarbage);
        let reply = match &packet.wanted {
            Wanted::Connect => udp::connected(self.secret, now, from, transaction),
            Wanted::Ask(_, Asked::Announce(ask)) => self.announced(now, &way, ask, is_garbage),
            Wanted::Ask(_, Asked::Scrape(hashes)) => udp::scraped(&self.office.registry, hashes, transaction),
        };
        let reply = if is_garbage { garbage::datagram(self.dice.prng(), reply) } else { reply };
        hands.datagram(at, from, reply);
    }

    fn announced(&mut self, now: Instant, way: &Way, ask: &Announce, is_garbage: bool) -> Vec<u8> {
        let reply = if is_garbage {
            self.office.register(now, way, ask)
        } else {
            self.office.announce(now, &mut self.dice, way, ask)
        };
        let transaction = way.transaction.unwrap_or_default();
        match reply {
            Some(reply) => udp::announced(&reply, Family::of(way.from.ip()), transaction),
            None => udp::error("the tracker is full", transaction),
        }
    }
}

fn stream_way(from: SocketAddr, at: SocketAddr) -> Way {
    Way { from, at, carrier: Carrier::Http, transaction: None }
}

fn full() -> Vec<u8> {
    http::failure("the tracker is full", None)
}
