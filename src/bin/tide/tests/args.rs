//! The command line: every flag of the contract, good and bad values, help.

use super::tide;
use crate::args::{Asked, Command, Flag, flags::EVERYWHERE, parse};
use crate::commands::COMMANDS;
use crate::exit::Exit;

/// What the contract names, a command a row.
const CONTRACT: &[(&str, &str)] = &[
    (
        "get",
        "-d --dir -o --output -l --list -s --select --include --exclude --sequential --peer -t --tracker -p --port \
         --listen --dht-node --seed --seed-ratio --seed-time --down --up --max-peers --no-trackers --no-dht --no-pex --no-lsd \
         --no-utp --no-tcp --no-portmap --check --storage --shards --hashers --memory --timeout --on-complete",
    ),
    (
        "seed",
        "-d --dir --skip-check --ratio --time --peer -t --tracker -p --port --listen --dht-node --down --up --max-peers \
         --no-trackers --no-dht --no-pex --no-lsd --no-utp --no-tcp --no-portmap",
    ),
    (
        "create",
        "-o --output -t --tracker -w --web-seed -c --comment -n --name -p --private --source -l --piece-length --v1 \
         --no-date --no-created-by -f --force --dry-run --magnet",
    ),
    ("show", "-f --files -t --trackers -m --magnet --info-hash"),
    ("verify", "-d --dir"),
    ("magnet", "--fetch -o --output -f --force --timeout"),
    ("tracker", "--listen --udp"),
    ("demo", ""),
    ("completions", ""),
];

/// What every command takes.
const COMMON: &str = "-h --help -V --version -q --quiet -v --color --json";

/// What comes later, and must be unknown until then.
const LATER: &[(&str, &[&str])] = &[
    ("get", &["--encryption=off", "--proxy=socks5://x:1", "--super-seed"]),
    ("seed", &["--super-seed", "--proxy=x"]),
    ("create", &["--v2", "--hybrid"]),
];

fn all_flags(command: &'static Command) -> impl Iterator<Item = &'static Flag> {
    command.flags.iter().copied().chain([EVERYWHERE]).flatten()
}

/// A good value for a flag.
fn good(flag: &Flag) -> Option<&'static str> {
    Some(match flag.takes.name {
        "" => return None,
        "RATE" | "SIZE" => "1.5MiB",
        "SIZE|auto" => "2MiB",
        "DUR" => "90s",
        "F" => "1.5",
        "N" => "7",
        "ADDR:PORT" => "127.0.0.1:0",
        "HOST:PORT" => "localhost:51413",
        "URL" => "http://tracker.example/announce",
        "1-3,7" => "1-3,7",
        "GLOB" => "*.iso",
        "WHEN" | "KIND" => flag.takes.words[0],
        _ => "words",
    })
}

/// Bad values for a flag; none if any text will do.
fn bad(flag: &Flag) -> &'static [&'static str] {
    match flag.takes.name {
        "RATE" => &["", "fast", "-1", "1q"],
        "SIZE" => &["", "fast", "-1", "1q", "1", "511KiB"],
        "NAME" => &["", ".", "..", "a/b"],
        "SIZE|auto" => &["", "17k", "1k", "1G", "automatic"],
        "DUR" => &["", "soon", "1w", "-1s"],
        "F" => &["", "x", "-1", "inf", "NaN"],
        "N" if flag.long == "max-peers" => &["", "x", "-1", "99999999999", "1.5", "0", "1"],
        "N" => &["", "x", "-1", "99999999999", "1.5"],
        "ADDR:PORT" => &["", "127.0.0.1", "localhost:1", "1.2.3.4:99999", ":1"],
        "HOST:PORT" => &["", "host", "host:0", "host:x", "a b:1"],
        "URL" => &["", "x", "ftp://x/", "http://"],
        "1-3,7" => &["", "0", "3-1", "a"],
        "GLOB" => &["", "[a"],
        "WHEN" | "KIND" => &["", "sometimes"],
        "DIR" | "FILE" => &[""],
        _ => &[],
    }
}

/// Operands that satisfy the command.
fn operands(command: &Command) -> Vec<&'static str> {
    vec!["bash"; command.operands.least]
}

fn asked(args: &[&str]) -> Result<Asked, String> {
    parse(args.iter().map(Into::into).collect(), COMMANDS).map_err(|failure| {
        assert_eq!(failure.exit, Exit::Usage);
        assert!(!failure.message.contains('\n'), "one line");
        failure.message
    })
}

#[test]
fn every_command_and_flag_of_the_contract_is_there_and_in_its_help() {
    assert_eq!(
        COMMANDS.iter().map(|command| command.name).collect::<Vec<_>>(),
        CONTRACT.iter().map(|row| row.0).collect::<Vec<_>>()
    );
    let overview = tide(&["--help"]);
    assert_eq!((overview.exit, overview.err.as_str()), (Exit::Done, ""));
    for (name, flags) in CONTRACT {
        assert!(overview.out.contains(&format!("\n  {name} ")), "{name}");
        for form in ["-h", "--help"] {
            let help = tide(&[name, form]);
            assert_eq!(help.exit, Exit::Done);
            for flag in flags.split_whitespace().chain(COMMON.split_whitespace()) {
                let words = || help.out.split([' ', ',', '\n']);
                assert!(words().any(|word| word == flag), "{name} {form}: {flag}");
            }
            assert_eq!(help.out.contains("130/143"), form == "--help");
        }
    }
}

