//! Who holds how much of what the session has only one of. Shares are asked for by mail and granted by mail: at once if
//! there is some, else in the order of asking as it comes back or refills.

use std::collections::VecDeque;

use tide_base::meter::Bucket;
use tide_base::{Duration, Instant, ShardId};

use crate::command::{RateLimits, Setup};
use crate::desk::purse::{Flow, Need, Resource, STOCKS, Stock};
use crate::survey::TreasurySurvey;

/// The most of a flow that is granted in one letter: a fiftieth of a second of it, so that shards alternate.
const GRANTS_A_SECOND: u64 = 50;

/// How much of a flow may be saved up: a tenth of a second, so that a limit is kept over any second.
const BURSTS_A_SECOND: u64 = 10;

/// The least that a flow's burst holds: two blocks, or slow limits would never let one through.
const BURST_MIN: u64 = 32 * 1024;

#[derive(Debug)]
struct Reserve {
    all: u64,
    left: u64,
    waiting: VecDeque<(ShardId, Need)>,
}

impl Reserve {
    fn new(all: u64) -> Reserve {
        Reserve { all, left: all, waiting: VecDeque::new() }
    }
}

#[derive(Debug)]
struct River {
    bucket: Bucket,
    waiting: VecDeque<(ShardId, u64)>,
}

impl River {
    fn new(now: Instant, rate: Option<u64>, burst_min: u64) -> River {
        River { bucket: Bucket::new(now, rate, burst(rate, burst_min)), waiting: VecDeque::new() }
    }
}

impl River {
    /// What is granted at a time to a shard that asks for `amount`.
    fn portion(&self, amount: u64, shards: u64) -> u64 {
        let most =
            self.bucket.rate().map_or(u64::MAX, |rate| (rate / GRANTS_A_SECOND / shards).max(BURST_MIN));
        amount.min(most)
    }
}

fn burst(rate: Option<u64>, least: u64) -> u64 {
    rate.filter(|&rate| rate > 0).map_or(0, |rate| (rate / BURSTS_A_SECOND).max(least))
}

/// Who holds how much of what the session has only one of.
#[derive(Debug)]
pub struct Treasury {
    stocks: [Reserve; STOCKS.len()],
    flows: [River; 3],
    shards: u64,
}

/// A share for a shard.
pub type Grant = (ShardId, Resource, u64);

impl Treasury {
    /// Everything is here.
    pub fn new(setup: &Setup) -> Treasury {
        let limits = &setup.limits;
        Treasury {
            stocks: [
                Reserve::new(limits.memory),
                Reserve::new(limits.upload_memory),
                Reserve::new(u64::from(limits.peers)),
                Reserve::new(u64::from(limits.dials())),
                Reserve::new(u64::from(limits.strangers)),
                Reserve::new(u64::from(limits.upload_slots)),
                Reserve::new(limits.metadata_memory),
            ],
            flows: [
                River::new(setup.now, setup.rates.down, BURST_MIN),
                River::new(setup.now, setup.rates.up, BURST_MIN),
                River::new(setup.now, Some(u64::from(limits.dials_per_second)), 1),
            ],
            shards: u64::from(setup.shards),
        }
    }

    /// A shard asks for a share.
    pub fn ask(&mut self, now: Instant, from: ShardId, need: Need) -> Vec<Grant> {
        match need.resource {
            Resource::Stock(stock) => self.stocks[stock as usize].waiting.push_back((from, need)),
            Resource::Flow(flow) => self.flows[flow as usize].waiting.push_back((from, need.most)),
        }
        self.grants(now)
    }

    /// A shard would like a share: it gets one if there is some, and does not wait for it.
    pub fn spare(&mut self, from: ShardId, stock: Stock, amount: u64) -> Vec<Grant> {
        let reserve = &mut self.stocks[stock as usize];
        let granted = if reserve.waiting.is_empty() { amount.min(reserve.left) } else { 0 };
        reserve.left -= granted;
        if granted == 0 { Vec::new() } else { vec![(from, Resource::Stock(stock), granted)] }
    }

    /// A shard gives a part of its share back.
    pub fn take_back(&mut self, now: Instant, stock: Stock, amount: u64) -> Vec<Grant> {
        self.stocks[stock as usize].left += amount;
        self.grants(now)
    }

    /// Who waits longest for a stock, if anybody does.
    pub fn is_short_of(&self, stock: Stock) -> Option<ShardId> {
        self.stocks[stock as usize].waiting.front().map(|&(shard, _)| shard)
    }

