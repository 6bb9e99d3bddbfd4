//! Oracles of what the world tells: each fires when something is told that must not be.

use std::net::SocketAddr;

use tide_base::{Bits, Duration, InfoHash, InfoHashes, Instant, PeerId, PieceIndex, Prng, ShardId, SlotKey};
use tide_disk::{JobId, Trouble, TroubleKind};
use tide_engine::{
    Answer, CommandId, Event, Happening, Limits, RateLimits, Shard, State, Survey, TorrentKey,
};

use tide_tracker::Event as Announce;

use super::world::{HASH, World};
use crate::judge::{Judge, Oracle, Said, Truth, Verdict, View, Way};
use crate::tracker::Statement;

/// A world of one node about which anything may be said.
struct Say {
    truth: Truth,
    rates: RateLimits,
    limits: Limits,
}

impl View for Say {
    fn truth(&self, _node: usize, _torrent: InfoHash, _piece: PieceIndex) -> Truth {
        self.truth
    }
    fn truth_of_claim(&self, node: usize, torrent: InfoHash, piece: PieceIndex) -> Truth {
        self.truth(node, torrent, piece)
    }
    fn limits(&self, _node: usize) -> &Limits {
        &self.limits
    }
    fn rates(&self, _node: usize) -> RateLimits {
        self.rates
    }
    fn rates_of(&self, _node: usize, _torrent: InfoHash) -> RateLimits {
        self.rates
    }
    fn shards(&self, _node: usize) -> u16 {
        1
    }
}

fn say() -> Say {
    Say { truth: Truth::Right, rates: RateLimits::default(), limits: Limits::default() }
}

fn judge() -> Judge {
    Judge::new(Prng::new(1), 1, 1)
}

fn at(secs: u64) -> Instant {
    Instant::from_secs(secs)
}

#[track_caller]
fn objects(verdict: Verdict, oracle: Oracle) {
    let finding = verdict.expect_err("something is wrong");
    assert_eq!(finding.oracle, oracle, "{finding}");
}

fn event(what: Happening) -> Event {
    let torrent = TorrentKey { shard: ShardId(0), slot: SlotKey::from_bits(1) };
    Event { torrent, info_hashes: InfoHashes::v1(HASH), what }
}

fn added() -> Event {
    event(Happening::Added { name: String::new(), size: 1, pieces: 1 })
}

#[test]
fn a_job_is_answered_once_and_was_asked_for() {
    let mut judge = judge();
    let (shard, id) = (ShardId(0), JobId(7));
    judge.job_out(at(1), 0, shard, id).expect("a first job");
    objects(judge.job_out(at(1), 0, shard, id), Oracle::Jobs);
    objects(judge.finished(at(1), 0), Oracle::Jobs);
    judge.job_done(at(2), 0, shard, id).expect("its answer");
    objects(judge.job_done(at(2), 0, shard, id), Oracle::Jobs);
    objects(judge.job_done(at(2), 0, ShardId(1), JobId(9)), Oracle::Jobs);
    judge.finished(at(3), 0).expect("nothing is out");
    assert!(judge.tally().of(Oracle::Jobs) >= 2);
}

#[test]
fn a_shard_waits_for_exactly_the_jobs_that_are_out() {
    let mut world = World::new(1, 1, 1000);
    world.add(0);
    let mut survey = world.surveys().swap_remove(0).swap_remove(0);
    let mut judge = judge();
    judge.after_turn(at(1), 0, ShardId(0), &survey, &say()).expect("it does nothing yet");
    judge.job_out(at(1), 0, ShardId(0), JobId(7)).expect("a job");
    objects(judge.after_turn(at(1), 0, ShardId(0), &survey, &say()), Oracle::Jobs);
    survey.desk.jobs.clear();
    let glance = world.all.nodes[0].shards[0].glance();
    objects(judge.glance(at(1), 0, &glance), Oracle::Jobs);
}

#[test]
fn a_command_is_answered_once() {
    let mut judge = judge();
    judge.commanded(at(1), 0, CommandId(1)).expect("a new command");
    objects(judge.finished(at(1), 0), Oracle::Commands);
    judge.replied(at(1), 0, CommandId(1), &Ok(Answer::Ok)).expect("its answer");
    objects(judge.replied(at(1), 0, CommandId(1), &Ok(Answer::Ok)), Oracle::Commands);
    objects(judge.replied(at(1), 0, CommandId(2), &Ok(Answer::Ok)), Oracle::Commands);
}

