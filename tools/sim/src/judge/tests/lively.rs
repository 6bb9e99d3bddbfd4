//! Whoever waits is named, and for whom; whoever wakes for nothing is.

use std::net::SocketAddr;

use tide_base::{Duration, Instant, PieceIndex};
use tide_disk::{Trouble, TroubleKind};
use tide_engine::{Reason, State, Survey, TorrentCommand};

use super::world::{HASH, World};
use crate::judge::{Liveness, NodeView, Oracle, Quiet, Waiting, Why};

/// A seed and a leecher whose first steps are over, while pieces are missing.
fn begun() -> World {
    (0..200)
        .find_map(|seed| {
            let mut world = World::new(seed, 2, 1000);
            (0..2).for_each(|node| world.add(node));
            for _ in 0..60 {
                world.step();
                let surveys = world.surveys();
                let met = |survey: &Survey| {
                    survey.crews.iter().any(|crew| {
                        crew.members.iter().any(|m| m.choking.theirs == tide_peer::Choke::Unchoked)
                    })
                };
                let lacks = surveys[1]
                    .iter()
                    .flat_map(|s| &s.torrents)
                    .any(|t| t.is_active() && !t.lacking().is_empty());
                if lacks && surveys[1].iter().any(met) {
                    return Some(world);
                }
            }
            None
        })
        .expect("some leecher is unchoked before it is complete")
}

/// Who waits once the surveys were doctored.
fn pending(world: &World, doctor: impl FnOnce(&mut [Vec<Survey>])) -> (Vec<Waiting>, bool) {
    let mut surveys = world.surveys();
    doctor(&mut surveys);
    let listens = [[world.all.nodes[0].addr], [world.all.nodes[1].addr]];
    let views: Vec<NodeView<'_>> = (0..2)
        .map(|node| NodeView {
            node,
            surveys: &surveys[node],
            listens: &listens[node],
            peer_id: world.all.nodes[node].setup.peer_id,
        })
        .collect();
    let live = Liveness::new(world.now, 0..2, Duration::from_secs(60));
    (live.pending(&views), live.judge(world.now, &views).is_err())
}

fn torrents(surveys: &mut [Survey]) -> impl Iterator<Item = &mut tide_engine::survey::TorrentSurvey> {
    surveys.iter_mut().flat_map(|survey| &mut survey.torrents)
}

fn members(surveys: &mut [Survey]) -> impl Iterator<Item = &mut tide_engine::survey::MemberSurvey> {
    surveys.iter_mut().flat_map(|survey| &mut survey.crews).flat_map(|crew| &mut crew.members)
}

#[test]
fn a_stall_is_explained_by_whom_it_waits_for() {
    let world = begun();
    let all = |waiting: &[Waiting], which: fn(&Why) -> bool| {
        !waiting.is_empty()
            && waiting.iter().any(|w| w.node == 1 && w.torrent == HASH && w.why.iter().any(which))
    };
    let (waiting, blamed) = pending(&world, |surveys| {
        members(&mut surveys[1]).for_each(|m| m.choking.theirs = tide_peer::Choke::Choked);
    });
    assert!(blamed && all(&waiting, |why| matches!(why, Why::Chokes(0, ..))), "{waiting:?}");
    let (waiting, blamed) = pending(&world, |surveys| {
        members(&mut surveys[1]).for_each(|m| m.choking.our_interest = tide_peer::Interest::NotInterested);
    });
    assert!(blamed && all(&waiting, |why| *why == Why::NotInterested(0)), "{waiting:?}");
    let (waiting, blamed) = pending(&world, |surveys| {
        surveys.iter_mut().flatten().for_each(|survey| {
            survey.crews.clear();
            survey.desk.conns.clear();
            survey.torrents.iter_mut().for_each(|torrent| torrent.book.clear());
        });
    });
    assert!(blamed && all(&waiting, |why| *why == Why::NoAddress(0)), "{waiting:?}");
    let (waiting, blamed) = pending(&world, |surveys| members(&mut surveys[1]).for_each(|m| m.asks.clear()));
    assert!(blamed && all(&waiting, |why| matches!(why, Why::Idle(0, ..))), "{waiting:?}");
    assert!(waiting.iter().all(|waiting| waiting.to_string().contains("node 1 lacks")), "{waiting:?}");
}

