//! Nodes of the DHT, seen from outside: how each one's queries end, whom it asks how often, what it says and holds; and
//! what comes of all of them together. (What an engine does with its node is judged in `overlay.rs`.)

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use tide_base::{Duration, InfoHash, Instant};
use tide_dht::krpc::{Body, read};
use tide_dht::limits::{BUCKETS_MAX, DATAGRAM_IN_MAX, K, WIDE_BUCKETS};
use tide_dht::{Contact, Effort, Limits, QueryId, Stats};

use super::oracle::{Compared, Oracle, ensure};
use super::overlay::{MEMORY, names_nobody};
use crate::mishap::Tally;

/// Over how long questions to one host are counted: as nodes count those that they are asked.
const WINDOW: Duration = Duration::from_secs(10);

/// Questions to one host in that time. A host is asked once a lookup, and once more to store; whoever has a dozen lookups
/// under way at once that all pass by it asks it two dozen times. It is a quarter of what would have us blocked.
const PER_HOST: u32 = 25;

/// What a lookup takes in the mean, whatever liars do. The eight closest must answer, and so must one on each of three or
/// four steps there, four at a time; a third of those whom others know cannot be reached, and as many more are asked in
/// their place, a tenth lies.
const SENDS_MEAN: u64 = 48;

/// How many times over bystanders may get what is spent on them: a question for nodes has 95 bytes, and its answer with
/// eight nodes, address and token 330; who names eight bystanders has spent as much as the questions to them take.
const AMPLIFIED: u64 = 5;

/// Of so many who look, one may find nothing.
const IN_VAIN: usize = 100;

/// All about one node, for as long as its host lives.
#[derive(Debug)]
pub struct Place {
    limits: Limits,
    /// Queries under way, and until when they must have ended.
    open: BTreeMap<QueryId, Instant>,
    window: u64,
    asked: BTreeMap<IpAddr, u32>,
    /// Questions that may be asked now, in nanoseconds of the rate.
    saved_up: u128,
    saved_at: Instant,
    most_asked: u32,
    tally: Tally<Oracle>,
    wrong: Option<(Oracle, String)>,
}

const NANOS: u128 = 1_000_000_000;

impl Place {
    /// A node that has these limits, whenever it is there.
    pub fn new(limits: Limits) -> Place {
        Place {
            limits,
            open: BTreeMap::new(),
            window: 0,
            asked: BTreeMap::new(),
            saved_up: 0,
            saved_at: Instant::ZERO,
            most_asked: 0,
            tally: Tally::default(),
            wrong: None,
        }
    }

    /// The longest that a query takes: each of its questions as long as one holds its place among α, and then those are
    /// waited for that never come, of the lookup and of what it stores.
    pub fn patience(limits: &Limits) -> Duration {
        limits.slow.1 * limits.lookup_sends.div_ceil(limits.alpha) as u32 + limits.dead * 2
    }

    /// The node is there from now on, and nothing of an earlier one is under way.
    pub fn born(&mut self, now: Instant) {
        self.open.clear();
        (self.saved_up, self.saved_at) = (u128::from(self.limits.requests.1) * NANOS, now);
    }

    /// A query begins.
    pub fn begun(&mut self, now: Instant, query: QueryId) {
        self.open.insert(query, now + Place::patience(&self.limits));
    }

    /// A query has ended.
    pub fn ended(&mut self, now: Instant, query: QueryId) {
        let until = self.open.remove(&query);
        let compared = match until {
            None => Err(format!("{query:?} has ended, and is not under way")),
            Some(until) if now > until => Err(format!("{query:?} ended {:?} too late", now - until)),
            Some(_) => Ok(1),
        };
        self.compare(Oracle::Queries, compared);
    }

    /// A lookup, or a round of an announce, took so much.
    pub fn took(&mut self, effort: Effort) {
        let most = self.limits.lookup_sends;
        let compared = ensure(effort.sends <= most && effort.answers <= effort.sends, || {
            format!("a lookup took {} questions of {most}, and {} answers", effort.sends, effort.answers)
        });
        self.compare(Oracle::Lookups, compared.map(|()| 1));
    }

