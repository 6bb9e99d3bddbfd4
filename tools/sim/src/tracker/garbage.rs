//! Replies that are none: errors in all the forms that trackers send, redirects, and what no tracker should ever say.

use tide_base::{Duration, Prng};

use super::TrackerSpec;
use super::http::{failure, frame};
use super::stream::{End, Filler, Output};
use super::udp;

/// Bytes of a body that is far too large.
const HUGE_BODY: usize = 10 << 20;
/// Bytes of headers that do not end.
const ENDLESS: usize = 1 << 20;
/// How long a tracker that refuses asks to be left alone, in minutes, at the most. (It never says `never`: a tracker of
/// the core would be lost for good.)
const RETRY_MOST: u64 = 3;

const PAGE: &[u8] = b"<html><head><title>Oh no</title></head><body><h1>It is broken</h1></body></html>\n";

/// Bodies that are no answers, although some are bencode.
const BODIES: [&[u8]; 14] = [
    b"",
    b"d",
    b"le",
    b"i1e",
    b"de",
    b"<html></html>",
    b"d8:intervali1800",
    b"d8:intervali1800e5:peers600:\x01\x02\x03\x04\x05\x06e",
    b"d8:intervali1800e5:peers18446744073709551615:xe",
    b"d8:intervali1800e5:peers-1:xe",
    b"d8:interval4:soon5:peersi6ee",
    b"d8:intervali1800e5:peers13:\x0a\x00\x00\x01\x1a\xe1\x0a\x00\x00\x02\x1a\xe1\x0ae",
    b"d8:intervali99999999999999999999999e5:peers0:e",
    b"d8:intervali1800e5:peersld2:ip9:not an ip4:porti-5eed4:porti99999999eeee",
];

/// The peers that can be read out of [`BODIES`].
pub(super) const READABLE: [&str; 2] = ["10.0.0.1:6881", "10.0.0.2:6881"];

/// An HTTP error.
pub(super) fn http_error(prng: &mut Prng) -> Output {
    let framed = match prng.below(6) {
        0 => frame(prng, "500 Internal Server Error", "text/html", PAGE, false),
        1 => frame(prng, "404 Not Found", "text/html", PAGE, false),
        2 => frame(prng, "503 Service Unavailable", "text/html", b"", false),
        3 => frame(prng, "403 Forbidden", "text/plain", &failure("unregistered torrent", None), false),
        4 => frame(prng, "200 OK", "text/plain", &failure("slow down", None), false),
        _ => {
            let minutes = 1 + prng.below(RETRY_MOST) as i64;
            frame(prng, "200 OK", "text/plain", &failure("come later", Some(minutes)), false)
        }
    };
    Output::in_parts(prng, framed, End::Close)
}

/// A UDP error. Some trackers say nothing in it; one about the connection makes clients ask for another id.
pub(super) fn udp_error(prng: &mut Prng, transaction: u32) -> Vec<u8> {
    let long = "no ".repeat(400);
    let words = ["", "torrent not registered", "Connection ID mismatch.", &long];
    udp::error(words[prng.index(words.len())], transaction)
}

/// A redirect: in circles, back, to another tracker, or to nonsense.
pub(super) fn redirect(prng: &mut Prng, spec: &TrackerSpec, port: u16) -> Output {
    let own = format!("http://{}:{port}", spec.name);
    let to = match prng.below(4) {
        0 => return circle(prng, spec, port),
        1 => "/announce".to_owned(),
        2 if !spec.elsewhere.is_empty() => spec.elsewhere[prng.index(spec.elsewhere.len())].clone(),
        _ => {
            let nonsense = [
                String::new(),
                "http://".to_owned(),
                "gopher://example.org/announce".to_owned(),
                format!("udp://{}:{port}/announce", spec.name),
                format!("https://{}/announce", spec.name),
                format!("http://{}:0/announce", spec.name),
                format!("{own}/nowhere"),
                format!("{own}/announce?info_hash=%zz"),
                "http://127.0.0.1:1/announce".to_owned(),
                "http://[::1]:1/announce".to_owned(),
                "http://nobody.invalid/announce".to_owned(),
                format!("{own}/{}", "a".repeat(5000)),
                "http://a b/\u{7f}".to_owned(),
            ];
            nonsense[prng.index(nonsense.len())].clone()
        }
    };
    moved(prng, &to)
}

/// A redirect to the path that always redirects to itself.
pub(super) fn circle(prng: &mut Prng, spec: &TrackerSpec, port: u16) -> Output {
    moved(prng, &format!("http://{}:{port}/circle", spec.name))
}

fn moved(prng: &mut Prng, to: &str) -> Output {
    let statuses = [
        "301 Moved Permanently",
        "302 Found",
        "303 See Other",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
    ];
    let status = statuses[prng.index(statuses.len())];
    // An empty one is not named at all.
    let location = if to.is_empty() { String::new() } else { format!("Location: {to}\r\n") };
    let reply = format!("HTTP/1.1 {status}\r\n{location}Connection: close\r\nContent-Length: 0\r\n\r\n");
    Output::in_parts(prng, reply.into_bytes(), End::Close)
}