#[test]
fn time_goes_on() {
    let mut judge = judge();
    judge.commanded(at(5), 0, CommandId(1)).expect("a new command");
    objects(judge.commanded(at(4), 0, CommandId(2)), Oracle::Time);
    let world = World::new(1, 1, 1000);
    let mut glance = world.all.nodes[0].shards[0].glance();
    glance.outbox = 1;
    objects(judge.glance(at(5), 0, &glance), Oracle::Time);
    (glance.outbox, glance.mail) = (0, 1);
    objects(judge.glance(at(5), 0, &glance), Oracle::Time);
    glance.mail = 0;
    glance.wake = Some((at(3), tide_engine::Reason::Dial));
    let verdict: Verdict = (0..2000).try_for_each(|_| judge.glance(at(5), 0, &glance));
    objects(verdict, Oracle::Time);
}

#[test]
fn events_that_make_no_sense_are_noticed() {
    let started = || event(Happening::Started { done: 0, total: 1 });
    let complete = || event(Happening::Complete { bytes: 1, downloaded: 1, took: Duration::ZERO });
    let trouble = || Trouble { kind: TroubleKind::Io, path: None, errno: None };
    let bad: Vec<Vec<Event>> = vec![
        vec![started()],
        vec![added(), added()],
        vec![added(), event(Happening::Removed), started()],
        vec![added(), event(Happening::Seeding)],
        vec![added(), event(Happening::Recovered)],
        vec![added(), event(Happening::Stopped(trouble())), event(Happening::Stopped(trouble()))],
        vec![added(), event(Happening::Started { done: 2, total: 1 })],
        vec![added(), started(), complete(), complete()],
    ];
    for events in bad {
        let (mut judge, (last, before)) = (judge(), events.split_last().expect("some events"));
        for event in before {
            judge.event(at(1), 0, event).expect("these are in order");
        }
        objects(judge.event(at(1), 0, last), Oracle::Events);
    }
    // What is wanted now is another thing, and may be complete as well.
    let mut judge = judge();
    for event in [added(), started(), complete()] {
        judge.event(at(1), 0, &event).expect("these are in order");
    }
    judge.wants_else(0, complete().torrent, HASH);
    judge.event(at(1), 0, &complete()).expect("another selection");
    // So is what stops it when somebody has tried again; once.
    let stopped = event(Happening::Stopped(trouble()));
    judge.event(at(1), 0, &stopped).expect("trouble");
    judge.tries(0, complete().torrent);
    judge.event(at(1), 0, &stopped).expect("the same, as somebody tried");
    objects(judge.event(at(1), 0, &stopped), Oracle::Events);
}

#[test]
fn rates_are_kept_over_every_span() {
    let rates = RateLimits { down: Some(20_000), up: Some(20_000) };
    let view = Say { rates, ..say() };
    for way in [Way::Down, Way::Up] {
        let mut judge = judge();
        for second in 1..100 {
            judge.bytes(at(second), 0, Some(HASH), way, 20_000, &view).expect("the rate is kept");
        }
        let burst = crate::judge::rates::torrent_burst(20_000, 16 << 10);
        judge.bytes(at(100), 0, Some(HASH), way, burst - 10_000, &view).expect("a burst is let pass");
        objects(judge.bytes(at(100), 0, Some(HASH), way, 20_000, &view), Oracle::Rates);
        let mut judge = self::judge();
        objects(judge.bytes(at(1), 0, None, way, 200_000, &view), Oracle::Rates);
        let mut judge = self::judge();
        judge.bytes(at(1), 0, None, way, 1 << 30, &say()).expect("there is no limit");
        assert_eq!(judge.tally().of(Oracle::Rates), 0);
    }
}

