//! The core is a function of its inputs: its dependencies are on a list, and its code
//! names no clock, file, socket, thread, environment or hash table.

use super::Report;
use super::code::{bare, has_word};
use super::files::SourceFile;
use std::collections::BTreeSet;
use std::path::Path;

/// What the core may depend on.
const ALLOWED: &[&str] = &["dhcproto", "etherparse", "lru", "smallvec", "thiserror"];

/// Words of the outside world, and of tables whose order differs from run to run.
const BANNED: &[&str] = &[
    "SystemTime",
    "Instant",
    "UdpSocket",
    "TcpStream",
    "TcpListener",
    "HashMap",
    "HashSet",
    "RandomState",
    "thread_local",
];

/// Modules of the standard library that reach outside.
const BANNED_MODULES: &[&str] = &["fs", "env", "process", "thread", "os"];

/// Looks at package `agent-core`.
pub(super) fn check(root: &Path, files: &[SourceFile], report: &mut Report) {
    if root.join("agent-core/build.rs").exists() {
        report.object("agent-core/build.rs", 1, "the core has no build script");
    }
    for file in files.iter().filter(|f| f.path == "agent-core/Cargo.toml") {
        dependencies(&file.path, &file.content, report);
    }
    let sources: Vec<&SourceFile> = files
        .iter()
        .filter(|f| f.is_rust() && f.path.starts_with("agent-core/src/"))
        .collect();
    let tests: BTreeSet<String> = sources.iter().flat_map(|f| test_modules(f)).collect();
    for file in sources {
        let stem = file.path.trim_end_matches(".rs").trim_end_matches("/mod");
        if !tests.iter().any(|test| within(stem, test)) {
            code(&file.path, &file.content, report);
        }
    }
}

fn within(path: &str, module: &str) -> bool {
    path.strip_prefix(module)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn dependencies(path: &str, manifest: &str, report: &mut Report) {
    let mut section = String::new();
    for (number, line) in (1..).zip(manifest.lines()) {
        if let Some(name) = line.trim().strip_prefix('[') {
            name.trim_end_matches(']').clone_into(&mut section);
        }
        let name = if let Some((table, name)) = section.rsplit_once("dependencies.") {
            if line.trim().starts_with('[') && !table.ends_with("dev-") {
                Some(name)
            } else {
                None
            }
        } else if section.ends_with("dependencies") && !section.ends_with("dev-dependencies") {
            line.split_once('=')
                .and_then(|(key, _)| key.trim().split('.').next())
        } else {
            None
        };
        if let Some(name) = name.filter(|name| !ALLOWED.contains(name)) {
            let what = format!("the core must not depend on `{name}`");
            report.object(path, number, &what);
        }
    }
}

/// Modules declared `#[cfg(test)] mod name;`, as paths without an ending.
fn test_modules(file: &SourceFile) -> Vec<String> {
    let folder = match file.path.trim_end_matches(".rs") {
        stem if stem.ends_with("/mod") || stem.ends_with("/lib") => {
            stem.rsplit_once('/').map_or("", |(folder, _)| folder)
        }
        stem => stem,
    };
    let lines: Vec<&str> = file.content.lines().map(str::trim).collect();
    lines
        .iter()
        .zip(lines.iter().skip(1))
        .filter(|(attribute, _)| **attribute == "#[cfg(test)]")
        .filter_map(|(_, line)| line.strip_prefix("mod ")?.strip_suffix(';'))
        .map(|name| format!("{folder}/{name}"))
        .collect()
}

fn code(path: &str, source: &str, report: &mut Report) {
    let text = bare(source);
    let mut in_std_group = false;
    let mut previous = "";
    for (number, line) in (1..).zip(text.lines()) {
        if previous == "#[cfg(test)]" && line.starts_with("mod ") && line.ends_with('{') {
            // By the project's order the tests are the rest of the file.
            return;
        }
        previous = line;
        for word in BANNED.iter().filter(|word| has_word(line, word)) {
            report.object(path, number, &format!("the core must not use `{word}`"));
        }
        in_std_group |= line.trim_start().starts_with("use std::{");
        for module in BANNED_MODULES {
            if reaches(line, module) || (in_std_group && has_word(line, module)) {
                let what = format!("the core must not use `std::{module}`");
                report.object(path, number, &what);
            }
        }
        in_std_group &= !line.contains(';');
    }
}

fn reaches(line: &str, module: &str) -> bool {
    has_word(line, &format!("std::{module}"))
        || line
            .split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'))
            .any(|path| path.starts_with(&format!("{module}::")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objections(source: &str) -> Vec<String> {
        let mut report = Report::default();
        code("x.rs", source, &mut report);
        report.objections
    }

    #[test]
    fn the_outside_world_is_found_in_code_only() {
        let clean = "//! Instant\nuse std::time::Duration;\nuse std::net::Ipv4Addr;\nfn process() {}\n#[cfg(test)]\nmod tests {\nuse std::fs;\n}\n";
        assert_eq!(objections(clean), Vec::<String>::new());
        for dirty in [
            "use std::fs;",
            "use std::{\n    collections::BTreeMap,\n    env,\n};",
            "let t = std::time::Instant::now();",
            "let p = env::var(\"X\");",
            "use std::collections::HashMap;",
        ] {
            assert_eq!(objections(dirty).len(), 1, "{dirty}");
        }
    }

    #[test]
    fn a_dependency_off_the_list_is_found_in_every_spelling() {
        let manifest = "[dependencies]\nlru.workspace = true\ntokio = \"1\"\n[dev-dependencies]\nproptest = \"1\"\n[dependencies.serde]\nversion = \"1\"\n[target.'cfg(unix)'.dependencies]\nnix.workspace = true\n";
        let mut report = Report::default();
        dependencies("Cargo.toml", manifest, &mut report);
        let found: Vec<&str> = report
            .objections
            .iter()
            .filter_map(|line| line.split('`').nth(1))
            .collect();
        assert_eq!(found, ["tokio", "serde", "nix"]);
    }

    #[test]
    fn modules_of_tests_are_known_by_their_declaration() {
        let file = SourceFile {
            path: "agent-core/src/engine/mod.rs".to_owned(),
            content: "//! x\n#[cfg(test)]\nmod properties;\nmod table;\n".to_owned(),
        };
        assert_eq!(test_modules(&file), ["agent-core/src/engine/properties"]);
        assert!(within(
            "agent-core/src/a/tests/deep",
            "agent-core/src/a/tests"
        ));
    }
}
