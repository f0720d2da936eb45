//! Every metric there is: name, labels and what its HELP says.

use super::series::{Counters, Forget, Gauges, Histograms, Series};
use prometheus::Registry;

/// Verdicts fall within a few readings of a lease file, or at the deadline.
pub(super) const VERDICT_BUCKETS: [f64; 12] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 1.5, 2.5, 5.0, 10.0,
];

/// One field per metric.
#[derive(Debug)]
pub(super) struct Families {
    pub(super) messages: Counters<5>,
    pub(super) malformed: Counters<4>,
    pub(super) duplicates: Counters<2>,
    pub(super) releases: Judged,
    pub(super) declines: Judged,
    pub(super) release_verdict_seconds: Histograms<3>,
    pub(super) servers: Gauges<3>,
    pub(super) server_info: Gauges<5>,
    pub(super) hook_attached: Gauges<4>,
    pub(super) hook_attach_failures: Counters<5>,
    pub(super) samples: Counters<1>,
    pub(super) samples_lost: Counters<2>,
    pub(super) uncounted: Counters<1>,
    pub(super) table_entries: Gauges<1>,
    pub(super) table_capacity: Gauges<1>,
    pub(super) table_evictions: Counters<1>,
    pub(super) lease_database_up: Gauges<2>,
    pub(super) lease_database_entries: Gauges<2>,
    pub(super) label_overflow: Counters<1>,
    pub(super) build_info: Gauges<2>,
}

/// The four counters of a message that is judged.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) seen: Counters<3>,
    pub(super) honoured: Counters<3>,
    pub(super) ignored: Counters<5>,
    pub(super) undetermined: Counters<4>,
}

const PLACE: [&str; 3] = ["netns", "interface", "family"];
const IGNORED: [&str; 5] = ["netns", "interface", "family", "cause", "certainty"];
const UNDETERMINED: [&str; 4] = ["netns", "interface", "family", "missing"];

impl Families {
    #[expect(clippy::too_many_lines, reason = "a list")]
    pub(super) fn new(registry: &Registry) -> Self {
        Self {
            messages: Series::new(
                registry,
                "leasehound_messages_total",
                "DHCP messages, each one counted in the kernel, sampled or not.",
                ["netns", "interface", "direction", "family", "message_type"],
            ),
            malformed: Series::new(
                registry,
                "leasehound_malformed_messages_total",
                "DHCP messages with something wrong in them, by what is wrong.",
                ["netns", "interface", "family", "reason"],
            ),
            duplicates: Series::new(
                registry,
                "leasehound_duplicate_frames_total",
                "Frames seen a second time, by another hook on their way.",
                ["netns", "interface"],
            ),
            releases: Judged {
                seen: Series::new(
                    registry,
                    "leasehound_releases_total",
                    "RELEASE messages that get a verdict: honoured, ignored, undetermined or pending.",
                    PLACE,
                ),
                honoured: Series::new(
                    registry,
                    "leasehound_releases_honoured_total",
                    "RELEASE messages after which the lease left the server's database.",
                    PLACE,
                ),
                ignored: Series::new(
                    registry,
                    "leasehound_releases_ignored_total",
                    "RELEASE messages that the server did not act on, by cause.",
                    IGNORED,
                ),
                undetermined: Series::new(
                    registry,
                    "leasehound_releases_undetermined_total",
                    "RELEASE messages of which nothing can be said, by the evidence that is missing.",
                    UNDETERMINED,
                ),
            },
            declines: Judged {
                seen: Series::new(
                    registry,
                    "leasehound_declines_total",
                    "DECLINE messages that get a verdict: honoured, ignored, undetermined or pending.",
                    PLACE,
                ),
                honoured: Series::new(
                    registry,
                    "leasehound_declines_honoured_total",
                    "DECLINE messages after which the lease left the server's database.",
                    PLACE,
                ),
                ignored: Series::new(
                    registry,
                    "leasehound_declines_ignored_total",
                    "DECLINE messages that the server did not act on, by cause.",
                    IGNORED,
                ),
                undetermined: Series::new(
                    registry,
                    "leasehound_declines_undetermined_total",
                    "DECLINE messages of which nothing can be said, by the evidence that is missing.",
                    UNDETERMINED,
                ),
            },
            release_verdict_seconds: Series::new(
                registry,
                "leasehound_release_verdict_seconds",
                "Time from a RELEASE to its verdict.",
                PLACE,
            ),
            servers: Series::new(
                registry,
                "leasehound_servers",
                "DHCP servers that answer on an interface.",
                PLACE,
            ),
            server_info: Series::new(
                registry,
                "leasehound_server_info",
                "A DHCP server and an id it uses; always 1.",
                ["netns", "interface", "family", "server_id", "kind"],
            ),
            hook_attached: Series::new(
                registry,
                "leasehound_hook_attached",
                "Whether a hook sees the packets of an interface: 1 attached, 0 not.",
                ["netns", "interface", "hook", "mode"],
            ),
            hook_attach_failures: Series::new(
                registry,
                "leasehound_hook_attach_failures_total",
                "Failed attempts to attach a hook, by reason.",
                ["netns", "interface", "hook", "mode", "reason"],
            ),
            samples: Series::new(
                registry,
                "leasehound_samples_total",
                "Packets that were handed over for judging.",
                ["hook"],
            ),
            samples_lost: Series::new(
                registry,
                "leasehound_samples_lost_total",
                "Packets that were lost before they could be judged, by the stage that lost them.",
                ["hook", "stage"],
            ),
            uncounted: Series::new(
                registry,
                "leasehound_uncounted_packets_total",
                "Packets that may be DHCP and are in no message counter, by reason.",
                ["reason"],
            ),
            table_entries: Series::new(
                registry,
                "leasehound_table_entries",
                "Entries of a table that the verdicts rest on.",
                ["table"],
            ),
            table_capacity: Series::new(
                registry,
                "leasehound_table_capacity",
                "Most entries that a table holds.",
                ["table"],
            ),
            table_evictions: Series::new(
                registry,
                "leasehound_table_evictions_total",
                "Entries that a full table pushed out.",
                ["table"],
            ),
            lease_database_up: Series::new(
                registry,
                "leasehound_lease_database_up",
                "Whether the latest reading of a server's lease database was usable.",
                ["kind", "netns"],
            ),
            lease_database_entries: Series::new(
                registry,
                "leasehound_lease_database_entries",
                "Leases in a server's lease database at its latest usable reading.",
                ["kind", "netns"],
            ),
            label_overflow: Series::new(
                registry,
                "leasehound_label_overflow_total",
                "Updates that were counted under the label value 'other', because too many values were in use.",
                ["label"],
            ),
            build_info: Series::new(
                registry,
                "leasehound_build_info",
                "What is running; always 1.",
                ["version", "revision"],
            ),
        }
    }

    /// Takes out every series of an interface.
    pub(super) fn forget(&self, netns: &str, interface: &str) {
        let families: [&dyn Forget; 15] = [
            &self.messages,
            &self.malformed,
            &self.duplicates,
            &self.releases.seen,
            &self.releases.honoured,
            &self.releases.ignored,
            &self.releases.undetermined,
            &self.declines.seen,
            &self.declines.honoured,
            &self.declines.ignored,
            &self.declines.undetermined,
            &self.release_verdict_seconds,
            &self.servers,
            &self.hook_attached,
            &self.hook_attach_failures,
        ];
        for family in families {
            family.forget(netns, interface);
        }
    }
}