/// A disk that is busy for a second holds up what was allowed meanwhile; that is let go at once, and no more than waits.
#[test]
fn reads_that_waited_for_a_disk_were_allowed_before() {
    let view = Say { rates: RateLimits { down: None, up: Some(20_000) }, ..say() };
    let burst = crate::judge::rates::torrent_burst(20_000, 16 << 10);
    let memory = view.limits(0).upload_memory;
    let held = memory.min(20_000 * 8);
    let (shard, job) = (ShardId(0), |id| JobId(id));
    for (busy, most) in [(false, burst), (true, burst + held)] {
        let mut judge = judge();
        judge.bytes(at(1), 0, Some(HASH), Way::Up, 1, &view).expect("the rate is known now");
        judge.job_out(at(2), 0, shard, job(1)).expect("a job");
        if !busy {
            judge.job_done(at(3), 0, shard, job(1)).expect("its answer");
        }
        judge.job_out(at(10), 0, shard, job(2)).expect("another one");
        judge.read(at(10), 0, shard, Some(HASH), most, &view).expect("it was allowed");
        objects(judge.read(at(10), 0, shard, Some(HASH), 1, &view), Oracle::Rates);
    }
    // An answer and the next job in one turn are no rest.
    let mut judge = judge();
    judge.bytes(at(1), 0, Some(HASH), Way::Up, 1, &view).expect("the rate is known now");
    judge.job_out(at(2), 0, shard, job(1)).expect("a job");
    judge.job_done(at(10), 0, shard, job(1)).expect("its answer");
    judge.job_out(at(10), 0, shard, job(2)).expect("what waited");
    judge.read(at(10), 0, shard, Some(HASH), burst + held, &view).expect("it was allowed");
    // What went out late counts for the spans that begin there, however long they are.
    judge.job_done(at(10), 0, shard, job(2)).expect("its answer");
    for second in 11..100 {
        judge.bytes(at(second), 0, Some(HASH), Way::Up, 20_000, &view).expect("the rate is kept");
    }
    objects(judge.bytes(at(99), 0, Some(HASH), Way::Up, 1, &view), Oracle::Rates);
}

#[test]
fn a_limit_that_is_on_its_way_binds_nobody_and_one_that_has_come_does() {
    let view = Say { rates: RateLimits { down: Some(20_000), up: Some(20_000) }, ..say() };
    for way in [Way::Down, Way::Up] {
        for unlimited_before in [true, false] {
            let mut judge = judge();
            if unlimited_before {
                judge.bytes(at(1), 0, None, way, 1 << 20, &say()).expect("there is no limit");
            }
            judge.rates_ordered(0, None);
            judge.bytes(at(9), 0, None, way, 1 << 20, &view).expect("it may be on its way");
            objects(judge.bytes(at(11), 0, None, way, 1 << 20, &view), Oracle::Rates);
        }
    }
}

#[test]
fn dials_are_counted() {
    let (mut judge, to) = (judge(), SocketAddr::from(([10, 0, 0, 2], 1)));
    for tick in 0..300 {
        judge.dialled(Instant::from_millis(tick * 34), 0, to, &say()).expect("thirty a second");
    }
    let verdict = (0..10).try_for_each(|_| judge.dialled(at(20), 0, to, &say()));
    objects(verdict, Oracle::Dials);
}

#[test]
fn resume_data_claim_what_is_there() {
    let (mut judge, mut claimed) = (judge(), Bits::new(3));
    claimed.set(1);
    judge.resumed(at(1), 0, HASH, Some(&claimed), &say()).expect("it is there");
    assert_eq!(judge.tally().of(Oracle::Resume), 1);
    judge.resumed(at(1), 0, HASH, None, &Say { truth: Truth::Wrong, ..say() }).expect("nothing is claimed");
    let damaged = Say { truth: Truth::Damaged, ..say() };
    judge.resumed(at(1), 0, HASH, Some(&claimed), &damaged).expect("the world did that");
    assert_eq!(judge.tally().of(Oracle::Resume), 1, "nothing was compared");
    let wrong = Say { truth: Truth::Wrong, ..say() };
    objects(judge.resumed(at(1), 0, HASH, Some(&claimed), &wrong), Oracle::Resume);
}

