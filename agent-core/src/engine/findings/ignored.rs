//! Releases and declines that are ignored, and renewals that go unanswered, again and again
//! for one cause.
//!
//! What another process got has a finding of its own, and is left to it.

use super::cases::{Case, CaseKey, Cases};
use super::damage::{Damage, Ledger};
use super::{Draft, MOST, Subject, plural};
use crate::accounts::leaks::GivenBack;
use crate::cause::Cause;
use crate::engine::Engine;
use crate::finding::FindingKind;
use crate::message::{MessageType, ServerId};
use crate::origin::{InterfaceId, NetnsId};
use crate::verdict::{ClientState, Outcome, Verdict};
use std::net::Ipv4Addr;

/// Ids that are told apart for one cause on one interface: a client may name any.
const IDS: usize = 8;

/// Where a verdict's message belongs.
pub(in crate::engine) struct Place {
    pub(in crate::engine) netns: NetnsId,
    /// The interface of its segment.
    pub(in crate::engine) segment: InterfaceId,
    /// The IP destination.
    pub(in crate::engine) destination: Ipv4Addr,
    /// Whether an address leaked by it.
    pub(in crate::engine) leaked: bool,
}

impl Engine {
    /// A verdict fell.
    pub(in crate::engine) fn count_verdict(&mut self, verdict: &Verdict, place: &Place) {
        self.count_unicast(place.netns, verdict, place.destination);
        let extends = matches!(
            verdict.state,
            None | Some(ClientState::Renewing | ClientState::Rebinding)
        );
        if !extends {
            return;
        }
        match verdict.outcome {
            Outcome::Honoured | Outcome::Answered { .. } => self.note_success(verdict, place),
            Outcome::Ignored { cause, .. }
            | Outcome::Unanswered {
                why: Ok((cause, _)),
            } if cause.is_alarm() => {
                // Of any other kind of case it is one of those that could have been.
                let of_it = |key: &CaseKey| key.cause == cause;
                self.note_other(verdict, place, of_it);
                if cause != Cause::WrongDaemon {
                    self.note_case(cause, verdict, place);
                }
            }
            _ => {}
        }
    }

    fn note_success(&mut self, verdict: &Verdict, place: &Place) {
        for (key, cases) in &mut self.findings.cases {
            if !is_at(key, verdict, place) {
                continue;
            }
            let alike = key.named.is_none() || key.named == verdict.server_id;
            // What names another id than the one that is wrong is a cure, but no case that
            // did not happen.
            cases.of += u64::from(alike);
            let whoever = key.named.is_some() || is_about_the_place(key.cause);
            if cases.has(verdict.hardware_address) || (alike && whoever) {
                cases.went_well();
            }
        }
    }

    fn note_other(&mut self, verdict: &Verdict, place: &Place, not: impl Fn(&CaseKey) -> bool) {
        for (key, cases) in &mut self.findings.cases {
            let alike = key.named.is_none() || key.named == verdict.server_id;
            if is_at(key, verdict, place) && alike && !not(key) {
                cases.of += 1;
            }
        }
    }

    fn note_case(&mut self, cause: Cause, verdict: &Verdict, place: &Place) {
        let mut key = CaseKey {
            netns: place.netns,
            interface: place.segment,
            message_type: verdict.message_type,
            cause,
            named: verdict.server_id.filter(|_| is_about_ids(cause)),
        };
        if !self.findings.cases.contains_key(&key) {
            let of_cause = |other: &&CaseKey| {
                CaseKey {
                    named: None,
                    ..**other
                } == CaseKey { named: None, ..key }
            };
            if self.findings.cases.keys().filter(of_cause).count() >= IDS {
                key.named = None;
            }
            if self.findings.cases.len() >= MOST && !self.findings.cases.contains_key(&key) {
                return;
            }
        }
        let server_ids = verdict.server.as_ref().map(|server| &server.server_ids);
        let case = Case {
            seen: verdict.seen,
            client: verdict.hardware_address,
            evidence: verdict.evidence.clone(),
            server_id: server_ids.and_then(|ids| ids.first().copied()),
            leaked: place.leaked,
        };
        let cases = self.findings.cases.entry(key);
        let cases = cases.or_insert_with(|| Cases::from(verdict.seen));
        cases.add(case);
        // What is not put out at once waits for the review.
        let news = cases.is_ripe() && cases.count.is_power_of_two();
        if news || (cases.is_ripe() && !self.is_open(&Subject::Cases(key))) {
            let ledger = self.ledger();
            let damage = self.damage_of(key, &ledger);
            self.tell_cases(key, damage);
        }
        self.findings.review_soon(self.now);
    }

