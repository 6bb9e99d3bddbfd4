//! BitTorrent, spoken and understood by hand.

use tide_base::{InfoHash, PeerId, PieceIndex, Span};

/// The name of the protocol, behind its length.
const PROTOCOL: &[u8; 20] = b"\x13BitTorrent protocol";
/// Bytes of a handshake.
const HANDSHAKE: usize = 68;
/// The longest message that is listened to. The bitfield of a torrent of eight million pieces, a block of any size.
const MESSAGE: usize = 1 << 20;
/// By which name a victim tells under which number it takes a piece back.
const DONT_HAVE: &[u8] = b"11:lt_donthavei";

/// What is said.
pub(super) mod say {
    use super::*;

    /// The reserved bytes of one who can do the fast extension, the extension protocol, both, or neither.
    pub(crate) fn reserved(fast: bool, extended: bool) -> [u8; 8] {
        [0, 0, 0, 0, 0, 0x10 * u8::from(extended), 0, 0x04 * u8::from(fast)]
    }

    /// A handshake.
    pub(crate) fn handshake(reserved: [u8; 8], info_hash: InfoHash, id: PeerId) -> Vec<u8> {
        [&PROTOCOL[..], &reserved, &info_hash.0, &id.0].concat()
    }

    /// Any message.
    pub(crate) fn message(id: u8, body: &[u8]) -> Vec<u8> {
        let mut bytes = (body.len() as u32 + 1).to_be_bytes().to_vec();
        bytes.push(id);
        bytes.extend_from_slice(body);
        bytes
    }

    /// A keep-alive.
    pub(crate) fn keep_alive() -> Vec<u8> {
        vec![0; 4]
    }

    /// A message without a body: choke 0, unchoke 1, interested 2, not interested 3, have all 14, have none 15.
    pub(crate) fn plain(id: u8) -> Vec<u8> {
        message(id, &[])
    }

    /// A message about a piece: have 4, suggest 13, allowed fast 17.
    pub(crate) fn piece(id: u8, piece: u32) -> Vec<u8> {
        message(id, &piece.to_be_bytes())
    }

    /// A message about a block: request 6, cancel 8, reject 16.
    pub(crate) fn span(id: u8, span: Span) -> Vec<u8> {
        let words = [span.piece.0, span.offset, span.len].map(u32::to_be_bytes);
        message(id, words.as_flattened())
    }

    /// A block, its length that of what it holds.
    pub(crate) fn block(piece: PieceIndex, offset: u32, content: &[u8]) -> Vec<u8> {
        let mut bytes = (content.len() as u32 + 9).to_be_bytes().to_vec();
        bytes.push(7);
        bytes.extend_from_slice(&piece.0.to_be_bytes());
        bytes.extend_from_slice(&offset.to_be_bytes());
        bytes.extend_from_slice(content);
        bytes
    }

    /// A bitfield in which every piece is there.
    pub(crate) fn full_field(pieces: u32) -> Vec<u8> {
        let mut field = vec![0xff; pieces.div_ceil(8) as usize];
        if !pieces.is_multiple_of(8)
            && let Some(last) = field.last_mut()
        {
            *last <<= 8 - pieces % 8;
        }
        field
    }

    /// A message of the extension protocol.
    pub(crate) fn extended(number: u8, body: &[u8]) -> Vec<u8> {
        message(20, &[&[number], body].concat())
    }
}

/// What was understood.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Word {
    /// A handshake: for which torrent, and by whom.
    Greeting(InfoHash, PeerId),
    /// It chokes.
    Choke,
    /// It unchokes.
    Unchoke,
    /// It has a piece.
    Have(u32),
    /// It has these pieces.
    Bitfield(Vec<u8>),
    /// It has everything.
    HaveAll,
    /// It would like a block.
    Request(Span),
    /// It sent a block.
    Block(Span),
    /// It will not send a block.
    Reject(Span),
    /// It introduces itself; by this number it hears that a piece is taken back.
    Hello(Option<u8>),
    /// It is a node of the DHT.
    Port,
    /// Anything else.
    Other,
}

/// What was said is no BitTorrent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Nonsense;

/// Cuts what is heard into words, however it was cut on its way.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ear {
    heard: Vec<u8>,
    greeted: bool,
}

