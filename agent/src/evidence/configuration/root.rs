//! Files as a server process sees them: it may live in another root, and links there lead
//! within that root.
//!
//! Only regular files are read, and only so much of them: nothing here can block or grow.

use crate::evidence::procfs::{self, FileId};
use leasehound_core::time::Timestamp;
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

/// More than any configuration.
const SIZE_LIMIT: u64 = 4 << 20;
/// A process's start is known to some 20 ms only.
const SLACK: Duration = Duration::from_millis(50);

/// The files of a process.
#[derive(Debug)]
pub(super) struct Root {
    pid: u32,
    directory: OwnedFd,
    started: Timestamp,
}

/// A file that was read.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) id: FileId,
    pub(super) text: String,
    /// It was changed after the process had started.
    pub(super) changed: bool,
}

impl Root {
    /// Of a process that started then.
    pub(super) fn of(pid: u32, started: Timestamp) -> io::Result<Self> {
        let directory = File::open(procfs::path(pid, "root"))?.into();
        Ok(Self {
            pid,
            directory,
            started,
        })
    }

    /// Reads a file.
    pub(super) fn read(&self, path: &Path) -> io::Result<Read> {
        let mut file = File::from(self.open(path, OFlags::empty())?);
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::other("not a regular file"));
        }
        if metadata.len() > SIZE_LIMIT {
            return Err(io::Error::other("too long"));
        }
        let mut octets = Vec::new();
        file.by_ref().take(SIZE_LIMIT).read_to_end(&mut octets)?;
        Ok(Read {
            id: FileId::of(&metadata),
            text: String::from_utf8_lossy(&octets).into_owned(),
            changed: self.is_later(&metadata),
        })
    }

    /// Whether a path leads to a regular file.
    pub(super) fn is_file(&self, path: &Path) -> bool {
        let open = self.open(path, OFlags::PATH);
        open.is_ok_and(|open| File::from(open).metadata().is_ok_and(|it| it.is_file()))
    }

    /// What a directory has, by name, and whether one came, went or was renamed
    /// after the process had started.
    pub(super) fn list(&self, directory: &Path) -> io::Result<(Vec<String>, bool)> {
        let open = File::from(self.open(directory, OFlags::DIRECTORY)?);
        let changed = self.is_later(&open.metadata()?);
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&open)? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort_unstable();
        Ok((names, changed))
    }

    fn open(&self, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
        let flags = if flags.contains(OFlags::PATH) {
            // openat2 refuses any other beside it.
            flags | OFlags::CLOEXEC
        } else {
            flags | OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY
        };
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        if path.is_absolute() {
            return Ok(openat2(
                &self.directory,
                path,
                flags,
                Mode::empty(),
                resolve,
            )?);
        }
        // Relative to where it was started; most move to / then, and so do their paths.
        let here = File::open(procfs::path(self.pid, "cwd"))?;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        Ok(openat2(&here, path, flags, Mode::empty(), resolve)?)
    }

    /// Whether it was written, or put where it is, after the process had started: a copy may
    /// keep the time of what it was copied from (`cp -p`, a package's file), its inode not.
    fn is_later(&self, metadata: &std::fs::Metadata) -> bool {
        let time = |seconds, nanos| {
            let nanos = Duration::from_nanos(u64::try_from(nanos).unwrap_or(0));
            Timestamp::from_secs(u64::try_from(seconds).unwrap_or(0)).saturating_add(nanos)
        };
        let modified = time(metadata.mtime(), metadata.mtime_nsec());
        let changed = time(metadata.ctime(), metadata.ctime_nsec());
        modified.max(changed) > self.started.saturating_add(SLACK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn own(started: Timestamp) -> Root {
        Root::of(std::process::id(), started).unwrap()
    }

    #[test]
    fn files_and_directories_and_whether_they_were_changed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.conf");
        fs::write(&path, "interface=eth3\n").unwrap();
        std::os::unix::fs::symlink("x.conf", directory.path().join("link")).unwrap();
        let early = own(Timestamp::from_secs(1));
        let read = early.read(&directory.path().join("link")).unwrap();
        assert_eq!(
            (read.text.as_str(), read.changed),
            ("interface=eth3\n", true)
        );
        assert_eq!(read.id, FileId::at(&path).unwrap());
        assert!(!own(Timestamp::MAX).read(&path).unwrap().changed);
        // A copy with the time of its original.
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
        assert!(early.read(&path).unwrap().changed);
        let (names, changed) = early.list(directory.path()).unwrap();
        assert!(changed && names.contains(&"x.conf".to_owned()));
    }

    #[test]
    fn nothing_but_regular_files_is_read() {
        let root = own(Timestamp::ZERO);
        for path in [
            "/dev/zero",
            "/",
            "/no/such/file",
            "/proc/self/cwd/Cargo.toml",
        ] {
            assert!(root.read(Path::new(path)).is_err(), "{path}");
        }
    }
}