    /// Brings the findings about cases up to date, and ends those that are over.
    pub(super) fn review_cases(&mut self, ledger: &Ledger) {
        let keys: Vec<CaseKey> = self.findings.cases.keys().copied().collect();
        for key in keys {
            let damage = self.damage_of(key, ledger);
            let Some(cases) = self.findings.cases.get(&key) else {
                continue;
            };
            let over = cases.are_over(self.now, damage.leaked);
            if cases.is_ripe() {
                self.tell_cases(key, damage);
            }
            if over {
                self.findings.cases.remove(&key);
                self.close(&Subject::Cases(key));
            }
        }
    }

    fn tell_cases(&mut self, key: CaseKey, damage: Damage) {
        let Damage { leaked, says } = damage;
        let Some(cases) = self.findings.cases.get(&key) else {
            return;
        };
        let draft = Draft {
            since: cases.since,
            title: title(key, cases, self.name_of(key.interface)),
            cases: cases.count,
            of: cases.of,
            evidence: cases.evidence.clone(),
            damage: says,
            amount: leaked,
            ..Draft::of(kind_of(key), (key.netns, Some(key.interface))).because(key.cause)
        };
        self.put(Subject::Cases(key), draft);
    }

    fn damage_of(&self, key: CaseKey, ledger: &Ledger) -> Damage {
        let given_back = match key.message_type {
            MessageType::Release => GivenBack::Released,
            MessageType::Decline => GivenBack::Declined,
            // Nothing was given back.
            _ => return Damage::NONE,
        };
        let CaseKey {
            netns,
            interface,
            cause,
            ..
        } = key;
        ledger.damage((netns, interface, given_back, cause), |named| {
            if key.named.is_some() || !is_about_ids(cause) {
                return key.named.is_none() || named == key.named;
            }
            // Ids beyond those that are told apart.
            let apart = CaseKey { named, ..key };
            named.is_none() || !self.findings.cases.contains_key(&apart)
        })
    }
}

/// Whether a verdict is about a message that could be such a case.
fn is_at(key: &CaseKey, verdict: &Verdict, place: &Place) -> bool {
    (key.netns, key.interface, key.message_type)
        == (place.netns, place.segment, verdict.message_type)
}

const fn is_about_ids(cause: Cause) -> bool {
    matches!(
        cause,
        Cause::ServerIdOtherLocalAddress | Cause::ServerIdForeign
    )
}

/// Whether it meets whatever comes in there, whoever sent it: then any that is honoured
/// shows that it is over.
const fn is_about_the_place(cause: Cause) -> bool {
    matches!(
        cause,
        Cause::FirewallDropped
            | Cause::ReversePathFiltered
            | Cause::ListenerOnOtherDevice
            | Cause::NoListener
            | Cause::DiscardSocket
            | Cause::SocketOverflow
            | Cause::InterfaceRelayed
            | Cause::InterfaceNotServed
            | Cause::ProxyDhcpOnly
    )
}

const fn kind_of(key: CaseKey) -> FindingKind {
    match key.message_type {
        MessageType::Release | MessageType::Decline => FindingKind::ReleasesIgnored,
        _ => FindingKind::RenewalsUnanswered,
    }
}

fn title(key: CaseKey, cases: &Cases, interface: &str) -> String {
    let Cases {
        count,
        of,
        server_id,
        ..
    } = cases;
    let title = key.cause.title();
    let what = plural(key.message_type);
    match (kind_of(key), key.named, server_id) {
        (FindingKind::RenewalsUnanswered, ..) => {
            format!("renewals on {interface} go unanswered because {title}: {count} of {of}")
        }
        (_, Some(ServerId(named)), Some(ServerId(own))) => format!(
            "{what} on {interface} name {named}, the server is {own}: {count} of {of} ignored"
        ),
        (_, Some(ServerId(named)), None) => format!(
            "{what} on {interface} name {named}, which is not the server's id: {count} of {of} ignored"
        ),
        _ => format!("{what} on {interface} are ignored because {title}: {count} of {of}"),
    }
}
