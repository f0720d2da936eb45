//! Which BPF programs hang on the interfaces of a namespace, as other tools see it.

use crate::netns::Namespace;
use anyhow::{Context, Result};
use aya::programs::{SchedClassifier, TcAttachType};
use nix::net::if_::if_nameindex;
use serde_json::Value;

/// All that hangs on the interfaces of a namespace: XDP and filters of clsact as
/// `bpftool net` lists them, and tcx, which older bpftools pass over, as the kernel
/// itself does. Each as `kind name`.
pub fn attached(namespace: &Namespace) -> Result<Vec<String>> {
    let mut found = listed(namespace)?;
    found.extend(namespace.enter(tcx)??);
    Ok(found)
}

fn tcx() -> Result<Vec<String>> {
    let mut found = Vec::new();
    for interface in &if_nameindex()? {
        let name = interface.name().to_str()?;
        for side in [TcAttachType::Ingress, TcAttachType::Egress] {
            let (_, programs) =
                SchedClassifier::query_tcx(name, side).with_context(|| format!("tcx of {name}"))?;
            for program in programs {
                let program = program.name_as_str().unwrap_or("nameless").to_owned();
                found.push(format!("tcx {name} {side:?} {program}"));
            }
        }
    }
    Ok(found)
}

fn listed(namespace: &Namespace) -> Result<Vec<String>> {
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