    /// Whether more than one shard waits for a stock.
    pub fn is_contended(&self, stock: Stock) -> bool {
        let mut waiting = self.stocks[stock as usize].waiting.iter().map(|&(shard, _)| shard);
        waiting.next().is_some_and(|first| waiting.any(|shard| shard != first))
    }

    /// New limits of the flows.
    pub fn set_rates(&mut self, now: Instant, rates: RateLimits) -> Vec<Grant> {
        for (flow, rate) in [(Flow::Down, rates.down), (Flow::Up, rates.up)] {
            self.flows[flow as usize].bucket.set_rate(now, rate, burst(rate, BURST_MIN));
        }
        self.grants(now)
    }

    /// Of each stock, all there is and what is not granted to anybody.
    pub fn survey(&self) -> TreasurySurvey {
        let of = |stock: Stock| {
            let reserve = &self.stocks[stock as usize];
            (stock, reserve.all, reserve.left)
        };
        TreasurySurvey { stocks: STOCKS.map(of) }
    }

    /// When something refills that is waited for.
    pub fn deadline(&mut self, now: Instant) -> Instant {
        let shards = self.shards;
        let ready = |river: &mut River| match river.waiting.front() {
            Some(&(_, amount)) => {
                let whole = river.portion(amount, shards);
                river.bucket.ready_at(now, whole).max(now + Duration::from_millis(1))
            }
            None => Instant::NEVER,
        };
        self.flows.iter_mut().map(ready).min().unwrap_or(Instant::NEVER)
    }

    /// The shares that can be granted now.
    pub fn grants(&mut self, now: Instant) -> Vec<Grant> {
        let mut grants = Vec::new();
        for (reserve, stock) in self.stocks.iter_mut().zip(STOCKS) {
            // What is of use or nothing: parts would lie about, each too small for anything.
            while let Some(&(to, Need { least, most, .. })) = reserve.waiting.front()
                && reserve.left >= least.min(reserve.all)
            {
                let granted = most.min(reserve.left);
                reserve.left -= granted;
                reserve.waiting.pop_front();
                grants.push((to, Resource::Stock(stock), granted));
            }
        }
        for (river, flow) in self.flows.iter_mut().zip([Flow::Down, Flow::Up, Flow::Dials]) {
            while let Some(&(to, amount)) = river.waiting.front() {
                // Whole or not at all: drops would expire before they make a block.
                let whole = river.portion(amount, self.shards);
                if river.bucket.available(now) < whole {
                    break;
                }
                river.bucket.take(now, whole);
                river.waiting.pop_front();
                grants.push((to, Resource::Flow(flow), whole));
            }
        }
        grants
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn treasury(memory: u64, down: Option<u64>) -> Treasury {
        let limits = crate::limits::Limits { memory, ..crate::limits::Limits::default() };
        let setup = Setup { limits, rates: RateLimits { down, up: None }, ..Setup::plain(2) };
        Treasury::new(&setup)
    }

    #[test]
    fn a_stock_is_granted_once_and_again_when_it_comes_back() {
        let memory = Resource::Stock(Stock::Memory);
        let mut treasury = treasury(100, None);
        let (now, a, b) = (Instant::ZERO, ShardId(0), ShardId(1));
        let need = |least, most| Need { resource: memory, least, most };
        assert_eq!(treasury.ask(now, a, need(10, 60)), [(a, memory, 60)]);
        assert_eq!(treasury.ask(now, b, need(60, 60)), []);
        assert_eq!(treasury.ask(now, a, need(30, 30)), [], "nobody overtakes");
        assert_eq!(treasury.is_short_of(Stock::Memory), Some(b));
        assert_eq!(treasury.take_back(now, Stock::Memory, 20), [(b, memory, 60)]);
        assert_eq!(treasury.take_back(now, Stock::Memory, 30), [(a, memory, 30)]);
        assert_eq!(treasury.take_back(now, Stock::Memory, 40), []);
        assert_eq!(treasury.ask(now, a, need(20, 60)), [(a, memory, 40)], "what is missing is there");
    }

    #[test]
    fn a_flow_gives_its_rate_whoever_asks() {
        let down = Resource::Flow(Flow::Down);
        let mut treasury = treasury(100, Some(1_000_000));
        let mut given = 0;
        for tick in 0..1000 {
            let now = Instant::from_millis(tick * 10);
            let need = Need { resource: down, least: 1 << 20, most: 1 << 20 };
            let mut grants = treasury.ask(now, ShardId((tick % 2) as u16), need);
            grants.retain(|grant| grant.1 == down);
            given += grants.iter().map(|grant| grant.2).sum::<u64>();
        }
        assert!((9_900_000..=10_200_000).contains(&given), "{given}");
    }
}
