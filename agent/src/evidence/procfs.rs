//! What `/proc` says of processes, their sockets and open files (proc(5)).
//!
//! Every read may find the process gone: callers treat `NotFound` as that.

use leasehound_core::time::Timestamp;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// `USER_HZ`: ticks a second in `/proc/PID/stat`; 100 on every architecture that
/// this program runs on.
const TICKS_PER_SECOND: u64 = 100;

/// A file by device and inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FileId {
    pub(super) device: u64,
    pub(super) inode: u64,
}

impl FileId {
    pub(super) fn of(metadata: &fs::Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }

    /// Whether a path, or a magic link, leads to it.
    pub(super) fn is_at(self, path: &Path) -> bool {
        Self::at(path).is_ok_and(|file| file == self)
    }

    /// Of what a path, or a magic link, leads to.
    pub(super) fn at(path: &Path) -> io::Result<Self> {
        fs::metadata(path).map(|metadata| Self::of(&metadata))
    }
}

/// Fields of `/proc/PID/stat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    /// Field 4.
    pub(crate) parent: u32,
    /// Field 22, in ticks since the machine started.
    pub(crate) start_ticks: u64,
}

/// Whether a process sleeps, and how often it was switched away from a processor.
/// Asleep twice with equal counts: it did not run in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rest {
    /// State `S`: it waits, and for no disk.
    pub(super) asleep: bool,
    /// Voluntary and other context switches, added up.
    pub(super) switches: u64,
}

/// One of `/proc/PID/fd`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OpenFile {
    pub(super) fd: u32,
    /// What the magic link reads as: a path, or `socket:[4711]`.
    pub(super) target: PathBuf,
}

/// `/proc/PID/NAME`
pub(crate) fn path(pid: u32, name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/{name}"))
}

/// The magic link of an open file.
pub(crate) fn fd_path(pid: u32, fd: u32) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/fd/{fd}"))
}

/// When a file was last written to, by the clock that gives all times; `None` before 1970.
pub(super) fn modified(metadata: &fs::Metadata) -> Option<Timestamp> {
    let seconds = u64::try_from(metadata.mtime()).ok()?;
    let nanos = u64::try_from(metadata.mtime_nsec()).ok()?;
    Some(Timestamp::from_secs(seconds).saturating_add(Duration::from_nanos(nanos)))
}

/// The ids of all processes that this one may see.
pub(crate) fn pids() -> io::Result<Vec<u32>> {
    Ok(fs::read_dir("/proc")?
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect())
}

pub(crate) fn stat(pid: u32) -> io::Result<Stat> {
    let text = fs::read_to_string(path(pid, "stat"))?;
    parse_stat(&text).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
}

pub(super) fn rest(pid: u32) -> io::Result<Rest> {
    let text = fs::read_to_string(path(pid, "status"))?;
    parse_rest(&text).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
}

/// The command line, lossily as text.
pub(super) fn arguments(pid: u32) -> io::Result<Vec<String>> {
    let raw = fs::read(path(pid, "cmdline"))?;
    Ok(raw
        .split(|octet| *octet == 0)
        .map(|argument| String::from_utf8_lossy(argument).into_owned())
        .collect())
}

/// Inodes of the UDP sockets bound to `port` in the namespace that `table`
/// (`/proc/…/net/udp`) belongs to.
pub(super) fn udp_sockets(table: &Path, port: u16) -> io::Result<BTreeSet<u64>> {
    Ok(parse_udp(&fs::read_to_string(table)?, port))
}

/// Inodes of the AF_PACKET sockets of the namespace that `table` (`/proc/…/net/packet`)
/// belongs to.
pub(super) fn packet_sockets(table: &Path) -> io::Result<BTreeSet<u64>> {
    Ok(parse_packet(&fs::read_to_string(table)?))
}

/// All open files whose links can be read.
pub(super) fn open_files(pid: u32) -> io::Result<Vec<OpenFile>> {
    Ok(fs::read_dir(path(pid, "fd"))?
        .flatten()
        .filter_map(|entry| {
            Some(OpenFile {
                fd: entry.file_name().to_str()?.parse().ok()?,
                target: fs::read_link(entry.path()).ok()?,
            })
        })
        .collect())
}

/// The flags an open file was opened with, as in open(2).
pub(super) fn open_flags(pid: u32, fd: u32) -> io::Result<u32> {
    let text = fs::read_to_string(path(pid, &format!("fdinfo/{fd}")))?;
    text.lines()
        .find_map(|line| line.strip_prefix("flags:"))
        .and_then(|octal| u32::from_str_radix(octal.trim(), 8).ok())
        .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
}

