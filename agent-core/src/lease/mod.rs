//! Lease databases: text in, [`Lease`]s out. Reads no file and keeps no state; the
//! agent's watcher decides when to read and whether a reading can be trusted.

pub mod dnsmasq;

use crate::evidence::Lease;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// What changed from `previous` to `now`: new or changed leases, and the addresses
/// that are leased no longer; both in order of address. Of several leases of one
/// address in `now` the last counts.
pub fn diff(previous: &BTreeMap<Ipv4Addr, Lease>, now: &[Lease]) -> (Vec<Lease>, Vec<Ipv4Addr>) {
    let now: BTreeMap<Ipv4Addr, &Lease> = now.iter().map(|lease| (lease.address, lease)).collect();
    let upserted = now
        .iter()
        .filter(|(address, lease)| previous.get(address) != Some(*lease))
        .map(|(_, lease)| (*lease).clone())
        .collect();
    let removed = previous
        .keys()
        .filter(|address| !now.contains_key(address))
        .copied()
        .collect();
    (upserted, removed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::HardwareAddress;
    use crate::time::Timestamp;

    fn lease(last: u8, expires: u64) -> Lease {
        Lease {
            address: Ipv4Addr::new(10, 9, 0, last),
            hardware_address: HardwareAddress::ethernet([2, 0, 0, 0, 0, last]),
            client_id: None,
            expires: Some(Timestamp::from_secs(expires)),
        }
    }

    #[test]
    fn new_changed_and_gone_in_order_of_address() {
        let previous = [lease(1, 100), lease(2, 100), lease(3, 100), lease(200, 100)]
            .map(|lease| (lease.address, lease))
            .into();
        let now = [lease(9, 100), lease(2, 101), lease(3, 7), lease(3, 100)];
        let (upserted, removed) = diff(&previous, &now);
        assert_eq!(upserted, [lease(2, 101), lease(9, 100)]);
        assert_eq!(removed, [lease(1, 0).address, lease(200, 0).address]);
        assert_eq!(diff(&previous, &[]).1.len(), 4);
    }
}
