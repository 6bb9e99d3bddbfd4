//! A session in a process without descriptors still turns connections away, instead of leaving them to wait or
//! spinning on them.
#![cfg(unix)]

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tide::{Config, Listen, Session};

#[test]
fn out_of_descriptors_callers_are_turned_away() {
    let limit = Rlimit { current: Some(128), maximum: getrlimit(Resource::Nofile).maximum };
    setrlimit(Resource::Nofile, limit).expect("a lower limit is always allowed");
    let listen = Listen::from(SocketAddr::from(([127, 0, 0, 1], 0)));
    let config = Config { listen, shards: 1, hashers: 1, trackers: false, ..Config::default() };
    let session = Session::start(config).expect("a session");

    let mut all: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    for _ in 0..3 {
        all.pop().expect("there were some");
        // The caller takes the last one.
        let mut caller = TcpStream::connect(session.listening().tcp[0]).expect("the kernel answers");
        caller.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
        match caller.read(&mut [0; 1]) {
            Ok(0) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            other => panic!("not turned away: {other:?}"),
        }
        drop(caller);
        all.extend(File::open("/dev/null"));
    }
}