/// Something that is no answer, made of `honest`, the body that would have been one.
pub(super) fn http(prng: &mut Prng, honest: &[u8]) -> Output {
    let ok = |headers: &str| format!("HTTP/1.1 200 OK\r\n{headers}\r\n").into_bytes();
    let plain = |prng: &mut Prng, bytes: Vec<u8>| Output::in_parts(prng, bytes, End::Close);
    match prng.below(12) {
        0..=2 => {
            let body = BODIES[prng.index(BODIES.len())];
            let framed = frame(prng, "200 OK", "text/plain", body, false);
            plain(prng, framed)
        }
        3 => {
            let cut = prng.index(honest.len());
            let framed = frame(prng, "200 OK", "text/plain", &honest[..cut], false);
            plain(prng, framed)
        }
        4 => {
            // More is announced than comes.
            let head = ok(&format!("Content-Length: {}\r\n", honest.len() + 1 + prng.index(1000)));
            plain(prng, [&head, honest].concat())
        }
        5 => {
            // Less is announced than comes.
            let head = ok(&format!("Content-Length: {}\r\n", prng.index(honest.len())));
            plain(prng, [&head, honest].concat())
        }
        6 => {
            let mut bytes = vec![0; 1 + prng.index(2000)];
            prng.fill(&mut bytes);
            let texts: [&[u8]; 4] =
                [b"SSH-2.0-OpenSSH_9.9\r\n", &bytes, b"ICY 200 OK\r\n\r\n", b"HTTP/9.9 99999 What\r\n\r\n"];
            let text = texts[prng.index(texts.len())].to_vec();
            plain(prng, text)
        }
        7 => endless_headers(prng),
        8 => huge_body(prng),
        9 => Output::whole(Vec::new(), if prng.chance(1, 2) { End::Close } else { End::Reset }),
        10 => {
            let claims = [
                "Content-Encoding: gzip\r\n",
                "Content-Encoding: br\r\n",
                "Transfer-Encoding: chunked\r\n",
                "Content-Length: -1\r\n",
                "Content-Length: 99999999999999999999\r\n",
                "Content-Length: 5\r\nContent-Length: 6\r\n",
                "Broken header\r\n",
            ];
            let head = ok(claims[prng.index(claims.len())]);
            plain(prng, [&head, honest].concat())
        }
        _ => {
            let depth = 1 + prng.index(100_000);
            let body = if prng.chance(1, 2) { vec![b'l'; depth] } else { b"d1:a".repeat(depth) };
            let framed = frame(prng, "200 OK", "text/plain", &body, false);
            plain(prng, framed)
        }
    }
}

fn endless_headers(prng: &mut Prng) -> Output {
    let (start, pattern): (&[u8], &[u8]) = match prng.below(3) {
        0 => (b"HTTP/1.1 200 OK\r\n", b"X-Wind: it blows and blows\r\n"),
        1 => (b"HTTP/1.1 200 OK\r\nX-Wind: ", b"oooooooo"),
        _ => (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    };
    Output::whole(start.to_vec(), End::Reset).filled(Filler::new(pattern, ENDLESS))
}

fn huge_body(prng: &mut Prng) -> Output {
    let head = |headers: &str| format!("HTTP/1.1 200 OK\r\n{headers}\r\n").into_bytes();
    let (start, pattern) = match prng.below(3) {
        0 => (head(&format!("Content-Length: {HUGE_BODY}\r\n")), b"d".to_vec()),
        1 => (head("Connection: close\r\n"), b"1:a".to_vec()),
        _ => (head("Transfer-Encoding: chunked\r\n"), [b"1000\r\n", &[b'l'; 4096][..], b"\r\n"].concat()),
    };
    Output::whole(start, End::Close).filled(Filler::new(&pattern, HUGE_BODY))
}

/// A datagram that is no answer, made of `honest`, which would have been one.
pub(super) fn datagram(prng: &mut Prng, mut honest: Vec<u8>) -> Vec<u8> {
    match prng.below(6) {
        0 => {
            let at = 4 + prng.index(4);
            honest[at] ^= 1 << prng.below(8);
        }
        1 => {
            // Another action, or none that exists.
            let others = [0_u32, 1, 2, 4, u32::MAX];
            let other = others[prng.index(others.len())].to_be_bytes();
            honest[3] = if honest[..4] == other { 9 } else { other[3] };
        }
        2 => honest.truncate(prng.index(honest.len())),
        // Action and transaction alone; what has no more loses its transaction.
        3 => honest.truncate(if honest.len() > 8 { 8 } else { 4 }),
        4 => {
            honest = vec![0; 1 + prng.index(100)];
            prng.fill(&mut honest);
        }
        _ => honest.extend((0..=prng.below(4)).map(|byte| byte as u8)),
    }
    honest
}

/// How long a tracker that takes its time takes.
pub(super) const SLOW: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(300));
