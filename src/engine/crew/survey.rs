//! How a crew stands, as plain data.

use tide_base::{ShardId, SlotKey};

use super::Crew;
use super::lease::{Lease, Place, Stage};
use super::member::{Member, Parked};
use crate::id::PeerKey;
use crate::survey::{ChunkPlace, CrewSurvey, LeaseStage, LeaseSurvey, MemberSurvey, Paused};

impl Crew {
    /// How it stands.
    pub fn survey(&self, shard: ShardId) -> CrewSurvey {
        let listed = |lease: &Lease| self.leases.open().any(|open| open.id == lease.id);
        CrewSurvey {
            key: self.key,
            torrent: self.torrent,
            info_hash: self.facts.info_hash,
            layout: self.facts.layout,
            limits: self.facts.limits,
            have: self.have.clone(),
            missing: (*self.missing).clone(),
            leases: self.leases.iter().map(|lease| lease.survey(listed(lease))).collect(),
            members: self.roster.iter().map(|(key, member)| member.survey(key, shard)).collect(),
            endgame: self.endgame,
            reads: self.reads,
            leaving: self.leaving,
            waiting_in: self.waiting_in.len() as u32,
            to_dial: self.to_dial.iter().copied().collect(),
            unserved: self.unserved.len() as u32,
            starved: self.starved,
            throttled: !self.throttled.is_empty(),
            disbanding: self.disbanding,
        }
    }
}

impl Lease {
    fn survey(&self, listed: bool) -> LeaseSurvey {
        let place = |place: &Place| match place {
            Place::Empty => ChunkPlace::Empty,
            Place::Held(_) => ChunkPlace::Held,
            Place::Lent => ChunkPlace::Lent,
            Place::Leaving => ChunkPlace::Leaving,
            Place::Away => ChunkPlace::Away,
            Place::Coming => ChunkPlace::Coming,
        };
        let chunk = |i| (place(self.place(i)), self.chunk_capacity(i), self.is_on_disk(i));
        LeaseSurvey {
            id: self.id,
            alone: self.alone,
            stage: match &self.stage {
                Stage::Filling => LeaseStage::Filling,
                Stage::Hashing { stream, .. } => LeaseStage::Hashing(stream.is_some()),
                Stage::Judging => LeaseStage::Judging,
                Stage::Blaming { .. } => LeaseStage::Blaming,
                Stage::Writing => LeaseStage::Writing,
            },
            jobs: self.jobs,
            doomed: self.doomed,
            listed,
            blocks: self.block_states(),
            chunks: (0..self.chunks()).map(chunk).collect(),
            writers: self.writers().to_vec(),
        }
    }
}

impl Member {
    fn survey(&self, key: SlotKey, shard: ShardId) -> MemberSurvey {
        MemberSurvey {
            key,
            peer: PeerKey { shard, conn: self.conn },
            addr: self.addr,
            peer_id: self.peer_id,
            outgoing: self.outgoing,
            has: self.session.has().clone(),
            choking: self.session.choking(),
            asks: self.session.asks().spans().collect(),
            serves: self.session.serves().len(),
            queued: self.session.serves().queued(),
            outgoing_bytes: self.session.outgoing() as u64,
            lent: self.lent,
            reading: self.reading,
            interesting: self.interesting,
            writing: self.writing,
            paused: self.parked.map(|why| match why {
                Parked::Memory => Paused::Memory,
                Parked::Paging(piece) => Paused::Paging(piece),
                Parked::Rate => Paused::Rate,
            }),
            snubbed: self.session.snubbed(),
            optimistic: self.optimistic,
            barren: self.barren,
            demanding: self.demanding > 0,
            upload_only: self.upload_only,
            deadline: self.session.deadline().0,
        }
    }
}
