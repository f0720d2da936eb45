//! What a finding costs: addresses that leaked, and what that does to their pool.

use super::span::about;
use crate::accounts::forecast::{Forecast, Interval};
use crate::accounts::leaks::Leak;
use crate::accounts::pools::PoolReport;
use crate::engine::Engine;
use std::collections::BTreeSet;

/// The damage of some leaks.
pub(super) struct Damage {
    /// How many there are.
    pub(super) leaked: u64,
    /// One clause; `None` without a leak.
    pub(super) says: Option<String>,
}

impl Engine {
    /// The damage of the leaks that `of` picks.
    pub(super) fn damage(&self, of: impl Fn(&Leak) -> bool) -> Damage {
        let leaks: Vec<&Leak> = self
            .accounts
            .leaks()
            .standing(self.now)
            .filter(|leak| of(leak))
            .collect();
        let leaked = u64::try_from(leaks.len()).unwrap_or(u64::MAX);
        if leaked == 0 {
            return Damage { leaked, says: None };
        }
        let namespaces: BTreeSet<_> = leaks.iter().map(|leak| leak.netns).collect();
        let pools = namespaces
            .into_iter()
            .flat_map(|netns| self.accounts.pools(netns, self.now));
        let in_pool = |report: &PoolReport| {
            let within =
                |leak: &&&Leak| leak.netns == report.netns && report.pool.contains(leak.address);
            leaks.iter().filter(within).count()
        };
        // Where most of them are; of several, the one that runs out first.
        let worst = pools
            .map(|report| (in_pool(&report), report))
            .filter(|(count, _)| *count > 0)
            .min_by_key(|(count, report)| {
                (
                    std::cmp::Reverse(*count),
                    report.forecast.expected().is_none(),
                )
            });
        let says = match worst {
            Some((count, report)) => {
                let end = runs_out(&report).map_or_else(String::new, |end| format!(", {end}"));
                let others = if count == leaks.len() {
                    String::new()
                } else {
                    format!(" ({leaked} in all)")
                };
                let (size, name) = (report.pool.size(), &report.pool.name);
                let share = share(count, size);
                format!("{count} of {size} addresses of pool {name} leaked ({share}){others}{end}")
            }
            None if leaked == 1 => "1 address leaked".to_owned(),
            None => format!("{leaked} addresses leaked"),
        };
        Damage {
            leaked,
            says: Some(says),
        }
    }
}

/// "the pool runs out in about 3 h (2 h to 5 h)"; `None` if it does not.
pub(super) fn runs_out(report: &PoolReport) -> Option<String> {
    match report.forecast {
        Forecast::Never => None,
        Forecast::Now => Some("the pool has no free address left".to_owned()),
        Forecast::In(Interval {
            earliest,
            expected,
            latest,
            ..
        }) => {
            let time = about(earliest, expected, latest);
            Some(format!("the pool runs out in {time}"))
        }
    }
}

/// "7 %"
fn share(count: usize, of: u64) -> String {
    let count = u64::try_from(count).unwrap_or(u64::MAX);
    let percent = count.saturating_mul(100).div_euclid(of.max(1));
    if percent == 0 {
        "less than 1 %".to_owned()
    } else {
        format!("{percent} %")
    }
}
