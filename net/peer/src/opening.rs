//! The opening of a connection as a sequence of values, each consumed by the next, so that no message can come before
//! the handshakes are done.
//!
//! ```text
//! they dialled:  Listening ──48 bytes──▶ Introduced ──answer──▶ Greeting ──the rest──▶ Met
//! we dialled:                             Greeting::dial ──────▶ Greeting ──68 bytes──▶ Met
//! ```
//! An answer may be sent before the peer's id has come: some peers wait for it (BEP 3).

use crate::fault::Fault;
use crate::wire::frame::take;
use crate::wire::handshake::{Handshake, PROTOCOL, Reserved};
use tide_base::InfoHash;

/// Somebody dialled us; nothing is known yet.
#[derive(Clone, Debug, Default)]
pub struct Listening {
    got: Received,
}

/// What [`Listening::receive`] came to.
#[derive(Clone, Debug)]
pub enum Heard {
    /// The bytes are used up; more are needed.
    More(Listening),
    /// The peer has said which torrent it comes for.
    Introduced(Introduced),
}

/// The peer has said which torrent it comes for; we have not answered.
#[derive(Clone, Debug)]
pub struct Introduced {
    got: Received,
}

/// Our handshake is under way; what is missing of the peer's is awaited.
#[derive(Clone, Debug)]
pub struct Greeting {
    got: Received,
    ours: Handshake,
    said: Said,
}

/// What [`Greeting::receive`] came to.
#[derive(Clone, Debug)]
pub enum Greeted {
    /// The bytes are used up; more are needed.
    More(Greeting),
    /// Both handshakes are known. What is left of the bytes belongs to the session.
    Met(Met),
}

/// Both handshakes are known: what a session begins with.
#[derive(Clone, Debug)]
pub struct Met {
    /// What we said.
    pub ours: Handshake,
    /// What the peer said.
    pub theirs: Handshake,
    said: Said,
}

impl Listening {
    /// Nothing has come yet.
    pub fn new() -> Listening {
        Listening::default()
    }

    /// Takes what is needed off the front of `bytes`.
    ///
    /// # Errors
    /// At the first byte that is not of BitTorrent's handshake.
    pub fn receive(mut self, bytes: &mut &[u8]) -> Result<Heard, Fault> {
        let introduced = self.got.take(bytes, Handshake::INTRODUCTION)?;
        Ok(if introduced { Heard::Introduced(Introduced { got: self.got }) } else { Heard::More(self) })
    }
}

impl Introduced {
    /// The torrent that the peer comes for.
    pub fn info_hash(&self) -> InfoHash {
        InfoHash(self.got.bytes[28..48].try_into().expect("a slice of twenty"))
    }

    /// What the peer can do.
    pub fn reserved(&self) -> Reserved {
        Reserved(self.got.bytes[20..28].try_into().expect("a slice of eight"))
    }

    /// Answers with our handshake for that torrent.
    pub fn answer(self, ours: Handshake) -> Greeting {
        Greeting { got: self.got, said: Said::new(&ours), ours }
    }
}

impl Greeting {
    /// We dialled: our handshake is said first.
    pub fn dial(ours: Handshake) -> Greeting {
        Greeting { got: Received::default(), said: Said::new(&ours), ours }
    }

    /// What is to be sent.
    pub fn outgoing(&self) -> &[u8] {
        self.said.left()
    }

    /// Records that `n` bytes more were sent.
    pub fn sent(&mut self, n: usize) {
        assert!(n <= self.said.left().len(), "more was sent than there is");
        self.said.sent += n;
    }

    /// Takes what is needed off the front of `bytes`, and no more.
    ///
    /// # Errors
    /// At the first byte that is not of BitTorrent's handshake, on another info-hash, and if the peer is ourselves.
    pub fn receive(mut self, bytes: &mut &[u8]) -> Result<Greeted, Fault> {
        let introduced = self.got.take(bytes, Handshake::INTRODUCTION)?;
        if introduced && self.got.bytes[28..48] != self.ours.info_hash.0 {
            return Err(Fault::InfoHashDiffers);
        }
        if !self.got.take(bytes, Handshake::LEN)? {
            return Ok(Greeted::More(self));
        }
        let theirs = Handshake::from_bytes(&self.got.bytes).ok_or(Fault::NotBitTorrent)?;
        if theirs.peer_id == self.ours.peer_id {
            return Err(Fault::SelfConnection);
        }
        Ok(Greeted::Met(Met { ours: self.ours, theirs, said: self.said }))
    }
}

