//! Hands that are not shaken properly.

use tide_base::{InfoHash, PeerId, Prng};

use super::Vice;
use super::speaker::say;

/// What a mutant says first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Opening {
    /// These bytes at once.
    Say(Vec<u8>),
    /// These bytes, one a second.
    Drip(Vec<u8>),
    /// The bytes at once; and the name when the victim has told its own.
    Await(Vec<u8>),
    /// Nothing, ever.
    Silence,
}

/// Who shakes hands.
pub(super) struct Shaker<'a> {
    /// The vice; none if it has reformed.
    pub(super) vice: Option<Vice>,
    /// Whether it dialled.
    pub(super) dialler: bool,
    /// What it can do.
    pub(super) reserved: [u8; 8],
    /// The torrent.
    pub(super) info_hash: InfoHash,
    /// Its name.
    pub(super) id: PeerId,
    /// What the victim calls itself, when it has said so.
    pub(super) theirs: Option<PeerId>,
    /// Its randomness.
    pub(super) prng: &'a mut Prng,
}

impl Shaker<'_> {
    /// What is said first, by who dialled when the connection stands, by who was dialled when he was greeted; or
    /// unasked, if the second return value says so.
    pub(super) fn opening(self) -> Opening {
        let hand = say::handshake(self.reserved, self.info_hash, self.id);
        let foreign = |prng: &mut Prng| {
            let mut other = [0; 20];
            prng.fill(&mut other);
            say::handshake(self.reserved, InfoHash(other), self.id)
        };
        match (self.vice, self.theirs) {
            (Some(Vice::GarbageInstead), _) => Opening::Say(garbage(self.prng, &hand)),
            (Some(Vice::ForeignTorrent), _) if self.dialler => Opening::Say(foreign(self.prng)),
            (Some(Vice::AnswersForAnother), _) if !self.dialler => Opening::Say(foreign(self.prng)),
            (Some(Vice::VictimsId), None) => Opening::Await(hand[..48].to_vec()),
            (Some(Vice::VictimsId), Some(theirs)) => {
                Opening::Say(say::handshake(self.reserved, self.info_hash, theirs))
            }
            (Some(Vice::SlowGreeting), _) => Opening::Drip(hand),
            (Some(Vice::SaysNothing), _) => Opening::Silence,
            _ => Opening::Say(hand),
        }
    }
}

/// Something that is no handshake: another protocol, noise, or a handshake with a wrong byte.
fn garbage(prng: &mut Prng, hand: &[u8]) -> Vec<u8> {
    match prng.below(3) {
        0 => b"GET /announce HTTP/1.1\r\nHost: tracker\r\nUser-Agent: none\r\n\r\n".to_vec(),
        1 => {
            let mut noise = vec![0; 68 + prng.index(500)];
            prng.fill(&mut noise);
            noise[0] |= 0x80;
            noise
        }
        _ => {
            let mut wrong = hand.to_vec();
            wrong[prng.index(20)] ^= 1 << prng.below(8);
            wrong
        }
    }
}
