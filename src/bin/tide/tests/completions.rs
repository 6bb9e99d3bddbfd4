//! Completions: complete, and accepted by the shells that are here.

use std::process::Command;

use super::tide;
use crate::args::flags::EVERYWHERE;
use crate::commands::COMMANDS;

#[test]
fn every_shell_learns_every_command_and_flag() {
    for (shell, dashes) in [("bash", "--"), ("zsh", "--"), ("fish", "-l ")] {
        let script = tide(&["completions", shell]).out;
        for command in COMMANDS {
            assert!(script.contains(command.name), "{shell}: {}", command.name);
            for flag in command.flags.iter().copied().chain([EVERYWHERE]).flatten() {
                assert!(script.contains(&format!("{dashes}{}", flag.long)), "{shell}: {}", flag.long);
            }
        }
    }
}

#[test]
fn bash_completes_commands_flags_and_values() {
    let script = tide(&["completions", "bash"]).out;
    let complete = |line: &str| {
        let words: Vec<_> = line.split(' ').collect();
        let ask =
            format!("COMP_WORDS=({line}) COMP_CWORD={}; _tide; echo \"${{COMPREPLY[@]}}\"", words.len() - 1);
        let ask = ask.replace("(tide )", "(tide '')");
        let ran = Command::new("bash")
            .args(["--norc", "-c", &format!("compopt() {{ :; }}\n{script}\n{ask}")])
            .output();
        ran.ok().map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    // Where there is no bash, nobody needs its completions.
    let Some(first) = complete("tide ver") else { return };
    assert_eq!(first, "verify");
    assert_eq!(complete("tide get --seq").as_deref(), Some("--sequential"));
    assert_eq!(complete("tide get --storage m").as_deref(), Some("mapped memory"));
    assert_eq!(complete("tide completions z").as_deref(), Some("zsh"));
}
