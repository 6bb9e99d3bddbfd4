//! One request to an HTTP tracker over one byte stream.

use super::{gzip, query, reply};
use crate::error::Error;
use crate::limits::HttpLimits;
use crate::request::{Announce, Answer};
use crate::url::{Host, Scheme, TrackerUrl};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::mem;
use tide_base::{InfoHash, Instant};
use ureq_proto::client::state::{RecvBody, RecvResponse};
use ureq_proto::client::{Call, RecvBodyResult, RecvResponseResult, SendRequestResult};
use ureq_proto::http::{HeaderMap, Request, Response, header};
use ureq_proto::{BodyMode, Error as ProtoError};

/// How to ask.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Terms {
    /// What we call ourselves (`User-Agent`).
    pub agent: Box<str>,
    /// Whether to leave the stream open for another request.
    pub keep_alive: bool,
    /// Bounds.
    pub limits: HttpLimits,
}

/// How far a reply has come.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Progress {
    /// Not far enough.
    More,
    /// The tracker is elsewhere: the exchange goes on by [`Exchange::follow`] over a stream to this URL's host.
    Redirect(Box<TrackerUrl>),
    /// The answer is complete.
    Done(Answer),
}

#[derive(Debug)]
enum Asked {
    Announce,
    Scrape(Vec<InfoHash>),
}

enum State {
    Head(Call<RecvResponse>),
    Body { call: Call<RecvBody>, status: u16, gzipped: bool },
    Over,
}

/// One request and its reply.
pub struct Exchange {
    url: TrackerUrl,
    asked: Asked,
    query: String,
    terms: Terms,
    redirects: u8,
    deadline: Instant,
    request: Vec<u8>,
    state: State,
    /// Received and not yet read.
    input: Vec<u8>,
    /// How much of `input` is known not to end the headers.
    scanned: usize,
    /// Bytes of the informational heads (status 1xx) in front of the real one.
    informational: usize,
    body: Vec<u8>,
    reusable: bool,
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Head(_) => "awaits headers",
            State::Body { .. } => "awaits the body",
            State::Over => "over",
        };
        // The target holds passkeys.
        write!(f, "Exchange({}, {:?}, {state})", self.url.host(), self.asked)
    }
}

impl Exchange {
    /// Announces to the tracker at `url`. The reply is complete within [`HttpLimits::total`] from now, or it fails.
    ///
    /// # Errors
    /// [`Error::Http`] if no request can be made of it.
    pub fn announce(
        now: Instant,
        url: &TrackerUrl,
        ask: &Announce,
        terms: &Terms,
    ) -> Result<Exchange, Error> {
        let deadline = now + terms.limits.total;
        Exchange::begin(url.clone(), Asked::Announce, query::announce(ask), terms.clone(), deadline)
    }

    /// Scrapes the swarms of `hashes`, of which at most [`SCRAPE_MAX`](crate::limits::SCRAPE_MAX) are asked for, at the
    /// tracker announced to at `url`.
    ///
    /// # Errors
    /// [`Error::NoScrape`] if the URL does not tell where to scrape.
    pub fn scrape(
        now: Instant,
        url: &TrackerUrl,
        hashes: &[InfoHash],
        terms: &Terms,
    ) -> Result<Exchange, Error> {
        let url = url.scrape().ok_or(Error::NoScrape)?;
        let deadline = now + terms.limits.total;
        Exchange::begin(url, Asked::Scrape(hashes.to_vec()), query::scrape(hashes), terms.clone(), deadline)
    }

    /// The same request to where a redirect led, over a new stream and within the same time.
    ///
    /// # Errors
    /// [`Error::Http`] if no request can be made of it.
    pub fn follow(self, url: &TrackerUrl) -> Result<Exchange, Error> {
        let redirects = self.redirects + 1;
        let next = Exchange::begin(url.clone(), self.asked, self.query, self.terms, self.deadline)?;
        Ok(Exchange { redirects, ..next })
    }

    fn begin(
        url: TrackerUrl,
        asked: Asked,
        query: String,
        terms: Terms,
        deadline: Instant,
    ) -> Result<Exchange, Error> {
        let (request, call) = write_request(&url, &query, &terms)?;
        Ok(Exchange {
            url,
            asked,
            query,
            terms,
            redirects: 0,
            deadline,
            request,
            state: State::Head(call),
            input: Vec::new(),
            scanned: 0,
            informational: 0,
            body: Vec::new(),
            reusable: false,
        })
    }

