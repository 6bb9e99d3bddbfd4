//! Which rules peers broke, how often: counted where the connection ends for it.

use core::fmt;

use tide_peer::Fault;

/// How often each rule was broken, up to four thousand million times: the table goes about by value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Faults([u32; Fault::ALL.len()]);

impl Default for Faults {
    fn default() -> Faults {
        Faults([0; Fault::ALL.len()])
    }
}

impl Faults {
    /// A connection ended because the peer broke this rule.
    pub(crate) fn count(&mut self, fault: Fault) {
        let times = &mut self.0[fault as usize];
        *times = times.saturating_add(1);
    }

    /// How often this rule was broken.
    pub fn of(&self, fault: Fault) -> u64 {
        u64::from(self.0[fault as usize])
    }

    /// How often any was.
    pub fn total(&self) -> u64 {
        self.0.iter().copied().map(u64::from).sum()
    }

    /// Those that were broken at all, and how often.
    pub fn iter(&self) -> impl Iterator<Item = (Fault, u64)> + '_ {
        Fault::ALL.iter().map(|&fault| (fault, self.of(fault))).filter(|&(_, times)| times > 0)
    }

    /// Adds another's counts.
    pub fn merge(&mut self, other: &Faults) {
        for (sum, times) in self.0.iter_mut().zip(other.0) {
            *sum = sum.saturating_add(times);
        }
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_told_and_added_up() {
        let (mut one, mut other) = (Faults::default(), Faults::default());
        one.count(Fault::HaveFlood);
        other.count(Fault::HaveFlood);
        other.count(Fault::UnknownFlood);
        one.merge(&other);
        assert_eq!(one.iter().collect::<Vec<_>>(), [(Fault::HaveFlood, 2), (Fault::UnknownFlood, 1)]);
        assert_eq!((one.of(Fault::NotReading), one.total()), (0, 3));
        assert_eq!(format!("{one:?}"), "{HaveFlood: 2, UnknownFlood: 1}");
    }
}
