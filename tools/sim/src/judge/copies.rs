//! Copies of pieces among the connected peers, and who is connected.

use std::collections::BTreeMap;

use tide_base::Bits;
use tide_engine::Survey;
use tide_engine::survey::{MemberSurvey, PeerSurvey, RoleSurvey, TorrentSurvey};

use super::oracle::{Compared, ensure};

/// The copies counted are those that the connected peers have.
pub(super) fn copies_counted(survey: &Survey) -> Compared {
    survey.torrents.iter().map(copies_of).sum()
}

fn copies_of(torrent: &TorrentSurvey) -> Compared {
    let key = torrent.key;
    let seeds = torrent.peers.iter().filter(|peer| !peer.has.is_empty() && peer.has.all()).count() as u32;
    let peers = torrent.peers.len() as u32;
    ensure(torrent.counted == (peers, seeds), || {
        let (counted, counted_seeds) = torrent.counted;
        format!("{key:?} counts {counted} peers and {counted_seeds} seeds; there are {peers} and {seeds}")
    })?;
    for piece in 0..torrent.layout.pieces() {
        let all = torrent.peers.iter().filter(|peer| peer.has.has(piece)).count() as u32;
        let counted = torrent.copies[piece as usize];
        ensure(counted == all, || {
            format!("{key:?} counts {counted} copies of piece {piece}; there are {all}")
        })?;
        if let Some(picker) = &torrent.picker_copies {
            let (counted, some) = (picker[piece as usize], all - seeds);
            ensure(counted == some, || {
                format!(
                    "{key:?}: the picker counts {counted} copies of piece {piece} beside seeds; there are {some}"
                )
            })?;
        }
    }
    Ok(u64::from(peers))
}

/// The torrent's peers are the crew's members, and these are the shard's connections.
pub(super) fn roster_agrees(survey: &Survey) -> Compared {
    let mut compared = 0;
    for torrent in &survey.torrents {
        let none = Vec::new();
        let members = survey.crew_of(torrent).map_or(&none, |crew| &crew.members);
        let peers: BTreeMap<_, &PeerSurvey> = torrent.peers.iter().map(|peer| (peer.key, peer)).collect();
        ensure(peers.len() == members.len(), || {
            format!("{:?} has {} peers, and its crew {} members", torrent.key, peers.len(), members.len())
        })?;
        // Between metadata and the opening of files the torrent knows how many pieces there are, and its crew does not.
        let learnt = survey.crew_of(torrent).is_some_and(|crew| crew.layout == torrent.layout);
        for member in members {
            let Some(peer) = peers.get(&member.peer) else {
                return Err(format!(
                    "{:?}: {} is a member and unknown to the torrent",
                    torrent.key, member.addr
                ));
            };
            same_peer(peer, member, learnt)
                .map_err(|text| format!("{:?}: {}: {text}", torrent.key, member.addr))?;
            compared += 1;
        }
    }
    for crew in &survey.crews {
        for member in &crew.members {
            let role = RoleSurvey::Member(crew.key, member.key);
            let conn = survey.desk.conns.iter().find(|conn| conn.conn == member.peer.conn);
            ensure(conn.is_some_and(|conn| conn.role == role), || {
                format!("{} is a member, and its connection is {conn:?}", member.addr)
            })?;
            let both = shared(&member.has, &crew.missing);
            ensure(member.interesting == both, || {
                format!("{} has {both} missing pieces, and {} are counted", member.addr, member.interesting)
            })?;
        }
    }
    let members: usize = survey.crews.iter().map(|crew| crew.members.len()).sum();
    let conns = survey.desk.conns.iter().filter(|conn| matches!(conn.role, RoleSurvey::Member(..))).count();
    ensure(members == conns, || format!("{conns} connections are members', and there are {members}"))?;
    Ok(compared)
}

fn same_peer(peer: &PeerSurvey, member: &MemberSurvey, learnt: bool) -> Result<(), String> {
    ensure(peer.has == member.has || !learnt, || {
        let differs = (0..peer.has.len()).find(|&piece| peer.has.has(piece) != member.has.has(piece));
        format!(
            "it has {:?} pieces, the torrent believes {:?}; piece {differs:?} differs",
            member.has, peer.has
        )
    })?;
    let interested = member.choking.their_interest == tide_peer::Interest::Interested;
    ensure(peer.interested == interested, || {
        format!("it is interested: {interested}, the torrent believes otherwise")
    })?;
    ensure(peer.addr == member.addr && peer.peer_id == member.peer_id, || {
        format!("the torrent knows it as {} {:?}", peer.addr, peer.peer_id)
    })
}

fn shared(a: &Bits, b: &Bits) -> u32 {
    a.words().iter().zip(b.words()).map(|(a, b)| (a & b).count_ones()).sum()
}
