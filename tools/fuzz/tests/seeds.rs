//! Every seed goes through its target, and so do changes of it.

use std::fs;
use std::path::Path;
use tide_base::Prng;
use tide_fuzz::{TARGETS, Target, mutate};

/// Changed inputs that each target is given.
const CHANGES: usize = 1000;

/// The seeds of a target, in the order of their names.
fn seeds(target: &Target) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target.name);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut seeds: Vec<_> = entries
        .map(|entry| {
            let path = entry.expect("an entry of the folder").path();
            (path.display().to_string(), fs::read(&path).expect("a seed"))
        })
        .collect();
    seeds.sort();
    seeds
}

fn judge(target: &Target, seed: &str, input: &[u8]) {
    let judged = std::panic::catch_unwind(|| target.judge(input));
    assert!(judged.is_ok(), "{}, from {seed}: {}", target.name, input.escape_ascii());
}

fn judge_all(target: &Target) {
    let seeds = seeds(target);
    assert!(!seeds.is_empty(), "{} has no seeds", target.name);
    let mut prng = Prng::new(1).split(target.name);
    for (name, seed) in &seeds {
        assert!(seed.len() <= target.input_max, "{name} is longer than what is looked at");
        judge(target, name, seed);
    }
    for n in 0..CHANGES {
        let (name, seed) = &seeds[n % seeds.len()];
        let (_, other) = &seeds[prng.index(seeds.len())];
        judge(target, name, &mutate::mutate(seed, other, &mut prng));
    }
}

macro_rules! targets {
    ($($name:ident),* $(,)?) => {
        $(
            #[test]
            fn $name() {
                judge_all(Target::named(stringify!($name)).expect("a target"));
            }
        )*

        #[test]
        fn every_target_is_tested() {
            let tested: &[&str] = &[$(stringify!($name)),*];
            assert!(TARGETS.iter().map(|target| target.name).eq(tested.iter().copied()));
        }
    };
}

targets!(bencode, dht_node, krpc, lsd, magnet, metadata, metainfo, pex, portmap, resume, session, tracker);
