//! The handles that interfaces and servers get: none is given out twice.

use leasehound_core::evidence::ServerRef;
use leasehound_core::origin::InterfaceId;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Allots handles. Clones allot from the same numbers: the tasks of all namespaces
/// that feed one engine share one.
#[derive(Debug, Clone, Default)]
pub struct Handles(Arc<Last>);

#[derive(Debug, Default)]
struct Last {
    interface: AtomicU32,
    server: AtomicU32,
}

impl Handles {
    pub(super) fn interface(&self) -> InterfaceId {
        InterfaceId(next(&self.0.interface))
    }

    pub(super) fn server(&self) -> ServerRef {
        ServerRef(next(&self.0.server))
    }
}

/// From 1 on.
fn next(last: &AtomicU32) -> u32 {
    let more = last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| {
        last.checked_add(1)
    });
    more.map_or(u32::MAX, |before| before.saturating_add(1))
}
