//! Fetching a .torrent from the web: one blocking GET, bounded in size, time and redirects.

use std::fmt::Display;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use tide_tracker::{Host, Scheme, TrackerUrl};
use ureq_proto::BodyMode;
use ureq_proto::client::state::RecvResponse;
use ureq_proto::client::{Call, RecvResponseResult, SendRequestResult};
use ureq_proto::http::{Request, header};

use crate::clock::Clock;
use crate::exit::Failure;

/// The whole of it: a person waits.
const TOTAL: Duration = Duration::from_secs(60);
/// Until a server answers at all.
const CONNECT: Duration = Duration::from_secs(15);
/// As many as browsers follow is many times too many for a file.
const REDIRECTS: usize = 8;
/// Status line and headers.
const HEAD: usize = 64 << 10;

/// What a server says: the file, or where it is.
enum Reply {
    Body(Vec<u8>),
    Elsewhere(String),
}

/// A stream to a server.
trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

/// The file at `url`, of at most `most` bytes.
///
/// # Errors
/// Why it cannot be had, in one line that names the URL.
pub(crate) fn get(url: &str, most: u32) -> Result<Vec<u8>, Failure> {
    let clock = Clock::start();
    let failed = |why: &dyn Display| Failure { kind: "fetch", ..Failure::other(format!("{url}: {why}")) };
    let mut at = TrackerUrl::parse(url).map_err(|error| failed(&error))?;
    for _ in 0..=REDIRECTS {
        match exchange(&at, most as usize, clock).map_err(|error| failed(&error))? {
            Reply::Body(body) => return Ok(body),
            Reply::Elsewhere(location) => {
                let next = at.join(&location).map_err(|error| failed(&format!("a bad redirect: {error}")))?;
                if next.scheme() == Scheme::Udp
                    || (at.scheme(), next.scheme()) == (Scheme::Https, Scheme::Http)
                {
                    return Err(failed(&"a redirect to where it must not lead"));
                }
                at = next;
            }
        }
    }
    Err(failed(&"too many redirects"))
}

/// One request and its reply.
fn exchange(url: &TrackerUrl, most: usize, clock: Clock) -> io::Result<Reply> {
    let mut line = Line::to(url, clock)?;
    let (bytes, call) = request(url)?;
    line.stream.write_all(&bytes)?;
    line.stream.flush()?;
    head(line, call, most)
}

