//! What the handles in origins are called: interface and namespace names.
//!
//! Filled by whoever allots [`InterfaceId`]s, read by every sink.

use leasehound_core::origin::InterfaceId;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

/// The names behind one [`InterfaceId`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InterfaceName {
    /// The namespace's name; empty for the agent's own.
    pub netns: String,
    /// `eth3`
    pub interface: String,
}

/// Names by handle; clones share one map.
#[derive(Debug, Clone)]
pub struct InterfaceNames(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    by_id: RwLock<BTreeMap<InterfaceId, Arc<InterfaceName>>>,
    unknown: Arc<InterfaceName>,
}

impl InterfaceNames {
    /// No names yet.
    pub fn new() -> Self {
        Self(Arc::new(Shared {
            by_id: RwLock::default(),
            unknown: Arc::new(InterfaceName {
                netns: String::new(),
                interface: "unknown".to_owned(),
            }),
        }))
    }

    /// Names `id`; a later name replaces an earlier one.
    pub fn insert(&self, id: InterfaceId, netns: &str, interface: &str) {
        let name = InterfaceName {
            netns: netns.to_owned(),
            interface: interface.to_owned(),
        };
        self.0
            .by_id
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id, Arc::new(name));
    }

    /// The name of `id`; interface `unknown` if it has none.
    pub fn get(&self, id: InterfaceId) -> Arc<InterfaceName> {
        let by_id = self.0.by_id.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(by_id.get(&id).unwrap_or(&self.0.unknown))
    }

    /// Forgets `id`: it is `unknown` from now on.
    pub fn remove(&self, id: InterfaceId) {
        self.0
            .by_id
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&id);
    }
}

impl Default for InterfaceNames {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_share_names_and_the_latest_name_counts() {
        let names = InterfaceNames::new();
        let reader = names.clone();
        assert_eq!(reader.get(InterfaceId(7)).interface, "unknown");
        names.insert(InterfaceId(7), "qrouter", "eth3");
        assert_eq!(reader.get(InterfaceId(7)).netns, "qrouter");
        names.insert(InterfaceId(7), "", "eth4");
        assert_eq!(reader.get(InterfaceId(7)).interface, "eth4");
        names.remove(InterfaceId(7));
        assert_eq!(reader.get(InterfaceId(7)).interface, "unknown");
    }
}
