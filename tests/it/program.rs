//! The program as scripts see it: exit codes, `--json` lines, and every command on real content.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use serde_json::Value;
use tide_test_clients::{Event, Exit, Mktorrent, Payload, Signal, TempDir, Tide, Tool, have, net};

use crate::work::{LEAVE, Seed, Work, at_fresh, create, files_below, get, summary_code, tide};

/// The objects that a run has printed, each on a line of its own and nothing else.
fn lines(exit: &Exit) -> Vec<Value> {
    let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line:?}"));
    exit.stdout.lines().map(parse).collect()
}

/// The one line about an error that a run has printed for people.
fn error_line(exit: &Exit) -> &str {
    let mut lines = exit.stderr.lines();
    let line = lines.next().unwrap_or_default();
    assert_eq!(lines.next(), None, "one line: {}", exit.stderr);
    line
}

fn text(path: &Path) -> &str {
    path.to_str().expect("names of ours")
}

/// Bytes that came in during the run, as the last line says.
fn downloaded(tide: &Tide) -> u64 {
    match tide.events().last() {
        Some(Event::Summary(summary)) => summary["downloaded"].as_u64().expect("it says how much came"),
        last => panic!("no summary at the end: {last:?}"),
    }
}

#[test]
fn a_wrong_command_line_is_code_2_and_one_line_that_names_the_flag() {
    let cases: [(&[&str], &str); 9] = [
        (&["get", "x.torrent", "--bogus"], "--bogus"),
        (&["get", "x.torrent", "--down", "fast"], "--down"),
        (&["get", "x.torrent", "--timeout=soon"], "--timeout"),
        (&["get", "x.torrent", "-p", "70000"], "-p"),
        (&["get", "x.torrent", "--storage", "tape"], "--storage"),
        (&["get", "x.torrent", "--listen", "nowhere"], "--listen"),
        (&["get", "x.torrent", "-s", "3-1"], "-s"),
        (&["create", ".", "--piece-length", "17"], "--piece-length"),
        (&["verify", "x.torrent", "-d"], "-d"),
    ];
    for (arguments, flag) in cases {
        let exit = tide(arguments).run();
        exit.expect_code(2);
        assert!(error_line(&exit).contains(flag), "{arguments:?}: {}", exit.stderr);
        assert_eq!(exit.stdout, "");
    }
    for arguments in [&["fetch"][..], &[], &["get"], &["completions", "tcsh"]] {
        let exit = tide(arguments).run();
        exit.expect_code(2);
        assert_eq!(exit.stdout, "", "{arguments:?}");
    }
    let exit = tide(["get", "x.torrent", "--json", "--bogus"]).run();
    exit.expect_code(2);
    assert_eq!(lines(&exit)[0]["event"], "error");
    // Of later capabilities, what says no is known already.
    tide(["get", "/nowhere.torrent", "--no-dht", "--no-pex", "--no-lsd", "--no-utp", "--no-portmap"])
        .run()
        .expect_code(1);
}

#[test]
fn nothing_coming_is_code_3() {
    let work = Work::new(Payload::one_file);
    let mut get = work.get(&work.folder("get")).args(["--timeout", "1s"]).start();
    get.wait_exit(LEAVE).expect_code(3);
    assert_eq!(get.error().0, "timeout");
    assert_eq!(summary_code(&get.events()), Some(3));
}

#[test]
fn a_port_that_is_taken_is_code_6() {
    let work = Work::new(Payload::one_file);
    let taken = TcpListener::bind(net::fresh()).expect("fresh");
    let at = taken.local_addr().expect("bound").to_string();
    for command in ["get", "seed"] {
        let run = tide([command, text(&work.torrent.file), "--listen", &at]);
        let exit = run.clone().arg("-d").arg(work.payload.parent()).run();
        exit.expect_code(6);
        assert!(error_line(&exit).contains(&at), "{}", exit.stderr);
    }
    let exit = tide(["tracker", "--listen", &at]).run();
    exit.expect_code(6);
    assert!(error_line(&exit).contains(&at), "{}", exit.stderr);
}

