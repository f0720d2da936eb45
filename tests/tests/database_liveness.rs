//! Lease databases that are not what their server goes by, or can't be read: a RELEASE that
//! the server honours, and a verdict that does not claim to know. Where the server's own
//! file can still be read, the verdict is right, and what is wrong is reported.

use anyhow::{Context, Result, ensure};
use leasehound_tests::agent::{Agent, text};
use leasehound_tests::client::{Client, Lease};
use leasehound_tests::dnsmasq::{Dnsmasq, LISTEN_ON_SECONDARY, POOL, ServerFiles};
use leasehound_tests::kea::Kea;
use leasehound_tests::matrix::{BYSTANDER, CLIENT, Expected, LATECOMER, agrees, only};
use leasehound_tests::message::{Mac, option};
use leasehound_tests::router::{PRIMARY, Router, SECONDARY};
use leasehound_tests::udhcpd::Udhcpd;
use leasehound_tests::wait::{Deadline, PATIENCE, wait_for};
use serde_json::Value;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const NOT_LIVE: &str = "database_not_live";
const UNREAD: &str = "lease_database";
/// Another client than any that takes a lease here.
const STRANGER: Mac = Mac::client(77);

/// A network, a dnsmasq and its files. The server goes first: it prints its log.
struct Site {
    server: Dnsmasq,
    network: Router,
    files: ServerFiles,
}

impl Site {
    fn new(arguments: &[&str]) -> Result<Self> {
        let network = Router::new()?;
        let files = ServerFiles::new()?;
        let arguments = [&[LISTEN_ON_SECONDARY, POOL], arguments].concat();
        let server = Dnsmasq::start(&network.router, &files, &arguments)?;
        Ok(Self {
            server,
            network,
            files,
        })
    }

    fn agent(&self, arguments: &[&str]) -> Result<Agent<'_>> {
        let agent = Agent::start(&self.network.router, arguments)?;
        agent.knows(self.server.id())?;
        Ok(agent)
    }

    fn lease(&self) -> Result<(Client, Lease)> {
        let client = Client::new(&self.network, CLIENT, None)?;
        let lease = client.obtain()?;
        Ok((client, lease))
    }

    /// A lease file that is not this server's.
    fn other_file(&self, content: &str) -> Result<String> {
        let path = self.files.path("other.leases");
        fs::write(&path, content)?;
        path.to_str().map(str::to_owned).context("path")
    }

    /// Puts another file in the place of the server's; gives what it was.
    fn replace(&self) -> Result<String> {
        let text = fs::read_to_string(self.files.lease_file())?;
        let new = self.files.path("new");
        fs::write(&new, &text)?;
        fs::rename(new, self.files.lease_file())?;
        Ok(text)
    }

    /// Sends a RELEASE that dnsmasq honours, and sees to it that it did.
    fn release(&self, client: &Client, lease: Lease) -> Result<()> {
        client.send(&client.release(lease))?;
        // Whose exchange ends after the server has read it.
        Client::new(&self.network, LATECOMER, None)?.obtain()?;
        let line = format!("DHCPRELEASE(eth3) {} {CLIENT}", lease.address);
        let log = self.server.log();
        let read = log.lines().find(|read| read.contains(&line));
        let read = read.with_context(|| format!("dnsmasq has not read it: {log}"))?;
        ensure!(!read.contains("unknown lease"), "not honoured: {read}");
        Ok(())
    }
}

/// The one verdict, which must be that nothing can be said for want of `missing`.
fn undetermined(agent: &mut Agent<'_>, missing: &str) -> Result<Value> {
    let verdict = agent.verdicts(1)?.into_iter().next().context("verdict")?;
    let said = (text(&verdict, "verdict"), text(&verdict, "missing"));
    ensure!(said == ("undetermined", missing), "{said:?}: {verdict}");
    only(&agent.stop()?, 1)?;
    Ok(verdict)
}

/// The one verdict, which must be right.
fn honoured(agent: &mut Agent<'_>) -> Result<()> {
    let verdict = agent.verdicts(1)?.into_iter().next().context("verdict")?;
    agrees(&verdict, Expected::Honoured)?;
    only(&agent.stop()?, 1)
}

/// What is wrong is said in one line where people look.
fn reported(agent: &Agent<'_>, says: &str) -> Result<()> {
    wait_for(&format!("{says:?} in /readyz"), PATIENCE, || {
        let body = agent.get("/readyz")?.body;
        let lines = body.lines().filter(|line| line.contains(says)).count();
        Ok((lines == 1).then_some(()))
    })?;
    let page = agent.get("/")?.body;
    ensure!(page.contains("Lease databases"), "not on the page: {page}");
    wait_for("the log to say so", PATIENCE, || {
        Ok(agent.log().contains(says).then_some(()))
    })
}