impl Ear {
    /// Takes bytes in, and gives what they complete.
    pub(crate) fn hear(&mut self, bytes: &[u8]) -> Result<Vec<Word>, Nonsense> {
        self.heard.extend_from_slice(bytes);
        let (mut words, mut at) = (Vec::new(), 0);
        if !self.greeted && self.heard.len() >= HANDSHAKE {
            if !self.heard.starts_with(PROTOCOL) {
                return Err(Nonsense);
            }
            let part = |at| self.heard[at..at + 20].try_into().expect("twenty bytes");
            words.push(Word::Greeting(InfoHash(part(28)), PeerId(part(48))));
            (self.greeted, at) = (true, HANDSHAKE);
        }
        while self.greeted
            && let Some(head) = self.heard.get(at..at + 4)
        {
            let len = word(head, 0) as usize;
            if len > MESSAGE {
                return Err(Nonsense);
            }
            let Some(message) = self.heard.get(at + 4..at + 4 + len) else { break };
            if let Some((&id, body)) = message.split_first() {
                words.push(understand(id, body));
            }
            at += 4 + len;
        }
        self.heard.drain(..at);
        Ok(words)
    }

    /// Bytes that are kept.
    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        self.heard.capacity()
    }
}

fn understand(id: u8, body: &[u8]) -> Word {
    let span = || Span { piece: PieceIndex(word(body, 0)), offset: word(body, 4), len: word(body, 8) };
    match (id, body.len()) {
        (0, 0) => Word::Choke,
        (1, 0) => Word::Unchoke,
        (4, 4) => Word::Have(word(body, 0)),
        (5, _) => Word::Bitfield(body.to_vec()),
        (14, 0) => Word::HaveAll,
        (6, 12) => Word::Request(span()),
        (7, 8..) => Word::Block(Span { len: body.len() as u32 - 8, ..span_at(body) }),
        (16, 12) => Word::Reject(span()),
        (9, 2) => Word::Port,
        (20, 1..) if body[0] == 0 => Word::Hello(dont_have(body)),
        _ => Word::Other,
    }
}

fn span_at(body: &[u8]) -> Span {
    Span { piece: PieceIndex(word(body, 0)), offset: word(body, 4), len: 0 }
}

/// The number that an extension dictionary gives to `lt_donthave`; looked for rather than parsed.
fn dont_have(hello: &[u8]) -> Option<u8> {
    let at = hello.windows(DONT_HAVE.len()).position(|window| window == DONT_HAVE)?;
    let digits: Vec<u8> =
        hello[at + DONT_HAVE.len()..].iter().copied().take_while(u8::is_ascii_digit).take(3).collect();
    String::from_utf8(digits).ok()?.parse().ok().filter(|&number| number != 0)
}

/// The number at `at`; zero behind the end.
fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).map_or(0, |word| u32::from_be_bytes(word.try_into().expect("four bytes")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_understood_however_it_is_cut() {
        let span = Span { piece: PieceIndex(3), offset: 64, len: 16 };
        let id = PeerId([9; 20]);
        let stream = [
            say::handshake(say::reserved(true, true), InfoHash([7; 20]), id),
            say::keep_alive(),
            say::plain(1),
            say::piece(4, 258),
            say::message(5, &say::full_field(10)),
            say::span(6, span),
            say::block(span.piece, span.offset, &[7; 16]),
            say::extended(0, b"d1:md11:lt_donthavei7eee"),
            say::extended(0, b"d1:mdee"),
            say::extended(3, b"?"),
            say::message(9, &[1, 2]),
        ]
        .concat();
        let expected = [
            Word::Greeting(InfoHash([7; 20]), id),
            Word::Unchoke,
            Word::Have(258),
            Word::Bitfield(vec![0xff, 0xc0]),
            Word::Request(span),
            Word::Block(span),
            Word::Hello(Some(7)),
            Word::Hello(None),
            Word::Other,
            Word::Port,
        ];
        for step in 1..=stream.len() {
            let mut ear = Ear::default();
            let words: Vec<Word> =
                stream.chunks(step).flat_map(|part| ear.hear(part).expect("BitTorrent")).collect();
            assert_eq!(words, expected, "{step} bytes at a time");
            assert!(ear.heard.is_empty());
        }
        assert_eq!(Ear::default().hear(&[b'G'; 68]), Err(Nonsense));
    }
}
