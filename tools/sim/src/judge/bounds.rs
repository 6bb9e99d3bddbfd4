//! Queues and connections, each within its limit.

use std::collections::BTreeMap;

use tide_base::BlockIndex;
use tide_engine::survey::RoleSurvey;
use tide_engine::torrent::book::BookLimits;
use tide_engine::{Limits, Survey};

use super::oracle::{Compared, ensure};

/// As in crews: addresses that may wait to be dialled.
const TO_DIAL: usize = 64;

/// Each queue is within its limit.
pub(super) fn queues_bounded(survey: &Survey, limits: &Limits) -> Compared {
    for volume in &survey.desk.volumes {
        ensure(volume.under_way <= limits.disk_jobs, || {
            format!(
                "{} disk jobs of {:?} are under way of {}",
                volume.under_way, volume.volume, limits.disk_jobs
            )
        })?;
    }
    ensure(survey.desk.hashing <= limits.hash_jobs, || {
        format!("{} hash jobs are under way of {}", survey.desk.hashing, limits.hash_jobs)
    })?;
    ensure(survey.torrents.len() as u32 <= limits.torrents, || "there are too many torrents".to_owned())?;
    for torrent in &survey.torrents {
        let (most, key) = (BookLimits::DEFAULT, torrent.key);
        ensure(torrent.book.len() <= most.addresses, || {
            format!("{key:?} knows {} addresses of {}", torrent.book.len(), most.addresses)
        })?;
        ensure(torrent.banned.len() <= most.bans, || {
            format!("{key:?} bans {} addresses", torrent.banned.len())
        })?;
    }
    let mut compared = 0;
    for crew in &survey.crews {
        let key = crew.torrent;
        ensure(crew.leases.len() as u32 <= limits.leases, || {
            format!("{key:?} has {} pieces under lease of {}", crew.leases.len(), limits.leases)
        })?;
        ensure(crew.to_dial.len() <= TO_DIAL, || {
            format!("{key:?}: {} wait to be dialled", crew.to_dial.len())
        })?;
        for lease in &crew.leases {
            for &(block, _) in &lease.writers {
                ensure(holds(crew.layout, lease.id.piece, block), || {
                    format!(
                        "{key:?}: block {block:?} of piece {} is written, and does not exist",
                        lease.id.piece
                    )
                })?;
            }
        }
        for member in &crew.members {
            let at = member.addr;
            ensure(member.asks.len() as u32 <= limits.peer.asks, || {
                format!("{at} is asked for {} blocks of {}", member.asks.len(), limits.peer.asks)
            })?;
            ensure(member.serves <= limits.peer.serves, || {
                format!("{at} waits for {} blocks of {}", member.serves, limits.peer.serves)
            })?;
            // A read may go beyond it by what one read takes.
            let ahead = u64::from(limits.upload_ahead) + u64::from(limits.read_len);
            ensure(member.lent <= ahead, || format!("{} bytes are lent for {at}, of {ahead}", member.lent))?;
            compared += 1;
        }
    }
    Ok(compared + survey.desk.jobs.len() as u64)
}

fn holds(layout: tide_base::Layout, piece: tide_base::PieceIndex, block: BlockIndex) -> bool {
    block.0 < layout.blocks_in(piece)
}

/// Connections of one shard are within the limits of a torrent and of an address.
pub(super) fn conns_bounded(survey: &Survey, limits: &Limits) -> Compared {
    for crew in &survey.crews {
        ensure(crew.members.len() as u32 <= limits.peers_per_torrent, || {
            format!("{:?} has {} members of {}", crew.torrent, crew.members.len(), limits.peers_per_torrent)
        })?;
    }
    let mut per_ip = BTreeMap::new();
    let peers = survey.desk.conns.iter().filter(|conn| conn.role.is_peers());
    for conn in peers {
        let count = per_ip.entry(conn.addr.ip()).or_insert(0_u32);
        *count += 1;
        ensure(*count <= limits.peers_per_ip, || {
            format!("{} connections with {}, of {}", count, conn.addr.ip(), limits.peers_per_ip)
        })?;
    }
    Ok(per_ip.len() as u64)
}

/// Connections of a whole session.
pub(super) fn session_conns(surveys: &[Survey], limits: &Limits) -> Compared {
    let count = |which: &dyn Fn(RoleSurvey) -> bool| {
        surveys.iter().flat_map(|survey| &survey.desk.conns).filter(|conn| which(conn.role)).count() as u32
    };
    let all = count(&|role| role.is_peers());
    let half_open = count(&RoleSurvey::is_half_open);
    let dials = limits.half_open.min(limits.peers / 2);
    ensure(half_open <= dials, || format!("{half_open} connections are half-open of {dials}"))?;
    let strangers = count(&RoleSurvey::is_strangers);
    ensure(strangers <= limits.strangers, || {
        format!("{strangers} strangers are in, of {}", limits.strangers)
    })?;
    ensure(all <= limits.peers, || format!("{all} connections with peers of {}", limits.peers))?;
    Ok(u64::from(all))
}
