//! A real Kea for IPv4, and its memfile: the truth of the labs.

use crate::dnsmasq::ServerFiles;
use crate::message::Mac;
use crate::netns::Namespace;
use crate::process::Running;
use crate::wait::{PATIENCE, wait_for};
use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::Ipv4Addr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// How it reads packets: `dhcp-socket-type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sockets {
    /// AF_PACKET, its default, with a UDP socket that it never answers from.
    Raw,
    /// UDP sockets bound to its addresses: it hears unicasts only, so clients need a relay
    /// ([`obtain_through`](crate::client::Client::obtain_through)).
    Udp,
}

/// The pool of the labs: 172.29.101.100 to .199.
pub fn lab_subnets() -> Value {
    json!([{
        "id": 1,
        "subnet": "172.29.101.0/24",
        "pools": [{ "pool": "172.29.101.100 - 172.29.101.199" }],
    }])
}

/// A running kea-dhcp4. Dropped, it is killed and its log is printed.
#[derive(Debug)]
pub struct Kea {
    running: Running,
    log: PathBuf,
    lease_file: PathBuf,
}

impl Kea {
    /// Starts it with the pool of the labs. On an interface of several addresses one has
    /// to be named (`eth3/172.29.101.1`): with a raw socket for each it takes every
    /// broadcast as often, and grants anew what was released in between.
    pub fn start(
        namespace: &Namespace,
        files: &ServerFiles,
        interfaces: &[&str],
        sockets: Sockets,
    ) -> Result<Self> {
        Self::start_with(namespace, files, interfaces, sockets, &lab_subnets())
    }

    /// The same with a `subnet4` of one's own. Waits until it takes packets.
    pub fn start_with(
        namespace: &Namespace,
        files: &ServerFiles,
        interfaces: &[&str],
        sockets: Sockets,
        subnets: &Value,
    ) -> Result<Self> {
        Self::launch(
            namespace,
            files,
            &configuration(files, interfaces, sockets, subnets, 0),
        )
    }

    /// The same with the pool of the labs and raw sockets, and with a clean-up of its
    /// lease files every so many seconds.
    pub fn start_cleaning(
        namespace: &Namespace,
        files: &ServerFiles,
        interfaces: &[&str],
        seconds: u32,
    ) -> Result<Self> {
        let (sockets, subnets) = (Sockets::Raw, lab_subnets());
        let text = configuration(files, interfaces, sockets, &subnets, seconds);
        Self::launch(namespace, files, &text)
    }

    /// The same with the pool of the labs and raw sockets, and with leases that are in its
    /// memory only and told on its control socket ([`holds_in_memory`](Self::holds_in_memory)).
    pub fn start_in_memory(
        namespace: &Namespace,
        files: &ServerFiles,
        interfaces: &[&str],
    ) -> Result<Self> {
        const HOOK: &str = "kea/hooks/libdhcp_lease_cmds.so";
        let libraries = [
            "/usr/lib/x86_64-linux-gnu",
            "/usr/lib/aarch64-linux-gnu",
            "/usr/lib",
        ];
        let hook = libraries
            .iter()
            .map(|directory| Path::new(directory).join(HOOK))
            .find(|path| path.exists())
            .context("no libdhcp_lease_cmds.so: it comes with the package kea-common")?;
        let text = configuration(files, interfaces, Sockets::Raw, &lab_subnets(), 0);
        let mut whole: Value = serde_json::from_str(&text)?;
        let dhcp4 = whole.get_mut("Dhcp4").context("no Dhcp4")?;
        let socket = json!({ "socket-type": "unix", "socket-name": control_socket(files) });
        for (name, value) in [
            (
                "lease-database",
                json!({ "type": "memfile", "persist": false }),
            ),
            ("hooks-libraries", json!([{ "library": hook }])),
            ("control-socket", socket),
        ] {
            dhcp4
                .as_object_mut()
                .context("Dhcp4 is no object")?
                .insert(name.to_owned(), value);
        }
        Self::launch(namespace, files, &whole.to_string())
    }

    /// Whether a Kea without a file says that `client` holds `address`.
    pub fn holds_in_memory(files: &ServerFiles, client: Mac, address: Ipv4Addr) -> Result<bool> {
        let mut stream = UnixStream::connect(control_socket(files))?;
        let command = json!({ "command": "lease4-get", "arguments": { "ip-address": address } });
        stream.write_all(command.to_string().as_bytes())?;
        let mut reply = String::new();
        stream.read_to_string(&mut reply)?;
        let reply: Value = serde_json::from_str(&reply)?;
        let field = |name: &str| reply.pointer(&format!("/arguments/{name}"));
        Ok(
            field("hw-address").and_then(Value::as_str) == Some(&client.to_string())
                && field("valid-lft").and_then(Value::as_u64) != Some(0)
                && field("state").and_then(Value::as_u64) == Some(0),
        )
    }