    /// A datagram leaves the node; `private` are torrents that nobody may hear of.
    pub fn sent(&mut self, now: Instant, to: SocketAddr, datagram: &[u8], private: &[InfoHash]) {
        self.compare(Oracle::Private, names_nobody(datagram, private));
        let is_question = match read(datagram) {
            Ok(message) => matches!(message.body, Body::Query(_)),
            Err(malformed) => {
                let text = format!("{} is told nonsense: {}", to, malformed.rule);
                return self.compare(Oracle::Asking, Err(text));
            }
        };
        let short = ensure(datagram.len() <= DATAGRAM_IN_MAX, || format!("{} bytes to {to}", datagram.len()));
        self.compare(Oracle::Asking, short.map(|()| 0));
        if is_question {
            let host = self.asks_host(now, to.ip());
            self.compare(Oracle::Asking, host);
            let rate = self.asks(now);
            self.compare(Oracle::Asking, rate);
        }
    }

    fn asks_host(&mut self, now: Instant, ip: IpAddr) -> Compared {
        let window = now.as_nanos() / WINDOW.as_nanos() as u64;
        if window != self.window {
            self.asked.clear();
            self.window = window;
        }
        let times = self.asked.entry(ip).or_default();
        *times += 1;
        let times = *times;
        self.most_asked = self.most_asked.max(times);
        ensure(times <= PER_HOST, || format!("{ip} is asked {times} times in {WINDOW:?}"))?;
        Ok(1)
    }

    fn asks(&mut self, now: Instant) -> Compared {
        let (rate, burst) = self.limits.requests;
        let since = (now - self.saved_at).as_nanos() * u128::from(rate);
        (self.saved_up, self.saved_at) = ((self.saved_up + since).min(u128::from(burst) * NANOS), now);
        ensure(self.saved_up >= NANOS, || {
            format!("more than {rate} questions a second, and {burst} saved up")
        })?;
        self.saved_up -= NANOS;
        Ok(1)
    }

    /// What the node holds: its numbers, those whom it would remember, its memory in bytes.
    pub fn holds(&mut self, now: Instant, stats: &Stats, known: &[Contact], memory: usize) {
        let compared = within(&self.limits, stats, known, memory);
        self.compare(Oracle::Tables, compared);
        let overdue = self.open.iter().find(|(_, until)| **until < now);
        let compared = overdue.map_or(Ok(0), |(query, _)| Err(format!("{query:?} does not end")));
        self.compare(Oracle::Queries, compared);
    }

    /// The most questions to one host in ten seconds so far.
    pub fn most_asked(&self) -> u32 {
        self.most_asked
    }

    /// How often each oracle compared something.
    pub fn tally(&self) -> &Tally<Oracle> {
        &self.tally
    }

    /// What was found to be wrong first, if anything was.
    pub fn wrong(&self) -> Option<&(Oracle, String)> {
        self.wrong.as_ref()
    }

    fn compare(&mut self, oracle: Oracle, compared: Compared) {
        match compared {
            Ok(0) => {}
            Ok(_) => self.tally.count(oracle),
            Err(text) => drop(self.wrong.get_or_insert((oracle, text))),
        }
    }
}

