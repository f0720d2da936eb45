//! Rust files: small, documented, well named, and without unsafe code but in two files.

use super::Report;
use super::code::{bare, has_word};
use super::files::SourceFile;

/// Above this many lines a file is remarked on, above the second it is refused.
const LINES: (usize, usize) = (500, 800);

/// Names that say nothing.
const VAGUE: &[&str] = &[
    "common", "helper", "helpers", "manager", "managers", "misc", "util", "utils",
];

/// Where the eBPF programs touch the kernel's memory.
const UNSAFE: &[&str] = &[
    "agent-ebpf/src/context.rs",
    "agent-ebpf/src/emit.rs",
    "agent-ebpf/src/kernel.rs",
];

/// Looks at every Rust file.
pub(super) fn check(files: &[SourceFile], report: &mut Report) {
    for file in files.iter().filter(|file| file.is_rust()) {
        size(file, report);
        if !file.content.starts_with("//!") {
            report.object(
                &file.path,
                1,
                "begins without `//!`: say what the module does",
            );
        }
        name(file, report);
        unsafe_code(file, report);
    }
}

fn size(file: &SourceFile, report: &mut Report) {
    let lines = file.content.lines().count();
    if lines > LINES.1 {
        let what = format!("{lines} lines, more than {}: split it", LINES.1);
        report.object(&file.path, LINES.1, &what);
    } else if lines > LINES.0 {
        let what = format!("{lines} lines, more than {}: is it still one job?", LINES.0);
        report.remark(&file.path, &what);
    }
}

fn name(file: &SourceFile, report: &mut Report) {
    let stem = file.path.trim_end_matches(".rs");
    for part in stem.split('/').filter(|part| VAGUE.contains(part)) {
        let what = format!("a module named `{part}` says nothing: name it by its job");
        report.object(&file.path, 1, &what);
    }
    for (number, line) in (1..).zip(file.content.lines()) {
        let declared = line
            .trim_start()
            .strip_suffix('{')
            .and_then(|line| line.trim_end().rsplit_once("mod "));
        if let Some((_, part)) = declared.filter(|(_, part)| VAGUE.contains(part)) {
            let what = format!("a module named `{part}` says nothing: name it by its job");
            report.object(&file.path, number, &what);
        }
    }
}

fn unsafe_code(file: &SourceFile, report: &mut Report) {
    if UNSAFE.contains(&file.path.as_str()) {
        return;
    }
    for (number, line) in (1..).zip(bare(&file.content).lines()) {
        // Attributes like #[unsafe(no_mangle)] that the programs can't do without.
        let attribute = file.path.starts_with("agent-ebpf/src/") && line.contains("#[unsafe(");
        if has_word(line, "unsafe") && !attribute {
            report.object(
                &file.path,
                number,
                "unsafe code outside context.rs, emit.rs and kernel.rs",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objections(path: &str, content: &str) -> Vec<String> {
        let mut report = Report::default();
        let file = SourceFile {
            path: path.to_owned(),
            content: content.to_owned(),
        };
        check(&[file], &mut report);
        report.objections
    }

    #[test]
    fn each_rule_finds_its_breach() {
        let long = format!("//! x\n{}", "\n".repeat(LINES.1));
        for (path, content) in [
            ("agent/src/lib.rs", "fn f() {}\n"),
            ("agent/src/util/mod.rs", "//! x\n"),
            ("agent/src/helpers.rs", "//! x\n"),
            ("agent/src/lib.rs", "//! x\npub mod common {\n}\n"),
            ("agent/src/lib.rs", "//! x\nfn f() { unsafe { g() } }\n"),
            ("agent-ebpf/src/main.rs", "//! x\nunsafe fn f() {}\n"),
            ("agent/src/lib.rs", long.as_str()),
        ] {
            assert_eq!(objections(path, content).len(), 1, "{path}");
        }
    }

    #[test]
    fn what_is_allowed_passes() {
        for (path, content) in [
            ("agent-ebpf/src/emit.rs", "//! x\nunsafe fn f() {}\n"),
            ("agent-ebpf/src/main.rs", "//! x\n#[unsafe(no_mangle)]\n"),
            (
                "agent-common/src/lib.rs",
                "//! unsafe\n#![forbid(unsafe_code)]\n",
            ),
        ] {
            assert_eq!(objections(path, content), Vec::<String>::new(), "{path}");
        }
    }
}
