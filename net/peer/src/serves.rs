//! What the peer asked us for: what waits, and what is being read from disk.

use alloc::collections::VecDeque;
use tide_base::{PieceIndex, Span};

/// Requests of the peer that are not answered yet, in order.
#[derive(Clone, Debug, Default)]
pub struct Serves {
    queued: VecDeque<Span>,
    reading: VecDeque<Span>,
}

/// What became of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Admission {
    /// It waits.
    Queued,
    /// It was there already.
    Duplicate,
    /// There is no room.
    Full,
}

/// Where a request was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Found {
    /// It waited.
    Queued,
    /// Its data is being read.
    Reading,
}

impl Serves {
    /// No requests.
    pub fn new() -> Serves {
        Serves::default()
    }

    /// How many are not answered.
    pub fn len(&self) -> u32 {
        (self.queued.len() + self.reading.len()) as u32
    }

    /// Whether everything is answered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many wait to be read.
    pub fn queued(&self) -> u32 {
        self.queued.len() as u32
    }

    /// Adds a request, unless `most` are there.
    pub fn request(&mut self, span: Span, most: u32) -> Admission {
        if self.len() >= most {
            return Admission::Full;
        }
        if holds(&self.queued, span) || holds(&self.reading, span) {
            return Admission::Duplicate;
        }
        self.queued.push_back(span);
        Admission::Queued
    }

    /// The next one whose data should be read.
    pub fn read_next(&mut self) -> Option<Span> {
        let span = self.queued.pop_front()?;
        self.reading.push_back(span);
        Some(span)
    }

    /// Takes a request out, wherever it is.
    pub fn take(&mut self, span: Span) -> Option<Found> {
        if remove(&mut self.reading, span) {
            Some(Found::Reading)
        } else {
            remove(&mut self.queued, span).then_some(Found::Queued)
        }
    }

    /// Takes everything out that `which` picks, and tells each, in order.
    pub fn drop_where(&mut self, which: impl Fn(PieceIndex) -> bool, mut each: impl FnMut(Span)) {
        for queue in [&mut self.reading, &mut self.queued] {
            queue.retain(|span| {
                let goes = which(span.piece);
                if goes {
                    each(*span);
                }
                !goes
            });
            queue.shrink_to(queue.len());
        }
    }
}

fn holds(queue: &VecDeque<Span>, span: Span) -> bool {
    let (front, back) = queue.as_slices();
    front.contains(&span) || back.contains(&span)
}

fn remove(queue: &mut VecDeque<Span>, span: Span) -> bool {
    if queue.front() == Some(&span) {
        return queue.pop_front().is_some();
    }
    queue.iter().position(|other| *other == span).and_then(|at| queue.remove(at)).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;

    fn block(n: u32) -> Span {
        Span { piece: PieceIndex(n), offset: 0, len: 16 }
    }

    #[test]
    fn requests_are_read_in_order_once_each_and_no_more_than_there_is_room_for() {
        let mut serves = Serves::new();
        assert_eq!(serves.request(block(0), 3), Admission::Queued);
        assert_eq!(serves.request(block(1), 3), Admission::Queued);
        assert_eq!(serves.read_next(), Some(block(0)));
        assert_eq!(serves.request(block(0), 3), Admission::Duplicate);
        assert_eq!(serves.request(block(1), 3), Admission::Duplicate);
        assert_eq!(serves.request(block(2), 3), Admission::Queued);
        assert_eq!(serves.request(block(3), 3), Admission::Full);
        assert_eq!(serves.take(block(0)), Some(Found::Reading));
        assert_eq!(serves.take(block(2)), Some(Found::Queued));
        assert_eq!(serves.take(block(2)), None);
        assert_eq!((serves.read_next(), serves.read_next()), (Some(block(1)), None));
    }

    #[test]
    fn a_choke_drops_all_but_the_allowed() {
        let mut serves = Serves::new();
        for n in 0..5 {
            serves.request(block(n), 10);
        }
        serves.read_next();
        let mut dropped = Vec::new();
        serves.drop_where(|piece| piece != PieceIndex(3), |span| dropped.push(span));
        assert_eq!(dropped, vec![block(0), block(1), block(2), block(4)]);
        assert_eq!((serves.read_next(), serves.len()), (Some(block(3)), 1));
    }
}
