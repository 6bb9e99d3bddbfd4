//! The world's connections: who is at the other end, what is under way, and strangers who are no engine.

use std::net::{IpAddr, SocketAddr};

use tide_base::SlotKey;
use tide_engine::{ConnKey, Input, NetError, Slices, Want};

use super::{End, Owned, Pipe, STRANGER, World};

impl World {
    /// The ends of a node's connections.
    pub(crate) fn ends(&self, node: usize) -> Vec<End> {
        self.pipes.keys().filter(|end| end.node == node).copied().collect()
    }

    /// Cuts a connection in the middle of whatever it carries; both sides hear of it.
    pub(crate) fn cut(&mut self, end: End) {
        let Some(pipe) = self.pipes.remove(&end) else { return };
        for gone in [Some(end), pipe.other].into_iter().flatten() {
            self.pipes.remove(&gone);
            if gone.node == STRANGER {
                continue;
            }
            let closed = Owned::Closed(gone.conn, NetError::Reset);
            self.nodes[gone.node].inputs[usize::from(gone.shard)].push_back(closed);
        }
    }

    /// Somebody who is no engine connects to one: his end, unless he is turned away.
    pub(crate) fn stranger(&mut self, to: usize, from: SocketAddr) -> Option<End> {
        let (now, addr) = (self.now, self.nodes[to].addr);
        let conn = self.nodes[to].shards[0].accept(now, from, addr)?;
        self.strangers += 1;
        let ours = End { node: STRANGER, shard: 0, conn: ConnKey(SlotKey::from_bits(self.strangers)) };
        let other = End { node: to, shard: 0, conn };
        self.pipes.insert(ours, Pipe { other: Some(other), ..Pipe::default() });
        self.pipes.insert(other, Pipe { other: Some(ours), ..Pipe::default() });
        Some(ours)
    }

    /// A stranger says something.
    pub(crate) fn say(&mut self, stranger: End, bytes: &[u8]) {
        let other = self.pipes.get(&stranger).and_then(|pipe| pipe.other);
        if let Some(pipe) = other.and_then(|other| self.pipes.get_mut(&other)) {
            pipe.inbox.extend(bytes);
        }
    }

    /// A stranger who does not read all takes so many bytes more.
    pub(crate) fn take_in(&mut self, stranger: End, bytes: usize) {
        *self.narrow.entry(stranger).or_default() += bytes;
        if let Some(other) = self.pipes.get(&stranger).and_then(|pipe| pipe.other) {
            self.write_all(other);
        }
    }

    /// What a stranger is told; `None` once he is not talked to any more.
    pub(crate) fn hear(&mut self, stranger: End) -> Option<Vec<u8>> {
        let pipe = self.pipes.get_mut(&stranger)?;
        let bytes: Vec<u8> = pipe.inbox.drain(..).collect();
        (!pipe.ended || !bytes.is_empty()).then_some(bytes)
    }

    pub(super) fn read_all(&mut self, node: usize, shard: u16) -> bool {
        let ends: Vec<End> =
            self.pipes.keys().filter(|end| end.node == node && end.shard == shard).copied().collect();
        let mut progress = false;
        for end in ends {
            if self.lazy.as_mut().is_some_and(|prng| prng.chance(1, 3)) {
                continue;
            }
            while self.read_some(end) {
                progress = true;
            }
        }
        progress
    }

    fn read_some(&mut self, end: End) -> bool {
        let (now, gulp) = (self.now, self.gulp);
        let Some(pipe) = self.pipes.get_mut(&end) else { return false };
        if pipe.inbox.is_empty() {
            if pipe.ended {
                self.pipes.remove(&end);
                let shard = &mut self.nodes[end.node].shards[usize::from(end.shard)];
                shard.handle(now, Input::Closed { conn: end.conn, why: NetError::Ended });
                return true;
            }
            return false;
        }
        let shard = &mut self.nodes[end.node].shards[usize::from(end.shard)];
        let (placed, scratch) = match shard.want(now, end.conn) {
            Want::Nothing => return false,
            Want::Scratch(most) => (0, most),
            Want::Place { place, scratch } => {
                let len = place.len().min(pipe.inbox.len()).min(gulp);
                for (to, from) in place.iter_mut().zip(pipe.inbox.drain(..len)) {
                    *to = from;
                }
                (len, scratch.min(gulp - len))
            }
        };
        let len = scratch.min(pipe.inbox.len()).min(gulp);
        let scratch: Vec<u8> = pipe.inbox.drain(..len).collect();
        if placed == 0 && scratch.is_empty() {
            return false;
        }
        shard.filled(now, end.conn, placed, &scratch);
        true
    }

    /// Somebody dials; of 10.9.0.0/16 nobody ever hears anything.
    pub(super) fn connect(&mut self, from: End, to: SocketAddr) {
        if self.deaf.contains(&to) || matches!(to.ip(), IpAddr::V4(ip) if ip.octets()[..2] == [10, 9]) {
            return;
        }
        let now = self.now;
        let source = SocketAddr::new(self.nodes[from.node].addr.ip(), 40_000 + self.pipes.len() as u16);
        let listener = self.nodes.iter_mut().position(|node| node.addr == to && node.finished == 0);
        let accepted =
            listener.and_then(|node| Some((node, self.nodes[node].shards[0].accept(now, source, to)?)));
        let input = match accepted {
            Some((node, conn)) => {
                let other = End { node, shard: 0, conn };
                self.pipes.insert(from, Pipe { other: Some(other), ..Pipe::default() });
                self.pipes.insert(other, Pipe { other: Some(from), ..Pipe::default() });
                Owned::Connected(from.conn)
            }
            None => Owned::Closed(from.conn, NetError::Refused),
        };
        self.nodes[from.node].inputs[usize::from(from.shard)].push_back(input);
    }

    pub(super) fn write_all(&mut self, end: End) {
        let other = self.pipes.get(&end).and_then(|pipe| pipe.other);
        loop {
            let mut slices = Slices::new();
            let shard = &mut self.nodes[end.node].shards[usize::from(end.shard)];
            shard.gather(end.conn, &mut slices);
            let bytes: Vec<u8> = slices.parts().concat();
            let narrow = other.and_then(|other| self.narrow.get_mut(&other));
            let room = narrow.as_ref().map_or(self.gulp, |room| **room);
            let len = bytes.len().min(self.gulp).min(room);
            if len == 0 {
                return;
            }
            if let Some(room) = narrow {
                *room -= len;
            }
            shard.sent(self.now, end.conn, len);
            if let Some(pipe) = other.and_then(|other| self.pipes.get_mut(&other)) {
                pipe.inbox.extend(&bytes[..len]);
            }
        }
    }

    pub(super) fn close(&mut self, end: End) {
        let Some(pipe) = self.pipes.remove(&end) else { return };
        if let Some(other) = pipe.other.and_then(|other| self.pipes.get_mut(&other)) {
            other.ended = true;
        }
    }
}