    /// Whom it is asked of: scheme, host and port say which stream it needs.
    pub fn url(&self) -> &TrackerUrl {
        &self.url
    }

    /// When it must be complete. Whoever sees this moment pass gives it up with [`Error::TimedOut`].
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Appends to `out` what is to be sent: the whole request at the first call, nothing later.
    pub fn write(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.request);
    }

    /// Whether the stream may carry another request, now that the answer is complete.
    pub fn reusable(&self) -> bool {
        self.reusable
    }

    /// Reads what has been received; `eof` if nothing will follow it. Not to be called again after anything but
    /// [`Progress::More`].
    ///
    /// # Errors
    /// The tracker's refusal, the rule or limit that the reply breaks, or [`Error::TimedOut`] from the deadline on.
    pub fn receive(&mut self, now: Instant, bytes: &[u8], eof: bool) -> Result<Progress, Error> {
        if now >= self.deadline {
            return Err(Error::TimedOut);
        }
        self.input.extend_from_slice(bytes);
        loop {
            match mem::replace(&mut self.state, State::Over) {
                State::Head(call) => match self.read_head(call)? {
                    Progress::More if matches!(self.state, State::Body { .. }) => {}
                    Progress::More if eof => return Err(Error::Closed),
                    progress => return Ok(progress),
                },
                State::Body { call, status, gzipped } => return self.read_body(call, status, gzipped, eof),
                State::Over => return Err(Error::Closed),
            }
        }
    }

    /// Reads status line and headers; goes on to the body if they are complete.
    fn read_head(&mut self, mut call: Call<RecvResponse>) -> Result<Progress, Error> {
        loop {
            let end = head_end(&self.input, self.scanned);
            if self.informational + end.unwrap_or(self.input.len()) > self.terms.limits.header {
                return Err(Error::TooLarge("the headers"));
            }
            self.scanned = end.unwrap_or(self.input.len());
            if end.is_none() {
                self.state = State::Head(call);
                return Ok(Progress::More);
            }
            let (used, response) = call.try_response(&self.input, false).map_err(http_error)?;
            if let Some(response) = response {
                self.input.drain(..used);
                return self.read_response(call, &response);
            }
            if used > 0 {
                // One that is only informational. All of them together count as headers.
                self.input.drain(..used);
                self.scanned = 0;
                self.informational += used;
            }
        }
    }

    fn read_response(
        &mut self,
        call: Call<RecvResponse>,
        response: &Response<()>,
    ) -> Result<Progress, Error> {
        let status = response.status().as_u16();
        if matches!(status, 301 | 302 | 303 | 307 | 308) {
            return self.redirected(response.headers());
        }
        let gzipped = match response.headers().get(header::CONTENT_ENCODING).map(|value| value.as_bytes()) {
            None | Some(b"" | b"identity") => false,
            Some(name) if name.eq_ignore_ascii_case(b"gzip") || name.eq_ignore_ascii_case(b"x-gzip") => true,
            Some(_) => return Err(Error::Http("a content encoding that was not asked for".to_string())),
        };
        match call.proceed() {
            Some(RecvResponseResult::RecvBody(call)) => {
                if let BodyMode::LengthDelimited(len) = call.body_mode()
                    && len > self.terms.limits.body as u64
                {
                    return Err(Error::TooLarge("the body"));
                }
                self.state = State::Body { call, status, gzipped };
                Ok(Progress::More)
            }
            _ => self.finish(status, false),
        }
    }

    fn redirected(&self, headers: &HeaderMap) -> Result<Progress, Error> {
        if self.redirects >= self.terms.limits.redirects {
            return Err(Error::TooManyRedirects);
        }
        let location = headers.get_all(header::LOCATION).into_iter().next_back();
        let location = location.and_then(|value| core::str::from_utf8(value.as_bytes()).ok());
        let location = location.ok_or(Error::BadRedirect("no location is named"))?;
        let url =
            self.url.join(location).map_err(|_| Error::BadRedirect("the location is no tracker's URL"))?;
        match (self.url.scheme(), url.scheme()) {
            (_, Scheme::Udp) => Err(Error::BadRedirect("the location is not HTTP")),
            (Scheme::Https, Scheme::Http) => Err(Error::BadRedirect("from HTTPS to HTTP")),
            _ => Ok(Progress::Redirect(Box::new(url))),
        }
    }

    fn read_body(
        &mut self,
        mut call: Call<RecvBody>,
        status: u16,
        gzipped: bool,
        eof: bool,
    ) -> Result<Progress, Error> {
        let mut used = 0;
        let mut part = [0; 4096];
        loop {
            let (read, written) = call.read(&self.input[used..], &mut part).map_err(http_error)?;
            used += read;
            self.body.extend_from_slice(&part[..written]);
            if self.body.len() > self.terms.limits.body {
                return Err(Error::TooLarge("the body"));
            }
            if read == 0 && written == 0 {
                break;
            }
        }
        self.input.drain(..used);
        let until_close = call.body_mode() == BodyMode::CloseDelimited;
        let ended = if until_close { eof } else { call.can_proceed() || (eof && call.is_ended_chunked()) };
        if ended {
            self.reusable = !eof
                && self.terms.keep_alive
                && self.input.is_empty()
                && matches!(call.proceed(), Some(RecvBodyResult::Cleanup(call)) if !call.must_close_connection());
            return self.finish(status, gzipped);
        }
        if eof {
            return Err(Error::Closed);
        }
        // What is left is the beginning of a line between two chunks; those are short.
        if self.input.len() > self.terms.limits.header {
            return Err(Error::TooLarge("a chunk's header"));
        }
        self.state = State::Body { call, status, gzipped };
        Ok(Progress::More)
    }

    /// Reads the body, which is complete.
    fn finish(&mut self, status: u16, gzipped: bool) -> Result<Progress, Error> {
        let mut body = mem::take(&mut self.body);
        if gzipped && !body.is_empty() {
            body = gzip::inflate(&body, self.terms.limits.body)?;
        }
        if status != 200 {
            // Some trackers send their reason with a status of its own.
            return Err(reply::refusal(&body).map_or(Error::Status(status), Error::Refused));
        }
        let answer = match &self.asked {
            Asked::Announce => reply::announced(&body)?,
            Asked::Scrape(hashes) => reply::scraped(&body, hashes)?,
        };
        Ok(Progress::Done(answer))
    }
}

