//! Leases, and the blocks asked for.

use std::collections::BTreeMap;

use tide_base::{BlockIndex, BlockRef, PieceIndex};
use tide_engine::survey::{BlockState, CrewSurvey, LeaseStage, LeaseSurvey, MemberSurvey};
use tide_engine::{Limits, Survey};

use super::oracle::{Compared, ensure};

/// The torrent has leased to its crew what the crew has under lease, and both know the same pieces.
pub(super) fn leases_agree(survey: &Survey) -> Compared {
    let mut compared = 0;
    for torrent in &survey.torrents {
        let Some(crew) = survey.crew_of(torrent) else {
            ensure(torrent.leased.is_empty() && torrent.crew.is_none(), || {
                format!("{:?} has leased {:?} to a crew that is not there", torrent.key, torrent.leased)
            })?;
            continue;
        };
        let theirs: Vec<_> = crew.leases.iter().map(|lease| lease.id).collect();
        let ours: Vec<_> = torrent.leased.iter().map(|(lease, _)| *lease).collect();
        ensure(ours == theirs, || {
            format!("{:?} has leased {ours:?}, and its crew has {theirs:?}", torrent.key)
        })?;
        compared += ours.len() as u64;
        // A crew on its way out is told nothing any more.
        if crew.disbanding || !torrent.is_active() {
            continue;
        }
        ensure(crew.have == torrent.have, || {
            let differs = (0..torrent.have.len()).find(|&i| torrent.have.has(i) != crew.have.has(i));
            let had = differs.is_some_and(|piece| torrent.have.has(piece));
            format!("{:?}: piece {differs:?} is had: {had}, and its crew believes otherwise", torrent.key)
        })?;
        let missing = |piece: &u32| torrent.wanted.has(*piece) && !torrent.have.has(*piece);
        let differs = (0..torrent.have.len()).find(|piece| missing(piece) != crew.missing.has(*piece));
        ensure(differs.is_none(), || {
            format!("{:?} and its crew do not agree whether piece {differs:?} is missing", torrent.key)
        })?;
        compared += 1;
    }
    for crew in &survey.crews {
        let home = survey.torrents.iter().any(|torrent| torrent.key == crew.torrent);
        ensure(
            home || crew.torrent.shard != survey.shard || crew.disbanding || survey.ending.is_some(),
            || format!("the crew of {:?} is there without its torrent", crew.torrent),
        )?;
    }
    Ok(compared)
}

/// What members are asked for is what the leases have as asked.
pub(super) fn asks_agree(survey: &Survey) -> Compared {
    survey.crews.iter().map(asks_of_crew).sum()
}

fn asks_of_crew(crew: &CrewSurvey) -> Compared {
    let mut asked: BTreeMap<BlockRef, u32> = BTreeMap::new();
    for member in &crew.members {
        for &span in &member.asks {
            let Some(block) = crew.layout.block(span) else {
                return Err(format!("{} is asked for {span:?}, which is no block", member.addr));
            };
            *asked.entry(block).or_default() += 1;
            ensure(crew.lease(block.piece).is_some(), || {
                format!("{} is asked for {span:?}, and the piece is not under lease", member.addr)
            })?;
        }
    }
    for lease in &crew.leases {
        asks_of_lease(lease, &asked).map_err(|text| format!("{:?}: {text}", crew.torrent))?;
    }
    Ok(asked.len() as u64)
}

fn asks_of_lease(lease: &LeaseSurvey, asked: &BTreeMap<BlockRef, u32>) -> Result<(), String> {
    let piece = lease.id.piece;
    for (i, state) in (0..).zip(&lease.blocks) {
        let members = asked.get(&BlockRef { piece, block: BlockIndex(i) }).copied().unwrap_or(0);
        let told = || format!("block {i} of piece {piece} is {state:?}, and {members} members are asked");
        match *state {
            // A doomed lease has cancelled and does not count any more.
            _ if lease.doomed => ensure(members == 0, told)?,
            BlockState::Free | BlockState::Here => ensure(members == 0, told)?,
            BlockState::Asked(n) => ensure(u32::from(n) == members, told)?,
        }
    }
    let free = lease.blocks.contains(&BlockState::Free);
    ensure(lease.listed == (free && !lease.doomed), || {
        format!("piece {piece} has blocks to hand out: {free}, and stands in the list: {}", lease.listed)
    })?;
    let whole = lease.blocks.iter().all(|block| *block == BlockState::Here);
    ensure(lease.doomed || whole == (lease.stage != LeaseStage::Filling), || {
        format!("piece {piece} is whole: {whole}, and {:?}", lease.stage)
    })?;
    // A whole piece goes on by a job, or waits for memory; but never by itself.
    let rests = matches!(lease.stage, LeaseStage::Judging | LeaseStage::Writing) && lease.jobs == 0;
    ensure(!rests, || format!("piece {piece} is {:?}, and nobody works on it", lease.stage))
}

/// A block is asked of several members only in the endgame, and of so many at most.
pub(super) fn endgame_only(survey: &Survey, limits: &Limits) -> Compared {
    let mut compared = 0;
    for crew in &survey.crews {
        for lease in &crew.leases {
            for (i, state) in lease.blocks.iter().enumerate() {
                let BlockState::Asked(n) = *state else { continue };
                // Whoever snubs us does not count: others are asked in his stead.
                let span = crew.layout.span(BlockRef { piece: lease.id.piece, block: BlockIndex(i as u32) });
                let snubs = |member: &&MemberSurvey| member.snubbed && member.asks.contains(&span);
                let snubbed = if n > 1 { crew.members.iter().filter(snubs).count() } else { 0 };
                let most = usize::from(limits.endgame_copies.max(1)) + snubbed;
                ensure(usize::from(n) <= most, || {
                    told(crew, lease.id.piece, i, n, &format!("{most} at most"))
                })?;
                compared += u64::from(n > 1);
            }
        }
    }
    // Whoever doubles must have nothing left to lease: what became open since ends the endgame.
    for torrent in survey.torrents.iter().filter(|torrent| torrent.is_active()) {
        let Some(crew) = survey.crew_of(torrent) else { continue };
        ensure(!crew.endgame || torrent.open.none() || crew.disbanding, || {
            format!("{:?} is in the endgame, and {:?} pieces are open", torrent.key, torrent.open)
        })?;
        compared += u64::from(crew.endgame);
    }
    Ok(compared)
}

fn told(crew: &CrewSurvey, piece: PieceIndex, block: usize, n: u8, most: &str) -> String {
    format!("{:?}: block {block} of piece {piece} is asked of {n} members: {most}", crew.torrent)
}
