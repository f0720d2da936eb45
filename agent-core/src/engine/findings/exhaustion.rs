//! Pools that run out.
//!
//! Thresholds: a finding is opened when a pool has no free address, or is expected to have
//! none within a day, for two seconds; it is over when that is farther away than two days,
//! for ten. While the use of a pool is not known, nothing is opened, and nothing is over.

use super::damage::{Ledger, runs_out};
use super::{Draft, Subject};
use crate::accounts::forecast::{Basis, Forecast, Interval};
use crate::accounts::pools::PoolReport;
use crate::cause::Cause;
use crate::engine::Engine;
use crate::finding::FindingKind;
use crate::judge::ground;
use crate::origin::NetnsId;
use crate::time::Timestamp;
use crate::verdict::{Ground, GroundSource};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

const SOON: Duration = Duration::from_hours(24);
const FAR: Duration = Duration::from_hours(48);
const OPENS_AFTER: Duration = Duration::from_secs(2);
const CLOSES_AFTER: Duration = Duration::from_secs(10);

impl Engine {
    /// Looks at all pools.
    pub(super) fn review_pools(&mut self, ledger: &Ledger) {
        let mut there = BTreeSet::new();
        for report in &ledger.pools {
            let key = (report.netns, report.pool.first);
            // Of two servers with one range, the first speaks.
            if there.insert(key) {
                self.review_pool(key, report);
            }
        }
        self.findings.turning.retain(|key, _| there.contains(key));
        let gone: Vec<Subject> = self
            .findings
            .open
            .keys()
            .filter(|subject| match subject {
                Subject::Exhaustion(netns, first) => !there.contains(&(*netns, *first)),
                _ => false,
            })
            .cloned()
            .collect();
        for subject in gone {
            self.close(&subject);
        }
    }

    fn review_pool(&mut self, key: (NetnsId, Ipv4Addr), report: &PoolReport) {
        let subject = Subject::Exhaustion(key.0, key.1);
        if report.used.is_none() {
            self.findings.turning.remove(&key);
            return;
        }
        let open = self.is_open(&subject);
        let expected = report.forecast.expected();
        let turns = if open {
            expected.is_none_or(|time| time > FAR)
        } else {
            expected.is_some_and(|time| time <= SOON)
        };
        if !turns {
            self.findings.turning.remove(&key);
            if open {
                let draft = self.exhaustion(report, self.now);
                self.put(subject, draft);
            }
            return;
        }
        let since = *self.findings.turning.entry(key).or_insert(self.now);
        let wait = if open { CLOSES_AFTER } else { OPENS_AFTER };
        if self.now.since(since) < wait {
            return;
        }
        self.findings.turning.remove(&key);
        if open {
            self.close(&subject);
        } else {
            let draft = self.exhaustion(report, since);
            self.put(subject, draft);
        }
    }

    fn exhaustion(&self, report: &PoolReport, since: Timestamp) -> Draft {
        let (size, used) = (report.pool.size(), report.used.unwrap_or(0));
        let interface = self
            .host
            .subnet_of(report.netns, report.pool.first)
            .and_then(|subnet| self.host.owner_of(report.netns, subnet.address))
            .map(|facts| facts.id);
        let on = interface.map_or_else(String::new, |id| format!(" on {}", self.name_of(id)));
        let name = &report.pool.name;
        let end = runs_out(report).unwrap_or_else(|| "the pool no longer shrinks".to_owned());
        let causes = self.causes_in(report);
        let leaked: u64 = causes.values().sum();
        let worst = causes.iter().max_by_key(|(_, count)| **count);
        let worst = worst.map(|(cause, _)| *cause);
        let mut draft = Draft::of(FindingKind::PoolExhaustion, (report.netns, interface));
        if let Some(cause) = worst {
            let general = std::mem::take(&mut draft.remedy);
            draft = draft.because(cause);
            draft.remedy = format!("{} {general}", draft.remedy);
        }
        Draft {
            since,
            title: format!("pool {name}{on}: {used} of {size} addresses are leased; {end}"),
            evidence: evidence(report, &causes),
            damage: (leaked > 0).then(|| format!("{leaked} of {size} addresses leaked, {end}")),
            // Put out again each time that the end is half as far.
            amount: urgency(report.forecast),
            ..draft
        }
    }

    fn causes_in(&self, report: &PoolReport) -> BTreeMap<Cause, u64> {
        let mut causes = BTreeMap::new();
        for leak in self.accounts.leaks().standing(self.now) {
            if leak.netns == report.netns && report.pool.contains(leak.address) {
                *causes.entry(leak.cause).or_default() += 1;
            }
        }
        causes
    }
}

fn evidence(report: &PoolReport, causes: &BTreeMap<Cause, u64>) -> Vec<Ground> {
    let (size, used) = (report.pool.size(), report.used.unwrap_or(0));
    let leaked: u64 = causes.values().sum();
    let mut says = vec![format!(
        "{used} of {size} addresses are leased, {leaked} of them have leaked"
    )];
    if let Forecast::In(Interval { basis, .. }) = report.forecast {
        says.push(match basis {
            Basis::Leaks => "the forecast goes by the pace of the leaks".to_owned(),
            Basis::Use => {
                "the forecast goes by how the highest use of the last days grew".to_owned()
            }
        });
    }
    says.extend(
        causes
            .iter()
            .map(|(cause, count)| format!("{count} leaked by {}", cause.code())),
    );
    says.into_iter()
        .map(|says| ground(GroundSource::LeaseDatabase, says))
        .collect()
}

/// Doubles when the end is half as far.
fn urgency(forecast: Forecast) -> u64 {
    let seconds = forecast.expected().map_or(u64::MAX, |time| time.as_secs());
    let fraction = FAR.as_secs().checked_div(seconds);
    fraction.unwrap_or(FAR.as_secs().saturating_mul(2))
}
