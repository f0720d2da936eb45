//! Whether what can be read of a lease database is what its server goes by. Only looks at
//! names: a few calls of stat(2), whatever the database's size.

use super::lease_file::{Books, LeaseFile, O_ACCMODE, seen_from_here};
use super::lease_log::LeaseLog;
use super::procfs::{self, FileId};
use crate::clock;
use leasehound_core::evidence::{Liveness, ServerKind, ServerRef};
use leasehound_core::time::Timestamp;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Of a file that a server keeps open and rewrites: it is read through the descriptor, so
/// it is what the server goes by; the name may lead elsewhere.
pub(super) fn of_file(kind: ServerKind, pid: u32, file: &LeaseFile) -> Liveness {
    let descriptor = procfs::fd_path(pid, file.fd);
    match named(pid, &file.meant) {
        Named::Unknown => Liveness::Live,
        Named::File(file_now) if file_now == file.file => Liveness::Live,
        Named::File(_) => replaced(
            kind,
            pid,
            &file.meant,
            "another file was put in the place of",
        ),
        Named::Nothing => match fs::metadata(&descriptor) {
            Ok(metadata) if metadata.nlink() == 0 => {
                replaced(kind, pid, &file.meant, "somebody deleted")
            }
            Ok(_) if file.name != file.meant => {
                replaced(kind, pid, &file.meant, "somebody renamed")
            }
            // Its name is not one that can be seen from here.
            _ => Liveness::Live,
        },
    }
}

/// Of a file that a server appends to or puts another one in the place of.
pub(super) fn of_log(kind: ServerKind, log: &LeaseLog) -> Liveness {
    match (log.pid, log.taken_away()) {
        (Some(pid), true) => replaced(kind, pid, &log.name, "somebody replaced or deleted"),
        _ => Liveness::Live,
    }
}

fn replaced(kind: ServerKind, pid: u32, name: &Path, what: &str) -> Liveness {
    let reason = format!(
        "{what} {} under {} (pid {pid}), which goes on with the file it has open: that one is read, but whatever \
         else reads the path sees another state; restart the server",
        name.display(),
        kind.as_str()
    );
    Liveness::Replaced {
        reason: reason.into(),
    }
}

enum Named {
    File(FileId),
    Nothing,
    /// It may not be looked at.
    Unknown,
}

/// What a name leads a process to: in its own root, or in ours, for the names of open
/// files are seen from there.
fn named(pid: u32, name: &Path) -> Named {
    if !name.is_absolute() {
        return Named::Unknown;
    }
    for path in [seen_from_here(pid, name), PathBuf::from(name)] {
        match FileId::at(&path) {
            Ok(file) => return Named::File(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(_) => return Named::Unknown,
        }
    }
    Named::Nothing
}

/// A server that runs, as far as it may be the owner of a file that the operator named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) server: ServerRef,
    pub(super) kind: ServerKind,
    pub(super) pid: u32,
    pub(super) books: Books,
}

/// Whose a file is that the operator named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Claim {
    /// The database of this server, with this process id.
    Of(ServerRef, u32),
    /// It may be that of a server that can't be seen.
    Unknown,
    /// Of none of this host; one line for the operator.
    Nobody(Box<str>),
}

impl Claim {
    /// Of the file at `path`, with leases of a server of `kind`. `strangers`: there are
    /// sockets on the server port whose process can't be seen.
    pub(super) fn of(
        path: &Path,
        kind: ServerKind,
        owners: &[Owner],
        strangers: bool,
        search: &mut Search,
    ) -> Self {
        if kind == ServerKind::Udhcpd {
            return Self::Nobody(
                "udhcpd keeps its leases in memory and writes them now and then only".into(),
            );
        }
        let of_kind = || owners.iter().filter(|owner| owner.kind == kind);
        let file = match FileId::at(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let owner = of_kind().find(|owner| owner.books.name() == Some(path));
                return match owner.filter(|owner| owner.books.are_readable()) {
                    Some(Owner { pid, .. }) => Self::Nobody(
                        format!(
                            "somebody deleted or renamed it, and pid {pid} goes on with the file that it has open; \
                             without --lease-db that one is read"
                        )
                        .into(),
                    ),
                    None => Self::Unknown,
                };
            }
            // That it can't be read is told by reading it.
            Err(_) => return Self::Unknown,
        };
        if let Some(owner) = of_kind().find(|owner| owner.books.are_in(owner.pid, file)) {
            return Self::Of(owner.server, owner.pid);
        }
        // A server in another network namespace of this host may be meant.
        if strangers || search.finds_writer_of(file) {
            return Self::Unknown;
        }
        let kind = kind.as_str();
        let reason = match of_kind().next() {
            Some(Owner { pid, books, .. }) => {
                let writes = match books.name() {
                    Some(name) if books.are_readable() => format!("writes {}", name.display()),
                    _ => "writes none that could be found".to_owned(),
                };
                format!(
                    "no {kind} of this network namespace writes this file (pid {pid} {writes}): it is another \
                     server's or an old one; without --lease-db the right one is found"
                )
            }
            None => format!(
                "no {kind} runs in this network namespace, and nothing on this host writes the file: it is another host's or an old one"
            ),
        };
        Self::Nobody(reason.into())
    }
}