fn is_up(agent: &Agent<'_>, kind: &str) -> Result<bool> {
    let kind = format!("kind=\"{kind}\"");
    Ok(agent
        .metrics()?
        .count("leasehound_lease_database_up", &[&kind])?
        == 1)
}

/// A finding is made of it.
fn found(agent: &Agent<'_>) -> Result<()> {
    let finding = agent.findings(NOT_LIVE)?;
    let first = finding.first().context("finding")?;
    ensure!(text(first, "state") == "opened", "{first}");
    Ok(())
}

/// The words of a verdict's evidence.
fn evidence(verdict: &Value) -> String {
    verdict
        .get("evidence")
        .map(Value::to_string)
        .unwrap_or_default()
}

#[test]
fn a_read_only_lease_file() -> Result<()> {
    let site = Site::new(&["--leasefile-ro"])?;
    let mut agent = site.agent(&[])?;
    reported(&agent, "leasefile-ro")?;
    found(&agent)?;
    ensure!(!is_up(&agent, "dnsmasq")?, "it is up");
    let (client, lease) = site.lease()?;
    site.release(&client, lease)?;
    let verdict = undetermined(&mut agent, NOT_LIVE)?;
    ensure!(evidence(&verdict).contains("leasefile-ro"), "{verdict}");
    Ok(())
}

#[test]
fn a_read_only_lease_file_by_an_included_file() -> Result<()> {
    let directory = tempfile::tempdir()?;
    fs::write(directory.path().join("ro.conf"), "leasefile-ro\n")?;
    let included = format!("--conf-dir={},*.conf", directory.path().display());
    let site = Site::new(&[&included])?;
    let mut agent = site.agent(&[])?;
    let (client, lease) = site.lease()?;
    site.release(&client, lease)?;
    undetermined(&mut agent, NOT_LIVE).map(drop)
}

#[test]
fn what_the_packet_proves_is_said_all_the_same() -> Result<()> {
    let site = Site::new(&["--leasefile-ro"])?;
    let mut agent = site.agent(&[])?;
    let (client, lease) = site.lease()?;
    let mut frame = client.release(lease);
    frame.message.set(option::SERVER_ID, &PRIMARY.octets());
    client.send(&frame)?;
    let verdict = agent.verdicts(1)?.into_iter().next().context("verdict")?;
    agrees(&verdict, Expected::Ignored("server_id_other_local_address"))?;
    ensure!(text(&verdict, "certainty") == "inferred", "{verdict}");
    only(&agent.stop()?, 1)
}

#[test]
fn a_deleted_file_is_read_through_its_descriptor_and_reported() -> Result<()> {
    let site = Site::new(&[])?;
    let mut agent = site.agent(&[])?;
    let (client, lease) = site.lease()?;
    fs::remove_file(site.files.lease_file())?;
    reported(&agent, "somebody deleted")?;
    found(&agent)?;
    ensure!(
        is_up(&agent, "dnsmasq")?,
        "what the server has open can be read"
    );
    site.release(&client, lease)?;
    honoured(&mut agent)
}

#[test]
fn a_deleted_file_that_was_named() -> Result<()> {
    let site = Site::new(&[])?;
    let own = format!("dnsmasq:{}", site.files.lease_file().display());
    let mut agent = site.agent(&["--lease-db", &own])?;
    let (client, lease) = site.lease()?;
    fs::remove_file(site.files.lease_file())?;
    reported(&agent, "somebody deleted or renamed it")?;
    ensure!(!is_up(&agent, "dnsmasq")?, "it is up");
    site.release(&client, lease)?;
    undetermined(&mut agent, NOT_LIVE).map(drop)
}

#[test]
fn a_replaced_file_is_read_through_its_descriptor_and_reported() -> Result<()> {
    let site = Site::new(&[])?;
    let mut agent = site.agent(&[])?;
    let (client, lease) = site.lease()?;
    let forged = site.replace()?;
    reported(&agent, "another file was put in the place of")?;
    found(&agent)?;
    site.release(&client, lease)?;
    // The path still shows the lease, and that is not so.
    let shown = fs::read_to_string(site.files.lease_file())?;
    ensure!(shown == forged, "dnsmasq writes by name now");
    honoured(&mut agent)
}

