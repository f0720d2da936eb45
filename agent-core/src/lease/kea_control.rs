//! What Kea answers to `lease4-get-all`, `lease6-get-all` and their `-page` relatives on its
//! control socket (hooks/dhcp/lease_cmds; `Lease4::toElement()`, `Lease6::toElement()`; run
//! in 2.2).
//!
//! An object with a `result` code, a `text` for people and `arguments`, whose `leases` are
//! objects: `ip-address`, `hw-address`, `client-id`, `cltt` when the client was last heard
//! of and `valid-lft` for how long from then, `state`; of DHCPv6 `type`, `iaid`, `duid`
//! and `prefix-len`. The control agent puts it in an array. States count as in
//! the memfile ([`super::kea`]).

use super::hex::parse_hex;
use super::json::{Level, Shape, Value, Walk};
use super::kea::{FOR_EVER, State};
use super::ledger::Ledger;
use super::log::{Log, Parser};
use super::{Association, Duid, Lease6, Reading};
use crate::evidence::Lease;
use crate::message::{ClientId, HardwareAddress};
use crate::time::Timestamp;
use std::net::IpAddr;

/// Kea's answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reply {
    /// 0 done, 1 failed, 2 the command is not known (the library `lease_cmds` is not
    /// loaded), 3 done, but there are no leases; `None` if the answer does not say.
    pub result: Option<u64>,
    /// The same for people.
    pub text: Option<Box<str>>,
    /// The leases. Not complete where the answer breaks off.
    pub reading: Reading,
}

/// Reads an answer.
pub fn parse(reply: &[u8]) -> Reply {
    let mut incoming = Incoming::default();
    incoming.append(reply);
    incoming.finish()
}

/// An answer that comes in pieces. It needs no memory for their text.
#[derive(Debug)]
pub struct Incoming(Log);

impl Default for Incoming {
    fn default() -> Self {
        Self(Log::of(Parser::KeaControl(Walk::default())))
    }
}

impl Incoming {
    /// Takes in the octets that follow those of the last call.
    pub fn append(&mut self, octets: &[u8]) {
        self.0.load(octets);
    }

    /// Whether all of it has come, or it can't be read.
    pub fn is_complete(&self) -> bool {
        self.0.is_complete()
    }

    /// What it says.
    pub fn finish(mut self) -> Reply {
        let (result, text) = match self.0.parser() {
            Parser::KeaControl(walk) => (walk.shape.result, walk.shape.text.take()),
            _ => (None, None),
        };
        Reply {
            result,
            text,
            reading: self.0.into_reading(),
        }
    }
}

/// What the answer says besides, and the members of one lease.
#[derive(Debug, Clone, Default)]
pub(super) struct Answer {
    result: Option<u64>,
    text: Option<Box<str>>,
    entry: Entry,
}

#[derive(Debug, Clone, Default)]
struct Entry {
    address: Option<IpAddr>,
    hardware_address: Option<HardwareAddress>,
    /// The client identifier or DUID.
    client: Option<ClientId>,
    last_heard: Option<u64>,
    lifetime: Option<u64>,
    state: Option<State>,
    association: Option<Association>,
    iaid: Option<u32>,
    prefix_length: Option<u8>,
}

impl Shape for Answer {
    fn is_list(place: &[Level]) -> bool {
        let place = match place {
            [Level::Array, place @ ..] | place => place,
        };
        matches!(place, [Level::Object(one), Level::Object(other), Level::Array]
            if one.as_slice() == b"arguments" && other.as_slice() == b"leases")
    }

    fn aside(&mut self, place: &[Level], value: Value<'_>, _: &mut Ledger) {
        let ([Level::Object(name)] | [Level::Array, Level::Object(name)]) = place else {
            return;
        };
        match (name.as_slice(), value) {
            (b"result", value) => self.result = value.number(),
            (b"text", Value::Text(text)) => self.text = Some(String::from_utf8_lossy(text).into()),
            _ => {}
        }
    }

