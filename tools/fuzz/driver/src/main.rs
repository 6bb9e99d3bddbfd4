//! libFuzzer around the target that `TIDE_FUZZ_TARGET` names.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::OnceLock;
use tide_fuzz::Target;

static TARGET: OnceLock<&'static Target> = OnceLock::new();

fuzz_target!(
    init: {
        let name = std::env::var("TIDE_FUZZ_TARGET").expect("TIDE_FUZZ_TARGET names a target");
        let target = Target::named(&name).expect("TIDE_FUZZ_TARGET names a target of tide-fuzz");
        TARGET.set(target).expect("libFuzzer begins once");
    },
    |data: &[u8]| TARGET.get().expect("libFuzzer begins before it runs").judge(data)
);
