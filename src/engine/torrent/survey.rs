//! How a torrent stands, as plain data: each table describes itself, this puts it together.

use tide_base::{Bits, PieceIndex};

use super::Torrent;
use super::life::Phase;
use super::swarm::Peer;
use crate::survey::{ChokerSurvey, PeerSurvey, TorrentSurvey};

impl Torrent {
    /// How it stands.
    pub fn survey(&self) -> TorrentSurvey {
        let pieces = self.spec.layout.pieces();
        let none = || (Vec::new(), Bits::new(pieces));
        let (checking, unchecked) = self.checker.as_ref().map_or_else(none, |checker| checker.survey());
        TorrentSurvey {
            key: self.key,
            info_hash: self.spec.info_hashes.v1.expect("every torrent has a v1 info-hash until v2 comes"),
            store: self.spec.store,
            root: self.spec.root.clone(),
            private: self.spec.private,
            layout: self.spec.layout,
            state: self.state(),
            limits: self.spec.limits.unwrap_or_default(),
            trouble: self.trouble.clone(),
            retry_at: match self.phase {
                Phase::Stopped(until) => Some(until),
                _ => None,
            },
            chores: (self.chore, self.chores.iter().copied().collect()),
            crew: self.crew,
            have: self.stock.have().clone(),
            wanted: self.priorities.wanted().clone(),
            open: self.stock.open().clone(),
            leased: self.stock.leases().collect(),
            checking,
            unchecked,
            copies: (0..pieces).map(|piece| self.availability.of(PieceIndex(piece))).collect(),
            picker_copies: self.stock.picker_copies(),
            counted: (self.availability.peers(), self.availability.seeds()),
            peers: self.swarm.iter().map(|(_, peer)| peer.survey()).collect(),
            choker: self.survey_choker(),
            dialling: self.dialling,
            book: self.book.survey(),
            banned: self.book.banned().collect(),
            announces: self.announces.under_way.len() as u32,
            checkpoint: self.checkpoint.survey(),
        }
    }

    fn survey_choker(&self) -> ChokerSurvey {
        let key = |slot| self.swarm.get(slot).map(|peer| peer.key);
        ChokerSurvey {
            mode: self.choker.mode(),
            slots: self.choker.slots() as u32,
            taken: self.choker.holders().filter_map(key).collect(),
            optimistic: self.choker.optimistic().and_then(key),
            next_round: self.choker.deadline(),
        }
    }
}

impl Peer {
    fn survey(&self) -> PeerSurvey {
        PeerSurvey {
            key: self.key,
            addr: self.addr,
            peer_id: self.peer_id,
            outgoing: self.outgoing,
            listed: self.listed,
            has: (*self.has).clone(),
            interested: self.interested,
            upload_only: self.rates.as_ref().is_some_and(|rates| rates.upload_only),
            unchoked: self.unchoked,
            since: self.since,
            joined: self.joined,
        }
    }
}
