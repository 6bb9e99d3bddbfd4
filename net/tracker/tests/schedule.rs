//! When a torrent asks which of its trackers (BEP 12, BEP 27), with a manual clock.

mod common;

use common::{secs, url};
use std::collections::BTreeSet;
use tide_base::{Duration, InfoHash, Instant, Prng};
use tide_tracker::limits::ScheduleLimits;
use tide_tracker::{
    Due, Error, Event, Family, Need, Policy, Refusal, Reply, Retry, Schedule, Scraped, TrackerKey,
    TrackerState,
};

fn schedule_with(seed: u64, policy: Policy, tiers: &[&[&str]]) -> Schedule {
    let tiers: Vec<Vec<_>> = tiers.iter().map(|tier| tier.iter().map(|text| url(text)).collect()).collect();
    let mut schedule = Schedule::new(ScheduleLimits::default(), policy, &tiers, Prng::new(seed));
    schedule.listen(&[Family::V4]);
    schedule
}

fn started(tiers: &[&[&str]]) -> Schedule {
    let mut schedule = schedule_with(1, Policy::FirstThatAnswers, tiers);
    schedule.start(secs(0));
    schedule
}

fn name(schedule: &Schedule, key: TrackerKey) -> String {
    schedule.url(key).expect("it is there").host().to_string()
}

fn all_due(schedule: &mut Schedule, now: Instant) -> Vec<Due> {
    std::iter::from_fn(|| schedule.due(now, Need::Nothing, [1; 2])).collect()
}

fn one_due(schedule: &mut Schedule, now: Instant) -> Due {
    let due = all_due(schedule, now);
    assert_eq!(due.len(), 1, "{due:?} at {now:?}");
    due[0]
}

fn reply(interval: u64, min: Option<u64>) -> Reply {
    Reply {
        interval: Some(Duration::from_secs(interval)),
        min_interval: min.map(Duration::from_secs),
        ..Reply::default()
    }
}

fn order(schedule: &Schedule) -> Vec<String> {
    schedule.inspect().map(|status| status.url.host().to_string()).collect()
}

#[test]
fn a_tier_is_shuffled_and_tiers_keep_their_order() {
    let mut firsts = BTreeSet::new();
    for seed in 0..40 {
        let schedule = schedule_with(
            seed,
            Policy::FirstThatAnswers,
            &[&["udp://a", "udp://b", "udp://c"], &["udp://d"]],
        );
        let order = order(&schedule);
        assert_eq!(order[3], "d");
        firsts.insert(order[0].clone());
    }
    assert_eq!(firsts.len(), 3);
}

#[test]
fn the_next_one_is_tried_until_one_answers_and_that_one_moves_to_the_front() {
    let mut schedule = started(&[&["udp://a", "udp://b", "udp://c"], &["udp://d"]]);
    let before = order(&schedule);
    for expected in &before[..2] {
        let due = one_due(&mut schedule, secs(0));
        assert_eq!((&name(&schedule, due.tracker), due.event), (expected, Event::Started));
        schedule.failed(secs(0), due, Error::TimedOut);
    }
    let due = one_due(&mut schedule, secs(0));
    assert_eq!(name(&schedule, due.tracker), before[2]);
    schedule.replied(secs(1), due, &reply(1800, None));
    assert_eq!(order(&schedule), [&before[2], &before[0], &before[1], "d"]);
    assert!(all_due(&mut schedule, secs(1800)).is_empty(), "the others' back-off is over, but one answers");
    let at = schedule.deadline(Need::Nothing);
    assert!((secs(1801)..=secs(1981)).contains(&at), "{at:?}");
    let due = one_due(&mut schedule, at);
    assert_eq!((name(&schedule, due.tracker), due.event), (before[2].clone(), Event::None));
}

#[test]
fn a_higher_tier_is_tried_again_at_each_announce() {
    let mut schedule = started(&[&["udp://a"], &["udp://b"]]);
    let a = one_due(&mut schedule, secs(0));
    schedule.failed(secs(0), a, Error::TimedOut);
    let b = one_due(&mut schedule, secs(0));
    assert_eq!(name(&schedule, b.tracker), "b");
    schedule.replied(secs(0), b, &reply(1800, None));
    let at = schedule.deadline(Need::Nothing);
    let again = one_due(&mut schedule, at);
    assert_eq!((again.tracker, again.event), (a.tracker, Event::Started));
    schedule.failed(at, again, Error::TimedOut);
    let again = one_due(&mut schedule, at);
    assert_eq!((again.tracker, again.event), (b.tracker, Event::None));
}

