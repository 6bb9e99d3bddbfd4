//! Text, URLs and addresses as they stand in torrents and links, made harmless.

use crate::limits::{HOST_LEN, Limits};
use crate::percent;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use tide_bencode::Value;

/// A host and a port that a torrent or a link names: not resolved, not checked for being reachable.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct HostPort {
    /// A name, an IPv4 address, or an IPv6 address without brackets; at most 255 bytes of
    /// letters, digits and `-._:`.
    pub host: String,
    /// The port; never zero.
    pub port: u16,
}

impl HostPort {
    /// The two, if they can be an address.
    pub(crate) fn new(host: &str, port: u16) -> Option<HostPort> {
        let legal = !host.is_empty()
            && host.len() <= HOST_LEN
            && host.chars().all(|c| c.is_alphanumeric() || "-._:".contains(c));
        (legal && port != 0).then(|| HostPort { host: String::from(host), port })
    }

    /// Reads `host:port`, `1.2.3.4:port` or `[::1]:port` (BEP 9).
    pub fn parse(text: &str) -> Option<HostPort> {
        let (host, port) = text.rsplit_once(':')?;
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        if bracketed.is_none() && host.contains(':') {
            return None;
        }
        HostPort::new(bracketed.unwrap_or(host), port.parse().ok()?)
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            return write!(f, "[{}]:{}", self.host, self.port);
        }
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// `bytes` as text that is safe to show: what is no UTF-8 and every control character but line feed and tab becomes
/// U+FFFD.
pub(crate) fn clean(bytes: &[u8]) -> String {
    let harmful = |c: char| c.is_control() && c != '\n' && c != '\t';
    let text = String::from_utf8_lossy(bytes);
    text.chars().map(|c| if harmful(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// The text under `key`, or rather under its UTF-8 variant. Empty text counts as none.
pub(crate) fn field(dict: Value<'_, '_>, key: &[u8]) -> Option<String> {
    let text = clean(preferred(dict, key)?.as_bytes()?);
    (!text.is_empty()).then_some(text)
}

/// The value of `key.utf-8` if there is one of the same kind as a string or a list, else that of `key`.
pub(crate) fn preferred<'t, 'b>(dict: Value<'t, 'b>, key: &[u8]) -> Option<Value<'t, 'b>> {
    let plain = dict.get(key);
    let utf8 = dict.get(&[key, b".utf-8"].concat());
    match (utf8, plain) {
        (Some(utf8), Some(plain)) if utf8.kind() != plain.kind() => Some(plain),
        (utf8, plain) => utf8.or(plain),
    }
}

/// The URL of a tracker, trimmed; `None` if it can be none. WebSocket trackers are URLs of trackers too.
pub(crate) fn tracker_url(bytes: &[u8], limits: &Limits) -> Option<String> {
    let url = core::str::from_utf8(bytes).ok()?.trim();
    let plain = url.chars().all(|c| !c.is_control() && !c.is_whitespace());
    let legal = has_scheme(url, &["http", "https", "udp", "ws", "wss"]);
    (plain && legal && url.len() <= limits.url_len as usize).then(|| String::from(url))
}

/// The URL of a web seed (BEP 19), trimmed, with spaces and what else may not stand in a URL escaped, and a slash
/// at its end if it is the folder of several files.
pub(crate) fn web_seed_url(bytes: &[u8], folder: bool, limits: &Limits) -> Option<String> {
    let url = core::str::from_utf8(bytes).ok()?.trim();
    if !has_scheme(url, &["http", "https"]) || url.contains(char::is_control) {
        return None;
    }
    let mut url = percent::encode_url(url);
    if folder && !url.ends_with('/') {
        url.push('/');
    }
    (url.len() <= limits.url_len as usize).then_some(url)
}

fn has_scheme(url: &str, schemes: &[&str]) -> bool {
    url.split_once("://").is_some_and(|(scheme, rest)| {
        !rest.is_empty()
            && !rest.starts_with('/')
            && schemes.iter().any(|known| scheme.eq_ignore_ascii_case(known))
    })
}

/// Adds `item` unless it is there already or `max` are.
pub(crate) fn add_new<T: PartialEq>(items: &mut Vec<T>, item: T, max: u32) {
    if items.len() < max as usize && !items.contains(&item) {
        items.push(item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn urls_that_can_be_none_are_left_out() {
        let limits = Limits::default();
        let tracker = |url: &str| tracker_url(url.as_bytes(), &limits);
        assert_eq!(tracker(" udp://test.com/announce\n").as_deref(), Some("udp://test.com/announce"));
        assert_eq!(tracker("HTTP://a").as_deref(), Some("HTTP://a"));
        for url in
            ["", "http://", "http:///x", "ftp://a/", "file:///etc", "http://a b/", "http://a\x01/", "a"]
        {
            assert_eq!(tracker(url), None, "{url:?}");
        }
        assert_eq!(tracker(&alloc::format!("http://{}", "a".repeat(2048))), None);
        let seed = |url: &str, folder| web_seed_url(url.as_bytes(), folder, &limits);
        assert_eq!(seed(" http://a/b c%20é", false).as_deref(), Some("http://a/b%20c%20%C3%A9"));
        assert_eq!(seed("http://a", true).as_deref(), Some("http://a/"));
        assert_eq!(seed("ftp://a/", false), None);
    }

    #[test]
    fn addresses_go_both_ways() {
        for text in ["a.example:1", "1.2.3.4:65535", "[::1]:6881"] {
            assert_eq!(HostPort::parse(text).expect("an address").to_string(), text);
        }
        for text in ["", "a", "a:0", "a:65536", ":1", "::1:2", "[::1", "a b:1", "u@a:1", "[[::1]]:1"] {
            assert_eq!(HostPort::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn text_is_safe_to_show() {
        assert_eq!(clean(b"a\tb\nc\x1b[2J\xff\xc2\x9b"), "a\tb\nc\u{fffd}[2J\u{fffd}\u{fffd}");
    }
}
