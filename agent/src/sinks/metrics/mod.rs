//! The metrics page.
//!
//! One [`Metrics`] with a registry of its own is passed to whoever counts. Label values
//! come from closed sets and from the interfaces of this host, at most
//! [`MAX_INTERFACES`] of them; everything past that folds into `other` and is counted.
//! No MAC, no client name and no address of a client ever becomes a label.

mod books;
mod families;
mod host;
mod messages;
mod requests;
mod series;
mod slots;

pub use messages::{MessageKey, MessageTotal, message_type_label};

use super::Family;
use super::names::{InterfaceName, InterfaceNames};
use books::Books;
use families::{Families, Judged, VERDICT_BUCKETS};
use leasehound_core::cause::Cause;
use leasehound_core::message::MessageType;
use leasehound_core::origin::InterfaceId;
use leasehound_core::verdict::{Certainty, Missing, Outcome, Verdict};
use prometheus::{Registry, TextEncoder};
use requests::Requests;
use slots::{Slot, Slots};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Most interfaces with series of their own. About 120 series each, so that the page
/// of a full host stays below 5 MiB.
pub const MAX_INTERFACES: usize = 256;

/// Most series of `leasehound_server_info`.
pub const MAX_SERVERS: usize = 64;

/// Most pools with series of their own.
pub const MAX_POOLS: usize = 64;

/// The label value that takes what does not fit.
const OTHER: &str = "other";

/// What is counted.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    names: InterfaceNames,
    families: Families,
    requests: Requests,
    books: Books,
    slots: Mutex<Slots>,
    other: Arc<InterfaceName>,
    /// The kernel's counters as they were last set.
    totals: Mutex<BTreeMap<MessageKey, u64>>,
}

impl Metrics {
    /// Nothing counted yet. Interfaces are called what `names` says at the time.
    pub fn new(names: InterfaceNames) -> Self {
        let registry = Registry::new();
        let families = Families::new(&registry);
        let requests = Requests::new(&registry);
        let books = Books::new(&registry);
        let revision = option_env!("LEASEHOUND_REVISION").unwrap_or("unknown");
        families
            .build_info
            .set([env!("CARGO_PKG_VERSION"), revision], 1);
        families.label_overflow.add(["interface"], 0);
        families.label_overflow.add(["server_id"], 0);
        families.label_overflow.add(["reason"], 0);
        families.label_overflow.add(["pool"], 0);
        Self {
            registry,
            names,
            families,
            requests,
            books,
            slots: Mutex::new(Slots::new(MAX_INTERFACES)),
            other: Arc::new(InterfaceName {
                netns: OTHER.to_owned(),
                interface: OTHER.to_owned(),
            }),
            totals: Mutex::default(),
        }
    }

    /// A RELEASE or DECLINE that will get a verdict. Other messages are not counted here.
    pub fn opened(&self, interface: InterfaceId, message_type: MessageType) {
        if let Some(judged) = self.judged(message_type) {
            let place = self.place(interface);
            judged.seen.add(of(&place), 1);
        }
    }

    /// A verdict.
    pub fn verdict(&self, verdict: &Verdict) {
        if let Some(delivery) = verdict.delivery {
            self.delivery(verdict.origin.interface, delivery);
        }
        if let Some(state) = verdict.state {
            self.request_verdict(verdict, state);
        }
        let Some(judged) = self.judged(verdict.message_type) else {
            return;
        };
        let place = self.place(verdict.origin.interface);
        let [netns, interface, family] = of(&place);
        match verdict.outcome {
            Outcome::Honoured => judged.honoured.add([netns, interface, family], 1),
            Outcome::Ignored { cause, certainty } => {
                let labels = [netns, interface, family, cause.code(), certainty.as_str()];
                judged.ignored.add(labels, 1);
            }
            Outcome::Undetermined { missing } => {
                let labels = [netns, interface, family, missing.as_str()];
                judged.undetermined.add(labels, 1);
            }
            Outcome::Answered { .. } | Outcome::Refused { .. } | Outcome::Unanswered { .. } => {}
        }
        if verdict.message_type == MessageType::Release {
            self.families.release_verdict_seconds.observe(
                [netns, interface, family],
                &VERDICT_BUCKETS,
                Some(verdict.latency.as_secs_f64()),
            );
        }
    }

