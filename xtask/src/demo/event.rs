//! One of leasehound's event lines.

use serde_json::Value;

/// The cause that issue 10182 comes down to: the release names another address of the
/// router than the one the server goes by.
pub(super) const CAUSE: &str = "server_id_other_local_address";

/// What is in the line.
#[derive(Debug, Clone)]
pub(super) struct Event {
    value: Value,
}

impl Event {
    /// `None` if the line is no JSON object.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(line).ok()?;
        value.is_object().then_some(Self { value })
    }

    /// A text field by its JSON pointer, empty if there is none.
    pub(super) fn text(&self, pointer: &str) -> &str {
        self.value
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// A number by its JSON pointer.
    pub(super) fn number(&self, pointer: &str) -> Option<f64> {
        self.value.pointer(pointer).and_then(Value::as_f64)
    }

    /// The evidence: where from, and what it says.
    pub(super) fn evidence(&self) -> Vec<(&str, &str)> {
        let list = self.value.get("evidence").and_then(Value::as_array);
        list.into_iter()
            .flatten()
            .map(|item| {
                let field = |name| item.get(name).and_then(Value::as_str).unwrap_or_default();
                (field("source"), field("says"))
            })
            .collect()
    }

    /// Whether this is the verdict on the RELEASE of `address`.
    pub(super) fn is_release_verdict(&self, address: &str) -> bool {
        self.text("/kind") == "verdict"
            && self.text("/message_type") == "release"
            && self.text("/address") == address
    }

    /// In what this verdict differs from the right one.
    pub(super) fn objections(&self) -> Vec<String> {
        [
            ("/verdict", "ignored"),
            ("/cause", CAUSE),
            ("/certainty", "observed"),
        ]
        .into_iter()
        .filter(|(pointer, wanted)| self.text(pointer) != *wanted)
        .map(|(pointer, wanted)| {
            let field = pointer.trim_start_matches('/');
            format!("{field} is `{}` instead of `{wanted}`", self.text(pointer))
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"schema":1,"kind":"verdict","message_type":"release","verdict":"ignored","cause":"server_id_other_local_address","certainty":"observed","address":"172.29.101.250","evidence":[{"source":"lease_database","says":"still leased 1.0 s later"}],"remedy":"x"}"#;

    #[test]
    fn the_right_verdict_is_recognised() {
        let event = Event::parse(LINE).unwrap();
        assert!(event.is_release_verdict("172.29.101.250"));
        assert!(!event.is_release_verdict("172.29.101.25"));
        assert_eq!(event.objections(), Vec::<String>::new());
        assert_eq!(
            event.evidence(),
            [("lease_database", "still leased 1.0 s later")]
        );
    }

    #[test]
    fn a_wrong_verdict_is_told_field_by_field() {
        let event = Event::parse(&LINE.replace("observed", "inferred")).unwrap();
        assert_eq!(
            event.objections(),
            ["certainty is `inferred` instead of `observed`"]
        );
        assert!(Event::parse("not json").is_none());
    }
}
