//! What passes an interface, as tcpdump sees it.

use crate::netns::Namespace;
use crate::process::Running;
use crate::wait::{PATIENCE, wait_for};
use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::Signal;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// A running tcpdump that writes to a file.
#[derive(Debug)]
pub struct Capture {
    tcpdump: Running,
    files: TempDir,
}

impl Capture {
    /// Captures on `interface` (`any` is allowed), with further flags of tcpdump, such
    /// as `-Q in`; returns when it listens.
    pub fn start(namespace: &Namespace, interface: &str, flags: &[&str]) -> Result<Self> {
        let files = tempfile::Builder::new()
            .prefix("leasehound-lab-")
            .tempdir()?;
        let mut command = Command::new("tcpdump");
        command
            .args([
                "-i",
                interface,
                "-n",
                "-U",
                "--immediate-mode",
                "-B",
                "16384",
                "-Z",
                "root",
            ])
            .args(flags)
            .arg("-w")
            .arg(files.path().join("capture"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(files.path().join("stderr"))?);
        let tcpdump = namespace.spawn(&mut command)?;
        let mut capture = Self { tcpdump, files };
        wait_for("tcpdump to listen", PATIENCE, || capture.listening())?;
        Ok(capture)
    }

    /// The file, whole up to the last packet written.
    pub fn file(&self) -> PathBuf {
        self.files.path().join("capture")
    }

    /// Waits for a packet that `is_last` knows, ends tcpdump and returns the packets
    /// before that one. tcpdump must have lost none.
    pub fn up_to(&mut self, is_last: impl Fn(&[u8]) -> bool) -> Result<Vec<Vec<u8>>> {
        let mut packets = wait_for("the last packet in the capture", PATIENCE, || {
            let packets = read(&self.file())?;
            Ok(packets
                .iter()
                .any(|packet| is_last(packet))
                .then_some(packets))
        })?;
        let last = packets
            .iter()
            .position(|packet| is_last(packet))
            .unwrap_or(packets.len());
        packets.truncate(last);
        self.tcpdump.signal(Signal::SIGTERM)?;
        self.tcpdump.wait()?;
        let said = self.stderr();
        ensure!(
            said.contains("\n0 packets dropped by kernel"),
            "tcpdump lost some: {said}"
        );
        Ok(packets)
    }

    fn listening(&mut self) -> Result<Option<()>> {
        if let Some(status) = self.tcpdump.ended()? {
            bail!("tcpdump ended with {status}: {}", self.stderr());
        }
        Ok(self.stderr().contains("listening on").then_some(()))
    }

    fn stderr(&self) -> String {
        std::fs::read_to_string(self.files.path().join("stderr")).unwrap_or_default()
    }
}

/// The packets in a capture of this machine's byte order; a packet that is still being
/// written is left out.
pub fn read(file: &Path) -> Result<Vec<Vec<u8>>> {
    const HEADER: usize = 24;
    const RECORD: usize = 16;
    let bytes = std::fs::read(file).context("capture file")?;
    let mut rest = bytes.get(HEADER..).unwrap_or_default();
    let mut packets = Vec::new();
    while let Some((record, tail)) = rest.split_at_checked(RECORD) {
        let length: [u8; 4] = record.get(8..12).context("record header")?.try_into()?;
        let length = usize::try_from(u32::from_ne_bytes(length))?;
        let Some((packet, tail)) = tail.split_at_checked(length) else {
            break;
        };
        packets.push(packet.to_vec());
        rest = tail;
    }
    Ok(packets)
}

/// A capture of Ethernet frames, one a second.
pub fn pcap_of(frames: &[Vec<u8>]) -> Vec<u8> {
    let words =
        |words: &[u32]| -> Vec<u8> { words.iter().flat_map(|word| word.to_le_bytes()).collect() };
    let mut file = words(&[0xa1b2_c3d4, 0x0004_0002, 0, 0, 65_535, 1]);
    for (second, frame) in (1_795_000_000_u32..).zip(frames) {
        let length = u32::try_from(frame.len()).unwrap_or(u32::MAX);
        file.extend(words(&[second, 0, length, length]));
        file.extend(frame);
    }
    file
}
