//! A lease database, read piece by piece.
//!
//! Whoever follows a log of 100,000 leases hands over what was appended, and only that is
//! parsed; whoever reads a file for the first time hands it over in pieces, and needs no
//! memory for its text. Reads no file itself.

use super::json::Walk;
use super::ledger::Ledger;
use super::{Damage, Format, Lease6, Reading};
use super::{dnsmasq, isc_dhcpd, kea, kea_control, libvirt, networkd, udhcpd};
use crate::evidence::Lease;
use std::net::Ipv4Addr;

/// A record may have this many octets; dhcpd's are the longest, at some hundred. It bounds
/// what has to be kept of one that is not finished.
const LONGEST_RECORD: usize = 1024 * 1024;

/// The state of a lease database after the octets so far, wherever they were cut.
///
/// A record counts once it is whole. What is in an unfinished one is kept until the rest
/// comes. After damage nothing is parsed any more, and nothing that was counts: the reader
/// has to begin anew.
///
/// A database whose [`Format::is_log`] may grow for ever; the others end, and what changes
/// in them is read into a new `Log`.
#[derive(Debug)]
pub struct Log {
    parser: Parser,
    ledger: Ledger,
    /// The beginning of a record.
    unfinished: Vec<u8>,
    octets: u64,
    /// Before `unfinished`; of a binary format, records.
    lines: usize,
    last: Option<u8>,
    damage: Option<Damage>,
}

/// What appended records changed, both in order of address.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// Addresses that are leased, or otherwise than before.
    pub upserted: Vec<Lease>,
    /// Addresses that were leased before and are not now.
    pub removed: Vec<Ipv4Addr>,
}

impl Changes {
    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.upserted.is_empty() && self.removed.is_empty()
    }
}

impl Log {
    /// Of a database of which nothing has been read.
    pub fn new(format: Format) -> Self {
        Self::of(Parser::new(format))
    }

    pub(super) fn of(parser: Parser) -> Self {
        Self {
            parser,
            ledger: Ledger::default(),
            unfinished: Vec::new(),
            octets: 0,
            lines: 0,
            last: None,
            damage: None,
        }
    }

    /// Takes in the octets that follow those of the last call. No changes come with, or
    /// after, damage.
    pub fn append(&mut self, octets: &[u8]) -> Changes {
        self.ledger.begin_changes();
        self.load(octets);
        let changes = self.ledger.end_changes();
        if self.damage.is_some() {
            return Changes::default();
        }
        changes
    }

    /// As [`Log::append`], for whoever will look at all leases anyway.
    pub fn load(&mut self, octets: &[u8]) {
        self.octets = self
            .octets
            .saturating_add(u64::try_from(octets.len()).unwrap_or(u64::MAX));
        self.last = octets.last().copied().or(self.last);
        if self.damage.is_some() {
            return;
        }
        if self.unfinished.is_empty() {
            let taken = self.parse(octets);
            self.unfinished
                .extend_from_slice(octets.get(taken..).unwrap_or_default());
        } else {
            let mut text = std::mem::take(&mut self.unfinished);
            text.extend_from_slice(octets);
            let taken = self.parse(&text);
            text.drain(..taken.min(text.len()));
            self.unfinished = text;
        }
        if self.unfinished.len() > LONGEST_RECORD && self.damage.is_none() {
            self.damage = Some(Damage {
                line: self.lines + 1,
                reason: "a record without an end".into(),
            });
        }
        if self.damage.is_some() || self.unfinished.is_empty() {
            self.unfinished = Vec::new();
        }
    }

    /// What follows is the beginning of another file of the same database. A record that
    /// is unfinished will stay so, and is left out: its writer never came to its end.
    pub fn next_file(&mut self) {
        self.unfinished = Vec::new();
        self.last = None;
        self.parser.next_file();
    }

    /// The number of octets parsed, at most the length of `text`.
    fn parse(&mut self, text: &[u8]) -> usize {
        match self.parser.take_in(text, &mut self.ledger) {
            Ok(taken) => {
                self.lines += self.parser.count(text.get(..taken).unwrap_or(text));
                taken
            }
            Err(Fault { at, reason }) => {
                self.damage = Some(Damage {
                    line: self.lines + self.parser.count(text.get(..at).unwrap_or(text)) + 1,
                    reason: reason.into(),
                });
                text.len()
            }
        }
    }

    pub(super) const fn parser(&mut self) -> &mut Parser {
        &mut self.parser
    }

    /// How many IPv4 addresses are leased.
    pub const fn len(&self) -> usize {
        self.ledger.leases().len()
    }

    /// Whether no IPv4 address is leased.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many IPv6 addresses and prefixes are leased.
    pub const fn len6(&self) -> usize {
        self.ledger.leases6().len()
    }

    /// How many IPv4 addresses are declined ([`Reading::declined`]).
    pub fn declined(&self) -> usize {
        self.ledger.declined()
    }

    /// The lease of an address.
    pub fn lease(&self, address: Ipv4Addr) -> Option<&Lease> {
        self.ledger.leases().get(address)
    }

    /// The leases in order of address.
    pub fn leases(&self) -> impl Iterator<Item = &Lease> {
        self.ledger.leases().iter()
    }

    /// The IPv6 leases in order of address.
    pub fn leases6(&self) -> impl Iterator<Item = &Lease6> {
        self.ledger.leases6().iter()
    }

