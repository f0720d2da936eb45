//! Hands file descriptors to the reactor: the only place that does.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A descriptor whose readability can be awaited. Must be called inside a tokio
/// runtime; fails if the reactor can't take another descriptor.
pub(super) fn readable<T: AsRawFd + Into<OwnedFd>>(fd: T) -> io::Result<AsyncFd<OwnedFd>> {
    register(fd.into())
}

/// As [`readable`], for a type that keeps more than its descriptor.
#[expect(
    deprecated,
    reason = "its successor is unsafe for the sake of types that may close or change their \
              descriptor; those given here own one descriptor for life"
)]
pub(crate) fn register<T: AsRawFd>(owner: T) -> io::Result<AsyncFd<T>> {
    AsyncFd::with_interest(owner, Interest::READABLE)
}
