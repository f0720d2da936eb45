//! The block of an IPv4 lease, and the words that it shares with that of an IPv6 lease.

use super::super::hex::{decimal, parse_hex};
use super::super::ledger::Ledger;
use super::lexer::Lexer;
use super::statement::{Opens, Statement, Stop, skip_block, statement};
use super::time;
use crate::evidence::Lease;
use crate::message::{ClientId, HardwareAddress};
use crate::time::Timestamp;

/// `binding state` (server/stables.c `binding_state_names`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Binding {
    Active,
    Abandoned,
    /// Free, released, expired, backup or reset.
    Nobodys,
}

impl Binding {
    pub(super) fn of(word: &[u8]) -> Result<Self, Stop> {
        match word {
            b"active" => Ok(Self::Active),
            b"abandoned" => Ok(Self::Abandoned),
            b"free" | b"released" | b"expired" | b"backup" | b"reset" => Ok(Self::Nobodys),
            _ => Err(Stop::Damage("a binding state that is not known")),
        }
    }
}

/// Calls `take_in` with each statement of a block but those that have a block of their own
/// (`on expiry { … }` and its like), to its end.
pub(super) fn each_statement<'a>(
    lexer: &mut Lexer<'a>,
    mut take_in: impl FnMut(&Statement<'a>) -> Result<(), Stop>,
) -> Result<(), Stop> {
    while let Some((statement, opens)) = statement(lexer)? {
        match opens {
            Opens::Block => skip_block(lexer)?,
            Opens::Nothing => take_in(&statement)?,
        }
    }
    Ok(())
}

/// `ends …`, of any lease.
pub(super) fn ends(when: &[&[u8]]) -> Result<Option<Timestamp>, Stop> {
    time::parse(when).ok_or(Stop::Damage("the end of a lease cannot be read"))
}

/// Reads the block of a lease, behind its brace.
pub(super) fn lease(
    address: &[u8],
    lexer: &mut Lexer<'_>,
    ledger: &mut Ledger,
) -> Result<(), Stop> {
    let address = str::from_utf8(address)
        .ok()
        .and_then(|address| address.parse().ok())
        .ok_or(Stop::Damage("the address cannot be read"))?;
    let mut block = Block::default();
    each_statement(lexer, |statement| block.take_in(statement))?;
    let unsaid = if block.abandoned {
        Binding::Abandoned
    } else {
        Binding::Active
    };
    match block.binding.unwrap_or(unsaid) {
        Binding::Active => ledger.lease(Lease {
            address,
            hardware_address: block
                .hardware_address
                .unwrap_or_else(|| HardwareAddress::new(0, &[])),
            client_id: block.client_id,
            expires: block.ends,
        }),
        Binding::Abandoned => ledger.decline(address),
        Binding::Nobodys => ledger.free(address),
    }
    Ok(())
}

/// What a lease's block says.
#[derive(Debug, Default)]
struct Block {
    /// Files from before failover have none.
    binding: Option<Binding>,
    /// The old word for the state.
    abandoned: bool,
    hardware_address: Option<HardwareAddress>,
    client_id: Option<ClientId>,
    ends: Option<Timestamp>,
}

impl Block {
    fn take_in(&mut self, statement: &Statement<'_>) -> Result<(), Stop> {
        match statement.words() {
            [b"binding", b"state", state] => self.binding = Some(Binding::of(state)?),
            [b"abandoned"] => self.abandoned = true,
            [b"ends", when @ ..] => self.ends = ends(when)?,
            [b"hardware", kind, address] => {
                self.hardware_address = Some(
                    hardware_address(kind, address)
                        .ok_or(Stop::Damage("the hardware address cannot be read"))?,
                );
            }
            [b"uid", ..] => {
                let id = statement
                    .octets()
                    .ok_or(Stop::Damage("the client identifier cannot be read"))?;
                self.client_id = (!id.is_empty()).then(|| ClientId::new(&id));
            }
            _ => {}
        }
        Ok(())
    }
}

/// `hardware ethernet 02:…`; the numbers are ARP hardware types (RFC 1700), which dhcpd
/// writes as `unknown-N` where it has no word for one.
fn hardware_address(kind: &[u8], address: &[u8]) -> Option<HardwareAddress> {
    let kind = match kind {
        b"ethernet" => 1,
        b"token-ring" => 6,
        b"fddi" => 8,
        b"infiniband" => 32,
        other => {
            let number = other.strip_prefix(b"unknown-")?;
            u8::try_from(decimal(number)?).ok()?
        }
    };
    let mut octets = [0; 16];
    Some(HardwareAddress::new(kind, parse_hex(address, &mut octets)?))
}
