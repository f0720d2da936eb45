//! The DHCP server processes of a namespace, found through `/proc`.
//!
//! A process counts if its executable is dnsmasq, it lives in our network
//! namespace and it holds a UDP socket on port 67: a dnsmasq that only answers
//! DNS does not. Nothing is ever sent to a process.

use super::handles::Handles;
use super::lease_file::{self, LeaseFile};
use super::procfs::{self, FileId};
use super::readiness::readable;
use crate::clock;
use leasehound_core::evidence::{PortUse, ServerFacts, ServerKind, ServerRef};
use leasehound_core::origin::NetnsId;
use std::collections::BTreeSet;
use std::fs;
use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::task::Poll;
use tokio::io::unix::AsyncFd;

const SERVER_PORT: u16 = 67;
const OWN_UDP_TABLE: &str = "/proc/thread-self/net/udp";

/// A network namespace, and the handle the engine knows it by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Namespace {
    pub(super) id: NetnsId,
    file: FileId,
}

impl Namespace {
    /// That of the calling thread.
    pub(super) fn of_this_thread(id: NetnsId) -> io::Result<Self> {
        let file = FileId::at(Path::new("/proc/thread-self/ns/net"))?;
        Ok(Self { id, file })
    }

    fn holds(&self, pid: u32) -> io::Result<bool> {
        Ok(FileId::at(&procfs::path(pid, "ns/net"))? == self.file)
    }
}

/// Sockets on the server port in the calling thread's namespace. One small file:
/// cheap enough to look for new servers every second.
pub(super) fn listening_sockets() -> io::Result<BTreeSet<u64>> {
    procfs::udp_sockets(Path::new(OWN_UDP_TABLE), SERVER_PORT)
}

/// A server that runs.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) facts: ServerFacts,
    pub(super) lease_file: Option<LeaseFile>,
    start_ticks: u64,
    /// Readable once the process has ended; `None` where there are no pidfds
    /// (before Linux 5.3).
    exit: Option<AsyncFd<OwnedFd>>,
}

/// What a look for servers changed.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) appeared: Vec<ServerRef>,
    pub(super) gone: Vec<ServerRef>,
    /// Those whose lease file is another one than before.
    pub(super) moved: Vec<ServerRef>,
}

impl Changes {
    pub(super) fn any(&self) -> bool {
        !(self.appeared.is_empty() && self.gone.is_empty() && self.moved.is_empty())
    }
}

/// The servers that are known to run. A handle is allotted for each process, told
/// apart by its id and its start, so that a reused id is another server.
#[derive(Debug, Default)]
pub(super) struct ServerTable {
    handles: Handles,
    servers: Vec<Server>,
    /// What could not be looked at, one line each, since the latest look.
    pub(super) problems: Vec<Box<str>>,
}

