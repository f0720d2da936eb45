//! What can't be done is refused in one line that says what to do, with the documented
//! exit code; whatever could be read before is kept.

use anyhow::{Context, Result, ensure};
use leasehound_tests::agent::{Agent, parse, program, verdicts};
use leasehound_tests::capture::pcap_of;
use leasehound_tests::frame::{Checksum, Frame};
use leasehound_tests::message::{Mac, Message, kind, option};
use leasehound_tests::netns::Namespace;
use leasehound_tests::router::{ROUTER_MAC, SECONDARY, connect};
use leasehound_tests::wait::{PATIENCE, wait_for};
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

const FAILED: i32 = 1;
const USAGE: i32 = 2;

#[test]
fn a_pcap_that_is_cut_off() -> Result<()> {
    cut_off(&pcap_of(&releases(3)))
}

#[test]
fn a_pcapng_that_is_cut_off() -> Result<()> {
    cut_off(&pcapng(&releases(3)))
}

/// Whole, it has three RELEASEs; without its last 20 bytes, two and a complaint.
fn cut_off(whole: &[u8]) -> Result<()> {
    let files = Files::new()?;
    let file = files.write("whole", whole)?;
    let output = leasehound(&["replay", &file, "--format", "json"])?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    ensure!(given(&output)? == 3, "{} verdicts", given(&output)?);
    let cut = whole.get(..whole.len() - 20).context("short capture")?;
    let file = files.write("cut", cut)?;
    let output = leasehound(&["replay", &file, "--format", "json"])?;
    refused(&output, FAILED, &["cut", "cut off at byte", "2 packets"])?;
    ensure!(given(&output)? == 2, "{} verdicts", given(&output)?);
    Ok(())
}

#[test]
fn files_that_are_no_capture() -> Result<()> {
    let files = Files::new()?;
    let text = files.write("text", b"no capture, but text of some length\n")?;
    let gzip = files.write("gzip", &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0])?;
    let empty = files.write("empty", b"")?;
    let missing = files.path("missing")?;
    let folder = files.path("")?;
    let replay = |file: &str| leasehound(&["replay", file]);
    refused(&replay(&text)?, FAILED, &[&text, "neither pcap nor pcapng"])?;
    refused(&replay(&gzip)?, FAILED, &["gzip", "zcat"])?;
    refused(&replay(&empty)?, FAILED, &["empty"])?;
    refused(&replay(&missing)?, FAILED, &[&missing, "No such file"])?;
    refused(&replay(&folder)?, FAILED, &["Is a directory"])
}

#[test]
fn lease_databases_that_cannot_be_used() -> Result<()> {
    let files = Files::new()?;
    let capture = files.write("capture", &pcap_of(&releases(1)))?;
    let missing = files.path("missing")?;
    let damaged = files.write("damaged", b"root:x:0:0:root:/root:/bin/sh\n")?;
    let torn = files.write("torn", b"1795000000 02:02:00:d4:01:01 172.29")?;
    let with = |database: &str| leasehound(&["replay", &capture, "--lease-db", database]);
    refused(
        &with("windows:/leases")?,
        USAGE,
        &["windows", "known are dnsmasq"],
    )?;
    refused(&with("/leases")?, USAGE, &["KIND:PATH"])?;
    let database = |path: &str| format!("dnsmasq:{path}");
    refused(&with(&database(&missing))?, FAILED, &[&missing])?;
    // Taken for an empty lease file, it would make each RELEASE look honoured.
    let output = with(&database(&damaged))?;
    refused(&output, FAILED, &[&damaged, "line 1"])?;
    ensure!(output.stdout.is_empty(), "verdicts on a wrong lease file");
    refused(&with(&database(&torn))?, FAILED, &[&torn, "cut off"])
}

#[test]
fn flags_and_settings_that_make_no_sense() -> Result<()> {
    let files = Files::new()?;
    let settings = files.write("settings", b"ingress = \"tc\"\n\ninterfacse = []\n")?;
    let missing = files.path("missing")?;
    for (arguments, part) in [
        (&["run", "--config", &settings][..], "line 3: "),
        (&["run", "--config", &missing], &missing),
        (&["run", "--listen", "nowhere"], "nowhere"),
        (&["run", "--ingress", "ebtables"], "xdp-generic"),
        (&["run", "--ring-size", "1"], "--ring-size"),
        (&["run", "--channel-depth", "0"], "--channel-depth"),
        (&["run", "--sample-rate", "many"], "--sample-rate"),
        (&["run", "--interface", "/(/"], "regular expression"),
        (&["run", "--lease-db", "windows:/x"], "windows"),
        (&["run", "--colour"], "--colour"),
        (&["replay"], "<FILE>"),
        (&["replay", &missing, "--format", "xml"], "json"),
        (&["replay", &missing, "--fail-on", "rain"], "unanswered"),
        (
            &["replay", &missing, "--answer-deadline", "0"],
            "0.1 to 60 seconds",
        ),
        (&["interfaces", "-i", "nope0"], "lo"),
        (&["explain", "nonsense"], "server_id_missing"),
        (&["trace"], "trace"),
    ] {
        refused(&leasehound(arguments)?, USAGE, &[part])?;
    }
    Ok(())
}

