//! What the library does where few come: in folders that change, and with spans of time without end.

use std::env;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tide::{Add, Config, InfoHash, Listen, Session, State};
use tide_test_clients::TempDir;
use tide_test_clients::wait::{self, GENEROUS};

/// Says that this process may change its current folder: it runs no other test.
const ALONE: &str = "TIDE_TEST_ALONE";

fn session(state_dir: Option<&Path>) -> Session {
    let _ = env_logger::builder().is_test(true).try_init();
    let listen = Listen::At(vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))]);
    let state_dir = state_dir.map(Path::to_owned);
    let config = Config { listen, state_dir, shards: 2, hashers: 1, ..Config::default() };
    Session::start(config).expect("a loopback port is free")
}

#[test]
fn the_state_folder_stays_where_it_was() {
    let dir = TempDir::new("edges");
    let mut run = Command::new(env::current_exe().expect("this program"));
    run.args(["--exact", "edges::a_program_changes_its_folder"]).env(ALONE, "1");
    let output = run.current_dir(dir.folder("first")).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let resumes = |folder: &str| {
        let entries = fs::read_dir(dir.join(folder).join("state")).into_iter().flatten();
        let names = entries.map(|entry| entry.expect("an entry").file_name());
        names.filter(|name| name.to_string_lossy().ends_with(".resume")).count()
    };
    assert_eq!((resumes("first"), resumes("second")), (1, 0));
}

/// Does nothing but in a process of its own, of the test above.
#[test]
fn a_program_changes_its_folder() {
    if env::var_os(ALONE).is_none() {
        return;
    }
    let session = session(Some("state".as_ref()));
    fs::create_dir_all("../second").expect("a folder");
    env::set_current_dir("../second").expect("a folder");
    let torrent = session.add(Add::hash(InfoHash([7; 20]))).expect("taken in");
    let state = || torrent.stats().expect("figures").state;
    wait::until("it seeks", || (state() == State::Metadata).then_some(()));
    assert!(session.shutdown(GENEROUS));
}

#[test]
fn a_session_may_have_all_the_time_there_is_to_end() {
    assert!(session(None).shutdown(Duration::MAX));
}