#[test]
fn what_nobody_can_help_is_excused() {
    let world = begun();
    let (waiting, blamed) = pending(&world, |surveys| {
        torrents(&mut surveys[0]).for_each(|torrent| torrent.have = tide_base::Bits::new(torrent.have.len()));
        // What is whole already is not waited for.
        torrents(&mut surveys[1]).for_each(|torrent| torrent.leased.clear());
        surveys.iter_mut().flatten().for_each(|survey| survey.crews.clear());
        torrents(&mut surveys[0]).for_each(|torrent| torrent.wanted = torrent.have.clone());
    });
    assert!(!blamed && waiting.iter().all(|w| w.excused() == Some(&Why::NoHolder)), "{waiting:?}");
    for (kind, excused) in [(TroubleKind::Denied, true), (TroubleKind::Full, false)] {
        let (waiting, blamed) = pending(&world, |surveys| {
            torrents(&mut surveys[1]).for_each(|torrent| {
                torrent.state = State::Stopped;
                torrent.trouble = Some(Trouble { kind, path: None, errno: None });
            });
        });
        assert_eq!((blamed, waiting.is_empty()), (!excused, false), "{waiting:?}");
    }
}

#[test]
fn the_budget_begins_anew_with_all_progress() {
    let mut live = Liveness::new(Instant::ZERO, [0, 1], Duration::from_secs(60));
    live.progress(Instant::from_secs(50), 1);
    assert!(!live.is_stalled(Instant::from_secs(110)));
    live.progress(Instant::from_secs(100), 1);
    assert!(live.is_stalled(Instant::from_secs(111)));
    assert_eq!(live.core().collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn a_node_that_wakes_for_nothing_is_named_with_its_reason() {
    let world = begun();
    let surveys = world.surveys();
    let mut quiet = Quiet::new(world.now, 1);
    (0..3).for_each(|_| quiet.woke(Reason::Choke));
    let later = world.now + Duration::from_secs(60);
    assert_eq!(quiet.judge(later, &surveys[1]), Ok(()));
    quiet.woke(Reason::Choke);
    let finding = quiet.judge(later, &surveys[1]).expect_err("rounds for nobody");
    assert!(finding.oracle == Oracle::Quiet && finding.text.contains("Choke"), "{finding}");
    assert_eq!(quiet.judge(world.now + Duration::from_secs(120), &surveys[1]), Ok(()));
}

#[test]
fn who_waits_to_dial_wakes_for_its_turn_and_nobody_else_does() {
    let world = begun();
    let surveys = world.surveys();
    let later = world.now + Duration::from_secs(60);
    let mut quiet = Quiet::new(world.now, 1);
    let dead = SocketAddr::from(([10, 9, 0, 1], 6881));
    (0..8).for_each(|_| quiet.dialled(dead));
    (0..8).for_each(|_| quiet.woke(Reason::Refill));
    assert_eq!(quiet.judge(later, &surveys[1]), Ok(()));
    (0..8).for_each(|_| quiet.woke(Reason::Refill));
    let finding = quiet.judge(later, &surveys[1]).expect_err("shares that nobody needs");
    assert!(finding.text.contains("Refill"), "{finding}");
    let mut quiet = Quiet::new(world.now, 1);
    (0..100).for_each(|_| quiet.dialled(dead));
    let finding = quiet.judge(later, &surveys[1]).expect_err("one peer dialled again and again");
    assert!(finding.text.contains("dialled"), "{finding}");
}

#[test]
fn visitors_are_news_once_each() {
    let world = begun();
    let surveys = world.surveys();
    let later = world.now + Duration::from_secs(60);
    let told = |visitors: u64, times: u64| {
        let mut quiet = Quiet::new(world.now, 1);
        (0..visitors).for_each(|_| quiet.accepted());
        (0..times).for_each(|_| quiet.woke(Reason::Gossip));
        quiet.judge(later, &surveys[1])
    };
    let without = (0..).find(|&times| told(0, times + 1).is_err()).expect("gossip without end is too much");
    assert_eq!((told(7, without + 7), told(0, without)), (Ok(()), Ok(())));
    let finding = told(7, without + 8).expect_err("more gossip than news");
    assert!(finding.text.contains("Gossip"), "{finding}");
}

#[test]
fn an_idle_pair_has_nothing_pending() {
    let mut world = World::new(7, 2, 1);
    (0..2).for_each(|node| world.add(node));
    for _ in 0..20_000 {
        world.step();
    }
    assert!(world.all_complete() && world.finding.is_none(), "{:?}", world.finding);
    let (waiting, blamed) = pending(&world, |_| {});
    assert!(waiting.is_empty() && !blamed);
    world.tell(1, TorrentCommand::Pause);
    let (waiting, _) = pending(&world, |surveys| {
        for torrent in torrents(&mut surveys[1]) {
            torrent.have.clear(PieceIndex(0).0);
        }
    });
    assert_eq!(waiting.len(), 1);
}
