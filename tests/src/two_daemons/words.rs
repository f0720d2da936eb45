//! What the agent says, against what happened.

use super::lab::{Lab, Outcome, Step};
use crate::agent::{Stopped, request_verdicts, text, verdicts};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::collections::BTreeSet;

/// Whether there is one verdict for each outcome, and each says what happened: of a
/// unicast that went astray, between which two processes.
pub fn agrees(lab: &Lab<'_>, outcomes: &[Outcome], verdicts: &[Value]) -> Result<()> {
    ensure!(
        verdicts.len() == outcomes.len(),
        "{} verdicts on {} messages",
        verdicts.len(),
        outcomes.len()
    );
    for outcome in outcomes {
        let verdict = of(verdicts, outcome)?;
        let (good, bad) = match outcome.step {
            Step::Release => ("honoured", "ignored"),
            Step::Renew | Step::Rebind => ("answered", "unanswered"),
        };
        let said = (text(verdict, "verdict"), text(verdict, "cause"));
        let alarm = verdict.get("alarm").and_then(Value::as_bool) == Some(true);
        if outcome.arrived {
            ensure!(said == (good, "") && !alarm, "{outcome:?}: {verdict}");
            continue;
        }
        ensure!(
            said == (bad, "wrong_daemon") && alarm,
            "{outcome:?}: {verdict}"
        );
        ensure!(text(verdict, "certainty") == "observed", "{verdict}");
        let delivery = delivery(verdict);
        for home in [outcome.home, 1 - outcome.home] {
            let process = lab.server(home)?;
            ensure!(
                names(&delivery, process),
                "pid {process} is not in {delivery:?}"
            );
        }
    }
    Ok(())
}

/// Whether a stopped agent gave a verdict on each message, no more, and went in peace;
/// nobody's lease was in doubt when it was taken.
pub(super) fn whole(stopped: &Stopped, clients: usize) -> Result<()> {
    ensure!(stopped.status.success(), "it ended with {}", stopped.status);
    let releases = verdicts(&stopped.events).len();
    ensure!(releases == clients, "{releases} verdicts on releases");
    let requests = request_verdicts(&stopped.events);
    for state in ["renewing", "rebinding"] {
        let count = in_state(&requests, state).count();
        ensure!(count == clients, "{count} verdicts in {state}");
    }
    let taken = in_state(&requests, "selecting").count();
    ensure!(taken >= clients, "{taken} leases taken");
    for verdict in in_state(&requests, "selecting") {
        ensure!(text(verdict, "verdict") == "answered", "{verdict}");
    }
    Ok(())
}

/// Whether the findings are those that the outcomes call for, and the warning.
pub fn found(
    lab: &Lab<'_>,
    findings: &[Value],
    outcomes: &[Outcome],
    warning: Option<&str>,
) -> Result<()> {
    let astray = |home: usize| {
        let here = move |one: &&Outcome| one.home == home && !one.arrived;
        outcomes.iter().filter(here).count()
    };
    let mut expected: BTreeSet<(&str, &str)> = BTreeSet::new();
    for home in [0, 1] {
        if astray(home) > 0 {
            expected.insert(("unicasts_to_wrong_daemon", lab.interface(home)?));
        }
    }
    let is_static = |event: &&Value| Some(text(event, "finding")) == warning;
    let known: BTreeSet<(&str, &str)> = findings
        .iter()
        .filter(|event| !is_static(event))
        .map(|event| (text(event, "finding"), text(event, "interface")))
        .collect();
    ensure!(known == expected, "found {known:?}, not {expected:?}");
    ensure!(
        findings.iter().any(|event| is_static(&event)) == warning.is_some(),
        "no {warning:?} in {findings:#?}"
    );
    for event in findings {
        let severe = matches!(text(event, "severity"), "critical" | "warning");
        ensure!(severe, "{event}");
        for field in ["title", "remedy"] {
            ensure!(!text(event, field).is_empty(), "no {field}: {event}");
        }
    }
    for home in [0, 1].into_iter().filter(|home| astray(*home) > 0) {
        let interface = lab.interface(home)?;
        let about_it = |event: &&Value| {
            text(event, "finding") == "unicasts_to_wrong_daemon"
                && text(event, "interface") == interface
        };
        let last = findings.iter().rev().find(about_it).context("none")?;
        let number = |field: &str| last.get(field).and_then(Value::as_u64).unwrap_or(0);
        let (cases, of) = (number("cases"), number("of"));
        let limit = u64::try_from(astray(home))?;
        ensure!(
            (1..=limit).contains(&cases) && cases <= of,
            "{limit} went astray: {last}"
        );
    }
    Ok(())
}

fn in_state<'v>(verdicts: &'v [Value], state: &str) -> impl Iterator<Item = &'v Value> {
    let wanted = move |one: &&Value| text(one, "state") == state;
    verdicts.iter().filter(wanted)
}

fn of<'v>(verdicts: &'v [Value], outcome: &Outcome) -> Result<&'v Value> {
    let xid = format!("{:08x}", outcome.xid);
    let address = outcome.address.to_string();
    let about_it = |verdict: &&Value| {
        text(verdict, "transaction_id") == xid && text(verdict, "address") == address
    };
    let found = verdicts.iter().find(about_it);
    found.with_context(|| format!("no verdict on {outcome:?}"))
}

/// What the evidence of the delivery says.
fn delivery(verdict: &Value) -> String {
    let evidence = verdict.get("evidence").and_then(Value::as_array);
    let items = evidence.into_iter().flatten();
    let says = items
        .filter(|item| text(item, "source") == "delivery")
        .map(|item| text(item, "says"));
    says.collect::<Vec<_>>().join("; ")
}

/// Whether a text has `pid N`, and not as the start of a longer number.
fn names(says: &str, process: u32) -> bool {
    says.split("pid ").skip(1).any(|rest| {
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits == process.to_string()
    })
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn a_process_is_named_whole() {
        assert!(names("dnsmasq (pid 4863) granted", 4863));
        assert!(!names("dnsmasq (pid 4863) granted", 486));
        assert!(!names("port 4863", 4863));
    }
}