#[test]
fn a_replaced_file_that_was_named() -> Result<()> {
    let site = Site::new(&[])?;
    let own = format!("dnsmasq:{}", site.files.lease_file().display());
    let mut agent = site.agent(&["--lease-db", &own])?;
    ensure!(is_up(&agent, "dnsmasq")?, "the server's own file is down");
    let (client, lease) = site.lease()?;
    site.replace()?;
    reported(
        &agent,
        "no dnsmasq of this network namespace writes this file",
    )?;
    found(&agent)?;
    site.release(&client, lease)?;
    undetermined(&mut agent, NOT_LIVE).map(drop)
}

#[test]
fn the_servers_own_file_that_was_named() -> Result<()> {
    let site = Site::new(&[])?;
    let own = format!("dnsmasq:{}", site.files.lease_file().display());
    let mut agent = site.agent(&["--lease-db", &own])?;
    let (client, lease) = site.lease()?;
    site.release(&client, lease)?;
    honoured(&mut agent)
}

#[test]
fn a_file_that_may_not_be_read() -> Result<()> {
    let site = Site::new(&[])?;
    // root needs a capability for a file that is another user's.
    chown(site.files.lease_file(), Some(65_534), Some(65_534))?;
    fs::set_permissions(site.files.lease_file(), fs::Permissions::from_mode(0o600))?;
    let rights = ["dac_override", "dac_read_search"];
    let mut agent = Agent::start_without(&site.network.router, &rights, &[])?;
    agent.knows(site.server.id())?;
    reported(&agent, "it may not be read")?;
    ensure!(!is_up(&agent, "dnsmasq")?, "it is up");
    let (client, lease) = site.lease()?;
    site.release(&client, lease)?;
    let verdict = undetermined(&mut agent, UNREAD)?;
    ensure!(
        evidence(&verdict).contains("CAP_DAC_READ_SEARCH"),
        "{verdict}"
    );
    Ok(())
}

#[test]
fn a_file_of_another_host() -> Result<()> {
    let site = Site::new(&[])?;
    let (client, lease) = site.lease()?;
    // An old copy of the server's own: the very lease is in it, and stays in it.
    let copy = fs::read_to_string(site.files.lease_file())?;
    ensure!(copy.contains(&lease.address.to_string()), "{copy}");
    let other = format!("dnsmasq:{}", site.other_file(&copy)?);
    let mut agent = site.agent(&["--lease-db", &other])?;
    reported(&agent, "it is another server's or an old one")?;
    found(&agent)?;
    site.release(&client, lease)?;
    undetermined(&mut agent, NOT_LIVE).map(drop)
}

#[test]
fn a_file_of_another_host_where_the_server_cannot_be_seen() -> Result<()> {
    let site = Site::new(&[])?;
    let other = site.other_file("")?;
    let named = format!("dnsmasq:{other}");
    let rights = ["sys_ptrace"];
    let router = &site.network.router;
    let mut agent = Agent::start_without(router, &rights, &["--lease-db", &named])?;
    ensure!(
        is_up(&agent, "dnsmasq")?,
        "the file can't be read: {}",
        agent.log()
    );
    let (client, lease) = site.lease()?;
    // The other host leases the same address to somebody else.
    let line = format!("1999999999 {STRANGER} {} * *\n", lease.address);
    fs::write(&other, line)?;
    wait_for("the agent to read it after the ACK", PATIENCE, || {
        let entries = agent.metrics()?;
        let all = entries.count("leasehound_lease_database_entries", &["kind=\"dnsmasq\""])?;
        Ok((all == 1).then_some(()))
    })?;
    // So long an ACK may not have been written yet.
    let written = Deadline::after(Duration::from_millis(2200));
    wait_for("the ACK to be old", PATIENCE, || {
        Ok(written.passed().then_some(()))
    })?;
    site.release(&client, lease)?;
    let verdict = undetermined(&mut agent, NOT_LIVE)?;
    ensure!(evidence(&verdict).contains("another client"), "{verdict}");
    Ok(())
}

#[test]
fn udhcpd_writes_every_two_hours() -> Result<()> {
    let network = Router::new()?;
    let files = ServerFiles::new()?;
    let server = Udhcpd::start(&network.router, &files, "eth3", SECONDARY)?;
    let mut agent = Agent::start(&network.router, &[])?;
    agent.knows(server.id())?;
    reported(&agent, "every 7200 s only")?;
    found(&agent)?;
    ensure!(!is_up(&agent, "udhcpd")?, "it is up");
    let client = Client::new(&network, CLIENT, None)?;
    let lease = client.obtain()?;
    client.send(&client.release(lease))?;
    Client::new(&network, BYSTANDER, None)?.obtain()?;
    let verdict = undetermined(&mut agent, NOT_LIVE)?;
    ensure!(
        evidence(&verdict).contains("keeps its leases in memory"),
        "{verdict}"
    );
    Ok(())
}

