//! Lanes: what waits for which tracker, and whose turn it is.
//!
//! A lane leads to one host and port over one family of addresses. Within a lane `stopped` goes first, then whoever came
//! first. Lanes take turns: each starts one request, then it is the next one's turn; lanes with a `stopped` come before
//! the others. Streams and datagrams have bounds of their own.

use std::collections::{BTreeMap, VecDeque};

use tide_base::{Instant, SlotKey};
use tide_tracker::{Family, Host, Scheme, TrackerUrl};

use super::limits::{DATAGRAMS, DATAGRAMS_PER_HOST, STREAMS_PER_HOST};

/// What carries a request.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Way {
    Stream,
    Datagram,
}

const WAYS: [Way; 2] = [Way::Stream, Way::Datagram];

/// Where a lane leads.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Door {
    way: Way,
    host: Host,
    port: u16,
    family: Family,
}

impl Door {
    /// Where requests to `url` over `family` go.
    pub(super) fn of(url: &TrackerUrl, family: Family) -> Door {
        let way = match url.scheme() {
            Scheme::Http | Scheme::Https => Way::Stream,
            Scheme::Udp => Way::Datagram,
        };
        Door { way, host: url.host().clone(), port: url.port(), family }
    }

    /// What carries requests to it.
    pub(super) fn way(&self) -> Way {
        self.way
    }
}

/// How soon a request must be made.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Urgency {
    /// `stopped`: the torrent waits for it to end, and not for long.
    Pressing,
    /// All others.
    Usual,
}

/// A lane's place among those that may start a request; the smallest is next.
type Place = (Urgency, u64);

#[derive(Debug, Default)]
struct Lane {
    pressing: VecDeque<SlotKey>,
    usual: VecDeque<SlotKey>,
    under_way: usize,
    heard: Option<Instant>,
    place: Option<Place>,
}

impl Lane {
    fn urgency(&self) -> Option<Urgency> {
        if self.pressing.is_empty() {
            (!self.usual.is_empty()).then_some(Urgency::Usual)
        } else {
            Some(Urgency::Pressing)
        }
    }
}

#[derive(Debug)]
struct Pool {
    /// Requests under way in all.
    bound: usize,
    /// Requests under way to one host.
    per_host: usize,
    under_way: usize,
    ready: BTreeMap<Place, Door>,
}

/// All lanes.
#[derive(Debug)]
pub(super) struct Lanes {
    lanes: BTreeMap<Door, Lane>,
    pools: [Pool; 2],
    tickets: u64,
}

impl Lanes {
    /// No lanes; at most `streams` requests over streams at a time.
    pub(super) fn new(streams: usize) -> Lanes {
        let pool = |bound, per_host| Pool { bound, per_host, under_way: 0, ready: BTreeMap::new() };
        Lanes {
            lanes: BTreeMap::new(),
            pools: [pool(streams.max(1), STREAMS_PER_HOST), pool(DATAGRAMS, DATAGRAMS_PER_HOST)],
            tickets: 0,
        }
    }

    /// Lets a request wait.
    pub(super) fn push(&mut self, door: &Door, request: SlotKey, urgency: Urgency) {
        let lane = self.lanes.entry(door.clone()).or_default();
        match urgency {
            Urgency::Pressing => lane.pressing.push_back(request),
            Urgency::Usual => lane.usual.push_back(request),
        }
        self.place(door);
    }

    /// The next request that may start; it is under way until [`end`](Self::end).
    pub(super) fn start(&mut self) -> Option<(Door, SlotKey)> {
        let open = |way: &Way| {
            let pool = &self.pools[*way as usize];
            pool.under_way < pool.bound && !pool.ready.is_empty()
        };
        let way = WAYS.into_iter().find(open)?;
        let pool = &mut self.pools[way as usize];
        let (_, door) = pool.ready.pop_first()?;
        let lane = self.lanes.get_mut(&door).expect("a lane in the ring exists");
        lane.place = None;
        let request = lane.pressing.pop_front().or_else(|| lane.usual.pop_front());
        let request = request.expect("a lane in the ring has something waiting");
        lane.under_way += 1;
        pool.under_way += 1;
        self.place(&door);
        Some((door, request))
    }

