//! The gateway's mappings, one table for all ways of asking.

use crate::pcp::Nonce;
use crate::types::Want;
use alloc::collections::BTreeMap;
use core::net::SocketAddr;
use tide_base::Instant;

/// One mapping.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Row {
    /// The outer port.
    pub outer: Want,
    /// Where it leads.
    pub client: SocketAddr,
    /// How long it holds.
    pub until: Instant,
    /// Whose it is, if it was asked for by PCP.
    pub nonce: Option<Nonce>,
}

#[derive(Debug)]
pub(super) struct Table {
    rows: BTreeMap<Want, Row>,
    most: usize,
}

impl Table {
    pub(super) fn new(most: usize) -> Table {
        Table { rows: BTreeMap::new(), most }
    }

    pub(super) fn rows(&self, now: Instant) -> impl Iterator<Item = &Row> {
        self.rows.values().filter(move |row| row.until > now)
    }

    pub(super) fn at(&self, now: Instant, outer: Want) -> Option<&Row> {
        self.rows.get(&outer).filter(|row| row.until > now)
    }

    /// The mapping that leads to `client`.
    pub(super) fn of(&self, now: Instant, inner: Want, client: SocketAddr) -> Option<&Row> {
        self.rows(now).find(|row| row.outer.protocol == inner.protocol && row.client == client)
    }

    /// The outer port wanted, or the next one that is free.
    pub(super) fn free(&self, now: Instant, wanted: Want) -> Option<Want> {
        if self.rows(now).count() >= self.most {
            return None;
        }
        let first = wanted.port.max(1);
        let ports = (first..=u16::MAX).chain(1024..first);
        ports.map(|port| Want { port, ..wanted }).find(|outer| self.at(now, *outer).is_none())
    }

    pub(super) fn put(&mut self, row: Row) {
        self.rows.insert(row.outer, row);
    }

    pub(super) fn remove(&mut self, outer: Want) {
        self.rows.remove(&outer);
    }
}
