//! `leasehound explain`: the book's text of a cause, of a finding, or of what was missing;
//! or the book.

use crate::cli::ExplainArgs;
use crate::exit::{Failure, usage};
use crate::sinks::{book, missing};
use leasehound_core::cause::{Cause, Explanation};
use leasehound_core::finding::FindingKind;
use leasehound_core::verdict::Missing;
use std::io::Write;

/// Prints one cause, finding or `missing`, the list of all causes and findings, or the book.
pub fn explain(args: &ExplainArgs, out: &mut impl Write, width: usize) -> Result<(), Failure> {
    if args.all {
        out.write_all(book::render().as_bytes())?;
        return Ok(());
    }
    let Some(code) = &args.cause else {
        list(out)?;
        return Ok(());
    };
    if let Some(cause) = Cause::from_code(code) {
        let (verdict, text) = (verdicts(cause), cause.explanation());
        let link = if cause == Cause::KeptByPolicy {
            ":"
        } else {
            " because"
        };
        let heading = format!("{verdict}{link} {}", text.title);
        one(cause.code(), &heading, &text, out, width)?;
    } else if let Some(kind) = FindingKind::from_code(code) {
        let (severity, text) = (kind.severity().as_str(), kind.explanation());
        let heading = format!("{severity}: {}", text.title);
        one(kind.code(), &heading, &text, out, width)?;
        // What is found may be what a verdict misses.
        if let Some(missing) = missing::from_code(code) {
            writeln!(out)?;
            one_missing(missing, out, width)?;
        }
    } else if let Some(missing) = missing::from_code(code) {
        one_missing(missing, out, width)?;
    } else {
        let causes = Cause::ALL.map(Cause::code).join(", ");
        let findings = FindingKind::ALL.map(FindingKind::code).join(", ");
        let missing = Missing::ALL.map(Missing::as_str).join(", ");
        return Err(usage(format!(
            "no cause, finding or missing evidence is called {code:?}; there are the causes {causes}; the findings {findings}; and what may be missing: {missing}"
        )));
    }
    Ok(())
}

/// Causes, then findings, one a line, for scripts.
fn list(out: &mut impl Write) -> std::io::Result<()> {
    let causes = Cause::ALL.map(|cause| (cause.code(), cause.title()));
    let findings = FindingKind::ALL.map(|kind| (kind.code(), kind.explanation().title));
    let all = || causes.iter().chain(&findings);
    let widest = all().map(|(code, _)| code.len()).max().unwrap_or(0);
    for (code, title) in all() {
        writeln!(out, "{code:widest$}  {title}")?;
    }
    Ok(())
}

fn one(
    code: &str,
    heading: &str,
    text: &Explanation,
    out: &mut impl Write,
    width: usize,
) -> std::io::Result<()> {
    writeln!(out, "{code}: {heading}")?;
    sections(
        &[
            ("What happened", text.meaning),
            ("How it is detected", text.detection),
            ("What to do", text.remedy),
            ("Mind", text.side_effect.unwrap_or_default()),
        ],
        out,
        width,
    )?;
    writeln!(out, "\nSources")?;
    for source in text.sources {
        writeln!(out, "  - {source}")?;
    }
    Ok(())
}

fn one_missing(missing: Missing, out: &mut impl Write, width: usize) -> std::io::Result<()> {
    let clause = missing::clause(missing);
    writeln!(out, "{}: what was missing: {clause}", missing.as_str())?;
    sections(&[("What to do", missing::remedy(missing))], out, width)
}

fn sections(sections: &[(&str, &str)], out: &mut impl Write, width: usize) -> std::io::Result<()> {
    for (heading, body) in sections.iter().filter(|(_, body)| !body.is_empty()) {
        writeln!(out, "\n{heading}")?;
        paragraph(body, out, width)?;
    }
    Ok(())
}

/// The verdicts that a cause goes with.
const fn verdicts(cause: Cause) -> &'static str {
    match cause {
        Cause::Refused | Cause::ConflictingServers => "refused",
        Cause::ForbiddenOptions
        | Cause::AskedWrongServer
        | Cause::LeaseOfOtherServer
        | Cause::SilentForUnknownLease
        | Cause::ReplyFromOtherAddress
        | Cause::ReplyLost => "unanswered",
        Cause::KeptByPolicy => "honoured",
        Cause::RequestedAddressInRelease
        | Cause::ServerIdOverride
        | Cause::DeclineOnOtherSubnet
        | Cause::UnsupportedByServer
        | Cause::ClientAddressMissing
        | Cause::ServerIdMissing
        | Cause::DeclineUnsupported
        | Cause::LeaseAbsent => "ignored",
        _ => "ignored or unanswered",
    }
}

fn paragraph(body: &str, out: &mut impl Write, width: usize) -> std::io::Result<()> {
    let mut column = 0;
    for word in body.split_whitespace() {
        if column > 0 && column + 1 + word.chars().count() > width {
            writeln!(out)?;
            column = 0;
        }
        let lead = if column == 0 { "  " } else { " " };
        write!(out, "{lead}{word}")?;
        column += lead.len() + word.chars().count();
    }
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(code: Option<&str>) -> Result<String, Failure> {
        let mut out = Vec::new();
        explain(
            &ExplainArgs {
                cause: code.map(str::to_owned),
                all: false,
            },
            &mut out,
            80,
        )?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn a_cause_is_told_with_remedy_and_side_effect() {
        let text = explained(Some("server_id_other_local_address")).unwrap();
        assert!(
            text.contains("What to do")
                && text.contains("Mind")
                && text.contains("cloudstack#10182")
        );
        let wide = text
            .lines()
            .filter(|line| !line.starts_with("  - ") && line.chars().count() > 84)
            .count();
        assert_eq!(wide, 1, "only the heading is not wrapped: {text}");
    }

    #[test]
    fn every_cause_and_finding_is_listed_and_every_code_explained() {
        let list = explained(None).unwrap();
        let listed: Vec<&str> = list
            .lines()
            .filter_map(|line| line.split(' ').next())
            .collect();
        let findings = FindingKind::ALL.map(FindingKind::code);
        assert_eq!(
            listed,
            [&Cause::ALL.map(Cause::code)[..], &findings].concat()
        );
        for code in listed.into_iter().chain(Missing::ALL.map(Missing::as_str)) {
            let text = explained(Some(code)).unwrap();
            assert!(text.starts_with(&format!("{code}: ")), "{text}");
            assert!(text.contains("\nWhat to do\n  "), "{text}");
        }
    }

    #[test]
    fn a_finding_says_when_it_is_opened_and_closed() {
        let text = explained(Some("releases_ignored")).unwrap();
        assert!(text.starts_with("releases_ignored: critical: "), "{text}");
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for part in ["three within an hour", "It is over when", "Mind"] {
            assert!(words.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn what_was_missing_is_told_in_the_words_of_the_summary() {
        let text = explained(Some("server_configuration")).unwrap();
        assert!(text.contains(missing::clause(Missing::ServerConfiguration)));
    }

    #[test]
    fn a_wrong_name_is_answered_with_the_names() {
        let error = explained(Some("nonsense")).unwrap_err();
        assert_eq!(error.code(), 2);
        let text = error.to_string();
        assert!(text.contains("lease_absent") && text.contains("lease_history"));
    }
}
