//! The engine's configuration as a recording keeps it: with the same configuration
//! the same input gives the same verdicts.

use leasehound_core::engine::{AssumedServer, Config, PendingLimits};
use leasehound_core::evidence::ServerKind;
use leasehound_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// [`Config`] in JSON; durations and times in nanoseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Stored {
    grace: u64,
    reading_grace: u64,
    assumed_server: Option<String>,
    /// Interface and kind.
    #[serde(default)]
    assumed_on: Vec<(String, String)>,
    announced_reading: Option<u64>,
    live_evidence: bool,
    pending_open: usize,
    pending_recent: usize,
    copy_window: u64,
    bindings: usize,
    exchanges: usize,
    server_ids: usize,
    /// Absent, as what follows, in recordings of the first format.
    #[serde(default)]
    trails: Option<usize>,
    #[serde(default)]
    sockets: Option<usize>,
    #[serde(default)]
    leaks: Option<usize>,
    #[serde(default)]
    answer: Option<u64>,
}

/// For a recording's header.
pub fn to_json(config: &Config) -> serde_json::Value {
    serde_json::json!(Stored {
        grace: nanos(config.grace),
        reading_grace: nanos(config.reading_grace),
        assumed_server: config.assumed_server.map(|kind| kind.as_str().to_owned()),
        assumed_on: config
            .assumed_on
            .iter()
            .filter_map(|assumed| {
                let interface = assumed.interface.as_deref()?;
                Some((interface.to_owned(), assumed.kind.as_str().to_owned()))
            })
            .collect(),
        announced_reading: config.announced_reading.map(Timestamp::as_nanos),
        live_evidence: config.live_evidence,
        pending_open: config.pending.open,
        pending_recent: config.pending.recent,
        copy_window: nanos(config.pending.copy_window),
        bindings: config.bindings,
        exchanges: config.exchanges,
        server_ids: config.server_ids,
        trails: Some(config.trails),
        sockets: Some(config.sockets),
        leaks: Some(config.leaks),
        answer: Some(nanos(config.answer)),
    })
}

/// From a recording's header.
pub fn from_json(json: &serde_json::Value) -> Result<Config, serde_json::Error> {
    let stored = Stored::deserialize(json)?;
    let defaults = Config::default();
    Ok(Config {
        grace: Duration::from_nanos(stored.grace),
        reading_grace: Duration::from_nanos(stored.reading_grace),
        assumed_server: stored
            .assumed_server
            .map(|kind| ServerKind::from_word(&kind).unwrap_or(ServerKind::Unknown)),
        assumed_on: stored
            .assumed_on
            .into_iter()
            .map(|(interface, kind)| AssumedServer {
                interface: Some(interface.into()),
                kind: ServerKind::from_word(&kind).unwrap_or(ServerKind::Unknown),
            })
            .collect(),
        announced_reading: stored.announced_reading.map(Timestamp::from_nanos),
        live_evidence: stored.live_evidence,
        emit_messages: false,
        pending: PendingLimits {
            open: stored.pending_open,
            recent: stored.pending_recent,
            copy_window: Duration::from_nanos(stored.copy_window),
        },
        bindings: stored.bindings,
        exchanges: stored.exchanges,
        server_ids: stored.server_ids,
        trails: stored.trails.unwrap_or(defaults.trails),
        sockets: stored.sockets.unwrap_or(defaults.sockets),
        leaks: stored.leaks.unwrap_or(defaults.leaks),
        answer: stored.answer.map_or(defaults.answer, Duration::from_nanos),
    })
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_gets_lost_on_the_way() {
        let config = Config {
            grace: Duration::from_millis(7),
            assumed_server: Some(ServerKind::Dnsmasq),
            assumed_on: vec![AssumedServer {
                interface: Some("tap*".into()),
                kind: ServerKind::Ovn,
            }],
            announced_reading: Some(Timestamp::from_secs(5)),
            live_evidence: false,
            bindings: 3,
            ..Config::default()
        };
        assert_eq!(from_json(&to_json(&config)).unwrap(), config);
    }
}