#[test]
fn trackers_are_asked_no_sooner_than_they_allow() {
    let minutes = |n: u64| Duration::from_secs(60 * n);
    let asked = |judge: &mut Judge, secs, said| judge.announced(at(secs), 0, HASH, 1, said);
    let mut judge = judge();
    asked(&mut judge, 1, Said::Event).expect("the first time");
    judge.answered(at(2), 0, HASH, 1, Some((None, minutes(30))));
    objects(asked(&mut judge, 3, Said::Nothing), Oracle::Trackers);
    asked(&mut judge, 3, Said::Event).expect("something happened");
    asked(&mut judge, 62, Said::ByHand).expect("somebody wants it, a minute later");
    objects(asked(&mut judge, 61, Said::Nothing), Oracle::Time);
    objects(asked(&mut judge, 1700, Said::Nothing), Oracle::Trackers);
    asked(&mut judge, 1802, Said::Nothing).expect("thirty minutes later");
    judge.answered(at(1802), 0, HASH, 1, Some((Some(minutes(5)), minutes(30))));
    objects(asked(&mut judge, 1900, Said::ByHand), Oracle::Trackers);
    asked(&mut judge, 2102, Said::Nothing).expect("five minutes later");
    judge.answered(at(2103), 0, HASH, 1, None);
    objects(asked(&mut judge, 2110, Said::Nothing), Oracle::Trackers);
    asked(&mut judge, 2118, Said::Nothing).expect("it failed, and time has passed");
    judge.started(at(2118), 0).expect("a new process");
    asked(&mut judge, 2118, Said::Nothing).expect("which knows of nothing");
}

#[test]
fn trackers_are_told_what_is_so() {
    let said = |event, left, uploaded| Statement {
        info_hash: HASH,
        peer_id: PeerId([1; 20]),
        event,
        left,
        uploaded,
    };
    let mut judge = judge();
    judge.told_tracker(at(1), 0, &said(Announce::Started, 10, 0)).expect("it lacks something");
    objects(judge.told_tracker(at(1), 0, &said(Announce::Completed, 0, 0)), Oracle::Announced);
    judge.event(at(1), 0, &added()).expect("it is added");
    judge.event(at(1), 0, &event(Happening::Started { done: 0, total: 1 })).expect("it starts");
    let complete = Happening::Complete { bytes: 1, downloaded: 1, took: Duration::ZERO };
    judge.event(at(1), 0, &event(complete)).expect("it is complete");
    judge.told_tracker(at(1), 0, &said(Announce::Completed, 0, 0)).expect("it was complete");
    judge.bytes(at(1), 0, Some(HASH), Way::Up, 64, &say()).expect("there is no limit");
    judge.started(at(2), 0).expect("a new process, which goes on from resume data");
    judge.told_tracker(at(2), 0, &said(Announce::None, 0, 64)).expect("so much was read");
    objects(judge.told_tracker(at(2), 0, &said(Announce::None, 0, 65)), Oracle::Announced);
    assert_eq!(judge.tally().of(Oracle::Announced), 2);
    judge.mangled();
    judge.told_tracker(at(2), 0, &said(Announce::None, 0, 65)).expect("nobody knows who changed that");
}

#[test]
fn peers_of_a_private_torrent_are_told_of_nobody() {
    objects(judge().told_secret(at(1), 0, HASH, "peers are exchanged"), Oracle::Private);
}

/// A leecher with members, and its judge so far.
fn connected() -> (World, usize, Survey) {
    (0..100).find_map(connected_in).expect("somebody is connected in some world")
}

fn connected_in(seed: u64) -> Option<(World, usize, Survey)> {
    let mut world = World::new(seed, 3, 1000);
    (0..3).for_each(|node| world.add(node));
    for _ in 0..400 {
        world.step();
        for node in 1..3 {
            let surveys = world.surveys().swap_remove(node);
            let found = surveys.into_iter().find(|survey| {
                let active =
                    survey.torrents.iter().any(|torrent| torrent.is_active() && torrent.have.count() > 1);
                active && survey.crews.iter().any(|crew| crew.members.iter().any(|m| m.outgoing))
            });
            if let Some(survey) = found {
                return Some((world, node, survey));
            }
        }
    }
    None
}

