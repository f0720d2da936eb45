//! A lease database that is a log: the server appends to it and now and then puts another
//! file in its place. Only reads.

use super::lease_file::{kea, seen_from_here, without_deleted};
use super::procfs::{self, FileId};
use super::settle::ReadError;
use leasehound_core::lease::Format;
use std::io;
use std::path::{Path, PathBuf};

/// A log of leases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LeaseLog {
    /// Whose format it has.
    pub(super) format: Format,
    /// The process that writes it; `None` if the operator named the file.
    pub(super) pid: Option<u32>,
    /// The name, as the server has it. The file of that name changes.
    pub(super) name: PathBuf,
}

/// One file of it as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) path: PathBuf,
    /// `None`: there is no such file now.
    pub(super) file: Option<FileId>,
}

impl LeaseLog {
    /// The newest file, seen from here.
    pub(super) fn path(&self) -> PathBuf {
        match self.pid {
            Some(pid) => seen_from_here(pid, &self.name),
            None => self.name.clone(),
        }
    }

    /// Where its files come and go.
    pub(super) fn directory(&self) -> Option<PathBuf> {
        let directory = self.path().parent()?.to_path_buf();
        // A name without a directory.
        Some(if directory.as_os_str().is_empty() {
            PathBuf::from(".")
        } else {
            directory
        })
    }

    /// Whether the name leads to another file than the one that the server has open
    /// under it.
    pub(super) fn taken_away(&self) -> bool {
        self.newest().is_ok_and(|newest| newest != self.path())
    }

    /// Its files as they are now, older ones first. Fails with [`ReadError::Moving`] while
    /// one takes another's place.
    pub(super) fn parts(&self) -> Result<Vec<Part>, ReadError> {
        let newest = self.newest()?;
        let mut paths = match self.format {
            Format::Kea => kea::older_files(&self.path()),
            _ => Vec::new(),
        };
        paths.push(newest);
        let mut parts = Vec::with_capacity(paths.len());
        for path in paths {
            let file = match FileId::at(&path) {
                Ok(file) => Some(file),
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return Err(error.into()),
            };
            parts.push(Part { path, file });
        }
        // libvirt's helper makes the file with the first lease.
        let may_be_missing = self.format == Format::Libvirt;
        if !may_be_missing && parts.iter().all(|part| part.file.is_none()) {
            // In the system's own words.
            let none = nix::errno::Errno::ENOENT as i32;
            return Err(io::Error::from_raw_os_error(none).into());
        }
        Ok(parts)
    }

    /// The path of the newest file: by its name, or by the process's descriptor where
    /// somebody took the file away from under it.
    fn newest(&self) -> Result<PathBuf, ReadError> {
        let path = self.path();
        let Some(pid) = self.pid else {
            return Ok(path);
        };
        let open = match procfs::open_files(pid) {
            Ok(open) => open,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(ReadError::Closed);
            }
            // Only the names are to be seen.
            Err(_) => return Ok(path),
        };
        if let Ok(named) = FileId::at(&path) {
            let is_named = |fd| FileId::at(&procfs::fd_path(pid, fd)).is_ok_and(|id| id == named);
            if open.iter().any(|open| is_named(open.fd)) {
                return Ok(path);
            }
        }
        for open in &open {
            let name = without_deleted(&open.target);
            if name == self.name {
                return Ok(procfs::fd_path(pid, open.fd));
            }
            if is_in_the_making(&name, &self.name) {
                return Err(ReadError::Moving);
            }
        }
        Ok(path)
    }
}

/// Whether a file will be renamed to `finished` once it is written: dhcpd writes
/// `dhcpd.leases.1795755576`.
fn is_in_the_making(name: &Path, finished: &Path) -> bool {
    let (Some(name), Some(finished)) = (name.to_str(), finished.to_str()) else {
        return false;
    };
    let number = name
        .strip_prefix(finished)
        .and_then(|rest| rest.strip_prefix('.'));
    number.is_some_and(|number| {
        !number.is_empty() && number.bytes().all(|octet| octet.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};

    fn log(format: Format, pid: Option<u32>, name: PathBuf) -> LeaseLog {
        LeaseLog { format, pid, name }
    }

    /// The content of its files, one after the other.
    fn text(log: &LeaseLog) -> Result<String, ReadError> {
        let parts = log.parts()?.into_iter();
        let there = parts.filter(|part| part.file.is_some());
        Ok(there
            .map(|part| fs::read_to_string(part.path).unwrap())
            .collect())
    }

    #[test]
    fn the_files_of_a_memfile_in_the_order_of_loading() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let log = log(Format::Kea, None, path("l.csv"));
        assert!(matches!(log.parts(), Err(ReadError::Io(_))));
        fs::write(path("l.csv.2"), "2 ").unwrap();
        fs::write(path("l.csv.1"), "1 ").unwrap();
        assert_eq!(text(&log).unwrap(), "2 1 ");
        fs::write(path("l.csv"), "newest").unwrap();
        assert_eq!(text(&log).unwrap(), "2 1 newest");
        fs::write(path("l.csv.completed"), "c ").unwrap();
        assert_eq!(text(&log).unwrap(), "c newest");
    }

    #[test]
    fn libvirts_file_comes_with_the_first_lease() {
        let directory = tempfile::tempdir().unwrap();
        let log = log(
            Format::Libvirt,
            None,
            directory.path().join("virbr0.status"),
        );
        assert_eq!(text(&log).unwrap(), "");
    }

    #[test]
    fn a_file_that_was_taken_away_is_read_through_its_descriptor() {
        let directory = tempfile::tempdir().unwrap();
        let name = directory.path().join("dhcpd.leases");
        let me = std::process::id();
        let log = log(Format::IscDhcpd, Some(me), name.clone());
        fs::write(&name, "old").unwrap();
        let open = File::options().append(true).open(&name).unwrap();
        assert_eq!(
            (text(&log).unwrap(), log.taken_away()),
            ("old".to_owned(), false)
        );
        fs::remove_file(&name).unwrap();
        assert_eq!(
            (text(&log).unwrap(), log.taken_away()),
            ("old".to_owned(), true)
        );
        fs::write(&name, "forged").unwrap();
        assert_eq!(
            (text(&log).unwrap(), log.taken_away()),
            ("old".to_owned(), true)
        );
        drop(open);
        assert_eq!(
            (text(&log).unwrap(), log.taken_away()),
            ("forged".to_owned(), false)
        );
    }

    #[test]
    fn a_file_in_the_making_does_not_count() {
        let directory = tempfile::tempdir().unwrap();
        let name = directory.path().join("dhcpd.leases");
        fs::write(&name, "old").unwrap();
        let making = directory.path().join("dhcpd.leases.1795755576");
        let open = File::create(&making).unwrap();
        let log = log(Format::IscDhcpd, Some(std::process::id()), name.clone());
        assert!(matches!(log.parts(), Err(ReadError::Moving)));
        assert!(!log.taken_away());
        fs::write(&making, "new").unwrap();
        fs::rename(&making, &name).unwrap();
        assert_eq!(text(&log).unwrap(), "new");
        drop(open);
    }
}
