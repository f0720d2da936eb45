//! Unicasts that another process got than the one they were for: one finding for each
//! interface, from the first.

use super::{Draft, MOST, Subject};
use crate::cause::Cause;
use crate::engine::Engine;
use crate::finding::FindingKind;
use crate::origin::NetnsId;
use crate::verdict::{DeliveryOutcome, GroundSource, Outcome, Verdict};
use std::net::Ipv4Addr;

/// Unicasts judged on an interface.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Unicasts {
    judged: u64,
    astray: u64,
    /// Of those that went astray, the ones that came to nothing.
    fruitless: u64,
}

impl Engine {
    /// A verdict on a unicast fell.
    pub(super) fn count_unicast(
        &mut self,
        netns: NetnsId,
        verdict: &Verdict,
        destination: Ipv4Addr,
    ) {
        let Some(delivery) = verdict.delivery else {
            return;
        };
        if self.host.is_broadcast(netns, destination) {
            return;
        }
        let interface = verdict.origin.interface;
        let key = (netns, interface);
        if self.findings.unicasts.len() >= MOST && !self.findings.unicasts.contains_key(&key) {
            return;
        }
        let unicasts = self.findings.unicasts.entry(key).or_default();
        unicasts.judged += 1;
        if delivery != DeliveryOutcome::WrongDaemon {
            return;
        }
        unicasts.astray += 1;
        let fine = matches!(
            verdict.outcome,
            Outcome::Honoured | Outcome::Answered { .. }
        );
        unicasts.fruitless += u64::from(!fine);
        let Unicasts {
            judged,
            astray,
            fruitless,
        } = *unicasts;
        let name = self.name_of(interface);
        let title = format!(
            "unicasts to {destination} on {name} reach another server than the one that granted the lease: \
             {astray} of {judged} went astray, {fruitless} of them were not honoured or not answered"
        );
        let evidence = verdict
            .evidence
            .iter()
            .filter(|ground| ground.source == GroundSource::Delivery)
            .cloned()
            .collect();
        let kind = FindingKind::UnicastsToWrongDaemon;
        let damage = self.damage(|leak| {
            (leak.netns, leak.interface, leak.cause) == (netns, interface, Cause::WrongDaemon)
        });
        let draft = Draft {
            since: verdict.seen,
            title,
            cases: astray,
            of: judged,
            evidence,
            damage: damage.says,
            amount: damage.leaked,
            ..Draft::of(kind, (netns, Some(interface)))
        };
        self.put(Subject::WrongDaemon(netns, interface), draft);
    }

    /// What has leaked by them changes without them.
    pub(super) fn review_astray(&mut self) {
        let subjects: Vec<_> = self.findings.open.keys().cloned().collect();
        for subject in subjects {
            let Subject::WrongDaemon(netns, interface) = subject else {
                continue;
            };
            let damage = self.damage(|leak| {
                (leak.netns, leak.interface, leak.cause) == (netns, interface, Cause::WrongDaemon)
            });
            if let Some(open) = self.findings.open.get_mut(&subject) {
                open.finding.damage = damage.says;
            }
        }
    }
}
