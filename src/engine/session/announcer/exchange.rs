//! One HTTP exchange, in the words of the tracker crate.

use tide_base::Instant;
use tide_tracker::http::{Exchange, Terms};
use tide_tracker::limits::HttpLimits;
use tide_tracker::{Announce, Error, TrackerUrl};

pub(super) use tide_tracker::http::Progress;

/// One announce over HTTP, with all its redirects.
#[derive(Debug)]
pub(super) struct Ask(Exchange);

impl Ask {
    /// Whether HTTP trackers can be asked.
    pub(super) fn available() -> Result<(), Error> {
        Ok(())
    }

    /// An announce, the reply to which is complete in time from now on.
    pub(super) fn begin(
        now: Instant,
        url: &TrackerUrl,
        announce: &Announce,
        agent: &str,
    ) -> Result<Ask, Error> {
        let terms = Terms { agent: agent.into(), keep_alive: false, limits: HttpLimits::default() };
        Exchange::announce(now, url, announce, &terms).map(Ask)
    }

    /// The same where a redirect led.
    pub(super) fn follow(self, url: &TrackerUrl) -> Result<Ask, Error> {
        self.0.follow(url).map(Ask)
    }

    /// When it must be complete, redirects included.
    pub(super) fn deadline(&self) -> Instant {
        self.0.deadline()
    }

    /// The request, once.
    pub(super) fn write(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        self.0.write(&mut out);
        out
    }

    /// Reads what came in; `eof` if nothing will follow.
    pub(super) fn receive(&mut self, now: Instant, bytes: &[u8], eof: bool) -> Result<Progress, Error> {
        self.0.receive(now, bytes, eof)
    }
}
