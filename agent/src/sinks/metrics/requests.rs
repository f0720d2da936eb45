//! Metrics of REQUESTs, of deliveries and of findings.

use super::series::{Counters, Forget, Gauges, Histograms, Series};
use super::{Metrics, of};
use leasehound_core::cause::Cause;
use leasehound_core::finding::{Finding, FindingKind};
use leasehound_core::origin::InterfaceId;
use leasehound_core::verdict::{ClientState, DeliveryOutcome, Outcome, Verdict};
use prometheus::Registry;

/// Servers answer within milliseconds, or after a script or a ping.
const RESPONSE_BUCKETS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 4.0,
];

/// The cause of an unanswered REQUEST of which only what is missing is known.
const UNDETERMINED: &str = "undetermined";

/// Reasons with a label of their own, as the kernel spells them: a newer kernel has
/// more, and none may become a label unseen.
const REASONS: [&str; 16] = [
    "BPF_CGROUP_EGRESS",
    "IP_CSUM",
    "IP_INADDRERRORS",
    "IP_INHDR",
    "IP_INVALID_SOURCE",
    "IP_OUTNOROUTES",
    "IP_RPFILTER",
    "NEIGH_FAILED",
    "NETFILTER_DROP",
    "NOT_SPECIFIED",
    "NO_SOCKET",
    "OTHERHOST",
    "PROTO_MEM",
    "SOCKET_RCVBUFF",
    "TC_INGRESS",
    "UDP_CSUM",
];

/// One field per metric.
#[derive(Debug)]
pub(super) struct Requests {
    seen: Counters<4>,
    answered: Counters<4>,
    refused: Counters<4>,
    unanswered: Counters<5>,
    response_seconds: Histograms<4>,
    deliveries: Counters<4>,
    kernel_drops: Counters<4>,
    findings: Gauges<2>,
    past_t2: Gauges<1>,
}

const KIND: [&str; 4] = ["netns", "interface", "family", "kind"];

impl Requests {
    pub(super) fn new(registry: &Registry) -> Self {
        let requests = Self {
            seen: Series::new(
                registry,
                "leasehound_renewals_total",
                "Attempts to get or keep a lease by REQUEST, by the client's state: answered, refused, unanswered or pending.",
                KIND,
            ),
            answered: Series::new(
                registry,
                "leasehound_renewals_answered_total",
                "Attempts that were acknowledged.",
                KIND,
            ),
            refused: Series::new(
                registry,
                "leasehound_renewals_refused_total",
                "Attempts that were refused (NAK).",
                KIND,
            ),
            unanswered: Series::new(
                registry,
                "leasehound_renewals_unanswered_total",
                "Attempts to which no reply got through, by cause.",
                ["netns", "interface", "family", "kind", "cause"],
            ),
            response_seconds: Series::new(
                registry,
                "leasehound_response_seconds",
                "Time from an attempt's first message to its reply.",
                ["netns", "interface", "family", "exchange"],
            ),
            deliveries: Series::new(
                registry,
                "leasehound_deliveries_total",
                "Judged messages of which it was seen what the kernel did with them.",
                ["netns", "interface", "family", "outcome"],
            ),
            kernel_drops: Series::new(
                registry,
                "leasehound_kernel_drops_total",
                "DHCP packets that the kernel dropped, by its reason.",
                ["netns", "interface", "family", "reason"],
            ),
            findings: Series::new(
                registry,
                "leasehound_findings",
                "Diagnoses that hold now.",
                ["kind", "severity"],
            ),
            past_t2: Series::new(
                registry,
                "leasehound_leases_past_t2",
                "Leases granted by servers of this host that are past T2 without an ACK since.",
                ["netns"],
            ),
        };
        for kind in FindingKind::ALL {
            let severity = kind.severity().as_str();
            requests.findings.set([kind.code(), severity], 0);
        }
        requests
    }

