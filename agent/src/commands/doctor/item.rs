//! One line of `doctor`'s answer, for people and as JSON.

use crate::cli::Format;
use leasehound_core::verdict::Ground;
use serde_json::{Map, Value, json};
use std::io::{self, Write};

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) state: State,
    what: &'static str,
    says: String,
    evidence: Vec<Ground>,
    remedy: Option<String>,
    side_effect: Option<String>,
    /// What programs want to know; JSON only.
    details: Map<String, Value>,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// As it should be.
    Ok,
    /// Not to be had here; `run` does without, and says what it can't tell for that.
    Missing,
    /// It does harm, or will.
    Finding,
}

impl State {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Missing => "missing",
            Self::Finding => "finding",
        }
    }
}

impl Item {
    fn new(state: State, what: &'static str, says: String) -> Self {
        Self {
            state,
            what,
            says,
            evidence: Vec::new(),
            remedy: None,
            side_effect: None,
            details: Map::new(),
        }
    }

    pub(super) fn ok(what: &'static str, says: String) -> Self {
        Self::new(State::Ok, what, says)
    }

    pub(super) fn missing(what: &'static str, says: String) -> Self {
        Self::new(State::Missing, what, says)
    }

    pub(super) fn finding(what: &'static str, says: String) -> Self {
        Self::new(State::Finding, what, says)
    }

    /// With what it rests on, what to do, and what that breaks.
    pub(super) fn with(
        mut self,
        evidence: Vec<Ground>,
        remedy: String,
        side_effect: Option<String>,
    ) -> Self {
        self.evidence = evidence;
        self.remedy = Some(remedy);
        self.side_effect = side_effect;
        self
    }

    /// With a fact for programs.
    pub(super) fn detail(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    pub(super) fn write(&self, format: Format, out: &mut impl Write) -> io::Result<()> {
        let (state, what, says) = (self.state.as_str(), self.what, &self.says);
        match format {
            Format::Table => {
                writeln!(out, "{state:8} {what:24} {says}")?;
                for ground in &self.evidence {
                    let source = ground.source.as_str();
                    writeln!(out, "{:33}{source}: {}", "", ground.says)?;
                }
                if let Some(remedy) = &self.remedy {
                    writeln!(out, "{:33}remedy: {remedy}", "")?;
                }
                if let Some(side_effect) = &self.side_effect {
                    writeln!(out, "{:33}mind: {side_effect}", "")?;
                }
                Ok(())
            }
            Format::Json => writeln!(out, "{}", self.to_json()),
        }
    }

    fn to_json(&self) -> Value {
        let mut whole =
            json!({ "state": self.state.as_str(), "what": self.what, "says": self.says });
        let Some(fields) = whole.as_object_mut() else {
            return whole;
        };
        if self.state == State::Finding {
            let evidence = self
                .evidence
                .iter()
                .map(|ground| json!({ "source": ground.source.as_str(), "says": ground.says }));
            fields.insert("evidence".to_owned(), evidence.collect());
            fields.insert("remedy".to_owned(), json!(self.remedy));
            fields.insert("side_effect".to_owned(), json!(self.side_effect));
        }
        fields.extend(self.details.clone());
        whole
    }
}
