//! What a node is told at its beginning.

use crate::host::Locals;
use crate::item::{self, Verify};
use crate::limits::Limits;
use crate::saved::Saved;
use core::net::SocketAddr;
use tide_base::addr::Family;

/// In which networks a node is (BEP 32).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Families {
    /// IPv4 alone.
    V4,
    /// IPv6 alone.
    V6,
    /// Both.
    #[default]
    Both,
}

impl Families {
    /// Whether `family` is among them.
    pub fn has(self, family: Family) -> bool {
        match self {
            Families::V4 => family == Family::V4,
            Families::V6 => family == Family::V6,
            Families::Both => true,
        }
    }
}

/// Whether others can reach a node (BEP 43).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Reach {
    /// They can; it answers and is remembered.
    #[default]
    Open,
    /// They cannot, or should not: it answers nothing and says so in its questions.
    ReadOnly,
}

/// What a node is told at its beginning.
#[derive(Clone, Debug)]
pub struct Config {
    /// In which networks it is.
    pub families: Families,
    /// Whether it answers.
    pub reach: Reach,
    /// Its `v`: two letters of the client and two bytes of its version (BEP 5).
    pub version: [u8; 4],
    /// What becomes of addresses of private networks.
    pub locals: Locals,
    /// How signatures of mutable items are verified.
    pub verify: Verify,
    /// Entropy for write tokens; without it, they are drawn from the seed, which is no secret to whoever sees enough
    /// transaction ids. Simulations need none.
    pub secret: Option<[u8; 16]>,
    /// What [`Node::save`](crate::Node::save) gave in an earlier run.
    pub saved: Saved,
    /// Addresses of routers; more can be added when their names are resolved.
    pub routers: alloc::vec::Vec<SocketAddr>,
    /// Its bounds and habits.
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            families: Families::default(),
            reach: Reach::default(),
            version: *b"TD\x00\x01",
            locals: Locals::default(),
            verify: item::verify,
            secret: None,
            saved: Saved::default(),
            routers: alloc::vec::Vec::new(),
            limits: Limits::default(),
        }
    }
}
