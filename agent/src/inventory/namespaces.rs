//! The network namespaces of this host, and work done inside each of them.
//!
//! A namespace is known by a process or thread that lives in it, or by its name in
//! `/run/netns`; one that only an open file keeps alive is not seen. A foreign one is
//! entered by [`visit`]'s own thread only, which ends afterwards: no other thread ever
//! leaves its namespace. Nothing here keeps a namespace alive.

use crate::evidence::procfs;
use nix::sched::{CloneFlags, setns};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;

const OWN: &str = "/proc/thread-self/ns/net";
const NAMED: &str = "/run/netns";
/// Ways into a namespace that are kept: some may be gone when it is their turn.
const WAYS: usize = 4;

/// A network namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Netns {
    /// The number in `net:[inode]`, as `ip netns identify` and `lsns` go by. The kernel
    /// may give it to a new namespace once this one is gone.
    pub inode: u64,
    /// Its name in `/run/netns`, the first one if it has several.
    pub name: Option<Box<str>>,
    /// Whether it is the one that the agent runs in.
    pub own: bool,
}

/// A namespace and the ways into it.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) netns: Netns,
    ways: Vec<PathBuf>,
}

/// All that were found, by inode, and how many processes would not say theirs.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) places: BTreeMap<u64, Place>,
    pub(super) unreadable: usize,
}

/// Looks for namespaces through the processes `pids`. The calling thread's is the
/// agent's own.
pub(super) fn find(pids: &[u32]) -> io::Result<Found> {
    let own = fs::metadata(OWN)?;
    let mut found = Found::default();
    found.add(own.ino(), true, PathBuf::from(OWN));
    for pid in pids {
        match inode(&procfs::path(*pid, "ns/net")) {
            Ok(inode) => found.add(inode, false, procfs::path(*pid, "ns/net")),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => found.unreadable += 1,
            Err(_) => continue,
        }
        found.add_threads(*pid);
    }
    found.add_named(own.dev());
    Ok(found)
}

/// The inode of the namespace that a process lives in.
pub(super) fn of_process(pid: u32) -> io::Result<u64> {
    inode(&procfs::path(pid, "ns/net"))
}

/// Runs `work` inside each place, one after the other, in a thread made for it.
/// The answers come in the order of `places`; `None` for a place that is gone.
pub(super) fn visit<T: Send>(
    places: &[&Place],
    mut work: impl FnMut(&Place) -> T + Send,
) -> io::Result<Vec<Option<io::Result<T>>>> {
    thread::scope(|scope| {
        let visitor = thread::Builder::new()
            .name("namespaces".to_owned())
            .spawn_scoped(scope, || {
                // The own one first, while this thread is still there.
                let mut answers: Vec<_> = places.iter().map(|_| None).collect();
                let (own, foreign): (Vec<_>, Vec<_>) = places
                    .iter()
                    .zip(&mut answers)
                    .partition(|(place, _)| place.netns.own);
                for (place, answer) in own.into_iter().chain(foreign) {
                    *answer = match place.enter() {
                        Ok(true) => Some(Ok(work(place))),
                        Ok(false) => None,
                        Err(error) => Some(Err(error)),
                    };
                }
                answers
            })?;
        // A panic in there is a bug; for the caller it is a failed look.
        visitor
            .join()
            .map_err(|_| io::Error::other("the thread that visits namespaces ended early"))
    })
}

impl Place {
    /// Takes the calling thread there; false if the namespace is gone.
    fn enter(&self) -> io::Result<bool> {
        if self.netns.own {
            return Ok(true);
        }
        let mut refused = None;
        for way in &self.ways {
            match self.enter_by(way) {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(error) => refused = Some(error),
            }
        }
        refused.map_or(Ok(false), Err)
    }

    fn enter_by(&self, way: &Path) -> io::Result<bool> {
        let file = match File::open(way) {
            Ok(file) => file,
            Err(error) if gone(&error) => return Ok(false),
            Err(error) => return Err(error),
        };
        // The process may have ended, its id reused.
        if file.metadata()?.ino() != self.netns.inode {
            return Ok(false);
        }
        setns(&file, CloneFlags::CLONE_NEWNET)?;
        Ok(true)
    }
}

impl Found {
    fn add(&mut self, inode: u64, own: bool, way: PathBuf) {
        let place = self.places.entry(inode).or_insert_with(|| Place {
            netns: Netns {
                inode,
                name: None,
                own,
            },
            ways: Vec::new(),
        });
        if place.ways.len() < WAYS {
            place.ways.push(way);
        }
    }

    /// Threads may live elsewhere than their process. The first one is the process.
    fn add_threads(&mut self, pid: u32) {
        let tasks = procfs::path(pid, "task");
        // A directory has two links more than it has directories in it.
        if fs::metadata(&tasks).is_ok_and(|metadata| metadata.nlink() <= 3) {
            return;
        }
        for task in fs::read_dir(tasks).into_iter().flatten().flatten() {
            let way = task.path().join("ns/net");
            if let Ok(inode) = inode(&way) {
                self.add(inode, false, way);
            }
        }
    }

    /// Names, in their order. A file that nothing is mounted on is on another device.
    fn add_named(&mut self, device: u64) {
        let mut names: Vec<_> = fs::read_dir(NAMED)
            .into_iter()
            .flatten()
            .flatten()
            .collect();
        names.sort_by_key(fs::DirEntry::file_name);
        for named in names {
            let way = named.path();
            let Ok(metadata) = fs::metadata(&way) else {
                continue;
            };
            if metadata.dev() != device {
                continue;
            }
            let name = named.file_name().to_string_lossy().into();
            self.add(metadata.ino(), false, way);
            if let Some(place) = self.places.get_mut(&metadata.ino()) {
                place.netns.name.get_or_insert(name);
            }
        }
    }
}

/// Reads `net:[4026531833]`: half the price of following the link.
fn inode(link: &Path) -> io::Result<u64> {
    let target = fs::read_link(link)?;
    target
        .to_str()
        .and_then(|target| target.strip_prefix("net:[")?.strip_suffix(']'))
        .and_then(|inode| inode.parse().ok())
        .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
}

/// Whether an error only says that a process has ended.
pub(super) fn gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(nix::libc::ESRCH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_own_namespace_is_found_and_visited_where_it_is() {
        let found = find(&[std::process::id()]).unwrap();
        let own: BTreeSet<_> = found
            .places
            .values()
            .filter(|place| place.netns.own)
            .map(|place| place.netns.inode)
            .collect();
        let here = inode(Path::new(OWN)).unwrap();
        assert_eq!(own, BTreeSet::from([here]));
        let place = &found.places[&here];
        let answers = visit(&[place], |_| inode(Path::new(OWN)).unwrap()).unwrap();
        assert_eq!(answers.len(), 1);
        assert_eq!(answers.into_iter().flatten().flatten().next(), Some(here));
    }

    #[test]
    fn a_place_whose_process_ended_is_gone() {
        let place = Place {
            netns: Netns {
                inode: 1,
                name: None,
                own: false,
            },
            ways: vec![PathBuf::from("/proc/self/no-such"), PathBuf::from(OWN)],
        };
        let answers = visit(&[&place], |_| ()).unwrap();
        assert!(matches!(answers.as_slice(), [None]));
    }
}