/// A search through all processes of the host, which is done now and then only: it looks at
/// every open file.
#[derive(Debug, Default)]
pub(super) struct Search(Option<(FileId, Timestamp, bool)>);

const SEARCH_EVERY: Duration = Duration::from_secs(30);

impl Search {
    fn finds_writer_of(&mut self, file: FileId) -> bool {
        let now = clock::now();
        if let Some((of, at, found)) = self.0
            && of == file
            && now.since(at) < SEARCH_EVERY
        {
            return found;
        }
        let found = is_being_written(file);
        self.0 = Some((file, now, found));
        found
    }
}

/// Whether some other process of this host has a file open for writing; one whose files
/// may not be looked at may have.
fn is_being_written(file: FileId) -> bool {
    let Ok(pids) = procfs::pids() else {
        return true;
    };
    let own = std::process::id();
    let mut others = pids.into_iter().filter(|pid| *pid != own);
    others.any(|pid| match procfs::open_files(pid) {
        Ok(open) => open.iter().any(|open| {
            let writes =
                || procfs::open_flags(pid, open.fd).is_ok_and(|flags| flags & O_ACCMODE != 0);
            open.target.is_absolute() && file.is_at(&procfs::fd_path(pid, open.fd)) && writes()
        }),
        Err(error) => error.kind() == io::ErrorKind::PermissionDenied,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{File, OpenOptions};

    fn file_of_this_process(open: &File, meant: &Path) -> LeaseFile {
        use std::os::fd::AsRawFd;
        LeaseFile {
            fd: u32::try_from(open.as_raw_fd()).unwrap(),
            name: meant.to_path_buf(),
            meant: meant.to_path_buf(),
            file: FileId::of(&open.metadata().unwrap()),
        }
    }

    fn reason(liveness: &Liveness) -> &str {
        assert!(
            matches!(liveness, Liveness::Replaced { .. }),
            "{liveness:?}"
        );
        liveness.reason().unwrap()
    }

    #[test]
    fn a_file_that_was_replaced_deleted_or_renamed() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let open = || {
            let mut options = OpenOptions::new();
            options.create(true).append(true).read(true);
            options.open(path("leases")).unwrap()
        };
        let of = |file: &LeaseFile| of_file(ServerKind::Dnsmasq, std::process::id(), file);
        let first = open();
        let mut file = file_of_this_process(&first, &path("leases"));
        assert_eq!(of(&file), Liveness::Live);
        fs::write(path("new"), "").unwrap();
        fs::rename(path("new"), path("leases")).unwrap();
        assert!(reason(&of(&file)).starts_with("another file was put in the place of /"));
        fs::remove_file(path("leases")).unwrap();
        assert!(reason(&of(&file)).starts_with("somebody deleted /"));
        let second = open();
        file = file_of_this_process(&second, &path("leases"));
        assert_eq!(of(&file), Liveness::Live);
        fs::rename(path("leases"), path("leases.bak")).unwrap();
        file.name = path("leases.bak");
        assert!(reason(&of(&file)).starts_with("somebody renamed /"));
    }

    #[test]
    fn whose_a_named_file_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let open = File::create(path("own")).unwrap();
        fs::write(path("other"), "").unwrap();
        let owner = Owner {
            server: ServerRef(3),
            kind: ServerKind::Dnsmasq,
            pid: std::process::id(),
            books: Books::File(file_of_this_process(&open, &path("own"))),
        };
        let owners = [owner];
        let claim = |name: &str, kind, strangers| {
            let mut search = Search::default();
            Claim::of(&path(name), kind, &owners, strangers, &mut search)
        };
        let dnsmasq = ServerKind::Dnsmasq;
        let own = Claim::Of(ServerRef(3), std::process::id());
        assert_eq!(claim("own", dnsmasq, false), own);
        assert_eq!(claim("own", dnsmasq, true), own);
        assert_eq!(claim("other", dnsmasq, true), Claim::Unknown);
        assert_eq!(claim("not there", dnsmasq, false), Claim::Unknown);
        assert_eq!(
            claim("not there", ServerKind::IscDhcpd, false),
            Claim::Unknown
        );
        let nobody = |claim| match claim {
            Claim::Nobody(reason) => reason,
            claim => panic!("{claim:?}"),
        };
        let another = nobody(claim("other", dnsmasq, false));
        assert!(
            another.contains("/own): it is another server's"),
            "{another}"
        );
        let none = nobody(claim("own", ServerKind::Kea, false));
        assert!(
            none.starts_with("no kea runs in this network namespace"),
            "{none}"
        );
        assert!(nobody(claim("own", ServerKind::Udhcpd, true)).starts_with("udhcpd keeps"));
        fs::remove_file(path("own")).unwrap();
        let deleted = nobody(claim("own", dnsmasq, false));
        assert!(
            deleted.starts_with("somebody deleted or renamed it"),
            "{deleted}"
        );
    }
}
