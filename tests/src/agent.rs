//! The agent under test, running in a namespace.

use crate::http::{Answer, get};
use crate::metrics::Page;
use crate::netns::Namespace;
use crate::process::Running;
use crate::wait::{PATIENCE, wait_for};
use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use tempfile::TempDir;

/// Where it answers, on the loopback of its own namespace.
const LISTEN: &str = "127.0.0.1:10547";

/// The program under test: `LEASEHOUND_BIN`, which `cargo xtask test` sets.
pub fn program() -> Result<PathBuf> {
    let path = std::env::var_os("LEASEHOUND_BIN")
        .map(PathBuf::from)
        .context("LEASEHOUND_BIN is not set: run `cargo xtask test`, it builds the agent first")?;
    if !path.is_file() {
        bail!(
            "LEASEHOUND_BIN={} is no file: run `cargo xtask test`",
            path.display()
        );
    }
    Ok(path)
}

/// A running agent. Dropped, it is killed and its stderr is printed.
#[derive(Debug)]
pub struct Agent<'n> {
    namespace: &'n Namespace,
    running: Running,
    files: TempDir,
    listen: SocketAddr,
}

/// What a stopped agent leaves.
#[derive(Debug)]
pub struct Stopped {
    /// How it ended.
    pub status: ExitStatus,
    /// Its events, in order.
    pub events: Vec<Value>,
    /// The same, byte by byte.
    pub lines: Vec<String>,
}

impl<'n> Agent<'n> {
    /// Starts `leasehound run --events -` with further arguments and waits until it is
    /// ready to see packets.
    pub fn start(namespace: &'n Namespace, arguments: &[&str]) -> Result<Self> {
        Self::with_events(namespace, "-", arguments)
    }

    /// The same with its events elsewhere: [`lines`](Self::lines) then reads what people
    /// are shown.
    pub fn with_events(namespace: &'n Namespace, events: &str, arguments: &[&str]) -> Result<Self> {
        Self::launch(namespace, Command::new(program()?), events, arguments)
    }

    /// The same with a /run/netns of its own, empty at first: names there are of no other
    /// lab, and only [`name`](Self::name) makes any.
    pub fn start_with_names(namespace: &'n Namespace, arguments: &[&str]) -> Result<Self> {
        const PRIVATE: &str = r#"mount -t tmpfs leasehound-lab /run/netns && exec "$0" "$@""#;
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--propagation", "private", "sh", "-c", PRIVATE])
            .arg(program()?);
        Self::launch(namespace, command, "-", arguments)
    }

    /// The same without some capabilities (`dac_read_search`), which it then can't get back.
    pub fn start_without(
        namespace: &'n Namespace,
        capabilities: &[&str],
        arguments: &[&str],
    ) -> Result<Self> {
        let dropped: Vec<String> = capabilities.iter().map(|name| format!("-{name}")).collect();
        let mut command = Command::new("setpriv");
        command
            .args(["--bounding-set", &dropped.join(",")])
            .arg(program()?);
        Self::launch(namespace, command, "-", arguments)
    }

    /// Gives the namespace of a process a name that this agent sees.
    pub fn name(&self, name: &str, process: u32) -> Result<()> {
        self.ip_netns(&["attach", name, &process.to_string()])
    }

    /// Deletes such a name.
    pub fn forget(&self, name: &str) -> Result<()> {
        self.ip_netns(&["delete", name])
    }

    fn ip_netns(&self, arguments: &[&str]) -> Result<()> {
        let mounts = format!("--mount=/proc/{}/ns/mnt", self.id());
        let arguments = [&[&mounts, "ip", "netns"], arguments].concat();
        crate::process::run("nsenter", &arguments).map(drop)
    }

    fn launch(
        namespace: &'n Namespace,
        mut command: Command,
        events: &str,
        arguments: &[&str],
    ) -> Result<Self> {
        let files = tempfile::Builder::new()
            .prefix("leasehound-lab-")
            .tempdir()?;
        command
            .args(["run", "--events", events, "--listen", LISTEN])
            .args(arguments)
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(File::create(files.path().join("events"))?)
            .stderr(File::create(files.path().join("stderr"))?);
        let running = namespace.spawn(&mut command)?;
        let mut agent = Self {
            namespace,
            running,
            files,
            listen: LISTEN.parse()?,
        };
        wait_for("the agent to be ready", PATIENCE, || agent.ready())?;
        Ok(agent)
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.running.id()
    }

    /// Fetches a page of its HTTP server.
    pub fn get(&self, path: &str) -> Result<Answer> {
        get(self.namespace, self.listen, path)
    }

    /// Its page of metrics, as it is now.
    pub fn metrics(&self) -> Result<Page> {
        Ok(Page(self.get("/metrics")?.body))
    }

