//! Running other programs: every failure names the program, what it was for and how
//! it ended.

use anyhow::{Context as _, Result, bail};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Runs a program whose output the user sees; `purpose` is for the message.
pub(crate) fn run(command: &mut Command, purpose: &str) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("{purpose}: cannot start {}", name(command)))?;
    if !status.success() {
        bail!("{purpose} failed: {} ended with {status}", name(command));
    }
    Ok(())
}

/// Runs a program and returns what it printed; its error text becomes the message.
pub(crate) fn capture(command: &mut Command, purpose: &str) -> Result<String> {
    let output = output(command, purpose)?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        bail!(
            "{purpose} failed: {} ended with {}: {}",
            name(command),
            output.status,
            text.trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a program to its end, however that is, and returns all of its output.
pub(crate) fn output(command: &mut Command, purpose: &str) -> Result<Output> {
    command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{purpose}: cannot start {}", name(command)))
}

/// The first file called `program` in the folders of `PATH` and the two folders of
/// system programs, which an ordinary user's `PATH` lacks.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let inherited = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&inherited)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}

/// Whether this process may do everything.
pub(crate) fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// Capabilities that labs need and this process lacks, by name: a container's root
/// often has less than everything.
pub(crate) fn lacking_capabilities() -> Vec<&'static str> {
    const NEEDED: [(&str, u32); 3] = [
        ("CAP_NET_ADMIN", 12),
        ("CAP_NET_RAW", 13),
        ("CAP_SYS_ADMIN", 21),
    ];
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0);
    NEEDED
        .into_iter()
        .filter(|(_, bit)| effective & (1 << bit) == 0)
        .map(|(name, _)| name)
        .collect()
}

fn name(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let mut text = program
        .file_name()
        .unwrap_or(program.as_os_str())
        .to_string_lossy()
        .into_owned();
    for argument in command.get_args().take(4) {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    format!("`{text}`")
}
