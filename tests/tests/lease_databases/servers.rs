//! The servers whose databases are recorded, each with nothing from the host's
//! configuration.

use anyhow::{Context, Result, bail};
use leasehound_tests::dnsmasq::ServerFiles;
use leasehound_tests::netns::Namespace;
use leasehound_tests::process::Running;
use leasehound_tests::wait::{PATIENCE, wait_for};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A running server. Dropped, it is killed and its log is printed.
pub(crate) struct Server {
    running: Running,
    log: PathBuf,
}

impl Server {
    /// Starts it and waits until its log has `ready`.
    fn start(
        namespace: &Namespace,
        files: &ServerFiles,
        command: &mut Command,
        ready: &str,
    ) -> Result<Self> {
        let log = files.path("server.log");
        let written = File::create(&log)?;
        command
            .stdin(Stdio::null())
            .stdout(written.try_clone()?)
            .stderr(written);
        let running = namespace.spawn(command)?;
        let mut server = Self { running, log };
        wait_for("the server to start", PATIENCE, || {
            if let Some(status) = server.running.ended()? {
                bail!("it ended with {status}");
            }
            Ok(server.log().contains(ready).then_some(()))
        })?;
        Ok(server)
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        self.running.signal(signal)
    }

    pub(crate) fn stop(mut self) -> Result<()> {
        self.running.signal(Signal::SIGTERM)?;
        self.running.wait()?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        eprintln!("--- server {}:\n{}", self.running.id(), self.log());
    }
}

/// IPv4 and, beside it, IPv6. `more` are further options.
pub(crate) fn dnsmasq(namespace: &Namespace, files: &ServerFiles, more: &[&str]) -> Result<Server> {
    dnsmasq_by(Command::new("dnsmasq"), namespace, files, more)
}

/// The same, with the directory where libvirt's helper writes put into the lab's.
pub(crate) fn dnsmasq_of_libvirt(
    namespace: &Namespace,
    files: &ServerFiles,
    more: &[&str],
) -> Result<Server> {
    let script = format!(
        "mount -t tmpfs none /var/lib && mkdir -p /var/lib/libvirt/dnsmasq && \
         mount --bind {} /var/lib/libvirt/dnsmasq && mount -t tmpfs none /run && \
         exec dnsmasq \"$@\"",
        files.path("").display()
    );
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "sh", "-c", &script, "dnsmasq"])
        .env("VIR_BRIDGE_NAME", "eth3");
    dnsmasq_by(command, namespace, files, more)
}

fn dnsmasq_by(
    mut command: Command,
    namespace: &Namespace,
    files: &ServerFiles,
    more: &[&str],
) -> Result<Server> {
    let pid_file = format!("--pid-file={}", files.path("dnsmasq.pid").display());
    command
        .args([
            "--keep-in-foreground",
            "--conf-file=/dev/null",
            "--log-facility=-",
        ])
        .args([
            "--no-resolv",
            "--no-hosts",
            "--port=0",
            "--no-ping",
            "--log-dhcp",
        ])
        .args(["--user=root", "--interface=eth3", &pid_file])
        .arg("--dhcp-range=172.29.101.100,172.29.101.199,255.255.255.0,1h")
        .arg("--dhcp-range=fd00:29::100,fd00:29::1ff,64,1h")
        .args(more);
    Server::start(namespace, files, &mut command, "DHCPv6, IP range")
}

/// `6` for IPv6.
pub(crate) fn dhcpd(
    namespace: &Namespace,
    files: &ServerFiles,
    family: char,
    configuration: &str,
) -> Result<Server> {
    let configured = files.path("dhcpd.conf");
    fs::write(&configured, configuration)?;
    let leases = files.path("dhcpd.leases");
    File::options().create(true).append(true).open(&leases)?;
    let mut command = Command::new("dhcpd");
    command
        .args([&format!("-{family}"), "-d", "--no-pid", "-cf"])
        .arg(configured)
        .arg("-lf")
        .arg(leases)
        .arg("eth3");
    Server::start(namespace, files, &mut command, "Server starting service")
}

