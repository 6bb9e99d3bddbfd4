//! A scenario as lines: all that was drawn, one thing a line.

use std::fmt;

use super::{DhtPlan, MutantPlan, NodePlan, Scenario, TorrentPlan};
use crate::disk::ContentSpec;
use crate::net::HostSpec;

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limits = if self.tiny { "tiny" } else { "real" };
        writeln!(f, "limits    {limits}, judges look every {} turns", self.look_every)?;
        writeln!(f, "acts      {:?} of mishaps, ticks to {:?}", self.first_act, self.tick)?;
        let net = &self.net;
        writeln!(
            f,
            "net       mss {} mtu {} window {} send buffer {}",
            net.mss, net.mtu, net.window, net.send_buffer
        )?;
        for (i, (content, private)) in self.contents.iter().zip(&self.private).enumerate() {
            let private = if *private { " private" } else { "" };
            let genuine = if self.genuine[i] { ", with an info dictionary" } else { "" };
            writeln!(f, "torrent {i} {content}{private}{genuine}")?;
        }
        for (i, node) in self.nodes.iter().enumerate() {
            writeln!(f, "node {i}    {node}")?;
            node.torrents.iter().try_for_each(|torrent| writeln!(f, "          {torrent}"))?;
        }
        self.mutants.iter().enumerate().try_for_each(|(i, mutant)| writeln!(f, "mutant {i}  {mutant}"))?;
        for (i, liar) in self.liars.iter().enumerate() {
            writeln!(f, "liar {i}    {} in the DHT, {}", liar.lie, Host(&liar.host))?;
        }
        self.trackers.iter().try_for_each(|tracker| writeln!(f, "{tracker}"))?;
        write!(f, "mishaps  ")?;
        if self.odds.iter().next().is_none() {
            write!(f, " none")?;
        }
        for (i, (mishap, millionths)) in self.odds.iter().enumerate() {
            let line = if i > 0 && i % 6 == 0 { "\n         " } else { "" };
            write!(f, "{line} {mishap} {}", Share(millionths))?;
        }
        writeln!(f)
    }
}

impl fmt::Display for ContentSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let len: u64 = self.files.iter().map(|file| file.len).sum();
        let files = self.files.len();
        write!(f, "{len} bytes in {files} files, pieces of {}, blocks of {}", self.piece_len, self.block_len)
    }
}

/// Millionths, as a person reads them.
struct Share(u32);

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1_000_000 => f.write_str("always"),
            share if share >= 10_000 => write!(f, "{}%", share / 10_000),
            share => write!(f, "{}ppm", share),
        }
    }
}

struct Host<'a>(&'a HostSpec);

impl fmt::Display for Host<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let HostSpec { ips, up, down, queue, delay, nat, lan, sockets } = self.0;
        let ips: Vec<String> = ips.iter().map(ToString::to_string).collect();
        let nat = if *nat { " nat" } else { "" };
        let lan = lan.map_or(String::new(), |lan| format!(" lan {lan}"));
        let ips = ips.join(",");
        write!(f, "{ips} up {up} down {down} queue {queue} delay {delay:?} sockets {sockets}{nat}{lan}")
    }
}

impl fmt::Display for NodePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limits = &self.limits;
        write!(f, "{} port {}, {} shards", Host(&self.host), self.port, self.shards)?;
        write!(f, ", turns of {} inputs, {} bytes", self.turns.inputs, self.turns.bytes)?;
        write!(f, ", memory {}/{}", limits.memory, limits.chunk_len)?;
        write!(f, ", leases {}, disk jobs {}", limits.leases, limits.disk_jobs)?;
        write!(f, ", rates {:?}/{:?}", self.rates.down, self.rates.up)?;
        f.write_str(if self.pex { "" } else { ", no peer exchange" })?;
        if self.local {
            write!(f, ", looks for neighbours")?;
        }
        if let Some(home) = &self.gateway {
            write!(f, ", gateway {home:?}")?;
        }
        let Some(DhtPlan { routers, named, limits, read_only }) = &self.dht else { return Ok(()) };
        let named = if *named { " by name" } else { "" };
        let read_only = if *read_only { ", read-only" } else { "" };
        write!(f, ", DHT by {routers:?}{named}{read_only}")?;
        write!(f, ", announces each {:?}, {} lookups of {}", limits.announce, limits.active, limits.alpha)
    }
}

impl fmt::Display for TorrentPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "torrent {} has {:?}, knows {:?}", self.content, self.holding, self.peers)?;
        let flags =
            [(self.magnet, " by a link"), (self.tracked, " tracked"), (self.sequential, " sequential")];
        flags.iter().filter(|(on, _)| *on).try_for_each(|(_, word)| f.write_str(word))?;
        if !self.priorities.is_empty() {
            write!(f, " priorities {:?}", self.priorities)?;
        }
        Ok(())
    }
}

impl fmt::Display for MutantPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = if self.known { " known" } else { "" };
        let host = Host(&self.host);
        write!(f, "{} in torrent {} against {:?}{known}, {host}", self.vice, self.content, self.victims)
    }
}
