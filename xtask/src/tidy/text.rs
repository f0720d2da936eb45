//! All text: no leftovers, and the documents that a reader expects are there.

use super::Report;
use super::code::has_word;
use super::files::SourceFile;
use std::path::Path;

/// Notes to oneself; spelled in halves because this file is looked at too.
const NOTES: [&str; 3] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("X", "XX"),
];

/// Folders of one machine.
const FOLDERS: [&str; 2] = [concat!("/ho", "me/"), concat!("/ro", "ot/")];

/// At the root.
const DOCUMENTS: [&str; 3] = ["README.md", "CHANGELOG.md", "ARCHITECTURE.md"];

/// Looks at every text file.
pub(super) fn check(root: &Path, files: &[SourceFile], report: &mut Report) {
    for document in DOCUMENTS {
        if !root.join(document).is_file() {
            report.object(document, 1, "this document is missing");
        }
    }
    for file in files {
        for (number, line) in (1..).zip(file.content.lines()) {
            for word in NOTES.iter().filter(|word| has_word(line, word)) {
                report.object(&file.path, number, &format!("`{word}`: do it or leave it"));
            }
            for folder in FOLDERS.iter().filter(|folder| line.contains(**folder)) {
                let what = format!("`{folder}` exists on one machine only");
                report.object(&file.path, number, &what);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leftovers_are_found() {
        let lines = [
            concat!("// TO", "DO later"),
            concat!("mktemp lh.X", "XX"),
            concat!("see /ho", "me/me/main"),
            "mktemp lh.XXXXXX and a todo list",
        ];
        let file = SourceFile {
            path: "docs/x.md".to_owned(),
            content: lines.join("\n"),
        };
        let mut report = Report::default();
        check(Path::new("/nonexistent"), &[file], &mut report);
        assert_eq!(report.objections.len(), DOCUMENTS.len() + 3);
    }
}
