//! Replies over HTTP: each step is a read; the header's second byte `.` means that the stream ends behind the last.
//! Redirects are followed within the same stream.

use super::{HASHES, ask, check};
use tide_base::{Duration, Instant};
use tide_tracker::http::{Exchange, Progress, Terms};
use tide_tracker::limits::HttpLimits;
use tide_tracker::{Answer, Error, TrackerUrl};

/// What is asked.
#[derive(Clone, Copy)]
pub(super) enum Asked {
    Announce,
    Scrape,
}

const NOW: Instant = Instant::from_secs(1000);

fn limits() -> HttpLimits {
    HttpLimits { header: 2048, body: 1 << 14, redirects: 3, total: Duration::from_secs(30) }
}

fn begin(asked: Asked) -> Exchange {
    let url = TrackerUrl::parse("http://a.example/x/announce?k=1").expect("a URL");
    let terms = Terms { agent: "tide".into(), keep_alive: true, limits: limits() };
    let exchange = match asked {
        Asked::Announce => Exchange::announce(NOW, &url, &ask(), &terms),
        Asked::Scrape => Exchange::scrape(NOW, &url, &HASHES, &terms),
    };
    exchange.expect("a request can be made")
}

pub(super) fn run<'a>(asked: Asked, header: &[u8], reads: impl Iterator<Item = &'a [u8]>) {
    let reads: Vec<&[u8]> = reads.collect();
    if reads.is_empty() {
        return;
    }
    let eof = header.first() == Some(&b'.');
    let cut = exchange(asked, &reads, eof);
    let whole = exchange(asked, &[&reads.concat()], eof);
    // Where a reply is in order, cuts change nothing; and none makes one that is not. (What is wrong may be noticed only
    // when more has come.)
    let in_order = |end: &Option<Result<Answer, Error>>| end.clone().and_then(Result::ok);
    assert_eq!(in_order(&cut), in_order(&whole), "{cut:?} and {whole:?}");
    if let Some(result) = &cut {
        check(result);
    }
}

/// How it ends; `None` if more would have to come.
fn exchange(asked: Asked, reads: &[&[u8]], eof: bool) -> Option<Result<Answer, Error>> {
    let mut exchange = begin(asked);
    let mut redirects = 0;
    let last = reads.len().checked_sub(1)?;
    for (at, read) in reads.iter().enumerate() {
        match exchange.receive(NOW, read, eof && at == last) {
            Ok(Progress::More) => {}
            Ok(Progress::Done(answer)) => return Some(Ok(answer)),
            Err(error) => return Some(Err(error)),
            Ok(Progress::Redirect(url)) => {
                redirects += 1;
                assert!(redirects <= limits().redirects, "sent on for ever");
                let mut request = Vec::new();
                exchange = match exchange.follow(&url) {
                    Ok(next) => next,
                    Err(error) => return Some(Err(error)),
                };
                exchange.write(&mut request);
                let head = request.windows(4).position(|end| end == b"\r\n\r\n");
                assert_eq!(head, Some(request.len() - 4), "a request is a head: {}", request.escape_ascii());
                // What was read belongs to the stream before.
                return None;
            }
        }
    }
    None
}
