//! Whoever is banned stays so until the ban ends.

use std::collections::BTreeMap;
use std::net::IpAddr;

use tide_base::{Duration, Instant};
use tide_engine::{Event, Happening, Survey, TorrentKey};

use super::oracle::{Compared, ensure};
use super::same_ip;

/// As on shard 0: how long a ban lasts.
const BAN: Duration = Duration::from_secs(24 * 3600);

/// How long it may take until every shard has heard of a ban: mail is slow in the worst of worlds.
const SPREAD: Duration = Duration::from_secs(60);

/// Who was banned when.
#[derive(Debug, Default)]
pub(super) struct Banned {
    since: BTreeMap<IpAddr, (Instant, TorrentKey)>,
}

impl Banned {
    pub(super) fn event(&mut self, now: Instant, event: &Event) {
        if let Happening::Banned(ip) = event.what {
            self.since.entry(ip.to_canonical()).or_insert((now, event.torrent));
        }
    }

    pub(super) fn dialled(&self, now: Instant, to: IpAddr) -> Compared {
        let Some(&(since, by)) = self.since.get(&to.to_canonical()) else { return Ok(0) };
        let over = now < since + SPREAD || now >= since + BAN;
        ensure(over, || format!("{to} is dialled, and was banned by {by:?} at {since:?}"))?;
        Ok(1)
    }

    pub(super) fn survey(&self, now: Instant, survey: &Survey) -> Compared {
        if self.since.is_empty() {
            return Ok(0);
        }
        let in_force = |ip: IpAddr| {
            // The torrent that banned knows at once; the shard as soon as it has heard.
            let told = survey.bans.iter().any(|&(banned, until)| same_ip(banned, ip) && until > now);
            let since = self.since.get(&ip.to_canonical());
            told || since.is_some_and(|&(since, _)| now >= since + SPREAD && now < since + BAN)
        };
        for conn in survey.desk.conns.iter().filter(|conn| conn.role.is_peers()) {
            ensure(!in_force(conn.addr.ip()), || {
                format!("{} is banned, and there is a connection with it: {:?}", conn.addr, conn.role)
            })?;
        }
        for torrent in &survey.torrents {
            let banned = |ip: IpAddr| torrent.banned.iter().any(|&known| same_ip(known, ip));
            if let Some(peer) = torrent.peers.iter().find(|peer| banned(peer.addr.ip())) {
                return Err(format!("{:?} has banned {}, and it is connected", torrent.key, peer.addr));
            }
            let dialled =
                survey.crew_of(torrent).and_then(|crew| crew.to_dial.iter().find(|addr| banned(addr.ip())));
            if let Some(addr) = dialled {
                return Err(format!("{:?} has banned {addr}, and wants it to be dialled", torrent.key));
            }
        }
        Ok(self.since.len() as u64)
    }
}
