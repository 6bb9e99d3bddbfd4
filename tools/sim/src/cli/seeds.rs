//! Seeds: numbers, commits, lists of them.

use std::fmt;
use std::path::Path;

use tide_base::Prng;

/// What a run follows from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Seed(pub(crate) u64);

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A seed from a number, or from 40 hexadecimal digits.
pub(super) fn parse(text: &str) -> Option<Seed> {
    if text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Some(of_commit(text));
    }
    text.parse().ok().map(Seed)
}

/// The seed that follows from a commit, or from any other text.
pub(super) fn of_commit(text: &str) -> Seed {
    Seed(Prng::new(0x7469_6465).split(text).next_u64() >> 16)
}

/// A seed that nobody has used.
#[expect(clippy::disallowed_methods, reason = "a new seed comes from outside; all else follows from it")]
pub(super) fn fresh() -> Seed {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Seed(Prng::new(now.as_nanos() as u64 ^ u64::from(std::process::id()) << 40).next_u64() >> 16)
}

/// The seeds that follow from one, in order.
pub(super) fn after(from: Seed) -> impl Iterator<Item = Seed> {
    let mut prng = Prng::new(from.0).split("seeds");
    std::iter::repeat_with(move || Seed(prng.next_u64() >> 16))
}

/// As many runs side by side as there are cores.
pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// The seeds of a list: a line each, with whatever else stands behind; `#` begins a remark.
pub(super) fn listed(file: &Path) -> Result<Vec<Seed>, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
    let firsts = lines.filter_map(|line| line.split_whitespace().next());
    firsts.map(|word| parse(word).ok_or_else(|| format!("{}: not a seed: {word}", file.display()))).collect()
}
