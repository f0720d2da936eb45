//! Where a lease database is read, and how what is there stands to its server.

use super::control_socket::ControlSocket;
use super::lease_file::{Books, LeaseFile, NoBooks};
use super::lease_log::LeaseLog;
use super::liveness;
use super::procfs::{self, FileId, Rest};
use super::room;
use super::settle::{ReadError, Source};
use super::snapshot::LeaseDatabaseSpec;
use leasehound_core::evidence::{DatabaseProblem, Liveness, ServerKind};
use leasehound_core::lease::Format;
use leasehound_core::time::Timestamp;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// 600 KB hold 10,000 leases: a hundred times that is something else.
pub(super) const SIZE_LIMIT: u64 = 64 * 1024 * 1024;

/// Where a database is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// A file that a server keeps open.
    Process { pid: u32, file: LeaseFile },
    /// A log of a server, or one that the operator named.
    Log(LeaseLog),
    /// A server tells it when asked.
    Control(ControlSocket),
    /// A server has none that says anything.
    Nowhere(NoBooks),
    /// A file that is rewritten in place, and that the operator named.
    Path {
        path: PathBuf,
        format: Format,
        /// The process that writes it, where that is known.
        writer: Option<u32>,
    },
}

impl Place {
    /// Where a server process has it.
    pub(super) fn of(pid: u32, books: &Books) -> Self {
        match books {
            Books::File(file) => Self::Process {
                pid,
                file: file.clone(),
            },
            Books::Log(log) => Self::Log(log.clone()),
            Books::Control(socket) => Self::Control(socket.clone()),
            Books::None(none) => Self::Nowhere(none.clone()),
        }
    }

    /// What the operator named.
    pub(super) fn named(spec: &LeaseDatabaseSpec) -> Self {
        match spec.format {
            Format::Dnsmasq | Format::Udhcpd => Self::Path {
                path: spec.path.clone(),
                format: spec.format,
                writer: None,
            },
            _ => Self::Log(spec.log()),
        }
    }

    /// Whether the operator named it.
    pub(super) const fn is_named(&self) -> bool {
        match self {
            Self::Path { .. } => true,
            Self::Log(log) => log.pid.is_none(),
            Self::Process { .. } | Self::Control(_) | Self::Nowhere(_) => false,
        }
    }

    /// Says who writes what the operator named.
    pub(super) fn written_by(&mut self, pid: Option<u32>) {
        if let Self::Path { writer, .. } = self {
            *writer = pid;
        }
    }

    /// The directory in which files take each other's place.
    pub(super) fn directory(&self) -> Option<PathBuf> {
        match self {
            Self::Log(log) => log.directory(),
            _ => None,
        }
    }

    /// Where to open and watch it.
    pub(super) fn path(&self) -> Option<PathBuf> {
        match self {
            Self::Process { pid, file } => Some(procfs::fd_path(*pid, file.fd)),
            Self::Log(log) => Some(log.path()),
            Self::Control(_) | Self::Nowhere(_) => None,
            Self::Path { path, .. } => Some(path.clone()),
        }
    }

    /// The name to show to people.
    pub(super) fn name(&self) -> Option<&Path> {
        match self {
            Self::Process { file, .. } => Some(&file.meant),
            Self::Log(log) => Some(&log.name),
            Self::Control(socket) => Some(&socket.name),
            Self::Nowhere(none) => none.name.as_deref(),
            Self::Path { path, .. } => Some(path),
        }
    }

    /// How it stands to its server of this kind, as far as a look at names tells.
    pub(super) fn liveness(&self, kind: ServerKind) -> Liveness {
        match self {
            Self::Process { pid, file } => liveness::of_file(kind, *pid, file),
            Self::Log(log) => liveness::of_log(kind, log),
            Self::Nowhere(none) if none.problem == DatabaseProblem::NotLive => Liveness::NotLive {
                reason: none.reason.clone(),
            },
            Self::Nowhere(_) => Liveness::Unknown,
            Self::Control(_) | Self::Path { .. } => Liveness::Live,
        }
    }
}

impl Source for Place {
    fn format(&self) -> Format {
        match self {
            Self::Log(log) => log.format,
            Self::Path { format, .. } => *format,
            Self::Control(_) => Format::Kea,
            Self::Process { .. } | Self::Nowhere(_) => Format::Dnsmasq,
        }
    }

    /// Opens afresh each time: the offset is then ours, and a descriptor or pid
    /// that means something else now is found out.
    fn read(&mut self) -> Result<(Vec<u8>, Option<Timestamp>), ReadError> {
        if let Self::Nowhere(none) = self {
            return Err(ReadError::NoBooks {
                problem: none.problem,
                reason: none.reason.clone(),
            });
        }
        let path = self.path().ok_or(ReadError::Closed)?;
        let file = match (File::open(path), &*self) {
            (Err(error), Self::Process { .. }) if error.kind() == io::ErrorKind::NotFound => {
                return Err(ReadError::Closed);
            }
            (opened, _) => opened?,
        };
        let metadata = file.metadata()?;
        if let Self::Process { file: expected, .. } = self
            && FileId::of(&metadata) != expected.file
        {
            return Err(ReadError::Closed);
        }
        let mut text =
            Vec::with_capacity(usize::try_from(metadata.len().min(SIZE_LIMIT)).unwrap_or(0));
        (&file).take(SIZE_LIMIT + 1).read_to_end(&mut text)?;
        if u64::try_from(text.len()).is_ok_and(|length| length > SIZE_LIMIT) {
            return Err(ReadError::TooLarge { limit: SIZE_LIMIT });
        }
        // As it was after the reading: what came before is in it.
        Ok((text, procfs::modified(&file.metadata()?)))
    }

    fn writer(&self) -> Option<Rest> {
        match self {
            Self::Process { pid, .. }
            | Self::Path {
                writer: Some(pid), ..
            } => procfs::rest(*pid).ok(),
            Self::Log(_) | Self::Control(_) | Self::Nowhere(_) | Self::Path { .. } => None,
        }
    }

    /// Room that there is now is taken for room that there was.
    fn had_room(&mut self, octets: u64, _: Option<Timestamp>) -> bool {
        self.path().is_none_or(|path| room::is_free(&path, octets))
    }
}