#[test]
fn each_tier_by_itself_if_the_policy_says_so() {
    let mut schedule = schedule_with(1, Policy::EachTier, &[&["udp://a", "udp://b"], &["udp://c"]]);
    schedule.start(secs(0));
    let due = all_due(&mut schedule, secs(0));
    assert_eq!(due.len(), 2);
    assert_eq!(name(&schedule, due[1].tracker), "c");
    schedule.replied(secs(0), due[0], &reply(1800, None));
    schedule.failed(secs(0), due[1], Error::TimedOut);
    assert!(all_due(&mut schedule, secs(0)).is_empty());
    assert!(schedule.deadline(Need::Nothing) < secs(23));
}

#[test]
fn both_families_are_announced_side_by_side_where_the_host_allows() {
    let mut schedule = started(&[&["udp://a"]]);
    schedule.listen(&Family::ALL);
    let due = all_due(&mut schedule, secs(0));
    assert_eq!(due.iter().map(|due| due.family).collect::<Vec<_>>(), Family::ALL);
    schedule.replied(secs(0), due[0], &reply(1800, None));
    schedule.failed(secs(0), due[1], Error::NoAddress);
    let status = schedule.inspect().next().expect("one");
    assert_eq!((status.state, status.last_error, status.fails), (TrackerState::Working, None, 0));
    // A missing family is asked for rarely.
    assert!(schedule.deadline(Need::Nothing) >= secs(1800));

    let mut literal = started(&[&["udp://[::1]:1"]]);
    assert!(all_due(&mut literal, secs(0)).is_empty());
    literal.listen(&Family::ALL);
    assert_eq!(one_due(&mut literal, secs(0)).family, Family::V6);
}

#[test]
fn back_off_doubles_with_jitter_up_to_an_hour() {
    let mut schedule = started(&[&["udp://a"]]);
    let mut now = secs(0);
    let mut waits = Vec::new();
    for _ in 0..12 {
        let due = one_due(&mut schedule, now);
        assert_eq!(due.event, Event::Started);
        schedule.failed(now, due, Error::TimedOut);
        let next = schedule.deadline(Need::Peers);
        waits.push((next - now).as_secs());
        now = next;
    }
    for (i, wait) in waits.iter().enumerate() {
        let base = (15u64 << i).min(3600);
        assert!((base..=base * 3 / 2).contains(wait), "{waits:?}");
    }
    let status = schedule.inspect().next().expect("one");
    assert_eq!(
        (status.state, status.fails, status.last_error),
        (TrackerState::Failing, 12, Some(&Error::TimedOut))
    );
    assert_eq!(status.next_announce, Some(now));
    let due = one_due(&mut schedule, now);
    schedule.replied(now, due, &reply(1800, None));
    assert_eq!(schedule.inspect().next().map(|status| (status.fails, status.last_error)), Some((0, None)));
}

#[test]
fn a_refusal_may_name_its_own_wait() {
    for (retry, range) in [
        (Retry::After(Duration::from_secs(600)), secs(600)..=secs(600)),
        (Retry::After(Duration::MAX), secs(3 * 3600)..=secs(3 * 3600)),
        (Retry::Never, Instant::NEVER..=Instant::NEVER),
    ] {
        let mut schedule = started(&[&["udp://a"]]);
        let due = one_due(&mut schedule, secs(0));
        let refusal = Refusal { reason: "no".into(), retry: Some(retry) };
        schedule.failed(secs(0), due, Error::Refused(refusal));
        assert!(range.contains(&schedule.deadline(Need::Nothing)), "{retry:?}");
        // The user may insist.
        schedule.reannounce(secs(20));
        assert_eq!(one_due(&mut schedule, secs(20)).event, Event::Started);
    }
}

