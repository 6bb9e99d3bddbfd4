//! A shard's shares of what the session has only one of.
//!
//! A [`Stock`] is something that is held and given back: memory, connections. A [`Flow`] is something that is used up:
//! bytes and dials a second. Shares come from the treasury on shard 0 by mail; a share of a flow that is not used soon
//! expires.

use tide_base::{Duration, Instant, ShardId};

use crate::command::Setup;
use crate::survey::{FlowSurvey, StockSurvey};

/// Held and given back.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Stock {
    /// Bytes for blocks under way.
    Memory,
    /// Bytes read for uploads and not yet sent.
    UploadMemory,
    /// Connections to peers.
    Peers,
    /// Connections that we make, until hands are shaken.
    HalfOpen,
    /// Connections that others make, until hands are shaken.
    Strangers,
    /// Peers that are served.
    UploadSlots,
    /// Bytes of metadata that is sought.
    Metadata,
}

/// Used up.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Flow {
    /// Content and protocol bytes in.
    Down,
    /// Content bytes out.
    Up,
    /// Connections begun.
    Dials,
}

/// Something that has shares.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Resource {
    /// Held and given back.
    Stock(Stock),
    /// Used up.
    Flow(Flow),
}

/// What a shard asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Need {
    /// Of what.
    pub resource: Resource,
    /// What is missing: less is of no use.
    pub least: u64,
    /// What it would have, so that it need not ask for each bit.
    pub most: u64,
}

/// How long a share of a flow may be kept: long enough for some turns, short enough that an idle shard's share is not
/// missed by a busy one.
pub const FLOW_KEPT: Duration = Duration::from_millis(250);

/// Strangers that are let in at a time without asking for more shares first.
const STRANGERS: u64 = 32;

/// Every stock, in the order of the enumeration.
pub const STOCKS: [Stock; 7] = [
    Stock::Memory,
    Stock::UploadMemory,
    Stock::Peers,
    Stock::HalfOpen,
    Stock::Strangers,
    Stock::UploadSlots,
    Stock::Metadata,
];
const FLOWS: [Flow; 3] = [Flow::Down, Flow::Up, Flow::Dials];

#[derive(Clone, Debug, Default)]
struct StockPurse {
    granted: u64,
    used: u64,
    /// The least that is worth a letter.
    quantum: u64,
    short: u64,
    /// The most that was wanted at a time while the share was short.
    wanted: u64,
    asked: bool,
    /// What was not in use when it was asked for more: too little for what is wanted, and reckoned with in the ask.
    saved: u64,
    /// Whether others are short, and whatever is not in use goes back as soon as there is some.
    recalled: bool,
    /// Whether a share is asked for before it is needed: whoever connects cannot be told to wait, and whoever has just said
    /// how large the metadata is can be asked for it at once.
    ahead: bool,
    /// What was in use when a share was asked for ahead of need last.
    hinted: Option<u64>,
    /// What is not in use and does not go back all the same.
    kept: u64,
}

#[derive(Clone, Debug)]
struct FlowPurse {
    unlimited: bool,
    left: u64,
    expires: Instant,
    short: u64,
    asked: bool,
}

/// The shares of one shard.
#[derive(Clone, Debug)]
pub struct Purses {
    stocks: [StockPurse; STOCKS.len()],
    flows: [FlowPurse; 3],
    /// Whether something was given back since somebody looked.
    freed: bool,
}

impl Purses {
    /// The empty purses of a shard; flows without a limit need no shares.
    pub fn new(shard: ShardId, setup: &Setup) -> Purses {
        let limits = &setup.limits;
        // Some units, but not so many that the other shards have nothing.
        let some = |unit: u32, units: u64, all: u64| {
            let unit = u64::from(unit);
            (unit * units).min(all / (2 * u64::from(setup.shards))).max(unit)
        };
        // All of a session's strangers come in here, often many in one turn, and before more could be asked for.
        let places = |all: u32| match shard {
            ShardId::FIRST => u64::from(all / 2).clamp(1, STRANGERS),
            _ => some(1, 8, u64::from(all)),
        };
        let quantum = |stock| match stock {
            Stock::Memory => some(limits.chunk_len, 8, limits.memory),
            Stock::UploadMemory => some(limits.read_len, 4, limits.upload_memory),
            Stock::Peers => places(limits.peers),
            Stock::HalfOpen => some(1, 8, u64::from(limits.dials())),
            Stock::Strangers => places(limits.strangers),
            Stock::UploadSlots => some(1, 8, u64::from(limits.upload_slots)),
            Stock::Metadata => some(1024, 128, limits.metadata_memory),
        };
        let unlimited = |flow| match flow {
            Flow::Down => setup.rates.down.is_none(),
            Flow::Up => setup.rates.up.is_none(),
            Flow::Dials => false,
        };
        Purses {
            stocks: STOCKS.map(|stock| StockPurse {
                quantum: quantum(stock),
                ahead: !matches!(stock, Stock::Memory | Stock::UploadMemory | Stock::HalfOpen),
                ..StockPurse::default()
            }),
            flows: FLOWS.map(|flow| FlowPurse {
                unlimited: unlimited(flow),
                left: 0,
                expires: Instant::ZERO,
                short: 0,
                asked: false,
            }),
            freed: false,
        }
    }

