//! busybox udhcpd's lease file (networking/udhcp/dhcpd.c `write_leases()`, dhcpd.h
//! `struct dyn_lease`; read and run in 1.35).
//!
//! Binary: the time of writing, 8 octets, then of each address 36: the seconds that were left
//! then, the address, the hardware address, a host name and padding, numbers in network
//! order. With none left the lease is over, released among them. Without a hardware address
//! it is declined, by a client or because it answered udhcpd's probe. An address that was
//! offered to a client looks like one that it has for a minute. Client identifiers are not
//! kept: udhcpd goes by the hardware address.
//!
//! udhcpd writes the file every two hours (`auto_time`), when told to (SIGUSR1), and when it
//! ends, from the beginning: what it says was so at [`Reading::written_at`].

use super::ledger::Ledger;
use super::log::Fault;
use super::{Format, Reading};
use crate::evidence::Lease;
use crate::message::HardwareAddress;
use crate::time::Timestamp;
use std::net::Ipv4Addr;

/// The time of writing.
const HEAD: usize = 8;
/// In the year 2413: from there on the end of a lease can't be told any more.
const LATEST: u64 = 14_000_000_000;
/// One address.
pub(super) const RECORD: usize = 36;

/// Reads a lease file's octets.
pub fn parse(octets: &[u8]) -> Reading {
    super::read(Format::Udhcpd, octets)
}

/// What is remembered from record to record.
#[derive(Debug, Clone, Default)]
pub(super) struct Parser {
    written_at: Option<u64>,
}

impl Parser {
    pub(super) fn take_in(&mut self, octets: &[u8], ledger: &mut Ledger) -> Result<usize, Fault> {
        let (written_at, mut taken, mut rest) = if let Some(written_at) = self.written_at {
            (written_at, 0, octets)
        } else {
            let Some((head, rest)) = octets.split_first_chunk::<HEAD>() else {
                return Ok(0);
            };
            let written_at = u64::from_be_bytes(*head);
            if written_at > LATEST {
                let reason = "the time of writing is none";
                return Err(Fault { at: 0, reason });
            }
            self.written_at = Some(written_at);
            ledger.written_at = Some(Timestamp::from_secs(written_at));
            (written_at, HEAD, rest)
        };
        while let Some((record, tail)) = rest.split_first_chunk::<RECORD>() {
            take_in_record(record, written_at, ledger)
                .map_err(|reason| Fault { at: taken, reason })?;
            (taken, rest) = (taken + RECORD, tail);
        }
        Ok(taken)
    }
}

fn take_in_record(
    record: &[u8; RECORD],
    written_at: u64,
    ledger: &mut Ledger,
) -> Result<(), &'static str> {
    let [r0, r1, r2, r3, a, b, c, d, mac @ ..] = record;
    let remaining = u32::from_be_bytes([*r0, *r1, *r2, *r3]);
    let address = Ipv4Addr::new(*a, *b, *c, *d);
    let mac: &[u8; 6] = mac.first_chunk().ok_or("a record is too short")?;
    if address.is_unspecified() {
        return Err("a record without an address");
    }
    match (remaining, *mac == [0; 6]) {
        (0, _) => ledger.free(address),
        (_, true) => ledger.decline(address),
        (_, false) => ledger.lease(Lease {
            address,
            hardware_address: HardwareAddress::ethernet(*mac),
            client_id: None,
            expires: Some(Timestamp::from_secs(
                written_at.saturating_add(u64::from(remaining)),
            )),
        }),
    }
    Ok(())
}

#[cfg(test)]
mod tests;
