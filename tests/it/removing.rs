//! What `Torrent::remove` promises of content.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tide::make::{Options, make};
use tide::{Add, Config, Content, Error, Listen, Session};
use tide_test_clients::{Payload, TempDir};

const GENEROUS: Duration = Duration::from_secs(10);

#[test]
fn content_that_cannot_be_deleted_is_said_and_let_go() {
    let dir = TempDir::new("removing");
    let payload = Payload::one_file_of(&dir.folder("seed"), 1, 100_000);
    let bytes = make(payload.root(), &Options::default(), &mut |_| {}).expect("it can be read").bytes;
    let listen = Listen::At(vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))]);
    let config = Config { listen, shards: 1, hashers: 1, ..Config::default() };
    let session = Session::start(config).expect("a loopback port is free");
    let add = || session.add(Add::bytes(&bytes).expect("a torrent").dir(payload.parent())).expect("taken in");
    let torrent = add();
    torrent.wait_complete(Some(GENEROUS)).expect("everything is here");
    let aside = dir.join("aside");
    fs::rename(payload.root(), &aside).expect("the file");
    fs::create_dir_all(payload.root().join("in the way")).expect("a folder");
    let removed = torrent.remove(Content::Delete);
    assert!(
        matches!(&removed, Err(Error::Trouble(why)) if why.path.as_deref() == Some(payload.root())),
        "{removed:?}"
    );
    assert!(payload.root().exists() && session.torrents().is_empty());
    fs::remove_dir_all(payload.root()).expect("the folder");
    fs::rename(&aside, payload.root()).expect("the file");
    add().wait_complete(Some(GENEROUS)).expect("nobody uses the files");
}