#[test]
fn every_flag_takes_its_value_in_every_spelling() {
    for command in COMMANDS {
        for flag in all_flags(command).filter(|flag| !["help", "version"].contains(&flag.long)) {
            let mut lines = Vec::new();
            let longs = [Some(flag.long), flag.also.map(|also| also.0)].into_iter().flatten();
            let shorts = [flag.short, flag.also.map(|also| also.1)].into_iter().flatten();
            match good(flag) {
                None => {
                    lines.extend(longs.map(|long| vec![format!("--{long}")]));
                    lines.extend(shorts.map(|short| vec![format!("-q{short}")]));
                }
                Some(value) => {
                    for long in longs {
                        lines.push(vec![format!("--{long}={value}")]);
                        lines.push(vec![format!("--{long}"), value.to_owned()]);
                    }
                    for short in shorts {
                        lines.push(vec![format!("-{short}{value}")]);
                        lines.push(vec![format!("-q{short}"), value.to_owned()]);
                    }
                }
            }
            for line in lines {
                let mut args = vec![command.name];
                args.extend(operands(command));
                args.extend(line.iter().map(String::as_str));
                match asked(&args) {
                    Ok(Asked::Run(found, matches)) => {
                        assert_eq!(found.name, command.name);
                        assert!(matches.has(flag.long), "{args:?}");
                    }
                    Ok(_) => panic!("{args:?} is no call for help"),
                    Err(message) => panic!("{args:?}: {message}"),
                }
            }
        }
    }
}

#[test]
fn bad_values_name_the_flag_and_what_it_takes() {
    for command in COMMANDS {
        for flag in all_flags(command) {
            let name = format!("--{}", flag.long);
            for value in bad(flag) {
                let mut args = vec![command.name];
                args.extend(operands(command));
                let given = format!("{name}={value}");
                args.push(&given);
                let message = asked(&args).err().unwrap_or_else(|| panic!("{args:?} is refused"));
                assert!(message.contains(&format!("{name} takes {}", flag.takes.like)), "{message}");
                assert!(message.contains(&format!("tide {} --help", command.name)), "{message}");
            }
            if good(flag).is_some() {
                let message = asked(&[command.name, &name]).err().expect("a value is missing");
                assert!(message.contains(&format!("{name} takes {}", flag.takes.like)), "{message}");
            } else if !["help", "version"].contains(&flag.long) {
                let message = asked(&[command.name, &format!("{name}=x")]).err().expect("no value is taken");
                assert!(message.contains(&format!("{name} takes no value")), "{message}");
            }
        }
    }
}

#[test]
fn what_comes_later_is_unknown_until_then() {
    for (name, flags) in LATER {
        for flag in *flags {
            let ran = tide(&[name, "x", flag]);
            assert_eq!((ran.exit, ran.out.as_str()), (Exit::Usage, ""));
            let bare = flag.split('=').next().unwrap_or(flag);
            assert!(ran.err.starts_with(&format!("tide: error: unknown flag {bare}")), "{}", ran.err);
            assert_eq!(ran.err.lines().count(), 1);
        }
    }
    let ran = tide(&["bench"]);
    assert_eq!(ran.exit, Exit::Usage);
    assert!(ran.err.contains("unknown command \"bench\""));
}

#[test]
fn wrong_lines_are_one_clear_line() {
    let cases: &[(&[&str], &str)] = &[
        (&[], "a command is missing: get, seed"),
        (&["gte"], "unknown command \"gte\": did you mean get?"),
        (&["get"], "SOURCE is missing"),
        (&["get", "x", "--sead"], "unknown flag --sead: did you mean --seed?"),
        (&["get", "x", "-Z"], "unknown flag -Z"),
        (&["get", "x", "--port", "1", "--port", "2"], "--port stands twice"),
        (&["show", "a", "b"], "one argument too many: b"),
        (&["demo", "x"], "one argument too many: x"),
        (&["completions", "tcsh"], "SHELL is bash, zsh, fish"),
    ];
    for (args, expected) in cases {
        let ran = tide(args);
        assert_eq!((ran.exit, ran.out.as_str()), (Exit::Usage, ""), "{args:?}");
        assert!(ran.err.starts_with(&format!("tide: error: {expected}")), "{args:?}: {}", ran.err);
        assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);
    }
}

#[test]
fn in_json_a_wrong_line_is_an_event_too() {
    let ran = tide(&["get", "--nonsense", "--json"]);
    assert_eq!(ran.exit, Exit::Usage);
    assert!(ran.out.starts_with(r#"{"event":"error","kind":"usage","message":"unknown flag --nonsense"#));
    assert!(!ran.err.is_empty());
}

#[test]
fn flags_may_stand_before_the_command_and_dashes_end_them() {
    match asked(&["--json", "-vv", "show", "-f", "--", "-x"]) {
        Ok(Asked::Run(command, matches)) => {
            assert_eq!((command.name, matches.count("verbose")), ("show", 2));
            assert_eq!(matches.operands, ["-x"]);
            assert!(matches.has("json") && matches.has("files"));
        }
        _ => panic!("a command with flags"),
    }
    assert_eq!(tide(&["-V"]).out, concat!("tide ", env!("CARGO_PKG_VERSION"), "\n"));
    assert_eq!(tide(&["get", "--version"]).exit, Exit::Done);
}

#[test]
fn names_and_letters_are_unambiguous() {
    for command in COMMANDS {
        let mut longs: Vec<_> =
            all_flags(command).flat_map(|flag| [Some(flag.long), flag.also.map(|a| a.0)]).flatten().collect();
        let mut shorts: Vec<_> =
            all_flags(command).flat_map(|flag| [flag.short, flag.also.map(|a| a.1)]).flatten().collect();
        let counts = (longs.len(), shorts.len());
        longs.sort_unstable();
        longs.dedup();
        shorts.sort_unstable();
        shorts.dedup();
        assert_eq!((longs.len(), shorts.len()), counts, "{}", command.name);
        assert!(all_flags(command).all(|flag| !flag.help.is_empty()));
    }
}
