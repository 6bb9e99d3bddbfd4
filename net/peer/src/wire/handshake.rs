//! The 68 bytes that open a connection (BEP 3), and the reserved bits in them.

use core::fmt;
use tide_base::{InfoHash, PeerId};

/// What stands before everything else: the length of the protocol's name, and the name.
pub const PROTOCOL: &[u8; 20] = b"\x13BitTorrent protocol";

/// The eight reserved bytes: which extensions a side can do.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Reserved(pub [u8; 8]);

impl Reserved {
    /// No extension.
    pub const NONE: Reserved = Reserved([0; 8]);
    /// What this crate can do: the fast extension and the extension protocol.
    pub const OURS: Reserved = Reserved::NONE.with(5, 0x10).with(7, 0x04);

    const fn with(self, byte: usize, bit: u8) -> Reserved {
        let mut bytes = self.0;
        bytes[byte] |= bit;
        Reserved(bytes)
    }

    /// The same with the DHT's bit (BEP 5).
    #[must_use]
    pub const fn with_dht(self) -> Reserved {
        self.with(7, 0x01)
    }

    /// What both sides can do.
    #[must_use]
    pub fn common(self, other: Reserved) -> Reserved {
        Reserved(core::array::from_fn(|i| self.0[i] & other.0[i]))
    }

    /// The extension protocol (BEP 10).
    pub const fn extended(self) -> bool {
        self.0[5] & 0x10 != 0
    }

    /// A DHT node on some UDP port (BEP 5).
    pub const fn dht(self) -> bool {
        self.0[7] & 0x01 != 0
    }

    /// The fast extension (BEP 6).
    pub const fn fast(self) -> bool {
        self.0[7] & 0x04 != 0
    }

    /// The torrent's version 2 (BEP 52).
    pub const fn v2(self) -> bool {
        self.0[7] & 0x10 != 0
    }
}

impl fmt::Debug for Reserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reserved({})", tide_base::id::hex(&self.0))
    }
}

/// What each side says first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Handshake {
    /// What it can do.
    pub reserved: Reserved,
    /// Which torrent.
    pub info_hash: InfoHash,
    /// How it calls itself.
    pub peer_id: PeerId,
}

impl Handshake {
    /// Bytes of a handshake.
    pub const LEN: usize = 68;
    /// Bytes of a handshake up to and with the info-hash: what one has to know to answer.
    pub const INTRODUCTION: usize = 48;

    /// The wire's form.
    pub fn to_bytes(&self) -> [u8; Handshake::LEN] {
        let mut bytes = [0; Handshake::LEN];
        bytes[..20].copy_from_slice(PROTOCOL);
        bytes[20..28].copy_from_slice(&self.reserved.0);
        bytes[28..48].copy_from_slice(&self.info_hash.0);
        bytes[48..].copy_from_slice(&self.peer_id.0);
        bytes
    }

    /// Reads the wire's form; `None` if the protocol's name is another.
    pub fn from_bytes(bytes: &[u8; Handshake::LEN]) -> Option<Handshake> {
        let (name, rest) = bytes.split_at(20);
        let (reserved, rest) = rest.split_at(8);
        let (info_hash, peer_id) = rest.split_at(20);
        (name == PROTOCOL).then(|| Handshake {
            reserved: Reserved(reserved.try_into().expect("a slice of eight")),
            info_hash: InfoHash(info_hash.try_into().expect("a slice of twenty")),
            peer_id: PeerId(peer_id.try_into().expect("a slice of twenty")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_literal_goes_both_ways() {
        let ours = Handshake {
            reserved: Reserved::OURS.with_dht(),
            info_hash: InfoHash(*b"aaaaaaaaaaaaaaaaaaaa"),
            peer_id: PeerId(*b"-TD0100-bbbbbbbbbbbb"),
        };
        let bytes = ours.to_bytes();
        assert_eq!(
            bytes,
            *b"\x13BitTorrent protocol\0\0\0\0\0\x10\0\x05aaaaaaaaaaaaaaaaaaaa-TD0100-bbbbbbbbbbbb"
        );
        assert_eq!(Handshake::from_bytes(&bytes), Some(ours));
        let mut other = bytes;
        other[19] = b'L';
        assert_eq!(Handshake::from_bytes(&other), None);
    }

    #[test]
    fn the_reserved_bits_are_where_the_beps_say() {
        let all = Reserved([0, 0, 0, 0, 0, 0x10, 0, 0x15]);
        assert!(all.extended() && all.fast() && all.dht() && all.v2());
        let none = Reserved([0xff, 0xff, 0xff, 0xff, 0xff, 0xef, 0xff, 0xea]);
        assert!(!none.extended() && !none.fast() && !none.dht() && !none.v2());
        assert_eq!(all.common(Reserved::OURS), Reserved::OURS);
    }
}