    /// Whether the share has `amount` of a stock; if not, notes that it is short.
    pub fn has(&mut self, stock: Stock, amount: u64) -> bool {
        let purse = &mut self.stocks[stock as usize];
        let enough = purse.used + amount <= purse.granted;
        if !enough {
            let short = purse.used + amount - purse.granted;
            self.lack(stock, short);
            let purse = &mut self.stocks[stock as usize];
            purse.wanted = purse.wanted.max(amount);
        }
        enough
    }

    /// Notes that the share is short by `amount`.
    pub fn lack(&mut self, stock: Stock, amount: u64) {
        let purse = &mut self.stocks[stock as usize];
        purse.short = purse.short.max(amount);
    }

    /// Takes `amount` of a stock if the share has it; else notes that the share is short.
    pub fn take(&mut self, stock: Stock, amount: u64) -> bool {
        let enough = self.has(stock, amount);
        if enough {
            self.stocks[stock as usize].used += amount;
        }
        enough
    }

    /// Gives `amount` of a stock back.
    pub fn give(&mut self, stock: Stock, amount: u64) {
        let purse = &mut self.stocks[stock as usize];
        assert!(purse.used >= amount, "more of {stock:?} was given back than taken");
        purse.used -= amount;
        purse.short = purse.short.saturating_sub(amount);
        self.freed |= amount > 0;
    }

    /// Takes a part of the share that is not in use out of the purse: it goes to another shard, with what it is for.
    pub fn hand_over(&mut self, stock: Stock, amount: u64) {
        let purse = &mut self.stocks[stock as usize];
        assert!(purse.granted - purse.used >= amount, "{stock:?} that is in use is handed over");
        purse.granted -= amount;
        purse.hinted = None;
    }

    /// A part of another shard's share came, with what it is for.
    pub fn take_over(&mut self, stock: Stock, amount: u64) {
        self.stocks[stock as usize].granted += amount;
    }

    /// Whether something was given back since the last call.
    pub fn take_freed(&mut self) -> bool {
        core::mem::take(&mut self.freed)
    }

    /// Whether somebody, here or on another shard, is short of a stock and waits for it to be given back.
    pub fn is_pressed(&self, stock: Stock) -> bool {
        let purse = &self.stocks[stock as usize];
        purse.recalled || purse.short > 0
    }

    /// Whether somebody on another shard is short of a stock and waits for it to be given back.
    pub fn is_recalled(&self, stock: Stock) -> bool {
        self.stocks[stock as usize].recalled
    }

    /// Whether one place for a connection stays here, for a dial that waits for what else it needs: it would go to and
    /// fro between those who wait, used by nobody.
    pub fn keep_place(&mut self, stock: Stock, keep: bool) {
        self.stocks[stock as usize].kept = u64::from(keep);
    }

    /// Whether a place is kept for a dial.
    pub fn keeps_place(&self, stock: Stock) -> bool {
        self.stocks[stock as usize].kept > 0
    }

    /// What is in use of a stock's share.
    pub fn used(&self, stock: Stock) -> u64 {
        self.stocks[stock as usize].used
    }

    /// What is left of a stock's share.
    pub fn spare(&self, stock: Stock) -> u64 {
        let purse = &self.stocks[stock as usize];
        purse.granted - purse.used
    }

    /// Takes up to `amount` of a flow; what it got.
    pub fn draw(&mut self, now: Instant, flow: Flow, amount: u64) -> u64 {
        let purse = &mut self.flows[flow as usize];
        if purse.unlimited {
            return amount;
        }
        if purse.expires <= now {
            purse.left = 0;
        }
        let got = purse.left.min(amount);
        purse.left -= got;
        if got < amount {
            purse.short = purse.short.max(amount - got);
        }
        got
    }

