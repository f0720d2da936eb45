//! Asks a foreign socket whether `SO_REUSEPORT` is set: no list tells it.
//!
//! Takes a copy of the process's descriptor (`pidfd_getfd`, Linux 5.6), reads one
//! option and closes it. For these microseconds the socket lives on even if its
//! process closes it: so only sockets are asked for which the answer matters, and
//! each once.

use super::process::Held;
use nix::sys::socket::{getsockopt, sockopt};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;

/// Whether the socket `inode` has the option. Needs the rights of ptrace(2) over the
/// process.
pub(super) fn ask(held: Held, inode: u64) -> io::Result<bool> {
    let invalid = || io::Error::from(io::ErrorKind::InvalidInput);
    let pid = i32::try_from(held.process.pid).map_err(|_| invalid())?;
    let fd = i32::try_from(held.fd).map_err(|_| invalid())?;
    let process = pidfd_open(Pid::from_raw(pid).ok_or_else(invalid)?, PidfdFlags::empty())?;
    let copy = File::from(pidfd_getfd(&process, fd, PidfdGetfdFlags::empty())?);
    // The descriptor may mean another file by now.
    if copy.metadata()?.ino() != inode {
        return Err(io::Error::from(io::ErrorKind::NotFound));
    }
    Ok(getsockopt(&copy, sockopt::ReusePort)?)
}
