//! One HTTP exchange against replies written by hand (BEP 3, 48).
#![cfg(feature = "http")]

mod common;

use common::{announced, ask, at, secs, url};
use tide_base::{Duration, InfoHash, Instant};
use tide_tracker::http::{Exchange, Progress, Terms};
use tide_tracker::limits::HttpLimits;
use tide_tracker::{Answer, Error, Event, Reply, Scraped, TrackerUrl};

const BODY: &[u8] = b"d8:intervali900e5:peers6:\x01\x02\x03\x04\x1a\xe1e";

/// `BODY`, gzipped by another program.
const GZIPPED: &[u8] = &[
    31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 75, 177, 176, 202, 204, 43, 73, 45, 42, 75, 204, 201, 180, 52, 48, 72,
    53, 181, 42, 72, 77, 45, 42, 54, 179, 98, 100, 98, 102, 145, 122, 152, 10, 0, 214, 244, 219, 215, 32, 0,
    0, 0,
];

fn terms() -> Terms {
    Terms { agent: "tide/0.1".into(), keep_alive: true, limits: HttpLimits::default() }
}

fn exchange_with(terms: &Terms) -> Exchange {
    let mut exchange =
        Exchange::announce(secs(0), &url("http://t.example/announce"), &ask(6881, 9, Event::Started), terms)
            .expect("a request");
    exchange.write(&mut Vec::new());
    exchange
}

fn exchange() -> Exchange {
    exchange_with(&terms())
}

fn request(url: &TrackerUrl, terms: &Terms) -> String {
    let mut exchange = Exchange::announce(secs(0), url, &ask(1, 0, Event::None), terms).expect("a request");
    let mut out = Vec::new();
    exchange.write(&mut out);
    let len = out.len();
    exchange.write(&mut out);
    assert_eq!(out.len(), len, "it is written once");
    String::from_utf8(out).expect("text")
}

fn response(head: &str, body: &[u8]) -> Vec<u8> {
    [head.replace('\n', "\r\n").as_bytes(), b"\r\n\r\n", body].concat()
}

fn with_length(head: &str, body: &[u8]) -> Vec<u8> {
    response(&format!("{head}\nContent-Length: {}", body.len()), body)
}

fn done(exchange: &mut Exchange, bytes: &[u8], eof: bool) -> Reply {
    match exchange.receive(secs(1), bytes, eof) {
        Ok(Progress::Done(answer)) => announced(answer),
        other => panic!("{other:?}"),
    }
}

fn chunked(body: &[u8], size: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for part in body.chunks(size) {
        out.extend(format!("{:x};ext=1\r\n", part.len()).bytes());
        out.extend(part);
        out.extend(b"\r\n");
    }
    out.extend(b"0\r\nX-Trailer: 1\r\n\r\n");
    out
}

#[test]
fn the_request_is_written_as_trackers_know_it() {
    let text = request(&url("http://us:pw@t.example:8080/announce?passkey=abc"), &terms());
    let (line, headers) = text.split_once("\r\n").expect("lines");
    assert!(line.starts_with("GET /announce?passkey=abc&info_hash=%A5%A5"), "{line}");
    assert!(line.ends_with(" HTTP/1.1"));
    assert!(headers.ends_with("\r\n\r\n"));
    let mut headers: Vec<&str> = headers.trim_end().split("\r\n").collect();
    headers.sort_unstable();
    assert_eq!(
        headers,
        [
            "accept-encoding: gzip",
            "authorization: Basic dXM6cHc=",
            "connection: keep-alive",
            "host: t.example:8080",
            "user-agent: tide/0.1",
        ]
    );
}

