//! ISC dhcpd's lease files, of DHCPv4 and DHCPv6 (dhcpd.leases(5); server/db.c
//! `write_lease()`, `write_ia()`; common/parse.c; server/confpars.c).
//!
//! A log of blocks, `lease ADDRESS { … }`, of which the last of an address counts. It is
//! leased while its `binding state` is `active`; free, released, expired, backup and reset
//! mean that no client has it, whichever of two failover peers may give it away next. An
//! `abandoned` one is declined: a client said so, or it answered dhcpd's ping. A block
//! without a state, from before failover, is leased unless it is marked `abandoned`. A state
//! that is not known is damage, for the lease may be anything.
//!
//! IPv6 leases are in blocks of an identity association, `ia-na "IAID and DUID" { … iaaddr
//! ADDRESS { … } }`, likewise `ia-ta`, and `ia-pd` with `iaprefix`. They are kept by address,
//! of which the last counts too.
//!
//! All else (hosts, classes, keys, the state of failover) says nothing of leases. Nor may a
//! declaration that is not known, unless it is about an address: then it is damage.
//!
//! dhcpd appends to the file and from time to time puts a new one in its place, with one
//! block for each address. A lease that ran out stays active until dhcpd comes round to it;
//! whether it has run out is for those to say who know the time.

use super::ledger::Ledger;
use super::log::Fault;
use super::{Duid, Format, Reading};
use lexer::Lexer;
use statement::{Opens, Stop, skip_block, statement};
use std::net::IpAddr;

mod association;
mod block;
mod lexer;
mod statement;
mod time;

/// Declarations that dhcpd writes into the file, and that are not about leases.
const OTHERS: [&[u8]; 12] = [
    b"class",
    b"failover",
    b"group",
    b"host",
    b"include",
    b"key",
    b"option",
    b"pool",
    b"set",
    b"shared-network",
    b"subclass",
    b"zone",
];

/// Reads a lease file's text. Statements that say nothing of a lease's client or state
/// are left out, those that don't exist yet included.
pub fn parse(text: &[u8]) -> Reading {
    super::read(Format::IscDhcpd, text)
}

/// What is remembered from declaration to declaration.
#[derive(Debug, Clone, Default)]
pub(super) struct Parser {
    /// In which order the octets of an IAID are, from `authoring-byte-order`; dhcpd writes
    /// it as it lies in memory.
    big_endian: bool,
}

impl Parser {
    pub(super) fn take_in(&mut self, text: &[u8], ledger: &mut Ledger) -> Result<usize, Fault> {
        let mut lexer = Lexer::new(text);
        loop {
            lexer.skip_blank();
            let at = lexer.at();
            match self.declaration(&mut lexer, ledger) {
                Ok(()) => {}
                Err(Stop::TextEnds) => return Ok(at),
                Err(Stop::Damage(reason)) => return Err(Fault { at, reason }),
            }
        }
    }

    /// One declaration of the file: of leases, or any other. Nothing of it counts before it
    /// is whole.
    fn declaration(&mut self, lexer: &mut Lexer<'_>, ledger: &mut Ledger) -> Result<(), Stop> {
        let Some((statement, opens)) = statement(lexer)? else {
            return Err(Stop::Damage("a brace too many"));
        };
        match (statement.words(), opens) {
            ([b"lease", address], Opens::Block) => block::lease(address, lexer, ledger),
            ([kind @ (b"ia-na" | b"ia-ta" | b"ia-pd")], Opens::Block) => {
                let key = statement.quoted.ok_or(Stop::Damage(
                    "an identity association without its identifier",
                ))?;
                association::read(kind, key, self.big_endian, lexer, ledger)
            }
            ([b"server-duid", ..], Opens::Nothing) => {
                ledger.server_duid = statement.octets().map(|octets| Duid::new(&octets));
                Ok(())
            }
            ([b"authoring-byte-order", order], Opens::Nothing) => {
                self.big_endian = *order == b"big-endian";
                Ok(())
            }
            (words, opens) => other(words, opens, lexer, ledger),
        }
    }
}

/// A declaration that says nothing of leases, as far as is known.
fn other(
    words: &[&[u8]],
    opens: Opens,
    lexer: &mut Lexer<'_>,
    ledger: &mut Ledger,
) -> Result<(), Stop> {
    let Some((word, rest)) = words.split_first() else {
        return Err(Stop::Damage("not a declaration"));
    };
    if !is_keyword(word) {
        return Err(Stop::Damage("not a declaration"));
    }
    if opens == Opens::Block {
        skip_block(lexer)?;
    }
    if !OTHERS.contains(word) {
        if rest.first().is_some_and(|word| is_address(word)) {
            return Err(Stop::Damage("a declaration about an address, not known"));
        }
        ledger.unknown += 1;
    }
    Ok(())
}

fn is_address(word: &[u8]) -> bool {
    str::from_utf8(word).is_ok_and(|word| word.parse::<IpAddr>().is_ok())
}

/// A word that may begin a statement that is not known here.
fn is_keyword(word: &[u8]) -> bool {
    word.first().is_some_and(u8::is_ascii_alphabetic)
        && word
            .iter()
            .all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_' | b'.'))
}

#[cfg(test)]
mod tests;
