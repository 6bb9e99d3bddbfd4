//! What is excused, and why. Each entry is a debt: few, and with a reason that would convince a stranger.

use crate::{Finding, Rule};

/// One rule that one place need not keep.
#[derive(Clone, Copy, Debug)]
pub struct Exception {
    /// Which rule.
    pub rule: Rule,
    /// The file from the repository's root; for [`Rule::Duplicate`] and [`Rule::Licence`] the crate's name; for
    /// [`Rule::Edge`] `from → to`.
    pub place: &'static str,
    /// Why it is right.
    pub reason: &'static str,
}

/// All of them.
pub const EXCEPTIONS: &[Exception] = &[
    Exception {
        rule: Rule::Unsafe,
        place: "disk/hash/src/avx512.rs",
        reason: "intrinsics, behind a token that only a CPU that has them gives out",
    },
    Exception {
        rule: Rule::Unsafe,
        place: "disk/hash/src/ni.rs",
        reason: "intrinsics, behind a token that only a CPU that has them gives out",
    },
    Exception {
        rule: Rule::Unsafe,
        place: "disk/src/media/mapped.rs",
        reason: "a mapping of a file that others may change: only the kernel reads its pages",
    },
    Exception {
        rule: Rule::Unsafe,
        place: "src/shell/code.rs",
        reason: "one call that locks pages at an address that the kernel told, and changes no value",
    },
    Exception {
        rule: Rule::Unsafe,
        place: "tools/fuzz/src/memory.rs",
        reason: "an allocator that counts what targets take, and hands every call on to the system's as it came",
    },
    Exception {
        rule: Rule::Unbounded,
        place: "disk/src/stores.rs",
        reason: "one letter a job under way beside the rest, and jobs are counted by who hands them in",
    },
    Exception {
        rule: Rule::Unbounded,
        place: "src/shell/hashers.rs",
        reason: "bounded by the engine's tokens and asserted; a bounded channel would take memory for what might wait",
    },
    Exception {
        rule: Rule::Unbounded,
        place: "src/shell/keeper.rs",
        reason: "bounded by the engine's tokens and asserted; a bounded channel would take memory for what might wait",
    },
    Exception {
        rule: Rule::Unbounded,
        place: "src/shell/links.rs",
        reason: "bounded by the engine's tokens and asserted; a bounded channel would take memory for what might wait",
    },
    Exception {
        rule: Rule::Duplicate,
        place: "getrandom",
        reason: "ring still asks for the old one; both are small and neither is called twice",
    },
];

/// Takes away what is excused, and adds every excuse that nothing needs.
pub(crate) fn excuse(findings: Vec<Finding>, exceptions: &[Exception]) -> Vec<Finding> {
    let excuses = |exception: &Exception, finding: &Finding| {
        exception.rule == finding.rule && exception.place == finding.place
    };
    let stale =
        exceptions.iter().filter(|exception| !findings.iter().any(|finding| excuses(exception, finding)));
    let stale: Vec<_> = stale
        .map(|exception| {
            let message =
                format!("is excused ({}) but keeps the rule: remove the exception", exception.reason);
            Finding::new(exception.rule, exception.place, 0, message)
        })
        .collect();
    let left = findings
        .into_iter()
        .filter(|finding| !exceptions.iter().any(|exception| excuses(exception, finding)));
    left.chain(stale).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excuse_takes_its_finding_away_and_a_stale_one_is_found() {
        let finding = Finding::new(Rule::Unsafe, "a.rs", 3, "unsafe");
        let other = Finding::new(Rule::Unsafe, "b.rs", 4, "unsafe");
        let exception = |rule, place| Exception { rule, place, reason: "why" };
        let exceptions = [exception(Rule::Unsafe, "a.rs"), exception(Rule::Header, "a.rs")];
        let left = excuse(vec![finding, other.clone()], &exceptions);
        assert_eq!(left.len(), 2);
        assert_eq!(left[0], other);
        assert_eq!((left[1].rule, left[1].place.as_str()), (Rule::Header, "a.rs"));
    }
}
