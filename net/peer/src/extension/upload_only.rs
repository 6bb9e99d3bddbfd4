//! `upload_only`: whether a peer wants content (BEP 21). Said in the extension handshake; when it changes later, by a
//! message of this name, which the BEP does not describe but libtorrent and its kin send.

/// The extension's name.
pub const NAME: &[u8] = b"upload_only";
/// The number by which we receive it.
pub const ID: u8 = 2;

/// The body of the message.
pub fn to_bytes(upload_only: bool) -> [u8; 1] {
    [u8::from(upload_only)]
}

/// What a message's body says; `None` if it is not one byte.
pub fn from_bytes(body: &[u8]) -> Option<bool> {
    match body {
        [byte] => Some(*byte != 0),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_literal_goes_both_ways() {
        assert_eq!((to_bytes(true), to_bytes(false)), ([1], [0]));
        assert_eq!((from_bytes(&[1]), from_bytes(&[0])), (Some(true), Some(false)));
        assert_eq!((from_bytes(&[]), from_bytes(&[1, 1])), (None, None));
    }
}
