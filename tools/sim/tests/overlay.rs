//! A DHT of its own world: that it follows from its seed, and that the alarm rings whatever is wrong with it.

use tide_base::Duration;
use tide_sim::Verdict;
use tide_sim::judge::Oracle;
use tide_sim::overlay::{Canary, Plan, Report, run};

/// Enough for tables to fill, few enough for a debug build.
const NODES: usize = 100;
const MINUTE: Duration = Duration::from_secs(60);

/// A short one: so few know each other soon.
fn play(seed: u64, canary: Option<Canary>) -> Report {
    let mut plan = Plan { canary, tries: 100, ..Plan::draw(seed, NODES) };
    (plan.growth, plan.settling, plan.seeking) = (MINUTE, MINUTE * 2, MINUTE * 3);
    run(&plan, &mut |_, _| {})
}

#[test]
fn a_run_follows_from_its_seed_and_all_find_what_is_stored() {
    let (first, second) = (play(1, None), play(1, None));
    assert!(first.outcome.verdict.is_good(), "{}", first.outcome.verdict);
    assert_eq!((first.outcome.trail, first.figures), (second.outcome.trail, second.figures));
    let other = play(2, None);
    assert_ne!(first.outcome.trail, other.outcome.trail);
}

/// Which oracle rings.
fn rings(canary: Canary) -> Oracle {
    match play(1, Some(canary)).outcome.verdict {
        Verdict::Safety(finding) => finding.oracle,
        Verdict::Liveness(text) if text.contains("found what is stored") => Oracle::Found,
        other => panic!("{canary:?}: {other}"),
    }
}

#[test]
fn whatever_is_wrong_is_noticed() {
    assert_eq!(rings(Canary::LostEnds), Oracle::Queries);
    assert_eq!(rings(Canary::LostStores), Oracle::Found);
    assert_eq!(rings(Canary::Repeats), Oracle::Asking);
    assert_eq!(rings(Canary::Echoes), Oracle::Bystanders);
    assert_eq!(rings(Canary::Hoards), Oracle::Tables);
    assert_eq!(rings(Canary::Wanders), Oracle::Lookups);
    assert_eq!(rings(Canary::Leaks), Oracle::Private);
}
