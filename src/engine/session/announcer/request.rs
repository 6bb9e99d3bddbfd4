//! One announce from being handed in to its answer.

use core::net::SocketAddr;
use std::collections::VecDeque;

use tide_base::Instant;
use tide_tracker::{Event, TrackerUrl};

use super::exchange::Ask;
use super::lane::{Door, Urgency};
use super::names::Reach;
use crate::id::ConnKey;
use crate::mail::AnnounceJob;

/// Who is told what came of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Hearer {
    Torrent,
    /// The torrent is gone.
    Nobody,
}

/// How far it has come.
#[derive(Debug)]
pub(super) enum Stage {
    /// In its lane.
    Waiting,
    /// The name is being looked up.
    Resolving,
    /// The stream is being made.
    Dialling { conn: ConnKey, to: SocketAddr },
    /// The request goes out, the reply comes in.
    Asking { conn: ConnKey, to: SocketAddr, out: Vec<u8>, sent: usize },
    /// With the client of a UDP tracker, which has deadlines of its own.
    Datagrams,
}

/// One announce.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) job: AnnounceJob,
    pub(super) hearer: Hearer,
    pub(super) door: Door,
    pub(super) stage: Stage,
    /// When it left its lane.
    pub(super) began: Instant,
    /// When the stage must be over.
    pub(super) deadline: Instant,
    /// Addresses not yet tried.
    pub(super) rest: VecDeque<SocketAddr>,
    /// The exchange, once a stream has stood.
    pub(super) ask: Option<Box<Ask>>,
    /// Where a redirect led, and how far away its sender is.
    pub(super) redirected: Option<(TrackerUrl, Reach)>,
}

impl Request {
    /// One that waits.
    pub(super) fn new(job: AnnounceJob, now: Instant) -> Request {
        Request {
            door: Door::of(&job.url, job.family),
            job,
            hearer: Hearer::Torrent,
            stage: Stage::Waiting,
            began: now,
            deadline: Instant::NEVER,
            rest: VecDeque::new(),
            ask: None,
            redirected: None,
        }
    }

    /// Where it is asked now.
    pub(super) fn url(&self) -> &TrackerUrl {
        self.redirected.as_ref().map_or(&self.job.url, |(url, _)| url)
    }

    /// How soon it must be made.
    pub(super) fn urgency(&self) -> Urgency {
        match self.job.announce.event {
            Event::Stopped => Urgency::Pressing,
            Event::None | Event::Started | Event::Completed => Urgency::Usual,
        }
    }

    /// Its stream, if it has one.
    pub(super) fn conn(&self) -> Option<ConnKey> {
        match self.stage {
            Stage::Dialling { conn, .. } | Stage::Asking { conn, .. } => Some(conn),
            Stage::Waiting | Stage::Resolving | Stage::Datagrams => None,
        }
    }

    /// When it must be looked at: the stage's deadline or the exchange's.
    pub(super) fn deadline(&self) -> Instant {
        let exchange = self.ask.as_ref().map_or(Instant::NEVER, |ask| ask.deadline());
        self.deadline.min(exchange)
    }
}
