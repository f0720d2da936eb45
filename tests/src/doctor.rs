//! `leasehound doctor`, run in a namespace and told to look at that one only: other labs run
//! beside this one.

use crate::agent::{program, text};
use crate::netns::Namespace;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::net::Ipv4Addr;
use std::process::{Command, Output};

/// What it said.
#[derive(Debug)]
pub struct Told {
    /// Its lines, in order.
    pub items: Vec<Value>,
    /// Its exit code.
    pub code: Option<i32>,
}

/// Runs it in `namespace` with further arguments.
pub fn doctor(namespace: &Namespace, arguments: &[&str]) -> Result<Told> {
    // Not `ip netns exec`: it hides the cgroup hierarchy behind a /sys of its own.
    let mut command = Command::new("nsenter");
    command
        .arg(format!("--net=/run/netns/{}", namespace.name()))
        .arg(program()?)
        .args(["doctor", "--format", "json", "--netns", namespace.name()])
        .args(arguments);
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().context("doctor")?;
    let lines = String::from_utf8(stdout)?;
    eprintln!("{lines}{}", String::from_utf8_lossy(&stderr));
    let items = lines
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    Ok(Told {
        items,
        code: status.code(),
    })
}

impl Told {
    /// The items of one kind.
    pub fn of<'t>(&'t self, state: &str, what: &str) -> Vec<&'t Value> {
        let wanted = |item: &&Value| text(item, "state") == state && text(item, "what") == what;
        self.items.iter().filter(wanted).collect()
    }

    /// All findings.
    pub fn findings(&self) -> Vec<&Value> {
        let finding = |item: &&Value| text(item, "state") == "finding";
        self.items.iter().filter(finding).collect()
    }

    /// Exactly one finding, of that kind, and the exit code that goes with it.
    pub fn only_finding(&self, what: &str) -> Result<&Value> {
        let findings = self.findings();
        ensure!(
            findings.len() == 1 && self.code == Some(3),
            "{findings:#?}, exit code {:?}",
            self.code
        );
        let found = self.of("finding", what);
        found
            .first()
            .copied()
            .with_context(|| format!("no {what}: {findings:#?}"))
    }

    /// No finding, every line of the configurations understood, and exit code 0.
    pub fn healthy(&self) -> Result<()> {
        let findings = self.findings();
        ensure!(
            findings.is_empty() && self.code == Some(0),
            "{findings:#?}, exit code {:?}",
            self.code
        );
        let strange = self.of("missing", "configuration");
        ensure!(strange.is_empty(), "not understood: {strange:#?}");
        Ok(())
    }

    /// The server with this process id.
    pub fn server(&self, pid: u32) -> Result<&Value> {
        let servers = self.of("ok", "server");
        let ours = |item: &&Value| item.get("pid").and_then(Value::as_u64) == Some(pid.into());
        let found = servers.into_iter().find(ours);
        found.with_context(|| format!("no server {pid}: {:#?}", self.items))
    }

    /// The ids that it predicts for server `pid` on an interface: each range with its id.
    pub fn ids(&self, pid: u32, interface: &str) -> Result<Vec<(String, Ipv4Addr)>> {
        let ids = self
            .server(pid)?
            .get("server_ids")
            .and_then(Value::as_array);
        ids.into_iter()
            .flatten()
            .filter(|id| text(id, "interface") == interface)
            .map(|id| Ok((text(id, "range").to_owned(), text(id, "server_id").parse()?)))
            .collect()
    }
}