    /// A request that had started is over.
    pub(super) fn end(&mut self, door: &Door) {
        let lane = self.lanes.get_mut(door).expect("a lane stays while something is under way");
        lane.under_way -= 1;
        self.pools[door.way as usize].under_way -= 1;
        self.place(door);
    }

    /// The tracker said something.
    pub(super) fn heard(&mut self, door: &Door, now: Instant) {
        if let Some(lane) = self.lanes.get_mut(door) {
            lane.heard = Some(now);
        }
    }

    /// Whether the tracker has said nothing since `began`, when something of this lane was under way all the time.
    pub(super) fn is_silent(&self, door: &Door, began: Instant) -> bool {
        self.lanes.get(door).and_then(|lane| lane.heard).is_none_or(|heard| heard < began)
    }

    /// Takes out all that waits.
    pub(super) fn drain(&mut self, door: &Door) -> Vec<SlotKey> {
        let Some(lane) = self.lanes.get_mut(door) else { return Vec::new() };
        let waiting = lane.pressing.drain(..).chain(lane.usual.drain(..)).collect();
        self.place(door);
        waiting
    }

    /// Gives a lane the place it now has a right to, at the end of its kind if it is a new one.
    fn place(&mut self, door: &Door) {
        let pool = &mut self.pools[door.way as usize];
        let Some(lane) = self.lanes.get_mut(door) else { return };
        let urgency = lane.urgency().filter(|_| lane.under_way < pool.per_host);
        if lane.place.map(|place| place.0) != urgency {
            if let Some(place) = lane.place.take() {
                pool.ready.remove(&place);
            }
            if let Some(urgency) = urgency {
                self.tickets += 1;
                lane.place = Some((urgency, self.tickets));
                pool.ready.insert((urgency, self.tickets), door.clone());
            }
        }
        if lane.under_way == 0 && lane.urgency().is_none() {
            self.lanes.remove(door);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn door(text: &str) -> Door {
        Door::of(&TrackerUrl::parse(text).expect(text), Family::V4)
    }

    fn key(number: u64) -> SlotKey {
        SlotKey::from_bits(number)
    }

    fn started(lanes: &mut Lanes) -> Vec<u64> {
        std::iter::from_fn(|| lanes.start()).map(|(_, key)| key.to_bits()).collect()
    }

    #[test]
    fn hosts_take_turns_and_few_go_to_each() {
        let mut lanes = Lanes::new(100);
        for number in 0..6 {
            lanes.push(&door("http://a/announce"), key(number), Urgency::Usual);
        }
        lanes.push(&door("http://b/announce"), key(10), Urgency::Usual);
        lanes.push(&door("http://b/other"), key(11), Urgency::Usual);
        lanes.push(&door("http://b:81/announce"), key(20), Urgency::Usual);
        assert_eq!(started(&mut lanes), [0, 10, 20, 1, 11, 2, 3]);
        lanes.end(&door("http://a/announce"));
        lanes.end(&door("http://b/announce"));
        assert_eq!(started(&mut lanes), [4]);
    }

    #[test]
    fn stopped_goes_first_in_its_lane_and_among_the_lanes() {
        let mut lanes = Lanes::new(1);
        lanes.push(&door("http://a/announce"), key(0), Urgency::Usual);
        lanes.push(&door("http://b/announce"), key(1), Urgency::Usual);
        lanes.push(&door("http://b/announce"), key(2), Urgency::Pressing);
        lanes.push(&door("http://c/announce"), key(3), Urgency::Pressing);
        let mut order = Vec::new();
        while let Some((door, key)) = lanes.start() {
            order.push(key.to_bits());
            lanes.end(&door);
        }
        assert_eq!(order, [2, 3, 0, 1]);
        assert!(lanes.lanes.is_empty());
        assert!(lanes.pools.iter().all(|pool| pool.ready.is_empty() && pool.under_way == 0));
    }

    #[test]
    fn datagrams_do_not_wait_for_streams() {
        let mut lanes = Lanes::new(1);
        lanes.push(&door("http://a/announce"), key(0), Urgency::Usual);
        lanes.push(&door("http://b/announce"), key(1), Urgency::Usual);
        lanes.push(&door("udp://a:80"), key(2), Urgency::Usual);
        assert_eq!(started(&mut lanes), [0, 2]);
    }
}
