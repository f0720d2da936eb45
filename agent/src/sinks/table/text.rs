//! Text in columns: widths, wrapping, colours, and nothing that steers a terminal.

use super::{Color, Style};
use crate::sinks::events::Utc;
use leasehound_core::time::Timestamp;
use leasehound_core::verdict::Outcome;
use std::borrow::Cow;
use unicode_width::UnicodeWidthStr;

/// Narrowest text that is still wrapped: below, words would stand alone.
const NARROWEST: usize = 20;

/// `text` without control characters and without marks that turn its direction.
pub(super) fn clean(text: &str) -> Cow<'_, str> {
    if text.chars().any(steers) {
        let cleaned = text.chars().map(|c| {
            if steers(c) {
                char::REPLACEMENT_CHARACTER
            } else {
                c
            }
        });
        Cow::Owned(cleaned.collect())
    } else {
        Cow::Borrowed(text)
    }
}

fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Columns that `text` takes.
pub(super) fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// `text` and blanks up to `columns`.
pub(super) fn pad(text: &str, columns: usize) -> String {
    let blanks = columns.saturating_sub(width(text));
    format!("{text}{:blanks$}", "")
}

/// Appends `label`, then `text` beside it, wrapped where the terminal ends. The label
/// takes `indent` columns with what stands before it.
pub(super) fn paragraph(out: &mut String, label: &str, indent: usize, text: &str, style: Style) {
    out.push_str(&pad(label, indent));
    let room = style
        .columns
        .map_or(usize::MAX, |columns| columns.saturating_sub(indent))
        .max(NARROWEST);
    let text = clean(text);
    let mut used: usize = 0;
    for word in text.split_whitespace() {
        let needed = width(word);
        if used > 0 && used.saturating_add(needed).saturating_add(1) > room {
            out.push('\n');
            out.push_str(&pad("", indent));
            used = 0;
        }
        if used > 0 {
            out.push(' ');
            used = used.saturating_add(1);
        }
        out.push_str(word);
        used = used.saturating_add(needed);
    }
    out.push('\n');
}

/// The outcome in capitals, `columns` wide, coloured if colours are on.
pub(super) fn outcome(outcome: Outcome, columns: usize, style: Style) -> String {
    let word = pad(&outcome.as_str().to_uppercase(), columns);
    if style.color == Color::Off {
        return word;
    }
    let code = match outcome {
        Outcome::Honoured | Outcome::Answered { .. } => "32",
        outcome if outcome.is_alarm() => "1;31",
        Outcome::Ignored { .. }
        | Outcome::Undetermined { .. }
        | Outcome::Refused { .. }
        | Outcome::Unanswered { .. } => "33",
    };
    format!("\u{1b}[{code}m{word}\u{1b}[0m")
}

/// `2026-11-20 10:45:20.301`
pub(super) fn date_and_time(at: Timestamp) -> String {
    let full = Utc(at).to_string();
    full.get(..23).unwrap_or(&full).replacen('T', " ", 1)
}

/// `10:45:20.301`
pub(super) fn time_of_day(at: Timestamp) -> String {
    let full = Utc(at).to_string();
    full.get(11..23).unwrap_or(&full).to_owned()
}
