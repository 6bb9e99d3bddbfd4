//! What owners do with their ends.

use std::net::IpAddr;

use tide_base::Instant;
use tide_engine::NetError;

use super::stream::{App, Silence};
use super::{HostId, Net};
use crate::actor::EndId;
use crate::mishap::Mishap;

/// How the others hear that a host's process is gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Farewell {
    Reset,
    End,
    Nothing,
}

impl Net {
    /// How many bytes can be read.
    pub fn readable(&self, end: EndId) -> usize {
        self.streams
            .get(&end.stream)
            .filter(|stream| stream.side(end).app == App::Open)
            .map_or(0, |stream| stream.inward(end).receiver.readable() as usize)
    }

    /// Reads bytes, which lets the writer go on. Gives less than there is if [`Mishap::SmallRead`] strikes: go on until
    /// [`readable`](Net::readable) is 0.
    pub fn read(&mut self, now: Instant, end: EndId, into: &mut [u8]) -> usize {
        self.now = now.max(self.now);
        let most = self.fewer(self.readable(end).min(into.len()), Mishap::SmallRead);
        if most == 0 {
            return 0;
        }
        let Some(stream) = self.streams.get_mut(&end.stream) else { return 0 };
        let (len, wider) = stream.inward_mut(end).read(&mut into[..most]);
        if wider {
            self.acknowledge(end, 0, self.now);
        }
        self.tell_end(end);
        len
    }

    fn fewer(&mut self, len: usize, why: Mishap) -> usize {
        if len < 2 || !self.dice.strikes(why) {
            return len;
        }
        let fewer = 1 + self.dice.prng().index(len - 1);
        self.dice.hit(why);
        fewer
    }

    /// Whether the other side has ended its direction and everything before was read.
    pub fn ended(&self, end: EndId) -> bool {
        let stream = self.streams.get(&end.stream).filter(|stream| stream.side(end).app == App::Open);
        stream.is_some_and(|stream| stream.inward(end).receiver.ended())
    }

    /// Writes bytes; how many were taken. Takes fewer if the send buffer is full or [`Mishap::SmallWrite`] strikes, and
    /// then [`News::Writable`](super::News::Writable) follows; none before the stream stands, which ends with that news,
    /// too.
    pub fn write(&mut self, now: Instant, end: EndId, bytes: &[u8]) -> usize {
        self.now = now.max(self.now);
        let Some(stream) = self.streams.get_mut(&end.stream) else { return 0 };
        let side = stream.side_mut(end);
        let room = match side.app {
            App::Open => side.out.room(&self.spec),
            App::Dialling => 0,
            _ => return 0,
        };
        let len = bytes.len().min(usize::try_from(room).unwrap_or(usize::MAX));
        let len = self.fewer(len, Mishap::SmallWrite);
        let Some(stream) = self.streams.get_mut(&end.stream) else { return 0 };
        let side = stream.side_mut(end);
        side.wants_room |= len < bytes.len();
        if len > 0 {
            side.out.write(&bytes[..len]);
            self.pump(end);
        }
        self.offer_room(end);
        len
    }

    /// Ends an end in an orderly way, after what was written. It is forgotten on this side, and no news of it follow.
    /// What still comes is thrown away; once the other side knows of the end, it hears a reset if it sends.
    pub fn close(&mut self, now: Instant, end: EndId) {
        self.now = now.max(self.now);
        let Some(stream) = self.streams.get_mut(&end.stream) else { return };
        match stream.side(end).app {
            App::Open => {
                stream.side_mut(end).out.sender.finish();
                let room = stream.inward_mut(end).receiver.read_all();
                self.forget(end);
                self.pump(end);
                if room {
                    self.acknowledge(end, 0, self.now);
                }
            }
            App::Dialling => self.reset(now, end),
            _ => self.forget(end),
        }
    }

    /// Breaks a stream. It is forgotten on this side; what was written and has not left is lost.
    pub fn reset(&mut self, now: Instant, end: EndId) {
        self.now = now.max(self.now);
        let Some(stream) = self.streams.get_mut(&end.stream) else { return };
        if matches!(stream.side(end).app, App::Open | App::Dialling) {
            stream.side_mut(end).out.sender.kill();
            if stream.side(end.other()).app != App::Absent {
                self.send_rst(end);
            }
        }
        self.forget(end);
    }

    /// A host's process is gone: its ends and listeners vanish, and all news for it. The others hear, drawn for each
    /// stream, a reset or an end; or all of them nothing, as if the power had failed.
    pub fn cut_off(&mut self, now: Instant, host: HostId) {
        self.now = now.max(self.now);
        self.host_mut(host).listens.clear();
        self.news.retain(|news| news.host() != host);
        let power = self.dice.prng().chance(2, 3);
        let ends: Vec<EndId> = self.host(host).ends.iter().copied().collect();
        for end in ends {
            let farewell = match power {
                true if self.dice.prng().chance(1, 2) => Farewell::Reset,
                true => Farewell::End,
                false => Farewell::Nothing,
            };
            match farewell {
                Farewell::Reset => self.reset(now, end),
                Farewell::End => self.close(now, end),
                Farewell::Nothing => {
                    if let Some(stream) = self.streams.get_mut(&end.stream) {
                        stream.side_mut(end).out.sender.kill();
                        stream.silence = stream.silence.max(Silence::Struck);
                    }
                    self.forget(end);
                }
            }
        }
    }

    /// A host's addresses change. Each stream over one that it loses breaks, perhaps without the other side's hearing
    /// of it, or goes silent for good: drawn.
    pub fn set_ips(&mut self, now: Instant, host: HostId, ips: Vec<IpAddr>) {
        self.now = now.max(self.now);
        self.ips.retain(|_, owner| *owner != host);
        self.name(host, ips);
        let ends: Vec<EndId> = self.host(host).ends.iter().copied().collect();
        for end in ends {
            let Some(addr) = self.streams.get(&end.stream).map(|stream| stream.side(end).addr) else {
                continue;
            };
            if self.addr_of(host, addr) {
                continue;
            }
            if self.dice.prng().chance(1, 2) {
                self.lose_addr(end);
            }
            let heard = self.dice.prng().chance(1, 4);
            if heard {
                self.lose_addr(end.other());
            }
            if let Some(stream) = self.streams.get_mut(&end.stream) {
                stream.silence = Silence::Stranded;
            }
        }
    }

    fn lose_addr(&mut self, end: EndId) {
        let app = self.streams.get(&end.stream).map(|stream| stream.side(end).app);
        match app {
            Some(App::Open) => self.fail(end, NetError::Reset),
            Some(App::Dialling) => self.fail(end, NetError::Unreachable),
            _ => {}
        }
    }
}