/// How a Kea is to be.
pub(crate) struct Kea {
    pub(crate) family: u8,
    pub(crate) lifetime: u64,
    pub(crate) clean_up_seconds: u32,
}

impl Kea {
    pub(crate) fn start(&self, namespace: &Namespace, files: &ServerFiles) -> Result<Server> {
        let family = self.family;
        let program = format!("kea-dhcp{family}");
        let configured = files.path("kea.conf");
        fs::write(&configured, self.configuration(files, &hook()?).to_string())?;
        let directory = files.path("");
        let mut command = Command::new(&program);
        command
            .arg("-c")
            .arg(configured)
            .env("KEA_LOCKFILE_DIR", &directory)
            .env("KEA_PIDFILE_DIR", &directory);
        Server::start(
            namespace,
            files,
            &mut command,
            &format!("DHCP{family}_STARTED"),
        )
    }

    fn configuration(&self, files: &ServerFiles, hook: &Path) -> Value {
        let family = self.family;
        let interface = if family == 4 {
            "eth3/172.29.101.245"
        } else {
            "eth3"
        };
        let subnets = if family == 4 {
            json!([{ "id": 1, "subnet": "172.29.101.0/24",
                     "pools": [{ "pool": "172.29.101.100 - 172.29.101.199" }] }])
        } else {
            json!([{ "id": 1, "subnet": "fd00:29::/64", "interface": "eth3",
                     "pools": [{ "pool": "fd00:29::100 - fd00:29::1ff" }],
                     "pd-pools": [{ "prefix": "fd00:30::", "prefix-len": 48, "delegated-len": 56 }] }])
        };
        let mut server = json!({
            "interfaces-config": { "interfaces": [interface] },
            "lease-database": {
                "type": "memfile", "persist": true, "name": files.path("kea-leases.csv"),
                "lfc-interval": self.clean_up_seconds,
            },
            "control-socket": { "socket-type": "unix", "socket-name": files.path("kea.sock") },
            "hooks-libraries": [{ "library": hook }],
            "valid-lifetime": self.lifetime,
            "expired-leases-processing": {
                "reclaim-timer-wait-time": 1, "hold-reclaimed-time": 3600,
                "flush-reclaimed-timer-wait-time": 0,
            },
            "multi-threading": { "enable-multi-threading": false },
            "loggers": [{
                "name": format!("kea-dhcp{family}"), "severity": "INFO",
                "output_options": [{ "output": "stdout" }],
            }],
        });
        if let Some(server) = server.as_object_mut() {
            server.insert(format!("subnet{family}"), subnets);
            if family == 6 {
                server.insert("preferred-lifetime".to_owned(), self.lifetime.into());
                server.insert(
                    "server-id".to_owned(),
                    json!({ "type": "LL", "persist": false }),
                );
            }
        }
        json!({ format!("Dhcp{family}"): server })
    }
}

/// IPv4 only.
pub(crate) fn udhcpd(namespace: &Namespace, files: &ServerFiles, lifetime: u64) -> Result<Server> {
    let configured = files.path("udhcpd.conf");
    let leases = files.path("udhcpd.leases");
    File::options().create(true).append(true).open(&leases)?;
    fs::write(
        &configured,
        format!(
            "start 172.29.101.100\nend 172.29.101.199\ninterface eth3\nlease_file {}\npidfile {}\n\
             min_lease 1\noption subnet 255.255.255.0\noption lease {lifetime}\n",
            leases.display(),
            files.path("udhcpd.pid").display()
        ),
    )?;
    let mut command = Command::new("udhcpd");
    // In the foreground, with a short probe before each OFFER.
    command.args(["-f", "-a", "1"]).arg(configured);
    Server::start(namespace, files, &mut command, "started, v")
}

fn hook() -> Result<PathBuf> {
    let mut places = fs::read_dir("/usr/lib")?
        .filter_map(Result::ok)
        .map(|entry| entry.path().join("kea/hooks/libdhcp_lease_cmds.so"));
    places
        .find(|path| path.exists())
        .context("no libdhcp_lease_cmds.so: run `cargo xtask test`, it installs what labs need")
}
