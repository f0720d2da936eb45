//! What a finding costs: addresses that leaked, and what that does to their pool.

use super::span::about;
use crate::accounts::forecast::{Forecast, Interval};
use crate::accounts::leaks::GivenBack;
use crate::accounts::pools::PoolReport;
use crate::cause::Cause;
use crate::engine::Engine;
use crate::message::ServerId;
use crate::origin::{InterfaceId, NetnsId};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// The damage of some leaks.
pub(super) struct Damage {
    /// How many there are.
    pub(super) leaked: u64,
    /// One clause; `None` without a leak.
    pub(super) says: Option<String>,
}

impl Damage {
    /// None.
    pub(super) const NONE: Self = Self {
        leaked: 0,
        says: None,
    };
}

/// Leaks by what they are damage of, and the pools they are in: made once for a review.
pub(super) struct Ledger {
    leaks: BTreeMap<Group, Vec<(Ipv4Addr, Option<ServerId>)>>,
    pub(super) pools: Vec<PoolReport>,
}

/// What leaks of one kind have in common.
type Group = (NetnsId, InterfaceId, GivenBack, Cause);

impl Engine {
    /// The leaks and pools of now.
    pub(super) fn ledger(&self) -> Ledger {
        let mut leaks: BTreeMap<Group, Vec<_>> = BTreeMap::new();
        for leak in self.accounts.leaks().standing(self.now) {
            let group = (leak.netns, leak.interface, leak.given_back, leak.cause);
            let list = leaks.entry(group).or_default();
            list.push((leak.address, leak.named));
        }
        for list in leaks.values_mut() {
            list.sort_unstable();
        }
        Ledger {
            leaks,
            pools: self.accounts.all_pools(self.now),
        }
    }
}

impl Ledger {
    /// The damage of those leaks of a group whose messages named an id that `of` picks.
    pub(super) fn damage(&self, group: Group, of: impl Fn(Option<ServerId>) -> bool) -> Damage {
        let all = self.leaks.get(&group).into_iter().flatten();
        let addresses: Vec<Ipv4Addr> = all
            .filter(|(_, named)| of(*named))
            .map(|(address, _)| *address)
            .collect();
        let leaked = u64::try_from(addresses.len()).unwrap_or(u64::MAX);
        if leaked == 0 {
            return Damage { leaked, says: None };
        }
        let in_pool = |report: &PoolReport| {
            let from = addresses.partition_point(|address| *address < report.pool.first);
            let until = addresses.partition_point(|address| *address <= report.pool.last);
            until.saturating_sub(from)
        };
        let (netns, ..) = group;
        let pools = self.pools.iter().filter(|report| report.netns == netns);
        // Where most of them are; of several, the one that runs out first.
        let worst = pools
            .map(|report| (in_pool(report), report))
            .filter(|(count, _)| *count > 0)
            .min_by_key(|(count, report)| {
                (
                    std::cmp::Reverse(*count),
                    report.forecast.expected().is_none(),
                )
            });
        let says = match worst {
            Some((count, report)) => {
                let end = runs_out(report).map_or_else(String::new, |end| format!(", {end}"));
                let others = if count == addresses.len() {
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