#[test]
fn an_interface_that_is_not_there() -> Result<()> {
    let host = host()?;
    let output = run(&host, &["-i", "eth9"])?;
    refused(&output, USAGE, &["eth9", "this host has lo", "eth3"])
}

#[test]
fn a_port_that_is_taken() -> Result<()> {
    let host = host()?;
    let mut first = Agent::start(&host, &[])?;
    let output = run(&host, &["-i", "lo", "--listen", "127.0.0.1:10547"])?;
    refused(&output, FAILED, &["127.0.0.1:10547", "in use", "--listen"])?;
    ensure!(first.stop()?.status.success(), "the first was disturbed");
    Ok(())
}

#[test]
fn without_rights() -> Result<()> {
    let host = host()?;
    let files = Files::new()?;
    // Where it was built may be closed to others.
    let copy = files.path("leasehound")?;
    std::fs::copy(program()?, &copy)?;
    files.open_to_all()?;
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
        .args([&copy, "run"]);
    let output = host.enter(|| finish(&mut command))??;
    refused(
        &output,
        FAILED,
        &["CAP_BPF", "CAP_NET_ADMIN", "root", "replay needs none"],
    )
}

#[test]
fn an_interface_without_native_xdp() -> Result<()> {
    let host = host()?;
    let output = run(&host, &["-i", "lo", "--ingress", "xdp"])?;
    refused(&output, FAILED, &["lo: ", "native XDP", "--ingress auto"])
}

#[test]
fn an_interface_with_another_xdp_program() -> Result<()> {
    let host = host()?;
    let mut first = Agent::start(&host, &["-i", "eth3", "--ingress", "xdp"])?;
    for ingress in ["xdp", "xdp-generic"] {
        let elsewhere = "127.0.0.1:10548";
        let arguments = ["-i", "eth3", "--ingress", ingress, "--listen", elsewhere];
        let output = run(&host, &arguments)?;
        refused(&output, FAILED, &["another XDP program", "--ingress auto"])?;
    }
    ensure!(first.stop()?.status.success(), "the first was disturbed");
    Ok(())
}

#[test]
fn files_that_cannot_be_written() -> Result<()> {
    let host = host()?;
    for flag in ["--events", "--record"] {
        let output = run(&host, &["-i", "lo", flag, "/missing/file"])?;
        refused(&output, FAILED, &["/missing/file", "No such file"])?;
    }
    Ok(())
}

/// Events are one way to tell of verdicts among several.
#[test]
fn events_to_a_full_disk() -> Result<()> {
    let host = host()?;
    let agent = Agent::with_events(&host, "/dev/full", &["-i", "eth3"])?;
    let link = leasehound_tests::link::Link::open(&host, "eth4")?;
    for release in releases(1) {
        link.send(&release)?;
    }
    wait_for("a verdict in the metrics", PATIENCE, || {
        let page = agent.metrics()?;
        let judged = page.count("leasehound_releases_undetermined_total", &[]);
        Ok((judged.is_ok_and(|count| count == 1)).then_some(()))
    })?;
    let log = agent.log();
    ensure!(log.contains("No space left"), "not a word of it: {log}");
    agent.signal(nix::sys::signal::Signal::SIGTERM)?;
    wait_for("the hooks to go", PATIENCE, || {
        Ok(leasehound_tests::hooks::attached(&host)?
            .is_empty()
            .then_some(()))
    })
}

/// `leasehound replay … | head -1`
#[test]
fn a_reader_that_goes_away() -> Result<()> {
    let files = Files::new()?;
    // More than a pipe holds.
    let file = files.write("capture", &pcap_of(&releases(2000)))?;
    for format in ["json", "table"] {
        let mut child = Command::new(program()?)
            .args(["replay", &file, "--format", format])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("stdout")?).read_line(&mut line)?;
        let mut complaint = String::new();
        child
            .stderr
            .take()
            .context("stderr")?
            .read_to_string(&mut complaint)?;
        let status = child.wait()?;
        ensure!(!line.is_empty(), "{format}: no line before it went");
        ensure!(
            status.code() == Some(0) && complaint.is_empty(),
            "{format}: {status}: {complaint}"
        );
    }
    Ok(())
}

