//! The ranges of Kea's configuration: JSON, with comments (Kea's ARM, "Configuring Kea").

use super::others::Ranges;
use crate::evidence::lease_file::kea_configuration::without_comments;
use leasehound_core::configuration::{LeaseTime, Pool};
use serde_json::Value;
use std::net::Ipv4Addr;
use std::time::Duration;

/// Kea's default valid-lifetime (simple_parser4.cc).
const DEFAULT: u64 = 7200;

/// Reads the ranges.
pub(super) fn ranges(text: &str) -> Ranges {
    let whole: Value = match serde_json::from_str(&without_comments(text)) {
        Ok(whole) => whole,
        Err(error) => return Ranges::strange(format!("no JSON: {error}")),
    };
    let Some(dhcp4) = whole.get("Dhcp4") else {
        return Ranges::strange("there is no Dhcp4 in it");
    };
    let mut found = Ranges::default();
    let time = lifetime(dhcp4).unwrap_or(DEFAULT);
    for subnet in list(dhcp4, "subnet4") {
        of_subnet(subnet, time, &mut found);
    }
    for network in list(dhcp4, "shared-networks") {
        let time = lifetime(network).unwrap_or(time);
        for subnet in list(network, "subnet4") {
            of_subnet(subnet, time, &mut found);
        }
    }
    found
}

fn list<'v>(value: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> {
    value
        .get(name)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

fn lifetime(value: &Value) -> Option<u64> {
    value.get("valid-lifetime").and_then(Value::as_u64)
}

fn of_subnet(subnet: &Value, time: u64, found: &mut Ranges) {
    let time = lifetime(subnet).unwrap_or(time);
    let lease_time = if time >= u64::from(u32::MAX) {
        LeaseTime::Infinite
    } else {
        LeaseTime::Limited(Duration::from_secs(time))
    };
    for pool in list(subnet, "pools") {
        let text = pool.get("pool").and_then(Value::as_str).unwrap_or_default();
        match ends(text) {
            Some((first, last)) => found.pools.push(Pool {
                name: format!("{first}-{last}").into(),
                first,
                last,
                lease_time: Some(lease_time),
            }),
            None => found
                .not_understood
                .push(format!("the pool \"{text}\"").into()),
        }
    }
}

/// `10.9.0.50 - 10.9.0.60` or `10.9.0.64/26`
fn ends(text: &str) -> Option<(Ipv4Addr, Ipv4Addr)> {
    if let Some((first, last)) = text.split_once('-') {
        return Some((first.trim().parse().ok()?, last.trim().parse().ok()?));
    }
    let (network, length) = text.split_once('/')?;
    let network: Ipv4Addr = network.trim().parse().ok()?;
    let length: u32 = length.trim().parse().ok().filter(|length| *length <= 32)?;
    let hosts = u32::MAX.checked_shr(length).unwrap_or(0);
    let first = network.to_bits() & !hosts;
    Some((
        Ipv4Addr::from_bits(first),
        Ipv4Addr::from_bits(first | hosts),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pools_of_subnets_and_shared_networks() {
        let text = r#"{ // comment
          "Dhcp4": { "valid-lifetime": 600, /* another */
            "subnet4": [ { "subnet": "10.9.0.0/24", "pools": [ { "pool": "10.9.0.50 - 10.9.0.60" }, { "pool": "x" } ] } ],
            "shared-networks": [ { "name": "n", "valid-lifetime": 4294967295, # third
              "subnet4": [ { "pools": [ { "pool": "10.8.0.64/26" } ] }, { "valid-lifetime": 60, "pools": [ { "pool": "10.7.0.1-10.7.0.2" } ] } ] } ]
          } }"#;
        let found = ranges(text);
        let shown: Vec<(&str, Option<LeaseTime>)> = found
            .pools
            .iter()
            .map(|pool| (&*pool.name, pool.lease_time))
            .collect();
        let limited = |seconds| Some(LeaseTime::Limited(Duration::from_secs(seconds)));
        assert_eq!(
            shown,
            [
                ("10.9.0.50-10.9.0.60", limited(600)),
                ("10.8.0.64-10.8.0.127", Some(LeaseTime::Infinite)),
                ("10.7.0.1-10.7.0.2", limited(60)),
            ]
        );
        assert_eq!(found.not_understood, ["the pool \"x\"".into()]);
        assert_eq!(ranges("{").not_understood.len(), 1);
        assert_eq!(ranges("{}").not_understood.len(), 1);
    }
}
