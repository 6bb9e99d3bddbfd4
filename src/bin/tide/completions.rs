//! `tide completions`: scripts for shells, from the tables.

use std::fmt::Write;

use crate::args::flags::EVERYWHERE;
use crate::args::{Command, Flag};
use crate::commands::COMMANDS;
use crate::exit::{Exit, Failure};
use crate::run::Context;

/// The shells.
pub(crate) const SHELLS: &[&str] = &["bash", "zsh", "fish"];

pub(crate) fn run(context: &mut Context<'_>) -> Result<Exit, Failure> {
    let shell = context.matches.operands.first().and_then(|word| word.to_str());
    let script = match shell {
        Some("bash") => bash(),
        Some("zsh") => zsh(),
        Some("fish") => fish(),
        _ => return Err(Failure::usage(format!("SHELL is {}", SHELLS.join(", ")))),
    };
    context.console.bytes(script.as_bytes());
    Ok(Exit::Done)
}

/// All flags that a command knows.
fn flags(command: &Command) -> impl Iterator<Item = &'static Flag> {
    command.flags.iter().copied().chain([EVERYWHERE]).flatten()
}

/// All spellings of a flag.
fn spellings(flag: &Flag) -> Vec<String> {
    let mut all = vec![format!("--{}", flag.long)];
    all.extend(flag.short.map(|letter| format!("-{letter}")));
    if let Some((long, letter)) = flag.also {
        all.extend([format!("--{long}"), format!("-{letter}")]);
    }
    all
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a string takes all that is written to it");
}

/// Text between single quotes, for any of the shells.
fn quoted(text: &str) -> String {
    text.replace('\'', "’")
}

fn bash() -> String {
    let names: Vec<_> = COMMANDS.iter().map(|command| command.name).collect();
    let everywhere: Vec<_> = EVERYWHERE.iter().flat_map(spellings).collect();
    let mut text = String::from("# bash completion for tide\n_tide() {\n");
    text.push_str(
        "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command= at\n",
    );
    text.push_str("    for ((at = 1; at < COMP_CWORD; at++)); do\n");
    push(
        &mut text,
        format_args!(
            "        case ${{COMP_WORDS[at]}} in {}) command=${{COMP_WORDS[at]}}; break ;; esac\n",
            names.join("|")
        ),
    );
    text.push_str("    done\n    local flags= words=\n    case $command in\n");
    for command in COMMANDS {
        let all: Vec<_> = flags(command).flat_map(spellings).collect();
        let words = command.operands.words.join(" ");
        push(
            &mut text,
            format_args!("        {}) flags='{}' words='{words}' ;;\n", command.name, all.join(" ")),
        );
    }
    push(
        &mut text,
        format_args!(
            "        *) flags='{}' words='{}' ;;\n    esac\n",
            everywhere.join(" "),
            names.join(" ")
        ),
    );
    text.push_str("    case $command:$before in\n");
    for (flag, command) in COMMANDS.iter().flat_map(|command| flags(command).map(move |flag| (flag, command)))
    {
        if flag.takes.name.is_empty() {
            continue;
        }
        let spelt: Vec<_> =
            spellings(flag).iter().map(|spelling| format!("{}:{spelling}", command.name)).collect();
        let choice = match (flag.takes.path, flag.takes.name) {
            (true, "DIR") => "-d -- \"$word\"".to_owned(),
            (true, _) => "-f -- \"$word\"".to_owned(),
            (false, _) => format!("-W '{}' -- \"$word\"", flag.takes.words.join(" ")),
        };
        let spelt = spelt.join("|");
        push(
            &mut text,
            format_args!("        {spelt}) mapfile -t COMPREPLY < <(compgen {choice}); return ;;\n"),
        );
    }
    text.push_str("    esac\n    if [[ $word == -* ]]; then\n");
    text.push_str(
        "        mapfile -t COMPREPLY < <(compgen -W \"$flags\" -- \"$word\")\n    elif [[ $words ]]; then\n",
    );
    text.push_str("        mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n    else\n");
    text.push_str("        compopt -o filenames\n        mapfile -t COMPREPLY < <(compgen -f -- \"$word\")\n    fi\n}\n");
    text.push_str("complete -F _tide tide\n");
    text
}