#[test]
fn signals_end_it_in_order_with_codes_of_their_own() {
    let work = Work::new(Payload::one_file);
    let endings = [(Signal::Interrupt, 130), (Signal::Terminate, 143)];
    for (signal, code) in endings {
        let mut seed = work.seed();
        let mut get = work.get(&work.folder("get")).args(["--peer", &seed.peer(), "--down", "50k"]).start();
        get.progress(work.hash(), 1);
        let mut tracker = tide(["tracker", "--listen", "127.0.0.1:0"]).start();
        tracker.listening();
        for program in [&mut get, &mut seed.tide, &mut tracker] {
            program.signal(signal);
            program.wait_exit(LEAVE).expect_code(code);
        }
        assert_eq!(summary_code(&get.events()), u64::try_from(code).ok());
    }
}

#[test]
fn a_terminal_that_is_closed_ends_it_in_order_but_nohup_is_heeded() {
    let work = Work::new(Payload::one_file);
    let mut seed = Seed::start(&work.seed_command().in_a_terminal(), work.hash());
    let mut stays = Seed::start(&work.seed_command().without_hangups(), work.hash());
    for program in [&seed.tide, &stays.tide] {
        program.signal(Signal::HangUp);
    }
    seed.tide.wait_exit(LEAVE).expect_code(129);
    assert_eq!(summary_code(&seed.tide.events()), Some(129));
    // Who did not go still serves.
    work.get(&work.folder("get")).args(["--peer", &stays.peer()]).run().expect_code(0);
    stays.tide.signal(Signal::Terminate);
    stays.tide.wait_exit(LEAVE).expect_code(143);
}

#[test]
fn content_comes_from_a_peer_and_is_served_on() {
    let one_file = Payload::one_file as fn(&Path, u64) -> Payload;
    for (shape, shards) in [(one_file, "1"), (Payload::many_files, "2"), (one_file, "5")] {
        let work = Work::new(shape);
        let seed = work.seed();
        let (middle, last) = (work.folder("middle"), work.folder("last"));
        let mut first =
            work.get(&middle).args(["--peer", &seed.peer(), "--seed", "--shards", shards]).start();
        first.complete(work.hash());
        first.seeding(work.hash());
        drop(seed);
        // Who seeds after his download is a seed like any other.
        let mut second =
            work.get(&last).args(["--peer", &first.listening().to_string(), "--shards", shards]).start();
        assert_eq!(second.complete(work.hash()), work.payload.size());
        second.wait_exit(LEAVE).expect_code(0);
        assert_eq!(summary_code(&second.events()), Some(0));
        let known = |event: &Event| {
            matches!(event, Event::Added { pieces, size, .. }
            if *pieces == work.torrent.pieces as u64 && *size == work.payload.size())
        };
        assert!(second.events().iter().any(known), "{:?}", second.events());
        first.signal(Signal::Interrupt);
        first.wait_exit(LEAVE).expect_code(130);
        work.assert_same(&middle);
        work.assert_same(&last);
    }
}

#[test]
fn the_same_command_again_finds_everything() {
    let work = Work::new(Payload::many_files);
    let folder = work.folder("get");
    let (seed, home) = (work.seed(), work.dir.folder("home"));
    work.get(&folder).args(["--peer", &seed.peer()]).home(&home).run().expect_code(0);
    // With nobody to ask: with resume data, without, and against them.
    for (home, flags) in [(&home, &[][..]), (&work.dir.folder("other home"), &[]), (&home, &["--check"])] {
        let mut again = work.get(&folder).args(flags).home(home).start();
        again.wait_exit(LEAVE).expect_code(0);
        assert_eq!(downloaded(&again), 0);
    }
    work.assert_same(&folder);
}

#[test]
fn seeding_ends_at_a_ratio_or_after_a_time() {
    let work = Work::new(Payload::one_file);
    let mut seed = Seed::start(&work.seed_command().args(["--ratio", "1"]), work.hash());
    let mut get = work.get(&work.folder("get")).args(["--peer", &seed.peer(), "--seed-time", "1s"]).start();
    get.wait_exit(LEAVE).expect_code(0);
    get.seeding(work.hash());
    seed.tide.wait_exit(LEAVE).expect_code(0);
    work.assert_same(&work.folder("get"));
}

