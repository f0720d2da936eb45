//! DHCP clients that people run, on eth0 of a namespace.

use crate::dnsmasq::ServerFiles;
use crate::netns::Namespace;
use crate::process::Running;
use crate::wait::{PATIENCE, wait_for};
use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Sets the address that udhcpc was given.
const UDHCPC_SCRIPT: &str = r#"#!/bin/sh
case "$1" in
deconfig) ip -4 addr flush dev "$interface" ;;
bound|renew) ip addr replace "$ip/${mask:-24}" dev "$interface" ;;
esac
"#;

/// The same for dhclient.
const DHCLIENT_SCRIPT: &str = r#"#!/bin/sh
case "$reason" in
BOUND|RENEW|REBIND|REBOOT) ip addr replace "$new_ip_address/24" dev "$interface" ;;
EXPIRE|FAIL|RELEASE|STOP) ip -4 addr flush dev "$interface" ;;
esac
"#;

/// A running one. Dropped, it is killed.
#[derive(Debug)]
pub struct Program {
    running: Running,
    /// What makes it release: another start of the program, or else SIGTERM.
    release: Option<Command>,
}

impl Program {
    /// udhcpc, which releases when it ends.
    pub fn udhcpc(namespace: &Namespace, files: &ServerFiles) -> Result<Self> {
        let mut command = Command::new("udhcpc");
        command.args(["-f", "-R", "-i", "eth0", "-s"]).arg(script(
            files,
            "udhcpc.script",
            UDHCPC_SCRIPT,
        )?);
        Ok(Self {
            running: namespace.spawn(quiet(&mut command))?,
            release: None,
        })
    }

    /// dhclient, which releases on demand.
    pub fn dhclient(namespace: &Namespace, files: &ServerFiles) -> Result<Self> {
        let script = script(files, "dhclient.script", DHCLIENT_SCRIPT)?;
        let command = |mode: &str| {
            let mut command = Command::new("dhclient");
            command.args([mode, "-v", "-cf", "/dev/null"]);
            command.arg("-sf").arg(&script);
            command.arg("-lf").arg(files.path("dhclient.leases"));
            command.arg("-pf").arg(files.path("dhclient.pid"));
            command.arg("eth0");
            quiet(&mut command);
            command
        };
        Ok(Self {
            running: namespace.spawn(&mut command("-d"))?,
            release: Some(command("-r")),
        })
    }

    /// The address that it has set, waited for: it releases by unicast only once there is
    /// one.
    pub fn address(&self, namespace: &Namespace) -> Result<Ipv4Addr> {
        wait_for("the client to set its address", PATIENCE, || {
            let shown = namespace.run("ip", &["-4", "-o", "addr", "show", "dev", "eth0"])?;
            let address = shown.split_once("inet ").and_then(|(_, rest)| {
                let (address, _) = rest.split_once('/')?;
                Some(address.to_owned())
            });
            address
                .map(|address| address.parse().context("address of eth0"))
                .transpose()
        })
    }

    /// Makes it release, and waits until it has ended.
    pub fn release(mut self, namespace: &Namespace) -> Result<()> {
        if let Some(command) = &mut self.release {
            let ended = namespace.spawn(command)?.wait()?;
            ensure!(ended.success(), "dhclient -r ended with {ended}");
        } else {
            self.running.signal(Signal::SIGTERM)?;
        }
        self.running.wait()?;
        Ok(())
    }
}

fn script(files: &ServerFiles, name: &str, text: &str) -> Result<PathBuf> {
    let path = files.path(name);
    std::fs::write(&path, text)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
    Ok(path)
}

fn quiet(command: &mut Command) -> &mut Command {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
}
