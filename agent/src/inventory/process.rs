//! Which processes hold which sockets, through `/proc` (proc(5)).
//!
//! All open files are looked at once for all sockets. A process is told apart by its
//! id and its start, so that a reused id is another process.

use super::namespaces;
use crate::clock;
use crate::evidence::procfs;
use leasehound_core::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::PathBuf;

const KERNEL_THREADS: &str = "/proc/2/task/2/children";

/// A process, and no other one that gets its id later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcessId {
    /// As this process sees it.
    pub pid: u32,
    /// Field 22 of `/proc/PID/stat`: ticks from the machine's start to its own.
    pub start_ticks: u64,
}

/// A process that holds a listening socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Which one.
    pub id: ProcessId,
    /// Its parent's id.
    pub parent: u32,
    /// The short name that the kernel keeps (`/proc/PID/comm`), at most 15 octets.
    pub comm: Box<str>,
    /// Its program; ` (deleted)` at the end if the file was replaced meanwhile. `None`
    /// without the right to see it.
    pub executable: Option<PathBuf>,
    /// When it started, to about 20 ms.
    pub started: Timestamp,
    /// The network namespace it lived in when it was first seen, by inode: its sockets
    /// may be of others.
    pub netns: Option<u64>,
    /// Its control group in the v2 hierarchy when it was first seen, as in
    /// `/proc/PID/cgroup`.
    pub cgroup: Option<Box<str>>,
}

/// Programs that look at packets only. They are told by their receive ring already
/// ([`super::packet`]); a few of them can be told to do without.
const SNIFFERS: [&str; 6] = [
    "tcpdump",
    "dumpcap",
    "tshark",
    "wireshark",
    "snort",
    "suricata",
];

impl Process {
    /// Whether its program only looks at packets.
    pub(super) fn is_sniffer(&self) -> bool {
        let program = self.executable.as_deref().and_then(|path| path.file_name());
        SNIFFERS
            .iter()
            .any(|name| *self.comm == **name || program.is_some_and(|program| program == *name))
    }
}

/// An open file that is a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) process: ProcessId,
    pub(super) fd: u32,
}

/// What a look at all open files found.
#[derive(Debug, Default)]
pub(super) struct Holders {
    /// By the socket's inode, the process to be named first.
    pub(super) by_inode: BTreeMap<u64, Vec<Held>>,
    pub(super) processes: BTreeMap<ProcessId, Process>,
    /// Processes whose open files could not be read.
    pub(super) unreadable: usize,
}

/// All processes but the kernel's own threads.
pub(super) fn pids() -> io::Result<Vec<u32>> {
    let mut pids = procfs::pids()?;
    // Where process 2 is the kernel's, its children are kernel threads. The list needs
    // CONFIG_PROC_CHILDREN; without it they are looked at, and hold nothing.
    if fs::read_to_string("/proc/2/comm").is_ok_and(|comm| comm == "kthreadd\n")
        && let Ok(children) = fs::read_to_string(KERNEL_THREADS)
    {
        let threads: BTreeSet<u32> = children
            .split_ascii_whitespace()
            .filter_map(|pid| pid.parse().ok())
            .chain([2])
            .collect();
        pids.retain(|pid| !threads.contains(pid));
    }
    Ok(pids)
}

/// Looks for the holders of the sockets `inodes` among `pids`. A process that is in
/// `known` and still the same program is not described anew.
pub(super) fn find(
    inodes: &BTreeSet<u64>,
    pids: &[u32],
    known: &BTreeMap<ProcessId, Process>,
) -> Holders {
    let mut holders = Holders::default();
    if inodes.is_empty() {
        return holders;
    }
    for pid in pids {
        match sockets(*pid, inodes) {
            Ok(found) if found.is_empty() => {}
            Ok(found) => holders.add(*pid, &found, known),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                holders.unreadable += 1;
            }
            Err(_) => {}
        }
    }
    let Holders {
        by_inode,
        processes,
        ..
    } = &mut holders;
    for held in by_inode.values_mut() {
        name_first(held, processes);
    }
    holders
}

impl Holders {
    fn add(&mut self, pid: u32, sockets: &[(u32, u64)], known: &BTreeMap<ProcessId, Process>) {
        let Ok(process) = read(pid, known) else {
            return;
        };
        let mut holds = false;
        for (fd, inode) in sockets {
            // It still holds the socket after it was described: no other process has
            // taken its id in between.
            if socket(pid, *fd) != Some(*inode) {
                continue;
            }
            holds = true;
            let held = self.by_inode.entry(*inode).or_default();
            if held.iter().all(|held| held.process != process.id) {
                held.push(Held {
                    process: process.id,
                    fd: *fd,
                });
            }
        }
        if holds {
            self.processes.insert(process.id, process);
        }
    }
}

/// Puts the process that is to be named first: not process 1, which holds what it
/// will hand to a service; then one whose parent does not hold it too; the oldest.
fn name_first(held: &mut [Held], processes: &BTreeMap<ProcessId, Process>) {
    let pids: BTreeSet<u32> = held.iter().map(|held| held.process.pid).collect();
    held.sort_by_key(|Held { process: id, .. }| {
        let inherited = processes
            .get(id)
            .is_some_and(|process| process.parent != 1 && pids.contains(&process.parent));
        (id.pid == 1, inherited, id.start_ticks, id.pid)
    });
}

