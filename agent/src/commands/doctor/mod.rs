//! `leasehound doctor`: what this host offers, and what will fail before it fails.
//!
//! Looks and tries; leaves nothing attached, and sends nothing.

mod checks;
mod rights;

use crate::cli::{DoctorArgs, Format};
use crate::exit::Failure;
use std::io::Write;

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Item {
    state: State,
    what: &'static str,
    says: String,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
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
        Self { state, what, says }
    }

    fn ok(what: &'static str, says: String) -> Self {
        Self::new(State::Ok, what, says)
    }

    fn missing(what: &'static str, says: String) -> Self {
        Self::new(State::Missing, what, says)
    }

    fn finding(what: &'static str, says: String) -> Self {
        Self::new(State::Finding, what, says)
    }
}

const REMEDY: &str = "Give each dnsmasq exactly one interface= (with bind-interfaces or bind-dynamic), not \
                      listen-address= alone. Mind: an interface that no dnsmasq names is then served by none.";

/// Looks at everything; [`Failure::Findings`] if there is something to be put right.
pub fn doctor(args: &DoctorArgs, out: &mut impl Write) -> Result<(), Failure> {
    let items = [
        checks::kernel(),
        checks::rights(),
        checks::hooks(),
        checks::listeners(),
    ]
    .concat();
    let found = items.iter().any(|item| item.state == State::Finding);
    for item in &items {
        let state = item.state.as_str();
        match args.format {
            Format::Table => writeln!(out, "{state:8} {:22} {}", item.what, item.says)?,
            Format::Json => {
                let line = serde_json::json!({
                    "state": state, "what": item.what, "says": item.says,
                });
                writeln!(out, "{line}")?;
            }
        }
    }
    if !found {
        return Ok(());
    }
    if args.format == Format::Table {
        writeln!(out, "\n{REMEDY}")?;
    }
    Err(Failure::Findings)
}
