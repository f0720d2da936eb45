//! What a person sees.

use super::*;
use crate::sinks::fixtures;
use leasehound_core::evidence::{Loss, LossStage};
use leasehound_core::verdict::Verdict;

fn all() -> [Verdict; 4] {
    [
        fixtures::ignored(),
        fixtures::honoured(),
        fixtures::undetermined(),
        fixtures::declined(),
    ]
}

fn columns(columns: usize) -> Style {
    Style {
        color: Color::Off,
        columns: Some(columns),
    }
}

fn table(style: Style) -> String {
    let table = VerdictTable::new(fixtures::names(), style);
    let mut summary = Summary::default();
    let mut out = table.header();
    for verdict in all() {
        out += &table.row(&verdict);
        summary.verdict(&verdict);
    }
    summary.loss(Loss {
        stage: LossStage::Ring,
        count: 12,
    });
    assert_eq!(summary.alarms(), 1);
    out + "\n" + &summary.render(style)
}

#[test]
fn a_table_for_a_wide_terminal_or_a_file() {
    assert_eq!(
        table(Style::PLAIN).lines().next(),
        table(columns(160)).lines().next()
    );
    insta::assert_snapshot!(table(columns(160)));
}

#[test]
fn a_table_for_a_narrow_terminal() {
    let text = table(columns(80));
    for line in text.lines() {
        assert!(text::width(line) <= 84, "{line}");
    }
    insta::assert_snapshot!(text);
}

#[test]
fn a_verdict_as_it_falls() {
    let [wide, narrow] = [Style::PLAIN, columns(80)]
        .map(|style| VerdictTable::new(fixtures::names(), style))
        .map(|table| all().map(|verdict| table.entry(&verdict)).concat());
    insta::assert_snapshot!(format!("{wide}\n--- 80 columns ---\n{narrow}"));
}

#[test]
fn colours_only_when_told_and_not_counted_as_columns() {
    let colored = Style {
        color: Color::On,
        columns: None,
    };
    let on = VerdictTable::new(fixtures::names(), colored);
    let off = VerdictTable::new(fixtures::names(), Style::PLAIN);
    let codes = ["\u{1b}[1;31m", "\u{1b}[32m", "\u{1b}[33m", "\u{1b}[33m"];
    for (verdict, code) in all().iter().zip(codes) {
        for (with, without) in [
            (on.row(verdict), off.row(verdict)),
            (on.entry(verdict), off.entry(verdict)),
        ] {
            assert!(!without.contains('\u{1b}'));
            assert!(with.contains(code), "{with}");
            assert_eq!(with.replace(code, "").replace("\u{1b}[0m", ""), without);
        }
    }
}

#[test]
fn text_from_outside_cannot_steer_the_terminal_and_wide_letters_keep_the_columns() {
    let names = fixtures::names();
    names.insert(fixtures::LOOPBACK, "路由", "e\u{1b}[2Jth");
    let table = VerdictTable::new(names, Style::PLAIN);
    let mut verdict = fixtures::ignored();
    verdict.remedy = Some("do\u{7} \u{202e}this\r\nnow".to_owned());
    let entry = table.entry(&verdict);
    assert!(entry.contains("路由/e\u{fffd}[2Jth"));
    assert!(!entry.contains(['\u{1b}', '\u{7}', '\u{202e}', '\r']));
    assert!(
        entry.contains("remedy    do\u{fffd} \u{fffd}this"),
        "{entry}"
    );

    let columns_before_why = |interface: &str| {
        let names = fixtures::names();
        names.insert(fixtures::LOOPBACK, "", interface);
        let row = VerdictTable::new(names, Style::PLAIN).row(&fixtures::ignored());
        text::width(row.split("server_id_other").next().unwrap())
    };
    assert_eq!(columns_before_why("路由"), columns_before_why("eth3"));
}

#[test]
fn a_summary_of_nothing() {
    assert_eq!(
        Summary::default().render(Style::PLAIN),
        "0 RELEASEs and 0 DECLINEs: 0 honoured, 0 ignored, 0 undetermined\nlost: nothing\n"
    );
}
