//! Metrics of leases, leaks and pools.
//!
//! A pool's name is the operator's own word for it, out of the server's configuration; past
//! [`MAX_POOLS`] they fold into `other`.

use super::series::{Forget, Gauges, Measures, Series};
use super::{MAX_POOLS, Metrics, OTHER, of};
use crate::sinks::Family;
use crate::sinks::servers::{LeaseCount, PoolEntry};
use leasehound_core::accounts::forecast::Forecast;
use prometheus::Registry;
use std::collections::BTreeSet;
use std::time::Duration;

/// Octets of a pool's name that are shown.
const NAME_AT_MOST: usize = 80;

/// One field per metric.
#[derive(Debug)]
pub(super) struct Books {
    leases: Gauges<4>,
    leaked: Gauges<3>,
    oldest_leak: Measures<3>,
    pool: Gauges<3>,
    pool_used: Gauges<3>,
    pool_leaked: Gauges<3>,
    exhaustion: Measures<3>,
    exhaustion_earliest: Measures<3>,
    exhaustion_latest: Measures<3>,
}

const PLACE: [&str; 3] = ["netns", "interface", "family"];
const POOL: [&str; 3] = ["netns", "pool", "family"];

impl Books {
    pub(super) fn new(registry: &Registry) -> Self {
        Self {
            leases: Series::new(
                registry,
                "leasehound_leases",
                "Leases in the servers' databases, by state: bound, leaked (its release was ignored), declined (its DECLINE was).",
                ["netns", "interface", "family", "state"],
            ),
            leaked: Series::new(
                registry,
                "leasehound_leaked_addresses",
                "Addresses that were given back, which was ignored, and that are still leased.",
                PLACE,
            ),
            oldest_leak: Series::new(
                registry,
                "leasehound_oldest_leak_age_seconds",
                "Time since the longest leaked address was given back; 0 if none is leaked.",
                PLACE,
            ),
            pool: Series::new(
                registry,
                "leasehound_pool_addresses",
                "Addresses of a pool.",
                POOL,
            ),
            pool_used: Series::new(
                registry,
                "leasehound_pool_used_addresses",
                "Addresses of a pool that are leased, by the server's database.",
                POOL,
            ),
            pool_leaked: Series::new(
                registry,
                "leasehound_pool_leaked_addresses",
                "Leased addresses of a pool that have leaked.",
                POOL,
            ),
            exhaustion: Series::new(
                registry,
                "leasehound_pool_exhaustion_seconds",
                "Time until a pool has no free address, at the present speed; +Inf if it does not shrink or that can't be told.",
                POOL,
            ),
            exhaustion_earliest: Series::new(
                registry,
                "leasehound_pool_exhaustion_earliest_seconds",
                "The same at the highest of the recent speeds.",
                POOL,
            ),
            exhaustion_latest: Series::new(
                registry,
                "leasehound_pool_exhaustion_latest_seconds",
                "The same at the lowest of the recent speeds.",
                POOL,
            ),
        }
    }

    /// The series of an interface exist from now on.
    pub(super) fn zero(&self, labels: [&str; 3]) {
        self.leaked.begin(labels);
        self.oldest_leak.begin(labels);
    }

    /// Families whose series of an interface go with it.
    pub(super) fn families(&self) -> [&dyn Forget; 3] {
        [&self.leases, &self.leaked, &self.oldest_leak]
    }
}

impl Metrics {
    /// All leases, instead of those named before.
    pub fn leases(&self, leases: &[LeaseCount]) {
        let (mut levels, mut leaked, mut oldest) = (Vec::new(), Vec::new(), Vec::new());
        for count in leases {
            let place = self.place_or_netns(count.interface, &count.netns);
            let labels = of(&place).map(ToOwned::to_owned);
            let [netns, interface, family] = labels.clone();
            let tally = count.tally;
            for (state, level) in [
                ("bound", tally.bound),
                ("leaked", tally.leaked),
                ("declined", tally.declined),
            ] {
                let state = state.to_owned();
                let labels = [netns.clone(), interface.clone(), family.clone(), state];
                levels.push((labels, level));
            }
            // Leases in no local subnet have no interface: only leaks are worth a series.
            let all = tally.leaked.saturating_add(tally.declined);
            if count.interface.is_some() || all > 0 {
                leaked.push((labels.clone(), all));
                let age = count.oldest_leak.unwrap_or_default();
                oldest.push((labels, age.as_secs_f64()));
            }
        }
        self.books.leases.replace(levels);
        self.books.leaked.renew(leaked);
        self.books.oldest_leak.renew(oldest);
    }

    /// All pools, instead of those named before.
    pub fn pools(&self, pools: &[PoolEntry]) {
        let family = Family::Ipv4.as_str();
        let mut own: BTreeSet<[String; 3]> = BTreeSet::new();
        let mut folded = 0;
        let labelled: Vec<([String; 3], &PoolEntry)> = pools
            .iter()
            .map(|entry| {
                let name = shortened(&entry.report.pool.name);
                let labels = [&entry.netns, name, family].map(ToOwned::to_owned);
                if own.len() < MAX_POOLS || own.contains(&labels) {
                    own.insert(labels.clone());
                    return (labels, entry);
                }
                folded += 1;
                ([OTHER, OTHER, family].map(ToOwned::to_owned), entry)
            })
            .collect();
        if folded > 0 {
            self.families.label_overflow.add(["pool"], folded);
        }
        let books = &self.books;
        let levels = |level: &dyn Fn(&PoolEntry) -> Option<u64>| -> Vec<([String; 3], u64)> {
            let known = labelled.iter();
            known
                .filter_map(|(labels, entry)| Some((labels.clone(), level(entry)?)))
                .collect()
        };
        books
            .pool
            .replace(levels(&|entry| Some(entry.report.pool.size())));
        books.pool_used.replace(levels(&|entry| entry.report.used));
        // Of a database that is not read nothing can be said.
        books.pool_leaked.replace(levels(&|entry| {
            entry.report.used.map(|_| entry.report.leaked)
        }));
        let times = |time: fn(Forecast) -> Option<Duration>| -> Vec<([String; 3], f64)> {
            let known = labelled
                .iter()
                .filter(|(_, entry)| entry.report.used.is_some());
            known
                .map(|(labels, entry)| {
                    let time = time(entry.report.forecast);
                    let seconds = time.map_or(f64::INFINITY, |time| time.as_secs_f64());
                    (labels.clone(), seconds)
                })
                .collect()
        };
        books.exhaustion.replace(times(Forecast::expected));
        books.exhaustion_earliest.replace(times(Forecast::earliest));
        books.exhaustion_latest.replace(times(Forecast::latest));
    }
}

/// The beginning of a long name.
fn shortened(name: &str) -> &str {
    let mut end = name.len().min(NAME_AT_MOST);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name.get(..end).unwrap_or_default()
}