    fn member(&mut self, name: &[u8], value: Value<'_>) -> Result<(), &'static str> {
        self.entry.member(name, value)
    }

    fn end(&mut self, ledger: &mut Ledger) -> Result<(), &'static str> {
        std::mem::take(&mut self.entry).enter(ledger)
    }
}

impl Entry {
    fn member(&mut self, name: &[u8], value: Value<'_>) -> Result<(), &'static str> {
        let mut octets = [0; 255];
        match name {
            b"ip-address" => {
                let address = value.text().and_then(|text| str::from_utf8(text).ok());
                let address = address.and_then(|address| address.parse().ok());
                self.address = Some(address.ok_or("the address cannot be read")?);
            }
            b"hw-address" => {
                let octets = value.text().and_then(|text| parse_hex(text, &mut octets));
                let octets = octets.ok_or("the hardware address cannot be read")?;
                self.hardware_address = Some(HardwareAddress::new(1, octets));
            }
            b"client-id" | b"duid" => {
                let octets = value.text().and_then(|text| parse_hex(text, &mut octets));
                let octets = octets.ok_or("the client identifier cannot be read")?;
                self.client = (!octets.is_empty()).then(|| ClientId::new(octets));
            }
            b"cltt" => self.last_heard = Some(value.number().ok_or("a time is no number")?),
            b"valid-lft" => {
                self.lifetime = Some(value.number().ok_or("the lifetime is no number")?);
            }
            b"state" => {
                let Value::Number(number) = value else {
                    return Err("the state is no number");
                };
                self.state = Some(State::of(number)?);
            }
            b"type" => {
                self.association = Some(match value.text() {
                    Some(b"IA_NA") => Association::NonTemporary,
                    Some(b"IA_TA") => Association::Temporary,
                    Some(b"IA_PD") => Association::Prefix,
                    _ => return Err("the type of the lease is not known"),
                });
            }
            b"iaid" => {
                let iaid = value.number().and_then(|iaid| u32::try_from(iaid).ok());
                self.iaid = Some(iaid.ok_or("the IAID is no number")?);
            }
            b"prefix-len" => {
                let length = value.number().and_then(|length| u8::try_from(length).ok());
                let length = length.filter(|length| *length <= 128);
                self.prefix_length = Some(length.ok_or("the length of the prefix is too large")?);
            }
            _ => {}
        }
        Ok(())
    }

    fn enter(self, ledger: &mut Ledger) -> Result<(), &'static str> {
        let address = self.address.ok_or("a lease without an address")?;
        let state = self.state.ok_or("a lease without a state")?;
        let expires = match (self.last_heard, self.lifetime) {
            (_, Some(0)) => return Ok(()),
            (_, Some(FOR_EVER)) => None,
            (Some(last), Some(lifetime)) => {
                Some(Timestamp::from_secs(last.saturating_add(lifetime)))
            }
            _ => return Err("a lease without an end"),
        };
        match (address, state) {
            (IpAddr::V4(address), State::Assigned) => ledger.lease(Lease {
                address,
                hardware_address: self
                    .hardware_address
                    .unwrap_or_else(|| HardwareAddress::new(1, &[])),
                client_id: self.client,
                expires,
            }),
            (IpAddr::V4(address), State::Declined) => ledger.decline(address),
            (IpAddr::V6(address), State::Assigned) => ledger.lease6(Lease6 {
                address,
                prefix_length: self.prefix_length.unwrap_or(128),
                association: self.association.ok_or("an IPv6 lease without a type")?,
                iaid: self.iaid.ok_or("an IPv6 lease without an IAID")?,
                duid: Duid::new(self.client.as_ref().map_or(&[], ClientId::as_bytes)),
                expires,
            }),
            (IpAddr::V6(_), State::Declined) | (_, State::Nobodys) => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
