//! Gzipped bodies (RFC 1952), with a bound on what they may grow to.

use crate::error::Error;
use alloc::vec::Vec;
use miniz_oxide::inflate::{TINFLStatus, decompress_to_vec_with_limit};

/// What `bytes`, one gzip member, holds: at most `limit` bytes of it.
pub(super) fn inflate(bytes: &[u8], limit: usize) -> Result<Vec<u8>, Error> {
    let broken = Error::Malformed("the body is not what gzip writes");
    let Some((deflated, trailer)) = content(bytes) else { return Err(broken) };
    let (crc, size) = trailer.split_at(4);
    let plain = match decompress_to_vec_with_limit(deflated, limit) {
        Ok(plain) => plain,
        Err(error) if error.status == TINFLStatus::HasMoreOutput => {
            return Err(Error::TooLarge("the body, when inflated"));
        }
        Err(_) => return Err(broken),
    };
    let size_is_right = (plain.len() as u32).to_le_bytes() == size;
    if size_is_right && crc32(&plain).to_le_bytes() == crc { Ok(plain) } else { Err(broken) }
}

/// The deflated bytes of a member and the eight bytes behind them.
fn content(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = bytes.strip_prefix(&[0x1f, 0x8b, 8])?;
    let (&flags, rest) = rest.split_first()?;
    // Time, compression level and operating system.
    let mut rest = rest.get(6..)?;
    if flags & 4 != 0 {
        let (len, tail) = rest.split_first_chunk::<2>()?;
        rest = tail.get(usize::from(u16::from_le_bytes(*len))..)?;
    }
    for text in [8, 16] {
        if flags & text != 0 {
            let end = rest.iter().position(|&byte| byte == 0)?;
            rest = &rest[end + 1..];
        }
    }
    if flags & 2 != 0 {
        rest = rest.get(2..)?;
    }
    (flags & 0xe0 == 0).then_some(())?;
    rest.split_at_checked(rest.len().checked_sub(8)?)
}

/// CRC-32 as gzip has it, a bit at a time: bodies are small.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), |crc, _| step(crc)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use miniz_oxide::deflate::compress_to_vec;

    fn gzip(plain: &[u8], flags: u8, extra: &[u8]) -> Vec<u8> {
        let mut out = vec![0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 255];
        out.extend_from_slice(extra);
        out.extend_from_slice(&compress_to_vec(plain, 6));
        out.extend_from_slice(&crc32(plain).to_le_bytes());
        out.extend_from_slice(&(plain.len() as u32).to_le_bytes());
        out
    }

    #[test]
    fn the_checksum_is_the_known_one() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn members_are_read_whatever_their_header_holds() {
        let plain = b"d8:intervali1800e5:peers0:e";
        for (flags, extra) in [
            (0, &b""[..]),
            (4, b"\x03\0abc"),
            (8, b"name\0"),
            (16, b"comment\0"),
            (2, b"xx"),
            (31, b"\x01\0an\0c\0xx"),
        ] {
            assert_eq!(inflate(&gzip(plain, flags, extra), 100), Ok(plain.to_vec()), "{flags}");
        }
        assert_eq!(inflate(&gzip(b"", 0, b""), 100), Ok(vec![]));
    }

    #[test]
    fn what_is_broken_at_any_byte_is_refused() {
        let plain = b"some plain text, some plain text";
        let whole = gzip(plain, 0, b"");
        for len in 0..whole.len() {
            assert!(inflate(&whole[..len], 100).is_err(), "{len}");
        }
        for at in (0..4).chain(10..whole.len()) {
            let mut bent = whole.clone();
            bent[at] ^= 0x80;
            // The last bits of the last deflated byte mean nothing.
            let read = inflate(&bent, 100);
            assert!(read.is_err() || (at == whole.len() - 9 && read == Ok(plain.to_vec())), "{at}");
        }
    }

    #[test]
    fn a_bomb_is_cut_off_at_the_limit() {
        let bomb = gzip(&vec![0; 4 << 20], 0, b"");
        assert!(bomb.len() < 8 << 10);
        assert_eq!(inflate(&bomb, 1 << 20), Err(Error::TooLarge("the body, when inflated")));
        assert_eq!(inflate(&gzip(&[7; 100], 0, b""), 100), Ok(vec![7; 100]));
        assert_eq!(inflate(&gzip(&[7; 101], 0, b""), 100), Err(Error::TooLarge("the body, when inflated")));
    }
}