/// What a node holds is within its limits.
fn within(limits: &Limits, stats: &Stats, known: &[Contact], memory: usize) -> Compared {
    let rows = [
        ("torrents", stats.torrents, limits.torrents),
        ("peers", stats.peers, limits.peers_total),
        ("items", stats.items, limits.items),
        ("calls", stats.calls, limits.calls),
        ("bytes", memory, MEMORY),
    ];
    for (what, has, most) in rows {
        ensure(has <= most, || format!("{has} {what} of {most}"))?;
    }
    for table in stats.tables {
        let wide: usize = WIDE_BUCKETS.iter().take(table.buckets).sum();
        let most = wide + K * table.buckets.saturating_sub(WIDE_BUCKETS.len());
        ensure(table.buckets <= BUCKETS_MAX && table.nodes <= most, || {
            format!("{} nodes in {} buckets", table.nodes, table.buckets)
        })?;
        ensure(table.waiting <= table.buckets * limits.replacements, || {
            format!("{} nodes wait for a place in {} buckets", table.waiting, table.buckets)
        })?;
    }
    let mut nets: BTreeMap<[u8; 3], usize> = BTreeMap::new();
    for node in known {
        if let IpAddr::V4(ip) = node.addr.ip() {
            let [a, b, c, _] = ip.octets();
            *nets.entry([a, b, c]).or_default() += 1;
        }
    }
    for ([a, b, c], count) in nets {
        ensure(count <= limits.per_subnet, || format!("{count} nodes of {a}.{b}.{c}.0/24 are known"))?;
    }
    Ok(1)
}

/// Bystanders got so many bytes, and so many were spent on it.
pub fn bystanders(got: u64, spent: u64) -> Compared {
    ensure(got <= spent * AMPLIFIED, || format!("bystanders got {got} bytes for {spent}"))?;
    Ok(got)
}

/// So many found what is stored, of how many who looked, for one of so many torrents. In a small network a torrent or two
/// may have had bad luck with all who kept their peers: they left soon after, and then hardly anybody finds it before it
/// is announced again.
pub fn stored_is_found(found: usize, tries: usize, torrents: usize) -> Compared {
    let bearable = (tries / IN_VAIN).max(2 * tries.div_ceil(torrents));
    ensure(tries - found <= bearable, || format!("{found} of {tries} found what is stored"))?;
    Ok(found as u64)
}

