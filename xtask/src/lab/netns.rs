//! Network namespaces by iproute2.

use crate::process;
use anyhow::Result;
use std::ffi::OsStr;
use std::process::Command;

/// A named network namespace, deleted when dropped; its links go with it.
#[derive(Debug)]
pub(crate) struct Netns {
    name: String,
}

impl Netns {
    /// Makes one; the process id in its name keeps runs apart.
    pub(crate) fn new(purpose: &str) -> Result<Self> {
        let name = format!("{purpose}-{}", std::process::id());
        ip(&["netns", "add", &name])?;
        let namespace = Self { name };
        namespace.ip(&["link", "set", "lo", "up"])?;
        Ok(namespace)
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// `program`, to be run inside.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", &self.name])
            .arg(program.as_ref());
        command
    }

    /// `ip` on this namespace.
    pub(crate) fn ip(&self, arguments: &[&str]) -> Result<String> {
        let mut all = vec!["-netns", self.name.as_str()];
        all.extend(arguments);
        ip(&all)
    }

    /// A link called `here` in this namespace and `there` in `peer`, both up.
    pub(crate) fn link(&self, here: &str, peer: &Self, there: &str) -> Result<()> {
        let first = ["link", "add", "name", here, "type", "veth"];
        let second = ["peer", "name", there, "netns", peer.name()];
        self.ip(&[&first[..], &second[..]].concat())?;
        self.ip(&["link", "set", here, "up"])?;
        peer.ip(&["link", "set", there, "up"])?;
        Ok(())
    }

    /// What a web server in this namespace answers to a GET, or `None` while nothing
    /// listens on the port. Spoken through bash, which every Debian has, unlike curl.
    pub(crate) fn http_get(&self, port: u16, path: &str) -> Result<Option<String>> {
        const SCRIPT: &str = r#"exec 3<>"/dev/tcp/127.0.0.1/$0" &&
            printf 'GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n' "$1" >&3 && cat <&3"#;
        let mut command = self.command("bash");
        command.args(["-c", SCRIPT, &port.to_string(), path]);
        let output = process::output(&mut command, "reading from the agent's web server")?;
        Ok(output
            .status
            .success()
            .then(|| String::from_utf8_lossy(&output.stdout).into_owned()))
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        if let Err(error) = ip(&["netns", "delete", &self.name]) {
            eprintln!("xtask: namespace {} is left behind: {error:#}", self.name);
        }
    }
}

fn ip(arguments: &[&str]) -> Result<String> {
    let mut command = Command::new("ip");
    command.args(arguments);
    process::capture(&mut command, "setting up the network")
}