#[test]
fn a_default_port_stays_out_of_the_host_header_and_ipv6_is_bracketed() {
    assert!(request(&url("http://t.example:80/a"), &terms()).contains("\r\nhost: t.example\r\n"));
    assert!(request(&url("https://[::1]/a"), &terms()).contains("\r\nhost: [::1]\r\n"));
    assert!(request(&url("http://[::1]:8/a"), &terms()).contains("\r\nhost: [::1]:8\r\n"));
    let close = Terms { keep_alive: false, ..terms() };
    assert!(request(&url("http://t.example/a"), &close).contains("\r\nconnection: close\r\n"));
}

#[test]
fn every_target_that_a_url_allows_makes_a_request() {
    let printable: String = (b'!'..=b'~').map(char::from).filter(|c| *c != '#').collect();
    let text = request(&url(&format!("http://t/{printable}?{printable}")), &terms());
    assert!(text.starts_with("GET /!%22$%&'()*+,-./0123456789:;%3C=%3E?@"), "{text}");
    let long = format!("http://t/{}", "ü".repeat(1000));
    assert!(request(&url(&long), &terms()).len() > 6000);
}

#[test]
fn bodies_are_delimited_in_three_ways() {
    let expected = [at("1.2.3.4:6881")];
    let mut by_length = exchange();
    assert_eq!(done(&mut by_length, &with_length("HTTP/1.1 200 OK", BODY), false).peers, expected);
    assert!(by_length.reusable());

    let mut by_chunks = exchange();
    let bytes = response("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", &chunked(BODY, 7));
    assert_eq!(done(&mut by_chunks, &bytes, false).peers, expected);
    assert!(by_chunks.reusable());

    let mut by_close = exchange();
    assert_eq!(by_close.receive(secs(1), &response("HTTP/1.0 200 OK", BODY), false), Ok(Progress::More));
    assert_eq!(done(&mut by_close, b"", true).peers, expected);
    assert!(!by_close.reusable());
}

#[test]
fn a_stream_is_reusable_only_if_both_sides_want_it_and_nothing_is_left_over() {
    let reusable = |terms: &Terms, head: &str, extra: &[u8]| {
        let mut exchange = exchange_with(terms);
        done(&mut exchange, &[&with_length(head, BODY), extra].concat(), false);
        exchange.reusable()
    };
    let close = Terms { keep_alive: false, ..terms() };
    assert!(reusable(&terms(), "HTTP/1.1 200 OK", b""));
    assert!(!reusable(&close, "HTTP/1.1 200 OK", b""));
    assert!(!reusable(&terms(), "HTTP/1.1 200 OK\nConnection: close", b""));
    assert!(!reusable(&terms(), "HTTP/1.0 200 OK", b""));
    assert!(!reusable(&terms(), "HTTP/1.1 200 OK", b"HTTP/1.1 200 OK"));
}

#[test]
fn a_gzipped_body_is_inflated_however_it_is_delimited() {
    for name in ["gzip", "GZIP", "x-gzip"] {
        let head = format!("HTTP/1.1 200 OK\nContent-Encoding: {name}");
        assert_eq!(done(&mut exchange(), &with_length(&head, GZIPPED), false).peers, [at("1.2.3.4:6881")]);
        let bytes = response(&format!("{head}\nTransfer-Encoding: chunked"), &chunked(GZIPPED, 5));
        assert_eq!(done(&mut exchange(), &bytes, false).interval, Some(Duration::from_secs(900)));
    }
    let bytes = with_length("HTTP/1.1 200 OK\nContent-Encoding: br", BODY);
    assert!(matches!(exchange().receive(secs(1), &bytes, false), Err(Error::Http(_))));
}

