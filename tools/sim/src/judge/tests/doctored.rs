//! Tables of real runs, doctored: whatever is changed, its oracle says so.

use tide_base::{PieceIndex, Prng, Span};
use tide_engine::survey::{
    BlockState, ConnSurvey, CrewSurvey, LeaseStage, LeaseSurvey, MemberSurvey, RoleSurvey, Stock,
    TorrentSurvey,
};
use tide_engine::{Limits, Survey};

use super::world::World;
use crate::judge::oracle::Compared;
use crate::judge::{Oracle, asks, bounds, copies, crash, credit, pieces, slots};

/// Changes a survey; `None` if there is nothing in it to be changed like that.
type Doctor = fn(&mut Survey) -> Option<()>;

/// A change, whose oracle it offends, and how that is asked.
type Case = (&'static str, Doctor, Oracle, fn(&Survey, &Limits) -> Compared);

fn torrent(survey: &mut Survey) -> Option<&mut TorrentSurvey> {
    survey.torrents.first_mut().filter(|torrent| torrent.is_active() && torrent.crew.is_some())
}

fn crew(survey: &mut Survey) -> Option<&mut CrewSurvey> {
    torrent(survey)?;
    survey.crews.first_mut().filter(|crew| !crew.disbanding)
}

fn lease(survey: &mut Survey) -> Option<&mut LeaseSurvey> {
    crew(survey)?.leases.iter_mut().find(|lease| !lease.doomed)
}

fn member(survey: &mut Survey) -> Option<&mut MemberSurvey> {
    crew(survey)?.members.first_mut()
}

fn first_had(torrent: &TorrentSurvey) -> Option<u32> {
    torrent.have.iter().next()
}

const CASES: &[Case] = &[
    (
        "a piece is had and open",
        |s| {
            let torrent = torrent(s)?;
            let piece = first_had(torrent)?;
            torrent.open.set(piece);
            Some(())
        },
        Oracle::OneState,
        |s, _| pieces::one_state(s),
    ),
    (
        "a wanted piece is forgotten",
        |s| {
            let torrent = torrent(s)?;
            let piece = torrent.open.iter().next()?;
            torrent.open.clear(piece);
            Some(())
        },
        Oracle::OneState,
        |s, _| pieces::one_state(s),
    ),
    (
        "the torrent forgets a lease",
        |s| torrent(s)?.leased.pop().map(drop),
        Oracle::Leases,
        |s, _| asks::leases_agree(s),
    ),
    (
        "another lease of the same piece",
        |s| {
            torrent(s)?.leased.first_mut()?.0.generation += 1;
            Some(())
        },
        Oracle::Leases,
        |s, _| asks::leases_agree(s),
    ),
    (
        "a crew tells of a piece too soon",
        |s| {
            let crew = crew(s)?;
            let piece = (0..crew.have.len()).find(|&piece| !crew.have.has(piece))?;
            crew.have.set(piece);
            Some(())
        },
        Oracle::Leases,
        |s, _| asks::leases_agree(s),
    ),
    (
        "a crew wants too little",
        |s| {
            let crew = crew(s)?;
            let piece = crew.missing.iter().next()?;
            crew.missing.clear(piece);
            Some(())
        },
        Oracle::Leases,
        |s, _| asks::leases_agree(s),
    ),
    (
        "a member is asked and the lease does not know",
        |s| {
            let lease = lease(s)?;
            let at = lease.blocks.iter().position(|block| matches!(block, BlockState::Asked(_)))?;
            lease.blocks[at] = BlockState::Free;
            Some(())
        },
        Oracle::Asks,
        |s, _| asks::asks_agree(s),
    ),
    (
        "an ask is lost",
        |s| crew(s)?.members.iter_mut().find_map(|member| member.asks.pop()).map(drop),
        Oracle::Asks,
        |s, _| asks::asks_agree(s),
    ),
    (
        "what was asked for is under no lease",
        |s| {
            let crew = crew(s)?;
            let piece =
                (0..crew.layout.pieces()).map(PieceIndex).find(|piece| crew.lease(*piece).is_none())?;
            let len = crew.layout.len_of(piece).min(crew.layout.block_len());
            crew.members.first_mut()?.asks.push(Span { piece, offset: 0, len });
            Some(())
        },
        Oracle::Asks,
        |s, _| asks::asks_agree(s),
    ),
    (
        "a lease with free blocks is not in the list",
        |s| {
            let crew = crew(s)?;
            crew.leases.iter_mut().find(|lease| lease.listed)?.listed = false;
            Some(())
        },
        Oracle::Asks,
        |s, _| asks::asks_agree(s),
    ),
    (
        "a piece is judged although it is not whole",
        |s| {
            let lease = lease(s).filter(|lease| lease.stage == LeaseStage::Filling)?;
            lease.stage = LeaseStage::Judging;
            Some(())
        },
        Oracle::Asks,
        |s, _| asks::asks_agree(s),
    ),
    (
        "too many are asked for one block",
        |s| {
            let blocks = &mut lease(s)?.blocks;
            *blocks.iter_mut().find(|block| matches!(block, BlockState::Asked(_)))? = BlockState::Asked(9);
            Some(())
        },
        Oracle::Endgame,
        asks::endgame_only,
    ),
    (
        "an endgame while pieces are open",
        |s| {
            torrent(s).filter(|torrent| !torrent.open.none())?;
            crew(s)?.endgame = true;
            Some(())
        },
        Oracle::Endgame,
        asks::endgame_only,
    ),
    (
        "a copy is not counted",
        |s| {
            let copies = &mut torrent(s)?.copies;
            *copies.iter_mut().find(|copies| **copies > 0)? -= 1;
            Some(())
        },
        Oracle::Copies,
        |s, _| copies::copies_counted(s),
    ),
    (
        "the picker counts a copy twice",
        |s| {
            *torrent(s)?.picker_copies.as_mut()?.first_mut()? += 1;
            Some(())
        },
        Oracle::Copies,
        |s, _| copies::copies_counted(s),
    ),
    (
        "a seed is not counted",
        |s| {
            torrent(s)?.counted.1 += 1;
            Some(())
        },
        Oracle::Copies,
        |s, _| copies::copies_counted(s),
    ),
    (
        "a peer left, and the crew was not told",
        |s| torrent(s)?.peers.pop().map(drop),
        Oracle::Roster,
        |s, _| copies::roster_agrees(s),
    ),
    (
        "a peer has a piece that nobody was told of",
        |s| {
            let member = member(s)?;
            let piece = (0..member.has.len()).find(|&piece| !member.has.has(piece))?;
            member.has.set(piece);
            Some(())
        },
        Oracle::Roster,
        |s, _| copies::roster_agrees(s),
    ),
    (
        "interest was not reported",
        |s| {
            let peer = torrent(s)?.peers.first_mut()?;
            peer.interested = !peer.interested;
            Some(())
        },
        Oracle::Roster,
        |s, _| copies::roster_agrees(s),
    ),
    (
        "a member's connection is another's",
        |s| {
            let conn = s.desk.conns.iter_mut().find(|conn| matches!(conn.role, RoleSurvey::Member(..)))?;
            conn.role = RoleSurvey::Incoming;
            Some(())
        },
        Oracle::Roster,
        |s, _| copies::roster_agrees(s),
    ),
    (
        "interesting pieces are miscounted",
        |s| {
            member(s)?.interesting += 1;
            Some(())
        },
        Oracle::Roster,
        |s, _| copies::roster_agrees(s),
    ),
    (
        "more have slots than there are",
        |s| {
            let torrent = torrent(s).filter(|torrent| !torrent.choker.taken.is_empty())?;
            torrent.choker.slots = torrent.choker.taken.len() as u32 - 1;
            Some(())
        },
        Oracle::Slots,
        slots::slots_kept,
    ),
    (
        "an unchoke that was not sent",
        |s| {
            let member = crew(s)?
                .members
                .iter_mut()
                .find(|member| member.choking.ours == tide_peer::Choke::Unchoked)?;
            member.choking.ours = tide_peer::Choke::Choked;
            Some(())
        },
        Oracle::Slots,
        slots::slots_kept,
    ),
    (
        "more slots than the session has",
        |s| {
            torrent(s)?.choker.slots = 1000;
            Some(())
        },
        Oracle::Slots,
        slots::slots_kept,
    ),
    (
        "too many requests wait",
        |s| {
            member(s)?.serves = 1000;
            Some(())
        },
        Oracle::Queues,
        bounds::queues_bounded,
    ),
    (
        "too much is lent",
        |s| {
            member(s)?.lent = 1 << 30;
            Some(())
        },
        Oracle::Queues,
        bounds::queues_bounded,
    ),
    (
        "too many disk jobs are under way",
        |s| {
            s.desk.volumes.first_mut()?.under_way = 1000;
            Some(())
        },
        Oracle::Queues,
        bounds::queues_bounded,
    ),
    (
        "too many hash jobs are under way",
        |s| {
            s.desk.hashing = 1000;
            Some(())
        },
        Oracle::Queues,
        bounds::queues_bounded,
    ),
    (
        "too many wait to be dialled",
        |s| {
            let crew = crew(s)?;
            crew.to_dial = vec![([10, 0, 0, 1], 1).into(); 65];
            Some(())
        },
        Oracle::Queues,
        bounds::queues_bounded,
    ),
    (
        "too many connections with one address",
        |s| {
            let conn: ConnSurvey = *s.desk.conns.first()?;
            s.desk.conns.extend([conn; 9]);
            Some(())
        },
        Oracle::Conns,
        bounds::conns_bounded,
    ),
    (
        "too many connections in all",
        |s| {
            let conn: ConnSurvey = *s.desk.conns.first()?;
            s.desk.conns.extend([conn; 501]);
            Some(())
        },
        Oracle::Conns,
        |s, limits| bounds::session_conns(std::slice::from_ref(s), limits),
    ),
    (
        "a chunk is lost",
        |s| {
            s.desk.memory += 64;
            Some(())
        },
        Oracle::Memory,
        |s, _| credit::memory_balance(s),
    ),
    (
        "a chunk that was lent came back twice",
        |s| {
            let lent =
                s.crews.iter_mut().flat_map(|crew| &mut crew.leases).flat_map(|lease| &mut lease.chunks);
            lent.into_iter().find(|chunk| chunk.0 == tide_engine::survey::ChunkPlace::Lent)?.0 =
                tide_engine::survey::ChunkPlace::Empty;
            Some(())
        },
        Oracle::Memory,
        |s, _| credit::memory_balance(s),
    ),
    (
        "credit for uploads is lost",
        |s| {
            s.desk
                .stocks
                .iter_mut()
                .find(|stock| stock.stock == Stock::UploadMemory && stock.granted > 0)?
                .used += 1;
            Some(())
        },
        Oracle::Stocks,
        |s, _| credit::shares_balance(s),
    ),
    (
        "credit for connections is lost",
        |s| {
            let stock = s.desk.stocks.iter_mut().find(|stock| stock.stock == Stock::HalfOpen)?;
            stock.used += 1;
            stock.granted += 1;
            Some(())
        },
        Oracle::Stocks,
        |s, _| credit::shares_balance(s),
    ),
    (
        "more is used than was granted",
        |s| {
            let stock = s.desk.stocks.first_mut()?;
            stock.used = stock.granted + 1;
            Some(())
        },
        Oracle::Stocks,
        |s, _| credit::within_grants(&s.desk.stocks),
    ),
    (
        "a share was made of nothing",
        |s| {
            s.treasury?;
            s.desk.stocks.first_mut()?.granted += 1 << 40;
            Some(())
        },
        Oracle::Session,
        |s, _| credit::session_shares(std::slice::from_ref(s)),
    ),
    (
        "a claim without the piece",
        |s| {
            let torrent = torrent(s)?;
            let piece = (0..torrent.have.len()).find(|&piece| !torrent.have.has(piece))?;
            torrent.checkpoint.claimed.set(piece);
            Some(())
        },
        Oracle::Resume,
        |s, _| crash::claims_are_had(s),
    ),
    (
        "a claim before the sync",
        |s| {
            let torrent = torrent(s)?;
            let piece = torrent.checkpoint.written.iter().next()?;
            torrent.checkpoint.claimed.set(piece);
            Some(())
        },
        Oracle::Resume,
        |s, _| crash::claims_are_had(s),
    ),
];

#[test]
fn whatever_is_doctored_is_noticed() {
    let mut noticed = vec![0; CASES.len()];
    let mut prng = Prng::new(1);
    for seed in 100..120 {
        let mut world = World::new(seed, 3, 1000);
        (0..3).for_each(|node| world.add(node));
        for _ in 0..120 {
            world.step();
            let node = prng.index(3);
            for survey in world.surveys().swap_remove(node) {
                let limits = world.all.nodes[node].setup.limits.clone();
                for (at, (what, doctor, oracle, ask)) in CASES.iter().enumerate() {
                    let mut doctored = survey.clone();
                    if doctor(&mut doctored).is_none() {
                        continue;
                    }
                    ask(&survey, &limits).unwrap_or_else(|text| panic!("{oracle}, before {what}: {text}"));
                    assert!(ask(&doctored, &limits).is_err(), "{oracle}: {what}");
                    noticed[at] += 1;
                }
            }
        }
    }
    for ((what, ..), times) in CASES.iter().zip(noticed) {
        assert!(times > 0, "{what}: there was never an occasion");
    }
}