/// When a process started, to about 20 ms: `btime` has whole seconds only, so the
/// machine's start is counted back from `now` by `/proc/uptime`.
pub(crate) fn started(start_ticks: u64, now: Timestamp) -> io::Result<Timestamp> {
    let text = fs::read_to_string("/proc/uptime")?;
    let uptime = parse_uptime(&text).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
    let after_boot = Duration::from_millis(start_ticks.saturating_mul(1000 / TICKS_PER_SECOND));
    Ok(now.saturating_sub(uptime).saturating_add(after_boot))
}

fn parse_stat(text: &str) -> Option<Stat> {
    // The program's name is in parentheses and may hold spaces and parentheses.
    let (_, fields) = text.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(1);
    Some(Stat {
        parent: fields.next()?.parse().ok()?,
        start_ticks: fields.nth(17)?.parse().ok()?,
    })
}

fn parse_rest(text: &str) -> Option<Rest> {
    let mut asleep = None;
    let mut switches = None;
    for line in text.lines() {
        let Some((key, value)) = line.split_once(':') else {
            continue;
        };
        match key {
            "State" => asleep = Some(value.trim_start().starts_with('S')),
            "voluntary_ctxt_switches" | "nonvoluntary_ctxt_switches" => {
                let count: u64 = value.trim().parse().ok()?;
                switches = Some(count.wrapping_add(switches.unwrap_or(0)));
            }
            _ => {}
        }
    }
    Some(Rest {
        asleep: asleep?,
        switches: switches?,
    })
}

fn parse_udp(table: &str, port: u16) -> BTreeSet<u64> {
    let wanted = format!("{port:04X}");
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let mut fields = line.split_ascii_whitespace();
            let (_, local_port) = fields.nth(1)?.rsplit_once(':')?;
            (local_port == wanted).then(|| fields.nth(7)?.parse().ok())?
        })
        .collect()
}

fn parse_packet(table: &str) -> BTreeSet<u64> {
    let inode = |line: &str| line.split_ascii_whitespace().nth(8)?.parse().ok();
    table.lines().skip(1).filter_map(inode).collect()
}

/// `350735.47 234388.90`: seconds and hundredths.
fn parse_uptime(text: &str) -> Option<Duration> {
    let (seconds, hundredths) = text.split_ascii_whitespace().next()?.split_once('.')?;
    let millis = hundredths.parse::<u64>().ok()?.saturating_mul(10);
    Some(Duration::from_secs(seconds.parse().ok()?) + Duration::from_millis(millis))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn a_program_name_with_parentheses_does_not_shift_the_fields() {
        let line = "812 (a) b) R (c) S 7 812 812 0 -1 4194368 126 0 0 0 0 0 0 0 20 0 1 0 \
                    123456 6365184 611 18446744073709551615";
        assert_eq!(
            parse_stat(line),
            Some(Stat {
                parent: 7,
                start_ticks: 123_456
            })
        );
        assert_eq!(parse_stat("812 (dnsmasq) S 7"), None);
    }

    #[test]
    fn sockets_of_the_port_and_no_other() {
        let table = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n\
            1: 00000000:0043 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 51234 2 0000000000000000 0\n\
            2: 00000000:4300 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 51235 2 0000000000000000 0\n\
            3: 0100007F:0035 00000000:0043 07 00000000:00000000 00:00000000 00000000     0        0 51236 2 0000000000000000 0\n";
        assert_eq!(parse_udp(table, 67), BTreeSet::from([51_234]));
        assert_eq!(parse_udp("", 67), BTreeSet::new());
    }

    #[test]
    fn sockets_that_read_frames() {
        let table = "sk               RefCnt Type Proto  Iface R Rmem   User   Inode\n\
            000000008ad777dc 3      3    0003   2     1 0      0      50419 \n";
        assert_eq!(parse_packet(table), BTreeSet::from([50_419]));
        assert_eq!(parse_packet(""), BTreeSet::new());
    }

    #[test]
    fn this_process_is_awake_and_started_before_now() {
        let me = std::process::id();
        assert!(!rest(me).unwrap().asleep || rest(me).unwrap().switches > 0);
        let now = clock::now();
        let started = started(stat(me).unwrap().start_ticks, now).unwrap();
        assert!(started <= now.saturating_add(Duration::from_millis(20)));
        assert!(now.since(started) < Duration::from_hours(1));
    }

    #[test]
    fn how_a_file_was_opened() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let me = std::process::id();
        let open = open_files(me)
            .unwrap()
            .into_iter()
            .find(|open| open.target == file.path())
            .unwrap();
        assert_eq!(open_flags(me, open.fd).unwrap() & 3, 2);
        assert_eq!(
            FileId::at(&fd_path(me, open.fd)).unwrap(),
            FileId::at(file.path()).unwrap()
        );
    }
}
