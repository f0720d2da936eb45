//! libvirt's `.status` file, which its lease helper writes for a dnsmasq that keeps no lease
//! file itself (network/leaseshelper.c, util/virlease.c; run in 9.0).
//!
//! An array of objects, each a lease: `ip-address`, `mac-address`, `client-id`, `hostname`,
//! `expiry-time` in seconds, 0 for never; of an IPv6 lease `iaid` as dnsmasq writes it,
//! `client-id` the DUID and `server-duid`. An empty file holds no lease. All that is
//! written there was leased when it was written: the helper leaves out leases that ran out
//! when it next writes the file, and writes a new file in place of the old one.

use super::dnsmasq::hardware_address;
use super::hex::{decimal, parse_hex};
use super::json::{Level, Shape, Value};
use super::ledger::Ledger;
use super::{Association, Duid, Format, Lease6, Reading};
use crate::evidence::Lease;
use crate::message::{ClientId, HardwareAddress};
use crate::time::Timestamp;
use std::net::IpAddr;

/// Reads the text of a `.status` file.
pub fn parse(text: &[u8]) -> Reading {
    super::read(Format::Libvirt, text)
}

/// The members of one lease.
#[derive(Debug, Clone, Default)]
pub(super) struct Entry {
    address: Option<IpAddr>,
    hardware_address: Option<HardwareAddress>,
    client: Option<ClientId>,
    expires: Option<Timestamp>,
    iaid: Option<(Association, u32)>,
    server_duid: Option<Duid>,
}

impl Shape for Entry {
    fn is_list(place: &[Level]) -> bool {
        matches!(place, [Level::Array])
    }

    fn member(&mut self, name: &[u8], value: Value<'_>) -> Result<(), &'static str> {
        match name {
            b"ip-address" => {
                let address = value.text().and_then(|text| str::from_utf8(text).ok());
                let address = address.and_then(|address| address.parse().ok());
                self.address = Some(address.ok_or("the address cannot be read")?);
            }
            b"mac-address" => {
                let address = value.text().and_then(hardware_address);
                self.hardware_address = Some(address.ok_or("the hardware address cannot be read")?);
            }
            b"client-id" => {
                let mut octets = [0; 255];
                let octets = value.text().and_then(|text| parse_hex(text, &mut octets));
                let octets = octets.ok_or("the client identifier cannot be read")?;
                self.client = (!octets.is_empty()).then(|| ClientId::new(octets));
            }
            b"expiry-time" => {
                let seconds = value.number().ok_or("the expiry is no number")?;
                self.expires = (seconds != 0).then(|| Timestamp::from_secs(seconds));
            }
            b"iaid" => self.iaid = Some(iaid(value).ok_or("the IAID is no number")?),
            b"server-duid" => {
                let mut octets = [0; 255];
                let octets = value.text().and_then(|text| parse_hex(text, &mut octets));
                self.server_duid = octets.map(Duid::new);
            }
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, ledger: &mut Ledger) -> Result<(), &'static str> {
        let entry = std::mem::take(self);
        match entry.address.ok_or("a lease without an address")? {
            IpAddr::V4(address) => ledger.lease(Lease {
                address,
                hardware_address: entry
                    .hardware_address
                    .unwrap_or_else(|| HardwareAddress::new(0, &[])),
                client_id: entry.client,
                expires: entry.expires,
            }),
            IpAddr::V6(address) => {
                let (association, iaid) = entry.iaid.ok_or("an IPv6 lease without an IAID")?;
                ledger.lease6(Lease6 {
                    address,
                    prefix_length: 128,
                    association,
                    iaid,
                    duid: Duid::new(entry.client.as_ref().map_or(&[], ClientId::as_bytes)),
                    expires: entry.expires,
                });
            }
        }
        if let Some(duid) = entry.server_duid {
            ledger.server_duid = Some(duid);
        }
        Ok(())
    }
}

/// `T` before that of a temporary address.
fn iaid(value: Value<'_>) -> Option<(Association, u32)> {
    if let Some([b'T', digits @ ..]) = value.text() {
        let iaid = u32::try_from(decimal(digits)?).ok()?;
        return Some((Association::Temporary, iaid));
    }
    let iaid = u32::try_from(value.number()?).ok()?;
    Some((Association::NonTemporary, iaid))
}

#[cfg(test)]
mod tests;
