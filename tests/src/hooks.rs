//! Which BPF programs hang on the interfaces of a namespace, as other tools see it.

use crate::netns::Namespace;
use anyhow::{Context, Result};
use serde_json::Value;

/// All that `bpftool net` lists: XDP, tcx and filters of clsact. Each as `kind name`.
pub fn attached(namespace: &Namespace) -> Result<Vec<String>> {
    let listed = namespace.run("bpftool", &["--json", "net", "show"])?;
    let listed: Value = serde_json::from_str(&listed).context("bpftool net")?;
    let mut found = Vec::new();
    for section in listed.as_array().context("bpftool net: no list")? {
        for place in ["xdp", "tc", "flow_dissector", "netfilter"] {
            let programs = section.get(place).and_then(Value::as_array);
            for program in programs.into_iter().flatten() {
                found.push(format!("{place} {program}"));
            }
        }
    }
    Ok(found)
}

/// The BPF filters on one side (`ingress`, `egress`) of an interface's clsact qdisc.
pub fn filters(namespace: &Namespace, interface: &str, side: &str) -> Result<Vec<String>> {
    let listed = namespace.run("tc", &["filter", "show", "dev", interface, side])?;
    let own = |line: &&str| line.contains(" bpf ") && line.contains(" handle ");
    Ok(listed.lines().filter(own).map(str::to_owned).collect())
}

/// Whether an interface has a clsact qdisc.
pub fn has_clsact(namespace: &Namespace, interface: &str) -> Result<bool> {
    Ok(namespace
        .run("tc", &["qdisc", "show", "dev", interface])?
        .contains("clsact"))
}