    fn launch(namespace: &Namespace, files: &ServerFiles, text: &str) -> Result<Self> {
        let log = files.path("kea.log");
        let lease_file = lease_file(files);
        let configured = files.path("kea-dhcp4.conf");
        std::fs::write(&configured, text).context("configuration of kea-dhcp4")?;
        let written = File::create(&log).context("log of kea-dhcp4")?;
        let directory = files.path("");
        let mut command = Command::new("kea-dhcp4");
        command
            .arg("-c")
            .arg(configured)
            .env("KEA_LOCKFILE_DIR", &directory)
            .env("KEA_PIDFILE_DIR", &directory)
            .stdin(Stdio::null())
            .stdout(written.try_clone()?)
            .stderr(written);
        let running = namespace.spawn(&mut command)?;
        let mut server = Self {
            running,
            log,
            lease_file,
        };
        wait_for("kea-dhcp4 to start", PATIENCE, || server.started())?;
        Ok(server)
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.running.id()
    }

    /// Where its leases are.
    pub fn lease_file(&self) -> &Path {
        &self.lease_file
    }

    /// Whether `client` holds `address`: the last row for the address has the client's
    /// MAC, a lifetime and the default state.
    pub fn holds(&self, client: Mac, address: Ipv4Addr) -> Result<bool> {
        let text = std::fs::read_to_string(&self.lease_file).context("memfile of kea-dhcp4")?;
        let mut rows = text.lines().map(|row| row.split(',').collect::<Vec<_>>());
        let header = rows.next().context("memfile without a header")?;
        let column = |name: &str| {
            let found = header.iter().position(|column| *column == name);
            found.with_context(|| format!("memfile without the column {name}"))
        };
        let wanted = address.to_string();
        let (of, mac) = (column("address")?, column("hwaddr")?);
        let (lifetime, state) = (column("valid_lifetime")?, column("state")?);
        let last = rows.rfind(|row| row.get(of) == Some(&wanted.as_str()));
        Ok(last.is_some_and(|row| {
            row.get(mac) == Some(&client.to_string().as_str())
                && row.get(lifetime).is_some_and(|lifetime| *lifetime != "0")
                && row.get(state) == Some(&"0")
        }))
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_else(|error| format!("no log: {error}"))
    }

    /// Ends it in an orderly way.
    pub fn stop(mut self) -> Result<()> {
        self.running.signal(Signal::SIGTERM)?;
        self.running.wait()?;
        Ok(())
    }

    /// It says so once its sockets are open.
    fn started(&mut self) -> Result<Option<()>> {
        if let Some(status) = self.running.ended()? {
            bail!("kea-dhcp4 ended with {status}");
        }
        Ok(self.log().contains("DHCP4_STARTED").then_some(()))
    }
}

impl Drop for Kea {
    fn drop(&mut self) {
        eprintln!("--- kea-dhcp4 {}:\n{}", self.running.id(), self.log());
    }
}

fn control_socket(files: &ServerFiles) -> PathBuf {
    files.path("kea4.socket")
}

fn lease_file(files: &ServerFiles) -> PathBuf {
    files.path("kea-leases4.csv")
}

fn configuration(
    files: &ServerFiles,
    interfaces: &[&str],
    sockets: Sockets,
    subnets: &Value,
    clean_up_seconds: u32,
) -> String {
    let socket_type = match sockets {
        Sockets::Raw => "raw",
        Sockets::Udp => "udp",
    };
    json!({ "Dhcp4": {
        "interfaces-config": { "interfaces": interfaces, "dhcp-socket-type": socket_type },
        "lease-database": {
            "type": "memfile", "persist": true, "name": lease_file(files),
            "lfc-interval": clean_up_seconds,
        },
        "valid-lifetime": 3600,
        "authoritative": true,
        "multi-threading": { "enable-multi-threading": false },
        "subnet4": subnets,
        "loggers": [{
            "name": "kea-dhcp4", "severity": "DEBUG", "debuglevel": 50,
            "output_options": [{ "output": "stdout" }],
        }],
    } })
    .to_string()
}
