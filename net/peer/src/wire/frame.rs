//! Frames: a stream of bytes cut into messages, however it was cut into reads.
//!
//! What is incomplete waits here: up to 17 bytes in the reader itself, a bitfield or an extended message in memory
//! that grows with what has really come, never with what was announced. A message that came in one read is not copied.

use crate::fault::Fault;
use crate::wire::message::{self, Bounds, Message, Shape};
use alloc::borrow::Cow;
use alloc::vec::Vec;

/// The longest message that is kept in the reader itself: four bytes of length, the number, three words.
const HEAD: usize = 17;
/// The head of a block: length, number, piece, offset.
const BLOCK_HEAD: usize = 13;

/// The incomplete end of a stream.
#[derive(Clone, Debug, Default)]
pub struct Reader {
    head: [u8; HEAD],
    have: usize,
    state: State,
}

#[derive(Clone, Debug, Default)]
enum State {
    /// Collecting the head.
    #[default]
    Head,
    /// Collecting the body of a long message.
    Body { id: u8, len: usize, body: Vec<u8> },
    /// Passing over what nobody wants.
    Skip { left: u32 },
}

impl Reader {
    /// At the beginning of a stream of messages.
    pub fn new() -> Reader {
        Reader::default()
    }

    /// Takes one message off the front of `bytes`; `None` if they are used up before one is complete. After a
    /// [`Message::Block`] the caller takes the content out of the stream before it asks again.
    ///
    /// # Errors
    /// When a message's number or length breaks a rule. The reader must not be used again then.
    pub fn next<'a>(&mut self, bytes: &mut &'a [u8], bounds: &Bounds) -> Result<Option<Message<'a>>, Fault> {
        loop {
            match &mut self.state {
                State::Head => {
                    if let Some(message) = self.head(bytes, bounds)? {
                        return Ok(Some(message));
                    }
                    if matches!(self.state, State::Head) {
                        return Ok(None);
                    }
                }
                State::Body { id, len, body } => {
                    let missing = *len - body.len();
                    let id = *id;
                    if body.is_empty() && bytes.len() >= missing {
                        self.state = State::Head;
                        return Ok(Some(message::long(id, Cow::Borrowed(take(bytes, missing)))));
                    }
                    body.extend_from_slice(take(bytes, missing));
                    if body.len() < *len {
                        return Ok(None);
                    }
                    let body = core::mem::take(body);
                    self.state = State::Head;
                    return Ok(Some(message::long(id, Cow::Owned(body))));
                }
                State::Skip { left } => {
                    let skipped = take(bytes, *left as usize).len();
                    *left -= skipped as u32;
                    if *left > 0 {
                        return Ok(None);
                    }
                    self.state = State::Head;
                }
            }
        }
    }

    /// How many more bytes may come, whatever they are, before content of a block that has not begun: at least one.
    pub fn before_content(&self) -> usize {
        match &self.state {
            // A message that is no block and longer than the head of one ends with its next byte, or later.
            State::Head => BLOCK_HEAD.saturating_sub(self.have).max(1),
            State::Body { len, body, .. } => len - body.len() + BLOCK_HEAD,
            State::Skip { left } => *left as usize + BLOCK_HEAD,
        }
    }

    /// Bytes of memory held for an incomplete message, the reader itself aside.
    pub fn memory(&self) -> usize {
        match &self.state {
            State::Body { body, .. } => body.capacity(),
            State::Head | State::Skip { .. } => 0,
        }
    }

    /// Goes on with the head; a message, or nothing and perhaps another state.
    fn head<'a>(&mut self, bytes: &mut &'a [u8], bounds: &Bounds) -> Result<Option<Message<'a>>, Fault> {
        if !self.fill(bytes, 4) {
            return Ok(None);
        }
        let len = u32::from_be_bytes([self.head[0], self.head[1], self.head[2], self.head[3]]);
        if len == 0 {
            self.have = 0;
            return Ok(Some(Message::KeepAlive));
        }
        if !self.fill(bytes, 5) {
            return Ok(None);
        }
        let id = self.head[4];
        match message::shape(id, len, bounds)? {
            Shape::Short => {
                let end = 4 + len as usize;
                if !self.fill(bytes, end) {
                    return Ok(None);
                }
                self.have = 0;
                Ok(Some(message::short(id, &self.head[5..end])))
            }
            Shape::Block => {
                if !self.fill(bytes, BLOCK_HEAD) {
                    return Ok(None);
                }
                self.have = 0;
                Ok(Some(message::block(&self.head[5..BLOCK_HEAD], len - 9)))
            }
            Shape::Long => {
                self.have = 0;
                self.state = State::Body { id, len: len as usize - 1, body: Vec::new() };
                Ok(None)
            }
            Shape::Unknown => {
                self.have = 0;
                self.state = State::Skip { left: len - 1 };
                Ok(Some(Message::Unknown { id, len: len - 1 }))
            }
        }
    }

    fn fill(&mut self, bytes: &mut &[u8], upto: usize) -> bool {
        if self.have < upto {
            let part = take(bytes, upto - self.have);
            self.head[self.have..self.have + part.len()].copy_from_slice(part);
            self.have += part.len();
        }
        self.have >= upto
    }
}

/// Takes up to `len` bytes off the front.
pub(crate) fn take<'a>(bytes: &mut &'a [u8], len: usize) -> &'a [u8] {
    let (part, rest) = bytes.split_at(len.min(bytes.len()));
    *bytes = rest;
    part
}