/// So many questions took so many lookups.
pub fn short_lookups(sends: u64, lookups: u64) -> Compared {
    ensure(sends <= lookups * SENDS_MEAN, || {
        format!("{lookups} lookups took {sends} questions, more than {SENDS_MEAN} each")
    })?;
    Ok(lookups)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tide_dht::krpc::{Ask, Message, Query, Want};
    use tide_dht::{NodeId, TableStats};

    const QUERY: QueryId = QueryId(7);

    fn place() -> Place {
        let mut place = Place::new(Limits::default());
        place.born(Instant::ZERO);
        place
    }

    fn said(place: &Place) -> Option<(Oracle, &str)> {
        place.wrong().map(|(oracle, text)| (*oracle, text.as_str()))
    }

    fn ping() -> Vec<u8> {
        let query = Query { id: NodeId([1; 20]), read_only: false, want: Want::Same, ask: Ask::Ping };
        Message { transaction: b"tt", seen: None, body: Body::Query(query) }.write(b"XX\x00\x00")
    }

    fn at(net: u8, last: u8) -> SocketAddr {
        SocketAddr::from(([70, 1, net, last], 6881))
    }

    #[test]
    fn a_query_ends_once_and_in_time() {
        let mut good = place();
        good.begun(Instant::ZERO, QUERY);
        good.ended(Instant::from_secs(80), QUERY);
        assert_eq!((said(&good), good.tally().of(Oracle::Queries)), (None, 1));
        good.ended(Instant::from_secs(80), QUERY);
        assert_eq!(said(&good), Some((Oracle::Queries, "QueryId(7) has ended, and is not under way")));
        let mut late = place();
        late.begun(Instant::ZERO, QUERY);
        late.ended(Instant::from_secs(81), QUERY);
        assert_eq!(said(&late), Some((Oracle::Queries, "QueryId(7) ended 1s too late")));
        let mut never = place();
        never.begun(Instant::ZERO, QUERY);
        never.holds(Instant::from_secs(81), &Stats::default(), &[], 0);
        assert_eq!(said(&never), Some((Oracle::Queries, "QueryId(7) does not end")));
    }

    #[test]
    fn nobody_is_asked_too_often() {
        let mut place = place();
        (0..25).for_each(|_| place.sent(Instant::ZERO, at(1, 1), &ping(), &[]));
        (0..25).for_each(|_| place.sent(Instant::from_secs(10), at(1, 1), &ping(), &[]));
        assert_eq!((said(&place), place.most_asked()), (None, 25));
        place.sent(Instant::from_secs(10), at(1, 1), &ping(), &[]);
        assert_eq!(said(&place), Some((Oracle::Asking, "70.1.1.1 is asked 26 times in 10s")));
    }

    #[test]
    fn all_together_are_not_asked_too_often() {
        let mut place = place();
        let mut ask = |n: u8, now| place.sent(now, at(n, 1), &ping(), &[]);
        (0..200).for_each(|n| ask(n, Instant::ZERO));
        (0..200).for_each(|n| ask(n, Instant::from_secs(1)));
        ask(201, Instant::from_secs(1));
        let text = "more than 200 questions a second, and 200 saved up";
        assert_eq!(said(&place), Some((Oracle::Asking, text)));
    }

    #[test]
    fn nonsense_and_what_is_private_is_not_said() {
        let mut wrong = place();
        wrong.sent(Instant::ZERO, at(1, 1), b"d1:q4:ping1:t", &[]);
        assert!(matches!(said(&wrong), Some((Oracle::Asking, _))));
        let mut leaks = place();
        leaks.sent(Instant::ZERO, at(1, 1), &ping(), &[InfoHash([1; 20])]);
        assert!(matches!(said(&leaks), Some((Oracle::Private, _))));
    }

    #[test]
    fn a_lookup_takes_no_more_than_it_may() {
        let mut place = place();
        place.took(Effort { sends: 120, answers: 120, ..Effort::default() });
        assert_eq!(said(&place), None);
        place.took(Effort { sends: 121, ..Effort::default() });
        let text = "a lookup took 121 questions of 120, and 0 answers";
        assert_eq!(said(&place), Some((Oracle::Lookups, text)));
        assert_eq!(short_lookups(480, 10), Ok(10));
        assert!(short_lookups(481, 10).is_err());
    }

    #[test]
    fn what_is_held_is_bounded() {
        let limits = Limits::default();
        let table = |nodes, waiting, buckets| TableStats { nodes, good: 0, waiting, buckets };
        let with = |table| Stats { tables: [table, TableStats::default()], ..Stats::default() };
        let judged = |stats: &Stats, known: &[Contact], memory| within(&limits, stats, known, memory).is_ok();
        assert!(judged(&with(table(120, 32, 4)), &[], MEMORY));
        assert!(!judged(&with(table(121, 0, 4)), &[], 0), "64, 32, 16 and 8");
        assert!(!judged(&with(table(0, 33, 4)), &[], 0));
        assert!(!judged(&Stats { peers: 65_537, ..Stats::default() }, &[], 0));
        assert!(!judged(&Stats::default(), &[], MEMORY + 1));
        let mut known: Vec<Contact> =
            (0..4).map(|n| Contact { id: NodeId([n; 20]), addr: at(1, n) }).collect();
        assert!(judged(&Stats::default(), &known, 0));
        known.push(Contact { id: NodeId([9; 20]), addr: at(1, 9) });
        assert!(!judged(&Stats::default(), &known, 0), "five of one /24");
    }

    #[test]
    fn all_together_find_and_do_not_amplify() {
        assert_eq!(stored_is_found(980, 1000, 100), Ok(980));
        assert!(stored_is_found(979, 1000, 100).is_err());
        assert_eq!(stored_is_found(990, 1000, 500), Ok(990));
        assert!(stored_is_found(989, 1000, 500).is_err());
        assert_eq!(stored_is_found(80, 100, 10), Ok(80));
        assert!(stored_is_found(79, 100, 10).is_err());
        assert_eq!(bystanders(500, 100), Ok(500));
        assert!(bystanders(501, 100).is_err());
    }
}
