//! Items that anybody can store (BEP 44): immutable ones, known by their digest, and mutable ones, by their owner's key.

use crate::digest::sha1;
use crate::id::NodeId;
use crate::limits::{SALT_MAX, VALUE_MAX};
use alloc::boxed::Box;
use alloc::vec::Vec;
use tide_bencode::{Limits, decode};

/// An ed25519 public key.
pub type PublicKey = [u8; 32];
/// An ed25519 signature.
pub type Signature = [u8; 64];

/// Tells whether the signature is `key`'s under `message`.
pub type Verify = fn(key: &PublicKey, message: &[u8], signature: &Signature) -> bool;

/// The [`Verify`] of the feature `ed25519`; without it, one that takes no signature for good.
pub fn verify(key: &PublicKey, message: &[u8], signature: &Signature) -> bool {
    #[cfg(feature = "ed25519")]
    {
        let key = ed25519_compact::PublicKey::new(*key);
        key.verify(message, &ed25519_compact::Signature::new(*signature)).is_ok()
    }
    #[cfg(not(feature = "ed25519"))]
    {
        let _ = (key, message, signature);
        false
    }
}

/// What an item breaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ItemError {
    /// The value is exactly one bencoded value in canonical form.
    Bencoding,
    /// The value has at most 1000 bytes.
    ValueLength,
    /// The salt has at most 64 bytes.
    SaltLength,
    /// Sequence numbers are not negative.
    Sequence,
    /// The signature is the key's.
    Signature,
    /// The seed of a key is not all zeros.
    Seed,
}

impl core::fmt::Display for ItemError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            ItemError::Bencoding => "an item's value must be one bencoded value in canonical form",
            ItemError::ValueLength => "an item's value is longer than 1000 bytes",
            ItemError::SaltLength => "an item's salt is longer than 64 bytes",
            ItemError::Sequence => "an item's sequence number is negative",
            ItemError::Signature => "an item's signature is not its key's",
            ItemError::Seed => "a key's seed is all zeros",
        })
    }
}

impl core::error::Error for ItemError {}

/// What makes an item mutable.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Signed {
    /// Whose item.
    pub key: PublicKey,
    /// Which of the owner's items; empty for the only one.
    pub salt: Box<[u8]>,
    /// Which version; higher ones replace lower ones.
    pub seq: i64,
    /// The owner's signature over salt, version and value.
    pub signature: Signature,
}

/// One item.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Item {
    /// The value, bencoded, in canonical form.
    pub value: Box<[u8]>,
    /// What makes it mutable; `None` for an immutable item.
    pub signed: Option<Signed>,
}

impl Item {
    /// The immutable item of this bencoded value.
    ///
    /// # Errors
    /// [`ItemError::Bencoding`], [`ItemError::ValueLength`].
    pub fn immutable(value: &[u8]) -> Result<Item, ItemError> {
        check_value(value)?;
        Ok(Item { value: value.into(), signed: None })
    }

    /// A mutable item that somebody has signed.
    ///
    /// # Errors
    /// The first [`ItemError`] that applies.
    pub fn mutable(value: &[u8], signed: Signed, verify: Verify) -> Result<Item, ItemError> {
        check_value(value)?;
        if signed.salt.len() > SALT_MAX {
            return Err(ItemError::SaltLength);
        }
        if signed.seq < 0 {
            return Err(ItemError::Sequence);
        }
        if !verify(&signed.key, &signing_buffer(&signed.salt, signed.seq, value), &signed.signature) {
            return Err(ItemError::Signature);
        }
        Ok(Item { value: value.into(), signed: Some(signed) })
    }

    /// Signs version `seq` of the item `salt` of the owner of the 32-byte `seed` (RFC 8032).
    ///
    /// # Errors
    /// The first [`ItemError`] that applies.
    #[cfg(feature = "ed25519")]
    pub fn sign(seed: &[u8; 32], salt: &[u8], seq: i64, value: &[u8]) -> Result<Item, ItemError> {
        // The library would panic.
        if *seed == [0; 32] {
            return Err(ItemError::Seed);
        }
        let pair = ed25519_compact::KeyPair::from_seed(ed25519_compact::Seed::new(*seed));
        let signature = *pair.sk.sign(signing_buffer(salt, seq, value), None);
        let signed = Signed { key: *pair.pk, salt: salt.into(), seq, signature };
        Item::mutable(value, signed, verify)
    }

    /// Where it is stored.
    pub fn target(&self) -> NodeId {
        match &self.signed {
            None => NodeId(sha1(&[&self.value])),
            Some(signed) => mutable_target(&signed.key, &signed.salt),
        }
    }

    /// The version of a mutable item.
    pub fn seq(&self) -> Option<i64> {
        self.signed.as_ref().map(|signed| signed.seq)
    }
}

/// Where the item `salt` of the owner of `key` is stored.
pub fn mutable_target(key: &PublicKey, salt: &[u8]) -> NodeId {
    NodeId(sha1(&[key, salt]))
}

