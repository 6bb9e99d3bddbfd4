//! What a gateway is asked, one at a time, and what became of it.

use crate::limits::Limits;
use crate::mapper::{Event, Output, StreamId};
use crate::pcp::Nonce;
use crate::types::{Failure, Want};
use alloc::collections::VecDeque;
use core::net::IpAddr;
use tide_base::{Duration, Instant, Prng};

/// What a step may use and where its results go.
#[derive(Debug)]
pub(super) struct Ctx<'a> {
    pub(super) now: Instant,
    pub(super) limits: &'a Limits,
    pub(super) prng: &'a mut Prng,
    pub(super) streams: &'a mut u64,
    pub(super) out: &'a mut VecDeque<Output>,
    pub(super) events: &'a mut VecDeque<Event>,
    /// The session ends: remove, and begin nothing.
    pub(super) stopping: bool,
}

impl Ctx<'_> {
    /// A random part of `span`.
    pub(super) fn part_of(&mut self, span: Duration) -> Duration {
        Duration::from_nanos(self.prng.below(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX).max(1)))
    }

    pub(super) fn new_stream(&mut self) -> StreamId {
        *self.streams += 1;
        StreamId(*self.streams)
    }
}

/// A mapping as it is to be asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Ask {
    pub(super) want: Want,
    pub(super) nonce: Nonce,
    /// The external port that is suggested; of a removal, the one that it has.
    pub(super) port: u16,
    /// The external address that it had, if any.
    pub(super) ip: Option<IpAddr>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Task {
    /// Tell the external address.
    Address,
    Map(Ask),
    Unmap(Ask),
}

/// How a refusal is to be taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Then {
    /// The lane has learnt something: the same once more.
    Again,
    /// It may work after this long.
    Later(Duration),
    /// It may work with another external port.
    OtherPort,
    /// It will not work in this way.
    OtherWay,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Outcome {
    Address(IpAddr),
    Mapped {
        ask: Ask,
        /// `None` where the way tells the address apart from mappings.
        ip: Option<IpAddr>,
        port: u16,
        /// `None` is for ever.
        life: Option<Duration>,
    },
    Unmapped,
    Refused {
        task: Task,
        why: Failure,
        then: Then,
    },
    /// This way leads nowhere.
    Dead(Failure),
}
