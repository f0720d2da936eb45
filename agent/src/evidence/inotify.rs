//! Word of writes to files, and of names that come and go.

use super::readiness::register;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::path::Path;
use tokio::io::unix::AsyncFd;

#[derive(Debug)]
struct Descriptor(Inotify);

impl AsRawFd for Descriptor {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

/// Wakes its owner when one of the watched files was written to.
#[derive(Debug)]
pub(super) struct FileWatch(AsyncFd<Descriptor>);

impl FileWatch {
    /// Must be called inside a tokio runtime.
    pub(super) fn open() -> io::Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
        Ok(Self(register(Descriptor(inotify))?))
    }

    /// Watches the file that the path, or a magic link, leads to now. The same file
    /// gives the same descriptor.
    pub(super) fn add(&self, path: &Path) -> io::Result<WatchDescriptor> {
        // Attributes: a name was taken from it, by a rename of another file or a removal.
        let events = AddWatchFlags::IN_MODIFY
            | AddWatchFlags::IN_CLOSE_WRITE
            | AddWatchFlags::IN_ATTRIB
            | AddWatchFlags::IN_MOVE_SELF;
        Ok(self.0.get_ref().0.add_watch(path, events)?)
    }

    /// Watches the names in a directory.
    pub(super) fn add_directory(&self, path: &Path) -> io::Result<WatchDescriptor> {
        let events = AddWatchFlags::IN_CREATE | AddWatchFlags::IN_DELETE | AddWatchFlags::IN_MOVE;
        Ok(self.0.get_ref().0.add_watch(path, events)?)
    }

    /// Forgets a file; one that is gone already is forgotten by the kernel.
    pub(super) fn remove(&self, watch: WatchDescriptor) {
        if let Err(error) = self.0.get_ref().0.rm_watch(watch) {
            tracing::debug!(%error, "a watch was gone already");
        }
    }

    /// Waits for writes, and gives the watches they were seen by. A negative one
    /// means that events were lost: anything may have been written to.
    pub(super) async fn changed(&self) -> io::Result<Vec<WatchDescriptor>> {
        loop {
            let mut ready = self.0.readable().await?;
            let read = ready.try_io(|fd| Ok(fd.get_ref().0.read_events()?));
            if let Ok(events) = read {
                let mut watches: Vec<_> = events?.iter().map(|event| event.wd).collect();
                watches.dedup();
                return Ok(watches);
            }
        }
    }
}

/// Wakes its owner when a name in a directory came or went.
#[derive(Debug)]
pub struct DirectoryWatch(FileWatch);

impl DirectoryWatch {
    /// Must be called inside a tokio runtime. Fails if the directory is not there.
    pub fn open(path: &Path) -> io::Result<Self> {
        let watch = FileWatch::open()?;
        watch.add_directory(path)?;
        Ok(Self(watch))
    }

    /// Waits for a change.
    pub async fn changed(&self) -> io::Result<()> {
        self.0.changed().await.map(drop)
    }
}