/// A host with lo and eth3, whose other end is eth4 in the same namespace.
fn host() -> Result<Namespace> {
    let host = Namespace::new("host")?;
    connect(&host, "eth3", ROUTER_MAC, &host, "eth4", Mac::client(9))?;
    Ok(host)
}

fn leasehound(arguments: &[&str]) -> Result<Output> {
    finish(Command::new(program()?).args(arguments))
}

fn run(namespace: &Namespace, arguments: &[&str]) -> Result<Output> {
    let mut command = Command::new(program()?);
    command.arg("run").args(arguments);
    namespace.enter(|| finish(&mut command))?
}

/// Runs to the end, or for as long as anything healthy may take.
fn finish(command: &mut Command) -> Result<Output> {
    let child = command
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut running = leasehound_tests::process::Running::new(child);
    let (stdout, stderr) = (running.child().stdout.take(), running.child().stderr.take());
    let drain = |pipe: Option<Box<dyn std::io::Read + Send>>| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            pipe.map(|mut pipe| pipe.read_to_end(&mut bytes));
            bytes
        })
    };
    let stdout = drain(stdout.map(|pipe| Box::new(pipe) as _));
    let stderr = drain(stderr.map(|pipe| Box::new(pipe) as _));
    let ended = wait_for("leasehound to refuse", PATIENCE, || running.ended());
    drop(running);
    let (stdout, stderr) = (stdout.join().ok(), stderr.join().ok());
    let (stdout, stderr) = (stdout.context("stdout")?, stderr.context("stderr")?);
    let status = ended.with_context(|| String::from_utf8_lossy(&stderr).into_owned())?;
    Ok(Output {
        status,
        stdout,
        stderr,
    })
}

/// One line with all `parts`, and the exit code.
fn refused(output: &Output, code: i32, parts: &[&str]) -> Result<()> {
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.code() == Some(code),
        "{} instead of {code}: {said}",
        output.status
    );
    ensure!(
        said.lines().count() == 1 && said.starts_with("leasehound: "),
        "not one line: {said}"
    );
    for part in parts {
        ensure!(said.contains(part), "no {part:?} in: {said}");
    }
    let (_, last) = said.trim_end().rsplit_once(": ").unwrap_or_default();
    ensure!(
        last.is_empty() || said.matches(last).count() == 1,
        "says it twice: {said}"
    );
    Ok(())
}

fn given(output: &Output) -> Result<usize> {
    let text = String::from_utf8(output.stdout.clone())?;
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    Ok(verdicts(&parse(&lines)?).len())
}

/// RELEASEs of as many clients.
fn releases(count: u16) -> Vec<Vec<u8>> {
    let release = |number: u16| {
        let [high, low] = number.to_be_bytes();
        let client = Mac([2, 2, 0, 0xd4, high, low]);
        let mut message = Message::request(kind::RELEASE, number.into(), client);
        message.ciaddr = Ipv4Addr::new(172, 29, high, low);
        message.set(option::SERVER_ID, &SECONDARY.octets());
        Frame {
            to: ROUTER_MAC,
            from: client,
            source: message.ciaddr,
            destination: SECONDARY,
            source_port: 68,
            destination_port: 67,
            checksum: Checksum::Right,
            message,
        }
    };
    (1..=count).map(|number| release(number).encode()).collect()
}

/// A section, an Ethernet interface and an enhanced packet block for each packet.
fn pcapng(packets: &[Vec<u8>]) -> Vec<u8> {
    let anything = u32::MAX;
    let mut file = block(0x0a0d_0d0a, &words(&[0x1a2b_3c4d, 1, anything, anything]));
    file.extend(block(1, &words(&[1, 65_535])));
    for (tick, packet) in (1_u32..).zip(packets) {
        let mut body = words(&[0, 0x0006_0000, tick, length(packet), length(packet)]);
        body.extend(packet);
        body.resize(body.len().next_multiple_of(4), 0);
        file.extend(block(6, &body));
    }
    file
}

fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let total = length(body) + 12;
    [&words(&[kind, total])[..], body, &words(&[total])].concat()
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

struct Files(TempDir);

impl Files {
    fn new() -> Result<Self> {
        let files = tempfile::Builder::new()
            .prefix("leasehound-lab-")
            .tempdir()?;
        Ok(Self(files))
    }

    fn path(&self, name: &str) -> Result<String> {
        let path = self.0.path().join(name);
        Ok(path.to_str().context("path")?.to_owned())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<String> {
        let path = self.path(name)?;
        std::fs::write(&path, bytes)?;
        Ok(path)
    }

    fn open_to_all(&self) -> Result<()> {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::Permissions::from_mode(0o755);
        let folder: &Path = self.0.path();
        std::fs::set_permissions(folder, mode)?;
        Ok(())
    }
}
