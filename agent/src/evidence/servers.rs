//! The DHCP server processes of a namespace, found through `/proc`.
//!
//! A process counts if its executable is one of a known server, it lives in our network
//! namespace and it holds a UDP socket on port 67 or, where its kind reads raw frames, an
//! AF_PACKET socket: a dnsmasq that only answers DNS does not, nor does a dhcpd that
//! serves IPv6. ovn-controller has no such socket; it counts where no other server is.
//! Nothing is ever sent to a process.

use super::handles::Handles;
use super::lease_file::{self, Books};
use super::procfs::{self, FileId};
use super::readiness::readable;
use crate::clock;
use leasehound_core::evidence::{Listening, PortUse, ServerFacts, ServerKind, ServerRef};
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
    pub(super) books: Books,
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
    /// Those that take their packets in another way than before: a server opens its
    /// sockets one after the other.
    pub(super) reopened: Vec<ServerRef>,
    /// Whether there are servers that can't be seen is otherwise than before.
    pub(super) others: bool,
}

impl Changes {
    pub(super) fn any(&self) -> bool {
        ![&self.appeared, &self.gone, &self.moved, &self.reopened]
            .iter()
            .all(|servers| servers.is_empty())
            || self.others
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
    /// Sockets on the server port that belong to none of the servers.
    strangers: bool,
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

    /// Whether there may be servers that can't be seen.
    pub(super) const fn strangers(&self) -> bool {
        self.strangers || !self.problems.is_empty()
    }

    /// Looks at all processes. Must be called inside a tokio runtime.
    pub(super) fn scan(&mut self, namespace: &Namespace) -> io::Result<Changes> {
        let mut problems = Vec::new();
        let found = sole_switch(independent(candidates(namespace, &mut problems)?));
        let port = port_use(&found);
        let strangers = strangers(&found);
        let mut changes = Changes {
            others: strangers != self.strangers || problems != self.problems,
            ..Changes::default()
        };
        self.strangers = strangers;
        self.problems = problems;
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
                if server.books != candidate.books {
                    server.books = candidate.books;
                    changes.moved.push(server.facts.server);
                }
                if server.facts.listens != candidate.listens {
                    server.facts.listens = candidate.listens;
                    changes.reopened.push(server.facts.server);
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
    kind: ServerKind,
    pid: u32,
    parent: u32,
    start_ticks: u64,
    sockets: BTreeSet<u64>,
    listens: Listening,
    books: Books,
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
                kind: self.kind,
                pid: self.pid,
                started: procfs::started(self.start_ticks, clock::now())?,
                port: PortUse::Shared,
                listens: self.listens,
            },
            books: self.books,
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

/// Whether some socket on the port belongs to none of them.
fn strangers(found: &[Candidate]) -> bool {
    let ours = |socket: &u64| found.iter().any(|one| one.sockets.contains(socket));
    listening_sockets().map_or(true, |all| !all.iter().all(ours))
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
        let Some(kind) = kind_of(pid) else {
            continue;
        };
        match candidate(namespace, kind, pid) {
            Ok(candidate) => found.extend(candidate),
            Err(error) if is_gone(&error) => {}
            Err(error) => {
                let kind = kind.as_str();
                problems.push(
                    format!("process {pid} looks like {kind} but can't be looked at: {error}")
                        .into(),
                );
            }
        }
    }
    Ok(found)
}

/// Which server the executable is; where it can't be seen, which one the process calls
/// itself. A name alone proves nothing: the sockets decide.
fn kind_of(pid: u32) -> Option<ServerKind> {
    match fs::read_link(procfs::path(pid, "exe")) {
        Ok(executable) => match &*executable.file_name()?.to_string_lossy() {
            // One program for all: which one it is says the name that it was called by.
            name if name.starts_with("busybox") => udhcpd(pid),
            name => named(name),
        },
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let name = fs::read_to_string(procfs::path(pid, "comm")).ok()?;
            named(name.trim_end())
        }
        Err(_) => None,
    }
}

/// Whether a busybox is a udhcpd: by the name of the process, or by `busybox udhcpd`.
fn udhcpd(pid: u32) -> Option<ServerKind> {
    let comm = fs::read_to_string(procfs::path(pid, "comm")).ok()?;
    let arguments = fs::read(procfs::path(pid, "cmdline")).unwrap_or_default();
    let mut arguments = arguments.split(|octet| *octet == 0);
    let is_udhcpd =
        |argument: Option<&[u8]>| argument.is_some_and(|word| word.ends_with(b"udhcpd"));
    let called = is_udhcpd(arguments.next()) || is_udhcpd(arguments.next());
    (comm.trim_end() == "udhcpd" || called).then_some(ServerKind::Udhcpd)
}

/// The kernel adds " (deleted)" to an executable that was replaced by an update.
fn named(executable: &str) -> Option<ServerKind> {
    let name = executable.strip_suffix(" (deleted)").unwrap_or(executable);
    match name {
        "dhcpd" => Some(ServerKind::IscDhcpd),
        "kea-dhcp4" => Some(ServerKind::Kea),
        "udhcpd" => Some(ServerKind::Udhcpd),
        // The kernel keeps 15 octets of a name.
        "systemd-networkd" | "systemd-network" => Some(ServerKind::Networkd),
        "coredhcp" => Some(ServerKind::CoreDhcp),
        "ovn-controller" => Some(ServerKind::Ovn),
        // The controller starts an agent for each pool, which is who answers.
        "vm-dhcp-agent" | "vm-dhcp-controller" | "vm-dhcp-control" => Some(ServerKind::Harvester),
        name => name.starts_with("dnsmasq").then_some(ServerKind::Dnsmasq),
    }
}

fn candidate(namespace: &Namespace, kind: ServerKind, pid: u32) -> io::Result<Option<Candidate>> {
    if !namespace.holds(pid)? {
        return Ok(None);
    }
    let stat = procfs::stat(pid)?;
    let udp = procfs::udp_sockets(&procfs::path(pid, "net/udp"), SERVER_PORT)?;
    let raw = match kind {
        ServerKind::IscDhcpd | ServerKind::Kea => {
            procfs::packet_sockets(&procfs::path(pid, "net/packet"))?
        }
        _ => BTreeSet::new(),
    };
    let no_socket = kind == ServerKind::Ovn;
    if udp.is_empty() && raw.is_empty() && !no_socket {
        return Ok(None);
    }
    let open = procfs::open_files(pid)?;
    let sockets: BTreeSet<u64> = open
        .iter()
        .filter_map(|open| {
            let inode = open.target.to_str()?.strip_prefix("socket:[")?;
            inode.strip_suffix(']')?.parse().ok()
        })
        .filter(|inode| udp.contains(inode) || raw.contains(inode))
        .collect();
    if sockets.is_empty() && !no_socket {
        return Ok(None);
    }
    Ok(Some(Candidate {
        kind,
        pid,
        parent: stat.parent,
        start_ticks: stat.start_ticks,
        books: lease_file::find(kind, pid, &open),
        listens: match kind {
            ServerKind::Ovn => Listening::Unknown,
            _ if sockets.is_disjoint(&raw) => Listening::Udp,
            _ => Listening::Raw,
        },
        sockets,
    }))
}

/// One process for each socket. dnsmasq forks for every TCP query, and once to run
/// scripts: children share the sockets of the process that serves, for a while.
fn independent(mut candidates: Vec<Candidate>) -> Vec<Candidate> {
    let pids: BTreeSet<u32> = candidates.iter().map(|candidate| candidate.pid).collect();
    candidates.sort_by_key(|candidate| {
        (
            !candidate.books.are_readable(),
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

/// ovn-controller answers out of the virtual switch, and runs on hosts that have other
/// servers too: beside one with sockets nothing tells which of the two a message was for.
fn sole_switch(mut candidates: Vec<Candidate>) -> Vec<Candidate> {
    if candidates
        .iter()
        .any(|candidate| candidate.kind != ServerKind::Ovn)
    {
        candidates.retain(|candidate| candidate.kind != ServerKind::Ovn);
    }
    candidates
}

fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
        || error.raw_os_error() == Some(nix::errno::Errno::ESRCH as i32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::lease_file::{LeaseFile, NoBooks};
    use leasehound_core::evidence::DatabaseProblem;

    fn candidate(pid: u32, parent: u32, socket: u64, lease_file: bool) -> Candidate {
        let file = || LeaseFile {
            fd: 4,
            name: "/run/x.leases".into(),
            meant: "/run/x.leases".into(),
            file: FileId {
                device: 1,
                inode: 2,
            },
        };
        Candidate {
            kind: ServerKind::Dnsmasq,
            pid,
            parent,
            start_ticks: u64::from(pid),
            sockets: BTreeSet::from([socket]),
            listens: Listening::Udp,
            books: if lease_file {
                Books::File(file())
            } else {
                Books::None(NoBooks {
                    problem: DatabaseProblem::Absent,
                    name: None,
                    reason: "none".into(),
                })
            },
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

    #[test]
    fn an_ovn_controller_counts_where_it_is_alone() {
        let ovn = || Candidate {
            kind: ServerKind::Ovn,
            sockets: BTreeSet::new(),
            ..candidate(30, 1, 9, false)
        };
        let kinds = |candidates| -> Vec<ServerKind> {
            sole_switch(candidates).iter().map(|one| one.kind).collect()
        };
        assert_eq!(kinds(vec![ovn()]), [ServerKind::Ovn]);
        let both = vec![ovn(), candidate(20, 1, 1, true)];
        assert_eq!(kinds(both), [ServerKind::Dnsmasq]);
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
    fn servers_by_the_name_of_their_executable() {
        assert_eq!(kind_of(std::process::id()), None);
        for (name, kind) in [
            ("dnsmasq", Some(ServerKind::Dnsmasq)),
            ("dnsmasq-2.90", Some(ServerKind::Dnsmasq)),
            ("dhcpd", Some(ServerKind::IscDhcpd)),
            ("dhcpd (deleted)", Some(ServerKind::IscDhcpd)),
            ("kea-dhcp4", Some(ServerKind::Kea)),
            ("udhcpd", Some(ServerKind::Udhcpd)),
            ("systemd-networkd", Some(ServerKind::Networkd)),
            ("coredhcp", Some(ServerKind::CoreDhcp)),
            ("ovn-controller", Some(ServerKind::Ovn)),
            ("vm-dhcp-agent", Some(ServerKind::Harvester)),
            ("vm-dhcp-controller", Some(ServerKind::Harvester)),
            ("udhcpc", None),
            ("busybox", None),
            ("kea-dhcp6", None),
            ("dhcpcd", None),
        ] {
            assert_eq!(named(name), kind, "{name}");
        }
    }
}
