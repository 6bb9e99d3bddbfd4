//! How a run ended.

use std::fmt;

use crate::judge::Finding;

/// How a run ended.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// All was well.
    Passed,
    /// Somebody did not complete, and could not have.
    Excused(String),
    /// The engine panicked, or logged an error.
    Crash(String),
    /// Something was wrong that must never be.
    Safety(Finding),
    /// Somebody did not complete who should have, or did not come to rest.
    Liveness(String),
}

impl Verdict {
    /// Whether nothing is to be mended.
    pub fn is_good(&self) -> bool {
        matches!(self, Verdict::Passed | Verdict::Excused(_))
    }

    /// The status with which the program ends.
    pub fn exit_code(&self) -> u8 {
        match self {
            Verdict::Passed | Verdict::Excused(_) => 0,
            Verdict::Crash(_) => 127,
            Verdict::Liveness(_) => 128,
            Verdict::Safety(_) => 129,
        }
    }

    /// One word.
    pub fn name(&self) -> &'static str {
        match self {
            Verdict::Passed => "passed",
            Verdict::Excused(_) => "excused",
            Verdict::Crash(_) => "crash",
            Verdict::Safety(_) => "safety",
            Verdict::Liveness(_) => "liveness",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Passed => f.write_str("passed"),
            Verdict::Excused(why) | Verdict::Crash(why) | Verdict::Liveness(why) => {
                write!(f, "{}: {why}", self.name())
            }
            Verdict::Safety(finding) => write!(f, "safety: {finding}"),
        }
    }
}
