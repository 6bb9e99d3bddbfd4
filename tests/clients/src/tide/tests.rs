//! The driver against shell scripts that play the program's part.

use std::os::unix::fs::PermissionsExt as _;

use super::*;

const HASH: &str = "0123456789abcdef0123456789abcdef01234567";

fn script(dir: &TempDir, body: &str) -> PathBuf {
    let path = dir.join("tide");
    fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn reads_every_line_of_the_contract() {
    let hash = InfoHash::from_hex(HASH);
    let line = |rest: &str| Event::parse(&rest.replace("HASH", HASH));
    assert_eq!(
        line(r#"{"event":"listening","tcp":["127.0.0.1:51413","[::1]:51413"],"udp":[]}"#),
        Event::Listening {
            tcp: vec!["127.0.0.1:51413".parse().unwrap(), "[::1]:51413".parse().unwrap()],
            udp: vec![]
        }
    );
    assert_eq!(
        line(r#"{"event":"added","info_hash":"HASH","name":"n","size":7,"pieces":1,"more":[]}"#),
        Event::Added { info_hash: hash.clone(), name: "n".into(), size: 7, pieces: 1 }
    );
    assert_eq!(
        line(r#"{"event":"checking","info_hash":"HASH","done":1,"total":2}"#),
        Event::Checking { info_hash: hash.clone(), done: 1, total: 2 }
    );
    let progress = r#"{"event":"progress","info_hash":"HASH","done":1,"total":2,"down_rate":0,"up_rate":0,
        "uploaded":3,"peers":4,"seeds":0,"eta":null}"#;
    assert!(matches!(line(progress), Event::Progress { done: 1, total: 2, peers: 4, uploaded: 3, .. }));
    assert_eq!(
        line(r#"{"event":"complete","info_hash":"HASH","bytes":7,"downloaded":6,"seconds":0.5}"#),
        Event::Complete { info_hash: hash.clone(), bytes: 7, downloaded: 6, seconds: 0.5 }
    );
    assert_eq!(line(r#"{"event":"seeding","info_hash":"HASH"}"#), Event::Seeding { info_hash: hash });
    assert_eq!(
        line(r#"{"event":"error","kind":"disk-full","message":"no room"}"#),
        Event::Error { info_hash: None, kind: "disk-full".into(), message: "no room".into() }
    );
    assert!(matches!(line(r#"{"event":"summary","x":1}"#), Event::Summary(_)));
    assert!(matches!(line(r#"{"event":"later"}"#), Event::Other(_)));
    for broken in
        ["", "Listening on 1", "[1]", r#"{"event":"seeding"}"#, r#"{"event":"complete","info_hash":1}"#]
    {
        assert!(matches!(Event::parse(broken), Event::Broken(_)), "{broken}");
    }
}

#[test]
fn follows_a_run_from_listening_to_its_exit_code() {
    let dir = TempDir::new("tide-script");
    let hash = InfoHash::from_hex(HASH);
    let binary = script(
        &dir,
        &r#"[ "$1 $2 $3" = "get --json x.torrent" ] || exit 2
            echo '{"event":"listening","tcp":["127.0.0.1:4711"],"udp":["127.0.0.1:4711"]}'
            echo '{"event":"seeding","info_hash":"HASH"}'
            echo "to people, home $HOME" >&2
            echo '{"event":"complete","info_hash":"HASH","bytes":9,"downloaded":8,"seconds":1.5}'
            echo '{"event":"error","info_hash":"HASH","kind":"disk","message":"full"}'
            exit 5"#
            .replace("HASH", HASH),
    );
    let mut tide = TideCommand::new(&binary, ["get", "x.torrent"]).home(dir.path()).start();
    assert_eq!(tide.listening(), "127.0.0.1:4711".parse().unwrap());
    tide.seeding(&hash);
    assert_eq!(tide.complete(&hash), 8);
    assert_eq!(tide.error(), ("disk".to_owned(), "full".to_owned()));
    let exit = tide.wait_exit(wait::GENEROUS);
    exit.expect_code(5);
    assert_eq!(exit.stderr, format!("to people, home {}\n", dir.path().display()));
    assert_eq!(tide.events().len(), 4);
}

#[test]
fn signals_reach_the_program_itself() {
    let dir = TempDir::new("tide-signal");
    let body = r#"trap 'exit 143' TERM
        echo '{"event":"listening","tcp":["127.0.0.1:1"],"udp":[]}'
        while :; do sleep 0.05; done"#;
    let command = TideCommand::new(script(&dir, body), ["seed"]);
    let mut tide = command.start();
    tide.listening();
    tide.signal(Signal::Terminate);
    tide.wait_exit(wait::GENEROUS).expect_code(143);
    let mut tide = command.start();
    tide.listening();
    tide.kill();
    assert_eq!(tide.wait_exit(wait::GENEROUS).code, None);
}

#[test]
fn runs_to_the_end_with_stdin_and_both_outputs() {
    let dir = TempDir::new("tide-run");
    let binary = script(&dir, "cat; echo \"$1 in $(basename \"$PWD\"), $X\" >&2; exit 4");
    let folder = dir.folder("here");
    let exit = TideCommand::new(&binary, ["show"]).arg("-").env("X", "y").folder(&folder).stdin(b"in").run();
    exit.expect_code(4);
    assert_eq!((exit.stdout.as_str(), exit.stderr.as_str()), ("in", "show in here, y\n"));
}

#[test]
#[should_panic(expected = "no such torrent")]
fn waiting_for_what_cannot_come_any_more_shows_why() {
    let dir = TempDir::new("tide-end");
    let tide = TideCommand::new(script(&dir, "echo no such torrent >&2; exit 1"), ["get"]).start();
    tide.listening();
}

#[test]
#[should_panic(expected = "Broken")]
fn other_text_among_the_json_lines_is_a_failure() {
    let dir = TempDir::new("tide-broken");
    let tide = TideCommand::new(script(&dir, "echo Hello; sleep 60"), ["get"]).start();
    tide.listening();
}
