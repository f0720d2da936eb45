//! Which of the kernel's namespaces and interfaces the engine knows by which handle.

use crate::evidence::interfaces::Interface;
use leasehound_core::origin::{InterfaceId, NetnsId};
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::watch;

/// The interfaces of a namespace, as of the latest look.
type Interfaces = watch::Receiver<Arc<[Interface]>>;

/// The watched namespaces. Clones share them.
#[derive(Debug, Clone, Default)]
pub(in crate::commands::run) struct Places(Arc<RwLock<BTreeMap<NetnsId, Place>>>);

#[derive(Debug, Clone)]
struct Place {
    /// The number in `net:[inode]`.
    inode: u64,
    interfaces: Interfaces,
}

impl Places {
    /// A namespace is watched.
    pub(in crate::commands::run) fn enter(
        &self,
        netns: NetnsId,
        inode: u64,
        interfaces: Interfaces,
    ) {
        let mut places = self.0.write().unwrap_or_else(PoisonError::into_inner);
        places.insert(netns, Place { inode, interfaces });
    }

    /// It is watched no longer.
    pub(in crate::commands::run) fn leave(&self, netns: NetnsId) {
        let mut places = self.0.write().unwrap_or_else(PoisonError::into_inner);
        places.remove(&netns);
    }

    /// All of them, each with its inode.
    pub(super) fn all(&self) -> Vec<(NetnsId, u64)> {
        let places = self.0.read().unwrap_or_else(PoisonError::into_inner);
        places
            .iter()
            .map(|(id, place)| (*id, place.inode))
            .collect()
    }

    /// The namespace with an inode, if it is watched.
    pub(super) fn netns(&self, inode: u64) -> Option<NetnsId> {
        let places = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut of = places.iter().filter(|(_, place)| place.inode == inode);
        of.next().map(|(id, _)| *id)
    }

    /// The interface with an index in a namespace.
    pub(super) fn interface(&self, netns: NetnsId, index: u32) -> Option<InterfaceId> {
        let places = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let interfaces = places.get(&netns)?.interfaces.borrow();
        let mut of = interfaces.iter().filter(|one| one.index == index);
        of.next().map(|one| one.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_is_known_while_it_is_watched() {
        let eth0 = Interface {
            id: InterfaceId(7),
            netns: NetnsId(1),
            index: 3,
            name: "eth0".into(),
            up: true,
            loopback: false,
            mac: None,
            addresses: Vec::new(),
            has_ipv6: false,
        };
        let (_keep, interfaces) = watch::channel(Arc::from([eth0]));
        let places = Places::default();
        places.enter(NetnsId(1), 4_026_531_999, interfaces);
        assert_eq!(places.netns(4_026_531_999), Some(NetnsId(1)));
        assert_eq!(places.interface(NetnsId(1), 3), Some(InterfaceId(7)));
        assert_eq!(places.interface(NetnsId(1), 4), None);
        assert_eq!(places.interface(NetnsId(0), 3), None);
        places.leave(NetnsId(1));
        assert_eq!(places.netns(4_026_531_999), None);
        assert_eq!(places.all(), []);
    }
}
