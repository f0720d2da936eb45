//! Kea's memfiles, of DHCPv4 and DHCPv6 (csv_lease_file4.cc, csv_lease_file6.cc; read in 2.2
//! and 3.3).
//!
//! A log: each row says how a lease stands from then on, and the last row of an address
//! counts. The first line names the columns, which became more with time; whether it is
//! `client_id` or `duid` tells the protocol. A released lease is a row with a lifetime of 0,
//! or, where Kea keeps it for the client to come back to, one in state 3. State 1 is
//! declined, 2 expired and taken back, 4 an address that a client chose for itself and had
//! registered (RFC 9686): nobody's lease. In a state that is not known the lease may be
//! anything, so it is damage; a column that is not known is left out.
//!
//! Kea keeps a lease that ran out until it comes round to it; whether it has run out is
//! for those to say who know the time. The files of a database, each with its header, may
//! be handed over one after the other, in the order in which Kea loads them ([`files`]).
//!
//! A Kea that finds a file with the columns of another version has kea-lfc convert it before it
//! appends anything, whatever its configuration says of clean-ups (2.2, tried), so a row has
//! as many fields as the header before it.

use super::hex::{decimal, parse_hex};
use super::ledger::Ledger;
use super::log::{Fault, lines};
use super::{Association, Duid, Format, Lease6, Reading};
use crate::evidence::Lease;
use crate::message::{ClientId, HardwareAddress};
use crate::time::Timestamp;
use columns::{Columns, Family, Fields};
use std::net::Ipv4Addr;

mod columns;
pub mod files;

/// `Lease::INFINITY_LFT`
pub(super) const FOR_EVER: u64 = 0xffff_ffff;
/// Ethernet: the file has no column for the type.
const ETHERNET: u8 = 1;

/// Reads the text of a memfile, or of several.
pub fn parse(text: &[u8]) -> Reading {
    super::read(Format::Kea, text)
}

/// What is remembered from row to row.
#[derive(Debug, Clone, Default)]
pub(super) struct Parser {
    columns: Option<Columns>,
}

impl Parser {
    pub(super) fn take_in(&mut self, text: &[u8], ledger: &mut Ledger) -> Result<usize, Fault> {
        lines(text, |row| self.row(row, ledger))
    }

    fn row(&mut self, row: &[u8], ledger: &mut Ledger) -> Result<(), &'static str> {
        if row.is_empty() {
            return Ok(());
        }
        if row.starts_with(b"address,") {
            self.columns = Some(Columns::named_in(row)?);
            return Ok(());
        }
        let columns = self.columns.as_ref().ok_or("no header before it")?;
        let fields = columns.split(row)?;
        match columns.family {
            Family::V4 => row4(&fields, ledger),
            Family::V6 => row6(&fields, ledger),
        }
    }
}

/// `Lease::STATE_…`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Assigned,
    Declined,
    /// Expired and taken back, released and kept, or registered.
    Nobodys,
}

impl State {
    pub(super) fn of(number: &[u8]) -> Result<Self, &'static str> {
        match number {
            b"0" => Ok(Self::Assigned),
            b"1" => Ok(Self::Declined),
            b"2" | b"3" | b"4" => Ok(Self::Nobodys),
            _ => Err("the state is not known"),
        }
    }
}

/// When a lease ends that lasts so many seconds; the outer `None` if it is over: deleted, or
/// kept for its client by a Kea before 2.7.
#[expect(
    clippy::option_option,
    reason = "over, never, and a time are three answers"
)]
fn expiry(fields: &Fields<'_>) -> Result<Option<Option<Timestamp>>, &'static str> {
    let lifetime = decimal(fields.valid_lifetime).ok_or("the lifetime is no number")?;
    let expire = decimal(fields.expire).ok_or("the expiry is no number")?;
    Ok(match lifetime {
        0 => None,
        FOR_EVER => Some(None),
        _ => Some(Some(Timestamp::from_secs(expire))),
    })
}

fn row4(fields: &Fields<'_>, ledger: &mut Ledger) -> Result<(), &'static str> {
    let address: Ipv4Addr = text(fields.address)
        .and_then(|address| address.parse().ok())
        .ok_or("the address cannot be read")?;
    let expires = expiry(fields)?;
    let hardware_address = parse_hex(fields.hardware_address, &mut [0; 16])
        .map(|octets| HardwareAddress::new(ETHERNET, octets))
        .ok_or("the hardware address cannot be read")?;
    let client_id = parse_hex(fields.client, &mut [0; 255])
        .map(|octets| (!octets.is_empty()).then(|| ClientId::new(octets)))
        .ok_or("the client identifier cannot be read")?;
    match (State::of(fields.state)?, expires) {
        (State::Assigned, Some(expires)) => ledger.lease(Lease {
            address,
            hardware_address,
            client_id,
            expires,
        }),
        (State::Declined, Some(_)) => ledger.decline(address),
        _ => ledger.free(address),
    }
    Ok(())
}

fn row6(fields: &Fields<'_>, ledger: &mut Ledger) -> Result<(), &'static str> {
    let address = text(fields.address)
        .and_then(|address| address.parse().ok())
        .ok_or("the address cannot be read")?;
    let expires = expiry(fields)?;
    let association = match fields.lease_type {
        b"0" => Association::NonTemporary,
        b"1" => Association::Temporary,
        b"2" => Association::Prefix,
        _ => return Err("the type of the lease is not known"),
    };
    let number = |field| decimal(field).ok_or("a number of the lease cannot be read");
    let iaid = u32::try_from(number(fields.iaid)?).map_err(|_| "the IAID is too large")?;
    let prefix_length = u8::try_from(number(fields.prefix_length)?)
        .ok()
        .filter(|length| *length <= 128)
        .ok_or("the length of the prefix is too large")?;
    let duid = parse_hex(fields.client, &mut [0; 255])
        .map(Duid::new)
        .ok_or("the client's DUID cannot be read")?;
    match (State::of(fields.state)?, expires) {
        (State::Assigned, Some(expires)) => ledger.lease6(Lease6 {
            address,
            prefix_length,
            association,
            iaid,
            duid,
            expires,
        }),
        _ => ledger.free6((address, prefix_length)),
    }
    Ok(())
}

fn text(field: &[u8]) -> Option<&str> {
    str::from_utf8(field).ok()
}

#[cfg(test)]
mod tests;
