//! Texts that are no list of leases.

use crate::lease::{Format, read};

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
