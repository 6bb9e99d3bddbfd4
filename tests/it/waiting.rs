//! What a program that embeds the library learns by waiting for a torrent.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use tide::make::{Options, make};
use tide::{Add, Config, Error, Listen, Session};
use tide_test_clients::wait::GENEROUS;
use tide_test_clients::{Payload, TempDir};

fn session() -> Session {
    let _ = env_logger::builder().is_test(true).try_init();
    let listen = Listen::At(vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))]);
    let config = Config { listen, shards: 2, hashers: 1, ..Config::default() };
    Session::start(config).expect("a loopback port is free")
}

fn torrent_of(path: &Path) -> Vec<u8> {
    let options = Options { piece_len: Some(32 * 1024), ..Options::default() };
    make(path, &options, &mut |_| {}).expect("the payload can be read").bytes
}

fn add(bytes: &[u8], dir: &Path) -> Add {
    Add::bytes(bytes).expect("a torrent").dir(dir)
}

#[test]
fn a_torrent_that_waits_is_complete_when_it_has_been_checked() {
    let dir = TempDir::new("waiting");
    let payload = Payload::one_file(&dir.folder("seed"), 1);
    let session = session();
    let paused = add(&torrent_of(payload.root()), payload.parent()).paused(true);
    let torrent = session.add(paused).expect("taken in");
    torrent.wait_complete(Some(GENEROUS)).expect("everything is here");
    // Nothing of it is.
    let other = Payload::one_file(&dir.folder("other"), 2);
    let paused = add(&torrent_of(other.root()), &dir.join("leech")).paused(true);
    let torrent = session.add(paused).expect("taken in");
    let waited = torrent.wait_complete(Some(std::time::Duration::from_millis(300)));
    assert!(matches!(waited, Err(Error::TimedOut)), "{waited:?}");
}

#[test]
fn a_torrent_that_goes_on_after_trouble_can_be_waited_for() {
    let dir = TempDir::new("waiting");
    let payload = Payload::one_file(&dir.folder("seed"), 1);
    let bytes = torrent_of(payload.root());
    let aside = dir.join("aside");
    fs::rename(payload.root(), &aside).expect("the file");
    fs::create_dir_all(payload.root().join("in the way")).expect("a folder");
    let session = session();
    let torrent = session.add(add(&bytes, payload.parent())).expect("taken in");
    let waits = || torrent.wait_complete(Some(GENEROUS));
    assert!(matches!(waits(), Err(Error::Trouble(_))));
    assert!(matches!(waits(), Err(Error::Trouble(_))), "nobody has done anything about it");
    torrent.resume().expect("it is there");
    assert!(matches!(waits(), Err(Error::Trouble(_))), "it is in the way still");
    fs::remove_dir_all(payload.root()).expect("the folder");
    fs::rename(&aside, payload.root()).expect("the file");
    torrent.resume().expect("it is there");
    waits().expect("the trouble is over");
}
