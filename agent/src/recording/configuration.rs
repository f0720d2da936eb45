//! A server's configuration as JSON.

use leasehound_core::configuration::{ConfigurationLine, LeaseTime, Pool, ServerConfiguration};
use leasehound_core::evidence::ServerRef;
use leasehound_core::origin::NetnsId;
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;
use std::time::Duration;

/// [`ServerConfiguration`]
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ConfigurationText {
    server: u32,
    netns: u32,
    pools: Vec<PoolText>,
    options: Vec<LineText>,
    not_understood: Vec<Box<str>>,
}

/// [`Pool`]
#[derive(Debug, Serialize, Deserialize)]
struct PoolText {
    name: Box<str>,
    first: Ipv4Addr,
    last: Ipv4Addr,
    lease_time: Option<LeaseTimeText>,
}

/// [`LeaseTime`], in nanoseconds
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum LeaseTimeText {
    Infinite,
    Limited(u64),
}

/// [`ConfigurationLine`]
#[derive(Debug, Serialize, Deserialize)]
struct LineText {
    origin: Box<str>,
    number: u32,
    text: Box<str>,
}

impl From<&ServerConfiguration> for ConfigurationText {
    fn from(configuration: &ServerConfiguration) -> Self {
        Self {
            server: configuration.server.0,
            netns: configuration.netns.0,
            pools: configuration.pools.iter().map(PoolText::from).collect(),
            options: configuration.options.iter().map(LineText::from).collect(),
            not_understood: configuration.not_understood.clone(),
        }
    }
}

impl From<ConfigurationText> for ServerConfiguration {
    fn from(text: ConfigurationText) -> Self {
        Self {
            server: ServerRef(text.server),
            netns: NetnsId(text.netns),
            pools: text.pools.into_iter().map(Pool::from).collect(),
            options: text
                .options
                .into_iter()
                .map(ConfigurationLine::from)
                .collect(),
            not_understood: text.not_understood,
        }
    }
}

impl From<&Pool> for PoolText {
    fn from(pool: &Pool) -> Self {
        let lease_time = pool.lease_time.map(|time| match time {
            LeaseTime::Infinite => LeaseTimeText::Infinite,
            LeaseTime::Limited(time) => {
                LeaseTimeText::Limited(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
            }
        });
        Self {
            name: pool.name.clone(),
            first: pool.first,
            last: pool.last,
            lease_time,
        }
    }
}

impl From<PoolText> for Pool {
    fn from(text: PoolText) -> Self {
        let lease_time = text.lease_time.map(|time| match time {
            LeaseTimeText::Infinite => LeaseTime::Infinite,
            LeaseTimeText::Limited(nanos) => LeaseTime::Limited(Duration::from_nanos(nanos)),
        });
        Self {
            name: text.name,
            first: text.first,
            last: text.last,
            lease_time,
        }
    }
}

impl From<&ConfigurationLine> for LineText {
    fn from(line: &ConfigurationLine) -> Self {
        Self {
            origin: line.origin.clone(),
            number: line.number,
            text: line.text.clone(),
        }
    }
}

impl From<LineText> for ConfigurationLine {
    fn from(text: LineText) -> Self {
        Self {
            origin: text.origin,
            number: text.number,
            text: text.text,
        }
    }
}
