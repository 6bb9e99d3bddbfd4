//! What the parts of the engine cost: `cargo bench`, or `cargo bench -- pick turn` for some. Lines of a name and figures.
//!
//! Figures are the best of several runs, because a shared machine only ever makes them slower, or means over many turns.

mod check;
mod frames;
mod hash;
mod parse;
mod pick;
mod timing;
mod turn;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test --all-targets` runs this program, too, without the word that `cargo bench` gives.
    if !args.iter().any(|arg| arg == "--bench") {
        return;
    }
    let wanted: Vec<&String> = args.iter().filter(|arg| !arg.starts_with('-')).collect();
    let all: [(&str, fn()); 6] = [
        ("parse", parse::run),
        ("frames", frames::run),
        ("pick", pick::run),
        ("hash", hash::run),
        ("check", check::run),
        ("turn", turn::run),
    ];
    for (name, run) in all {
        if wanted.is_empty() || wanted.iter().any(|wanted| name.starts_with(wanted.as_str())) {
            run();
        }
    }
}