#[test]
fn what_is_too_large_is_refused_as_soon_as_that_is_known() {
    let limits = HttpLimits { header: 200, body: 100, ..HttpLimits::default() };
    let terms = Terms { limits, ..terms() };
    let refused = |bytes: &[u8]| exchange_with(&terms).receive(secs(1), bytes, false);
    let header = format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(300));
    assert_eq!(refused(header.as_bytes()), Err(Error::TooLarge("the headers")));
    assert_eq!(refused(format!("{header}\r\n\r\n").as_bytes()), Err(Error::TooLarge("the headers")));
    let informational = "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(8);
    assert_eq!(refused(informational.as_bytes()), Err(Error::TooLarge("the headers")));
    let length = response("HTTP/1.1 200 OK\nContent-Length: 101", b"");
    assert_eq!(refused(&length), Err(Error::TooLarge("the body")));
    let long = response("HTTP/1.1 200 OK", &[b'x'; 101]);
    assert_eq!(refused(&long), Err(Error::TooLarge("the body")));
    let chunks = response("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", &chunked(&[b'x'; 101], 10));
    assert_eq!(refused(&chunks), Err(Error::TooLarge("the body")));
    let line = response("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", &[b'1'; 201]);
    assert!(matches!(refused(&line), Err(Error::TooLarge(_) | Error::Http(_))));
    let bomb = Terms { limits: HttpLimits { body: GZIPPED.len(), ..limits }, ..terms.clone() };
    let bytes = with_length("HTTP/1.1 200 OK\nContent-Encoding: gzip", GZIPPED);
    assert!(exchange_with(&bomb).receive(secs(1), &bytes, false).is_ok());
    let bomb = Terms { limits: HttpLimits { body: 20, ..limits }, ..terms.clone() };
    assert_eq!(exchange_with(&bomb).receive(secs(1), &bytes, false), Err(Error::TooLarge("the body")));
}

#[test]
fn what_is_cut_off_or_late_is_an_error() {
    let whole = with_length("HTTP/1.1 200 OK", BODY);
    for len in 0..whole.len() {
        assert_eq!(exchange().receive(secs(1), &whole[..len], true), Err(Error::Closed), "{len}");
        assert_eq!(exchange().receive(secs(1), &whole[..len], false), Ok(Progress::More), "{len}");
    }
    let chunks = response("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", &chunked(BODY, 99));
    assert_eq!(exchange().receive(secs(1), &chunks[..chunks.len() - 30], true), Err(Error::Closed));
    assert_eq!(exchange().deadline(), secs(30));
    assert_eq!(exchange().receive(secs(30), &whole, false), Err(Error::TimedOut));
}

#[test]
fn a_status_is_reported_unless_the_body_gives_a_reason() {
    let get = |head: &str, body: &[u8]| exchange().receive(secs(1), &with_length(head, body), false);
    assert_eq!(get("HTTP/1.1 404 Not Found", b"<html>"), Err(Error::Status(404)));
    assert_eq!(get("HTTP/1.1 503 Service Unavailable", b""), Err(Error::Status(503)));
    assert_eq!(get("HTTP/1.1 204 No Content", b""), Err(Error::Status(204)));
    match get("HTTP/1.1 400 Bad Request", b"d14:failure reason8:go away!e") {
        Err(Error::Refused(refusal)) => assert_eq!(refusal.reason, "go away!"),
        other => panic!("{other:?}"),
    }
    assert!(matches!(get("HTTP/1.1 200 OK", b"<html>"), Err(Error::Malformed(_))));
    assert!(matches!(get("HTTP/1.1 200 OK", b""), Err(Error::Malformed(_))));
    assert!(matches!(exchange().receive(secs(1), b"SSH-2.0-x\r\n\r\n", false), Err(Error::Http(_))));
    assert!(matches!(exchange().receive(secs(1), b"HTTP/1.1 099 x\r\n\r\n", false), Err(Error::Http(_))));
}

#[test]
fn lines_may_end_without_a_carriage_return() {
    let bytes = [format!("HTTP/1.1 200 OK\nContent-Length: {}\n\n", BODY.len()).as_bytes(), BODY].concat();
    assert_eq!(done(&mut exchange(), &bytes, false).peers, [at("1.2.3.4:6881")]);
}

#[test]
fn informational_responses_are_passed_over() {
    let bytes = [b"HTTP/1.1 100 Continue\r\n\r\n", &with_length("HTTP/1.1 200 OK", BODY)[..]].concat();
    assert_eq!(done(&mut exchange(), &bytes, false).peers, [at("1.2.3.4:6881")]);
}