impl Met {
    /// What a session begins with when the handshakes were exchanged elsewhere (in a simulation, in a test).
    pub fn already(ours: Handshake, theirs: Handshake) -> Met {
        Met { said: Said { sent: Handshake::LEN, ..Said::new(&ours) }, ours, theirs }
    }

    /// What both sides can do.
    pub fn common(&self) -> Reserved {
        self.ours.reserved.common(self.theirs.reserved)
    }

    /// The part of our handshake that has not been sent yet: the session sends it first.
    pub(crate) fn unsent(&self) -> &[u8] {
        self.said.left()
    }
}

/// Our handshake on its way.
#[derive(Clone, Debug)]
struct Said {
    bytes: [u8; Handshake::LEN],
    sent: usize,
}

impl Said {
    fn new(ours: &Handshake) -> Said {
        Said { bytes: ours.to_bytes(), sent: 0 }
    }

    fn left(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }
}

/// The part of the peer's handshake that has come.
#[derive(Clone, Debug)]
struct Received {
    bytes: [u8; Handshake::LEN],
    have: usize,
}

impl Default for Received {
    fn default() -> Received {
        Received { bytes: [0; Handshake::LEN], have: 0 }
    }
}

impl Received {
    /// Takes bytes until there are `upto`; returns whether there are.
    fn take(&mut self, bytes: &mut &[u8], upto: usize) -> Result<bool, Fault> {
        let part = take(bytes, upto.saturating_sub(self.have));
        self.bytes[self.have..self.have + part.len()].copy_from_slice(part);
        self.have += part.len();
        let named = self.have.min(PROTOCOL.len());
        if self.bytes[..named] != PROTOCOL[..named] {
            return Err(Fault::NotBitTorrent);
        }
        Ok(self.have >= upto)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tide_base::PeerId;

    fn shake(id: u8) -> Handshake {
        Handshake { reserved: Reserved::OURS, info_hash: InfoHash([7; 20]), peer_id: PeerId([id; 20]) }
    }

    #[test]
    fn the_dialled_side_knows_the_torrent_after_48_bytes_and_leaves_the_rest_alone() {
        let theirs = shake(1).to_bytes();
        for cut in 0..48 {
            let Heard::More(phase) = Listening::new().receive(&mut &theirs[..cut]).expect("legal") else {
                panic!("introduced after {cut} bytes");
            };
            let mut rest = &theirs[cut..];
            let Heard::Introduced(phase) = phase.receive(&mut rest).expect("legal") else {
                panic!("not introduced");
            };
            assert_eq!((phase.info_hash(), phase.reserved()), (InfoHash([7; 20]), Reserved::OURS));
            assert_eq!(rest.len(), 20);
            let mut phase = phase.answer(shake(2));
            assert_eq!(phase.outgoing(), shake(2).to_bytes());
            phase.sent(60);
            let mut rest = &[&theirs[48..], b"more"].concat()[..];
            let Greeted::Met(met) = phase.receive(&mut rest).expect("legal") else { panic!("not met") };
            assert_eq!((met.theirs, rest), (shake(1), &b"more"[..]));
            assert_eq!(met.unsent(), &shake(2).to_bytes()[60..]);
        }
    }

    #[test]
    fn the_dialling_side_refuses_strangers_other_torrents_and_itself() {
        let dial = || Greeting::dial(shake(2));
        assert_eq!(dial().receive(&mut &b"\x13BitTorrents"[..]).err(), Some(Fault::NotBitTorrent));
        assert_eq!(Listening::new().receive(&mut &b"G"[..]).err(), Some(Fault::NotBitTorrent));
        let other = Handshake { info_hash: InfoHash([8; 20]), ..shake(1) };
        assert_eq!(dial().receive(&mut &other.to_bytes()[..48]).err(), Some(Fault::InfoHashDiffers));
        assert_eq!(dial().receive(&mut &shake(2).to_bytes()[..]).err(), Some(Fault::SelfConnection));
        let theirs = shake(1).to_bytes();
        let mut phase = dial();
        for byte in &theirs[..67] {
            let Greeted::More(next) = phase.receive(&mut &[*byte][..]).expect("legal") else {
                panic!("met too early");
            };
            phase = next;
        }
        assert!(matches!(phase.receive(&mut &theirs[67..]), Ok(Greeted::Met(met)) if met.theirs == shake(1)));
    }
}