/// Reads status line and headers, and what follows.
fn head(mut line: Line, mut call: Call<RecvResponse>, most: usize) -> io::Result<Reply> {
    let mut input = Vec::new();
    loop {
        let (used, response) = call.try_response(&input, false).map_err(io::Error::other)?;
        input.drain(..used);
        let Some(response) = response else {
            // An informational response is followed by the real one, perhaps in the same bytes.
            if used == 0 {
                if input.len() > HEAD {
                    return Err(io::Error::other("the headers are too long"));
                }
                if line.read_more(&mut input)? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
            continue;
        };
        return match response.status().as_u16() {
            200 => body(line, call, input, most).map(Reply::Body),
            301 | 302 | 303 | 307 | 308 => {
                let location =
                    response.headers().get(header::LOCATION).map(|value| value.as_bytes().to_vec());
                let location = location.and_then(|value| String::from_utf8(value).ok());
                location
                    .map(Reply::Elsewhere)
                    .ok_or_else(|| io::Error::other("a redirect that leads nowhere"))
            }
            status => Err(io::Error::other(format!("the server says {status}"))),
        };
    }
}

/// Reads the body.
fn body(mut line: Line, call: Call<RecvResponse>, mut input: Vec<u8>, most: usize) -> io::Result<Vec<u8>> {
    let Some(RecvResponseResult::RecvBody(mut call)) = call.proceed() else {
        return Ok(Vec::new());
    };
    let until_close = call.body_mode() == BodyMode::CloseDelimited;
    let mut body = Vec::new();
    let mut part = vec![0; 64 << 10];
    loop {
        let (read, written) = call.read(&input, &mut part).map_err(io::Error::other)?;
        input.drain(..read);
        body.extend_from_slice(&part[..written]);
        if body.len() > most {
            return Err(io::Error::other(format!("it is larger than {most} bytes")));
        }
        if read > 0 || written > 0 {
            continue;
        }
        if !until_close && call.can_proceed() {
            return Ok(body);
        }
        if line.read_more(&mut input)? == 0 {
            let ended = until_close || call.is_ended_chunked();
            return if ended { Ok(body) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
        }
    }
}

/// The bytes of a request for `url`, and the state in which its reply is awaited.
fn request(url: &TrackerUrl) -> io::Result<(Vec<u8>, Call<RecvResponse>)> {
    let (scheme, host, port, target) = (url.scheme(), url.host(), url.port(), url.target());
    let port = if port == scheme.default_port() { String::new() } else { format!(":{port}") };
    let request = Request::get(format!("{}://{host}{port}{target}", scheme.word()))
        .header(header::USER_AGENT, concat!("tide/", env!("CARGO_PKG_VERSION")))
        .header(header::ACCEPT, "application/x-bittorrent, */*;q=0.5")
        .header(header::CONNECTION, "close")
        .body(())
        .map_err(io::Error::other)?;
    let mut call = Call::new(request).map_err(io::Error::other)?.proceed();
    let mut bytes = vec![0; target.len() + 8192];
    let len = call.write(&mut bytes).map_err(io::Error::other)?;
    bytes.truncate(len);
    match call.proceed().map_err(io::Error::other)? {
        Some(SendRequestResult::RecvResponse(call)) => Ok((bytes, call)),
        _ => Err(io::Error::other("the request does not fit")),
    }
}

/// A stream to a server, perhaps inside TLS, and the socket under it.
struct Line {
    stream: Box<dyn Stream>,
    socket: TcpStream,
    clock: Clock,
}

impl Line {
    /// Connects to the first address of the host that answers.
    fn to(url: &TrackerUrl, clock: Clock) -> io::Result<Line> {
        let addrs: Vec<SocketAddr> = match url.host() {
            Host::Name(name) => (&**name, url.port()).to_socket_addrs()?.collect(),
            Host::Ip(ip) => vec![(*ip, url.port()).into()],
        };
        let mut failed = io::Error::other("the name has no address");
        for addr in addrs {
            let patience = CONNECT.min(left(clock)?);
            match TcpStream::connect_timeout(&addr, patience) {
                Ok(socket) => {
                    socket.set_write_timeout(Some(CONNECT))?;
                    socket.set_read_timeout(Some(CONNECT))?;
                    let plain = socket.try_clone()?;
                    let stream: Box<dyn Stream> = match url.scheme() {
                        Scheme::Https => wrap(plain, url.host())?,
                        _ => Box::new(plain),
                    };
                    return Ok(Line { stream, socket, clock });
                }
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    /// Appends what comes next; zero at the end.
    fn read_more(&mut self, input: &mut Vec<u8>) -> io::Result<usize> {
        let mut part = [0; 16 << 10];
        loop {
            self.socket.set_read_timeout(Some(left(self.clock)?))?;
            match self.stream.read(&mut part) {
                Ok(len) => {
                    input.extend_from_slice(&part[..len]);
                    return Ok(len);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                // Servers that end without saying so in TLS are many; the length tells whether all of it came.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                Err(error) => return Err(error),
            }
        }
    }
}

/// The time that is left.
fn left(clock: Clock) -> io::Result<Duration> {
    let left = TOTAL.saturating_sub(clock.elapsed());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// TLS to whoever proves to be `host`, by the system's roots.
#[cfg(feature = "tls")]
fn wrap(socket: TcpStream, host: &Host) -> io::Result<Box<dyn Stream>> {
    use rustls::pki_types::ServerName;
    use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = match host {
        Host::Name(name) => ServerName::try_from(name.to_string()).map_err(io::Error::other)?,
        Host::Ip(ip) => ServerName::from(*ip),
    };
    let session = ClientConnection::new(std::sync::Arc::new(config), name).map_err(io::Error::other)?;
    Ok(Box::new(StreamOwned::new(session, socket)))
}

#[cfg(not(feature = "tls"))]
fn wrap(_socket: TcpStream, _host: &Host) -> io::Result<Box<dyn Stream>> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this tide is built without TLS"))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// A server that gives these replies, a connection each, and the base of its URLs.
    fn server(replies: Vec<String>) -> (String, thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
        let base = format!("http://{}", listener.local_addr().expect("bound"));
        let serve = move || {
            let mut asked = Vec::new();
            for reply in replies {
                let (mut stream, _) = listener.accept().expect("a caller");
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    stream.read_exact(&mut byte).expect("a request");
                    request.push(byte[0]);
                }
                asked.push(String::from_utf8_lossy(&request).lines().next().unwrap_or_default().to_owned());
                // A client that has seen enough may have hung up.
                let _ = stream.write_all(reply.as_bytes());
            }
            asked
        };
        (base, thread::spawn(serve))
    }

    fn fetched(replies: &[&str], most: u32) -> (Result<Vec<u8>, String>, Vec<String>) {
        let (base, server) = server(replies.iter().map(|&reply| reply.to_owned()).collect());
        let got = get(&format!("{base}/dir/x.torrent?k=v"), most).map_err(|failure| failure.message);
        (got, server.join().expect("the server ends"))
    }

    #[test]
    fn bodies_of_every_framing_arrive() {
        let framings = [
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
            "HTTP/1.0 200 OK\r\n\r\nhello",
            "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        ];
        for framing in framings {
            let (got, asked) = fetched(&[framing], 5);
            assert_eq!(got.as_deref(), Ok(&b"hello"[..]), "{framing:?}");
            assert_eq!(asked, ["GET /dir/x.torrent?k=v HTTP/1.1"]);
        }
    }

    #[test]
    fn redirects_are_followed_and_bounded() {
        let to =
            |place: &str| format!("HTTP/1.1 302 Found\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n");
        let (first, second) = (to("y.torrent"), to("/z"));
        let (got, asked) = fetched(&[&first, &second, "HTTP/1.0 200 OK\r\n\r\nx"], 9);
        assert_eq!(got.as_deref(), Ok(&b"x"[..]));
        assert_eq!(asked[1..], ["GET /dir/y.torrent HTTP/1.1", "GET /z HTTP/1.1"]);
        let (got, _) = fetched(&[first.as_str(); REDIRECTS + 1], 9);
        assert!(got.expect_err("endless").contains("too many redirects"));
        let (got, _) = fetched(&[&to("udp://x:1/")], 9);
        assert!(got.expect_err("not the web").contains("must not lead"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (reply, expected) in [
            ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "404"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello!", "larger than 5 bytes"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhi", "unexpected end"),
            ("", "unexpected end"),
        ] {
            let (got, _) = fetched(&[reply], 5);
            let message = got.expect_err("not a file");
            assert!(message.contains(expected), "{message}");
        }
    }
}
