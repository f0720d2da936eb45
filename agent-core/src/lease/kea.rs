//! Kea's DHCPv4 memfile (csv_lease_file4.cc; read in 2.2 and 3.3).
//!
//! A log: each row says how a lease stands from then on, and the last row of an address
//! counts. The first line names the columns, which became more with time. A released
//! lease is a row with a lifetime of 0, or, where Kea keeps it for the client to come back
//! to, one in state 3; a declined one is in state 1, an expired one in state 2.
//!
//! Kea keeps a lease that ran out until it comes round to it; whether it has run out is
//! for those to say who know the time. The files of a database, each with its header, may
//! be handed over one after the other, in the order in which Kea loads them.

use super::hex::parse_hex;
use super::{Damage, Reading};
use crate::evidence::Lease;
use crate::message::{ClientId, HardwareAddress};
use crate::time::Timestamp;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// `Lease::STATE_DEFAULT`
const ASSIGNED: &[u8] = b"0";
/// `Lease::INFINITY_LFT`
const FOR_EVER: u64 = 0xffff_ffff;
/// Ethernet: the file has no column for the type.
const ETHERNET: u8 = 1;

/// Reads the text of a memfile, or of several.
pub fn parse(text: &[u8]) -> Reading {
    let mut leases = BTreeMap::new();
    let mut columns = None;
    let mut damage = None;
    for (index, line) in text.split_inclusive(|octet| *octet == b'\n').enumerate() {
        // A row that is still being written.
        let Some(row) = line.strip_suffix(b"\n") else {
            break;
        };
        let row = row.strip_suffix(b"\r").unwrap_or(row);
        if let Err(reason) = take_in(row, &mut columns, &mut leases) {
            damage.get_or_insert_with(|| Damage {
                line: index + 1,
                reason: reason.into(),
            });
        }
    }
    Reading {
        leases: leases.into_values().collect(),
        complete: text.last().is_none_or(|last| *last == b'\n'),
        damage,
    }
}

fn take_in(
    row: &[u8],
    columns: &mut Option<Columns>,
    leases: &mut BTreeMap<Ipv4Addr, Lease>,
) -> Result<(), &'static str> {
    if row.is_empty() {
        return Ok(());
    }
    if row.starts_with(b"address,") {
        *columns = Some(Columns::named_in(row)?);
        return Ok(());
    }
    let columns = columns.as_ref().ok_or("no header before it")?;
    let (address, lease) = columns.lease(row)?;
    match lease {
        Some(lease) => leases.insert(address, lease),
        None => leases.remove(&address),
    };
    Ok(())
}

/// Where the fields are.
struct Columns {
    count: usize,
    address: usize,
    hardware_address: usize,
    client_id: usize,
    valid_lifetime: usize,
    expire: usize,
    /// Since Kea 1.0; before, all were assigned.
    state: Option<usize>,
}

impl Columns {
    fn named_in(header: &[u8]) -> Result<Self, &'static str> {
        let place = |name: &str| fields(header).position(|field| field == name.as_bytes());
        let needed = |name| place(name).ok_or("the header lacks a column of a lease");
        Ok(Self {
            count: fields(header).count(),
            address: needed("address")?,
            hardware_address: needed("hwaddr")?,
            client_id: needed("client_id")?,
            valid_lifetime: needed("valid_lifetime")?,
            expire: needed("expire")?,
            state: place("state"),
        })
    }

    /// The address that a row is about, and its lease, if it is leased from then on.
    fn lease(&self, row: &[u8]) -> Result<(Ipv4Addr, Option<Lease>), &'static str> {
        if fields(row).count() != self.count {
            return Err("not as many fields as the header has");
        }
        let field = |place: usize| fields(row).nth(place).unwrap_or_default();
        let address = text(field(self.address))
            .and_then(|address| address.parse().ok())
            .ok_or("the address cannot be read")?;
        let lifetime = seconds(field(self.valid_lifetime)).ok_or("the lifetime is no number")?;
        let expire = seconds(field(self.expire)).ok_or("the expiry is no number")?;
        let hardware_address = octets(field(self.hardware_address), &mut [0; 16])
            .map(|octets| HardwareAddress::new(ETHERNET, octets))
            .ok_or("the hardware address cannot be read")?;
        let client_id = octets(field(self.client_id), &mut [0; 255])
            .map(|octets| (!octets.is_empty()).then(|| ClientId::new(octets)))
            .ok_or("the client identifier cannot be read")?;
        let assigned = self.state.is_none_or(|state| field(state) == ASSIGNED);
        let lease = (assigned && lifetime != 0).then(|| Lease {
            address,
            hardware_address,
            client_id,
            expires: (lifetime != FOR_EVER).then(|| Timestamp::from_secs(expire)),
        });
        Ok((address, lease))
    }
}

/// Kea writes a comma inside a field as an entity.
fn fields(row: &[u8]) -> impl Iterator<Item = &[u8]> {
    row.split(|octet| *octet == b',')
}

fn text(field: &[u8]) -> Option<&str> {
    str::from_utf8(field).ok()
}

fn seconds(field: &[u8]) -> Option<u64> {
    text(field)?.parse().ok()
}

fn octets<'a>(field: &[u8], into: &'a mut [u8]) -> Option<&'a [u8]> {
    parse_hex(field, into)
}

#[cfg(test)]
mod tests;
