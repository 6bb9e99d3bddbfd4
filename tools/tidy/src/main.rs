//! Prints what breaks a rule of the house.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    match tide_tidy::check(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")) {
        Ok(findings) if findings.is_empty() => ExitCode::SUCCESS,
        Ok(findings) => {
            for finding in &findings {
                println!("{finding}");
            }
            eprintln!("tidy: {} to mend", findings.len());
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("tidy: {error}");
            ExitCode::from(2)
        }
    }
}