fn zsh() -> String {
    let mut text = String::from("#compdef tide\n_tide() {\n    local -a commands\n    commands=(\n");
    for command in COMMANDS {
        push(&mut text, format_args!("        '{}:{}'\n", command.name, quoted(command.about)));
    }
    text.push_str("    )\n    if (( CURRENT == 2 )); then\n        _describe command commands\n        return\n    fi\n");
    text.push_str(
        "    local command=$words[2]\n    shift words\n    (( CURRENT-- ))\n    case $command in\n",
    );
    for command in COMMANDS {
        push(&mut text, format_args!("        {})\n            _arguments -s \\\n", command.name));
        for flag in flags(command) {
            for spelling in spellings(flag) {
                push(&mut text, format_args!("                {} \\\n", zsh_flag(flag, &spelling)));
            }
        }
        let operand = match command.operands.words {
            [] if command.operands.most == 0 => "':: :'".to_owned(),
            [] => "'*:file:_files'".to_owned(),
            words => format!("'1:what:({})'", words.join(" ")),
        };
        push(&mut text, format_args!("                {operand}\n            ;;\n"));
    }
    text.push_str("    esac\n}\n_tide \"$@\"\n");
    text
}

fn zsh_flag(flag: &Flag, spelling: &str) -> String {
    let help = quoted(flag.help).replace('[', "(").replace(']', ")").replace(':', "\\:");
    let again = if flag.repeat { "*" } else { "" };
    let action = match (flag.takes.path, flag.takes.name, flag.takes.words) {
        (_, "", _) => String::new(),
        (true, "DIR", _) => ":folder:_files -/".to_owned(),
        (true, ..) => ":file:_files".to_owned(),
        (false, name, []) => format!(":{}: ", name.replace(':', "\\:")),
        (false, name, words) => format!(":{name}:({})", words.join(" ")),
    };
    format!("'{again}{spelling}[{help}]{action}'")
}

fn fish() -> String {
    let mut text = String::from("# fish completion for tide\ncomplete -c tide -n __fish_use_subcommand -f\n");
    for command in COMMANDS {
        let (name, about) = (command.name, quoted(command.about));
        push(&mut text, format_args!("complete -c tide -n __fish_use_subcommand -a {name} -d '{about}'\n"));
    }
    for flag in EVERYWHERE {
        fish_flag(&mut text, None, flag);
    }
    for command in COMMANDS {
        command.flags.iter().copied().flatten().for_each(|flag| fish_flag(&mut text, Some(command), flag));
        if command.operands.most == 0 || !command.operands.words.is_empty() {
            let words = command.operands.words.join(" ");
            let name = command.name;
            push(
                &mut text,
                format_args!("complete -c tide -n '__fish_seen_subcommand_from {name}' -f -a '{words}'\n"),
            );
        }
    }
    text
}

fn fish_flag(text: &mut String, command: Option<&Command>, flag: &Flag) {
    text.push_str("complete -c tide");
    if let Some(command) = command {
        push(text, format_args!(" -n '__fish_seen_subcommand_from {}'", command.name));
    }
    push(text, format_args!(" -l {}", flag.long));
    if let Some(letter) = flag.short {
        push(text, format_args!(" -s {letter}"));
    }
    if let Some((long, letter)) = flag.also {
        push(text, format_args!(" -l {long} -s {letter}"));
    }
    match (flag.takes.path, flag.takes.name, flag.takes.words) {
        (_, "", _) => {}
        (true, ..) => text.push_str(" -r -F"),
        (false, _, words) => push(text, format_args!(" -x -a '{}'", words.join(" "))),
    }
    push(text, format_args!(" -d '{}'\n", quoted(flag.help)));
}
