//! Metrics of the host: hooks, samples, tables, servers, lease databases.

use super::{MAX_SERVERS, Metrics, OTHER, of};
use crate::sinks::Family;
use crate::sinks::hooks::{AttachFailure, HookMode, HookReport, HookState};
use crate::sinks::names::InterfaceName;
use crate::sinks::servers::ServerEntry;
use leasehound_core::evidence::{LossStage, ServerKind};
use leasehound_core::origin::{Hook, InterfaceId};
use leasehound_core::tables::TableUsage;
use std::collections::BTreeSet;
use std::sync::Arc;

impl Metrics {
    /// A change of a hook. With the first that is attached, all series of its interface
    /// exist; a failed attempt whose place another hook has taken is no failure any more.
    pub fn hook(&self, report: &HookReport) {
        let attached = report.state == HookState::Attached;
        if attached {
            self.interface_attached(report.interface);
        }
        let place = self.place(report.interface);
        let [netns, interface, _] = of(&place);
        let (hook, mode) = (report.hook.as_str(), report.mode.as_str());
        for reason in AttachFailure::ALL {
            let failed = matches!(&report.state, HookState::Failed { reason: found, .. } if *found == reason);
            self.families.hook_attach_failures.add(
                [netns, interface, hook, mode, reason.as_str()],
                u64::from(failed),
            );
        }
        for stage in LossStage::ALL {
            self.families.samples_lost.add([hook, stage.as_str()], 0);
        }
        self.families.samples.add([hook], 0);
        if self.is_other(&place) {
            // One gauge can't speak for many interfaces.
            return;
        }
        if attached {
            for (other, other_mode) in PLACES {
                if (other, other_mode) != (report.hook, report.mode)
                    && is_egress(other_mode) == is_egress(report.mode)
                {
                    let labels = [netns, interface, other.as_str(), other_mode.as_str()];
                    self.families.hook_attached.remove_zero(labels);
                }
            }
        }
        self.families
            .hook_attached
            .set([netns, interface, hook, mode], u64::from(attached));
    }

    /// A hook that sees the whole host came or went.
    pub fn host_hook(&self, hook: Hook, attached: bool) {
        let hook = hook.as_str();
        for stage in LossStage::ALL {
            self.families.samples_lost.add([hook, stage.as_str()], 0);
        }
        self.families.samples.add([hook], 0);
        self.families
            .hook_attached
            .set(["", "", hook, "host"], u64::from(attached));
    }

    pub(super) fn forget_hooks(&self, name: &InterfaceName) {
        for (hook, mode) in PLACES {
            let labels = [
                name.netns.as_str(),
                name.interface.as_str(),
                hook.as_str(),
                mode.as_str(),
            ];
            self.families.hook_attached.remove(labels);
        }
    }

    /// Sets how many samples a hook has handed over since the start.
    pub fn set_samples(&self, hook: Hook, total: u64) {
        self.families.samples.raise([hook.as_str()], total);
    }

    /// Sets how many samples of a hook a stage has lost since the start.
    pub fn set_samples_lost(&self, hook: Hook, stage: LossStage, total: u64) {
        let labels = [hook.as_str(), stage.as_str()];
        self.families.samples_lost.raise(labels, total);
    }

    /// Sets how many packets since the start are in no message counter: those with IPv6
    /// extension headers, which are not looked through, and those for which the kernel's
    /// table of counters had no room.
    pub fn set_uncounted(&self, extension_headers: u64, table_full: u64) {
        let uncounted = &self.families.uncounted;
        uncounted.raise(["ipv6_extension_header"], extension_headers);
        uncounted.raise(["counter_table_full"], table_full);
    }

    /// How full a table is.
    pub fn table(&self, usage: TableUsage) {
        let table = [usage.table];
        let count = |entries: usize| u64::try_from(entries).unwrap_or(u64::MAX);
        self.families.table_entries.set(table, count(usage.entries));
        self.families
            .table_capacity
            .set(table, count(usage.capacity));
        self.families.table_evictions.raise(table, usage.evictions);
    }

    /// All servers, instead of those named before.
    pub fn servers(&self, servers: &[ServerEntry]) {
        let family = Family::Ipv4.as_str();
        let mut counts = Vec::with_capacity(servers.len());
        let mut infos = BTreeSet::new();
        let mut folded = 0;
        for server in servers {
            let place = self.place_or_netns(server.interface, &server.netns);
            let [netns, interface, family] = of(&place).map(ToOwned::to_owned);
            let kind = server.summary.kind.as_str();
            counts.push(([netns.clone(), interface.clone(), family.clone()], 1));
            for id in &server.summary.server_ids {
                let labels = [
                    netns.clone(),
                    interface.clone(),
                    family.clone(),
                    id.to_string(),
                    kind.to_owned(),
                ];
                if infos.len() < MAX_SERVERS || infos.contains(&labels) {
                    infos.insert(labels);
                } else {
                    folded += 1;
                }
            }
        }
        if folded > 0 {
            infos.insert([OTHER, OTHER, family, OTHER, OTHER].map(ToOwned::to_owned));
            self.families.label_overflow.add(["server_id"], folded);
        }
        self.families.servers.replace(counts);
        self.families
            .server_info
            .replace(infos.into_iter().map(|labels| (labels, 1)));
    }

    pub(super) fn place_or_netns(
        &self,
        interface: Option<InterfaceId>,
        netns: &str,
    ) -> Arc<InterfaceName> {
        interface.map_or_else(
            || {
                Arc::new(InterfaceName {
                    netns: netns.to_owned(),
                    interface: String::new(),
                })
            },
            |interface| self.place(interface),
        )
    }

    /// The lease databases of a kind in a namespace: whether all of them are of use now,
    /// and their leases at the latest reading that was; `None` if none ever was.
    pub fn lease_database(&self, kind: ServerKind, netns: &str, up: bool, leases: Option<u64>) {
        let labels = [kind.as_str(), netns];
        self.families.lease_database_up.set(labels, u64::from(up));
        if let Some(leases) = leases {
            self.families.lease_database_entries.set(labels, leases);
        }
    }

    /// The last server of a kind ended.
    pub fn lease_database_gone(&self, kind: ServerKind, netns: &str) {
        let labels = [kind.as_str(), netns];
        self.families.lease_database_up.remove(labels);
        self.families.lease_database_entries.remove(labels);
    }
}

/// Every hook in every way it can be attached.
const PLACES: [(Hook, HookMode); 6] = [
    (Hook::Tcx, HookMode::Ingress),
    (Hook::Tcx, HookMode::Egress),
    (Hook::Clsact, HookMode::Ingress),
    (Hook::Clsact, HookMode::Egress),
    (Hook::Xdp, HookMode::Native),
    (Hook::Xdp, HookMode::Generic),
];

fn is_egress(mode: HookMode) -> bool {
    mode == HookMode::Egress
}
