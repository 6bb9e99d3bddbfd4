//! Help, from the tables.

use std::fmt::Write;

use crate::args::flags::EVERYWHERE;
use crate::args::table::{Command, Flag};
use crate::exit;

/// Where what a flag does begins, in characters; longer flags push it to the next line.
const COLUMN: usize = 30;

/// Help about the program.
pub(crate) fn program(commands: &[Command], long: bool) -> String {
    let mut text =
        String::from("tide: BitTorrent on the command line\n\nUsage: tide COMMAND [FLAG]…\n\nCommands:\n");
    for command in commands {
        line(&mut text, command.name, command.about);
    }
    group(&mut text, "Flags of every command", EVERYWHERE);
    text.push_str("\ntide COMMAND --help tells more.\n");
    if long {
        exits(&mut text);
    }
    text
}

/// Help about a command.
pub(crate) fn command(command: &Command, long: bool) -> String {
    let mut text = format!("tide {}: {}\n\nUsage: {}\n", command.name, command.about, usage(command));
    if long {
        push(&mut text, format_args!("\n{}\n", command.more));
    }
    for (at, flags) in command.flags.iter().enumerate() {
        group(&mut text, if at == 0 { "Flags" } else { "" }, flags);
    }
    group(&mut text, "Flags of every command", EVERYWHERE);
    if long {
        if !command.examples.is_empty() {
            text.push_str("\nExamples:\n");
        }
        for example in command.examples {
            push(&mut text, format_args!("  {example}\n"));
        }
        exits(&mut text);
    }
    text
}

fn usage(command: &Command) -> String {
    let operands = command.operands;
    let many = if operands.most > 1 { "…" } else { "" };
    let words = if operands.words.is_empty() { operands.name.to_owned() } else { operands.words.join("|") };
    match (operands.most, operands.least) {
        (0, _) => format!("tide {} [FLAG]…", command.name),
        (_, 0) => format!("tide {} [{words}{many}] [FLAG]…", command.name),
        _ => format!("tide {} {words}{many} [FLAG]…", command.name),
    }
}

fn exits(text: &mut String) {
    text.push_str("\nExit codes:\n");
    for (code, meaning) in exit::TABLE {
        push(text, format_args!("  {code:<8} {meaning}\n"));
    }
}

fn group(text: &mut String, title: &str, flags: &[Flag]) {
    if title.is_empty() {
        text.push('\n');
    } else {
        push(text, format_args!("\n{title}:\n"));
    }
    for flag in flags {
        let again = if flag.repeat { " (may be repeated)" } else { "" };
        line(text, &called(flag), &format!("{}{again}", flag.help));
    }
}

/// All names of a flag and what it takes.
fn called(flag: &Flag) -> String {
    let mut names: Vec<String> = flag.short.iter().map(|letter| format!("-{letter}")).collect();
    if let Some((long, letter)) = flag.also {
        names.extend([format!("-{letter}"), format!("--{long}")]);
    }
    names.push(format!("--{}", flag.long));
    // Names without a letter stand under the names of those that have one.
    let indent = if flag.short.is_none() { "    " } else { "" };
    let value = if flag.takes.name.is_empty() { String::new() } else { format!(" {}", flag.takes.name) };
    format!("{indent}{}{value}", names.join(", "))
}

fn line(text: &mut String, name: &str, about: &str) {
    let width = name.chars().count() + 2;
    if width < COLUMN {
        push(text, format_args!("  {name}{:gap$}{about}\n", "", gap = COLUMN - width));
    } else {
        push(text, format_args!("  {name}\n{:COLUMN$}{about}\n", ""));
    }
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a string takes all that is written to it");
}
