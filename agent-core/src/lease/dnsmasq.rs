//! dnsmasq's lease file (lease.c `lease_init`, `lease_update_file`).
//!
//! One lease a line: `expiry hardware-address address name client-id`, with `*` for
//! no name and no identifier, expiry 0 for never, and `HH-` before a hardware address
//! that is not Ethernet. With DHCPv6 a line `duid DUID` and the IPv6 leases follow,
//! `expiry IAID address name DUID`, with `T` before the IAID of a temporary address. From
//! 2.92 on, `agent-info` and `vendorclass` lines may come after.
//!
//! All that is written there is leased; a released or declined lease is not written, and
//! an expired one only until dnsmasq comes round to it.
//!
//! A line that begins with another word than those, and is not of the shape of a lease, is
//! of a kind that is not known. Any other that can't be read is damage.
//!
//! dnsmasq rewrites the file in place (rewind, truncate, write), so a reading may be
//! torn: [`Reading::complete`] tells as much as the text can. A tear at the end of a
//! line does not show, nor does a reading between truncate and write of a file that
//! could rightly be empty; the reader has to read again and compare. A dnsmasq that was
//! built for a clock that forgets (`HAVE_BROKEN_RTC`) writes the length of a lease in place
//! of its end, which can't be told.

use super::hex::{decimal, hex_octet, parse_hex};
use super::ledger::Ledger;
use super::log::{Fault, lines};
use super::{Association, Duid, Format, Lease6, Reading};
use crate::evidence::Lease;
use crate::message::{ClientId, HardwareAddress};
use crate::time::Timestamp;
use std::net::IpAddr;

/// Reads a lease file's text. Names may be in any encoding.
pub fn parse(text: &[u8]) -> Reading {
    super::read(Format::Dnsmasq, text)
}

pub(super) fn take_in(text: &[u8], ledger: &mut Ledger) -> Result<usize, Fault> {
    lines(text, |line| record(line, ledger))
}

fn record(line: &[u8], ledger: &mut Ledger) -> Result<(), &'static str> {
    let fields = Fields::of(line);
    let [expiry, identity, address, _name, client] = fields.kept;
    match expiry {
        b"duid" => {
            ledger.server_duid = parse_hex(identity, &mut [0; 255]).map(Duid::new);
            return Ok(());
        }
        // The latter two are of an address that has a line of its own.
        b"" | b"agent-info" | b"vendorclass" => return Ok(()),
        _ => {}
    }
    let address: Option<IpAddr> = str::from_utf8(address).ok().and_then(|a| a.parse().ok());
    if expiry.first().is_some_and(u8::is_ascii_lowercase)
        && !(fields.count == 5 && address.is_some())
    {
        ledger.unknown += 1;
        return Ok(());
    }
    if fields.count != 5 {
        return Err("not the five fields of a lease");
    }
    let address = address.ok_or("the address cannot be read")?;
    let seconds = decimal(expiry).ok_or("the expiry is no number")?;
    let expires = (seconds != 0).then(|| Timestamp::from_secs(seconds));
    match address {
        IpAddr::V4(address) => ledger.lease(Lease {
            address,
            hardware_address: hardware_address(identity)
                .ok_or("the hardware address cannot be read")?,
            client_id: client_octets(client, &mut [0; 255])
                .map(|octets| (!octets.is_empty()).then(|| ClientId::new(octets)))
                .ok_or("the client identifier cannot be read")?,
            expires,
        }),
        IpAddr::V6(address) => {
            let (association, iaid) = match identity {
                [b'T', iaid @ ..] => (Association::Temporary, iaid),
                iaid => (Association::NonTemporary, iaid),
            };
            let iaid = decimal(iaid).and_then(|iaid| u32::try_from(iaid).ok());
            let mut octets = [0; 255];
            let duid = client_octets(client, &mut octets);
            ledger.lease6(Lease6 {
                address,
                prefix_length: 128,
                association,
                iaid: iaid.ok_or("the IAID is no number")?,
                duid: Duid::new(duid.ok_or("the client's DUID cannot be read")?),
                expires,
            });
        }
    }
    Ok(())
}

/// The fields of one line; `count` may be more than are kept.
#[derive(Default)]
struct Fields<'a> {
    kept: [&'a [u8]; 5],
    count: usize,
}

impl<'a> Fields<'a> {
    fn of(line: &'a [u8]) -> Self {
        let mut fields = Self::default();
        let words = line.split(u8::is_ascii_whitespace);
        for word in words.filter(|word| !word.is_empty()) {
            if let Some(slot) = fields.kept.get_mut(fields.count) {
                *slot = word;
            }
            fields.count += 1;
        }
        fields
    }
}

/// `aa:bb:…` is Ethernet; `HH-aa:bb:…` any other type; `00-` no address at all.
pub(super) fn hardware_address(field: &[u8]) -> Option<HardwareAddress> {
    let mut octets = [0; 16];
    let (kind, address) = match field {
        [high, low, b'-', address @ ..] => (hex_octet(*high, *low)?, address),
        [] => return None,
        address => (1, address),
    };
    Some(HardwareAddress::new(kind, parse_hex(address, &mut octets)?))
}

/// `*` stands for none.
fn client_octets<'a>(field: &[u8], into: &'a mut [u8]) -> Option<&'a [u8]> {
    if field == b"*" {
        return Some(&[]);
    }
    parse_hex(field, into)
}

#[cfg(test)]
mod tests;
