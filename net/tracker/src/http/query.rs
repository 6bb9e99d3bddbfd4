//! What an announce and a scrape look like in a URL's query, and credentials in a header.

use crate::limits::{SCRAPE_MAX, TRACKER_ID_MAX};
use crate::percent;
use crate::request::Announce;
use crate::url::Credentials;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;
use tide_base::InfoHash;

/// The parameters of an announce, without a leading separator.
///
/// The order is that of mainline clients; a few private trackers look at it.
pub(super) fn announce(ask: &Announce) -> String {
    let mut query = String::with_capacity(320);
    query.push_str("info_hash=");
    percent::encode(&ask.info_hash.0, &mut query);
    query.push_str("&peer_id=");
    percent::encode(&ask.peer_id.0, &mut query);
    let mut number = |name: &str, value: u64| write!(query, "&{name}={value}").expect("a string takes all");
    number("port", u64::from(ask.port));
    number("uploaded", ask.uploaded);
    number("downloaded", ask.downloaded);
    number("left", ask.left);
    number("corrupt", ask.corrupt);
    number("numwant", u64::from(ask.wanted()));
    write!(query, "&key={:08X}", ask.key).expect("a string takes all");
    query.push_str("&compact=1&no_peer_id=1");
    if let Some(event) = ask.event.word() {
        query.push_str("&event=");
        query.push_str(event);
    }
    if let Some(ip) = ask.ipv4 {
        write!(query, "&ipv4={ip}").expect("a string takes all");
    }
    if let Some(ip) = ask.ipv6 {
        query.push_str("&ipv6=");
        percent::encode(alloc::format!("{ip}").as_bytes(), &mut query);
    }
    if let Some(id) = ask.tracker_id.as_ref().filter(|id| id.len() <= TRACKER_ID_MAX) {
        query.push_str("&trackerid=");
        percent::encode(id, &mut query);
    }
    query
}

/// The parameters of a scrape.
pub(super) fn scrape(hashes: &[InfoHash]) -> String {
    let mut query = String::new();
    for hash in hashes.iter().take(SCRAPE_MAX) {
        query.push_str(if query.is_empty() { "info_hash=" } else { "&info_hash=" });
        percent::encode(&hash.0, &mut query);
    }
    query
}

/// `target` with `query` behind what query it has.
pub(super) fn append(target: &str, query: &str) -> String {
    let separator = match target.find('?') {
        None => "?",
        Some(_) if target.ends_with(['?', '&']) => "",
        Some(_) => "&",
    };
    [target, separator, query].concat()
}

/// The value of an `Authorization` header (RFC 7617).
pub(super) fn basic(credentials: &Credentials) -> String {
    let plain = [credentials.user(), b":", credentials.password()].concat();
    let mut value = String::from("Basic ");
    base64(&plain, &mut value);
    value
}

fn base64(bytes: &[u8], out: &mut String) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for part in bytes.chunks(3) {
        let mut whole = [0; 3];
        whole[..part.len()].copy_from_slice(part);
        let bits = u32::from_be_bytes([0, whole[0], whole[1], whole[2]]);
        let digits: Vec<char> =
            (0..4).map(|i| char::from(DIGITS[(bits >> (18 - 6 * i)) as usize & 63])).collect();
        out.extend(&digits[..=part.len()]);
        out.extend(core::iter::repeat_n('=', 3 - part.len()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Event;
    use alloc::boxed::Box;
    use tide_base::PeerId;

    fn ask() -> Announce {
        Announce {
            info_hash: InfoHash(
                *b"\x12\x34\x56\x78\x9a\xbc\xde\xf1\x23\x45\x67\x89\xab\xcd\xef\x12\x34\x56\x78\x9a",
            ),
            peer_id: PeerId(*b"-TI0100-abcdefgh&= /"),
            port: 6881,
            uploaded: 1,
            downloaded: 2,
            left: u64::MAX,
            corrupt: 4,
            event: Event::Started,
            key: 0xab,
            want: 50,
            tracker_id: Some(Box::from(&b"a b\0"[..])),
            ipv4: None,
            ipv6: Some(core::net::Ipv6Addr::LOCALHOST),
        }
    }

    #[test]
    fn an_announce_is_written_byte_for_byte() {
        assert_eq!(
            announce(&ask()),
            "info_hash=%124Vx%9A%BC%DE%F1%23Eg%89%AB%CD%EF%124Vx%9A&peer_id=-TI0100-abcdefgh%26%3D%20%2F&port=6881\
             &uploaded=1&downloaded=2&left=18446744073709551615&corrupt=4&numwant=50&key=000000AB&compact=1\
             &no_peer_id=1&event=started&ipv6=%3A%3A1&trackerid=a%20b%00"
        );
    }

    #[test]
    fn who_leaves_asks_for_no_peers() {
        let query = announce(&Announce { event: Event::Stopped, ..ask() });
        assert!(query.contains("&numwant=0&") && query.contains("&event=stopped"));
        assert!(!announce(&Announce { event: Event::None, ..ask() }).contains("event"));
    }

    #[test]
    fn a_query_that_is_there_stays_in_front() {
        for (target, whole) in
            [("/a", "/a?q"), ("/a?", "/a?q"), ("/a?k=1", "/a?k=1&q"), ("/a?k=1&", "/a?k=1&q")]
        {
            assert_eq!(append(target, "q"), whole);
        }
    }

    #[test]
    fn base64_of_every_remainder() {
        for (plain, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
            ("\u{ff}\u{fe}", "w7/Dvg=="),
        ] {
            let mut out = String::new();
            base64(plain.as_bytes(), &mut out);
            assert_eq!(out, coded);
        }
    }
}
