//! The operator's book: what `explain` says of each cause, finding and missing evidence, as
//! one document.

use super::missing;
use leasehound_core::cause::{Cause, Explanation};
use leasehound_core::finding::FindingKind;
use leasehound_core::verdict::Missing;
use std::fmt::{self, Write as _};

/// Where it is, in the project's files.
const BOOK: &str = "docs/BOOK.md";

const HEAD: &str = "# The operator's book\n\n\
What each finding and cause means, how it is detected, what to do, and what that breaks. `leasehound explain CODE` says the \
same. Written by `cargo xtask book`: not to be changed by hand.\n";

/// The link to an entry.
pub fn runbook(code: &str) -> String {
    format!("{BOOK}#{code}")
}

/// The whole book, in Markdown.
pub fn render() -> String {
    let mut out = HEAD.to_owned();
    // Writing to a string can't fail.
    let _ = entries(&mut out);
    out
}

fn entries(out: &mut String) -> fmt::Result {
    out.push_str("\n## Findings\n\nA finding is one diagnosis over many messages, or one that comes before any harm.\n");
    for kind in FindingKind::ALL {
        let severity = kind.severity().as_str();
        let about = format!("{severity}: {}", kind.explanation().title);
        entry(out, kind.code(), &about, &kind.explanation())?;
    }
    out.push_str("\n## Causes\n\nWhy a message was not honoured, refused or not answered.\n");
    for cause in Cause::ALL {
        let alarm = if cause.is_alarm() { "" } else { " (no alarm)" };
        let about = format!("because {}{alarm}", cause.title());
        entry(out, cause.code(), &about, &cause.explanation())?;
    }
    out.push_str("\n## What was missing\n\nWhat would have told, where nothing can be said.\n");
    for missing in Missing::ALL {
        let (clause, remedy) = (missing::clause(missing), missing::remedy(missing));
        let code = missing.as_str();
        writeln!(
            out,
            "\n### missing: {code}\n\n{clause}.\n\n**What to do.** {remedy}"
        )?;
    }
    Ok(())
}

fn entry(out: &mut String, code: &str, about: &str, text: &Explanation) -> fmt::Result {
    writeln!(out, "\n### {code}\n\n*{about}*\n\n{}\n", text.meaning)?;
    writeln!(out, "**How it is detected.** {}\n", text.detection)?;
    writeln!(out, "**What to do.** {}", text.remedy)?;
    if let Some(side_effect) = text.side_effect {
        writeln!(out, "\n**Mind.** {side_effect}")?;
    }
    let sources = text.sources.join("; ");
    writeln!(out, "\n<small>{sources}</small>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_book_in_the_repository_is_of_today() {
        let kept = include_str!("../../../docs/BOOK.md");
        assert!(
            kept == render(),
            "docs/BOOK.md is old: run `cargo xtask book`"
        );
    }

    #[test]
    fn every_link_leads_to_an_entry_of_its_own() {
        let book = render();
        let kinds = FindingKind::ALL.map(FindingKind::code).into_iter();
        for code in kinds.chain(Cause::ALL.map(Cause::code)) {
            let heading = format!("\n### {code}\n");
            assert_eq!(book.matches(&heading).count(), 1, "{code}");
            assert_eq!(runbook(code), format!("docs/BOOK.md#{code}"));
        }
    }
}
