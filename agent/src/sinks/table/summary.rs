//! What it all came to: verdicts by cause, and what was lost.

use super::Style;
use super::text::paragraph;
use crate::sinks::missing;
use leasehound_core::evidence::{Loss, LossStage};
use leasehound_core::finding::Finding;
use leasehound_core::message::MessageType;
use leasehound_core::verdict::{Missing, Outcome, Verdict};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Counts verdicts and losses. Its size does not grow with what it counts.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    releases: u64,
    declines: u64,
    honoured: u64,
    requests: u64,
    answered: u64,
    /// Titles of findings, each with what to do.
    findings: BTreeMap<u64, (String, String)>,
    by_reason: BTreeMap<Reason, Row>,
    lost: BTreeMap<LossStage, u64>,
    judged_under_loss: u64,
}

/// An outcome that is not "honoured"; ignored ones come first, in the order of the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reason {
    Ignored(leasehound_core::cause::Cause),
    Undetermined(Missing),
    Refused(leasehound_core::cause::Cause),
    Unanswered(leasehound_core::cause::Cause),
    UnansweredWithout(Missing),
}

#[derive(Debug, Clone, Default)]
struct Row {
    count: u64,
    remedy: Option<String>,
}

impl Summary {
    /// Counts a verdict.
    pub fn verdict(&mut self, verdict: &Verdict) {
        match verdict.message_type {
            MessageType::Decline => self.declines += 1,
            MessageType::Request => self.requests += 1,
            _ => self.releases += 1,
        }
        self.judged_under_loss += u64::from(verdict.loss);
        let reason = match verdict.outcome {
            Outcome::Honoured => {
                self.honoured += 1;
                return;
            }
            Outcome::Ignored { cause, .. } => Reason::Ignored(cause),
            Outcome::Undetermined { missing } => Reason::Undetermined(missing),
            Outcome::Answered { .. } => {
                self.answered += 1;
                return;
            }
            Outcome::Refused { cause, .. } => Reason::Refused(cause),
            Outcome::Unanswered {
                why: Ok((cause, _)),
            } => Reason::Unanswered(cause),
            Outcome::Unanswered { why: Err(missing) } => Reason::UnansweredWithout(missing),
        };
        let row = self.by_reason.entry(reason).or_default();
        row.count += 1;
        if row.remedy.is_none() {
            row.remedy.clone_from(&verdict.remedy);
        }
    }

    /// Keeps the latest word of a finding.
    pub fn finding(&mut self, finding: &Finding) {
        let said = (finding.title.clone(), finding.remedy.clone());
        self.findings.insert(finding.id, said);
    }

    /// Counts a loss.
    pub fn loss(&mut self, loss: Loss) {
        let lost = self.lost.entry(loss.stage).or_default();
        *lost = lost.saturating_add(loss.count);
    }

    /// How many were ignored for a cause that an operator should hear of.
    pub fn alarms(&self) -> u64 {
        self.count(|reason| matches!(reason, Reason::Ignored(cause) if cause.is_alarm()))
    }

    /// How many were not answered, for such a cause or for none that is known.
    pub fn unanswered(&self) -> u64 {
        self.count(|reason| match reason {
            Reason::Unanswered(cause) => cause.is_alarm(),
            Reason::UnansweredWithout(_) => true,
            _ => false,
        })
    }

    /// The summary as text.
    pub fn render(&self, style: Style) -> String {
        let mut out = String::new();
        let ignored = self.count(|reason| matches!(reason, Reason::Ignored(_)));
        let undetermined = self.count(|reason| matches!(reason, Reason::Undetermined(_)));
        let _ = writeln!(
            out,
            "{} and {}: {} honoured, {ignored} ignored, {undetermined} undetermined",
            counted(self.releases, "RELEASE", "RELEASEs"),
            counted(self.declines, "DECLINE", "DECLINEs"),
            self.honoured,
        );
        if self.requests > 0 {
            let unanswered = self.count(|reason| {
                matches!(reason, Reason::Unanswered(_) | Reason::UnansweredWithout(_))
            });
            let refused = self.count(|reason| matches!(reason, Reason::Refused(_)));
            let _ = writeln!(
                out,
                "{}: {} answered, {refused} refused, {unanswered} unanswered",
                counted(self.requests, "REQUEST", "REQUESTs"),
                self.answered,
            );
        }
        for (title, remedy) in self.findings.values() {
            paragraph(&mut out, "  finding  ", INDENT, title, style);
            paragraph(&mut out, "", INDENT, remedy, style);
        }
        for (reason, row) in &self.by_reason {
            let (word, code, text) = match reason {
                Reason::Ignored(cause) => ("ignored", cause.code(), cause.title()),
                Reason::Undetermined(missing) => {
                    ("undetermined", missing.as_str(), missing::clause(*missing))
                }
                Reason::Refused(cause) => ("refused", cause.code(), cause.title()),
                Reason::Unanswered(cause) => ("unanswered", cause.code(), cause.title()),
                Reason::UnansweredWithout(missing) => {
                    ("unanswered", missing.as_str(), missing::clause(*missing))
                }
            };
            let label = format!("  {:>6}  {word:12}  ", row.count);
            let text = format!("{code}: {text}");
            paragraph(&mut out, &label, INDENT, &text, style);
            if let Some(remedy) = &row.remedy {
                let remedy = format!("e.g. {remedy}");
                paragraph(&mut out, "", INDENT, &remedy, style);
            }
        }
        if self.lost.is_empty() {
            out.push_str("lost: nothing\n");
        } else {
            let stages: Vec<_> = self
                .lost
                .iter()
                .map(|(stage, count)| format!("{count} {}", stage.as_str()))
                .collect();
            let text = format!(
                "{}; {} fell meanwhile",
                stages.join(", "),
                counted(self.judged_under_loss, "verdict", "verdicts"),
            );
            paragraph(&mut out, "lost: ", 6, &text, style);
        }
        out
    }

    fn count(&self, of: impl Fn(&Reason) -> bool) -> u64 {
        let rows = self.by_reason.iter().filter(|(reason, _)| of(reason));
        rows.map(|(_, row)| row.count).sum()
    }
}

/// Where the texts of the summary begin.
const INDENT: usize = 24;

fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
