//! The lease databases of one namespace, in the metrics.
//!
//! Several servers of one kind may run there; kind and namespace are all that the
//! labels tell, so the series speak for all of them together.

use crate::evidence::status::DatabaseStatus;
use crate::sinks::metrics::Metrics;
use leasehound_core::evidence::ServerKind;
use std::collections::{BTreeMap, BTreeSet};

/// What was published, to take it back.
#[derive(Debug, Default)]
pub(super) struct Databases(BTreeSet<ServerKind>);

#[derive(Debug, Clone, Copy)]
struct Together {
    up: bool,
    /// `None` until one was of use.
    entries: Option<u64>,
}

impl Databases {
    /// Publishes what there is now: up if all are. Returns the leases in all of them.
    pub(super) fn publish(
        &mut self,
        metrics: &Metrics,
        netns: &str,
        databases: &[DatabaseStatus],
    ) -> u64 {
        let mut by_kind: BTreeMap<ServerKind, Together> = BTreeMap::new();
        for database in databases {
            let together = by_kind.entry(database.kind).or_insert(Together {
                up: true,
                entries: None,
            });
            together.up &= database.up;
            let entries = u64::try_from(database.entries).unwrap_or(u64::MAX);
            if database.up || entries > 0 {
                let before = together.entries.unwrap_or(0);
                together.entries = Some(before.saturating_add(entries));
            }
        }
        self.0.retain(|kind| {
            let stays = by_kind.contains_key(kind);
            if !stays {
                metrics.lease_database_gone(*kind, netns);
            }
            stays
        });
        let mut all = 0_u64;
        for (kind, together) in by_kind {
            metrics.lease_database(kind, netns, together.up, together.entries);
            self.0.insert(kind);
            all = all.saturating_add(together.entries.unwrap_or(0));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::names::InterfaceNames;
    use leasehound_core::origin::NetnsId;

    fn database(up: bool, entries: usize) -> DatabaseStatus {
        DatabaseStatus {
            kind: ServerKind::Dnsmasq,
            netns: NetnsId::default(),
            server: None,
            path: None,
            up,
            entries,
            reason: None,
            liveness: leasehound_core::evidence::Liveness::Live,
        }
    }

    /// The values of `lease_database_up` and `_entries`, in this order.
    fn published(metrics: &Metrics) -> Vec<String> {
        let page = metrics.render();
        let values = |name: &str| -> Vec<String> {
            page.lines()
                .filter(|line| line.starts_with(name))
                .map(|line| line.rsplit(' ').next().unwrap().to_owned())
                .collect()
        };
        let mut all = values("leasehound_lease_database_up{");
        all.extend(values("leasehound_lease_database_entries{"));
        all
    }

    #[test]
    fn servers_of_one_kind_are_taken_together() {
        let metrics = Metrics::new(InterfaceNames::new());
        let mut databases = Databases::default();
        let mut publish = |all: &[DatabaseStatus]| {
            let bound = databases.publish(&metrics, "qrouter", all);
            (bound, published(&metrics))
        };
        let shown = |values: [&str; 2]| values.map(ToOwned::to_owned).to_vec();
        let (bound, page) = publish(&[database(true, 3), database(true, 4)]);
        assert_eq!((bound, page), (7, shown(["1", "7"])));
        let (_, page) = publish(&[database(false, 3), database(true, 5)]);
        assert_eq!(page, shown(["0", "8"]), "the latest that was of use");
        let (_, page) = publish(&[database(true, 5)]);
        assert_eq!(page, shown(["1", "5"]));
        let (bound, page) = publish(&[]);
        assert_eq!((bound, page.len()), (0, 0), "no server any more");
        let (_, page) = publish(&[database(false, 0)]);
        assert_eq!(page, ["0"], "how many is not known");
    }
}