    /// Whole event lines written so far.
    pub fn lines(&self) -> Result<Vec<String>> {
        let text = std::fs::read_to_string(self.files.path().join("events"))?;
        // What follows the last newline is still being written.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        Ok(whole.lines().map(str::to_owned).collect())
    }

    /// The first `count` verdicts on a RELEASE or DECLINE, waited for.
    pub fn verdicts(&self, count: usize) -> Result<Vec<Value>> {
        wait_for("the agent's verdict", PATIENCE, || {
            let verdicts = verdicts(&parse(&self.lines()?)?);
            Ok((verdicts.len() >= count).then_some(verdicts))
        })
    }

    /// The first `count` verdicts on a REQUEST sent in that state, waited for.
    pub fn request_verdicts(&self, state: &str, count: usize) -> Result<Vec<Value>> {
        wait_for("the agent's verdict on a REQUEST", PATIENCE, || {
            let mut verdicts = request_verdicts(&parse(&self.lines()?)?);
            verdicts.retain(|verdict| text(verdict, "state") == state);
            Ok((verdicts.len() >= count).then_some(verdicts))
        })
    }

    /// The events of a finding by name, once there is one.
    pub fn findings(&self, finding: &str) -> Result<Vec<Value>> {
        wait_for("the agent's finding", PATIENCE, || {
            let mut findings = findings(&parse(&self.lines()?)?);
            findings.retain(|event| text(event, "finding") == finding);
            Ok((!findings.is_empty()).then_some(findings))
        })
    }

    /// Waits until it knows the server process `pid`.
    pub fn knows(&self, pid: u32) -> Result<()> {
        let wanted = format!("\"pid\":{pid},");
        wait_for("the agent to know the server", PATIENCE, || {
            let servers = self.get("/api/v1/servers")?.body;
            Ok(servers.contains(&wanted).then_some(()))
        })
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        self.running.signal(signal)
    }

    /// Waits until it has ended, and reads all that it wrote.
    pub fn ended(&mut self) -> Result<Stopped> {
        let running = &mut self.running;
        let status = wait_for("the agent to end", PATIENCE, || running.ended())?;
        let lines = self.lines()?;
        Ok(Stopped {
            status,
            events: parse(&lines)?,
            lines,
        })
    }

    /// SIGTERM, and what it leaves.
    pub fn stop(&mut self) -> Result<Stopped> {
        self.signal(Signal::SIGTERM)?;
        self.ended()
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.files.path().join("stderr"))
            .unwrap_or_else(|error| format!("no log: {error}"))
    }

    fn ready(&mut self) -> Result<Option<()>> {
        if let Some(status) = self.running.ended()? {
            bail!("the agent ended with {status}: {}", self.log());
        }
        // Until it listens, connecting fails.
        let answer = self.get("/readyz").ok();
        Ok(answer
            .is_some_and(|answer| answer.status == 200)
            .then_some(()))
    }
}

impl Drop for Agent<'_> {
    fn drop(&mut self) {
        eprintln!("--- leasehound {}:\n{}", self.running.id(), self.log());
        match self.lines() {
            Ok(lines) => eprintln!("--- events:\n{}", lines.join("\n")),
            Err(error) => eprintln!("--- no events: {error:#}"),
        }
    }
}

/// Runs `leasehound replay` with arguments to its end; its stdout is taken as events.
pub fn replay(arguments: &[&str]) -> Result<Stopped> {
    let output = Command::new(program()?)
        .arg("replay")
        .args(arguments)
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .output()
        .context("starting replay")?;
    eprintln!("--- replay:\n{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).context("stdout of replay")?;
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    Ok(Stopped {
        status: output.status,
        events: parse(&lines)?,
        lines,
    })
}

/// Event lines as JSON.
pub fn parse(lines: &[String]) -> Result<Vec<Value>> {
    lines
        .iter()
        .map(|line| serde_json::from_str(line).with_context(|| format!("event line {line:?}")))
        .collect()
}

/// The verdicts on a RELEASE or DECLINE among events.
pub fn verdicts(events: &[Value]) -> Vec<Value> {
    verdicts_on(events, &["release", "decline"])
}

/// The verdicts on a REQUEST among events.
pub fn request_verdicts(events: &[Value]) -> Vec<Value> {
    verdicts_on(events, &["request"])
}

fn verdicts_on(events: &[Value], message_types: &[&str]) -> Vec<Value> {
    let wanted = |event: &&Value| {
        text(event, "kind") == "verdict" && message_types.contains(&text(event, "message_type"))
    };
    events.iter().filter(wanted).cloned().collect()
}

/// What was found, changed and settled, among events.
pub fn findings(events: &[Value]) -> Vec<Value> {
    let wanted = |event: &&Value| text(event, "kind") == "finding";
    events.iter().filter(wanted).cloned().collect()
}

/// A field that is text; empty if it is missing, null or something else.
pub fn text<'e>(event: &'e Value, field: &str) -> &'e str {
    event.get(field).and_then(Value::as_str).unwrap_or_default()
}
