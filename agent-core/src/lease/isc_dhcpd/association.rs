//! The block of an identity association, with the IPv6 leases in it (server/db.c
//! `write_ia()`, server/confpars.c `parse_ia_na_declaration()` and its like).

use super::super::hex::decimal;
use super::super::ledger::{Ledger, Prefix};
use super::super::{Association, Duid, Lease6};
use super::block::{Binding, each_statement, ends};
use super::lexer::{Lexer, unescape};
use super::statement::{Opens, Stop, skip_block, statement};
use smallvec::SmallVec;
use std::net::Ipv6Addr;

/// A lease, or an address or prefix that is none.
type Said = Result<Lease6, Prefix>;

/// Reads the block of an association, behind its brace.
pub(super) fn read(
    kind: &[u8],
    key: &[u8],
    big_endian: bool,
    lexer: &mut Lexer<'_>,
    ledger: &mut Ledger,
) -> Result<(), Stop> {
    let client = Client::of(kind, key, big_endian)?;
    let mut all: SmallVec<[Said; 1]> = SmallVec::new();
    while let Some((statement, opens)) = statement(lexer)? {
        match (statement.words(), opens) {
            ([b"iaaddr", address], Opens::Block) => all.push(client.lease(address, 128, lexer)?),
            ([b"iaprefix", prefix], Opens::Block) => {
                let slash = prefix.iter().position(|octet| *octet == b'/');
                let (address, length) = slash
                    .and_then(|slash| prefix.split_at_checked(slash))
                    .ok_or(Stop::Damage("the prefix cannot be read"))?;
                let length = decimal(length.get(1..).unwrap_or_default())
                    .and_then(|length| u8::try_from(length).ok())
                    .filter(|length| *length <= 128)
                    .ok_or(Stop::Damage("the prefix cannot be read"))?;
                all.push(client.lease(address, length, lexer)?);
            }
            (_, Opens::Block) => skip_block(lexer)?,
            // `cltt`, when the client was last heard of.
            (_, Opens::Nothing) => {}
        }
    }
    for said in all {
        match said {
            Ok(lease) => ledger.lease6(lease),
            Err(prefix) => ledger.free6(prefix),
        }
    }
    Ok(())
}

/// Whose association it is.
struct Client {
    association: Association,
    iaid: u32,
    duid: Duid,
}

impl Client {
    fn of(kind: &[u8], key: &[u8], big_endian: bool) -> Result<Self, Stop> {
        let key = unescape(key);
        let (iaid, duid) =
            key.as_deref()
                .and_then(<[u8]>::split_first_chunk)
                .ok_or(Stop::Damage(
                    "the identifier of an association cannot be read",
                ))?;
        Ok(Self {
            association: match kind {
                b"ia-ta" => Association::Temporary,
                b"ia-pd" => Association::Prefix,
                _ => Association::NonTemporary,
            },
            iaid: if big_endian {
                u32::from_be_bytes(*iaid)
            } else {
                u32::from_le_bytes(*iaid)
            },
            duid: Duid::new(duid),
        })
    }

    /// Reads the block of an address or prefix, behind its brace.
    fn lease(
        &self,
        address: &[u8],
        prefix_length: u8,
        lexer: &mut Lexer<'_>,
    ) -> Result<Said, Stop> {
        let address: Ipv6Addr = str::from_utf8(address)
            .ok()
            .and_then(|address| address.parse().ok())
            .ok_or(Stop::Damage("the address cannot be read"))?;
        let mut binding = None;
        let mut expires = None;
        each_statement(lexer, |statement| {
            match statement.words() {
                [b"binding", b"state", state] => binding = Some(Binding::of(state)?),
                [b"ends", when @ ..] => expires = ends(when)?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(match binding {
            Some(Binding::Active) => Ok(Lease6 {
                address,
                prefix_length,
                association: self.association,
                iaid: self.iaid,
                duid: self.duid.clone(),
                expires,
            }),
            Some(Binding::Abandoned | Binding::Nobodys) | None => Err((address, prefix_length)),
        })
    }
}
