//! `leasehound explain`: the book's text of a cause.

use crate::cli::ExplainArgs;
use crate::exit::{Failure, usage};
use leasehound_core::cause::Cause;
use std::io::Write;

/// Prints one cause, or the list of all.
pub fn explain(args: &ExplainArgs, out: &mut impl Write, width: usize) -> Result<(), Failure> {
    match &args.cause {
        None => list(out)?,
        Some(code) => {
            let cause = Cause::from_code(code).ok_or_else(|| {
                let codes: Vec<&str> = Cause::ALL.iter().map(|cause| cause.code()).collect();
                usage(format!(
                    "no cause is called {code:?}; there are: {}",
                    codes.join(", ")
                ))
            })?;
            one(cause, out, width)?;
        }
    }
    Ok(())
}

fn list(out: &mut impl Write) -> std::io::Result<()> {
    let widest = Cause::ALL
        .iter()
        .map(|cause| cause.code().len())
        .max()
        .unwrap_or(0);
    for cause in Cause::ALL {
        writeln!(out, "{:widest$}  {}", cause.code(), cause.title())?;
    }
    Ok(())
}

fn one(cause: Cause, out: &mut impl Write, width: usize) -> std::io::Result<()> {
    let text = cause.explanation();
    writeln!(out, "{}: ignored because {}", cause.code(), text.title)?;
    let side_effect = text.side_effect.unwrap_or_default();
    for (heading, body) in [
        ("What happened", text.meaning),
        ("How it is detected", text.detection),
        ("What to do", text.remedy),
        ("Mind", side_effect),
    ] {
        if !body.is_empty() {
            writeln!(out, "\n{heading}")?;
            paragraph(body, out, width)?;
        }
    }
    writeln!(out, "\nSources")?;
    for source in text.sources {
        writeln!(out, "  - {source}")?;
    }
    Ok(())
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
    fn the_list_has_them_all_and_a_wrong_name_is_answered_with_the_names() {
        assert_eq!(explained(None).unwrap().lines().count(), Cause::ALL.len());
        let error = explained(Some("nonsense")).unwrap_err();
        assert_eq!(error.code(), 2);
        assert!(error.to_string().contains("lease_absent"));
    }
}