#[test]
fn peers_meet_through_the_tracker_of_the_program() {
    let tracker = tide(["tracker", "--listen", "127.0.0.1:0", "--udp", "127.0.0.1:0"]).start();
    let (http, udp) = tracker.wait("listening", |event| match event {
        Event::Listening { tcp, udp } => Some((tcp[0], udp[0])),
        _ => None,
    });
    for url in [format!("http://{http}/announce"), format!("udp://{udp}")] {
        let work = Work::with(Payload::one_file, &["-t", &url]);
        // The tracker knows one address of a peer: that from which it announces.
        let seed = work.seed();
        let mut get = work.get(&work.folder("get")).start();
        get.wait_exit(LEAVE * 3).expect_code(0);
        work.assert_same(&work.folder("get"));
        drop(seed);
    }
}

#[test]
fn a_tracker_on_the_command_line_is_asked_too() {
    let tracker = tide(["tracker", "--listen", "127.0.0.1:0"]).start();
    let url = format!("http://{}/announce", tracker.listening());
    let work = Work::new(Payload::one_file);
    let _seed = Seed::start(&work.seed_command().args(["-t", &url]), work.hash());
    let alone = work.get(&work.folder("alone")).args(["-t", &url, "--no-trackers", "--timeout", "1s"]).run();
    alone.expect_code(3);
    work.get(&work.folder("get")).args(["-t", &url]).run().expect_code(0);
    work.assert_same(&work.folder("get"));
}

#[test]
fn files_are_listed() {
    let work = Work::new(Payload::many_files);
    let file = text(&work.torrent.file);
    let listed = tide(["get", "-l", file]).run();
    listed.expect_code(0);
    assert_eq!(listed.stdout, tide(["show", "-f", file]).run().stdout);
    let rows: Vec<Vec<&str>> = listed.stdout.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(rows.len(), files_below(work.payload.root()).len());
    for (number, row) in (1..).zip(&rows) {
        assert_eq!(row[0], number.to_string());
        let real = fs::metadata(work.payload.parent().join(row[2])).expect("a file of the payload");
        assert_eq!(row[1], real.len().to_string());
    }
    let json = lines(&tide(["get", "-l", "--json", file]).run());
    assert_eq!(json.len(), 1);
    assert_eq!(json[0]["files"].as_array().expect("a list").len(), rows.len());
}

#[test]
fn only_what_is_selected_is_there_and_the_rest_comes_later() {
    let work = Work::new(Payload::many_files);
    let (seed, home, folder) = (work.seed(), work.dir.folder("home"), work.folder("get"));
    let name = work.payload.name();
    let get = |flags: &[&str]| {
        let command = work.get(&folder).args(["--peer", &seed.peer()]).args(flags).home(&home);
        let mut get = command.start();
        get.wait_exit(LEAVE * 3).expect_code(0);
        downloaded(&get)
    };
    let first = get(&["--include", "small/*", "--include", "long*", "--exclude", "*7"]);
    let wanted = |path: &&std::path::PathBuf| {
        let path = text(path);
        (path.starts_with("small/") || path.starts_with("long")) && !path.ends_with('7')
    };
    let all = files_below(work.payload.root());
    let expected: Vec<_> = all.iter().filter(wanted).cloned().collect();
    assert_eq!(files_below(&folder.join(name)), expected);
    for path in &expected {
        let [ours, theirs] = [&folder.join(name), work.payload.root()].map(|root| fs::read(root.join(path)));
        assert!(ours.expect("it is there") == theirs.expect("it is there"), "{}", path.display());
    }
    // By numbers, one that the flags before had left out.
    let list = tide(["get", "-l", text(&work.torrent.file)]).run().stdout;
    let row = list.lines().find(|row| row.ends_with("one byte")).expect("a file of the payload");
    let second = get(&["-s", row.split('\t').next().expect("its number")]);
    assert!(folder.join(name).join("b/one byte").is_file());
    // Everything: what came before and the pieces on its edges do not come again.
    let third = get(&[]);
    work.assert_same(&folder);
    assert_eq!(first + second + third, work.payload.size());
}

