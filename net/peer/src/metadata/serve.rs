//! What one peer gets of our metadata: its requests in order, as fast as it reads, and not for ever.

use super::{Message, piece_len, pieces};
use crate::limits::Limits;
use crate::pace::Pace;
use alloc::borrow::Cow;
use alloc::collections::VecDeque;
use tide_base::Instant;

/// What became of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Taken {
    /// It waits, and [`Serve::next`] will answer it.
    Waiting,
    /// It is to be answered by [`Message::Reject`]: there is no such piece, or it asked for more than its share.
    Refused,
}

/// One peer's requests for metadata.
#[derive(Clone, Debug, Default)]
pub struct Serve {
    waiting: VecDeque<u32>,
    pace: Pace,
}

impl Serve {
    /// Nothing was asked for.
    pub fn new() -> Serve {
        Serve::default()
    }

    /// A request came, when our metadata has `size` bytes; `None` while we have none, which refuses all. A request that
    /// waits already is answered once.
    pub fn request(&mut self, now: Instant, piece: u32, size: Option<u32>, limits: &Limits) -> Taken {
        let limits = &limits.metadata;
        let Some(size) = size.filter(|&size| piece_len(size, piece) > 0) else { return Taken::Refused };
        if self.waiting.contains(&piece) {
            return Taken::Waiting;
        }
        let burst = pieces(size).saturating_mul(limits.serve_factor).max(1);
        if self.waiting.len() >= limits.serves as usize || !self.pace.step(now, limits.serve_every, burst) {
            return Taken::Refused;
        }
        self.waiting.push_back(piece);
        Taken::Waiting
    }

    /// Bytes of the piece that [`next`](Serve::next) would answer with; `None` if it would not.
    pub fn due(&self, metadata: &[u8], queued: usize, limits: &Limits) -> Option<u32> {
        let piece = self.waiting.front().filter(|_| queued < limits.metadata.serve_queued)?;
        Some(piece_len(metadata.len() as u32, *piece))
    }

    /// The next answer to be queued for a peer for which `queued` bytes wait to be sent; `None` if there is none, or
    /// as many wait as should. To be asked again when bytes have left.
    pub fn next<'a>(&mut self, metadata: &'a [u8], queued: usize, limits: &Limits) -> Option<Message<'a>> {
        if queued >= limits.metadata.serve_queued {
            return None;
        }
        let piece = self.waiting.pop_front()?;
        let size = metadata.len() as u32;
        let start = (u64::from(piece) * u64::from(super::PIECE)).min(metadata.len() as u64) as usize;
        let bytes = &metadata[start..start + piece_len(size, piece) as usize];
        Some(Message::Data { piece, total: Some(size), bytes: Cow::Borrowed(bytes) })
    }

    /// Whether requests wait.
    pub fn waits(&self) -> bool {
        !self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::super::PIECE;
    use super::*;
    use alloc::vec;
    use tide_base::Duration;

    const NOW: Instant = Instant::from_secs(100);

    #[test]
    fn requests_are_answered_in_order_while_the_peer_reads() {
        let limits = Limits::default();
        let metadata = vec![7; PIECE as usize + 5];
        let size = Some(metadata.len() as u32);
        let mut serve = Serve::new();
        assert_eq!(serve.request(NOW, 0, None, &limits), Taken::Refused);
        for piece in [2, u32::MAX] {
            assert_eq!(serve.request(NOW, piece, size, &limits), Taken::Refused);
        }
        for piece in [1, 0, 1, 1, 1, 1] {
            assert_eq!(serve.request(NOW, piece, size, &limits), Taken::Waiting);
        }
        assert_eq!(serve.next(&metadata, limits.metadata.serve_queued, &limits), None);
        assert_eq!(serve.due(&metadata, limits.metadata.serve_queued, &limits), None);
        assert_eq!(serve.due(&metadata, 0, &limits), Some(5));
        let data = |piece, bytes| Message::Data { piece, total: size, bytes: Cow::Borrowed(bytes) };
        assert_eq!(serve.next(&metadata, 0, &limits), Some(data(1, &metadata[PIECE as usize..])));
        assert_eq!(serve.next(&metadata, 0, &limits), Some(data(0, &metadata[..PIECE as usize])));
        assert!(serve.next(&metadata, 0, &limits).is_none() && !serve.waits());
        assert_eq!(serve.due(&metadata, 0, &limits), None);
    }

    #[test]
    fn a_peer_gets_the_whole_twice_and_then_a_piece_a_second() {
        let limits = Limits::default();
        let metadata = vec![7; 3 * PIECE as usize];
        let mut serve = Serve::new();
        let mut ask = |now, piece| {
            let taken = serve.request(now, piece, Some(3 * PIECE), &limits);
            assert_eq!(serve.next(&metadata, 0, &limits).is_some(), taken == Taken::Waiting);
            taken
        };
        for n in 0..6 {
            assert_eq!(ask(NOW, n % 3), Taken::Waiting);
        }
        assert_eq!(ask(NOW, 0), Taken::Refused);
        let later = NOW + Duration::from_secs(1);
        assert_eq!((ask(later, 0), ask(later, 1)), (Taken::Waiting, Taken::Refused));
    }
}
