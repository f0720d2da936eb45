//! The rules of the code base that no compiler knows: the core stays pure, files stay
//! small and documented, unsafe code stays where it is.
//!
//! Runs as `cargo xtask tidy` and as a test of this package; reads files and changes
//! nothing.

mod code;
mod files;
mod purity;
mod sources;
mod text;

use crate::project::Project;
use anyhow::{Result, ensure};
use files::SourceFile;
use std::path::Path;
use std::process::ExitCode;

/// What a rule found.
#[derive(Debug, Default)]
struct Report {
    /// Broken rules, each `path:line: what`.
    objections: Vec<String>,
    /// Worth a look, breaks nothing.
    remarks: Vec<String>,
}

impl Report {
    fn object(&mut self, path: &str, line: usize, what: &str) {
        self.objections.push(format!("{path}:{line}: {what}"));
    }

    fn remark(&mut self, path: &str, what: &str) {
        self.remarks.push(format!("{path}: {what}"));
    }
}

/// `cargo xtask tidy`
pub(crate) fn tidy(project: &Project) -> Result<ExitCode> {
    check(project)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints every objection; fails if there is one.
pub(crate) fn check(project: &Project) -> Result<()> {
    let files = files::collect(&project.root)?;
    let report = inspect(&project.root, &files);
    for line in &report.remarks {
        println!("remark: {line}");
    }
    for line in &report.objections {
        println!("{line}");
    }
    let (files, count) = (files.len(), report.objections.len());
    ensure!(count == 0, "tidy: {count} objections in {files} files");
    println!("tidy: {files} files, no objections");
    Ok(())
}

fn inspect(root: &Path, files: &[SourceFile]) -> Report {
    let mut report = Report::default();
    purity::check(root, files, &mut report);
    sources::check(files, &mut report);
    text::check(root, files, &mut report);
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_base_keeps_its_rules() {
        let project = Project::locate().unwrap();
        check(&project).unwrap();
    }
}