/// The judge of a node on which jobs are out as in the survey.
fn judge_of(survey: &Survey) -> Judge {
    let mut judge = judge();
    for job in survey.desk.jobs.iter().filter(|job| job.sent) {
        judge.job_out(at(1), 0, survey.shard, job.id).expect("a job");
    }
    judge
}

#[test]
fn whoever_is_banned_is_neither_met_nor_dialled() {
    let (world, node, mut survey) = connected();
    let view = Say { limits: world.all.nodes[node].setup.limits.clone(), ..say() };
    let peer = survey.crews.iter().flat_map(|crew| &crew.members).next().expect("a member").addr;
    let turn =
        |judge: &mut Judge, now, survey: &Survey| judge.after_turn(now, 0, survey.shard, survey, &view);
    let mut judge = judge_of(&survey);
    turn(&mut judge, at(2), &survey).expect("nobody is banned");
    judge.event(at(2), 0, &added()).expect("the torrent is added");
    judge.event(at(2), 0, &event(Happening::Banned(peer.ip()))).expect("it may be banned");
    survey.torrents.iter_mut().for_each(|torrent| torrent.banned.push(peer.ip()));
    objects(turn(&mut judge, at(2), &survey), Oracle::Bans);
    survey.torrents.iter_mut().for_each(|torrent| torrent.banned.clear());
    turn(&mut judge, at(3), &survey).expect("other torrents hear of it by mail");
    survey.bans.push((peer.ip(), at(90_000)));
    objects(turn(&mut judge, at(3), &survey), Oracle::Bans);
    survey.bans.clear();
    objects(turn(&mut judge, at(100), &survey), Oracle::Bans);
    objects(judge.dialled(at(100), 0, peer, &view), Oracle::Bans);
    judge.dialled(at(90_000), 0, peer, &view).expect("the ban has ended");
}

#[test]
fn a_private_torrent_meets_whom_its_trackers_name() {
    let (world, node, mut survey) = connected();
    let view = Say { limits: world.all.nodes[node].setup.limits.clone(), ..say() };
    let named: Vec<SocketAddr> =
        survey.crews.iter().flat_map(|crew| &crew.members).map(|member| member.addr).collect();
    survey.torrents.iter_mut().for_each(|torrent| torrent.private = true);
    survey.crews.iter_mut().for_each(|crew| crew.to_dial.clear());
    survey.desk.conns.retain(|conn| !conn.role.is_half_open() && !conn.role.is_strangers());
    let unmet = |stock| {
        use tide_engine::survey::Stock;
        matches!(stock, Stock::HalfOpen | Stock::Strangers)
    };
    let unmet = survey.desk.stocks.iter_mut().filter(|stock| unmet(stock.stock));
    let open: u64 = unmet.map(|stock| std::mem::take(&mut stock.used)).sum();
    survey
        .desk
        .stocks
        .iter_mut()
        .filter(|s| s.stock == tide_engine::survey::Stock::Peers)
        .for_each(|s| s.used -= open);
    let mut judge = judge_of(&survey);
    objects(judge.after_turn(at(2), 0, survey.shard, &survey, &view), Oracle::Private);
    judge.told_of(0, HASH, named);
    judge.after_turn(at(2), 0, survey.shard, &survey, &view).expect("all were named");
    assert_eq!(judge.tally().of(Oracle::Private), 1);
}

