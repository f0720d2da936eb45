//! How full each pool is, what of it has leaked, and when it runs out.
//!
//! What is counted is what the server's database says, not what its clients do. Where no
//! database of the server is read, the use of its pools is not known, and not guessed.
//! Addresses that the server holds back after a DECLINE or a probe count as free.

use super::envelope::Envelope;
use super::forecast::{Basis, Forecast, forecast};
use super::leaks::Leaks;
use super::trend::{Reached, Trend};
use crate::configuration::{Pool, ServerConfiguration};
use crate::database::{Database, DatabaseId, Databases};
use crate::evidence::ServerRef;
use crate::origin::NetnsId;
use crate::tables::{Table, TableUsage};
use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

/// Pools of one server.
const MOST_OF_ONE: usize = 256;

/// Pools whose past is remembered.
const MOST: usize = 1024;

/// Levels that are told apart in a pool.
const RESOLUTION: u64 = 256;

/// The past of a pool outlives its server and a change of its end: a restart, a longer
/// range.
type PastKey = (NetnsId, Ipv4Addr);

/// The pools of all servers.
#[derive(Debug)]
pub(super) struct Pools {
    of: BTreeMap<ServerRef, (NetnsId, Vec<Counted>)>,
    past: Table<PastKey, Past>,
    left_out: u64,
}

impl Default for Pools {
    fn default() -> Self {
        Self {
            of: BTreeMap::new(),
            past: Table::new("pools", MOST),
            left_out: 0,
        }
    }
}

#[derive(Debug)]
struct Counted {
    pool: Pool,
    used: Option<u64>,
    leaked: u64,
}

/// What is remembered of a pool.
#[derive(Debug, Clone, Default)]
pub(super) struct Past {
    last: Option<Ipv4Addr>,
    leaks: Trend,
    usage: Envelope,
}

/// A pool as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolReport {
    /// The namespace.
    pub netns: NetnsId,
    /// Whose.
    pub server: ServerRef,
    /// Its range and name.
    pub pool: Pool,
    /// Leases in it; `None` where the server's database is not read, or not any more.
    pub used: Option<u64>,
    /// Those of them that have leaked.
    pub leaked: u64,
    /// When it runs out.
    pub forecast: Forecast,
}

impl Pools {
    /// A server's configuration was read; it replaces what was known of it.
    pub(super) fn configured(&mut self, configuration: &ServerConfiguration) {
        let netns = configuration.netns;
        let before = self.of.remove(&configuration.server);
        let count_of = |pool: &Pool| {
            let (_, counted) = before.as_ref()?;
            let same = counted.iter().find(|counted| counted.pool == *pool)?;
            Some((same.used, same.leaked))
        };
        let all = configuration.pools.iter().filter(|pool| pool.size() > 0);
        let mut pools: Vec<Counted> = all
            .map(|pool| {
                let (used, leaked) = count_of(pool).unwrap_or((None, 0));
                Counted {
                    pool: pool.clone(),
                    used,
                    leaked,
                }
            })
            .collect();
        let left_out = pools.len().saturating_sub(MOST_OF_ONE);
        self.left_out += u64::try_from(left_out).unwrap_or(u64::MAX);
        pools.truncate(MOST_OF_ONE);
        if !pools.is_empty() {
            self.of.insert(configuration.server, (netns, pools));
        }
    }

