//! What stands in for HTTP in an engine built without it: nothing can be asked, and whoever wants to is told so.

use tide_base::Instant;
use tide_tracker::{Announce, Answer, Error, TrackerUrl};

/// How far a reply has come.
#[expect(
    dead_code,
    reason = "nothing replies where nothing is asked; whoever reads replies is the same code"
)]
pub(super) enum Progress {
    More,
    Redirect(Box<TrackerUrl>),
    Done(Answer),
}

/// There is none.
#[derive(Debug)]
pub(super) enum Ask {}

fn missing() -> Error {
    Error::Unreachable("this build asks no HTTP trackers".to_owned())
}

#[expect(clippy::needless_pass_by_ref_mut, reason = "the same signatures as with HTTP")]
impl Ask {
    /// Whether HTTP trackers can be asked.
    pub(super) fn available() -> Result<(), Error> {
        Err(missing())
    }

    /// Fails.
    pub(super) fn begin(
        _now: Instant,
        _url: &TrackerUrl,
        _announce: &Announce,
        _agent: &str,
    ) -> Result<Ask, Error> {
        Err(missing())
    }

    pub(super) fn follow(self, _url: &TrackerUrl) -> Result<Ask, Error> {
        match self {}
    }

    pub(super) fn deadline(&self) -> Instant {
        match *self {}
    }

    pub(super) fn write(&mut self) -> Vec<u8> {
        match *self {}
    }

    pub(super) fn receive(&mut self, _now: Instant, _bytes: &[u8], _eof: bool) -> Result<Progress, Error> {
        match *self {}
    }
}
