//! The members of a crew, and which of them need to be looked at.

use std::collections::{BTreeMap, BTreeSet};

use tide_base::{SlotKey, Slots};

use super::member::Member;
use crate::id::ConnKey;

/// The members of a crew.
#[derive(Debug, Default)]
pub struct Roster {
    members: Slots<Member>,
    by_conn: BTreeMap<ConnKey, SlotKey>,
    /// Those whose pipeline may have room, each once.
    hungry: Vec<SlotKey>,
    /// Those to whom something happened in this turn, each once.
    busy: Vec<SlotKey>,
    /// Those who have begun to snub us, some of whom may have changed their minds.
    snubbers: BTreeSet<SlotKey>,
}

impl Roster {
    /// No members.
    pub fn new() -> Roster {
        Roster::default()
    }

    /// A new member.
    pub fn insert(&mut self, member: Member) -> SlotKey {
        let conn = member.conn;
        let key = self.members.insert(member);
        self.by_conn.insert(conn, key);
        key
    }

    /// Takes a member out.
    pub fn remove(&mut self, key: SlotKey) -> Option<Member> {
        let member = self.members.remove(key)?;
        self.by_conn.remove(&member.conn);
        self.snubbers.remove(&key);
        Some(member)
    }

    /// A member.
    pub fn get(&self, key: SlotKey) -> Option<&Member> {
        self.members.get(key)
    }

    /// A member.
    pub fn get_mut(&mut self, key: SlotKey) -> Option<&mut Member> {
        self.members.get_mut(key)
    }

    /// All members.
    pub fn iter(&self) -> impl Iterator<Item = (SlotKey, &Member)> {
        self.members.iter()
    }

    /// All members.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (SlotKey, &mut Member)> {
        self.members.iter_mut()
    }

    /// The keys of all members.
    pub fn keys(&self) -> Vec<SlotKey> {
        self.members.keys().collect()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The member with this connection.
    pub fn by_conn(&self, conn: ConnKey) -> Option<SlotKey> {
        self.by_conn.get(&conn).copied()
    }

    /// The member's pipeline may have room.
    pub fn hungry(&mut self, key: SlotKey) {
        if let Some(member) = self.members.get_mut(key)
            && !member.hungry
        {
            member.hungry = true;
            self.hungry.push(key);
        }
    }

    /// Everybody's pipeline may have room.
    pub fn all_hungry(&mut self) {
        for key in self.keys() {
            self.hungry(key);
        }
    }

    /// A member whose pipeline may have room.
    pub fn next_hungry(&mut self) -> Option<SlotKey> {
        while let Some(key) = self.hungry.pop() {
            if let Some(member) = self.members.get_mut(key) {
                member.hungry = false;
                return Some(key);
            }
        }
        None
    }

    /// The member has begun to snub us.
    pub fn snubs(&mut self, key: SlotKey) {
        self.snubbers.insert(key);
    }

    /// Those who snub us.
    pub fn snubbers(&mut self) -> impl Iterator<Item = &Member> {
        let members = &self.members;
        self.snubbers.retain(|key| members.get(*key).is_some_and(|member| member.session.snubbed()));
        self.snubbers.iter().filter_map(|key| members.get(*key))
    }

    /// Something happened to the member.
    pub fn busy(&mut self, key: SlotKey) {
        if let Some(member) = self.members.get_mut(key)
            && !member.busy
        {
            member.busy = true;
            self.busy.push(key);
        }
    }

    /// Those to whom something happened since the last call.
    pub fn take_busy(&mut self) -> Vec<SlotKey> {
        let busy = core::mem::take(&mut self.busy);
        for &key in &busy {
            if let Some(member) = self.members.get_mut(key) {
                member.busy = false;
            }
        }
        busy
    }
}