    /// Makes sure that there will be `amount` of a flow at hand: the share is short by what is missing.
    pub fn want(&mut self, now: Instant, flow: Flow, amount: u64) {
        let missing = amount.saturating_sub(self.at_hand(now, flow));
        let purse = &mut self.flows[flow as usize];
        purse.short = purse.short.max(missing);
    }

    /// Whether a flow has no limit.
    pub fn unlimited(&self, flow: Flow) -> bool {
        self.flows[flow as usize].unlimited
    }

    /// What could be drawn of a flow at once.
    pub fn at_hand(&self, now: Instant, flow: Flow) -> u64 {
        let purse = &self.flows[flow as usize];
        match purse.unlimited {
            true => u64::MAX,
            false if purse.expires <= now => 0,
            false => purse.left,
        }
    }

    /// A share came from the treasury.
    pub fn granted(&mut self, now: Instant, resource: Resource, amount: u64) {
        match resource {
            Resource::Stock(stock) => {
                let purse = &mut self.stocks[stock as usize];
                purse.granted += amount;
                // What was missing before in this turn is here now. To ask for it all the same would be to send it back,
                // and who goes on because it came would find it gone: every time, if he is always read before the mail.
                purse.short = purse.short.saturating_sub(amount);
                purse.asked = false;
                purse.wanted = 0;
                purse.recalled = false;
            }
            Resource::Flow(flow) => {
                let purse = &mut self.flows[flow as usize];
                if purse.expires <= now {
                    purse.left = 0;
                }
                purse.left = purse.left.saturating_add(amount);
                purse.expires = now + FLOW_KEPT;
                purse.asked = false;
            }
        }
    }

    /// Whether a flow has a limit was changed.
    pub fn set_unlimited(&mut self, flow: Flow, unlimited: bool) {
        let purse = &mut self.flows[flow as usize];
        purse.unlimited = unlimited;
        purse.left = 0;
    }

    /// What the treasury must be asked for; each is then asked for once until a share comes.
    pub fn take_asks(&mut self) -> Vec<Need> {
        let mut asks = Vec::new();
        for (purse, stock) in self.stocks.iter_mut().zip(STOCKS) {
            if purse.short > 0 && !purse.asked {
                // Of what is hinted at ahead of need there is no need to ask for more than what is missing.
                let more = if purse.ahead { 1 } else { purse.quantum };
                let (least, most) = (purse.short, purse.short.max(more));
                asks.push(Need { resource: Resource::Stock(stock), least, most });
                (purse.asked, purse.saved) = (true, purse.granted - purse.used);
            }
            purse.short = 0;
        }
        for (purse, flow) in self.flows.iter_mut().zip(FLOWS) {
            if purse.short > 0 && !purse.asked && !purse.unlimited {
                asks.push(Need { resource: Resource::Flow(flow), least: purse.short, most: purse.short });
                purse.asked = true;
            }
            purse.short = 0;
        }
        asks
    }

    /// What would be good to have soon, if there is some to spare; each is said once until more is in use.
    pub fn take_hints(&mut self) -> Vec<(Stock, u64)> {
        let mut hints = Vec::new();
        for (purse, stock) in self.stocks.iter_mut().zip(STOCKS) {
            let spare = purse.granted - purse.used;
            if purse.ahead
                && !purse.asked
                && spare < purse.quantum.div_ceil(2)
                && purse.hinted != Some(purse.used)
            {
                purse.hinted = Some(purse.used);
                hints.push((stock, purse.quantum));
            }
        }
        hints
    }

    /// The treasury is short of a stock: whatever is not in use goes back.
    pub fn recall(&mut self, stock: Stock) {
        self.stocks[stock as usize].recalled = true;
    }

    /// What goes back to the treasury: the unused part of a share beyond two quanta, or all of it if it was recalled.
    pub fn take_returns(&mut self) -> Vec<(Resource, u64)> {
        let mut returns = Vec::new();
        for (purse, stock) in self.stocks.iter_mut().zip(STOCKS) {
            let spare = (purse.granted - purse.used).saturating_sub(purse.kept);
            let recalled = purse.recalled && spare > 0;
            // What was asked for is here meanwhile, or wanted no more: others wait behind an ask that is not needed. It
            // stands until it is granted, and until then whatever else gets free goes back as well.
            let met = purse.asked && spare > 0 && spare >= purse.wanted;
            // What is too little for anything and kept here may be just what the ask is short of there.
            let late = if purse.asked && !purse.ahead { spare.saturating_sub(purse.saved) } else { 0 };
            if (spare > 2 * purse.quantum && !purse.asked) || recalled || met || late > 0 {
                let back = match (recalled || met, late) {
                    (true, _) => spare,
                    (false, 0) => spare - purse.quantum,
                    (false, late) => late,
                };
                if met {
                    purse.wanted = 0;
                }
                purse.recalled = false;
                purse.granted -= back;
                returns.push((Resource::Stock(stock), back));
            }
        }
        returns
    }

