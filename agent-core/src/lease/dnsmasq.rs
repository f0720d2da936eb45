//! dnsmasq's lease file (lease.c `lease_init`, `lease_update_file`).
//!
//! One lease a line: `expiry hardware-address address name client-id`, with `*` for
//! no name and no identifier, expiry 0 for never, and `HH-` before a hardware address
//! that is not Ethernet. With DHCPv6 a `duid` line and the IPv6 leases follow; from
//! 2.92 on, `agent-info` and `vendorclass` lines may come after.
//!
//! dnsmasq rewrites the file in place (rewind, truncate, write), so a reading may be
//! torn: [`Parsed::complete`] tells as much as the text can. A tear at the end of a
//! line does not show, nor does a reading between truncate and write of a file that
//! could rightly be empty; the reader has to read again and compare.

use super::hex::{hex_octet, parse_hex};
use crate::evidence::Lease;
use crate::message::{ClientId, HardwareAddress};
use crate::time::Timestamp;
use std::net::IpAddr;

/// What a lease file says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parsed {
    /// The IPv4 leases, in the order of the file.
    pub leases: Vec<Lease>,
    /// Whether the text ends as dnsmasq ends it: with a whole line, or with nothing
    /// at all ([`Parsed::believable_after`] on why that is not enough).
    pub complete: bool,
    /// Whether there was no text at all: nothing is leased, or a torn reading.
    pub empty: bool,
    /// Lines that could not be read, in the order of the file.
    pub skipped: Vec<SkippedLine>,
    /// Lines of IPv6 leases, left out.
    pub ipv6_leases: usize,
    /// `duid`, `agent-info` and `vendorclass` lines, left out.
    pub other_lines: usize,
}

impl Parsed {
    /// Whether the text can be taken at its word by a reader that knew
    /// `leases_before` leases: complete, and not suddenly empty. A file that stays
    /// empty when read again is to be believed all the same.
    pub const fn believable_after(&self, leases_before: usize) -> bool {
        self.complete && !(self.empty && leases_before > 0)
    }
}

/// A line that could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SkippedLine {
    /// From 1.
    pub line_number: usize,
    /// What was wrong with it.
    pub reason: SkipReason,
}

/// What can be wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum SkipReason {
    /// Not five fields, and no line of another kind.
    #[error("not the five fields of a lease")]
    FieldCount,
    /// The first field is no number of seconds.
    #[error("the expiry is no number")]
    Expiry,
    /// The second field is no hardware address.
    #[error("the hardware address cannot be read")]
    HardwareAddress,
    /// The third field is neither an IPv4 nor an IPv6 address.
    #[error("the address cannot be read")]
    Address,
    /// The fifth field is no client identifier.
    #[error("the client identifier cannot be read")]
    ClientId,
    /// The last line, without a newline: what is there may be half of a line.
    #[error("the line is not finished")]
    Unfinished,
}

enum Line {
    Lease(Lease),
    Ipv6Lease,
    Other,
    Blank,
}

/// Reads a lease file's text. Names may be in any encoding.
pub fn parse(text: &[u8]) -> Parsed {
    let (whole, torn) = match text.iter().rposition(|&octet| octet == b'\n') {
        Some(end) => text.split_at_checked(end + 1).unwrap_or((text, &[])),
        None => (&[][..], text),
    };
    let mut parsed = Parsed {
        complete: torn.is_empty(),
        empty: text.is_empty(),
        ..Parsed::default()
    };
    let mut line_number = 0;
    let mut rest = whole;
    while !rest.is_empty() {
        line_number += 1;
        let fields = Fields::split_line(&mut rest);
        match parse_line(&fields) {
            Ok(Line::Lease(lease)) => parsed.leases.push(lease),
            Ok(Line::Ipv6Lease) => parsed.ipv6_leases += 1,
            Ok(Line::Other) => parsed.other_lines += 1,
            Ok(Line::Blank) => {}
            Err(reason) => parsed.skipped.push(SkippedLine {
                line_number,
                reason,
            }),
        }
    }
    if !torn.is_empty() {
        parsed.skipped.push(SkippedLine {
            line_number: line_number + 1,
            reason: SkipReason::Unfinished,
        });
    }
    parsed
}

/// The fields of one line; `count` may be more than are kept.
#[derive(Default)]
struct Fields<'a> {
    kept: [&'a [u8]; 5],
    count: usize,
}

impl<'a> Fields<'a> {
    /// Takes one line off `text` and splits it at white space, in one pass.
    fn split_line(text: &mut &'a [u8]) -> Self {
        let mut fields = Self::default();
        loop {
            let length = text
                .iter()
                .position(u8::is_ascii_whitespace)
                .unwrap_or(text.len());
            let (field, rest) = text.split_at_checked(length).unwrap_or((text, &[]));
            if !field.is_empty() {
                if let Some(slot) = fields.kept.get_mut(fields.count) {
                    *slot = field;
                }
                fields.count += 1;
            }
            let (separator, rest) = rest.split_first().unwrap_or((&b'\n', &[]));
            *text = rest;
            if *separator == b'\n' {
                return fields;
            }
        }
    }
}

fn parse_line(fields: &Fields<'_>) -> Result<Line, SkipReason> {
    let [expiry, hardware_address, address, _name, client_id] = fields.kept;
    match expiry {
        b"" => return Ok(Line::Blank),
        b"duid" | b"agent-info" | b"vendorclass" => return Ok(Line::Other),
        _ => {}
    }
    if fields.count != 5 {
        return Err(SkipReason::FieldCount);
    }
    Ok(Line::Lease(Lease {
        address: match str::from_utf8(address).ok().and_then(|a| a.parse().ok()) {
            Some(IpAddr::V4(address)) => address,
            Some(IpAddr::V6(_)) => return Ok(Line::Ipv6Lease),
            None => return Err(SkipReason::Address),
        },
        expires: parse_expiry(expiry).ok_or(SkipReason::Expiry)?,
        hardware_address: parse_hardware_address(hardware_address)
            .ok_or(SkipReason::HardwareAddress)?,
        client_id: parse_client_id(client_id).ok_or(SkipReason::ClientId)?,
    }))
}

#[expect(
    clippy::option_option,
    reason = "unreadable, never, and a time are three answers"
)]
fn parse_expiry(field: &[u8]) -> Option<Option<Timestamp>> {
    let seconds: u64 = str::from_utf8(field).ok()?.parse().ok()?;
    Some((seconds != 0).then_some(Timestamp::from_secs(seconds)))
}

/// `aa:bb:…` is Ethernet; `HH-aa:bb:…` any other type; `00-` no address at all.
fn parse_hardware_address(field: &[u8]) -> Option<HardwareAddress> {
    let mut octets = [0; 16];
    let (kind, address) = match field {
        [high, low, b'-', address @ ..] => (hex_octet(*high, *low)?, address),
        [] => return None,
        address => (1, address),
    };
    Some(HardwareAddress::new(kind, parse_hex(address, &mut octets)?))
}

#[expect(
    clippy::option_option,
    reason = "unreadable, none, and one are three answers"
)]
fn parse_client_id(field: &[u8]) -> Option<Option<ClientId>> {
    if field == b"*" {
        return Some(None);
    }
    let mut octets = [0; 255];
    let octets = parse_hex(field, &mut octets)?;
    (!octets.is_empty()).then(|| Some(ClientId::new(octets)))
}

#[cfg(test)]
mod tests;