#[test]
fn a_selection_that_means_nothing_is_code_2() {
    let work = Work::new(Payload::many_files);
    for flags in [["-s", "999"], ["--include", "no such file"]] {
        let exit = work.get(&work.folder("get")).args(flags).run();
        exit.expect_code(2);
        assert_eq!(files_below(&work.folder("get")), Vec::<std::path::PathBuf>::new());
    }
}

#[test]
fn a_created_torrent_is_that_of_mktorrent_byte_for_byte() {
    if !have(&[Tool::Mktorrent]) {
        return;
    }
    for shape in [Payload::one_file, Payload::many_files] {
        let work = Work::new(shape);
        let theirs = Mktorrent::new().create(&work.payload, &work.dir.join("theirs.torrent"));
        assert!(work.torrent.info() == theirs.info(), "{}", work.payload.name());
        let ours = create(
            &work.payload,
            &work.dir.join("private.torrent"),
            &["--private", "-l", "64k", "-t", "http://a/"],
        );
        let theirs = Mktorrent::new().private().tracker("http://a/").piece_length_log2(16);
        let theirs = theirs.create(&work.payload, &work.dir.join("theirs private.torrent"));
        assert!(ours.info() == theirs.info(), "{}: private", work.payload.name());
    }
}

#[test]
fn create_overwrites_nothing_unasked() {
    let work = Work::new(Payload::one_file);
    let (file, root) = (text(&work.torrent.file), text(work.payload.root()));
    let before = work.torrent.bytes();
    let refused = tide(["create", root, "-o", file]).run();
    assert_ne!(refused.code, Some(0));
    assert!(work.torrent.bytes() == before);
    tide(["create", root, "-o", file, "--dry-run", "-f", "-c", "other"]).run().expect_code(0);
    assert!(work.torrent.bytes() == before);
    tide(["create", root, "-o", file, "-f", "-c", "other"]).run().expect_code(0);
    assert!(work.torrent.bytes() != before);
}

#[test]
fn a_torrent_is_shown_and_linked() {
    let url = "http://tracker.invalid/announce";
    let work = Work::with(Payload::many_files, &["-t", url, "-c", "a word"]);
    let file = text(&work.torrent.file);
    let shown = &lines(&tide(["show", "--json", file]).run())[0];
    assert_eq!(shown["info_hash"], work.hash().as_str());
    assert_eq!(
        (&shown["size"], &shown["pieces"]),
        (&work.payload.size().into(), &work.torrent.pieces.into())
    );
    assert_eq!((&shown["comment"], &shown["private"]), (&"a word".into(), &false.into()));
    assert_eq!(shown["trackers"][0][0], url);
    assert_eq!(tide(["show", "--info-hash", file]).run().stdout, format!("{}\n", work.hash()));
    let link = tide(["magnet", file]).run().stdout;
    assert!(link.starts_with("magnet:?") && link.contains(work.hash().as_str()), "{link}");
    let of_link = &lines(&tide(["show", "--json", link.trim()]).run())[0];
    assert_eq!((&of_link["info_hash"], &of_link["name"]), (&shown["info_hash"], &shown["name"]));
    assert_eq!(of_link["trackers"], shown["trackers"]);
}

#[test]
fn a_torrent_comes_on_standard_input() {
    let work = Work::new(Payload::one_file);
    let seed = work.seed();
    let folder = work.folder("get");
    let get = at_fresh(tide(["get", "-", "-d", text(&folder), "--peer", &seed.peer()]));
    get.stdin(&work.torrent.bytes()).run().expect_code(0);
    work.assert_same(&folder);
    let shown = tide(["show", "-", "--info-hash"]).stdin(&work.torrent.bytes()).run();
    assert_eq!(shown.stdout, format!("{}\n", work.hash()));
}

