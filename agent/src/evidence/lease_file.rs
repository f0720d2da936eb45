//! Where a server process has its lease database: one file for each kind of server, and
//! what they share.

mod dnsmasq;
mod dnsmasq_options;
mod isc_dhcpd;
pub(super) mod kea;
pub(super) mod kea_configuration;
mod libvirt;
mod networkd;
mod udhcpd;

use super::control_socket::ControlSocket;
use super::lease_log::LeaseLog;
use super::procfs::{self, FileId, OpenFile};
use leasehound_core::evidence::{DatabaseProblem, ServerKind};
use leasehound_core::lease::Format;
use std::fs;
use std::path::{Path, PathBuf};

pub(super) const O_ACCMODE: u32 = 0o3;

/// Where a server process has its lease database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Books {
    /// In a file that it rewrites in place and keeps open.
    File(LeaseFile),
    /// In a log that it appends to, or a file that another one takes the place of.
    Log(LeaseLog),
    /// Where only the server can read; it tells them when asked.
    Control(ControlSocket),
    /// Nowhere that could be read, or in a file that says nothing.
    None(NoBooks),
}

impl Books {
    fn log(format: Format, pid: u32, name: Option<PathBuf>) -> Self {
        match name {
            Some(name) => Self::Log(LeaseLog {
                format,
                pid: Some(pid),
                name,
            }),
            None => Self::none(
                DatabaseProblem::Absent,
                None,
                "no lease file of it was found",
            ),
        }
    }

    fn none(problem: DatabaseProblem, name: Option<PathBuf>, reason: impl Into<Box<str>>) -> Self {
        let reason = reason.into();
        Self::None(NoBooks {
            problem,
            name,
            reason,
        })
    }

    /// Whether they can be read.
    pub(super) const fn are_readable(&self) -> bool {
        !matches!(self, Self::None(_))
    }

    /// Whether the server with this process id writes `file`.
    pub(super) fn are_in(&self, pid: u32, file: FileId) -> bool {
        match self {
            Self::File(own) => own.file == file,
            Self::Log(log) => file.is_at(&log.path()) || has_open(pid, file),
            Self::Control(_) => false,
            Self::None(none) => {
                let name = none.name.as_deref();
                name.is_some_and(|name| file.is_at(&seen_from_here(pid, name)))
            }
        }
    }

    /// The name, for people.
    pub(super) fn name(&self) -> Option<&Path> {
        match self {
            Self::File(file) => Some(&file.meant),
            Self::Log(log) => Some(&log.name),
            Self::Control(socket) => Some(&socket.name),
            Self::None(none) => none.name.as_deref(),
        }
    }
}

/// Why a server has no books to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NoBooks {
    /// In a word.
    pub(super) problem: DatabaseProblem,
    /// The file that says nothing, if there is one.
    pub(super) name: Option<PathBuf>,
    /// One line for the operator.
    pub(super) reason: Box<str>,
}

fn has_open(pid: u32, file: FileId) -> bool {
    let open = procfs::open_files(pid).unwrap_or_default();
    open.iter()
        .any(|open| file.is_at(&procfs::fd_path(pid, open.fd)))
}

/// An open lease file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LeaseFile {
    /// The descriptor in the server's process.
    pub(super) fd: u32,
    /// The name it has or had, for people.
    pub(super) name: PathBuf,
    /// The name that the server was told to use, or its default.
    pub(super) meant: PathBuf,
    /// Which file that descriptor leads to: guards against a reused pid or
    /// descriptor.
    pub(super) file: FileId,
}

/// Finds the lease database of a process.
pub(super) fn find(kind: ServerKind, pid: u32, open: &[OpenFile]) -> Books {
    match kind {
        ServerKind::Dnsmasq => dnsmasq::find(pid, open),
        ServerKind::IscDhcpd => Books::log(Format::IscDhcpd, pid, isc_dhcpd::find(pid, open)),
        ServerKind::Kea => kea::find(pid, open),
        ServerKind::Udhcpd => udhcpd::find(pid),
        ServerKind::Networkd => networkd::find(pid),
        ServerKind::CoreDhcp | ServerKind::Ovn | ServerKind::Harvester | ServerKind::Unknown => {
            let reason = format!("{} keeps no lease file that could be read", kind.as_str());
            Books::none(DatabaseProblem::Absent, None, reason)
        }
    }
}

/// The regular files that a process has open in a mode (as in open(2)), with the names
/// they have or had.
fn regular_files(pid: u32, open: &[OpenFile], mode: impl Fn(u32) -> bool) -> Vec<(u32, PathBuf)> {
    let wanted = |open: &&OpenFile| {
        open.target.is_absolute()
            && fs::metadata(procfs::fd_path(pid, open.fd)).is_ok_and(|metadata| metadata.is_file())
            && procfs::open_flags(pid, open.fd).is_ok_and(|flags| mode(flags & O_ACCMODE))
    };
    open.iter()
        .filter(wanted)
        .map(|open| (open.fd, without_deleted(&open.target)))
        .collect()
}

/// `d_path` marks a file without a name by this suffix.
pub(super) fn without_deleted(target: &Path) -> PathBuf {
    target
        .to_str()
        .and_then(|text| text.strip_suffix(" (deleted)"))
        .map_or_else(|| target.to_owned(), PathBuf::from)
}

/// Which of some files is the lease file: the configured one (by its path, then by its
/// name, for the path may lead through links and other roots), one at a default place, or
/// one that is called so.
fn place_of(names: &[&Path], configured: Option<&Path>, defaults: &[&str]) -> Option<usize> {
    let place = |wanted: &dyn Fn(&Path) -> bool| names.iter().position(|name| wanted(name));
    if let Some(configured) = configured {
        let by_path = place(&|name| name == configured);
        let by_name = || place(&|name| name.file_name() == configured.file_name());
        if let Some(found) = by_path.or_else(by_name) {
            return Some(found);
        }
    }
    let by_default = place(&|name| defaults.iter().any(|default| name == Path::new(default)));
    let by_word = || {
        place(&|name| {
            name.file_name()
                .is_some_and(|name| name.to_string_lossy().contains("lease"))
        })
    };
    by_default.or_else(by_word)
}

/// A path of a process, seen from here: it may live in another root.
pub(super) fn seen_from_here(pid: u32, path: &Path) -> PathBuf {
    let relative = path.strip_prefix("/").unwrap_or(path);
    procfs::path(pid, "root").join(relative)
}

/// The last value of an option, as getopt_long(3) reads it.
fn option<'a>(arguments: &'a [String], long: &str, short: &str) -> Option<&'a str> {
    let mut value = None;
    let mut arguments = arguments.iter().skip(1);
    while let Some(argument) = arguments.next() {
        if argument == long || argument == short {
            value = arguments.next().map(String::as_str).or(value);
        } else if let Some(rest) = argument.strip_prefix(long) {
            value = rest.strip_prefix('=').or(value);
        } else if !argument.starts_with("--")
            && let Some(rest) = argument.strip_prefix(short)
        {
            value = Some(rest);
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nameless_file_keeps_its_name() {
        assert_eq!(
            without_deleted(Path::new("/run/x.leases (deleted)")),
            Path::new("/run/x.leases")
        );
        assert_eq!(
            without_deleted(Path::new("/run/x.leases")),
            Path::new("/run/x.leases")
        );
    }
}
