//! The receiving half of one direction of a stream: what has arrived, what was read, and how much more there is room
//! for.

use std::collections::BTreeMap;

/// The receiving half.
#[derive(Debug)]
pub(super) struct Receiver {
    window: u64,
    /// Room is told of in steps of no less, lest the sender send crumbs (RFC 1122, 4.2.3.3).
    step: u64,
    arrived: u64,
    ahead: BTreeMap<u64, u64>,
    fin_at: Option<u64>,
    cut: Option<u64>,
    consumed: u64,
    told: u64,
}

impl Receiver {
    /// A half with room for `window` bytes, to which come packets of at most `mss`.
    pub(super) fn new(window: u32, mss: u32) -> Receiver {
        let window = u64::from(window.max(1));
        let step = (window / 2).min(u64::from(mss)).max(1);
        let (ahead, fin_at, cut) = (BTreeMap::new(), None, None);
        Receiver { window, step, arrived: 0, ahead, fin_at, cut, consumed: 0, told: window }
    }

    /// A packet arrives; how many bytes are now in order that were not.
    pub(super) fn take(&mut self, offset: u64, len: u32, fin: bool) -> u64 {
        let (before, end) = (self.arrived, offset + u64::from(len));
        if fin {
            self.fin_at = Some(end);
        }
        if offset > self.arrived {
            let known = self.ahead.entry(offset).or_insert(end);
            *known = end.max(*known);
            return 0;
        }
        self.arrived = self.arrived.max(end);
        while let Some((&start, &end)) = self.ahead.first_key_value() {
            if start > self.arrived {
                break;
            }
            self.ahead.pop_first();
            self.arrived = self.arrived.max(end);
        }
        self.swallow_cut();
        self.arrived - before
    }

    /// How many bytes have arrived in order.
    pub(super) fn arrived(&self) -> u64 {
        self.arrived
    }

    /// What the sender is told: everything before has arrived, the end included.
    pub(super) fn upto(&self) -> u64 {
        self.arrived + u64::from(self.fin_at == Some(self.arrived))
    }

    /// What the sender is told: there is room for everything before.
    pub(super) fn edge(&mut self) -> u64 {
        let edge = self.consumed + self.window;
        if edge >= self.told + self.step {
            self.told = edge;
        }
        self.told
    }

    /// Before which offset everything was read.
    pub(super) fn consumed(&self) -> u64 {
        self.consumed
    }

    /// How many bytes can be read.
    pub(super) fn readable(&self) -> u64 {
        self.cut.unwrap_or(u64::MAX).min(self.arrived).saturating_sub(self.consumed)
    }

    /// Whether the end comes next.
    pub(super) fn ended(&self) -> bool {
        self.readable() == 0 && (self.cut_off() || self.fin_at == Some(self.arrived))
    }

    /// So many bytes were read; whether the sender should hear that there is room.
    pub(super) fn read(&mut self, len: usize) -> bool {
        self.consumed += len as u64;
        self.swallow_cut();
        let known = self.told.saturating_sub(self.arrived);
        known * 2 < self.window && self.consumed + self.window >= self.told + self.step
    }

    /// Everything that has arrived is read and thrown away; whether the sender should hear that there is room.
    pub(super) fn read_all(&mut self) -> bool {
        self.swallow();
        self.read(0)
    }

    /// Whether the stream ends at `offset` or before anyway.
    pub(super) fn ends_by(&self, offset: u64) -> bool {
        self.fin_at.is_some_and(|end| end <= offset)
    }

    /// Nobody reads any more: whatever has arrived is gone.
    pub(super) fn swallow(&mut self) {
        self.consumed = self.arrived;
    }

    /// For the reader the stream ends at `offset`, whatever the sender thinks; what comes after it is swallowed.
    pub(super) fn cut(&mut self, offset: u64) {
        self.cut = Some(offset);
        self.swallow_cut();
    }

    fn cut_off(&self) -> bool {
        self.cut.is_some_and(|cut| self.arrived >= cut)
    }

    fn swallow_cut(&mut self) {
        if self.cut_off() && self.readable() == 0 {
            self.consumed = self.arrived;
        }
    }
}
