//! How the desk stands, as plain data.

use super::{Conns, Desk, Role};
use crate::survey::{ConnSurvey, DeskSurvey, Glance, RoleSurvey};

impl Desk {
    /// How it stands.
    pub fn survey(&self) -> DeskSurvey {
        let (hashing, hash_waiting) = self.gates.hashing();
        DeskSurvey {
            memory: self.memory.out(),
            jobs: self.gates.jobs(),
            volumes: self.gates.survey(),
            hashing,
            hash_waiting,
            stocks: self.purses.stocks(),
            flows: self.purses.flows(),
            conns: self.conns.survey(),
            timers: self.timers.iter().collect(),
            waiting: self.waiting.iter().copied().collect(),
            mail: self.local.len() as u32,
            outbox: self.outbox.len() as u32,
        }
    }

    /// What can be told at next to no cost, after `turns` turns.
    pub fn glance(&self, turns: u64) -> Glance {
        Glance {
            shard: self.shard,
            turns,
            memory: self.memory.out(),
            jobs: self.gates.outstanding() as u32,
            conns: self.conns.len() as u32,
            stocks: self.purses.stocks(),
            outbox: self.outbox.len() as u32,
            mail: self.local.len() as u32,
            wake: self.timers.next(),
        }
    }
}

impl Conns {
    /// All connections.
    fn survey(&self) -> Vec<ConnSurvey> {
        let role = |role: &Role| match *role {
            Role::Dialling(crew) => RoleSurvey::Dialling(crew),
            Role::Incoming(..) => RoleSurvey::Incoming,
            Role::Greeting(crew, _, outgoing) => RoleSurvey::Greeting(crew, outgoing),
            Role::Member(crew, member) => RoleSurvey::Member(crew, member),
            Role::Tracker(_) => RoleSurvey::Tracker,
            Role::Gateway(_) => RoleSurvey::Gateway,
        };
        let conns = self.iter();
        conns
            .map(|(conn, known)| ConnSurvey {
                conn,
                addr: known.addr,
                since: known.since,
                role: role(&known.role),
            })
            .collect()
    }
}