/// Where the first empty line that ends at or behind `from` ends.
fn head_end(input: &[u8], from: usize) -> Option<usize> {
    (from..input.len())
        .find(|&at| input[at] == b'\n' && (input[..at].ends_with(b"\n") || input[..at].ends_with(b"\n\r")))
        .map(|at| at + 1)
}

fn http_error(error: ProtoError) -> Error {
    Error::Http(crate::text::sanitise(error.to_string().as_bytes()))
}

/// The bytes of the request, and the state in which its reply is awaited.
fn write_request(
    url: &TrackerUrl,
    query: &str,
    terms: &Terms,
) -> Result<(Vec<u8>, Call<RecvResponse>), Error> {
    // A redirect usually carries the query along; where it names only the place, the query is put behind it.
    let target = url.target();
    let target =
        if target.contains("info_hash=") { String::from(target) } else { query::append(target, query) };
    let port =
        if url.port() == url.scheme().default_port() { String::new() } else { format!(":{}", url.port()) };
    let authority = match url.host() {
        Host::Name(name) => format!("{name}{port}"),
        host @ Host::Ip(_) => format!("{host}{port}"),
    };
    let bad = |error: &dyn fmt::Display| Error::Http(crate::text::sanitise(error.to_string().as_bytes()));
    let mut request = Request::get(format!("{}://{authority}{target}", url.scheme().word()))
        .header(header::USER_AGENT, &*terms.agent)
        .header(header::ACCEPT_ENCODING, "gzip")
        .header(header::CONNECTION, if terms.keep_alive { "keep-alive" } else { "close" });
    if let Some(credentials) = url.credentials() {
        request = request.header(header::AUTHORIZATION, query::basic(credentials));
    }
    let request = request.body(()).map_err(|error| bad(&error))?;
    let mut bytes = vec![0; target.len() + authority.len() + terms.agent.len() + 8192];
    let mut call = Call::new(request).map_err(http_error)?.proceed();
    let len = call.write(&mut bytes).map_err(http_error)?;
    bytes.truncate(len);
    match call.proceed().map_err(http_error)? {
        Some(SendRequestResult::RecvResponse(call)) => Ok((bytes, call)),
        _ => Err(Error::Http("the request does not fit".to_string())),
    }
}