#[test]
fn what_is_had_was_written_is_there_and_stays() {
    let (world, node, survey) = connected();
    let view = |truth| Say { truth, limits: world.all.nodes[node].setup.limits.clone(), ..say() };
    let turn = |judge: &mut Judge, survey: &Survey, truth| {
        judge.after_turn(at(2), 0, survey.shard, survey, &view(truth))
    };
    let mut judge = judge_of(&survey);
    objects(turn(&mut judge, &survey, Truth::Wrong), Oracle::Truth);
    for truth in [Truth::Wrong, Truth::Damaged] {
        let had = survey.torrents.iter().find(|torrent| torrent.have.count() > 0).expect("one with pieces");
        objects(judge.all_true(at(2), 0, had, &view(truth)), Oracle::Truth);
    }
    // Seen with a piece less, it has one more the next time.
    let torrent = survey.torrents.iter().find(|torrent| torrent.have.count() > 1).expect("one with pieces");
    let (piece, len) = (PieceIndex(torrent.have.iter().next().expect("a piece")), torrent.layout.piece_len());
    let mut less = survey.clone();
    for torrent in &mut less.torrents {
        torrent.have.clear(piece.0);
        torrent.open.set(piece.0);
        torrent.checkpoint.claimed.clear(piece.0);
        torrent.checkpoint.written.clear(piece.0);
    }
    for crew in &mut less.crews {
        crew.have.clear(piece.0);
        crew.missing.set(piece.0);
        crew.endgame = false;
        for member in crew.members.iter_mut().filter(|member| member.has.has(piece.0)) {
            member.interesting += 1;
        }
    }
    let before = || {
        let mut judge = judge_of(&less);
        turn(&mut judge, &less, Truth::Right).expect("it has a piece less");
        judge
    };
    objects(turn(&mut before(), &survey, Truth::Right), Oracle::Written);
    objects(before().told_have(at(2), 0, HASH, piece), Oracle::Written);
    objects(before().serves(at(2), 0, HASH, piece), Oracle::Written);
    let mut judge = before();
    judge.written(0, HASH, piece, 0, 1);
    objects(turn(&mut judge, &survey, Truth::Right), Oracle::Written);
    let mut judge = before();
    judge.written(0, HASH, piece, 32, u64::from(len) - 32);
    judge.written(0, HASH, piece, 0, 32);
    judge.told_have(at(2), 0, HASH, piece).expect("it was written");
    turn(&mut judge, &survey, Truth::Right).expect("all of it was written");
    objects(turn(&mut judge, &less, Truth::Right), Oracle::Keeps);
    judge.event(at(2), 0, &added()).expect("it is added");
    let mut judge = judge_of(&survey);
    turn(&mut judge, &survey, Truth::Right).expect("it is there");
    judge.event(at(2), 0, &added()).expect("it is added");
    turn(&mut judge, &less, Truth::Right).expect("everything was looked at anew");
}

#[test]
fn too_many_are_not_served_for_longer_than_a_round() {
    let (world, node, mut survey) = connected();
    let view = Say { limits: world.all.nodes[node].setup.limits.clone(), ..say() };
    for (torrent, crew) in survey.torrents.iter_mut().zip(&mut survey.crews) {
        torrent.choker.taken.clear();
        (torrent.choker.optimistic, torrent.choker.slots) = (None, 0);
        torrent.peers.iter_mut().for_each(|peer| (peer.interested, peer.unchoked) = (true, true));
        for member in &mut crew.members {
            member.choking.ours = tide_peer::Choke::Unchoked;
            member.choking.their_interest = tide_peer::Interest::Interested;
        }
    }
    let mut judge = judge_of(&survey);
    judge.after_turn(at(2), 0, survey.shard, &survey, &view).expect("the next round ends it");
    objects(judge.after_turn(at(30), 0, survey.shard, &survey, &view), Oracle::Slots);
}

#[test]
fn who_waits_for_ever_is_treated_unfairly() {
    let (world, node, mut survey) = connected();
    let view = Say { limits: world.all.nodes[node].setup.limits.clone(), ..say() };
    for (torrent, crew) in survey.torrents.iter_mut().zip(&mut survey.crews) {
        assert!(matches!(torrent.state, State::Downloading | State::Seeding));
        torrent.choker.taken.clear();
        torrent.choker.optimistic = None;
        // Who has no slots cannot deal them out.
        torrent.choker.slots = 1;
        for peer in &mut torrent.peers {
            (peer.interested, peer.unchoked, peer.upload_only) = (true, false, false);
        }
        for member in &mut crew.members {
            member.choking.ours = tide_peer::Choke::Choked;
            member.choking.their_interest = tide_peer::Interest::Interested;
        }
    }
    let mut judge = judge_of(&survey);
    for secs in [2, 100, 200] {
        judge.after_turn(at(secs), 0, survey.shard, &survey, &view).expect("everybody waits a while");
    }
    objects(judge.after_turn(at(4000), 0, survey.shard, &survey, &view), Oracle::Fair);
    let shard: &Shard = &world.all.nodes[node].shards[0];
    assert_eq!(shard.survey().turns, shard.glance().turns);
}