impl ServerTable {
    pub(super) fn new(handles: Handles) -> Self {
        Self {
            handles,
            ..Self::default()
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Server> {
        self.servers.iter()
    }

    /// Looks at all processes. Must be called inside a tokio runtime.
    pub(super) fn scan(&mut self, namespace: &Namespace) -> io::Result<Changes> {
        let mut problems = Vec::new();
        let found = independent(candidates(namespace, &mut problems)?);
        let port = port_use(&found);
        self.problems = problems;
        let mut changes = Changes::default();
        self.servers.retain(|server| {
            let stays = found.iter().any(|candidate| candidate.is(server));
            if !stays {
                changes.gone.push(server.facts.server);
            }
            stays
        });
        for candidate in found {
            let known = self.servers.iter_mut().find(|server| candidate.is(server));
            if let Some(server) = known {
                if server.lease_file != candidate.lease_file {
                    server.lease_file = candidate.lease_file;
                    changes.moved.push(server.facts.server);
                }
            } else if let Some(server) = candidate.into_server(namespace, &self.handles)? {
                changes.appeared.push(server.facts.server);
                self.servers.push(server);
            }
        }
        for server in &mut self.servers {
            server.facts.port = port;
        }
        Ok(changes)
    }

    /// Waits until one of the processes has ended; for ever if there are none.
    pub(super) async fn exited(&self) {
        poll_fn(|context| {
            for exit in self
                .servers
                .iter()
                .filter_map(|server| server.exit.as_ref())
            {
                if exit.poll_read_ready(context).is_ready() {
                    return Poll::Ready(());
                }
            }
            Poll::Pending
        })
        .await;
    }
}

#[derive(Debug)]
struct Candidate {
    pid: u32,
    parent: u32,
    start_ticks: u64,
    sockets: BTreeSet<u64>,
    lease_file: Option<LeaseFile>,
}

impl Candidate {
    fn is(&self, server: &Server) -> bool {
        self.pid == server.facts.pid && self.start_ticks == server.start_ticks
    }

    /// `None` if the process ended meanwhile.
    fn into_server(self, namespace: &Namespace, handles: &Handles) -> io::Result<Option<Server>> {
        let exit = match exit_of(self.pid) {
            Ok(exit) => exit,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        // Only now is the id held fast: is it still the same process?
        match procfs::stat(self.pid) {
            Ok(stat) if stat.start_ticks == self.start_ticks => {}
            _ => return Ok(None),
        }
        Ok(Some(Server {
            facts: ServerFacts {
                server: handles.server(),
                netns: namespace.id,
                kind: ServerKind::Dnsmasq,
                pid: self.pid,
                started: procfs::started(self.start_ticks, clock::now())?,
                port: PortUse::Shared,
            },
            lease_file: self.lease_file,
            start_ticks: self.start_ticks,
            exit,
        }))
    }
}

/// A descriptor that tells of the process's end. ESRCH comes back as `NotFound`.
fn exit_of(pid: u32) -> io::Result<Option<AsyncFd<OwnedFd>>> {
    use rustix::io::Errno;
    use rustix::process::{Pid, PidfdFlags, pidfd_open};
    let gone = || io::Error::from(io::ErrorKind::NotFound);
    let pid = i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .ok_or_else(gone)?;
    match pidfd_open(pid, PidfdFlags::NONBLOCK) {
        Ok(fd) => readable(fd).map(Some),
        Err(Errno::SRCH) => Err(gone()),
        // No such call, or no such flag (NONBLOCK is of 5.10): looks by the clock
        // have to do.
        Err(_) => Ok(None),
    }
}

/// Whether all sockets on the port belong to one server.
fn port_use(found: &[Candidate]) -> PortUse {
    let [only] = found else {
        return PortUse::Shared;
    };
    match listening_sockets() {
        Ok(all) if all.is_subset(&only.sockets) => PortUse::Sole,
        _ => PortUse::Shared,
    }
}

fn candidates(namespace: &Namespace, problems: &mut Vec<Box<str>>) -> io::Result<Vec<Candidate>> {
    let mut found = Vec::new();
    for pid in procfs::pids()? {
        if !is_dnsmasq(pid) {
            continue;
        }
        match candidate(namespace, pid) {
            Ok(candidate) => found.extend(candidate),
            Err(error) if is_gone(&error) => {}
            Err(error) => problems.push(
                format!("process {pid} looks like dnsmasq but can't be looked at: {error}").into(),
            ),
        }
    }
    Ok(found)
}

/// Whether the executable is dnsmasq; where it can't be seen, whether the process
/// calls itself so. A name alone proves nothing: the socket decides.
fn is_dnsmasq(pid: u32) -> bool {
    match fs::read_link(procfs::path(pid, "exe")) {
        Ok(executable) => executable
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("dnsmasq")),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            fs::read_to_string(procfs::path(pid, "comm"))
                .is_ok_and(|name| name.trim_end() == "dnsmasq")
        }
        Err(_) => false,
    }
}

fn candidate(namespace: &Namespace, pid: u32) -> io::Result<Option<Candidate>> {
    if !namespace.holds(pid)? {
        return Ok(None);
    }
    let stat = procfs::stat(pid)?;
    let listening = procfs::udp_sockets(&procfs::path(pid, "net/udp"), SERVER_PORT)?;
    if listening.is_empty() {
        return Ok(None);
    }
    let open = procfs::open_files(pid)?;
    let sockets: BTreeSet<u64> = open
        .iter()
        .filter_map(|open| {
            let inode = open.target.to_str()?.strip_prefix("socket:[")?;
            inode.strip_suffix(']')?.parse().ok()
        })
        .filter(|inode| listening.contains(inode))
        .collect();
    if sockets.is_empty() {
        return Ok(None);
    }
    Ok(Some(Candidate {
        pid,
        parent: stat.parent,
        start_ticks: stat.start_ticks,
        lease_file: lease_file::find(pid, &open),
        sockets,
    }))
}

/// One process for each socket. dnsmasq forks for every TCP query, and once to run
/// scripts: children share the sockets of the process that serves, for a while.
fn independent(mut candidates: Vec<Candidate>) -> Vec<Candidate> {
    let pids: BTreeSet<u32> = candidates.iter().map(|candidate| candidate.pid).collect();
    candidates.sort_by_key(|candidate| {
        (
            candidate.lease_file.is_none(),
            pids.contains(&candidate.parent),
            candidate.start_ticks,
            candidate.pid,
        )
    });
    let mut taken = BTreeSet::new();
    candidates.retain(|candidate| {
        let free = candidate.sockets.is_disjoint(&taken);
        taken.extend(&candidate.sockets);
        free
    });
    candidates
}

fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
        || error.raw_os_error() == Some(nix::errno::Errno::ESRCH as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(pid: u32, parent: u32, socket: u64, lease_file: bool) -> Candidate {
        Candidate {
            pid,
            parent,
            start_ticks: u64::from(pid),
            sockets: BTreeSet::from([socket]),
            lease_file: lease_file.then(|| LeaseFile {
                fd: 4,
                name: "/run/x.leases".into(),
                file: FileId {
                    device: 1,
                    inode: 2,
                },
            }),
        }
    }

    fn chosen(candidates: Vec<Candidate>) -> Vec<u32> {
        let mut pids: Vec<u32> = independent(candidates)
            .iter()
            .map(|candidate| candidate.pid)
            .collect();
        pids.sort_unstable();
        pids
    }

    #[test]
    fn children_that_share_the_socket_do_not_count() {
        assert_eq!(
            chosen(vec![
                candidate(30, 20, 1, true),
                candidate(20, 1, 1, true),
                candidate(40, 1, 2, true),
            ]),
            [20, 40]
        );
        assert_eq!(
            chosen(vec![candidate(20, 1, 1, false), candidate(21, 20, 1, true)]),
            [21]
        );
    }

    #[tokio::test]
    async fn a_process_that_ended_is_told() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let exit = exit_of(child.id()).unwrap().unwrap();
        child.kill().unwrap();
        drop(exit.readable().await.unwrap());
        child.wait().unwrap();
        assert_eq!(
            exit_of(child.id()).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }

    #[test]
    fn another_program_of_that_name_is_none() {
        assert!(!is_dnsmasq(std::process::id()));
    }
}
