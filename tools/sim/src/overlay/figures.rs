//! What a large DHT came to, in numbers.

use std::fmt;

/// Many numbers in three.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Spread {
    /// Their mean.
    pub mean: f64,
    /// The one in the middle.
    pub median: u64,
    /// The greatest.
    pub worst: u64,
}

impl Spread {
    /// Of these numbers, in any order; of none all is nought.
    pub(super) fn of(mut numbers: Vec<u64>) -> Spread {
        numbers.sort_unstable();
        let Some(&worst) = numbers.last() else { return Spread::default() };
        let mean = numbers.iter().sum::<u64>() as f64 / numbers.len() as f64;
        Spread { mean, median: numbers[numbers.len() / 2], worst }
    }
}

/// What it came to.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Figures {
    /// Lookups for what was stored, that ended.
    pub tries: usize,
    /// Those that found it.
    pub found: usize,
    /// Those whose node left before the end.
    pub given_up: usize,
    /// Nodes on the way to the farthest of the closest.
    pub hops: Spread,
    /// Questions a lookup.
    pub requests: Spread,
    /// Milliseconds a lookup.
    pub took: Spread,
    /// Bytes that a node says in a minute.
    pub said: Spread,
    /// Bytes that a node hears in a minute, floods too.
    pub heard: Spread,
    /// Bytes of memory that a node takes in the end.
    pub memory: Spread,
    /// Nodes in a table in the end.
    pub known: Spread,
    /// The most that a node asked one host in ten seconds.
    pub asked: Spread,
    /// Times that nodes came.
    pub births: u64,
    /// Datagrams that were not listened to, since their host had sent too many.
    pub blocked: u64,
    /// Bytes that bystanders got, and that liars spent on it.
    pub reflected: (u64, u64),
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Figures { tries, found, given_up, births, blocked, reflected: (got, spent), .. } = self;
        writeln!(f, "found     {found} of {tries}; {given_up} more nodes left before their lookup ended")?;
        writeln!(f, "came      {births} times; {blocked} datagrams of floods not listened to")?;
        writeln!(f, "bystander {got} bytes came to such ones for {spent} that were spent on it")?;
        writeln!(f, "{:30} {:>10} {:>10} {:>10}", "", "mean", "median", "worst")?;
        let rows = [
            ("hops a lookup", self.hops),
            ("requests a lookup", self.requests),
            ("milliseconds a lookup", self.took),
            ("bytes a node says a minute", self.said),
            ("bytes a node hears a minute", self.heard),
            ("bytes of memory a node", self.memory),
            ("nodes in a table", self.known),
            ("asked one host in 10 s", self.asked),
        ];
        for (name, Spread { mean, median, worst }) in rows {
            writeln!(f, "{name:30} {mean:>10.1} {median:>10} {worst:>10}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_numbers_are_three() {
        assert_eq!(Spread::of(vec![9, 1, 2]), Spread { mean: 4.0, median: 2, worst: 9 });
        assert_eq!(Spread::of(Vec::new()), Spread::default());
    }
}
