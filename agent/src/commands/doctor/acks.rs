//! What leases were granted, from the events that `run --messages --events FILE` wrote: a
//! lease file does not say under which id its leases were granted.

use crate::exit::Failure;
use anyhow::Context as _;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::Ipv4Addr;
use std::path::Path;

/// The last ACK for an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ack {
    /// The namespace's name, empty for the agent's own.
    pub(super) netns: String,
    /// Where it left.
    pub(super) interface: String,
    pub(super) address: Ipv4Addr,
    pub(super) server_id: Ipv4Addr,
}

#[derive(Deserialize)]
struct Event {
    kind: String,
    message_type: Option<String>,
    origin: Option<Origin>,
    addresses: Option<Addresses>,
    server_id: Option<Ipv4Addr>,
}

#[derive(Deserialize)]
struct Origin {
    netns: String,
    interface: String,
    direction: String,
}

#[derive(Deserialize)]
struct Addresses {
    yiaddr: Ipv4Addr,
    giaddr: Ipv4Addr,
}

/// Reads the file; what is no event of an ACK that this host sent is passed over.
pub(super) fn read(path: &Path) -> Result<Vec<Ack>, Failure> {
    let shown = path.display();
    let file = File::open(path).with_context(|| format!("can't read the events in {shown}"))?;
    let mut last = BTreeMap::new();
    for line in BufReader::new(file).lines() {
        let line = line.with_context(|| format!("can't read the events in {shown}"))?;
        if let Some(ack) = ack_in(&line) {
            last.insert((ack.netns.clone(), ack.address), ack);
        }
    }
    Ok(last.into_values().collect())
}

fn ack_in(line: &str) -> Option<Ack> {
    let event: Event = serde_json::from_str(line).ok()?;
    let (origin, addresses) = (event.origin?, event.addresses?);
    let granted = event.kind == "message"
        && event.message_type.as_deref() == Some("ack")
        && origin.direction == "egress"
        && addresses.giaddr.is_unspecified()
        && !addresses.yiaddr.is_unspecified();
    granted.then_some(Ack {
        netns: origin.netns,
        interface: origin.interface,
        address: addresses.yiaddr,
        server_id: event.server_id?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn the_last_ack_of_each_address_that_left_here() {
        let line = |direction: &str, giaddr: &str, id: &str| {
            format!(
                r#"{{"schema":1,"kind":"message","message_type":"ack","origin":{{"netns":"","interface":"eth3","vlan":[],"direction":"{direction}","hook":"tcx"}},"addresses":{{"ciaddr":"0.0.0.0","yiaddr":"10.9.0.50","siaddr":"0.0.0.0","giaddr":"{giaddr}"}},"server_id":"{id}"}}"#
            )
        };
        let mut file = tempfile::NamedTempFile::new().unwrap();
        for text in [
            line("egress", "0.0.0.0", "10.9.0.245"),
            line("egress", "0.0.0.0", "10.9.0.1"),
            line("ingress", "0.0.0.0", "10.9.0.7"),
            line("egress", "10.8.0.1", "10.9.0.7"),
            r#"{"schema":1,"kind":"loss"}"#.to_owned(),
            "half a li".to_owned(),
        ] {
            writeln!(file, "{text}").unwrap();
        }
        let Ok(acks) = read(file.path()) else {
            panic!("the file is there")
        };
        let [only] = acks.as_slice() else {
            panic!("{acks:?}")
        };
        assert_eq!(only.server_id, Ipv4Addr::new(10, 9, 0, 1));
        assert!(read(Path::new("/no/such/file")).is_err());
    }
}