    /// Sets a counter of the kernel, as it reads now.
    ///
    /// A count below the previous one is a counter that began anew.
    pub fn set_messages(&self, counted: MessageTotal) {
        let MessageTotal { key, total } = counted;
        let mut totals = self.totals.lock().unwrap_or_else(PoisonError::into_inner);
        let previous = totals.insert(key, total).unwrap_or(0);
        let more = total.checked_sub(previous).unwrap_or(total);
        if more == 0 && previous != 0 {
            return;
        }
        let place = self.place(key.interface);
        let [netns, interface, _] = of(&place);
        let direction = key.direction.as_str();
        let message_type = message_type_label(key.family, key.message_type);
        self.families.messages.add(
            [
                netns,
                interface,
                direction,
                key.family.as_str(),
                message_type,
            ],
            more,
        );
    }

    /// A message with something wrong in it; `reason` is of a closed set, see
    /// [`super::events::oddity_code`].
    pub fn malformed(&self, interface: InterfaceId, family: Family, reason: &'static str) {
        let place = self.place(interface);
        let [netns, interface, _] = of(&place);
        let labels = [netns, interface, family.as_str(), reason];
        self.families.malformed.add(labels, 1);
    }

    /// A frame that another hook had seen before.
    pub fn duplicate(&self, interface: InterfaceId) {
        let place = self.place(interface);
        let [netns, interface, _] = of(&place);
        self.families.duplicates.add([netns, interface], 1);
    }

    /// Every series of an interface that verdicts can raise exists from now on, at 0:
    /// otherwise the first ignored release would raise no `increase()`.
    pub fn interface_attached(&self, interface: InterfaceId) {
        let name = self.names.get(interface);
        self.slots
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .stay(&name);
        let place = self.place(interface);
        let [netns, interface, family] = of(&place);
        for judged in [&self.families.releases, &self.families.declines] {
            judged.seen.add([netns, interface, family], 0);
            judged.honoured.add([netns, interface, family], 0);
            let causes = Cause::ALL
                .into_iter()
                .filter(|cause| cause.befalls_releases());
            for cause in causes.map(Cause::code) {
                for certainty in [Certainty::Observed, Certainty::Inferred].map(Certainty::as_str) {
                    let labels = [netns, interface, family, cause, certainty];
                    judged.ignored.add(labels, 0);
                }
            }
            for missing in Missing::ALL.map(Missing::as_str) {
                let labels = [netns, interface, family, missing];
                judged.undetermined.add(labels, 0);
            }
        }
        self.requests.zero([netns, interface, family]);
        self.books.zero([netns, interface, family]);
        self.families.duplicates.add([netns, interface], 0);
        let labels = [netns, interface, family];
        self.families
            .release_verdict_seconds
            .observe(labels, &VERDICT_BUCKETS, None);
    }

    /// An interface is no more. Its counts stay on the page until another interface
    /// needs the place: what it did last is not lost to a scrape that comes later.
    pub fn interface_gone(&self, interface: InterfaceId) {
        let name = self.names.get(interface);
        self.slots
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .leave(&name);
        self.totals
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|key, _| key.interface != interface);
        self.forget_hooks(&name);
    }

    /// The page in Prometheus's text format.
    pub fn render(&self) -> String {
        TextEncoder::new()
            .encode_to_string(&self.registry.gather())
            .unwrap_or_else(|error| format!("# {error}\n"))
    }

    fn judged(&self, message_type: MessageType) -> Option<&Judged> {
        match message_type {
            MessageType::Release => Some(&self.families.releases),
            MessageType::Decline => Some(&self.families.declines),
            _ => None,
        }
    }

    /// The name of an interface as a label, or `other`.
    fn place(&self, interface: InterfaceId) -> Arc<InterfaceName> {
        let name = self.names.get(interface);
        let slot = self
            .slots
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take(&name);
        match slot {
            Slot::Own => name,
            Slot::InsteadOf(gone) => {
                self.families.forget(&gone.netns, &gone.interface);
                for family in self.requests.families() {
                    family.forget(&gone.netns, &gone.interface);
                }
                for family in self.books.families() {
                    family.forget(&gone.netns, &gone.interface);
                }
                name
            }
            Slot::Other => {
                self.families.label_overflow.add(["interface"], 1);
                Arc::clone(&self.other)
            }
        }
    }

    fn is_other(&self, place: &Arc<InterfaceName>) -> bool {
        Arc::ptr_eq(place, &self.other)
    }
}

/// The labels that all counters of DHCPv4 begin with.
fn of(place: &InterfaceName) -> [&str; 3] {
    [&place.netns, &place.interface, Family::Ipv4.as_str()]
}

#[cfg(test)]
mod tests;