    /// A server process ended.
    pub(super) fn server_gone(&mut self, server: ServerRef) {
        self.of.remove(&server);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    /// Counts all of them.
    pub(super) fn sample(&mut self, databases: &Databases, leaks: &Leaks, now: Timestamp) {
        let mut leaked: Vec<(NetnsId, Ipv4Addr)> = leaks
            .standing(now)
            .map(|leak| (leak.netns, leak.address))
            .collect();
        leaked.sort_unstable();
        for (server, (netns, pools)) in &mut self.of {
            let database = database_of(databases, *netns, *server);
            for counted in pools {
                let Pool { first, last, .. } = counted.pool;
                counted.used = database.map(|db| db.leases_within(first, last, now));
                counted.leaked = within(&leaked, *netns, first, last);
                let Some(used) = counted.used else { continue };
                let key = (*netns, first);
                let past = self.past.entry(key);
                past.observe(now, &counted.pool, used, counted.leaked);
            }
        }
    }

    /// The pools of a namespace, in order of address.
    pub(super) fn reports(&self, netns: NetnsId, now: Timestamp) -> Vec<PoolReport> {
        let mut reports = Vec::new();
        for (server, (of, pools)) in &self.of {
            for counted in pools.iter().filter(|_| *of == netns) {
                let past = self.past.peek(&(netns, counted.pool.first));
                let forecast = past.zip(counted.used).map(|(past, used)| {
                    past.forecast(counted.pool.size(), used, counted.leaked, now)
                });
                reports.push(PoolReport {
                    netns,
                    server: *server,
                    pool: counted.pool.clone(),
                    used: counted.used,
                    leaked: counted.leaked,
                    forecast: forecast.unwrap_or_default(),
                });
            }
        }
        reports.sort_by_key(|report| (report.pool.first, report.pool.last, report.server));
        reports
    }

    pub(super) fn namespaces(&self) -> BTreeSet<NetnsId> {
        self.of.values().map(|(netns, _)| *netns).collect()
    }

    pub(super) fn usage(&self) -> TableUsage {
        let past = self.past.usage();
        TableUsage {
            evictions: past.evictions.saturating_add(self.left_out),
            ..past
        }
    }
}

impl Past {
    pub(super) fn observe(&mut self, at: Timestamp, pool: &Pool, used: u64, leaked: u64) {
        if self.last.is_some_and(|last| last > pool.last) {
            // What was in use beyond the new end was no use of this pool.
            *self = Self::default();
        }
        self.last = Some(pool.last);
        let step = (pool.size() / RESOLUTION).max(1);
        let now = Reached {
            at,
            level: leaked,
            beside: used,
        };
        if self.leaks.level().is_some_and(|before| before > leaked) {
            self.leaks.fall(now);
        }
        self.leaks.rise(now, step);
        self.usage.observe(at, used, step);
    }

    pub(super) fn forecast(&self, size: u64, used: u64, leaked: u64, now: Timestamp) -> Forecast {
        let free = size.saturating_sub(used);
        if free == 0 {
            return Forecast::Now;
        }
        let by_leaks = self.leaks.slope(now).filter(|slope| {
            let leaks = leaked.saturating_sub(slope.from.level);
            used.saturating_sub(slope.from.beside) >= leaks.div_ceil(2)
        });
        let by_leaks = by_leaks.map(|slope| forecast(free, slope, Basis::Leaks));
        let by_use = self.usage.slope(now).map(|slope| {
            let above = size.saturating_sub(self.usage.peak());
            forecast(above, slope, Basis::Use)
        });
        let never = Forecast::Never;
        by_leaks.unwrap_or(never).earlier(by_use.unwrap_or(never))
    }
}

/// The server's own database, else one that was named by hand; the newest reading of either
/// is to have been usable, for what stood in one before may be long over.
fn database_of(databases: &Databases, netns: NetnsId, server: ServerRef) -> Option<&Database> {
    let of = |server| databases.get(DatabaseId { netns, server });
    let is_up = |database: &&Database| database.is_up();
    of(Some(server))
        .filter(is_up)
        .or_else(|| of(None).filter(is_up))
}

fn within(sorted: &[(NetnsId, Ipv4Addr)], netns: NetnsId, first: Ipv4Addr, last: Ipv4Addr) -> u64 {
    let from = sorted.partition_point(|key| *key < (netns, first));
    let until = sorted.partition_point(|key| *key <= (netns, last));
    u64::try_from(until.saturating_sub(from)).unwrap_or(u64::MAX)
}
