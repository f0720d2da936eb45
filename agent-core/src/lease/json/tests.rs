//! Texts that are no list of leases.

use super::Walk;
use crate::lease::ledger::Ledger;
use crate::lease::{Format, read};
use json_event_parser::JsonEvent;
use proptest::prelude::*;

fn damage(text: &str) -> Option<String> {
    read(Format::Libvirt, text.as_bytes())
        .damage
        .map(|damage| damage.to_string())
}

#[test]
fn deep_nesting_is_refused_and_costs_no_stack() {
    let deep = "[".repeat(2_000_000);
    assert_eq!(
        damage(&deep).unwrap(),
        "line 1: no JSON, or too deeply nested"
    );
    let deep = format!("[{{\"x\": {}", "{\"a\":".repeat(100_000));
    assert!(damage(&deep).unwrap().contains("too deeply nested"));
    let context = format!(
        "[{{\"user\": {}1{}, \"ip-address\": \"10.0.0.1\"}}]",
        "[".repeat(20),
        "]".repeat(20)
    );
    let reading = read(Format::Libvirt, context.as_bytes());
    assert_eq!((reading.leases.len(), reading.damage), (1, None));
}

#[test]
fn what_is_no_json() {
    for text in [
        "[}",
        "[{\"a\" 1}]",
        "[{\"ip-address\": \"10.0.0.1\",}]",
        "[1 2]",
        "\0",
    ] {
        assert!(damage(text).is_some(), "{text}");
    }
    assert_eq!(
        damage("[\n]\n x").unwrap(),
        "line 3: something after the end of the JSON"
    );
    assert_eq!(damage("[]"), None);
}

/// What it is after a text: `Some(true)` ended, `Some(false)` going on, `None` damaged.
fn ours(text: &[u8]) -> Option<bool> {
    let mut walk = Walk::<crate::lease::libvirt::Entry>::default();
    walk.take_in(text, &mut Ledger::default())
        .is_ok()
        .then(|| walk.is_ended())
}

/// The same by another reader.
fn theirs(text: &[u8]) -> Option<bool> {
    let mut parser = json_event_parser::SliceJsonParser::new(text);
    let mut depth = 0;
    let mut ended = false;
    loop {
        match parser.parse_next() {
            Ok(JsonEvent::Eof) => return Some(ended),
            Ok(JsonEvent::StartArray | JsonEvent::StartObject) => depth += 1,
            Ok(JsonEvent::EndArray | JsonEvent::EndObject) => depth -= 1,
            Ok(_) => {}
            Err(error) if error.message().starts_with("Unexpected end of file") => {
                return Some(false);
            }
            Err(_) => return None,
        }
        ended = depth == 0;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    /// Texts that are JSON, or nearly. In an object, so that none is a list of leases.
    #[test]
    fn what_is_json_to_another_reader_is_json_here(
        words in prop::collection::vec(
            prop::sample::select(vec![
                "{", "}", "[", "]", ":", ",", "\"a\"", "\"\\u00e9\\n\"", "\"\\ud83d\\ude00\"",
                "\"\\ud83d\"", "\"\\x\"", "0", "01", "-1", "-", "1.5", "1.", "2e3", "2e", "true",
                "false", "null", "nul", " ", "\n", "\"\t\"", "\"a\":", "[1,2]", "{\"b\":[]}",
            ]),
            0..12,
        ),
    ) {
        let text = ["{\"x\":", &words.concat(), " "].concat();
        // Where a text breaks off, the other does not always say that it only broke off.
        if let (Some(ours), Some(theirs)) = (ours(text.as_bytes()), theirs(text.as_bytes())) {
            prop_assert_eq!(ours, theirs, "{}", text);
        }
        let ended = [&text, "}"].concat();
        prop_assert_eq!(
            ours(ended.as_bytes()) == Some(true),
            theirs(ended.as_bytes()) == Some(true),
            "{}", ended
        );
    }
}
