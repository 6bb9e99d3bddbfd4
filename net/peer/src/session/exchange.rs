//! The exchanges between peers: metadata (BEP 9) and peers (BEP 11).

use super::Session;
use super::absorb::Absorbed;
use crate::event::Event;
use crate::extension::Offers;
use crate::fault::Fault;
use crate::metadata;
use crate::pex::{self, Delta};
use crate::temper::Offence;
use crate::wire::message::Message;
use alloc::borrow::Cow;
use alloc::boxed::Box;
use tide_base::{Duration, Instant};

/// Asks for metadata of which an answer may still come; of older ones none is expected.
const ASKED: usize = 64;

impl Session {
    /// Changes which exchanges the session takes part in: a torrent whose metadata says that it is private takes part in
    /// none (BEP 27). In force at once for what we send and read; the peer knows by the next
    /// [`hello`](Session::hello), which should follow.
    pub fn set_offers(&mut self, offers: Offers) {
        self.offers = offers;
    }

    /// The exchanges that the session takes part in.
    pub fn offers(&self) -> Offers {
        self.offers
    }

    /// Whether both sides exchange metadata.
    pub fn takes_metadata(&self) -> bool {
        self.offers.metadata && self.numbers.metadata().is_some()
    }

    /// Whether both sides exchange peers.
    pub fn takes_pex(&self) -> bool {
        self.offers.pex && self.numbers.pex().is_some()
    }

    /// Asks for a piece of metadata. Returns false, and sends nothing, if the two do not exchange any.
    pub fn ask_metadata(&mut self, now: Instant, piece: u32) -> bool {
        let sent = self.tell_metadata(now, &metadata::Message::Request(piece));
        if sent {
            if self.metadata_asked.len() >= ASKED {
                self.metadata_asked.remove(0);
            }
            self.metadata_asked.push(piece);
        }
        sent
    }

    /// Answers a request for metadata with a piece or a reject. Returns false, and sends nothing, if the two do not
    /// exchange any.
    pub fn answer_metadata(&mut self, now: Instant, answer: &metadata::Message<'_>) -> bool {
        debug_assert!(matches!(answer, metadata::Message::Data { .. } | metadata::Message::Reject(_)));
        self.tell_metadata(now, answer)
    }

    /// Tells the peer whom we are connected to. Returns false, and sends nothing, if the two do not exchange peers.
    pub fn tell_peers(&mut self, now: Instant, delta: &Delta) -> bool {
        let Some(id) = self.numbers.pex().filter(|_| self.offers.pex && !delta.is_empty()) else {
            return false;
        };
        self.say(now, &Message::Extended { id, body: Cow::Owned(delta.to_bytes()) });
        true
    }

    fn tell_metadata(&mut self, now: Instant, message: &metadata::Message<'_>) -> bool {
        let Some(id) = self.numbers.metadata().filter(|_| self.offers.metadata) else { return false };
        self.say(now, &Message::Extended { id, body: Cow::Owned(message.to_bytes()) });
        true
    }

    pub(super) fn metadata_came<'a>(&mut self, now: Instant, body: Cow<'a, [u8]>) -> Absorbed<'a> {
        let message = metadata::Message::from_bytes(body)?;
        match &message {
            metadata::Message::Request(_) => self.spend(now, Offence::MetadataRequest)?,
            metadata::Message::Data { piece, .. } | metadata::Message::Reject(piece) => {
                let Some(at) = self.metadata_asked.iter().position(|asked| asked == piece) else {
                    return self.spend(now, Offence::MetadataUnasked).map(|()| None);
                };
                self.metadata_asked.remove(at);
            }
            metadata::Message::Unknown => return self.spend(now, Offence::Unknown).map(|()| None),
        }
        Ok(Some(Event::Metadata(message)))
    }

    pub(super) fn pex_came(&mut self, now: Instant, body: &[u8]) -> Absorbed<'static> {
        let limits = &self.config.limits.pex;
        if !self.pex_pace.step(now, limits.every_in, limits.burst_in) {
            // What goes beyond the pace must have piled up while nobody read.
            let cost = millis(limits.every_in).max(1);
            self.pex_backlog = self.pex_backlog.checked_sub(cost).ok_or(Fault::PexFlood)?;
        }
        let delta = pex::Delta::from_bytes(body, limits)?;
        Ok(Some(Event::Pex(Box::new(delta))))
    }

    /// The session was on hold for so long: messages that came meanwhile are no flood, up to
    /// [`PexLimits::backlog_in`](pex::PexLimits::backlog_in).
    pub(super) fn pex_waited(&mut self, held: Duration) {
        let limits = &self.config.limits.pex;
        let most = millis(limits.every_in).saturating_mul(limits.backlog_in);
        self.pex_backlog = self.pex_backlog.saturating_add(millis(held)).min(most);
    }
}

/// Whole milliseconds.
fn millis(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}