fn redirect(exchange: &mut Exchange, location: &str) -> Result<Progress, Error> {
    exchange.receive(
        secs(1),
        &response(&format!("HTTP/1.1 302 Found\nLocation: {location}"), b"ignored"),
        false,
    )
}

fn follow(mut exchange: Exchange, location: &str) -> (Exchange, String) {
    match redirect(&mut exchange, location) {
        Ok(Progress::Redirect(url)) => {
            let mut next = exchange.follow(&url).expect("a request");
            let mut out = Vec::new();
            next.write(&mut out);
            (next, String::from_utf8(out).expect("text"))
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn redirects_are_followed_with_the_query_and_without_the_credentials() {
    let start = || {
        Exchange::announce(
            secs(0),
            &url("http://us:pw@t.example/announce"),
            &ask(1, 0, Event::None),
            &terms(),
        )
        .expect("a request")
    };
    let (next, text) = follow(start(), "https://o.example:8443/x");
    assert!(text.starts_with("GET /x?info_hash=%A5") && text.contains("host: o.example:8443"), "{text}");
    assert!(!text.contains("authorization"));
    assert_eq!((next.url().port(), next.deadline()), (8443, secs(30)));
    let (mut next, text) = follow(start(), "/y?info_hash=%A5&k=1");
    assert!(
        text.starts_with("GET /y?info_hash=%A5&k=1 HTTP") && text.contains("authorization: Basic"),
        "{text}"
    );
    assert_eq!(done(&mut next, &with_length("HTTP/1.1 200 OK", BODY), false).peers.len(), 1);
}

#[test]
fn redirects_are_bounded_and_never_lead_out_of_http_or_down_from_tls() {
    let mut exchange = exchange();
    for _ in 0..HttpLimits::default().redirects {
        exchange = follow(exchange, "/announce").0;
    }
    assert_eq!(redirect(&mut exchange, "/announce"), Err(Error::TooManyRedirects));

    let secure = || {
        Exchange::announce(secs(0), &url("https://t.example/a"), &ask(1, 0, Event::None), &terms())
            .expect("a request")
    };
    for location in ["http://t.example/a", "udp://t.example:1/a", "ftp://x/", "http://a b/", "https://[::1"] {
        assert!(matches!(redirect(&mut secure(), location), Err(Error::BadRedirect(_))), "{location}");
    }
    let nowhere = secure().receive(secs(1), b"HTTP/1.1 301 Moved\r\n\r\n", false);
    assert!(matches!(nowhere, Err(Error::BadRedirect(_))));
}

#[test]
fn a_scrape_goes_where_the_convention_says() {
    let hash = InfoHash([b'a'; 20]);
    let at = url("http://t.example/announce?k=1");
    let mut exchange =
        Exchange::scrape(secs(0), &at, &[hash, InfoHash([0; 20])], &terms()).expect("a request");
    let mut out = Vec::new();
    exchange.write(&mut out);
    let expected =
        format!("GET /scrape?k=1&info_hash={}&info_hash={} HTTP/1.1\r\n", "a".repeat(20), "%00".repeat(20));
    assert!(out.starts_with(expected.as_bytes()), "{}", out.escape_ascii());
    let body = b"d5:filesd20:aaaaaaaaaaaaaaaaaaaad8:completei1e10:downloadedi2e10:incompletei3eeee";
    let expected = Scraped { info_hash: hash, seeds: 1, downloads: 2, leechers: 3 };
    assert_eq!(
        exchange.receive(Instant::ZERO, &with_length("HTTP/1.1 200 OK", body), false),
        Ok(Progress::Done(Answer::Scraped(vec![expected])))
    );
    let nowhere = Exchange::scrape(secs(0), &url("http://t.example/x"), &[hash], &terms());
    assert!(matches!(nowhere, Err(Error::NoScrape)));
}