/// What is signed: the keys and values as in a dictionary, without the dictionary.
pub fn signing_buffer(salt: &[u8], seq: i64, value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(salt.len() + value.len() + 48);
    if !salt.is_empty() {
        out.extend_from_slice(b"4:salt");
        tide_bencode::encode_into(&mut out, |v| v.bytes(salt));
    }
    out.extend_from_slice(b"3:seq");
    tide_bencode::encode_into(&mut out, |v| v.int(seq));
    out.extend_from_slice(b"1:v");
    out.extend_from_slice(value);
    out
}

fn check_value(value: &[u8]) -> Result<(), ItemError> {
    if value.len() > VALUE_MAX {
        return Err(ItemError::ValueLength);
    }
    match decode(value, Limits::DATAGRAM) {
        Ok(document) if document.root().is_canonical() => Ok(()),
        _ => Err(ItemError::Bencoding),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tide_base::id::unhex;

    const KEY: &str = "77ff84905a91936367c01360803104f92432fcd904a43511876df5cdf3e7e548";
    const VALUE: &[u8] = b"12:Hello World!";

    #[cfg(feature = "ed25519")]
    fn signed(salt: &[u8], signature: &str) -> Signed {
        let signature = unhex(signature).expect("a signature");
        Signed { key: unhex(KEY).expect("a key"), salt: salt.into(), seq: 1, signature }
    }

    #[cfg(feature = "ed25519")]
    #[test]
    fn a_seed_that_nobody_drew_is_refused() {
        assert_eq!(Item::sign(&[0; 32], b"", 1, VALUE), Err(ItemError::Seed));
        assert!(Item::sign(&[1; 32], b"", 1, VALUE).is_ok());
    }

    #[test]
    fn the_buffers_and_targets_of_bep_44() {
        assert_eq!(signing_buffer(b"", 1, VALUE), b"3:seqi1e1:v12:Hello World!");
        assert_eq!(signing_buffer(b"foobar", 1, VALUE), b"4:salt6:foobar3:seqi1e1:v12:Hello World!");
        let key = unhex(KEY).expect("a key");
        let at = |hex: &str| NodeId(unhex(hex).expect("an id"));
        assert_eq!(mutable_target(&key, b""), at("4a533d47ec9c7d95b1ad75f576cffc641853b750"));
        assert_eq!(mutable_target(&key, b"foobar"), at("411eba73b6f087ca51a3795d9c8c938d365e32c1"));
        let item = Item::immutable(VALUE).expect("an item");
        assert_eq!(item.target(), at("e5f96f6f38320f0f33959cb4d3d656452117aadb"));
    }

    #[cfg(feature = "ed25519")]
    #[test]
    fn the_signatures_of_bep_44() {
        let plain = "305ac8aeb6c9c151fa120f120ea2cfb923564e11552d06a5d856091e5e853cff\
                     1260d3f39e4999684aa92eb73ffd136e6f4f3ecbfda0ce53a1608ecd7ae21f01";
        let salted = "6834284b6b24c3204eb2fea824d82f88883a3d95e8b4a21b8c0ded553d17d17d\
                      df9a8a7104b1258f30bed3787e6cb896fca78c58f8e03b5f18f14951a87d9a08";
        for (salt, signature) in [(&b""[..], plain), (b"foobar", salted)] {
            assert!(Item::mutable(VALUE, signed(salt, signature), verify).is_ok());
            let other = Item::mutable(b"12:Hello World?", signed(salt, signature), verify);
            assert_eq!(other, Err(ItemError::Signature));
        }
        assert_eq!(Item::mutable(VALUE, signed(b"", salted), verify), Err(ItemError::Signature));
    }

    #[cfg(feature = "ed25519")]
    #[test]
    fn what_is_signed_verifies() {
        let item = Item::sign(&[9; 32], b"salt", 7, b"i5e").expect("an item");
        let again = Item::mutable(&item.value, item.signed.clone().expect("signed"), verify);
        assert_eq!(again, Ok(item));
        assert_eq!(Item::sign(&[9; 32], &[0; 65], 7, b"i5e"), Err(ItemError::SaltLength));
        assert_eq!(Item::sign(&[9; 32], b"", -1, b"i5e"), Err(ItemError::Sequence));
    }

    #[test]
    fn values_are_short_and_canonical() {
        for bad in [&b""[..], b"i05e", b"d1:b0:1:a0:e", b"i1ei2e", b"5:ab", b"x"] {
            assert_eq!(Item::immutable(bad), Err(ItemError::Bencoding), "{bad:?}");
        }
        let mut long = b"996:".to_vec();
        long.resize(1000, b'x');
        assert!(Item::immutable(&long).is_ok());
        long[2] = b'7';
        long.push(b'x');
        assert_eq!(Item::immutable(&long), Err(ItemError::ValueLength));
    }
}
