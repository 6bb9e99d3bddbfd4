//! What waits to be sent: messages as bytes, content as handles, in order.
//!
//! All messages, the heads of blocks included, stand one behind the other in one buffer; each block's content is
//! spliced in at an offset of it. So queueing a block allocates nothing (the buffers are kept), and one write can take
//! many blocks.

use crate::event::Sent;
use crate::wire::message::Message;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use tide_base::{Payload, Span};

/// Bytes of buffer that are kept when everything was sent: a few dozen requests and heads, little enough for a
/// thousand peers.
const KEPT: usize = 512;
/// Sent bytes at the front of the buffer that are put up with before the rest is moved.
const SLACK: usize = 4096;

#[derive(Clone, Debug)]
struct Splice {
    /// Bytes of messages, counted from the connection's beginning, that go before the content.
    after: u64,
    content: Payload,
    sent: usize,
}

/// A queue of bytes to be sent.
#[derive(Clone, Debug, Default)]
pub struct Out {
    control: Vec<u8>,
    /// How much of `control` was sent.
    head: usize,
    /// The offset of `control[0]`, counted from the connection's beginning.
    base: u64,
    splices: VecDeque<Splice>,
    /// Bytes of content that were not sent.
    content: usize,
}

impl Out {
    /// Nothing to send.
    pub fn new() -> Out {
        Out::default()
    }

    /// Bytes that wait.
    pub fn len(&self) -> usize {
        self.control_len() + self.content
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that wait, content aside.
    pub fn control_len(&self) -> usize {
        self.control.len() - self.head
    }

    /// Blocks of which some content waits.
    pub fn blocks(&self) -> usize {
        self.splices.len()
    }

    /// Queues a message.
    pub fn message(&mut self, message: &Message<'_>) {
        message.write(&mut self.control);
    }

    /// Queues bytes that are a part of the stream already.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.control.extend_from_slice(bytes);
    }

    /// Queues a block: its head, then its content, which must be of the span's length.
    pub fn block(&mut self, span: Span, content: Payload) {
        assert_eq!(content.len(), span.len as usize, "content that is not the block's");
        self.message(&Message::Block(span));
        self.content += content.len();
        let after = self.base + self.control.len() as u64;
        self.splices.push_back(Splice { after, content, sent: 0 });
    }

    /// What waits, in order, as slices none of which is empty.
    pub fn slices(&self) -> impl Iterator<Item = &[u8]> {
        let mut at = self.head;
        let mut splices = self.splices.iter();
        let mut content = None;
        let mut done = false;
        core::iter::from_fn(move || {
            if let Some(slice) = content.take() {
                return Some(slice);
            }
            if done {
                return None;
            }
            let Some(splice) = splices.next() else {
                done = true;
                return Some(&self.control[at..]);
            };
            let upto = (splice.after - self.base) as usize;
            content = Some(&splice.content[splice.sent..]);
            Some(&self.control[core::mem::replace(&mut at, upto)..upto])
        })
        .filter(|slice| !slice.is_empty())
    }

    /// Records that the first `n` bytes of what waits were sent; handles of content go with their last byte.
    pub fn sent(&mut self, n: usize) -> Sent {
        assert!(n <= self.len(), "more was sent than there is");
        let mut left = n;
        let mut sent = Sent::default();
        while left > 0 {
            let Some(splice) = self.splices.front_mut() else {
                self.head += left;
                break;
            };
            let before = ((splice.after - self.base) as usize - self.head).min(left);
            self.head += before;
            left -= before;
            let content = (splice.content.len() - splice.sent).min(left);
            splice.sent += content;
            left -= content;
            self.content -= content;
            sent.payload += content as u64;
            if splice.sent == splice.content.len() {
                self.splices.pop_front();
                sent.blocks += 1;
            }
        }
        self.tidy();
        sent
    }

    fn tidy(&mut self) {
        if self.head == self.control.len() {
            self.base += self.head as u64;
            self.head = 0;
            self.control.clear();
            self.control.shrink_to(KEPT);
        } else if self.head > SLACK && self.head > self.control.len() / 2 {
            self.base += self.head as u64;
            self.control.drain(..self.head);
            self.head = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tide_base::PieceIndex;

    fn span(offset: u32, len: u32) -> Span {
        Span { piece: PieceIndex(1), offset, len }
    }

    fn flat(out: &Out) -> Vec<u8> {
        out.slices().flatten().copied().collect()
    }

    #[test]
    fn heads_and_contents_come_in_order_and_nothing_is_sent_twice_for_every_cut() {
        let mut whole = Vec::from(*b"\0\0\0\x01\x01");
        whole.extend_from_slice(b"\0\0\0\x0c\x07\0\0\0\x01\0\0\0\0abc");
        whole.extend_from_slice(b"\0\0\0\x0b\x07\0\0\0\x01\0\0\0\x10xy");
        whole.extend_from_slice(b"\0\0\0\0");
        for step in 1..=whole.len() {
            let mut out = Out::new();
            out.message(&Message::Unchoke);
            out.block(span(0, 3), Payload::from_static(b"abc"));
            out.block(span(16, 2), Payload::from_static(b"xy"));
            out.message(&Message::KeepAlive);
            assert_eq!((out.len(), out.control_len(), out.blocks()), (whole.len(), 35, 2));
            let mut at = 0;
            let mut total = Sent::default();
            while !out.is_empty() {
                assert_eq!(flat(&out), whole[at..]);
                let n = step.min(out.len());
                let sent = out.sent(n);
                total.payload += sent.payload;
                total.blocks += sent.blocks;
                at += n;
            }
            assert_eq!(at, whole.len());
            assert_eq!(total, Sent { payload: 5, blocks: 2 });
            assert_eq!(flat(&out), []);
        }
    }

    #[test]
    fn the_buffer_does_not_grow_with_what_was_sent() {
        let mut out = Out::new();
        for i in 0..100_000 {
            out.message(&Message::Request(span(i, 16)));
            out.block(span(i, 3), Payload::from_static(b"abc"));
            if i > 0 {
                out.sent(33);
            }
        }
        assert!(out.control.capacity() < 32 * 1024, "{}", out.control.capacity());
        assert_eq!(out.len(), 33);
        out.sent(33);
        assert!(out.control.capacity() <= KEPT && out.is_empty());
    }
}
