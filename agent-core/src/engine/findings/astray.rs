//! Unicasts that another process got than the one they were for: one finding for each
//! interface, from the first.

use super::damage::{Damage, Ledger};
use super::{Draft, MOST, Subject};
use crate::accounts::leaks::GivenBack;
use crate::cause::Cause;
use crate::engine::Engine;
use crate::finding::FindingKind;
use crate::origin::{InterfaceId, NetnsId};
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
        // What is not put out at once waits for the review.
        let subject = Subject::WrongDaemon(netns, interface);
        let damage = if astray.is_power_of_two() || !self.is_open(&subject) {
            damage(&self.ledger(), netns, interface)
        } else {
            self.damage_told(&subject)
        };
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
        self.put(subject, draft);
    }

    fn damage_told(&self, subject: &Subject) -> Damage {
        let open = self.findings.open.get(subject);
        open.map_or(Damage::NONE, |open| Damage {
            leaked: open.told,
            says: open.finding.damage.clone(),
        })
    }

    /// What has leaked by them changes without them.
    pub(super) fn review_astray(&mut self, ledger: &Ledger) {
        for (subject, open) in &mut self.findings.open {
            if let Subject::WrongDaemon(netns, interface) = subject {
                open.finding.damage = damage(ledger, *netns, *interface).says;
            }
        }
    }
}

fn damage(ledger: &Ledger, netns: NetnsId, interface: InterfaceId) -> Damage {
    let group = (netns, interface, GivenBack::Released, Cause::WrongDaemon);
    ledger.damage(group, |_| true)
}