    /// Whether the octets end where a writer ends a record ([`Reading::complete`]).
    pub fn is_complete(&self) -> bool {
        if self.damage.is_some() {
            return true;
        }
        self.unfinished.is_empty() && self.parser.may_end_after(self.last)
    }

    /// The first part that can't be read ([`Reading::damage`]).
    pub const fn damage(&self) -> Option<&Damage> {
        self.damage.as_ref()
    }

    /// How many octets were taken in.
    pub const fn octets(&self) -> u64 {
        self.octets
    }

    /// What it says, at the cost of a copy.
    pub fn to_reading(&self) -> Reading {
        Reading {
            complete: self.is_complete(),
            damage: self.damage.clone(),
            ..self.ledger.clone().into_reading()
        }
    }

    /// What it says.
    pub fn into_reading(self) -> Reading {
        Reading {
            complete: self.is_complete(),
            damage: self.damage,
            ..self.ledger.into_reading()
        }
    }
}

/// What can't be read, and where in the octets handed over it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) at: usize,
    pub(super) reason: &'static str,
}

/// One format's parser, and what it remembers between two pieces. Each takes in whole
/// records from the beginning of a text, and says how many octets they are.
#[derive(Debug)]
pub(super) enum Parser {
    Dnsmasq,
    Libvirt(Walk<libvirt::Entry>),
    IscDhcpd(isc_dhcpd::Parser),
    Kea(kea::Parser),
    Udhcpd(udhcpd::Parser),
    Networkd(Walk<networkd::Entry>),
    /// No database, but a server's answer about one.
    KeaControl(Walk<kea_control::Answer>),
}

impl Parser {
    fn new(format: Format) -> Self {
        match format {
            Format::Dnsmasq => Self::Dnsmasq,
            Format::Libvirt => Self::Libvirt(Walk::default()),
            Format::IscDhcpd => Self::IscDhcpd(isc_dhcpd::Parser::default()),
            Format::Kea => Self::Kea(kea::Parser::default()),
            Format::Udhcpd => Self::Udhcpd(udhcpd::Parser::default()),
            Format::Networkd => Self::Networkd(Walk::default()),
        }
    }

    fn take_in(&mut self, text: &[u8], ledger: &mut Ledger) -> Result<usize, Fault> {
        match self {
            Self::Dnsmasq => dnsmasq::take_in(text, ledger),
            Self::Libvirt(walk) => walk.take_in(text, ledger),
            Self::IscDhcpd(parser) => parser.take_in(text, ledger),
            Self::Kea(parser) => parser.take_in(text, ledger),
            Self::Udhcpd(parser) => parser.take_in(text, ledger),
            Self::Networkd(walk) => walk.take_in(text, ledger),
            Self::KeaControl(walk) => walk.take_in(text, ledger),
        }
    }

    /// Forgets what it remembers.
    fn next_file(&mut self) {
        *self = match self {
            Self::Dnsmasq => Self::Dnsmasq,
            Self::Libvirt(_) => Self::Libvirt(Walk::default()),
            Self::IscDhcpd(_) => Self::IscDhcpd(isc_dhcpd::Parser::default()),
            Self::Kea(_) => Self::Kea(kea::Parser::default()),
            Self::Udhcpd(_) => Self::Udhcpd(udhcpd::Parser::default()),
            Self::Networkd(_) => Self::Networkd(Walk::default()),
            Self::KeaControl(_) => Self::KeaControl(Walk::default()),
        };
    }

    /// Whether a text may end where all records are whole and the last octet is this one.
    fn may_end_after(&self, last: Option<u8>) -> bool {
        match self {
            Self::Dnsmasq | Self::IscDhcpd(_) | Self::Kea(_) => {
                last.is_none_or(|last| last == b'\n')
            }
            // An empty file has no lease; of an array all has to be there.
            Self::Libvirt(walk) => !walk.is_begun() || walk.is_ended(),
            Self::Udhcpd(_) => true,
            Self::Networkd(walk) => walk.is_ended(),
            Self::KeaControl(walk) => walk.is_ended(),
        }
    }

    /// How many of what a person counts to find a place: records in a binary format, else
    /// lines.
    fn count(&self, octets: &[u8]) -> usize {
        match self {
            Self::Udhcpd(_) => octets.len() / udhcpd::RECORD,
            _ => newlines(octets),
        }
    }
}

/// Calls `record` with each line that has its end; a carriage return before that is no part
/// of it. Returns the number of octets of these lines.
pub(super) fn lines(
    text: &[u8],
    mut record: impl FnMut(&[u8]) -> Result<(), &'static str>,
) -> Result<usize, Fault> {
    let mut at = 0;
    let mut rest = text;
    while let Some(length) = rest.iter().position(|octet| *octet == b'\n') {
        let (line, tail) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        record(line).map_err(|reason| Fault { at, reason })?;
        at += length + 1;
        rest = tail.get(1..).unwrap_or_default();
    }
    Ok(at)
}

#[expect(
    clippy::naive_bytecount,
    reason = "fast enough: a hundredth of the parsing"
)]
fn newlines(text: &[u8]) -> usize {
    text.iter().filter(|octet| **octet == b'\n').count()
}

#[cfg(test)]
mod tests;
