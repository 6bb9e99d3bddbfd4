//! A tracker over https: believed if the machine's owner trusts its certificate, refused otherwise.
//!
//! What is trusted is read from `SSL_CERT_FILE`, which is the process's; so the session that asks runs in a process of
//! its own: this test again, told by [`TORRENT`] that it is the one that asks.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tide::tracker::{ServerLimits, Tracker, TrackerConfig};
use tide::{Add, Config, Listen, Session};
use tide_test_clients::{Payload, Tool, have, net, wait};

use crate::scene::Scene;

/// Names the torrent to the process that asks.
const TORRENT: &str = "TIDE_TEST_HTTPS_TORRENT";
/// Tells it to expect a refusal.
const REFUSED: &str = "TIDE_TEST_HTTPS_REFUSED";

#[test]
fn announces_over_https_to_whom_the_owner_trusts() {
    if let Some(torrent) = std::env::var_os(TORRENT) {
        return ask(Path::new(&torrent), std::env::var_os(REFUSED).is_some());
    }
    if !have(&[Tool::Mktorrent]) {
        return;
    }
    let here = vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))];
    let config = TrackerConfig { http: here, udp: Vec::new(), limits: ServerLimits::default() };
    let tracker = Tracker::start(config).expect("any port will do");
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let front = front(tracker.http()[0], &made);
    let url = format!("https://localhost:{}/announce", front.port());
    let scene = Scene::new(Payload::one_file, Some(&url));
    let (good, other) = (scene.dir.join("good.pem"), scene.dir.join("other.pem"));
    fs::write(&good, made.cert.pem()).expect("a file in a temporary folder");
    let stranger = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    fs::write(&other, stranger.cert.pem()).expect("a file in a temporary folder");
    for (trusted, refused) in [(good, false), (other, true)] {
        let mut child = Command::new(std::env::current_exe().expect("this test"));
        child.args(["--exact", "https::announces_over_https_to_whom_the_owner_trusts"]);
        child.env(TORRENT, &scene.torrent.file).env("SSL_CERT_FILE", trusted).env_remove("SSL_CERT_DIR");
        if refused {
            child.env(REFUSED, "yes");
        }
        let output = child.output().expect("a process");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
    }
}

/// Announces to the torrent's tracker and sees what becomes of it.
fn ask(torrent: &Path, refused: bool) {
    let listen = Listen::At(vec![net::fresh().into()]);
    let config = Config { listen, shards: 1, hashers: 1, ..Config::default() };
    let session = Session::start(config).expect("a fresh address is free");
    let add = Add::file(torrent).expect("mktorrent makes torrents");
    let ours = session.add(add.dir(torrent.parent().expect("in a folder"))).expect("taken in");
    let what = if refused { "the tracker is refused" } else { "the tracker is believed" };
    let tracker = wait::until(what, || {
        let tracker = ours.trackers().expect("the torrent is there").swap_remove(0);
        (tracker.working || tracker.fails > 0).then_some(tracker)
    });
    assert_eq!(tracker.working, !refused, "{tracker:?}");
}

/// Speaks TLS for the tracker at `behind`.
fn front(behind: SocketAddr, made: &rcgen::CertifiedKey<rcgen::KeyPair>) -> SocketAddr {
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("a server");
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let addr = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for caller in listener.incoming().flatten() {
            // Callers that do not trust us break off; the next one may.
            let _ = relay(caller, behind, Arc::clone(&config));
        }
    });
    addr
}

/// One request and its answer.
fn relay(caller: TcpStream, behind: SocketAddr, config: Arc<ServerConfig>) -> io::Result<()> {
    let session = ServerConnection::new(config).map_err(io::Error::other)?;
    let mut caller = StreamOwned::new(session, caller);
    let mut request = Vec::new();
    let mut part = [0; 1024];
    while !request.windows(4).any(|four| four == b"\r\n\r\n") {
        match caller.read(&mut part)? {
            0 => return Ok(()),
            count => request.extend_from_slice(&part[..count]),
        }
    }
    let mut tracker = TcpStream::connect(behind)?;
    tracker.write_all(&request)?;
    let mut answer = Vec::new();
    tracker.read_to_end(&mut answer)?;
    caller.write_all(&answer)?;
    caller.conn.send_close_notify();
    caller.flush()
}
