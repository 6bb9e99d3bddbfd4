//! As much of HTTP/1.1 as UPnP needs: one message a connection, read piece by piece.

use crate::limits::{HTTP_BODY_MAX, HTTP_HEAD_MAX};
use crate::place::Place;
use crate::types::Fault;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// A request for `place` that asks for the connection to be closed behind the answer.
pub(crate) fn request(method: &str, place: &Place, headers: &str, body: &str) -> Vec<u8> {
    let Place { addr, path } = place;
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    let head =
        format!("{method} {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n{headers}{length}\r\n");
    [head.as_bytes(), body.as_bytes()].concat()
}

/// Which side sent a message; it decides what no length means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Side {
    /// A request: no length is no body.
    Client,
    /// An answer: no length is a body up to the end of the stream.
    Server,
}

/// A whole message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Message {
    /// Start line and headers.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Message {
    /// The status of an answer.
    pub(crate) fn status(&self) -> Option<u16> {
        let mut words = self.head.lines().next()?.split_ascii_whitespace();
        words.next().filter(|version| version.starts_with("HTTP/"))?;
        words.next()?.parse().ok()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }

    /// The body as text; routers know other encodings, but what matters is ASCII.
    pub(crate) fn text(&self) -> alloc::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }
}

/// The value of the first header of this name in `head`, trimmed.
pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().skip(1).find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// Within the head, the first so many bytes of which hold no end.
    Head {
        seen: usize,
    },
    /// So many more bytes of body; of a chunk, if `chunked`.
    Bytes {
        left: usize,
        chunked: bool,
    },
    /// Before the line that tells a chunk's length.
    ChunkLine,
    /// Within the lines behind the last chunk.
    Trailer,
    /// The body has no stated end.
    UntilClose,
    Done,
}

/// Reads one message.
#[derive(Debug)]
pub(crate) struct Reader {
    side: Side,
    stage: Stage,
    waiting: Vec<u8>,
    head: String,
    body: Vec<u8>,
}

impl Reader {
    pub(crate) fn new(side: Side) -> Reader {
        let (waiting, head, body) = (Vec::new(), String::new(), Vec::new());
        Reader { side, stage: Stage::Head { seen: 0 }, waiting, head, body }
    }

    /// Takes bytes in; the message, once it is whole. Bytes behind it are ignored.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<Option<Message>, Fault> {
        // Piece by piece, so that one huge read does not outgrow the bounds before they are looked at.
        for part in bytes.chunks(HTTP_HEAD_MAX) {
            self.waiting.extend_from_slice(part);
            let mut at = 0;
            while self.step(&mut at)? {}
            self.waiting.drain(..at);
            if self.stage == Stage::Done {
                break;
            }
        }
        Ok(self.whole())
    }

    /// The stream has ended.
    pub(crate) fn end(&mut self) -> Result<Message, Fault> {
        if self.stage == Stage::UntilClose {
            self.stage = Stage::Done;
        }
        self.whole().ok_or(Fault("the stream ends within the answer"))
    }

    fn whole(&mut self) -> Option<Message> {
        let message =
            || Message { head: core::mem::take(&mut self.head), body: core::mem::take(&mut self.body) };
        (self.stage == Stage::Done).then(message)
    }

    /// Goes one step on from `at` in what waits; false if more bytes are needed or none.
    fn step(&mut self, at: &mut usize) -> Result<bool, Fault> {
        let rest = &self.waiting[*at..];
        match self.stage {
            Stage::Done => Ok(false),
            Stage::Head { seen } => {
                let Some(end) = head_end(rest, seen) else {
                    if rest.len() > HTTP_HEAD_MAX {
                        return Err(Fault("an HTTP head that is too long"));
                    }
                    self.stage = Stage::Head { seen: rest.len() };
                    return Ok(false);
                };
                if end > HTTP_HEAD_MAX {
                    return Err(Fault("an HTTP head that is too long"));
                }
                self.head = String::from_utf8_lossy(&rest[..end]).into_owned();
                *at += end;
                self.stage = self.body_stage()?;
                Ok(true)
            }
            Stage::Bytes { left: 0, chunked } => {
                self.stage = if chunked { Stage::ChunkLine } else { Stage::Done };
                Ok(true)
            }
            Stage::Bytes { left, chunked } => {
                let part = rest.len().min(left);
                self.body.extend_from_slice(&rest[..part]);
                *at += part;
                self.stage = Stage::Bytes { left: left - part, chunked };
                Ok(part == left)
            }
            Stage::ChunkLine | Stage::Trailer => self.line(at),
            Stage::UntilClose => {
                if self.body.len() + rest.len() > HTTP_BODY_MAX {
                    return Err(Fault("an HTTP body that is too long"));
                }
                self.body.extend_from_slice(rest);
                *at = self.waiting.len();
                Ok(false)
            }
        }
    }

    fn line(&mut self, at: &mut usize) -> Result<bool, Fault> {
        let rest = &self.waiting[*at..];
        let Some(end) = rest.iter().take(HTTP_HEAD_MAX).position(|byte| *byte == b'\n') else {
            return if rest.len() < HTTP_HEAD_MAX {
                Ok(false)
            } else {
                Err(Fault("an HTTP line that is too long"))
            };
        };
        let line = String::from_utf8_lossy(&rest[..end]);
        let line = line.trim();
        *at += end + 1;
        if self.stage == Stage::Trailer {
            if line.is_empty() {
                self.stage = Stage::Done;
            }
            return Ok(true);
        }
        if line.is_empty() {
            return Ok(true); // the end of the chunk before
        }
        let digits = line.split(';').next().unwrap_or_default().trim();
        let length = usize::from_str_radix(digits, 16).map_err(|_| Fault("a chunk without a length"))?;
        if length > HTTP_BODY_MAX - self.body.len() {
            return Err(Fault("an HTTP body that is too long"));
        }
        self.stage = if length == 0 { Stage::Trailer } else { Stage::Bytes { left: length, chunked: true } };
        Ok(true)
    }

    fn body_stage(&self) -> Result<Stage, Fault> {
        if header(&self.head, "transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"))
        {
            return Ok(Stage::ChunkLine);
        }
        match header(&self.head, "content-length") {
            Some(value) => match value.parse() {
                Ok(left) if left <= HTTP_BODY_MAX => Ok(Stage::Bytes { left, chunked: false }),
                Ok(_) => Err(Fault("an HTTP body that is too long")),
                Err(_) => Err(Fault("a Content-Length that is no number")),
            },
            None if self.side == Side::Server => Ok(Stage::UntilClose),
            None => Ok(Stage::Bytes { left: 0, chunked: false }),
        }
    }
}

