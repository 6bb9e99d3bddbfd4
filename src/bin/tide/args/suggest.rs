//! What somebody probably meant.

/// The name nearest to `word`, if it is near enough to be a slip.
pub(crate) fn nearest<'n>(word: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    // Words longer than any name are no slips, and would cost time.
    if word.len() > 32 {
        return None;
    }
    let scored = names.map(|name| (distance(word, name), name));
    let (slips, name) = scored.min_by_key(|(slips, _)| *slips)?;
    // One slip in three letters, and a beginning that is unmistakable.
    let near = slips <= 1 + word.len() / 4 && slips < word.len();
    let begun = word.len() >= 3 && name.starts_with(word);
    (near || begun).then_some(name)
}

/// Letters to be changed, added, left out or swapped with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = vec![i + 1];
        for j in 0..b.len() {
            let changed = last[j] + usize::from(a[i] != b[j]);
            let mut best = changed.min(last[j + 1] + 1).min(row[j] + 1);
            let swapped = i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j];
            if swapped {
                let earlier: &Vec<usize> = &before;
                best = best.min(earlier[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found_and_other_words_are_not() {
        let names = ["tracker", "timeout", "seed", "select", "no-trackers"];
        let near = |word: &str| nearest(word, names.into_iter());
        assert_eq!(near("tracekr"), Some("tracker"));
        assert_eq!(near("time-out"), Some("timeout"));
        assert_eq!(near("sed"), Some("seed"));
        assert_eq!(near("no-tracker"), Some("no-trackers"));
        assert_eq!(near("proxy"), None);
        assert_eq!(near("x"), None);
        assert_eq!(distance("abc", "acb"), 1);
        assert_eq!(distance("", "abc"), 3);
    }
}
