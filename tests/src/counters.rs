//! What the kernel itself counts in a namespace: the truth about where a packet ended,
//! told by neither the agent nor eBPF.

use crate::netns::Namespace;
use anyhow::{Context, Result};
use serde_json::Value;

/// A counter of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counter {
    /// A column of a line of /proc/net/snmp, such as `Udp`, `NoPorts`.
    Snmp(&'static str, &'static str),
    /// The same of /proc/net/netstat.
    Netstat(&'static str, &'static str),
    /// Frames for another MAC that an interface took in.
    OtherHost(&'static str),
}

impl Counter {
    /// What it stands at.
    pub fn read(self, namespace: &Namespace) -> Result<u64> {
        match self {
            Self::Snmp(line, column) => of_table(namespace, "snmp", line, column),
            Self::Netstat(line, column) => of_table(namespace, "netstat", line, column),
            Self::OtherHost(interface) => other_host(namespace, interface),
        }
        .with_context(|| format!("{self:?}"))
    }
}

fn of_table(namespace: &Namespace, file: &str, line: &str, column: &str) -> Result<u64> {
    // /proc/net is the namespace of the process, not of the thread that reads.
    let path = format!("/proc/thread-self/net/{file}");
    let text = namespace.enter(|| std::fs::read_to_string(path))??;
    let mut rows = text.lines().filter_map(|row| row.split_once(": "));
    let mut next = || {
        rows.find(|(name, _)| *name == line)
            .map(|(_, values)| values)
    };
    let (names, values) = (
        next().context("no such line")?,
        next().context("no values")?,
    );
    let place = names.split(' ').position(|name| name == column);
    let value = values.split(' ').nth(place.context("no such column")?);
    value.context("no value")?.parse().context("number")
}

fn other_host(namespace: &Namespace, interface: &str) -> Result<u64> {
    let shown = namespace.run("ip", &["-j", "-s", "-s", "link", "show", "dev", interface])?;
    let shown: Value = serde_json::from_str(&shown).context("ip -j")?;
    let received = shown.pointer("/0/stats64/rx").context("no statistics")?;
    // Left out while it is 0.
    Ok(received
        .get("otherhost")
        .and_then(Value::as_u64)
        .unwrap_or(0))
}