/// Behind the empty line that ends a head, if there is one; some routers leave the carriage returns out.
fn head_end(bytes: &[u8], seen: usize) -> Option<usize> {
    let from = seen.saturating_sub(3);
    let line_ends = bytes.iter().enumerate().skip(from).filter(|(_, byte)| **byte == b'\n');
    line_ends.map(|(at, _)| at).find_map(|at| match &bytes[at + 1..] {
        [b'\n', ..] => Some(at + 2),
        [b'\r', b'\n', ..] => Some(at + 3),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Reads `bytes` in pieces of `step`, then the end.
    fn read(bytes: &[u8], step: usize) -> Result<Message, Fault> {
        let mut reader = Reader::new(Side::Server);
        for part in bytes.chunks(step.max(1)) {
            if let Some(message) = reader.push(part)? {
                return Ok(message);
            }
        }
        reader.end()
    }

    #[test]
    fn bodies_end_where_the_head_says() {
        let cases: [(&str, &str); 5] = [
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcdef", "abc"),
            ("HTTP/1.0 200 OK\nContent-Type: x\n\nabc", "abc"),
            ("HTTP/1.1 500 No\r\ncontent-length:0\r\n\r\n", ""),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\nA;x=y\r\n0123456789\r\n0\r\nT: u\r\n\r\n",
                "ab0123456789",
            ),
            ("HTTP/1.1 200 OK\r\nTRANSFER-ENCODING: Chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", "a"),
        ];
        for (bytes, body) in cases {
            for step in [1, 2, 7, 1000] {
                assert_eq!(read(bytes.as_bytes(), step).expect(bytes).text(), body, "{bytes} by {step}");
            }
        }
        let message = read(cases[2].0.as_bytes(), 5).expect("whole");
        assert_eq!((message.status(), message.header("Content-length")), (Some(500), Some("0")));
    }

    #[test]
    fn broken_and_endless_answers_are_refused() {
        let head = "HTTP/1.1 200 OK\r\n";
        for rest in [
            "Content-Length: 4\r\n\r\nabc",
            "Content-Length: x\r\n\r\n",
            "Content-Length: 99999999\r\n\r\n",
            "Content-Length: 99999999999999999999999\r\n\r\n",
            "Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
            "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
            "A: b\r\n",
        ] {
            assert!(read(&[head, rest].concat().into_bytes(), 9).is_err(), "{rest}");
        }
        let endless = [head.as_bytes(), b"\r\n", &alloc::vec![b'a'; HTTP_BODY_MAX + 1]].concat();
        assert!(read(&endless, 4096).is_err() && read(&endless, usize::MAX).is_err());
        assert!(read(&alloc::vec![b'a'; HTTP_HEAD_MAX * 2], 100).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_pieces_read_alike(
            bytes in "(HTTP/1.1 200 OK\r?\n)?([a-zA-Z\\-: 0-9\r\n]|Transfer-Encoding: chunked\r\n|Content-Length: ){0,40}",
            step in 1usize..20,
        ) {
            prop_assert_eq!(read(bytes.as_bytes(), step), read(bytes.as_bytes(), usize::MAX));
        }
    }
}