    /// What is granted and what is used of each stock.
    pub fn stocks(&self) -> [StockSurvey; STOCKS.len()] {
        STOCKS.map(|stock| {
            let StockPurse { granted, used, .. } = self.stocks[stock as usize];
            StockSurvey { stock, granted, used }
        })
    }

    /// What is left of each flow.
    pub fn flows(&self) -> [FlowSurvey; 3] {
        FLOWS.map(|flow| {
            let FlowPurse { unlimited, left, expires, .. } = self.flows[flow as usize];
            FlowSurvey { flow, unlimited, left, expires }
        })
    }

    /// Panics if any stock is in use.
    pub fn check_unused(&self) {
        for (purse, stock) in self.stocks.iter().zip(STOCKS) {
            assert_eq!(purse.used, 0, "{stock:?} is in use");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_missing_when_a_share_came_is_not_asked_for_again() {
        let setup = Setup::plain(2);
        let mut purses = Purses::new(ShardId(1), &setup);
        let (now, memory) = (Instant::ZERO, Resource::Stock(Stock::Memory));
        let chunk = u64::from(setup.limits.chunk_len);
        assert!(!purses.take(Stock::Memory, chunk));
        assert_eq!(purses.take_asks(), [Need { resource: memory, least: chunk, most: 8 * chunk }]);
        assert!(!purses.take(Stock::Memory, chunk), "it is tried again in the turn in which the share comes");
        purses.granted(now, memory, chunk);
        assert!(purses.has(Stock::Memory, chunk));
        assert_eq!((purses.take_asks(), purses.take_returns()), (vec![], vec![]), "the share is kept");
        assert!(purses.take(Stock::Memory, chunk));
    }

    #[test]
    fn what_gets_free_while_an_ask_stands_goes_to_where_it_is_waited_for() {
        let setup = Setup::plain(2);
        let mut purses = Purses::new(ShardId(1), &setup);
        let (now, memory) = (Instant::ZERO, Resource::Stock(Stock::Memory));
        let chunk = u64::from(setup.limits.chunk_len);
        purses.granted(now, memory, 2 * chunk);
        assert!(purses.take(Stock::Memory, chunk / 2) && purses.take(Stock::Memory, chunk));
        assert!(!purses.take(Stock::Memory, 2 * chunk));
        let asked = [Need { resource: memory, least: 3 * chunk / 2, most: 8 * chunk }];
        assert_eq!(
            (purses.take_asks(), purses.take_returns()),
            (asked.to_vec(), vec![]),
            "half a chunk stays"
        );
        purses.give(Stock::Memory, chunk / 2);
        assert_eq!(purses.take_returns(), [(memory, chunk / 2)]);
        purses.granted(now, memory, 3 * chunk / 2);
        assert!(purses.take(Stock::Memory, 2 * chunk), "as it was reckoned");
    }

    #[test]
    fn what_gets_free_while_an_ask_stands_that_is_not_needed_goes_back() {
        let setup = Setup::plain(2);
        let mut purses = Purses::new(ShardId(1), &setup);
        let (now, memory) = (Instant::ZERO, Resource::Stock(Stock::Memory));
        let chunk = u64::from(setup.limits.chunk_len);
        purses.granted(now, memory, 10 * chunk);
        assert!((0..10).all(|_| purses.take(Stock::Memory, chunk)));
        assert!(!purses.take(Stock::Memory, chunk));
        assert_eq!(purses.take_asks(), [Need { resource: memory, least: chunk, most: 8 * chunk }]);
        purses.give(Stock::Memory, chunk);
        assert_eq!(purses.take_returns(), [(memory, chunk)], "it is here meanwhile");
        // Nobody here wants any more; and those who could grant the ask wait for what is held here.
        purses.give(Stock::Memory, 9 * chunk);
        assert_eq!(purses.take_returns(), [(memory, 9 * chunk)]);
        assert_eq!(purses.take_returns(), []);
    }
}