#[test]
fn damage_is_found_is_code_4_and_is_mended() {
    let work = Work::new(Payload::many_files);
    let seed = work.seed();
    let folder = work.folder("get");
    work.get(&folder).args(["--peer", &seed.peer()]).run().expect_code(0);
    let verify = |json: &str| tide(["verify", text(&work.torrent.file), "-d", text(&folder), json]).run();
    verify("-q").expect_code(0);
    let path = folder.join(work.payload.name()).join("long and odd.bin");
    let mut bytes = fs::read(&path).expect("it is there");
    bytes[500_000] ^= 1;
    fs::write(&path, &bytes).expect("a file of ours");
    let exit = verify("-q");
    exit.expect_code(4);
    let bad: Vec<_> = exit.stdout.lines().filter(|line| line.starts_with("BAD")).collect();
    assert!(matches!(bad[..], [line] if line.contains("long and odd.bin")), "{}", exit.stdout);
    let lines = lines(&verify("--json"));
    assert_eq!(lines.last().expect("a summary")["bad"], 1);
    // Who has not everything is no seed.
    let exit =
        tide(["seed", text(&work.torrent.file), "-d", text(&folder), "--listen", &net::fresh().to_string()]);
    exit.run().expect_code(4);
    let mut mend = work.get(&folder).args(["--peer", &seed.peer()]).start();
    mend.wait_exit(LEAVE).expect_code(0);
    assert_eq!(downloaded(&mend), 1 << 15);
    work.assert_same(&folder);
}

#[test]
fn two_torrents_share_a_folder_and_one_torrent_is_in_it_once() {
    let one = Work::new(Payload::one_file);
    let two = Work::new(Payload::many_files);
    let (first, second) = (one.seed(), two.seed());
    let folder = one.folder("get");
    let both = at_fresh(tide(["get", text(&one.torrent.file), text(&two.torrent.file), "-d", text(&folder)]));
    let both = both.args(["--peer", &first.peer(), "--peer", &second.peer(), "--down", "2M"]);
    let home = one.dir.folder("home");
    let mut both = both.home(&home).start();
    both.progress(one.hash(), 1);
    // A second program would write into the same file.
    let mut again = one.get(&folder).args(["--peer", &first.peer()]).home(&home).start();
    again.wait_exit(LEAVE).expect_code(5);
    assert_eq!(again.error().0, "in-use");
    both.wait_exit(LEAVE).expect_code(0);
    assert_eq!(summary_code(&both.events()), Some(0));
    one.assert_same(&folder);
    two.assert_same(&folder);
    // Named twice on one command line is a slip that does no harm.
    let file = text(&one.torrent.file);
    at_fresh(tide(["get", file, file, "-d", text(&folder)])).run().expect_code(0);
}

#[test]
fn a_folder_that_cannot_be_written_is_code_5() {
    let work = Work::new(Payload::one_file);
    let seed = work.seed();
    // A file is in the way: so it is for root too, to whom modes mean nothing.
    let file = work.dir.join("file");
    fs::write(&file, b"in the way").expect("a file of ours");
    let mut get = get(&work.torrent, &file.join("below")).args(["--peer", &seed.peer()]).start();
    get.wait_exit(LEAVE).expect_code(5);
    assert_eq!(get.error().0, "obstructed");
    assert_eq!(summary_code(&get.events()), Some(5));
    assert_eq!(fs::read(&file).expect("it is there"), b"in the way");
}

#[test]
fn completions_and_help_are_complete() {
    for shell in ["bash", "zsh", "fish"] {
        let exit = tide(["completions", shell]).run();
        exit.expect_code(0);
        for word in ["get", "seed", "create", "verify", "tracker", "sequential"] {
            assert!(exit.stdout.contains(word), "{shell}: {word}");
        }
    }
    for arguments in [&["--help"][..], &["-h"], &["get", "--help"], &["--version"], &["create", "-h"]] {
        let exit = tide(arguments).run();
        exit.expect_code(0);
        assert!(exit.stdout.contains("tide") && exit.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn the_demo_shows_a_download_that_is_right() {
    let dir = TempDir::new("demo");
    let exit = tide(["demo", "--json"]).env("TMPDIR", dir.path()).run();
    exit.expect_code(0);
    assert!(!lines(&exit).is_empty());
    assert_eq!(files_below(dir.path()), Vec::<std::path::PathBuf>::new(), "it leaves nothing behind");
}