fn read(pid: u32, known: &BTreeMap<ProcessId, Process>) -> io::Result<Process> {
    let stat = procfs::stat(pid)?;
    let comm = fs::read_to_string(procfs::path(pid, "comm"))?;
    let comm = comm.trim_end_matches('\n');
    let executable = fs::read_link(procfs::path(pid, "exe")).ok();
    let id = ProcessId {
        pid,
        start_ticks: stat.start_ticks,
    };
    // Another program in the same process (execve(2)) is described anew.
    if let Some(known) = known.get(&id)
        && *known.comm == *comm
        && known.executable == executable
    {
        return Ok(Process {
            parent: stat.parent,
            ..known.clone()
        });
    }
    Ok(Process {
        id,
        parent: stat.parent,
        comm: comm.into(),
        executable,
        started: procfs::started(stat.start_ticks, clock::now())?,
        netns: namespaces::of_process(pid).ok(),
        cgroup: fs::read_to_string(procfs::path(pid, "cgroup"))
            .ok()
            .and_then(|text| Some(cgroup(&text)?.into())),
    })
}

/// The v2 hierarchy is the one with number 0 and no controllers.
fn cgroup(text: &str) -> Option<&str> {
    text.lines().find_map(|line| line.strip_prefix("0::"))
}

/// Open files of a process that are one of `inodes`.
fn sockets(pid: u32, inodes: &BTreeSet<u64>) -> io::Result<Vec<(u32, u64)>> {
    let mut found = Vec::new();
    let mut refused = None;
    for entry in fs::read_dir(procfs::path(pid, "fd"))?.flatten() {
        let target = match fs::read_link(entry.path()) {
            Ok(target) => target,
            Err(error) => {
                refused = Some(error);
                continue;
            }
        };
        let fd = entry.file_name().to_str().and_then(|fd| fd.parse().ok());
        if let (Some(fd), Some(inode)) = (fd, socket_inode(&target))
            && inodes.contains(&inode)
        {
            found.push((fd, inode));
        }
    }
    match refused {
        Some(error) if found.is_empty() => Err(error),
        _ => Ok(found),
    }
}

fn socket(pid: u32, fd: u32) -> Option<u64> {
    socket_inode(&fs::read_link(procfs::fd_path(pid, fd)).ok()?)
}

/// `socket:[4711]`
fn socket_inode(target: &std::path::Path) -> Option<u64> {
    let target = target.to_str()?.strip_prefix("socket:[")?;
    target.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;
    use std::os::fd::AsRawFd;
    use std::path::Path;

    fn process(pid: u32, parent: u32, start_ticks: u64) -> Process {
        Process {
            id: ProcessId { pid, start_ticks },
            parent,
            comm: "dnsmasq".into(),
            executable: None,
            started: Timestamp::ZERO,
            netns: None,
            cgroup: None,
        }
    }

    #[test]
    fn this_process_holds_its_socket() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let fd = socket.as_raw_fd().try_into().unwrap();
        let me = std::process::id();
        let inode = super::socket(me, fd).unwrap();
        let holders = find(&BTreeSet::from([inode]), &[me], &BTreeMap::new());
        let held = &holders.by_inode[&inode][0];
        assert_eq!((held.process.pid, held.fd), (me, fd));
        let process = &holders.processes[&held.process];
        assert_eq!(process.executable, std::env::current_exe().ok());
        assert_eq!(process.netns, namespaces::of_process(me).ok());
        assert!(!process.is_sniffer());
    }

    #[test]
    fn the_parent_is_named_and_init_is_not() {
        let processes: BTreeMap<_, _> = [
            process(1, 0, 1),
            process(70, 1, 500),
            process(60, 70, 500),
            process(90, 1, 400),
        ]
        .into_iter()
        .map(|process| (process.id, process))
        .collect();
        let mut held: Vec<_> = processes
            .keys()
            .map(|process| Held {
                process: *process,
                fd: 4,
            })
            .collect();
        name_first(&mut held, &processes);
        let order: Vec<_> = held.iter().map(|held| held.process.pid).collect();
        assert_eq!(order, [90, 70, 60, 1]);
    }

    #[test]
    fn the_second_hierarchy_and_no_other() {
        let text = "9:name=systemd:/old\n0::/system.slice/dnsmasq.service\n";
        assert_eq!(cgroup(text), Some("/system.slice/dnsmasq.service"));
        assert_eq!(cgroup("9:name=systemd:/old\n"), None);
    }

    #[test]
    fn only_sockets_have_a_socket_inode() {
        assert_eq!(socket_inode(Path::new("socket:[4711]")), Some(4711));
        assert_eq!(socket_inode(Path::new("pipe:[4711]")), None);
        assert_eq!(socket_inode(Path::new("/tmp/socket:[4711]")), None);
    }

    #[test]
    fn a_sniffer_by_its_name_or_its_program() {
        let mut process = process(7, 1, 1);
        assert!(!process.is_sniffer());
        process.executable = Some("/usr/bin/tcpdump".into());
        assert!(process.is_sniffer());
    }
}