#[test]
fn absurd_intervals_are_brought_within_bounds() {
    let cases = [
        (Some(Duration::ZERO), None, 1800),
        (None, None, 1800),
        (Some(Duration::from_secs(1)), None, 5),
        (Some(Duration::MAX), None, 3 * 3600),
        (Some(Duration::from_secs(60)), Some(Duration::from_secs(120)), 120),
        (Some(Duration::from_secs(60)), Some(Duration::MAX), 3 * 3600),
    ];
    for (interval, min_interval, expected) in cases {
        let mut schedule = started(&[&["udp://a"]]);
        let due = one_due(&mut schedule, secs(0));
        schedule.replied(secs(0), due, &Reply { interval, min_interval, ..Reply::default() });
        let wait = schedule.deadline(Need::Nothing) - Instant::ZERO;
        let base = Duration::from_secs(expected);
        assert!((base..=base * 11 / 10).contains(&wait), "{interval:?} {min_interval:?}: {wait:?}");
    }
}

#[test]
fn torrents_do_not_stay_in_step() {
    let next = |seed| {
        let mut schedule = schedule_with(seed, Policy::EachTier, &[&["udp://a"]]);
        schedule.start(secs(0));
        let due = one_due(&mut schedule, secs(0));
        schedule.replied(secs(0), due, &reply(1800, None));
        schedule.deadline(Need::Nothing)
    };
    let times: BTreeSet<Instant> = (0..20).map(next).collect();
    assert_eq!(times.len(), 20);
}

#[test]
fn who_is_short_of_peers_asks_as_soon_as_the_minimum_allows() {
    let mut schedule = started(&[&["udp://a"]]);
    let due = one_due(&mut schedule, secs(0));
    schedule.replied(secs(0), due, &reply(1800, Some(300)));
    assert_eq!(schedule.due(secs(299), Need::Peers, [1; 2]), None);
    assert_eq!(schedule.deadline(Need::Peers), secs(300));
    assert_eq!(schedule.due(secs(300), Need::Nothing, [1; 2]), None);
    assert_eq!(schedule.due(secs(300), Need::Peers, [1; 2]).map(|due| due.event), Some(Event::None));
    // Where no minimum is named, the interval is the minimum.
    let mut schedule = started(&[&["udp://a"]]);
    let due = one_due(&mut schedule, secs(0));
    schedule.replied(secs(0), due, &reply(1800, None));
    assert!(schedule.deadline(Need::Peers) >= secs(1800));
}

#[test]
fn asking_again_by_hand_respects_the_minimum() {
    for (min, allowed) in [(Some(300), 300), (None, 60)] {
        let mut schedule = started(&[&["udp://a"]]);
        let due = one_due(&mut schedule, secs(0));
        schedule.replied(secs(0), due, &reply(1800, min));
        schedule.reannounce(secs(10));
        assert_eq!(schedule.deadline(Need::Nothing), secs(allowed));
        assert_eq!(one_due(&mut schedule, secs(allowed)).event, Event::None);
    }
    // A failing tracker is asked at once, if it was not just asked.
    let mut schedule = started(&[&["udp://a"]]);
    for _ in 0..8 {
        let at = schedule.deadline(Need::Nothing);
        let due = one_due(&mut schedule, at);
        schedule.failed(at, due, Error::TimedOut);
    }
    let late = schedule.deadline(Need::Nothing) - Duration::from_secs(60);
    schedule.reannounce(late);
    assert_eq!(one_due(&mut schedule, late).event, Event::Started);
}

#[test]
fn who_was_told_another_port_is_asked_again_and_nobody_else() {
    let mut schedule = schedule_with(1, Policy::EachTier, &[&["udp://a"], &["udp://b"]]);
    schedule.start(secs(0));
    let old = all_due(&mut schedule, secs(0));
    schedule.replied(secs(0), old[0], &reply(1800, None));
    // At ten seconds, while b is still being asked.
    schedule.moved([2; 2]);
    schedule.replied(secs(11), old[1], &reply(1800, None));
    assert_eq!(schedule.deadline(Need::Nothing), secs(60));
    let again = schedule.due(secs(60), Need::Nothing, [2; 2]).expect("a was told port 1");
    assert_eq!((again.tracker, again.event), (old[0].tracker, Event::None));
    schedule.replied(secs(60), again, &reply(1800, None));
    // There and back: it is b's turn to know the right one.
    schedule.moved([3; 2]);
    schedule.moved([2; 2]);
    assert_eq!(schedule.deadline(Need::Nothing), secs(71));
    let again = schedule.due(secs(71), Need::Nothing, [2; 2]).expect("b was told port 1");
    assert_eq!(again.tracker, old[1].tracker);
    schedule.replied(secs(71), again, &reply(1800, None));
    // What a was nearly told is not told.
    assert_eq!(schedule.due(secs(120), Need::Nothing, [2; 2]), None);
    schedule.moved([2; 2]);
    assert!(schedule.deadline(Need::Nothing) >= secs(1860));
}

