//! What systemd-networkd keeps of its DHCP server's leases over a restart
//! (libsystemd-network/dhcp-server-lease.c, since 256; `PersistLeases=`).
//!
//! An object: `BootID`, the server's `Address` and `PrefixLength`, and `Leases`, an array of
//! objects with `ClientId` and `Address` as arrays of octets, `HardwareAddressType`,
//! `HardwareAddressLength` and `HardwareAddress`, `ExpirationUSec` by the clock since
//! boot, and `ExpirationRealtimeUSec` since the epoch, which counts here; 2⁶⁴ − 1 is never.
//! Static leases are not in it, unless they are bound. Where a client sends no identifier, networkd makes one of
//! 1 and the hardware address, and writes that.
//!
//! networkd writes a new file in place of the old one with each change, and removes it when
//! no lease is left.

use super::json::{Level, Shape, Value};
use super::ledger::Ledger;
use super::{Format, Reading};
use crate::evidence::Lease;
use crate::message::{ClientId, HardwareAddress};
use crate::time::Timestamp;
use std::net::Ipv4Addr;

/// Reads the text of a lease file.
pub fn parse(text: &[u8]) -> Reading {
    super::read(Format::Networkd, text)
}

/// `USEC_INFINITY`
const FOR_EVER: u64 = u64::MAX;

/// The members of one lease.
#[derive(Debug, Clone, Default)]
pub(super) struct Entry {
    address: Option<Ipv4Addr>,
    client_id: Option<ClientId>,
    kind: u8,
    hardware_address: Option<HardwareAddress>,
    expires: Option<u64>,
}

impl Shape for Entry {
    fn is_list(place: &[Level]) -> bool {
        matches!(place, [Level::Object(name), Level::Array] if name.as_slice() == b"Leases")
    }

    fn member(&mut self, name: &[u8], value: Value<'_>) -> Result<(), &'static str> {
        match name {
            b"Address" => {
                let octets = value.octets().and_then(|octets| octets.try_into().ok());
                let octets: [u8; 4] = octets.ok_or("the address cannot be read")?;
                self.address = Some(octets.into());
            }
            b"ClientId" => {
                let octets = value
                    .octets()
                    .ok_or("the client identifier cannot be read")?;
                self.client_id = (!octets.is_empty()).then(|| ClientId::new(octets));
            }
            b"HardwareAddressType" => {
                let kind = value.number().and_then(|kind| u8::try_from(kind).ok());
                self.kind = kind.ok_or("the type of the hardware address is no octet")?;
            }
            b"HardwareAddress" => {
                let octets = value.octets().filter(|octets| octets.len() <= 16);
                let octets = octets.ok_or("the hardware address cannot be read")?;
                self.hardware_address = Some(HardwareAddress::new(0, octets));
            }
            b"ExpirationRealtimeUSec" => {
                self.expires = Some(value.number().ok_or("the expiry is no number")?);
            }
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, ledger: &mut Ledger) -> Result<(), &'static str> {
        let entry = std::mem::take(self);
        let expires = entry.expires.ok_or("a lease without an end")?;
        let octets = entry.hardware_address.as_ref();
        ledger.lease(Lease {
            address: entry.address.ok_or("a lease without an address")?,
            hardware_address: HardwareAddress::new(
                entry.kind,
                octets.map_or(&[], HardwareAddress::as_bytes),
            ),
            client_id: entry.client_id,
            expires: (expires != FOR_EVER)
                .then(|| Timestamp::from_nanos(expires.saturating_mul(1000))),
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests;
