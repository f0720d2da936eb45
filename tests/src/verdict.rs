//! What the agent says about one message: its verdict, and what the counters make of it.

use crate::agent::{Agent, parse, text};
use crate::wait::{PATIENCE, wait_for};
use anyhow::{Result, ensure};
use serde_json::Value;

/// The verdict on the message with this transaction id, waited for.
pub fn verdict_on(agent: &Agent<'_>, xid: u32) -> Result<Value> {
    let xid = format!("{xid:08x}");
    wait_for("the agent's verdict", PATIENCE, || {
        let events = parse(&agent.lines()?)?;
        let ours = |event: &&Value| {
            text(event, "kind") == "verdict" && text(event, "transaction_id") == xid
        };
        Ok(events.iter().find(ours).cloned())
    })
}

/// Whether a verdict says that a REQUEST got its ACK.
fn answered(event: &Value) -> bool {
    text(event, "verdict") == "answered"
}

/// Stops the agent: nothing but the one message was ignored, unanswered or undetermined.
pub fn only_one_alarm(agent: &mut Agent<'_>) -> Result<()> {
    let stopped = agent.stop()?;
    let bad: Vec<&Value> = stopped
        .events
        .iter()
        .filter(|event| text(event, "kind") == "verdict")
        .filter(|event| !answered(event) && text(event, "verdict") != "honoured")
        .collect();
    ensure!(bad.len() == 1, "{} messages were lost: {bad:#?}", bad.len());
    ensure!(
        stopped.status.success(),
        "the agent ended with {}",
        stopped.status
    );
    Ok(())
}

/// What the evidence from one source says; empty if there is none.
pub fn evidence(verdict: &Value, source: &str) -> String {
    let all = verdict.get("evidence").and_then(Value::as_array);
    let of_it = |item: &&Value| text(item, "source") == source;
    let says = all.into_iter().flatten().filter(of_it);
    let says: Vec<&str> = says.map(|item| text(item, "says")).collect();
    says.join("; ")
}

/// Waits until the series of `metric` with `label` in the agent's own namespace add up
/// to what is `wanted`.
pub fn counted(
    agent: &Agent<'_>,
    metric: &str,
    label: &str,
    wanted: impl Fn(u64) -> bool,
) -> Result<()> {
    wait_for(
        &format!("the count of {metric} with {label}"),
        PATIENCE,
        || {
            let count = agent.metrics()?.count(metric, &["netns=\"\"", label])?;
            Ok(wanted(count).then_some(()))
        },
    )
}
