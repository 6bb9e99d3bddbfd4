//! Every dependency says on its line why it is there.

use crate::tree::File;
use crate::{Finding, Rule};

/// Checks one `Cargo.toml`.
pub(crate) fn check(file: &File) -> Vec<Finding> {
    if !(file.path == "Cargo.toml" || file.path.ends_with("/Cargo.toml")) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    let mut among_dependencies = false;
    for (number, line) in (1..).zip(file.text.lines()) {
        if let Some(heading) = line.strip_prefix('[') {
            let heading = heading.split(']').next().unwrap_or_default();
            among_dependencies = heading.ends_with("dependencies");
            let table_of_one = heading.contains("dependencies.");
            if table_of_one && !line.contains('#') {
                findings.push(Finding::new(Rule::Reason, &file.path, number, format!("[{heading}]: why?")));
            }
        } else if among_dependencies && let Some(name) = unexplained(line) {
            findings.push(Finding::new(
                Rule::Reason,
                &file.path,
                number,
                format!("{name}: why? `# …` on its line"),
            ));
        }
    }
    findings
}

/// The dependency on this line, if it is of others, named here, and without a reason.
fn unexplained(line: &str) -> Option<&str> {
    let (name, value) = line.split_once('=')?;
    let name = name.trim();
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let ours = value.contains("path =") || value.contains("workspace = true") || name.ends_with(".workspace");
    (line.starts_with(is_name) && name.chars().all(is_name) && !ours && !value.contains('#')).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_of_others_needs_a_reason_where_it_is_named() {
        let text = "[package]\nname = \"a\"\n[dependencies]\nbytes.workspace = true\nslab = { workspace = true }\n\
                    tide-base = { path = \"x\" }\nmio = \"1\"\nlog = \"0.4\" # what others log with\n\
                    big = { version = \"1\", features = [\n    \"x\",\n] }\n\
                    [target.'cfg(unix)'.dependencies]\nlibc = \"0.2\"\n[dev-dependencies.proptest]\nversion = \"1\"\n";
        let found = check(&File::new("a/Cargo.toml", text));
        assert_eq!(found.iter().map(|finding| finding.line).collect::<Vec<_>>(), [7, 9, 13, 14]);
        assert_eq!(check(&File::new("a/other.toml", text)), []);
    }
}