/// Not in a file, but told when asked.
#[test]
fn kea_tells_on_its_control_socket() -> Result<()> {
    let network = Router::new()?;
    let files = ServerFiles::new()?;
    let server = Kea::start_in_memory(&network.router, &files, &["eth3/172.29.101.1"])?;
    let mut agent = Agent::start(&network.router, &[])?;
    agent.knows(server.id())?;
    let client = Client::new(&network, CLIENT, None)?;
    let lease = client.obtain()?;
    let bystander = Client::new(&network, BYSTANDER, None)?;
    let kept = bystander.obtain()?;
    wait_for("both leases to be known", PATIENCE, || {
        let page = agent.metrics()?;
        let all = page.count("leasehound_lease_database_entries", &["kind=\"kea\""]);
        Ok((all.ok() == Some(2)).then_some(()))
    })?;
    client.send(&client.release(lease))?;
    let mut foreign = bystander.release(kept);
    foreign.message.set(option::SERVER_ID, &[192, 0, 2, 9]);
    bystander.send(&foreign)?;
    Client::new(&network, LATECOMER, None)?.obtain()?;
    ensure!(
        !Kea::holds_in_memory(&files, CLIENT, lease.address)?,
        "not honoured"
    );
    ensure!(
        Kea::holds_in_memory(&files, BYSTANDER, kept.address)?,
        "honoured"
    );
    let verdicts = agent.verdicts(2)?;
    let of = |address: &str| {
        let found = verdicts
            .iter()
            .find(|verdict| text(verdict, "address") == address);
        found.with_context(|| format!("no verdict on {address}"))
    };
    agrees(of(&lease.address.to_string())?, Expected::Honoured)?;
    agrees(
        of(&kept.address.to_string())?,
        Expected::Ignored("server_id_foreign"),
    )?;
    ensure!(
        Path::new(&files.path("kea4.socket")).exists(),
        "its socket is gone"
    );
    only(&agent.stop()?, 2)
}

/// A small file system on the directory of a server's files.
struct Small(PathBuf);

impl Small {
    fn on(directory: PathBuf) -> Result<Self> {
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", "size=128k", "tmpfs"]);
        let mounted = command.arg(&directory).status()?;
        ensure!(mounted.success(), "mount: {mounted}");
        Ok(Self(directory))
    }

    /// Takes whatever room there is while `work` goes on.
    fn fill_during(&self, work: impl FnOnce() -> Result<()>) -> Result<()> {
        let mut file = File::create(self.0.join("filler"))?;
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    // Fails most of the time.
                    drop(file.write(&[0; 4096]));
                }
            });
            let worked = work();
            done.store(true, Ordering::Relaxed);
            worked
        })
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(&self.0).status();
        if !unmounted.is_ok_and(|status| status.success()) {
            eprintln!("{} is still mounted", self.0.display());
        }
    }
}

/// dnsmasq empties its file, has no room to write it anew, and sleeps for a minute.
#[test]
fn a_full_disk_takes_no_lease_away() -> Result<()> {
    let network = Router::new()?;
    let files = ServerFiles::new()?;
    let disk = Small::on(files.path(""))?;
    let server = Dnsmasq::start(&network.router, &files, &[LISTEN_ON_SECONDARY, POOL])?;
    let mut agent = Agent::start(&network.router, &[])?;
    agent.knows(server.id())?;
    let client = Client::new(&network, CLIENT, None)?;
    client.obtain()?;
    Client::new(&network, BYSTANDER, None)?.obtain()?;
    let entries = || {
        let page = agent.metrics()?;
        page.count("leasehound_lease_database_entries", &["kind=\"dnsmasq\""])
    };
    wait_for("both leases to be known", PATIENCE, || {
        Ok((entries()? == 2).then_some(()))
    })?;
    disk.fill_during(|| {
        wait_for("the lease file to be empty", PATIENCE, || {
            client.obtain()?;
            let empty = fs::metadata(files.lease_file())?.len() == 0;
            Ok(empty.then_some(()))
        })
    })?;
    reported(&agent, "cut short")?;
    ensure!(!is_up(&agent, "dnsmasq")?, "it is up");
    // With room, and something to write, all of it is there again.
    fs::remove_file(files.path("filler"))?;
    Client::new(&network, STRANGER, None)?.obtain()?;
    wait_for("all leases to be known", PATIENCE, || {
        Ok((is_up(&agent, "dnsmasq")? && entries()? == 3).then_some(()))
    })?;
    only(&agent.stop()?, 0)
}
