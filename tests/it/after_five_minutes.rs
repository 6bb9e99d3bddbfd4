//! A link for which there is nobody at first. Five minutes pass indeed, as nothing else shows that nothing gives up
//! meanwhile. (The runner begins with the names that come first, so the other tests run beside it.)

use std::net::SocketAddr;
use std::time::Duration;

use tide_test_clients::{Client, Event, LibTorrent, Tool, compare, have};

use crate::dht::Hub;
use crate::seeking::{link, wait_progress};
use crate::work::{LEAVE, Work, at_fresh, summary_code, tide};

/// For how long nobody has the torrent.
const FIVE_MINUTES: Duration = Duration::from_secs(300);
/// How many times in that time it must have said how it stands: once a second, on a machine that has other things to do.
const LINES: usize = 150;
/// A rate at which the content takes minutes, in bytes a second.
const SLOW: u32 = 16_000;

/// With nothing but the DHT. It is the one who comes last that finds us: we had announced ourselves, not having anything.
#[test]
fn a_link_whose_peers_come_after_five_minutes_completes() {
    if !have(&[Tool::LibTorrent]) {
        return;
    }
    let (work, hub) = (Work::new(tide_test_clients::Payload::one_file), Hub::start());
    let folder = work.folder("get");
    let get = |folder| {
        at_fresh(tide(["get", &link(&work), "--dht-node", &hub.addr.to_string()]).arg("-d").arg(folder))
    };
    let mut run = get(&folder).start();
    let addr: SocketAddr = run.listening();
    hub.wait_announced();
    let started = run.events();
    assert!(
        started.iter().any(|event| matches!(event, Event::Added { size: 0, pieces: 0, .. })),
        "the torrent is there at once: {started:?}"
    );
    // What people are told meanwhile.
    let text = get(&work.folder("other")).args(["--timeout", "15s"]).run();
    text.expect_code(3);
    let words = "looking for peers that have the metadata, connected to ";
    assert!(text.stdout.contains(words), "{}", text.stdout);

    std::thread::sleep(FIVE_MINUTES);
    let heard = run.events();
    let states = heard.iter().filter_map(|event| match event {
        Event::Progress { line, .. } => Some(&line["state"]),
        _ => None,
    });
    let (seeking, other): (Vec<_>, Vec<_>) = states.partition(|state| **state == "metadata");
    assert!(seeking.len() > LINES && other.is_empty(), "{} times, and {other:?}", seeking.len());

    let mut theirs = LibTorrent::start_with_dht(hub.addr);
    theirs.add(&work.torrent, work.payload.parent());
    theirs.wait_seeding(work.hash());
    theirs.limit(work.hash(), Some(SLOW));
    hub.wait_nodes(2);
    theirs.announce_to_dht(work.hash());
    // Whom it had called has the port of that call.
    theirs.wait_peer(work.hash(), &|peer| peer.address == addr);
    wait_progress(&run, "that the metadata is here", |line| line["state"] == "downloading");
    theirs.limit(work.hash(), None);
    run.complete(work.hash());
    run.wait_exit(LEAVE).expect_code(0);
    assert_eq!(summary_code(&run.events()), Some(0));
    compare::same(work.payload.root(), &folder.join(work.payload.name()));
}