    /// Every series of an interface exists from now on.
    pub(super) fn zero(&self, [netns, interface, family]: [&str; 3]) {
        for kind in ClientState::ALL.map(label) {
            for counter in [&self.seen, &self.answered, &self.refused] {
                counter.add([netns, interface, family, kind], 0);
            }
            let causes = Cause::ALL
                .into_iter()
                .filter(|cause| cause.befalls_requests());
            for cause in causes.map(Cause::code).chain([UNDETERMINED]) {
                self.unanswered
                    .add([netns, interface, family, kind, cause], 0);
            }
        }
        for outcome in DeliveryOutcome::ALL.map(DeliveryOutcome::as_str) {
            self.deliveries.add([netns, interface, family, outcome], 0);
        }
    }

    /// Families whose series of an interface go with it.
    pub(super) fn families(&self) -> [&dyn Forget; 7] {
        [
            &self.seen,
            &self.answered,
            &self.refused,
            &self.unanswered,
            &self.response_seconds,
            &self.deliveries,
            &self.kernel_drops,
        ]
    }
}

impl Metrics {
    /// An attempt that will get a verdict.
    pub fn request_opened(&self, interface: InterfaceId, state: ClientState) {
        let place = self.place(interface);
        let [netns, interface, family] = of(&place);
        let labels = [netns, interface, family, label(state)];
        self.requests.seen.add(labels, 1);
    }

    pub(super) fn request_verdict(&self, verdict: &Verdict, state: ClientState) {
        let requests = &self.requests;
        let place = self.place(verdict.origin.interface);
        let [netns, interface, family] = of(&place);
        let kind = label(state);
        let labels = [netns, interface, family, kind];
        match verdict.outcome {
            Outcome::Answered { after } => {
                requests.answered.add(labels, 1);
                let seconds = Some(after.as_secs_f64());
                requests
                    .response_seconds
                    .observe(labels, &RESPONSE_BUCKETS, seconds);
            }
            Outcome::Refused { .. } => requests.refused.add(labels, 1),
            outcome => {
                let cause = outcome.cause().map_or(UNDETERMINED, Cause::code);
                requests
                    .unanswered
                    .add([netns, interface, family, kind, cause], 1);
            }
        }
    }

    pub(super) fn delivery(&self, interface: InterfaceId, outcome: DeliveryOutcome) {
        let place = self.place(interface);
        let [netns, interface, family] = of(&place);
        let labels = [netns, interface, family, outcome.as_str()];
        self.requests.deliveries.add(labels, 1);
    }

    /// The kernel dropped a packet, on an interface of the namespace that is called
    /// `netns`, where that is known.
    pub fn kernel_drop(&self, netns: &str, interface: Option<InterfaceId>, reason: &str) {
        let place = self.place_or_netns(interface, netns);
        let [netns, interface, family] = of(&place);
        let known = REASONS.contains(&reason);
        let reason = match (known, reason) {
            (true, reason) => reason.to_ascii_lowercase(),
            (false, "") => "unnamed".to_owned(),
            (false, _) => {
                self.families.label_overflow.add(["reason"], 1);
                super::OTHER.to_owned()
            }
        };
        self.requests
            .kernel_drops
            .add([netns, interface, family, &reason], 1);
    }

    /// Leases of a namespace that are past T2.
    pub fn leases_past_t2(&self, netns: &str, count: usize) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.requests.past_t2.set([netns], count);
    }

    /// The findings that hold now, instead of those before.
    pub fn findings(&self, open: &[&Finding]) {
        for kind in FindingKind::ALL {
            let count = open.iter().filter(|finding| finding.kind == kind).count();
            let labels = [kind.code(), kind.severity().as_str()];
            let count = u64::try_from(count).unwrap_or(u64::MAX);
            self.requests.findings.set(labels, count);
        }
    }
}

/// The label value of a client's state: what it does, in a word.
const fn label(state: ClientState) -> &'static str {
    match state {
        ClientState::Selecting => "selecting",
        ClientState::InitReboot => "init_reboot",
        ClientState::Renewing => "renew",
        ClientState::Rebinding => "rebind",
    }
}
