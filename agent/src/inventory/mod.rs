//! Who listens: the sockets of all network namespaces that DHCP messages can reach,
//! and the processes that hold them.
//!
//! [`Inventory`] is a picture that is taken when asked, in milliseconds to tens of
//! them: never on the packet path, and not on a thread that must not block.
//! [`DestroyWatch`] says when it is out of date. Without the rights for all of it the
//! picture has gaps, and each gap is named. Only looks: opens no socket but netlink's,
//! leaves no thread in a foreign namespace, keeps no namespace alive that no server
//! lives in.
//!
//! Servers that answer from two sockets make it necessary to compare processes:
//! cookie → socket → process.

mod conflict;
mod destroy;
mod diag;
mod filter;
mod look;
mod namespaces;
mod packet;
mod process;
mod reuse_port;
mod socket;
mod udp;

pub use conflict::{ConflictKind, WildcardConflict};
pub use destroy::{DestroyWatch, Destroyed, Followed, Unwatched};
pub use namespaces::Netns;
pub use process::{Process, ProcessId};
pub use socket::{ListeningSocket, SocketKind};

use look::{Look, ask};
use namespaces::Place;
use process::Holders;
use std::collections::{BTreeMap, BTreeSet};
use std::io;

/// Why no picture could be taken at all; the one before stays.
#[derive(Debug, thiserror::Error)]
pub enum InventoryError {
    /// `/proc` does not list processes or namespaces.
    #[error("/proc can't be read: {0}")]
    Proc(#[source] io::Error),
    /// No thread could be started.
    #[error("no thread for looking into network namespaces: {0}")]
    Thread(#[source] io::Error),
    /// The kernel does not list UDP sockets, not even those of our own namespace: it
    /// lacks `CONFIG_INET_UDP_DIAG`, or its module can't be loaded.
    #[error("the kernel does not list UDP sockets (CONFIG_INET_UDP_DIAG, udp_diag): {0}")]
    SockDiag(#[source] io::Error),
}

/// What a refresh found to be different, and what it could not see.
#[derive(Debug, Default)]
pub struct Changes {
    /// Cookies of new sockets.
    pub appeared: Vec<u64>,
    /// Cookies of sockets that are now bound otherwise or held by others.
    pub changed: Vec<u64>,
    /// Sockets that are no more, as they were last seen.
    pub gone: Vec<ListeningSocket>,
    /// Processes that hold no listening socket any more, or have ended.
    pub processes_gone: Vec<Process>,
    /// What could not be looked at and what is lost by that, one line each.
    pub problems: Vec<String>,
}

impl Changes {
    /// Whether anything differs from the picture before. Problems don't count.
    pub fn any(&self) -> bool {
        !(self.appeared.is_empty()
            && self.changed.is_empty()
            && self.gone.is_empty()
            && self.processes_gone.is_empty())
    }
}

/// The sockets that DHCP messages can reach, as of the latest [`Inventory::refresh`].
#[derive(Debug, Default)]
pub struct Inventory {
    sockets: BTreeMap<u64, ListeningSocket>,
    processes: BTreeMap<ProcessId, Process>,
    places: BTreeMap<u64, Place>,
}

impl Inventory {
    /// Takes a new picture. Blocks for it; the calling thread must be in the agent's
    /// own namespace.
    pub fn refresh(&mut self) -> Result<Changes, InventoryError> {
        let mut problems = Vec::new();
        let pids = process::pids().map_err(InventoryError::Proc)?;
        let found = namespaces::find(&pids).map_err(InventoryError::Proc)?;
        if found.unreadable > 0 {
            problems.push(format!(
                "the network namespaces of {} processes can't be seen (CAP_SYS_PTRACE): servers \
                 in a namespace that has no name and no other process are missed",
                found.unreadable
            ));
        }
        let mut sockets = self.look(&found.places, &mut problems)?;
        let inodes = sockets.values().map(|socket| socket.inode).collect();
        let mut holders = process::find(&inodes, &pids, &self.processes);
        for socket in sockets.values_mut() {
            if let Some(held) = holders.by_inode.get(&socket.inode) {
                socket.holders = held.iter().map(|held| held.process).collect();
            }
        }
        drop_sniffers(&mut sockets, &mut holders);
        let orphans = sockets
            .values()
            .filter(|socket| socket.holders.is_empty())
            .count();
        if orphans > 0 && holders.unreadable > 0 {
            problems.push(format!(
                "the open files of {} processes can't be seen (CAP_SYS_PTRACE): {orphans} sockets \
                 have no known process",
                holders.unreadable
            ));
        }
        self.ask_reuse_port(&mut sockets, &holders);
        self.places = found.places;
        let mut changes = self.replace(sockets, holders.processes);
        changes.problems = problems;
        Ok(changes)
    }

    /// The socket that the kernel calls by this cookie.
    pub fn by_cookie(&self, cookie: u64) -> Option<&ListeningSocket> {
        self.sockets.get(&cookie)
    }

    /// All sockets, by cookie.
    pub fn sockets(&self) -> impl Iterator<Item = &ListeningSocket> {
        self.sockets.values()
    }

    /// All processes that hold one of the sockets, by id.
    pub fn processes(&self) -> impl Iterator<Item = &Process> {
        self.processes.values()
    }

    /// A process that holds one of the sockets.
    pub fn process(&self, id: ProcessId) -> Option<&Process> {
        self.processes.get(&id)
    }

    /// A namespace by its inode, whether a server lives in it or not.
    pub fn netns(&self, inode: u64) -> Option<&Netns> {
        self.places.get(&inode).map(|place| &place.netns)
    }

    /// All namespaces that were seen, by inode.
    pub fn namespaces(&self) -> impl Iterator<Item = &Netns> {
        self.places.values().map(|place| &place.netns)
    }

    /// Servers that take, or will take, each other's unicasts.
    pub fn wildcard_conflicts(&self) -> Vec<WildcardConflict> {
        conflict::find(self.sockets())
    }

    /// Places in which a UDP socket is listed.
    fn places_with_servers(&self) -> BTreeMap<u64, &Place> {
        self.sockets()
            .filter(|socket| socket.port().is_some())
            .filter_map(|socket| Some((socket.netns, self.places.get(&socket.netns)?)))
            .collect()
    }

    /// Lists the sockets of all places.
    fn look(
        &self,
        places: &BTreeMap<u64, Place>,
        problems: &mut Vec<String>,
    ) -> Result<BTreeMap<u64, ListeningSocket>, InventoryError> {
        let places: Vec<&Place> = places.values().collect();
        let mut buffer = Vec::with_capacity(diag::RECEIVE_BUFFER);
        let answers = namespaces::visit(&places, |place| {
            let answer = ask(place.netns.inode, std::mem::take(&mut buffer));
            answer.map(|(answer, memory)| {
                buffer = memory;
                answer
            })
        })
        .map_err(InventoryError::Thread)?;
        let mut look = Look::new(&self.sockets);
        for (place, answer) in places.iter().zip(answers) {
            // A place that is gone has no answer, and no sockets.
            let Some(answer) = answer else { continue };
            look.take(&place.netns, answer)?;
        }
        problems.extend(look.problems());
        Ok(look.sockets)
    }

    /// The option never changes in practice: who is known is not asked again.
    fn ask_reuse_port(&self, sockets: &mut BTreeMap<u64, ListeningSocket>, holders: &Holders) {
        for cookie in conflict::in_question(sockets.values()) {
            let Some(socket) = sockets.get_mut(&cookie) else {
                continue;
            };
            let known = self.sockets.get(&cookie);
            socket.reuse_port = known.and_then(|known| known.reuse_port).or_else(|| {
                let held = holders.by_inode.get(&socket.inode)?.first()?;
                reuse_port::ask(*held, socket.inode).ok()
            });
        }
    }

    fn replace(
        &mut self,
        sockets: BTreeMap<u64, ListeningSocket>,
        processes: BTreeMap<ProcessId, Process>,
    ) -> Changes {
        let before = std::mem::replace(&mut self.sockets, sockets);
        let processes_before = std::mem::replace(&mut self.processes, processes);
        let mut changes = Changes::default();
        for (cookie, socket) in &self.sockets {
            match before.get(cookie) {
                None => changes.appeared.push(*cookie),
                Some(known) if !known.same_as(socket) => changes.changed.push(*cookie),
                Some(_) => {}
            }
        }
        let gone = |cookie: &u64| !self.sockets.contains_key(cookie);
        let ended = |process: &ProcessId| !self.processes.contains_key(process);
        changes.gone = before
            .into_iter()
            .filter_map(|(cookie, socket)| gone(&cookie).then_some(socket))
            .collect();
        changes.processes_gone = processes_before
            .into_iter()
            .filter_map(|(id, process)| ended(&id).then_some(process))
            .collect();
        changes
    }
}

/// Forgets raw sockets of programs that only look, and those programs.
fn drop_sniffers(sockets: &mut BTreeMap<u64, ListeningSocket>, holders: &mut Holders) {
    sockets.retain(|_, socket| {
        let sniffer = socket
            .process()
            .and_then(|id| holders.processes.get(&id))
            .is_some_and(Process::is_sniffer);
        socket.port().is_some() || !sniffer
    });
    let holding: BTreeSet<ProcessId> = sockets
        .values()
        .flat_map(|socket| &socket.holders)
        .copied()
        .collect();
    holders.processes.retain(|id, _| holding.contains(id));
}