#[test]
fn completed_is_told_once_and_only_to_who_knows_us() {
    let mut schedule = schedule_with(1, Policy::EachTier, &[&["udp://a"], &["udp://b"]]);
    schedule.start(secs(0));
    let due = all_due(&mut schedule, secs(0));
    schedule.replied(secs(0), due[0], &reply(1800, None));
    schedule.failed(secs(0), due[1], Error::TimedOut);
    schedule.completed();
    let first = one_due(&mut schedule, secs(10));
    assert_eq!((first.tracker, first.event), (due[0].tracker, Event::Completed));
    schedule.failed(secs(10), first, Error::TimedOut);
    // Not heard, so it is told again; b may have heard `started`, so it is told too, after another `started`.
    let mut events = Vec::new();
    let mut now = secs(10);
    while now < secs(1700) {
        for due in all_due(&mut schedule, now) {
            events.push((name(&schedule, due.tracker), due.event));
            schedule.replied(now, due, &reply(1800, None));
        }
        now += Duration::from_secs(1);
    }
    let count = |host: &str, event| events.iter().filter(|seen| **seen == (host.to_string(), event)).count();
    assert_eq!((count("a", Event::Completed), count("a", Event::None)), (1, 0));
    assert_eq!((count("b", Event::Started), count("b", Event::Completed)), (1, 1));
    assert_eq!(events.len(), 3);

    // Whoever is asked for the first time after completion hears `started` only.
    let mut schedule = started(&[&["udp://a"]]);
    schedule.completed();
    let due = one_due(&mut schedule, secs(0));
    schedule.replied(secs(0), due, &reply(1800, None));
    assert_eq!((due.event, all_due(&mut schedule, secs(1000)).len()), (Event::Started, 0));
}

#[test]
fn stopped_goes_to_all_who_may_know_us_within_its_budget() {
    let mut schedule =
        schedule_with(1, Policy::EachTier, &[&["udp://a"], &["udp://b"], &["udp://c", "udp://d"]]);
    schedule.start(secs(0));
    let due = all_due(&mut schedule, secs(0));
    assert_eq!(due.len(), 3);
    schedule.replied(secs(0), due[0], &reply(1800, None));
    schedule.failed(secs(0), due[1], Error::TimedOut);
    assert!(!schedule.is_stopped(secs(1)));
    schedule.stop(secs(1));
    let stops = all_due(&mut schedule, secs(1));
    assert_eq!(stops.iter().map(|due| due.event).collect::<Vec<_>>(), [Event::Stopped; 3]);
    assert_eq!(schedule.deadline(Need::Nothing), secs(6));
    // The answer to a `started` that was under way is no answer to `stopped`.
    schedule.replied(secs(1), due[2], &reply(1800, None));
    schedule.replied(secs(1), stops[0], &reply(1800, None));
    schedule.failed(secs(1), stops[1], Error::TimedOut);
    assert!(!schedule.is_stopped(secs(1)) && all_due(&mut schedule, secs(2)).is_empty());
    schedule.failed(secs(2), stops[2], Error::TimedOut);
    assert!(schedule.is_stopped(secs(2)));

    schedule.start(secs(3));
    assert!(all_due(&mut schedule, secs(60)).iter().all(|due| due.event == Event::Started));
    schedule.stop(secs(60));
    assert!(!schedule.is_stopped(secs(64)) && schedule.is_stopped(secs(65)));
    assert!(all_due(&mut schedule, secs(65)).is_empty(), "no time is left");
    assert_eq!(schedule.deadline(Need::Peers), Instant::NEVER, "and nothing is waited for");
}

#[test]
fn a_schedule_that_told_nobody_has_nobody_to_tell() {
    let mut schedule = schedule_with(1, Policy::EachTier, &[&["udp://a"]]);
    assert!(all_due(&mut schedule, secs(9)).is_empty() && schedule.is_stopped(secs(9)));
    assert_eq!(schedule.deadline(Need::Peers), Instant::NEVER);
    schedule.start(secs(9));
    schedule.stop(secs(9));
    assert!(schedule.is_stopped(secs(9)));
}

#[test]
fn trackers_come_and_go_while_running() {
    let mut schedule = started(&[&["udp://a"], &["udp://a", "udp://b"]]);
    assert_eq!(order(&schedule), ["a", "b"], "a URL counts once");
    let a = one_due(&mut schedule, secs(0));
    assert!(schedule.remove(a.tracker) && !schedule.remove(a.tracker));
    schedule.replied(secs(0), a, &reply(1800, None));
    schedule.failed(secs(0), a, Error::TimedOut);
    let b = one_due(&mut schedule, secs(0));
    assert_eq!(name(&schedule, b.tracker), "b");
    schedule.replied(secs(0), b, &reply(1800, None));
    let c = schedule.add(secs(5), url("udp://c"), 0).expect("room");
    assert_eq!(schedule.add(secs(5), url("udp://c"), 7), Some(c));
    let due = one_due(&mut schedule, secs(5));
    assert_eq!((due.tracker, due.event), (c, Event::Started));
    assert_eq!(order(&schedule), ["c", "b"]);

    let limits = ScheduleLimits { trackers: 1, ..ScheduleLimits::default() };
    let mut full = Schedule::new(limits, Policy::EachTier, &[vec![url("udp://a")]], Prng::new(1));
    assert_eq!(full.add(secs(0), url("udp://b"), 0), None);
}

#[test]
fn what_the_tracker_said_is_kept_and_shown() {
    let mut schedule = started(&[&["http://a/announce"]]);
    assert_eq!(schedule.inspect().next().map(|status| status.state), Some(TrackerState::Idle));
    let due = one_due(&mut schedule, secs(0));
    assert_eq!(schedule.inspect().next().map(|status| status.state), Some(TrackerState::Asking));
    let said = Reply {
        seeds: Some(3),
        leechers: Some(4),
        warning: Some("soon offline".into()),
        tracker_id: Some(Box::from(&b"xyz"[..])),
        ..reply(1800, None)
    };
    schedule.replied(secs(0), due, &said);
    assert_eq!(schedule.tracker_id(due.tracker), Some(&b"xyz"[..]));
    schedule.want_scrape();
    assert_eq!((schedule.due_scrape(), schedule.due_scrape()), (Some(due.tracker), None));
    let numbers = Scraped { info_hash: InfoHash([0; 20]), seeds: 5, leechers: 6, downloads: 7 };
    schedule.scraped(due.tracker, &numbers);
    let status = schedule.inspect().next().expect("one");
    assert_eq!((status.seeds, status.leechers, status.downloads), (Some(5), Some(6), Some(7)));
    assert_eq!((status.warning, status.state), (Some("soon offline"), TrackerState::Working));
    assert_eq!(status.next_announce, Some(schedule.deadline(Need::Nothing)));
}

/// BEP 27: "each peer MUST use only one tracker at a time and only switch between trackers when the current tracker fails".
#[test]
fn a_private_torrent_has_one_tracker_although_that_one_has_no_ipv6() {
    let mut schedule = schedule_with(1, Policy::FirstThatAnswers, &[&["udp://a"], &["udp://b"]]);
    schedule.listen(&Family::ALL);
    schedule.start(secs(0));
    let (four, six) = (one_due_of(&mut schedule, Family::V4), one_due_of(&mut schedule, Family::V6));
    assert_eq!((name(&schedule, four.tracker), name(&schedule, six.tracker)), ("a".into(), "a".into()));
    schedule.replied(secs(1), four, &reply(1800, None));
    schedule.failed(secs(1), six, Error::NoAddress);
    // It works, over the one family that it has.
    let others: Vec<String> =
        all_due(&mut schedule, secs(1)).iter().map(|due| name(&schedule, due.tracker)).collect();
    assert_eq!(others, Vec::<String>::new());
}

fn one_due_of(schedule: &mut Schedule, family: Family) -> Due {
    let due = schedule.due(secs(0), Need::Nothing, [1; 2]).expect("both families are due");
    assert_eq!(due.family, family);
    due
}
